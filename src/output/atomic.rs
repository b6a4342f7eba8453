//! A file that appears whole or not at all.
//!
//! What stands under the name already is respected: a symbolic link stays a link and what it points to is replaced, the
//! new file has the permissions of the old one, and what is no regular file (a pipe, `/dev/stdout`) is written to as it is.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::OutputError;

/// Links that are followed one after the other; more are a circle.
const MOST_LINKS: usize = 40;

/// Files that were begun and neither completed nor given up.
static UNFINISHED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

fn unfinished() -> MutexGuard<'static, Vec<PathBuf>> {
    // Pushing and removing cannot leave the list half changed.
    UNFINISHED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Deletes what was begun and not completed: for a process that ends without dropping anything.
pub fn remove_unfinished() {
    for path in unfinished().drain(..) {
        // It may be gone by now, and there is nobody left to tell.
        let _ = std::fs::remove_file(path);
    }
}

/// Written under another name in the same folder; [`Self::commit`] moves it to its own. Dropped without that, it is removed.
pub struct AtomicFile {
    /// Before `temporary`, so that it is closed first: not every system deletes open files.
    file: Option<BufWriter<File>>,
    /// `None` where the destination itself is written to.
    temporary: Option<Temporary>,
    destination: PathBuf,
}

/// A file that is deleted when it goes out of scope.
struct Temporary {
    path: PathBuf,
    /// Where it is moved to: what `destination` leads to.
    target: PathBuf,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Gone already after a commit; and where it cannot be removed there is nobody left to tell.
        let _ = std::fs::remove_file(&self.path);
        unfinished().retain(|path| *path != self.path);
    }
}

impl AtomicFile {
    /// # Errors
    /// When nothing can be created in the destination's folder, and when what is there already may not be written to: a
    /// folder, a write-protected file, a name that is too long.
    pub fn new(destination: &Path) -> Result<Self, OutputError> {
        let failed = |e| OutputError::write(destination, e);
        let target = behind_links(destination).map_err(failed)?;
        let there = match std::fs::metadata(&target) {
            Ok(there) => Some(there),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let (file, temporary) = match &there {
            Some(there) if there.is_dir() => return Err(failed(io::ErrorKind::IsADirectory.into())),
            Some(there) if !there.is_file() => (OpenOptions::new().write(true).open(&target).map_err(failed)?, None),
            _ => {
                if there.is_some() {
                    // Moving another file over it would get round its write protection.
                    OpenOptions::new().write(true).open(&target).map_err(failed)?;
                }
                let (file, temporary) = Temporary::beside(target, there.as_ref()).map_err(failed)?;
                (file, Some(temporary))
            }
        };
        Ok(Self { file: Some(BufWriter::new(file)), temporary, destination: destination.to_owned() })
    }

    pub fn destination(&self) -> &Path {
        &self.destination
    }

    /// Whether what was written can be changed afterwards: not in a pipe.
    pub fn seekable(&self) -> bool {
        self.temporary.is_some()
    }

    /// Completes the file and moves it to its name, replacing what was there.
    ///
    /// # Errors
    /// When the rest does not fit on the disk, or the file cannot be moved.
    pub fn commit(mut self) -> Result<(), OutputError> {
        let failed = |e| OutputError::write(&self.destination, e);
        let Some(file) = self.file.take() else { return Ok(()) };
        let file = file.into_inner().map_err(|e| failed(e.into_error()))?;
        let Some(temporary) = self.temporary.take() else { return Ok(()) };
        file.sync_all().map_err(failed)?;
        drop(file);
        std::fs::rename(&temporary.path, &temporary.target).map_err(failed)
    }
}

impl Temporary {
    /// A new file in the target's folder, for the same eyes as what is there. Its name is short whatever the target's is.
    fn beside(target: PathBuf, there: Option<&Metadata>) -> io::Result<(File, Self)> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(".impasto-{}-{}.part", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = target.with_file_name(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        if there.is_some() {
            // Nobody else reads it before it has its permissions.
            std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        }
        let file = {
            // Together, so that no end of the process comes between the two.
            let mut unfinished = unfinished();
            let file = options.open(&path)?;
            unfinished.push(path.clone());
            file
        };
        let temporary = Self { path, target };
        #[cfg(unix)]
        if let Some(there) = there {
            use std::os::unix::fs::MetadataExt as _;
            // Only root may give files away; where that is not allowed, the file belongs to whoever writes it.
            let _ = std::os::unix::fs::fchown(&file, Some(there.uid()), Some(there.gid()));
            file.set_permissions(there.permissions())?;
        }
        #[cfg(not(unix))]
        let _ = there;
        Ok((file, temporary))
    }
}

/// The name at the end of a chain of symbolic links; `path` itself where it is none. Nothing need be there.
fn behind_links(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match std::fs::symlink_metadata(&path) {
            Ok(there) if there.is_symlink() => {
                let to = std::fs::read_link(&path)?;
                // Relative to the folder of the link; an absolute one replaces all of it.
                path = path.parent().unwrap_or(Path::new("")).join(to);
            }
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("its symbolic links lead in a circle"))
}

/// Whether `path` could be written now, without leaving anything behind.
///
/// # Errors
/// As [`AtomicFile::new`].
pub fn check_writable(path: &Path) -> Result<(), OutputError> {
    let special = std::fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir());
    // Opening a pipe may wait for its reader, and a reader sees it close.
    if special { Ok(()) } else { AtomicFile::new(path).map(drop) }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match &mut self.file {
            Some(file) => file.seek(to),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
    }

    fn write(path: &Path, text: &str) -> Result<(), OutputError> {
        super::super::write_whole(path, text.as_bytes())
    }

    #[test]
    fn nothing_is_seen_before_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.txt");
        std::fs::write(&path, "old").unwrap();
        let mut file = AtomicFile::new(&path).unwrap();
        file.write_all(b"new").unwrap();
        file.flush().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        file.commit().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(folder.path()), ["a.txt"]);
    }

    #[test]
    fn given_up_it_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = AtomicFile::new(&folder.path().join("a.txt")).unwrap();
        file.write_all(b"half").unwrap();
        drop(file);
        assert!(names(folder.path()).is_empty());
        assert!(AtomicFile::new(&folder.path().join("no/such/folder/a.txt")).is_err());
        check_writable(&folder.path().join("a.txt")).unwrap();
        assert!(names(folder.path()).is_empty());
        assert!(check_writable(folder.path()).is_err());
    }

    #[test]
    fn the_longest_name_is_written_and_a_longer_one_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let name = |len: usize| folder.path().join("n".repeat(len - 4) + ".txt");
        write(&name(255), "text").unwrap();
        assert_eq!(std::fs::read_to_string(name(255)).unwrap(), "text");
        let error = AtomicFile::new(&name(256)).err().unwrap();
        assert!(error.to_string().contains("shorter name"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_stay() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("store")).unwrap();
        std::fs::write(at("store/real.txt"), "old").unwrap();
        std::fs::set_permissions(at("store/real.txt"), PermissionsExt::from_mode(0o640)).unwrap();
        symlink("store/real.txt", at("near")).unwrap();
        symlink(at("near"), at("far")).unwrap();
        symlink("store/not-yet.txt", at("dangling")).unwrap();
        symlink("round", at("round")).unwrap();

        write(&at("far"), "new").unwrap();
        assert_eq!(std::fs::read_to_string(at("store/real.txt")).unwrap(), "new");
        assert_eq!(std::fs::metadata(at("store/real.txt")).unwrap().permissions().mode() & 0o777, 0o640);
        assert!(at("far").is_symlink() && at("near").is_symlink());
        write(&at("dangling"), "made").unwrap();
        assert_eq!(std::fs::read_to_string(at("store/not-yet.txt")).unwrap(), "made");
        assert!(write(&at("round"), "").is_err());
        assert_eq!(names(&at("store")).len(), 2, "nothing else is left");
    }

    #[cfg(unix)]
    #[test]
    fn devices_are_written_to_and_not_replaced() {
        use std::os::unix::fs::FileTypeExt as _;
        write(Path::new("/dev/null"), "text").unwrap();
        assert!(std::fs::metadata("/dev/null").unwrap().file_type().is_char_device());
        #[cfg(target_os = "linux")]
        assert!(write(Path::new("/dev/full"), "text").is_err());
    }
}
