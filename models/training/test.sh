#!/bin/sh
# Checks models/training: lint, types, tests, and the whole chain on tiny data. Needs python3 (3.11 or newer) with venv,
# and PyPI on the first run. Everything installed goes into a cache outside the tree:
# $IMPASTO_TRAINING_CACHE, else ~/.cache/impasto-training. Arguments are passed on to pytest.
set -eu
cd "$(dirname "$0")"

cache="${IMPASTO_TRAINING_CACHE:-$HOME/.cache/impasto-training}"
lock=$(python3 -c 'import hashlib, sys; print(hashlib.sha256(open("requirements.lock", "rb").read() + sys.version.encode()).hexdigest()[:12])')
venv="$cache/venv-$lock"
if [ ! -e "$venv/complete" ]; then
    echo "installing into $venv" >&2
    rm -rf "$venv"
    python3 -m venv "$venv"
    torch=$(grep '^torch==' requirements.lock)
    # The build without CUDA is a twentieth of the size; PyPI's own serves where its index is out of reach.
    "$venv/bin/pip" install -q --retries 0 --timeout 10 --index-url https://download.pytorch.org/whl/cpu \
        --extra-index-url https://pypi.org/simple "$torch" 2>/dev/null ||
        "$venv/bin/pip" install -q "$torch"
    "$venv/bin/pip" install -q -r requirements.lock
    touch "$venv/complete"
fi

export PATH="$venv/bin:$PATH" PYTHONPATH=src OMP_WAIT_POLICY=PASSIVE
ruff check .
ruff format --check -q .
mypy
pytest "$@"
