//! The files of packs: bounded, summed, and never outside their folder.

use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::PackError;

/// The size of a file, which must be one and not larger than `limit` bytes.
pub(super) fn file_bytes(path: &Path, limit: u64) -> Result<u64, PackError> {
    let read = |cause| PackError::Read { path: path.to_owned(), cause };
    let meta = std::fs::metadata(path).map_err(read)?;
    if !meta.is_file() {
        return Err(read(std::io::Error::other("it is not a file")));
    }
    if meta.len() > limit {
        return Err(PackError::TooLarge { path: path.to_owned(), bytes: meta.len(), limit });
    }
    Ok(meta.len())
}

/// The whole file. Never takes more memory than `limit`, even if the file grows while it is read.
pub(super) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, PackError> {
    let read = |cause| PackError::Read { path: path.to_owned(), cause };
    let expected = file_bytes(path, limit)?;
    let mut bytes = Vec::with_capacity(expected as usize);
    File::open(path).map_err(read)?.take(limit + 1).read_to_end(&mut bytes).map_err(read)?;
    if bytes.len() as u64 > limit {
        return Err(PackError::TooLarge { path: path.to_owned(), bytes: bytes.len() as u64, limit });
    }
    Ok(bytes)
}

/// The whole file, when its sum is the expected one: what is returned is what was summed.
pub(super) fn read_summed(path: &Path, limit: u64, expected: &str) -> Result<Vec<u8>, PackError> {
    let bytes = read_bounded(path, limit)?;
    let found = sum_of(&bytes);
    if found == expected {
        Ok(bytes)
    } else {
        Err(PackError::Sum { path: path.to_owned(), expected: expected.to_owned(), found })
    }
}

/// The SHA-256 in lower-case hexadecimal digits.
pub(super) fn sum_of(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The path of `file` as named by the pack described in `manifest`. It must exist and, links followed, lie inside the
/// pack's folder.
pub(super) fn inside(manifest: &Path, folder: &Path, file: &str) -> Result<PathBuf, PackError> {
    let outside = || PackError::Outside { path: manifest.to_owned(), file: file.to_owned() };
    // A backslash separates folders on one platform and is part of a name on the others.
    let plain = !file.is_empty()
        && !file.contains(['\\', ':', '\0'])
        && Path::new(file).components().all(|c| matches!(c, Component::Normal(_)));
    if !plain {
        return Err(outside());
    }
    let path = folder.join(file);
    let resolve = |p: &Path| p.canonicalize().map_err(|cause| PackError::Read { path: p.to_owned(), cause });
    let (real, root) = (resolve(&path)?, resolve(folder)?);
    if real.starts_with(&root) { Ok(path) } else { Err(outside()) }
}
