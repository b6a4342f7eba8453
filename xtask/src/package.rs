//! What is handed out: a tree that runs from anywhere, as an archive and as a Debian package.

use std::fs;
use std::path::{Path, PathBuf};

use crate::packages;
use crate::shell::{cargo, output, program, say, succeed};
use crate::{Outcome, root};

const SUMMARY: &str = "Repaints a live webcam picture with a neural network";

/// Shells, and where each looks for what it completes.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "bash-completion/completions/impasto"),
    ("zsh", "zsh/vendor-completions/_impasto"),
    ("fish", "fish/vendor_completions.d/impasto.fish"),
];

/// Builds the program for handing out, puts it together with its effects, and packs it up.
///
/// # Errors
/// When a tool is missing or fails, or what was packed does not run.
pub fn package() -> Outcome {
    if !cfg!(target_os = "linux") {
        return Err("packages are made on Linux alone so far; elsewhere use 'cargo install --path .'".into());
    }
    succeed(cargo().args(["build", "--profile", "dist", "--locked", "--bin", "impasto"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let (version, arch) = (version()?, std::env::consts::ARCH);
    let name = format!("impasto-{version}-linux-{arch}");
    let out = target.join("package");
    let tree = out.join(&name);
    for folder in [&tree, &out.join("deb")] {
        if folder.exists() {
            fs::remove_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        }
    }
    fill(&tree, &target.join("dist/impasto"), &version)?;
    runs(&tree)?;

    let archive = out.join(format!("{name}.tar.gz"));
    succeed(program("tar").arg("-czf").arg(&archive).arg("-C").arg(&out).arg(&name))?;
    let mut made = vec![archive];
    match debian(&tree, &out, &version)? {
        Some(deb) => made.push(deb),
        None => say("no .deb: there is no dpkg-deb here"),
    }
    let names: Vec<_> = made.iter().filter_map(|path| path.file_name()).collect();
    let sums = output(program("sha256sum").current_dir(&out).args(&names)).ok_or("sha256sum is missing or failed")?;
    write(&out.join("SHA256SUMS"), &sums)?;
    for path in made {
        let bytes = fs::metadata(&path).map_err(|e| format!("{}: {e}", path.display()))?.len();
        say(&format!("{} ({:.1} MB)", path.display(), bytes as f64 / 1e6));
    }
    Ok(())
}

/// The version in the program's `Cargo.toml`.
fn version() -> Outcome<String> {
    let text = fs::read_to_string(root().join("Cargo.toml")).map_err(|e| format!("Cargo.toml: {e}"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("version = \""));
    line.and_then(|rest| rest.split('"').next()).map(str::to_owned).ok_or_else(|| "Cargo.toml names no version".into())
}

/// `bin`, and `share` where the program looks for its effects.
fn fill(tree: &Path, binary: &Path, version: &str) -> Outcome {
    copy(binary, &tree.join("bin/impasto"))?;
    let share = tree.join("share");
    let gallery = root().join("models/gallery");
    for entry in list(&gallery)? {
        let name = entry.file_name().unwrap_or_default().to_owned();
        copy(&entry, &share.join("impasto/models/gallery").join(name))?;
    }
    let doc = share.join("doc/impasto");
    for name in ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"] {
        copy(&root().join(name), &doc.join(name))?;
    }
    let licences =
        output(cargo().args(["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{p} {l}"]))
            .ok_or("cargo tree failed")?;
    write(&doc.join("third-party.txt"), &third_parties(&licences))?;
    let lock = fs::read_to_string(root().join("Cargo.lock")).map_err(|e| format!("Cargo.lock: {e}"))?;
    write(&doc.join("sbom.cdx.json"), &bill_of_materials(&licences, &lock, version))?;
    let entry = format!(
        "[Desktop Entry]\nType=Application\nName=Impasto\nComment={SUMMARY}\nExec=impasto\nIcon=impasto\nCategories=Graphics;AudioVideo;Video;\nKeywords=webcam;camera;painting;style;\nTerminal=false\n"
    );
    write(&share.join("applications/impasto.desktop"), &entry)?;
    let mut impasto = program(binary);
    let help = output(impasto.arg("--help")).ok_or("the program does not tell its help")?;
    write(&share.join("man/man1/impasto.1"), &man_page(&help, version))?;
    for (shell, file) in COMPLETIONS {
        let script = output(program(binary).args(["completions", shell])).ok_or("the program completes nothing")?;
        write(&share.join(file), &script)?;
    }
    write(&share.join("metainfo/impasto.metainfo.xml"), &metainfo(version))?;
    // The icon is painted by the program itself.
    let icon = share.join("pixmaps/impasto.png");
    fs::create_dir_all(share.join("pixmaps")).map_err(|e| e.to_string())?;
    let mut paint = program(binary);
    paint.arg("render").arg(gallery.join("oil.jpg")).arg(&icon).args(["--effect", "starry-night", "--force"]);
    if output(&mut paint).is_none() || !icon.is_file() {
        say("no icon: nothing can be painted on this machine");
    }
    Ok(())
}

/// Whether what was put together finds its effects, from another folder and without a home.
fn runs(tree: &Path) -> Outcome {
    let mut command = program(tree.join("bin/impasto"));
    command.current_dir("/").env_remove("IMPASTO_MODELS").env("HOME", "/nonexistent").args(["effects", "--json"]);
    let said = output(&mut command).ok_or("what was packed does not run")?;
    let effects = said.matches("\"artist\"").count();
    if effects < 20 {
        return Err(format!("what was packed finds {effects} effects"));
    }
    say(&format!("what was packed runs, and finds {effects} effects"));
    Ok(())
}

/// A Debian package of the tree; `None` where nothing makes one.
fn debian(tree: &Path, out: &Path, version: &str) -> Outcome<Option<PathBuf>> {
    if output(program("dpkg-deb").arg("--version")).is_none() {
        return Ok(None);
    }
    let arch = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => return Err(format!("Debian has another name for {other}, which is not known here")),
    };
    let stage = out.join("deb");
    copy_tree(tree, &stage.join("usr"))?;
    let bytes: u64 = sizes(&stage)?;
    // Python fetches ONNX Runtime for the sources' own commands alone.
    let needs: Vec<_> =
        packages::RUNNING.iter().copied().filter(|name| !matches!(*name, "python3" | "ca-certificates")).collect();
    let control = format!(
        "Package: impasto\nVersion: {version}\nArchitecture: {arch}\nMaintainer: The makers of Impasto <impasto@localhost>\nSection: graphics\nPriority: optional\nInstalled-Size: {}\nDepends: libc6, libgcc-s1, {}\nRecommends: ffmpeg\nDescription: {SUMMARY}\n On your own machine, at the camera's frame rate, and with what every frame\n cost. Frames never leave the machine.\n",
        bytes.div_ceil(1024),
        needs.join(", ")
    );
    write(&stage.join("DEBIAN/control"), &control)?;
    let deb = out.join(format!("impasto_{version}_{arch}.deb"));
    succeed(program("dpkg-deb").args(["--root-owner-group", "--build"]).arg(&stage).arg(&deb))?;
    Ok(Some(deb))
}

/// One line for each crate: its name, version and licence.
fn third_parties(tree: &str) -> String {
    let mut lines: Vec<&str> =
        tree.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("impasto ")).collect();
    lines.sort_unstable();
    lines.dedup();
    // A crate that was shown before is marked.
    lines.retain(|line| !line.ends_with("(*)"));
    format!("Impasto contains these crates, under these licences:\n\n{}\n", lines.join("\n"))
}

/// What the program is made of, for machines (CycloneDX 1.5): crates with their licences and the sums of their archives.
fn bill_of_materials(tree: &str, lock: &str, version: &str) -> String {
    let checksum = |name: &str, version: &str| {
        let mut packages = lock.split("[[package]]");
        let package = packages.find(|package| {
            package.contains(&format!("name = \"{name}\"\n")) && package.contains(&format!("version = \"{version}\"\n"))
        })?;
        package.split("checksum = \"").nth(1)?.split('"').next().map(str::to_owned)
    };
    let component = |line: &str| {
        let line = line.trim().trim_end_matches(" (*)");
        let (name, rest) = line.split_once(" v")?;
        let (version, licence) = rest.split_once(' ')?;
        // `(proc-macro)` and the path of a crate in this tree stand before the licence, which may begin with a bracket too.
        let licence = licence.strip_prefix("(proc-macro) ").unwrap_or(licence);
        let path = licence.strip_prefix("(/").and_then(|rest| rest.split_once(") "));
        let licence = path.map_or(licence, |(_, licence)| licence).replace('/', " OR ");
        let sum = checksum(name, version)
            .map(|sum| format!(",\n      \"hashes\": [{{\"alg\": \"SHA-256\", \"content\": \"{sum}\"}}]"))
            .unwrap_or_default();
        Some(format!(
            "    {{\n      \"type\": \"library\",\n      \"bom-ref\": \"{name}@{version}\",\n      \"name\": \"{name}\",\n      \
             \"version\": \"{version}\",\n      \"purl\": \"pkg:cargo/{name}@{version}\",\n      \
             \"licenses\": [{{\"expression\": \"{licence}\"}}]{sum}\n    }}"
        ))
    };
    let mut components: Vec<String> =
        tree.lines().filter(|line| !line.starts_with("impasto ")).filter_map(component).collect();
    components.sort_unstable();
    components.dedup();
    format!(
        "{{\n  \"bomFormat\": \"CycloneDX\",\n  \"specVersion\": \"1.5\",\n  \"version\": 1,\n  \"metadata\": {{\n    \
         \"component\": {{\"type\": \"application\", \"bom-ref\": \"impasto@{version}\", \"name\": \"impasto\", \
         \"version\": \"{version}\", \"licenses\": [{{\"expression\": \"MIT OR Apache-2.0\"}}]}}\n  }},\n  \
         \"components\": [\n{}\n  ]\n}}\n",
        components.join(",\n")
    )
}

/// What software centres show (AppStream).
fn metainfo(version: &str) -> String {
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<component type="desktop-application">
  <id>impasto</id>
  <name>Impasto</name>
  <summary>{SUMMARY}</summary>
  <metadata_license>CC0-1.0</metadata_license>
  <project_license>MIT OR Apache-2.0</project_license>
  <description>
    <p>Impasto paints your webcam's picture live, as Van Gogh, Hokusai or a linocut would, with a small neural network on your own machine, and shows what every frame cost. It records, saves stills, and is a camera for video calls. Frames never leave the machine.</p>
  </description>
  <launchable type="desktop-id">impasto.desktop</launchable>
  <icon type="stock">impasto</icon>
  <categories>
    <category>Graphics</category>
    <category>Video</category>
  </categories>
  <provides>
    <binary>impasto</binary>
  </provides>
  <content_rating type="oars-1.1"/>
  <releases>
    <release version="{version}"/>
  </releases>
</component>
"#
    )
}

/// The help as a manual page.
fn man_page(help: &str, version: &str) -> String {
    let plain: String =
        help.lines().map(|line| format!("{}\n", line.replace('\\', "\\e").replace('-', "\\-"))).collect();
    // A line that begins with a dot or a quote would be a command.
    let plain = plain.replace("\n.", "\n\\&.").replace("\n'", "\n\\&'");
    format!(
        ".TH IMPASTO 1 \"\" \"impasto {version}\"\n.SH NAME\nimpasto \\- {}\n.SH DESCRIPTION\n.nf\n{plain}.fi\n.SH SEE ALSO\nimpasto COMMAND \\-\\-help\n",
        SUMMARY.to_lowercase()
    )
}

fn list(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut found: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    found.sort();
    Ok(found)
}

fn sizes(folder: &Path) -> Outcome<u64> {
    list(folder)?.iter().try_fold(0, |sum, path| {
        let bytes = if path.is_dir() { sizes(path)? } else { fs::metadata(path).map_err(|e| e.to_string())?.len() };
        Ok(sum + bytes)
    })
}

fn copy_tree(from: &Path, to: &Path) -> Outcome {
    for path in list(from)? {
        let to = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() { copy_tree(&path, &to)? } else { copy(&path, &to)? }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Outcome {
    let folder = to.parent().ok_or("a file without a folder")?;
    fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    fs::copy(from, to).map(drop).map_err(|e| format!("{} to {}: {e}", from.display(), to.display()))
}

fn write(path: &Path, text: &str) -> Outcome {
    let folder = path.parent().ok_or("a file without a folder")?;
    fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bill_names_each_crate_with_its_sum() {
        let tree = "impasto v0.1.0 (/x) MIT\nb v2.0.0 (proc-macro) MIT/Apache-2.0\na v1.0.0 MIT\na v1.0.0 MIT (*)\n\
                    c v3.0.0 (/x/vendor/c) MIT\nd v4.0.0 (MIT OR Apache-2.0) AND Unicode-3.0\n\n";
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nchecksum = \"abc\"\n\n[[package]]\nname = \"b\"\nversion = \"2.0.0\"\n";
        let bill = bill_of_materials(tree, lock, "0.1.0");
        assert_eq!(bill.matches("\"type\": \"library\"").count(), 4);
        assert!(bill.contains("\"expression\": \"(MIT OR Apache-2.0) AND Unicode-3.0\"}"), "{bill}");
        assert!(bill.contains("pkg:cargo/c@3.0.0\",\n      \"licenses\": [{\"expression\": \"MIT\"}"), "{bill}");
        assert!(bill.contains("pkg:cargo/a@1.0.0") && bill.contains("\"content\": \"abc\""), "{bill}");
        assert!(bill.contains("\"expression\": \"MIT OR Apache-2.0\"}]\n    }"), "{bill}");
        assert_eq!(bill.matches("hashes").count(), 1);
    }

    #[test]
    fn crates_are_told_once_with_their_licences() {
        let tree = "impasto v0.1.0 (/x) MIT\nb v2.0.0 MIT\na v1.0.0 Apache-2.0\nb v2.0.0 MIT\nb v2.0.0 MIT (*)\n\n";
        let text = third_parties(tree);
        assert!(text.ends_with("\n\na v1.0.0 Apache-2.0\nb v2.0.0 MIT\n"), "{text}");
    }

    #[test]
    fn help_becomes_a_page_without_commands_of_its_own() {
        let page = man_page("Usage: impasto [OPTIONS]\n.hidden\n  --size", "1.2.3");
        assert!(page.starts_with(".TH IMPASTO 1") && page.contains("1.2.3"));
        assert!(page.contains("\n\\&.hidden\n") && page.contains("\\-\\-size"), "{page}");
    }

    #[test]
    fn the_version_is_the_programs_own() {
        assert!(version().unwrap().split('.').count() == 3);
    }
}
