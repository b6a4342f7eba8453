//! What people write by hand or other runs wrote: settings, scripts of faults, reports to be compared, sources and sizes.
#![no_main]

use std::cell::RefCell;

use impasto::effect::Blend;
use impasto::export::compare::{Run, compare};
use impasto::inject::Script;
use impasto::settings::Settings;
use impasto::source::SourceSpec;
use impasto::units::Extent;

thread_local! {
    static FOLDER: RefCell<tempfile::TempDir> = RefCell::new(tempfile::tempdir().expect("a folder for settings"));
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((kind, bytes)) = data.split_first() else { return };
    if kind % 3 == 0 {
        FOLDER.with_borrow(|folder| {
            std::fs::write(folder.path().join("settings.toml"), bytes).expect("the disk has room");
            let (settings, _) = Settings::load(folder.path());
            // What was understood can be written and is understood again.
            settings.save(folder.path()).expect("the disk has room");
            let (_, trouble) = Settings::load(folder.path());
            assert!(trouble.is_none(), "{trouble:?}");
        });
        return;
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if kind % 3 == 1 {
        if let Ok(run) = Run::parse(text) {
            let _ = compare(&run, &run, 0.03);
            let _ = run.differences(&run);
        }
        return;
    }
    if let Ok(script) = text.parse::<Script>() {
        let _ = script.at(std::time::Duration::from_secs(3));
    }
    let _ = text.parse::<Blend>();
    let _ = text.parse::<Extent>();
    let _ = text.parse::<SourceSpec>();
});
