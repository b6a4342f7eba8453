//! Whatever lies in a picture or a clip, it is played or refused: Y4M, GIF, WebP, APNG, TIFF, BMP, PNG and JPEG with their colour profiles.
#![no_main]

use std::cell::RefCell;

use impasto::frame::FramePool;
use impasto::source::{Pacing, SourceError, SourceSpec, SourceWish, open};

/// By the first byte, so that what comes behind it may begin like anything.
const ENDINGS: [&str; 8] = ["y4m", "gif", "webp", "png", "jpg", "tif", "bmp", "apng"];
const PICTURES: usize = 6;

thread_local! {
    static FOLDER: RefCell<tempfile::TempDir> = RefCell::new(tempfile::tempdir().expect("a folder for a clip"));
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    FOLDER.with_borrow(|folder| {
        let path = folder.path().join(format!("clip.{}", ENDINGS[usize::from(*kind) % ENDINGS.len()]));
        std::fs::write(&path, bytes).expect("the disk has room");
        let wish = SourceWish { looping: false, pacing: Pacing::Offline, ..SourceWish::default() };
        let Ok(mut source) = open(&SourceSpec::File(path.clone()), &wish) else { return };
        let pool = FramePool::default();
        for _ in 0..PICTURES {
            match source.next(&pool) {
                Ok(frame) => assert!(frame.bytes().len() >= frame.shape().min_bytes()),
                Err(SourceError::Ended) => break,
                Err(error) if error.recoverable() => {}
                Err(_) => break,
            }
        }
        drop(source);
        let _ = std::fs::remove_file(path);
    });
});
