//! The real window, under a virtual X server of its own: it opens, shows a painted picture, and quits, by itself and when it
//! is closed. Skipped with a line where Xvfb and its helpers are not installed, unless `REQUIRE_GPU` is set.

#![cfg(target_os = "linux")]

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// An X server that goes away with its handle.
struct Display {
    server: Child,
    name: String,
    /// Settings of its own, empty at first: neither read from the user nor written over the user's.
    config: tempfile::TempDir,
}

impl Display {
    /// `None`, and a line that says why, where the tools are missing.
    fn open() -> Option<Self> {
        for tool in ["Xvfb", "import", "xdotool"] {
            if Command::new(tool).arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).spawn().is_err() {
                assert!(std::env::var_os("REQUIRE_GPU").is_none(), "{tool} is not installed");
                println!("skipped: {tool} is not installed");
                return None;
            }
        }
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1100x640x24", "-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut number = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut number).unwrap();
        Some(Self { server, config: tempfile::tempdir().unwrap(), name: format!(":{}", number.trim()) })
    }

    fn impasto(&self, arguments: &[&str]) -> Program {
        self.impasto_with(&[], arguments)
    }

    /// In an environment that is changed like that.
    fn impasto_with(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Program {
        Program(self.command(environment, arguments).spawn().unwrap())
    }

    fn command(&self, environment: &[(&str, &str)], arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_impasto"));
        command
            .env("IMPASTO_CACHE", env!("CARGO_TARGET_TMPDIR"))
            .args(arguments)
            .env("DISPLAY", &self.name)
            .env_remove("WAYLAND_DISPLAY")
            .env_remove("RUST_LOG")
            .env("IMPASTO_CONFIG", self.config.path())
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// What is on the screen now.
    fn screenshot(&self, folder: &Path) -> image::RgbImage {
        let path = folder.join("screen.png");
        let status = Command::new("import")
            .args(["-display", &self.name, "-window", "root"])
            .arg(format!("png:{}", path.display()))
            .status()
            .unwrap();
        assert!(status.success());
        image::open(&path).unwrap().into_rgb8()
    }

    fn xdotool(&self, arguments: &[&str]) -> bool {
        let output = Command::new("xdotool").args(arguments).env("DISPLAY", &self.name).output().unwrap();
        output.status.success()
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The program; killed if a test gives up on it.
struct Program(Child);

impl Program {
    /// The exit code, or a failure after two minutes.
    fn wait(&mut self) -> Option<i32> {
        let began = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code();
            }
            assert!(began.elapsed() < Duration::from_secs(120), "the program does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn mean(picture: &image::RgbImage) -> f64 {
    picture.iter().map(|&v| f64::from(v)).sum::<f64>() / picture.len() as f64
}

/// Mean of the absolute difference, 0 to 255.
fn difference(a: &image::RgbImage, b: &image::RgbImage) -> f64 {
    let sum: u64 = a.iter().zip(b.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / a.len().max(1) as f64
}

/// The middle of the window, where neither figures nor bar are.
fn middle(screen: &image::RgbImage) -> image::RgbImage {
    image::imageops::crop_imm(screen, 400, 60, 400, 320).to_image()
}

/// A still as source makes the picture the same at all times: what differs is the painting.
fn still(folder: &Path) -> String {
    let path = folder.join("still.png");
    image::RgbImage::from_fn(320, 180, |x, y| {
        let on = (x / 24 + y / 20) % 2 == 0;
        image::Rgb([if on { 230 } else { 60 }, (x * 200 / 320 + 30) as u8, (y * 200 / 180 + 30) as u8])
    })
    .save(&path)
    .unwrap();
    path.to_str().unwrap().to_owned()
}

/// Takes screenshots until one satisfies `good`.
fn wait_for(
    display: &Display,
    program: &mut Program,
    folder: &Path,
    good: impl Fn(&image::RgbImage) -> bool,
) -> image::RgbImage {
    let began = Instant::now();
    loop {
        let screen = display.screenshot(folder);
        if good(&screen) {
            return screen;
        }
        assert!(!program.ended(), "the program ended before it showed what was expected");
        assert!(began.elapsed() < Duration::from_secs(90), "the window never showed what was expected");
        std::thread::sleep(Duration::from_millis(300));
    }
}

#[test]
fn it_shows_a_painted_picture_and_quits_when_closed() {
    let Some(display) = Display::open() else { return };
    let folder = tempfile::tempdir().unwrap();
    let source = still(folder.path());
    let small = ["--size", "64x48", "--overlay", "none", "--steadiness", "0"];

    // The picture itself first, for comparison: no painting shows.
    let mut plain = display.impasto(&[&["--source", &source, "--strength", "0"][..], &small].concat());
    let untouched = wait_for(&display, &mut plain, folder.path(), |screen| mean(&middle(screen)) > 40.0);
    close(&display);
    assert_eq!(plain.wait(), Some(0), "closing the window ends the program well");

    let mut painting = display.impasto(&[&["--source", &source][..], &small].concat());
    let original = middle(&untouched);
    let screen = wait_for(&display, &mut painting, folder.path(), |screen| {
        let shown = middle(screen);
        mean(&shown) > 15.0 && difference(&shown, &original) > 8.0
    });
    assert!(mean(&middle(&screen)) > 15.0);
    close(&display);
    assert_eq!(painting.wait(), Some(0));
}

/// Asks the window to close, as a window manager does: with the message WM_DELETE_WINDOW (ICCCM 4.2.8.1).
fn close(display: &Display) {
    use x11rb::protocol::xproto::{ClientMessageEvent, ConnectionExt as _, EventMask};

    let arguments = ["search", "--sync", "--name", "^Impasto$"];
    let found = Command::new("xdotool").args(arguments).env("DISPLAY", &display.name).output().unwrap();
    let window: u32 = String::from_utf8_lossy(&found.stdout).lines().next().unwrap().trim().parse().unwrap();
    let (connection, _) = x11rb::connect(Some(&display.name)).unwrap();
    let atom = |name: &str| connection.intern_atom(false, name.as_bytes()).unwrap().reply().unwrap().atom;
    let message = ClientMessageEvent::new(32, window, atom("WM_PROTOCOLS"), [atom("WM_DELETE_WINDOW"), 0, 0, 0, 0]);
    connection.send_event(false, window, EventMask::NO_EVENT, message).unwrap();
    // An answer means that the message before it was passed on; a connection that just ends may take it along.
    connection.get_input_focus().unwrap().reply().unwrap();
}

#[test]
fn it_quits_after_so_many_frames_and_reports() {
    let Some(display) = Display::open() else { return };
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    // An earlier run broke down: it is told of once.
    let crashes = display.config.path().join("crashes");
    std::fs::create_dir(&crashes).unwrap();
    std::fs::write(crashes.join("crash-20200101-000000-1-0.new.json"), r#"{"kind":"panic","message":"x"}"#).unwrap();
    let arguments = ["--source", "demo", "--size", "64x48", "--frames", "20", "--report", report.to_str().unwrap()];
    let mut program = display.impasto(&arguments);
    assert_eq!(program.wait(), Some(0));
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
    assert_eq!(report["schema"], "impasto.bench/1");
    assert_eq!(report["source"], "demo");
    assert_eq!(report["frames"]["presented"], 20);
    assert!(report["first_picture_ms"].as_f64().unwrap() > 0.0);
    assert!(report["resident_bytes"].as_u64().unwrap() > 0);
    assert!(report["machine"]["gpu"].is_object() && report["system"]["memory_bytes"].is_u64());
    assert!(crashes.join("crash-20200101-000000-1-0.json").exists(), "told, and kept");
}

#[test]
fn keys_do_what_the_help_says() {
    let Some(display) = Display::open() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut program = display.impasto(&["--source", "demo", "--size", "64x48"]);
    // The figures are dark over the picture: pressing F1 three times takes them away.
    let corner = |screen: &image::RgbImage| image::imageops::crop_imm(screen, 20, 20, 200, 200).to_image();
    let with = wait_for(&display, &mut program, folder.path(), |screen| mean(&middle(screen)) > 10.0);
    let window = &["search", "--sync", "--name", "^Impasto$"];
    // A key that is held while the window gets the focus was meant for another one.
    assert!(display.xdotool(&["keydown", "F1"]));
    assert!(display.xdotool(&[&window[..], &["windowfocus", "--sync"]].concat()));
    assert!(display.xdotool(&["keyup", "F1"]));
    for _ in 0..3 {
        assert!(display.xdotool(&["key", "F1"]));
        std::thread::sleep(Duration::from_millis(300));
    }
    wait_for(&display, &mut program, folder.path(), |screen| difference(&corner(screen), &corner(&with)) > 5.0);
    assert!(display.xdotool(&["key", "q"]));
    assert_eq!(program.wait(), Some(0));
    // What was chosen in the window is there the next time; what the command line said is not.
    let settings = std::fs::read_to_string(display.config.path().join("settings.toml")).unwrap();
    assert!(settings.contains("overlay = \"hidden\""), "{settings}");
    assert!(!settings.contains("engine") && !settings.contains("effect"), "{settings}");
}

/// As closing it does: what was asked for is written, and the status says which signal it was.
#[test]
fn a_signal_ends_it_with_its_report() {
    let Some(display) = Display::open() else { return };
    let folder = tempfile::tempdir().unwrap();
    for (signal, code) in [("TERM", 143), ("INT", 130), ("HUP", 129)] {
        let report = folder.path().join(format!("{signal}.json"));
        let still = still(folder.path());
        let arguments = ["--source", &still, "--size", "64x48", "--report", report.to_str().unwrap()];
        let mut program = display.impasto(&arguments);
        wait_for(&display, &mut program, folder.path(), |screen| mean(&middle(screen)) > 10.0);
        // Twice, as timeout(1) does it: to the program, and to all that it started.
        let id = program.0.id().to_string();
        assert!(Command::new("kill").args([&format!("-{signal}"), &id, &id]).status().unwrap().success());
        assert_eq!(program.wait(), Some(code));
        let report: serde_json::Value = serde_json::from_slice(&std::fs::read(&report).unwrap()).unwrap();
        assert_eq!(report["schema"], "impasto.bench/1");
    }
    // What could not be written in the end is said at the beginning.
    let mut program = display.impasto(&["--source", "demo", "--report", "/no/such/folder/report.json"]);
    assert_eq!(program.wait(), Some(1));
}

#[test]
fn displays_and_scales_that_make_no_sense() {
    let Some(display) = Display::open() else { return };
    let arguments = ["--source", "demo", "--size", "64x48", "--frames", "2"];
    for change in [
        ("WAYLAND_DISPLAY", "wayland-that-is-gone"),
        ("WINIT_X11_SCALE_FACTOR", "nan"),
        ("WINIT_X11_SCALE_FACTOR", "-1"),
        ("WINIT_X11_SCALE_FACTOR", "500"),
        ("WINIT_X11_SCALE_FACTOR", "1,5"),
    ] {
        assert_eq!(display.impasto_with(&[change], &arguments).wait(), Some(0), "{change:?}");
    }
    for nowhere in [&[("DISPLAY", "")][..], &[("DISPLAY", ":9999"), ("WAYLAND_DISPLAY", "wayland-that-is-gone")]] {
        assert_eq!(display.impasto_with(nowhere, &arguments).wait(), Some(1), "{nowhere:?}");
    }
}

#[test]
fn escape_leaves_it_open_and_it_ends_well_when_its_window_is_taken_away() {
    let Some(display) = Display::open() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut program = display.impasto(&["--source", "demo", "--size", "64x48", "--overlay", "none"]);
    wait_for(&display, &mut program, folder.path(), |screen| mean(&middle(screen)) > 10.0);
    let window = &["search", "--sync", "--name", "^Impasto$"];
    assert!(display.xdotool(&[&window[..], &["windowfocus", "--sync"]].concat()));
    for key in ["h", "Escape", "Escape", "g", "Escape", "Escape"] {
        assert!(display.xdotool(&["key", key]));
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(!program.ended(), "Escape closes what is open, and nothing else");
    assert!(display.xdotool(&[&window[..], &["windowclose"]].concat()));
    assert_eq!(program.wait(), Some(0));
}

/// A GPU that is lost before there is anything to lose: it comes back, and the picture with it.
#[test]
fn a_gpu_lost_before_the_first_picture_is_opened_again() {
    let Some(display) = Display::open() else { return };
    let arguments = ["--source", "demo", "--size", "64x48", "--frames", "3", "--inject", "gpu-loss@1ms"];
    assert_eq!(display.impasto(&arguments).wait(), Some(0));
}

#[test]
fn a_driver_that_takes_the_program_down_twice_is_passed_over() {
    let Some(display) = Display::open() else { return };
    let mark = display.config.path().join("unfinished-starts");
    let died = || std::fs::read_to_string(&mark).unwrap_or_default();
    for start in ["1", "2"] {
        let mut program = display.impasto(&["--source", "demo", "--size", "64x48"]);
        let began = Instant::now();
        while died() != start {
            assert!(began.elapsed() < Duration::from_secs(60), "no mark is left");
            std::thread::sleep(Duration::from_millis(1));
        }
        program.0.kill().unwrap();
        assert_eq!(program.wait(), None);
        assert_eq!(died(), start, "before there was a picture");
    }
    let third = display.command(&[("RUST_LOG", "info")], &["--source", "demo", "--size", "64x48", "--frames", "5"]);
    let said = { third }.stderr(Stdio::piped()).output().unwrap();
    let said = (said.status.code(), String::from_utf8_lossy(&said.stderr).into_owned());
    assert!(said.0 == Some(0) && said.1.contains("passed over") && said.1.contains("llvmpipe"), "{said:?}");
    assert!(!mark.exists(), "the next start tries the driver again");
}

/// The file of that name, as soon as it is there and whole; a minute is for ever.
fn comes(path: &Path, program: &mut Program) -> Vec<u8> {
    let began = Instant::now();
    let mut before = 0;
    loop {
        assert!(!program.ended(), "the program ended");
        assert!(began.elapsed() < Duration::from_secs(60), "no {}", path.display());
        std::thread::sleep(Duration::from_millis(300));
        let bytes = std::fs::read(path).unwrap_or_default();
        if !bytes.is_empty() && bytes.len() == before {
            return bytes;
        }
        before = bytes.len();
    }
}

/// By keys alone: the palette makes pictures JPEG with the original beside, a strip is taken, and what just happened is saved.
#[test]
fn pictures_strips_and_the_last_seconds_are_saved_as_asked() {
    let Some(display) = Display::open() else { return };
    let (folder, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for name in ["Pictures", "Videos"] {
        std::fs::create_dir(home.path().join(name)).unwrap();
    }
    let environment = [("HOME", home.path().to_str().unwrap()), ("XDG_CONFIG_HOME", "")];
    let arguments = ["--source", "demo", "--size", "64x48", "--overlay", "none"];
    let mut program = display.impasto_with(&environment, &arguments);
    wait_for(&display, &mut program, folder.path(), |screen| mean(&middle(screen)) > 10.0);
    assert!(display.xdotool(&["search", "--sync", "--name", "^Impasto$", "windowfocus", "--sync"]));
    let key = |key: &str| assert!(display.xdotool(&["key", key]));
    key("l");
    for words in ["save jpeg", "save with the original"] {
        key("ctrl+k");
        std::thread::sleep(Duration::from_millis(700));
        assert!(display.xdotool(&["type", "--delay", "60", words]));
        std::thread::sleep(Duration::from_millis(500));
        key("Return");
        std::thread::sleep(Duration::from_millis(500));
    }
    key("p");
    let pictures = home.path().join("Pictures");
    let single = image::load_from_memory(&comes(&pictures.join("impasto-0001.jpg"), &mut program)).unwrap();
    assert!(single.width() > 2 * single.height(), "{}x{}: one beside the other", single.width(), single.height());
    key("u");
    let strip = image::load_from_memory(&comes(&pictures.join("impasto-0002.jpg"), &mut program)).unwrap();
    assert!(strip.height() > 3 * single.height(), "{}x{}: four on a strip", strip.width(), strip.height());
    key("l");
    let clip = comes(&home.path().join("Videos/impasto-0001.mp4"), &mut program);
    assert_eq!(&clip[4..8], b"ftyp");
    key("x");
    key("q");
    assert_eq!(program.wait(), Some(0));
    let settings = std::fs::read_to_string(display.config.path().join("settings.toml")).unwrap();
    assert!(settings.contains("format = \"jpeg\"") && settings.contains("original_beside = true"), "{settings}");
}
