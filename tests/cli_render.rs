//! `impasto render` through the real program: what goes in, what comes out, and what it says and returns on the way.

mod cli_support;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use cli_support::*;
use image::{Rgb, RgbImage};

/// The smallest size that every network takes: quick even where the GPU is a CPU.
const SMALL: [&str; 2] = ["--size", "64x48"];

fn render(arguments: &[&str]) -> Output {
    impasto(&[&["render"][..], arguments, &SMALL].concat())
}

fn done(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn names(&self, below: &str) -> Vec<String> {
        names(&self.0.path().join(below))
    }
}

fn fixture(name: &str) -> String {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/files").join(name).to_str().unwrap().to_owned()
}

/// 4:4:4, each picture of one colour.
fn y4m(rate: &str, (width, height): (usize, usize), pictures: &[[u8; 3]]) -> Vec<u8> {
    let mut bytes = format!("YUV4MPEG2 W{width} H{height} F{rate} C444\n").into_bytes();
    for yuv in pictures {
        bytes.extend(b"FRAME\n");
        yuv.iter().for_each(|sample| bytes.extend(vec![*sample; width * height]));
    }
    bytes
}

fn gif_delays(path: &str) -> Vec<u16> {
    let mut decoder = gif::DecodeOptions::new().read_info(std::fs::File::open(path).unwrap()).unwrap();
    std::iter::from_fn(|| decoder.read_next_frame().unwrap().map(|frame| frame.delay)).collect()
}

#[test]
fn many_inputs_go_into_a_folder() {
    if !can_paint() {
        return;
    }
    let folder = Folder::new();
    photo(64, 48, 0).save(folder.at("a.jpg")).unwrap();
    photo(48, 64, 3).save(folder.at("b.png")).unwrap();
    std::fs::write(folder.at("c.y4m"), y4m("25:1", (64, 48), &[[90, 128, 128]; 3])).unwrap();
    std::fs::create_dir(folder.at("frames")).unwrap();
    for i in [1, 2, 10] {
        photo(64, 48, i).save(folder.at(&format!("frames/f{i}.png"))).unwrap();
    }
    let inputs = ["a.jpg", "b.png", "c.y4m", "frames"].map(|name| folder.at(name));
    let out = folder.at("out");
    let words: Vec<&str> = inputs.iter().map(String::as_str).chain([out.as_str(), "--jobs", "3"]).collect();
    done(&render(&words));
    let wanted = ["a.jpg", "b.png", "c.y4m", "frames_0001.png", "frames_0002.png", "frames_0003.png"];
    assert_eq!(folder.names("out"), wanted);
    assert_eq!(image::image_dimensions(folder.at("out/b.png")).unwrap(), (48, 64));

    // Alone it is painted the same: nothing of the one before shows through.
    done(&render(&[&inputs[1], &folder.at("alone.png")]));
    assert_eq!(image::open(folder.at("out/b.png")).unwrap(), image::open(folder.at("alone.png")).unwrap());

    // One that cannot be read does not keep the others from being painted.
    std::fs::write(folder.at("broken.png"), b"\x89PNG\r\n\x1a\nno").unwrap();
    let mixed = render(&[&folder.at("broken.png"), &inputs[0], &folder.at("missing.png"), &folder.at("more/")]);
    assert_eq!(mixed.status.code(), Some(1));
    let said = stderr(&mixed);
    assert!(said.contains("broken.png") && said.contains("missing.png") && said.contains("2 of 3 inputs"), "{said}");
    assert_eq!(folder.names("more"), ["a.jpg"]);
}

#[test]
fn y4m_goes_in_and_out_through_pipes() {
    if !can_paint() {
        return;
    }
    let bytes = y4m("30000:1001", (64, 48), &[[90, 128, 128]; 4]);
    let mut child = command();
    child.args(["render", "-", "-"]).args(SMALL).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let feeding = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    feeding.join().unwrap().unwrap();
    done(&output);
    assert!(output.stdout.starts_with(b"YUV4MPEG2 W64 H48 F30000:1001 "), "the rate is kept exactly");
    let frame = 6 + 64 * 48 * 3 / 2;
    let header = output.stdout.iter().position(|b| *b == b'\n').unwrap() + 1;
    assert_eq!(output.stdout.len() - header, 4 * frame);

    // Whoever reads has seen enough: that is no failure.
    let folder = Folder::new();
    std::fs::write(folder.at("in.y4m"), y4m("25:1", (64, 48), &[[90, 128, 128]; 60])).unwrap();
    let line = format!(
        "{} render {} - --size 64x48 | head -c 100 >/dev/null; echo ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_impasto"),
        folder.at("in.y4m")
    );
    let mut bash = Command::new("bash");
    settle(&mut bash);
    let output = bash.args(["-c", &line]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0", "{}", stderr(&output));

    let refused = command().args(["render", "-", &folder.at("out.gif")]).stdin(Stdio::null()).output().unwrap();
    failed(&refused, "standard input");
}

#[test]
fn what_there_is_of_a_broken_input_is_kept_and_the_status_tells() {
    if !can_paint() {
        return;
    }
    let folder = Folder::new();
    let whole = y4m("25:1", (64, 48), &[[90, 128, 128]; 5]);
    std::fs::write(folder.at("cut.y4m"), &whole[..whole.len() - 1000]).unwrap();
    let output = render(&[&folder.at("cut.y4m"), &folder.at("out.gif")]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("cut.y4m is not whole") && said.contains("4 pictures") && !said.contains("error:"), "{said}");
    assert_eq!(gif_delays(&folder.at("out.gif")).len(), 4);

    let whole = std::fs::read(fixture("no_end_mark.jpg")).unwrap();
    done(&render(&[&fixture("no_end_mark.jpg"), &folder.at("whole.png")]));
    std::fs::write(folder.at("cut.jpg"), &whole[..whole.len() / 2]).unwrap();
    let output = render(&[&folder.at("cut.jpg"), &folder.at("half.png")]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert_eq!(image::image_dimensions(folder.at("half.png")).unwrap(), (640, 480));

    // A damaged picture among good ones.
    std::fs::create_dir(folder.at("frames")).unwrap();
    photo(64, 48, 0).save(folder.at("frames/1.png")).unwrap();
    std::fs::write(folder.at("frames/2.png"), b"\x89PNG\r\n\x1a\nno").unwrap();
    photo(48, 64, 0).save(folder.at("frames/3.png")).unwrap();
    let output = render(&[&folder.at("frames"), &folder.at("p_%d.png")]);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(stderr(&output).contains("2.png was left out"), "{}", stderr(&output));
    assert_eq!(image::image_dimensions(folder.at("p_2.png")).unwrap(), (48, 64), "at its own size");
    assert!(!Path::new(&folder.at("p_3.png")).exists());
}

#[test]
fn times_are_kept_and_no_rate_is_invented() {
    if !can_paint() {
        return;
    }
    let folder = Folder::new();
    for (rate, hundredths) in [("30:1", 200), ("15:1", 400), ("60:1", 100), ("25:1", 240)] {
        std::fs::write(folder.at("in.y4m"), y4m(rate, (64, 48), &[[90, 128, 128]; 60])).unwrap();
        done(&render(&[&folder.at("in.y4m"), &folder.at("out.gif")]));
        let total: u64 = gif_delays(&folder.at("out.gif")).iter().map(|d| u64::from(*d)).sum();
        assert!(total.abs_diff(hundredths) <= 2, "{rate}: {total} hundredths where {hundredths} belong");
        done(&render(&[&folder.at("in.y4m"), &folder.at("out.y4m")]));
        let header = std::fs::read(folder.at("out.y4m")).unwrap();
        assert!(header.starts_with(format!("YUV4MPEG2 W64 H48 F{rate} ").as_bytes()), "{rate}");
    }
    // Delays of their own, the last one too.
    let frames = [(40, 0), (120, 60), (250, 120), (70, 180)];
    {
        let mut encoder = image::codecs::gif::GifEncoder::new(std::fs::File::create(folder.at("own.gif")).unwrap());
        for (ms, value) in frames {
            let picture = image::RgbaImage::from_pixel(64, 48, image::Rgba([value, 9, 9, 255]));
            let delay = image::Delay::from_numer_denom_ms(ms, 1);
            encoder.encode_frame(image::Frame::from_parts(picture, 0, 0, delay)).unwrap();
        }
    }
    done(&render(&[&folder.at("own.gif"), &folder.at("again.gif")]));
    assert_eq!(gif_delays(&folder.at("again.gif")), [4, 12, 25, 7]);
    let output = render(&[&folder.at("own.gif"), &folder.at("mean.y4m")]);
    done(&output);
    assert!(stderr(&output).contains("their mean"), "{}", stderr(&output));
    // Four pictures in 0.48 s.
    assert!(std::fs::read(folder.at("mean.y4m")).unwrap().starts_with(b"YUV4MPEG2 W64 H48 F25:3  "));
}

#[test]
fn colours_survive_a_way_through_y4m() {
    if !can_paint() {
        return;
    }
    let folder = Folder::new();
    for (width, height) in [(640, 480), (1024, 600), (1280, 720)] {
        RgbImage::from_pixel(width, height, Rgb([200, 40, 40])).save(folder.at("in.png")).unwrap();
        done(&render(&[&folder.at("in.png"), &folder.at("clip.y4m"), "--strength", "0"]));
        done(&render(&[&folder.at("clip.y4m"), &folder.at("twice.y4m"), "--strength", "0"]));
        done(&render(&[&folder.at("twice.y4m"), &folder.at("back.png"), "--strength", "0"]));
        let back = image::open(folder.at("back.png")).unwrap().into_rgb8();
        let pixel = back.get_pixel(width / 2, height / 2).0;
        assert!(pixel.iter().zip([200, 40, 40]).all(|(a, b)| a.abs_diff(b) <= 3), "{width}x{height}: {pixel:?}");
    }
    let full = [b"YUV4MPEG2 W64 H48 F25:1 C444 XCOLORRANGE=FULL\nFRAME\n".to_vec(), vec![200; 64 * 48 * 3]].concat();
    std::fs::write(folder.at("full.y4m"), full).unwrap();
    done(&render(&[&folder.at("full.y4m"), &folder.at("still-full.y4m"), "--strength", "0"]));
    let bytes = std::fs::read(folder.at("still-full.y4m")).unwrap();
    assert!(String::from_utf8_lossy(&bytes[..80]).contains("XCOLORRANGE=FULL"), "the range is kept");
}

/// A picture of any shape, at a size of any other: all of it is there, and nothing beside it.
#[test]
fn a_size_of_another_shape_cuts_nothing() {
    if !can_paint() {
        return;
    }
    let folder = Folder::new();
    for (width, height) in [(320, 240), (240, 320), (300, 300), (400, 120)] {
        let original = photo(width, height, 0);
        original.save(folder.at("in.png")).unwrap();
        let output =
            impasto(&["render", &folder.at("in.png"), &folder.at("out.png"), "--size", "512x288", "--strength", "0"]);
        done(&output);
        let same = image::open(folder.at("out.png")).unwrap().into_rgb8();
        let off = same.iter().zip(original.iter()).filter(|(a, b)| a.abs_diff(**b) > 1).count();
        assert_eq!(off, 0, "{width}x{height}: without strength it is the picture itself");
    }
    let began = std::time::Instant::now();
    let refused = impasto(&["render", &folder.at("in.png"), &folder.at("out.png"), "--size", "8192x8192"]);
    let said = stderr(&refused);
    if !refused.status.success() {
        assert!(said.contains("--size") && !said.contains("Validation"), "{said}");
        println!("refused after {:?}: {said}", began.elapsed());
    }
}

#[test]
fn transparency_lies_on_the_ground_that_was_chosen() {
    if !can_paint() {
        return;
    }
    let folder = Folder::new();
    for (ground, color) in [("white", [255; 3]), ("black", [0; 3]), ("#20c040", [0x20, 0xc0, 0x40])] {
        done(&render(&[&fixture("transparent.tif"), &folder.at("out.png"), "--ground", ground, "--strength", "0"]));
        let painted = image::open(folder.at("out.png")).unwrap().into_rgb8();
        assert_eq!(painted.get_pixel(0, 0).0, color, "{ground}");
    }
}

#[test]
fn quality_is_that_of_the_jpeg() {
    if !can_paint() {
        return;
    }
    let folder = Folder::new();
    photo(320, 240, 0).save(folder.at("in.png")).unwrap();
    let size = |quality: &str| {
        done(&render(&[&folder.at("in.png"), &folder.at("out.jpg"), "--quality", quality]));
        std::fs::metadata(folder.at("out.jpg")).unwrap().len()
    };
    assert!(size("30") * 2 < size("98"));
}

#[test]
fn nothing_is_overwritten_that_must_not_be() {
    if !can_paint() {
        return;
    }
    let folder = Folder::new();
    photo(64, 48, 0).save(folder.at("in.png")).unwrap();
    let (input, output) = (folder.at("in.png"), folder.at("out.png"));
    let original = std::fs::read(&input).unwrap();
    failed(&render(&[&input, &input]), "--force");
    assert_eq!(std::fs::read(&input).unwrap(), original);
    std::fs::write(&output, "precious").unwrap();
    let left = render(&[&input, &output, "--no-clobber"]);
    done(&left);
    assert!(stderr(&left).contains("left as it is"), "{}", stderr(&left));
    assert_eq!(std::fs::read(&output).unwrap(), b"precious");
    // Nobody can be asked: a script means what it says.
    done(&render(&[&input, &output]));
    assert!(image::open(&output).is_ok());
    done(&render(&[&input, &input, "--force"]));
    assert_ne!(std::fs::read(&input).unwrap(), original);
}

/// Runs a line on a terminal of its own, with what is typed there.
#[cfg(target_os = "linux")]
fn on_a_terminal(line: &str, typed: &str) -> Option<(Option<i32>, String)> {
    let mut script = Command::new("script");
    settle(&mut script);
    script.args(["-qec", line, "/dev/null"]).env("TERM", "xterm").stdin(Stdio::piped()).stdout(Stdio::piped());
    let Ok(mut child) = script.spawn() else {
        println!("skipped: there is no program script, which gives a terminal");
        return None;
    };
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(typed.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    Some((output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned()))
}

#[cfg(target_os = "linux")]
#[test]
fn a_terminal_is_asked_and_sees_how_far_it_is() {
    if !can_paint() {
        return;
    }
    let folder = Folder::new();
    photo(64, 48, 0).save(folder.at("in.png")).unwrap();
    let program = env!("CARGO_BIN_EXE_impasto");
    let line = |input: &str, output: &str| format!("{program} render {input} {output} --size 64x48");
    let once = line(&folder.at("in.png"), &folder.at("out.png"));
    std::fs::write(folder.at("out.png"), "precious").unwrap();
    let Some((code, said)) = on_a_terminal(&once, "n\n") else { return };
    assert!(said.contains("exists. Overwrite it?"), "{said}");
    assert_eq!(code, Some(1), "{said}");
    assert_eq!(std::fs::read(folder.at("out.png")).unwrap(), b"precious");
    let (code, said) = on_a_terminal(&once, "y\n").unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert!(image::open(folder.at("out.png")).is_ok());

    std::fs::write(folder.at("in.y4m"), y4m("25:1", (64, 48), &[[90, 128, 128]; 200])).unwrap();
    let (code, said) = on_a_terminal(&line(&folder.at("in.y4m"), &folder.at("out.gif")), "").unwrap();
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("of 200") && said.contains("left") && said.contains("/s"), "{said}");
}

/// More pixels than go through a GPU: painted all the same, at its own size, and like a smaller one of the same picture.
#[test]
fn a_picture_too_large_for_the_gpu_is_painted_at_its_size() {
    if !can_paint() {
        return;
    }
    let folder = Folder::new();
    let large = RgbImage::from_fn(4800, 3600, |x, y| {
        let on = (x / 200 + y / 150) % 2 == 0;
        Rgb([if on { 220 } else { 40 }, (x * 255 / 4800) as u8, (y * 255 / 3600) as u8])
    });
    large.save(folder.at("large.jpg")).unwrap();
    let small = image::imageops::thumbnail(&large, 1200, 900);
    small.save(folder.at("small.png")).unwrap();
    let paint = |input: &str, output: &str| {
        done(&impasto(&["render", &folder.at(input), &folder.at(output), "--size", "256x192"]));
        image::open(folder.at(output)).unwrap().into_rgb8()
    };
    let (painted_large, painted_small) = (paint("large.jpg", "large.png"), paint("small.png", "small-painted.png"));
    assert_eq!(painted_large.dimensions(), (4800, 3600));
    let reduced = image::imageops::thumbnail(&painted_large, 1200, 900);
    let mean = |a: &RgbImage, b: &RgbImage| {
        a.iter().zip(b.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>() as f64 / a.len() as f64
    };
    let (off, changed) = (mean(&reduced, &painted_small), mean(&painted_small, &small));
    assert!(
        off < 4.0 && off * 4.0 < changed,
        "{off} from the smaller one's painting, which is {changed} from the picture"
    );

    // A panorama, wider than any texture.
    let panorama = RgbImage::from_fn(20_000, 60, |x, _| Rgb([(x / 79) as u8, 120, 60]));
    panorama.save(folder.at("panorama.png")).unwrap();
    done(&impasto(&["render", &folder.at("panorama.png"), &folder.at("wide.png"), "--size", "512x16"]));
    assert_eq!(image::image_dimensions(folder.at("wide.png")).unwrap(), (20_000, 60));
}
