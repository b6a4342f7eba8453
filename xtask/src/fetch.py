"""Fetches one library out of one wheel. Arguments: the package, the wheel's name and SHA-256, the library's name and
SHA-256, the wheel's address, the folder to put the library into, and what else of the wheel belongs beside it. Standard
library only, so that no pip is needed."""

import hashlib
import html
import os
import re
import subprocess
import sys
import tempfile
import urllib.parse
import urllib.request
import zipfile

package, wheel, wheel_sum, library, library_sum, address, folder, *beside = sys.argv[1:]
NOTICES = ["LICENSE", "ThirdPartyNotices.txt"]


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def index():
    """The package index that pip would use, or None for PyPI's own."""
    named = os.environ.get("PIP_INDEX_URL")
    if not named:
        try:
            asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
            named = subprocess.run(asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=30).stdout.decode().strip()
        except (OSError, subprocess.SubprocessError):
            named = ""
    return named.rstrip("/") if named and "//pypi.org" not in named else None


def addresses():
    mirror = index()
    if mirror:
        try:
            page_address = "{}/{}/".format(mirror, package)
            with urllib.request.urlopen(page_address, timeout=60) as reply:
                page = reply.read().decode("utf-8", "replace")
                for link in re.findall(r'href="([^"]+)"', page):
                    link = html.unescape(link).split("#")[0]
                    if urllib.parse.unquote(link).endswith("/" + wheel):
                        yield urllib.parse.urljoin(reply.geturl(), link)
        except OSError as error:
            print("xtask: {}: {}".format(page_address, error), file=sys.stderr)
    yield address


def download(into):
    for source in addresses():
        print("xtask: downloading {}".format(source), file=sys.stderr)
        try:
            with urllib.request.urlopen(source, timeout=60) as reply, open(into, "wb") as file:
                for block in iter(lambda: reply.read(1 << 20), b""):
                    file.write(block)
            return
        except OSError as error:
            print("xtask: {}".format(error), file=sys.stderr)
    sys.exit("error: {} could not be downloaded; check the network and try again".format(wheel))


target = os.path.join(folder, library)
whole = all(os.path.exists(os.path.join(folder, name)) for name in beside)
if whole and os.path.exists(target) and sha256(target) == library_sum:
    sys.exit(0)

os.makedirs(folder, exist_ok=True)
with tempfile.TemporaryDirectory(dir=folder) as scratch:
    path = os.environ.get("IMPASTO_ORT_WHEEL")
    if not path:
        path = os.path.join(scratch, wheel)
        download(path)
    found = sha256(path)
    if found != wheel_sum:
        sys.exit("error: {} has the SHA-256 {}, expected {}; it is not used".format(path, found, wheel_sum))
    with zipfile.ZipFile(path) as archive:
        for member in ["capi/" + name for name in [library] + beside] + NOTICES:
            name = os.path.basename(member)
            unpacked = os.path.join(scratch, name)
            with open(unpacked, "wb") as file:
                file.write(archive.read("onnxruntime/" + member))
            # The library comes last to its name, and whole: a broken-off run leaves nothing that looks complete.
            if name != library:
                os.replace(unpacked, os.path.join(folder, name))
    if sha256(os.path.join(scratch, library)) != library_sum:
        sys.exit("error: the library in {} is not the one expected; it is not used".format(wheel))
    os.replace(os.path.join(scratch, library), target)
