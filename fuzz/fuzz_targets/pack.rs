//! Whatever stands in a pack's description, the pack is read or refused.
#![no_main]

use std::cell::RefCell;

use impasto::effect::pack::{Loaded, Pack};

thread_local! {
    static FOLDER: RefCell<tempfile::TempDir> = RefCell::new(tempfile::tempdir().expect("a folder for a pack"));
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    FOLDER.with_borrow(|folder| {
        std::fs::write(folder.path().join("pack.toml"), data).expect("the disk has room");
        let _ = Pack::load(folder.path());
        let _ = Loaded::read(folder.path());
    });
});
