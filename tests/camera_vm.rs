//! A real V4L2 driver, its faults included: the kernel's virtual webcam (vivid) in a virtual machine.
//!
//! Runs where a script is found that boots one: `$IMPASTO_CAMERA_VM`, or `../shared/tools/camera-vm.sh` beside the repository;
//! elsewhere it says that it was skipped. The script runs this very test binary again inside the machine, where `probe` does the work.
#![cfg(target_os = "linux")]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use impasto::fault::Fault;
use impasto::frame::{CameraFrame, PixelFormat, YuvMatrix, YuvRange};
use impasto::output::{self, VirtualCamera};
use impasto::source::camera::Coding;
use impasto::source::{
    CameraControl, ControlKind, SourceEvent, SourceInfo, SourceKind, SourceSpec, SourceThread, SourceWish,
    camera_controls, camera_modes, cameras, set_camera_control,
};
use impasto::units::{Budget, CaptureClock, Extent};

/// Set inside the virtual machine.
const INSIDE: &str = "IMPASTO_INSIDE_CAMERA_VM";
/// Nothing here takes nearly as long; beyond it, it hangs.
const HANGS_AFTER: Duration = Duration::from_secs(30);

fn vm_script() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/tools/camera-vm.sh");
    std::env::var_os("IMPASTO_CAMERA_VM").map(PathBuf::from).into_iter().chain([beside]).find(|path| path.is_file())
}

#[test]
fn camera_lives_through_every_fault() {
    let Some(script) = vm_script() else {
        println!("skipped: no script that boots a machine with a camera (set IMPASTO_CAMERA_VM to one)");
        return;
    };
    let binary = std::env::current_exe().unwrap();
    let status = Command::new(script)
        .args(["--timeout", "240", "--camera", "vivid", "--camera", "loopback", "--", "env", &format!("{INSIDE}=1")])
        .arg(binary)
        .args(["--exact", "probe", "--nocapture", "--test-threads=1"])
        .status()
        .unwrap();
    assert!(status.success(), "the probe in the virtual machine ended with {status}");
}

#[test]
fn probe() {
    if std::env::var_os(INSIDE).is_none() {
        println!("skipped: runs inside the virtual machine only");
        return;
    }
    control("osd_text_mode", 2);
    let only = std::env::var("IMPASTO_PROBE").unwrap_or_default();
    let scenarios: [(&str, fn()); 16] = [
        ("listing", listing),
        ("formats", formats),
        ("nokhwa", through_nokhwa),
        ("mjpeg", mjpeg),
        ("virtual camera", virtual_camera),
        ("disconnect", disconnect),
        ("fatal", fatal_streaming_error),
        ("controls", controls),
        ("mode", chosen_mode),
        ("damaged", damaged_frames),
        ("lost", lost_frames),
        ("stall", stall),
        ("streamon", refused_start),
        ("busy", busy),
        ("unplug", unplug),
        ("auto", auto),
    ];
    for (name, scenario) in scenarios {
        if only.is_empty() || only == name {
            println!("--- {name}");
            scenario();
        }
    }
}

fn control(name: &str, value: u32) {
    let status = Command::new("v4l2-ctl")
        .args(["-d", "/dev/video0", "-c", &format!("{name}={value}")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    if !status.success() {
        println!("v4l2-ctl {name}={value}: {status}");
    }
}

fn driver(verb: &str) {
    std::fs::write(format!("/sys/bus/platform/drivers/vivid/{verb}"), "vivid.0").unwrap();
    println!("driver {verb}");
}

fn wish(coding: Coding, width: u32, height: u32) -> SourceWish {
    SourceWish { coding: Some(coding), max_extent: Some(Extent::new(width, height)), ..SourceWish::default() }
}

/// A source under observation: what it said so far, and the newest frame.
struct Watched {
    thread: SourceThread,
    began: Instant,
}

impl Watched {
    fn open(spec: SourceSpec, wish: SourceWish) -> Self {
        Self { thread: SourceThread::spawn(spec, wish, || {}), began: Instant::now() }
    }

    fn camera() -> Self {
        let mut watched = Self::open(SourceSpec::Camera(Some(0)), wish(Coding::Raw(PixelFormat::Yuyv), 640, 480));
        watched.frames(5);
        watched.drain();
        watched
    }

    fn drain(&mut self) {
        self.thread.events().for_each(drop);
    }

    /// Waits for an event that `wanted` likes and returns what it makes of it.
    fn wait<T>(&mut self, what: &str, wanted: impl Fn(&SourceEvent) -> Option<T>) -> T {
        let until = Instant::now() + HANGS_AFTER;
        while Instant::now() < until {
            for event in self.thread.events() {
                println!("{:6.2} s  {event:?}", self.began.elapsed().as_secs_f32());
                if let Some(found) = wanted(&event) {
                    return found;
                }
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("no {what} within {HANGS_AFTER:?}");
    }

    fn opened(&mut self) -> SourceInfo {
        self.wait("Opened", |event| if let SourceEvent::Opened(info) = event { Some(info.clone()) } else { None })
    }

    /// Waits for a fault that says `words`, and for it to tell what to do.
    fn fault(&mut self, words: &str) -> Fault {
        let fault = self.wait(words, |event| match event {
            SourceEvent::Fault(fault) if fault.what.contains(words) => Some(fault.clone()),
            _ => None,
        });
        assert!(!fault.remedy.is_empty(), "{fault}");
        println!("FAULT {:?} | {} | {}", fault.severity, fault.what, fault.remedy);
        fault
    }

    /// Waits until all is well, and frames flow.
    fn recovered(&mut self) {
        self.wait("Recovered", |event| (*event == SourceEvent::Recovered).then_some(()));
        self.frames(5);
    }

    /// Takes frames and returns the last of them. Ids must rise.
    fn frames(&mut self, count: usize) -> CameraFrame {
        let mut last: Option<CameraFrame> = None;
        for n in 0..count {
            let frame = self.thread.latest().wait(HANGS_AFTER);
            let frame = frame.unwrap_or_else(|| panic!("frame {n} of {count} did not come"));
            assert!(last.as_ref().is_none_or(|last| last.stamp().id < frame.stamp().id));
            last = Some(frame);
        }
        last.unwrap()
    }
}

fn listing() {
    let list = cameras().unwrap();
    println!("{}", serde_json::to_string(&list[0].preferred).unwrap());
    assert!((1..=2).contains(&list.len()), "{list:?}");
    assert_eq!((list[0].index, &list[0].trouble), (0, &None));
    assert!(list[0].name.contains("vivid"), "{}", list[0].name);
    let preferred = list[0].preferred.unwrap();
    assert_eq!(preferred.extent, Extent::new(1280, 720));
    assert!(preferred.fps() >= 29.9, "{preferred}");
}

/// The first bars of vivid's default picture, 75 % of white, yellow, cyan, green, magenta, red, blue, black.
const BARS: [[u8; 3]; 8] =
    [[191, 191, 191], [191, 191, 0], [0, 191, 191], [0, 191, 0], [191, 0, 191], [191, 0, 0], [0, 0, 191], [0, 0, 0]];

/// R'G'B' of the pixel, straight from the standards' definitions.
fn rgb(frame: &CameraFrame, x: usize, y: usize) -> [f32; 3] {
    let shape = frame.shape();
    let bytes = frame.bytes();
    let row = &bytes[y * shape.stride..];
    let (luma, cb, cr) = match shape.format {
        PixelFormat::Yuyv => (row[x * 2], row[x / 2 * 4 + 1], row[x / 2 * 4 + 3]),
        PixelFormat::Nv12 => {
            let chroma = &bytes[(shape.extent.height as usize + y / 2) * shape.stride..];
            (row[x], chroma[x / 2 * 2], chroma[x / 2 * 2 + 1])
        }
        PixelFormat::Rgb8 => return [0, 1, 2].map(|c| f32::from(row[x * 3 + c])),
        other => panic!("{other:?}"),
    };
    let (luma, scale) = match shape.color.range {
        YuvRange::Limited => ((f32::from(luma) - 16.0) * 255.0 / 219.0, 255.0 / 224.0),
        YuvRange::Full => (f32::from(luma), 1.0),
    };
    let (cb, cr) = ((f32::from(cb) - 128.0) * scale, (f32::from(cr) - 128.0) * scale);
    let (kr, kb) = match shape.color.matrix {
        YuvMatrix::Bt601 => (0.299, 0.114),
        YuvMatrix::Bt709 => (0.2126, 0.0722),
    };
    let (r, b) = (luma + 2.0 * (1.0 - kr) * cr, luma + 2.0 * (1.0 - kb) * cb);
    [r, (luma - kr * r - kb * b) / (1.0 - kr - kb), b]
}

/// The bars must stand where they belong, in the right colours, down to the last row.
fn assert_bars(frame: &CameraFrame) {
    let Extent { width, height } = frame.shape().extent;
    for y in [height * 2 / 3, height - 1] {
        for (bar, want) in BARS.iter().enumerate() {
            let x = (bar * 2 + 1) * width as usize / 16;
            let have = rgb(frame, x, y as usize);
            for c in 0..3 {
                let off = (have[c] - f32::from(want[c])).abs();
                assert!(off <= 6.0, "bar {bar} at row {y}: {have:?} where {want:?} belongs, {:?}", frame.shape());
            }
        }
    }
}

fn formats() {
    let yuyv = Coding::Raw(PixelFormat::Yuyv);
    let nv12 = Coding::Raw(PixelFormat::Nv12);
    let rgb = Coding::Raw(PixelFormat::Rgb8);
    for (coding, width, height, stride) in [
        (yuyv, 640, 480, None),
        (yuyv, 640, 360, Some(640 * 2 + 52)),
        (yuyv, 1280, 720, None),
        (nv12, 640, 480, Some(640 + 102)),
        (nv12, 1280, 720, Some(1280 + 34)),
        (nv12, 320, 180, None),
        (rgb, 640, 360, Some(640 * 3 + 26)),
    ] {
        let wish = SourceWish { stride_bytes: stride, ..wish(coding, width, height) };
        let mut watched = Watched::open(SourceSpec::Camera(Some(0)), wish);
        let info = watched.opened();
        assert_eq!(info.shape.extent, Extent::new(width, height));
        assert_eq!((info.kind, info.clock), (SourceKind::Camera, CaptureClock::Driver));
        if let Some(stride) = stride {
            assert!(info.shape.stride >= stride as usize, "{:?}", info.shape);
        }
        watched.frames(3);
        let (began, before) = (Instant::now(), watched.thread.captured());
        let frame = watched.frames(45);
        let seconds = began.elapsed().as_secs_f64();
        let captured = watched.thread.captured() - before;
        assert_bars(&frame);
        let age = frame.stamp().age(Instant::now());
        println!(
            "FORMAT {} stride {}: {:.1} fps of {:.1}, newest frame {:.1} ms old, {:?}, {} buffers",
            info.detail,
            info.shape.stride,
            captured as f64 / seconds,
            info.fps(),
            age.as_secs_f64() * 1e3,
            watched.thread.losses(),
            watched.thread.pool().allocations(),
        );
        assert!(watched.thread.pool().allocations() <= 4, "a frame's buffer is allocated once and goes round");
    }
}

fn through_nokhwa() {
    let wish =
        SourceWish { budget: Budget(Duration::from_millis(40)), ..wish(Coding::Raw(PixelFormat::Yuyv), 640, 480) };
    let mut watched = Watched::open(SourceSpec::Nokhwa(Some(0)), wish);
    let info = watched.opened();
    let began = Instant::now();
    let frame = watched.frames(30);
    println!("FORMAT {}: {:.1} fps", info.detail, 30.0 / began.elapsed().as_secs_f64());
    assert_bars(&frame);
}

/// A second program feeds a loopback device with JPEGs; before it starts and after it ends there are no frames.
fn mjpeg() {
    if !std::path::Path::new("/dev/video10").exists() || Command::new("ffmpeg").arg("-version").output().is_err() {
        println!("skipped: there is no loopback device, or no ffmpeg to feed it");
        return;
    }
    let feed = || {
        let program = Command::new("ffmpeg")
            .args(["-v", "error", "-re", "-f", "lavfi", "-i", "color=0x2060c0:size=640x360:rate=30"])
            .args(["-c:v", "mjpeg", "-q:v", "3", "-f", "v4l2", "/dev/video10"])
            .spawn()
            .unwrap();
        Other(program)
    };
    let mut watched = Watched::open(SourceSpec::Camera(Some(10)), SourceWish::default());
    watched.fault("no picture to give yet");
    let fed = feed();
    let info = watched.opened();
    watched.recovered();
    assert_eq!((info.shape.format, info.shape.extent), (PixelFormat::Rgb8, Extent::new(640, 360)));
    let began = Instant::now();
    let frame = watched.frames(45);
    let fps = 45.0 / began.elapsed().as_secs_f64();
    println!("FORMAT {}: {fps:.1} fps, {:?}", info.detail, watched.thread.losses());
    assert!(watched.thread.pool().allocations() <= 4);
    for (x, y) in [(0, 0), (639, 359), (320, 180)] {
        for (have, want) in rgb(&frame, x, y).into_iter().zip([32.0, 96.0, 192.0]) {
            assert!((have - want).abs() <= 8.0, "{:?}", rgb(&frame, x, y));
        }
    }
    drop(fed);
    watched.fault("has sent nothing");
    watched.fault("no picture to give yet");
}

/// Programs for calls see our pictures: in the right colours, at the rate at which they are made, within milliseconds; and the
/// last one again while nothing new comes.
fn virtual_camera() {
    const PICTURES: usize = 150;
    const EVERY: Duration = Duration::from_nanos(1_000_000_000 / 30);
    if !std::path::Path::new("/dev/video10").exists() {
        println!("skipped: there is no loopback device");
        return;
    }
    // Whoever looked at it before is closing it.
    let until = Instant::now() + HANGS_AFTER;
    let camera = loop {
        match VirtualCamera::open(None) {
            Ok(camera) => break camera,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(camera.path(), std::path::Path::new("/dev/video10"));
    let second = VirtualCamera::open(None).err().expect("it is taken").to_string();
    assert!(second.contains("another program"), "{second}");
    let mut watched = Watched::open(SourceSpec::Camera(Some(10)), SourceWish::default());
    let info = watched.opened();
    let extent = output::virtual_camera::EXTENT;
    assert_eq!((info.shape.format, info.shape.extent), (PixelFormat::Yuyv, extent));
    assert_eq!(watched.frames(3).bytes()[..4], [32, 128, 32, 128], "dark until there is a picture");

    // The brightness of a picture is its number.
    let bright = |n: usize| 40 + (n % 160) as u8;
    let mut sink = camera.sink();
    let sent = std::sync::Arc::new(std::sync::Mutex::new(Vec::<Instant>::new()));
    let (theirs, pixels) = (sent.clone(), extent.pixels() as usize);
    let began = Instant::now();
    let feeder = std::thread::spawn(move || {
        let chroma = [90, 200].repeat(pixels / 4);
        for n in 0..PICTURES {
            let picture = [vec![bright(n); pixels], chroma.clone()].concat();
            std::thread::sleep((began + EVERY * n as u32).saturating_duration_since(Instant::now()));
            theirs.lock().unwrap().push(Instant::now());
            sink.put(&picture);
        }
    });
    let (mut late, mut first) = (Vec::new(), None);
    while late.len() < PICTURES - 20 {
        let frame = watched.frames(1);
        let now = Instant::now();
        if frame.bytes()[0] == 32 {
            continue;
        }
        let n = usize::from(frame.bytes()[0] - 40);
        let corner = frame.bytes().len() - 4;
        assert_eq!(frame.bytes()[corner..], [bright(n), 90, bright(n), 200]);
        first.get_or_insert((watched.thread.captured(), now));
        late.push(now.duration_since(sent.lock().unwrap()[n]).as_secs_f64() * 1e3);
    }
    let (before, since) = first.unwrap();
    let fps = (watched.thread.captured() - before) as f64 / since.elapsed().as_secs_f64();
    late.sort_by(f64::total_cmp);
    println!(
        "VIRTUAL {fps:.2} fps, {:.1} ms late in the middle, {:.1} at worst",
        late[late.len() / 2],
        late[late.len() - 1]
    );
    // One processor does everything here, so the rate is told and not held to a figure.
    assert!((24.0..=36.0).contains(&fps), "{fps} of 30 a second");
    feeder.join().unwrap();
    let state = camera.state();
    assert!(state.connected && state.pictures as usize > PICTURES * 9 / 10, "{state:?}");
    let last = watched.frames(12);
    assert_eq!(last.bytes()[0], bright(PICTURES - 1), "the last picture comes again");
    drop(camera);
    watched.fault("no picture to give yet");
    // Whoever still looks does not keep it from being fed again.
    let again = VirtualCamera::open(None).unwrap();
    watched.recovered();
    drop(again);
}

fn disconnect() {
    let mut watched = Watched::camera();
    control("disconnect", 1);
    watched.fault("is gone");
    watched.recovered();
}

fn fatal_streaming_error() {
    let mut watched = Watched::camera();
    control("inject_fatal_streaming_error", 1);
    watched.fault("has stopped");
    watched.recovered();
}

/// A picture is set while it is looked at, and the driver's own names and limits are told.
fn controls() {
    let mut watched = Watched::camera();
    let all = camera_controls(0).unwrap();
    let named = |all: &[CameraControl], name: &str| all.iter().find(|c| c.name == name).cloned();
    println!("{:?}", all.iter().map(|c| c.name.as_str()).collect::<Vec<_>>());
    let brightness = named(&all, "Brightness").unwrap();
    assert_eq!(brightness.kind, ControlKind::Number { least: 0, most: 255, step: 1 });
    assert_eq!((brightness.value, brightness.inactive), (brightness.default, false));
    assert!(all.iter().any(|c| c.kind == ControlKind::Switch));
    let menu = all.iter().find_map(|c| if let ControlKind::Menu(items) = &c.kind { Some(items) } else { None });
    assert!(menu.unwrap().iter().all(|(_, name)| !name.is_empty()));
    let mean = |frame: &CameraFrame| {
        let bytes = frame.bytes();
        bytes.iter().step_by(2).map(|luma| f64::from(*luma)).sum::<f64>() / (bytes.len() / 2) as f64
    };
    let before = mean(&watched.frames(5));
    set_camera_control(0, brightness.id, 220).unwrap();
    let after = mean(&watched.frames(10));
    println!("mean luma {before:.0}, brighter {after:.0}");
    assert!(after > before + 20.0);
    assert_eq!(named(&camera_controls(0).unwrap(), "Brightness").unwrap().value, 220);
    set_camera_control(0, brightness.id, brightness.default).unwrap();
    let refused = set_camera_control(0, 1, 0).unwrap_err();
    assert!(!refused.fault().what.is_empty(), "{refused}");
    assert!(camera_controls(63).is_err());
}

/// The mode that was chosen for the camera by its name is taken, also when it is opened again.
fn chosen_mode() {
    let (name, modes) = camera_modes(0).unwrap();
    let chosen = modes.iter().find(|mode| mode.extent == Extent::new(320, 180)).unwrap();
    let wish = SourceWish { camera_modes: [(name, chosen.to_string())].into(), ..SourceWish::default() };
    let mut watched = Watched::open(SourceSpec::Camera(Some(0)), wish);
    let info = watched.opened();
    assert_eq!((info.shape.extent, info.camera), (chosen.extent, Some(0)), "{}", info.detail);
    watched.frames(5);
    driver("unbind");
    watched.fault("is gone");
    driver("bind");
    assert_eq!(watched.opened().shape.extent, chosen.extent);
}

fn damaged_frames() {
    let mut watched = Watched::camera();
    for _ in 0..12 {
        control("inject_v4l2_buf_flag_error", 1);
    }
    watched.fault("damaged frames");
    println!("{:?}", watched.thread.losses());
    assert!(watched.thread.losses().damaged >= 3);
    watched.recovered();
}

fn lost_frames() {
    let mut watched = Watched::camera();
    control("percentage_of_dropped_buffers", 40);
    watched.frames(40);
    control("percentage_of_dropped_buffers", 0);
    println!("{:?}", watched.thread.losses());
    watched.frames(5);
}

fn stall() {
    let mut watched = Watched::camera();
    control("percentage_of_dropped_buffers", 100);
    watched.fault("has sent nothing");
    std::thread::sleep(Duration::from_millis(500));
    control("percentage_of_dropped_buffers", 0);
    watched.recovered();
    // A stalled camera does not hold up the end.
    control("percentage_of_dropped_buffers", 100);
    std::thread::sleep(Duration::from_millis(200));
    let began = Instant::now();
    drop(watched);
    println!("stopped a stalled camera in {:?}", began.elapsed());
    control("percentage_of_dropped_buffers", 0);
}

fn refused_start() {
    control("inject_vidioc_streamon_error", 1);
    let mut watched = Watched::open(SourceSpec::Camera(Some(0)), wish(Coding::Raw(PixelFormat::Yuyv), 640, 480));
    watched.fault("refused");
    watched.recovered();
}

/// Ends the other program when the test ends, however it ends.
struct Other(Child);

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn busy() {
    let other = Command::new("v4l2-ctl")
        .args(["-d", "/dev/video0", "--stream-mmap", "--stream-count=100000"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let other = Other(other);
    std::thread::sleep(Duration::from_millis(500));
    let mut watched = Watched::open(SourceSpec::Camera(Some(0)), wish(Coding::Raw(PixelFormat::Yuyv), 640, 480));
    watched.fault("in use by another program");
    let mut unnamed = Watched::open(SourceSpec::Auto, SourceWish::default());
    assert_eq!(unnamed.opened().kind, SourceKind::Demo);
    unnamed.fault("in use by another program, so this is the demo scene");
    drop(other);
    watched.recovered();
    drop(watched);
    unnamed.fault("is free again");
    assert_eq!(unnamed.opened().kind, SourceKind::Camera);
    unnamed.recovered();
}

fn unplug() {
    let mut watched = Watched::camera();
    driver("unbind");
    watched.fault("is gone");
    watched.fault("There is no camera 0");
    driver("bind");
    watched.recovered();
}

fn auto() {
    driver("unbind");
    let mut watched = Watched::open(SourceSpec::Auto, SourceWish::default());
    assert_eq!(watched.opened().kind, SourceKind::Demo);
    watched.fault("No camera was found");
    watched.frames(5);
    driver("bind");
    watched.fault("was plugged in");
    assert_eq!(watched.opened().kind, SourceKind::Camera);
    watched.recovered();
    // From now on it is this camera's picture, or none.
    driver("unbind");
    watched.fault("is gone");
    watched.fault("No camera was found");
    driver("bind");
    assert_eq!(watched.opened().kind, SourceKind::Camera);
    watched.recovered();
}
