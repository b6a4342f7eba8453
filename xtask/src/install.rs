//! Whether a package installs: on a Debian that holds nothing but its base, made for that and thrown away.

use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::{output, program, say, succeed, works};
use crate::{Outcome, root};

/// What a newcomer does with it, in the new system. The picture is one of the gallery's own.
const USE: &str = "impasto --version && impasto doctor && impasto effects --json | grep -c '\"artist\"' \
    && impasto render /usr/share/impasto/models/gallery/oil.jpg /tmp/painted.png --effect neon && test -s /tmp/painted.png \
    && test -s /usr/share/bash-completion/completions/impasto && test -s /usr/share/applications/impasto.desktop";

/// Installs the package that `cargo xtask package` made in a fresh system, and paints there. Needs root and `debootstrap`.
///
/// # Errors
/// When there is no package, the system cannot be made, or anything fails in it.
pub fn try_install() -> Outcome {
    if !works(program("debootstrap").arg("--version")) {
        return Err("this needs debootstrap: apt-get install debootstrap".into());
    }
    let package = newest()?;
    let system = std::env::temp_dir().join(format!("impasto-system-{}", std::process::id()));
    let tried = in_system(&package, &system);
    if !system.exists() {
        return tried;
    }
    // Only what was made here is thrown away: never what is still mounted into it.
    let mounted = system.join("proc");
    let free = !works(program("mountpoint").arg("-q").arg(&mounted)) || works(program("umount").arg(&mounted));
    if free {
        fs::remove_dir_all(&system).map_err(|e| format!("{} could not be removed: {e}", system.display()))?;
    } else {
        say(&format!("{} is still in use and was left there", system.display()));
    }
    tried?;
    say("the package installs on a bare Debian, finds its effects, and paints");
    Ok(())
}

fn in_system(package: &Path, system: &Path) -> Outcome {
    let release = output(program("sh").args(["-c", ". /etc/os-release && echo $VERSION_CODENAME"]));
    let release =
        release.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).ok_or("which Debian is this?")?;
    succeed(program("debootstrap").args(["--variant=minbase", &release]).arg(system))?;
    // Programs find what lies beside them by it.
    succeed(program("mount").args(["-t", "proc", "proc"]).arg(system.join("proc")))?;
    fs::copy(package, system.join("tmp/impasto.deb")).map_err(|e| format!("{}: {e}", package.display()))?;
    let enter = |script: &str| succeed(program("chroot").arg(system).args(["sh", "-ec", script]));
    enter("apt-get update -qq && apt-get install -y -qq --no-install-recommends /tmp/impasto.deb > /dev/null")?;
    enter(USE)
}

fn newest() -> Outcome<PathBuf> {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    let folder = target.join("package");
    let entries =
        fs::read_dir(&folder).map_err(|_| "there is no package: run 'cargo xtask package' first".to_owned())?;
    let packages =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "deb"));
    let newest = packages.max_by_key(|path| fs::metadata(path).and_then(|found| found.modified()).ok());
    newest.ok_or_else(|| format!("{} holds no .deb: run 'cargo xtask package' first", folder.display()))
}
