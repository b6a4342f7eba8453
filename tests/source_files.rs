//! Files as sources: each kind read right, and no damage to one of them ever worse than an error that names it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use image::{Delay, Frame, ImageFormat, Rgba, RgbaImage};
use impasto::frame::{CameraFrame, FramePool, PixelFormat, YuvMatrix, YuvRange};
use impasto::source::{Pacing, Source, SourceError, SourceInfo, SourceSpec, SourceWish, open};
use impasto::units::Extent;
use proptest::prelude::*;

fn once() -> SourceWish {
    SourceWish { looping: false, pacing: Pacing::Offline, max_extent: None, ..SourceWish::default() }
}

fn open_file(path: &Path, wish: &SourceWish) -> Result<Box<dyn Source>, SourceError> {
    open(&SourceSpec::File(path.into()), wish)
}

/// All frames of one pass.
fn play(path: &Path) -> Result<(SourceInfo, Vec<CameraFrame>), SourceError> {
    let mut source = open_file(path, &once())?;
    let pool = FramePool::default();
    let mut frames = Vec::new();
    loop {
        match source.next(&pool) {
            Ok(frame) => frames.push(frame),
            Err(SourceError::Ended) => return Ok((source.info().clone(), frames)),
            Err(error) => return Err(error),
        }
    }
}

/// A picture in which every pixel is known, with some transparent ones.
fn picture(width: u32, height: u32, seed: u8) -> RgbaImage {
    RgbaImage::from_fn(width, height, |x, y| {
        let alpha = if (x + y) % 7 == 0 { 0 } else { 255 };
        Rgba([(x * 40) as u8, (y * 30) as u8, seed.wrapping_add((x * y) as u8), alpha])
    })
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

fn encode(image: &RgbaImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    match format {
        ImageFormat::Jpeg => image::DynamicImage::from(image.clone()).into_rgb8().write_to(&mut bytes, format),
        _ => image.write_to(&mut bytes, format),
    }
    .unwrap();
    bytes.into_inner()
}

fn gif(frames: &[(RgbaImage, u32)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = image::codecs::gif::GifEncoder::new(&mut bytes);
    for (image, delay_ms) in frames {
        let delay = Delay::from_numer_denom_ms(*delay_ms, 1);
        encoder.encode_frame(Frame::from_parts(image.clone(), 0, 0, delay)).unwrap();
    }
    drop(encoder);
    bytes
}

/// `planes` samples per picture, counting up; every picture begins one higher.
fn y4m(header: &str, planes: usize, pictures: usize) -> Vec<u8> {
    let mut bytes = format!("YUV4MPEG2 {header}\n").into_bytes();
    for picture in 0..pictures {
        bytes.extend(b"FRAME\n");
        bytes.extend((0..planes).map(|i| (i + picture) as u8));
    }
    bytes
}

#[test]
fn stills_are_themselves_on_white_paper() {
    let folder = Folder::new();
    let image = picture(13, 7, 5);
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Jpeg] {
        // The name says nothing; the contents do.
        let (info, frames) = play(&folder.file("still.bin", &encode(&image, format))).unwrap();
        assert_eq!((info.shape.extent, info.shape.format), (Extent::new(13, 7), PixelFormat::Rgba8));
        assert_eq!(frames.len(), 1, "{format:?}");
        if format != ImageFormat::Jpeg {
            for (have, want) in frames[0].bytes().chunks(4).zip(image.pixels()) {
                let want = if want[3] == 0 { [255; 4] } else { want.0 };
                assert_eq!(have, want);
            }
        }
    }
}

#[test]
fn a_still_is_delivered_again_and_again_from_the_same_buffers() {
    let folder = Folder::new();
    let path = folder.file("still.png", &encode(&picture(13, 7, 5), ImageFormat::Png));
    let mut source = open_file(&path, &SourceWish { pacing: Pacing::Free, ..SourceWish::default() }).unwrap();
    let pool = FramePool::default();
    let ids: Vec<_> = (0..50).map(|_| source.next(&pool).unwrap().stamp().id.0).collect();
    assert_eq!(ids, (0..50).collect::<Vec<_>>());
    assert_eq!(pool.allocations(), 1);
}

#[test]
fn a_large_still_is_scaled_down_when_wished() {
    let folder = Folder::new();
    let path = folder.file("large.png", &encode(&picture(400, 100, 0), ImageFormat::Png));
    let wish = SourceWish { max_extent: Some(Extent::new(160, 90)), ..once() };
    assert_eq!(open_file(&path, &wish).unwrap().info().shape.extent, Extent::new(240, 60));
    assert_eq!(open_file(&path, &once()).unwrap().info().shape.extent, Extent::new(400, 100));
}

#[test]
fn an_animation_keeps_its_own_delays() {
    let folder = Folder::new();
    let frames = [(picture(9, 5, 0), 40), (picture(9, 5, 90), 120), (picture(9, 5, 180), 0)];
    let path = folder.file("animated.gif", &gif(&frames));
    let (_, played) = play(&path).unwrap();
    assert_eq!(played.len(), 3);
    let at = |n: usize| played[n].stamp().captured - played[0].stamp().captured;
    assert_eq!((at(1), at(2)), (Duration::from_millis(40), Duration::from_millis(160)));
    assert_ne!(played[0].bytes(), played[1].bytes());

    let mut source = open_file(&path, &SourceWish { pacing: Pacing::Offline, ..SourceWish::default() }).unwrap();
    let pool = FramePool::default();
    let stamps: Vec<_> = (0..9).map(|_| source.next(&pool).unwrap().stamp()).collect();
    // A delay of nothing means 100 ms, as in browsers.
    assert_eq!(stamps[3].captured - stamps[2].captured, Duration::from_millis(100));
    assert_eq!(stamps[8].captured - stamps[0].captured, Duration::from_millis(2 * 260 + 160));
    assert_eq!(pool.allocations(), 1);
}

#[test]
fn y4m_in_all_its_layouts() {
    let folder = Folder::new();
    for (header, planes, format) in [
        ("W6 H4 F25:1 C420jpeg", 36, PixelFormat::Nv12),
        ("W6 H4 F25:1", 36, PixelFormat::Nv12),
        ("W6 H3 F25:1 C422", 36, PixelFormat::Yuyv),
        ("W5 H3 F25:1 C444", 45, PixelFormat::Rgb8),
        ("W5 H3 F25:1 C420mpeg2", 27, PixelFormat::Rgb8),
        ("W5 H3 F25:1 Cmono", 15, PixelFormat::Gray8),
        ("W1 H1 F25:1", 3, PixelFormat::Rgb8),
    ] {
        let (info, frames) = play(&folder.file("clip.y4m", &y4m(header, planes, 3))).unwrap();
        assert_eq!((info.shape.format, frames.len()), (format, 3), "{header}");
        assert_eq!(info.interval, Duration::from_millis(40));
        assert_eq!(frames[2].stamp().captured - frames[0].stamp().captured, Duration::from_millis(80));
        if format == PixelFormat::Nv12 {
            let luma: Vec<u8> = (1..25).collect();
            assert_eq!(frames[1].bytes()[..24], luma);
            assert_eq!(frames[1].bytes()[24..], [25, 31, 26, 32, 27, 33, 28, 34, 29, 35, 30, 36]);
        }
    }
    let (info, _) = play(&folder.file("full.y4m", &y4m("W1280 H2 F25:1 XCOLORRANGE=FULL", 3840, 1))).unwrap();
    assert_eq!((info.shape.color.range, info.shape.color.matrix), (YuvRange::Full, YuvMatrix::Bt709));
}

#[test]
fn a_clip_loops_from_the_same_buffers() {
    let folder = Folder::new();
    let path = folder.file("clip.y4m", &y4m("W6 H4 F25:1", 36, 3));
    let mut source = open_file(&path, &SourceWish { pacing: Pacing::Free, ..SourceWish::default() }).unwrap();
    let pool = FramePool::default();
    let firsts: Vec<_> = (0..10).map(|_| source.next(&pool).unwrap().bytes()[0]).collect();
    assert_eq!(firsts, [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]);
    assert_eq!(pool.allocations(), 1);
}

#[test]
fn a_folder_of_pictures_plays_in_order() {
    let folder = Folder::new();
    for (name, seed) in [("b.png", 2), ("a.png", 1), ("c.webp", 3)] {
        let format = if name.ends_with("png") { ImageFormat::Png } else { ImageFormat::WebP };
        folder.file(name, &encode(&picture(4, 3, seed), format));
    }
    folder.file("notes.txt", b"not a picture");
    let (_, frames) = play(folder.0.path()).unwrap();
    assert_eq!(frames.iter().map(|frame| frame.bytes()[6]).collect::<Vec<_>>(), [1, 2, 3]);
    folder.file("d.png", &encode(&picture(5, 3, 4), ImageFormat::Png));
    let error = play(folder.0.path()).unwrap_err().to_string();
    assert!(error.contains("d.png") && error.contains("5x3") && error.contains("4x3"), "{error}");
}

fn one_of_each() -> Vec<(&'static str, Vec<u8>)> {
    let image = picture(13, 7, 5);
    vec![
        ("png", encode(&image, ImageFormat::Png)),
        ("jpeg", encode(&image, ImageFormat::Jpeg)),
        ("webp", encode(&image, ImageFormat::WebP)),
        ("gif", gif(&[(picture(9, 5, 0), 40), (picture(9, 5, 90), 120)])),
        ("y4m", y4m("W6 H4 F25:1 C420jpeg", 36, 3)),
    ]
}

/// An error about `path` names it; so does what the user sees, which has a remedy too.
fn assert_helpful(path: &Path, error: &SourceError) {
    let fault = error.fault();
    assert!(fault.what.contains(&*path.file_name().unwrap().to_string_lossy()), "{fault}");
    assert!(!fault.remedy.is_empty(), "{fault}");
    assert!(!error.recoverable(), "{fault}");
}

#[test]
fn files_cut_short_at_every_byte() {
    let folder = Folder::new();
    for (name, whole) in one_of_each() {
        let (_, frames) = play(&folder.file(name, &whole)).unwrap();
        let mut errors = 0;
        for cut in 0..whole.len() {
            let path = folder.file(&format!("cut-at-{cut}.{name}"), &whole[..cut]);
            match play(&path) {
                Ok((_, fewer)) => assert!(fewer.len() <= frames.len()),
                Err(error) => {
                    errors += 1;
                    assert_helpful(&path, &error);
                }
            }
        }
        // What may be missing unnoticed is a trailer, or whole pictures at the end of a clip.
        assert!(errors * 10 >= whole.len() * 7, "{name}: {errors} errors for {} cuts", whole.len());
    }
}

#[test]
fn a_cut_clip_says_where() {
    let folder = Folder::new();
    let whole = y4m("W6 H4 F25:1", 36, 3);
    let path = folder.file("cut.y4m", &whole[..whole.len() - 10]);
    let error = play(&path).unwrap_err();
    assert!(matches!(error, SourceError::Corrupt { frame: 2, .. }), "{error:?}");
    assert!(error.to_string().ends_with("cut.y4m is damaged at frame 2: it ends after 26 of 36 bytes"), "{error}");
    let jpeg = encode(&picture(64, 48, 1), ImageFormat::Jpeg);
    let path = folder.file("cut.jpg", &jpeg[..jpeg.len() / 2]);
    assert!(play(&path).unwrap_err().to_string().contains("ends early"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn damaged_bytes_never_panic(kind in 0usize..5, hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let folder = Folder::new();
        let (name, mut bytes) = one_of_each().swap_remove(kind);
        for (index, value) in hits {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        let path = folder.file(name, &bytes);
        if let Err(error) = play(&path) {
            assert_helpful(&path, &error);
        }
    }
}

#[test]
fn sizes_that_only_a_header_claims_take_no_memory() {
    let folder = Folder::new();
    let image = picture(13, 7, 5);
    let mut png = encode(&image, ImageFormat::Png);
    png[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
    let crc = crc32(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    let mut gif = gif(&[(image, 40)]);
    gif[6..10].copy_from_slice(&[0xff; 4]);
    let bombs = [
        ("bomb.png", png),
        ("bomb.gif", gif),
        ("bomb.y4m", b"YUV4MPEG2 W16384 H16384 F30:1\nFRAME\n0123".to_vec()),
        ("large.y4m", b"YUV4MPEG2 W8192 H8192 F30:1\nFRAME\n0123".to_vec()),
        ("endless.y4m", [b"YUV4MPEG2 ".to_vec(), vec![b'W'; 1 << 20]].concat()),
    ];
    for (name, bytes) in bombs {
        let path = folder.file(name, &bytes);
        let error = play(&path).unwrap_err();
        assert_helpful(&path, &error);
        println!("{error}");
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[test]
fn what_is_no_file_is_an_error() {
    let folder = Folder::new();
    for path in [folder.0.path().join("nothing-there.png"), folder.file("empty.png", b""), folder.0.path().into()] {
        assert_helpful(&path, &play(&path).unwrap_err());
    }
    #[cfg(unix)]
    assert_helpful(Path::new("/dev/null"), &play(Path::new("/dev/null")).unwrap_err());
}

fn has_ffmpeg() -> bool {
    let mut command = Command::new("ffmpeg");
    let there = command.arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success());
    if !there {
        println!("skipped: ffmpeg is not installed");
    }
    there
}

#[test]
fn ffmpeg_reads_the_rest() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let path = folder.0.path().join("a:clip with spaces.avi");
    // Red, odd sides, 12 pictures.
    let made = Command::new("ffmpeg")
        .args(["-y", "-v", "error", "-f", "lavfi", "-i", "color=red:size=63x47:rate=25", "-frames:v", "12"])
        .args(["-c:v", "ffv1"])
        .arg(format!("file:{}", path.display()))
        .status()
        .unwrap();
    assert!(made.success());
    let (info, frames) = play(&path).unwrap();
    assert_eq!(frames.len(), 12);
    assert_eq!((info.shape.format, info.shape.extent), (PixelFormat::Nv12, Extent::new(62, 46)));
    assert_eq!(info.interval, Duration::from_millis(40));
    // Red in limited BT.709 is (63, 102, 240).
    let bytes = frames[5].bytes();
    for (have, want) in [(bytes[20 * 62 + 30], 63), (bytes[46 * 62 + 10], 102), (bytes[46 * 62 + 11], 240)] {
        assert!(have.abs_diff(want) <= 2, "{have} where {want} belongs");
    }
    let small = SourceWish { max_extent: Some(Extent::new(32, 24)), ..once() };
    assert!(open_file(&path, &small).unwrap().info().shape.extent.pixels() <= 32 * 24);

    // In a loop, and stopped in the middle.
    let mut source = open_file(&path, &SourceWish { pacing: Pacing::Free, ..SourceWish::default() }).unwrap();
    let pool = FramePool::default();
    for _ in 0..40 {
        source.next(&pool).unwrap();
    }
    drop(source);

    let whole = std::fs::read(&path).unwrap();
    for cut in (0..whole.len()).step_by((whole.len() / 12).max(1)) {
        let path = folder.file(&format!("cut-at-{cut}.avi"), &whole[..cut]);
        if let Err(error) = play(&path) {
            assert_helpful(&path, &error);
        }
    }
    let text = folder.file("notes.txt", b"Not a picture at all.\n");
    let error = play(&text).unwrap_err();
    assert!(matches!(error, SourceError::Ffmpeg { .. }), "{error:?}");
    println!("{}", error.fault());
}

#[test]
fn without_ffmpeg_the_error_says_how_to_get_it() {
    const INSIDE: &str = "IMPASTO_WITHOUT_FFMPEG";
    if std::env::var_os(INSIDE).is_some() {
        let folder = Folder::new();
        let path = folder.file("clip.mp4", b"\0\0\0\x18ftypmp42");
        let error = play(&path).unwrap_err();
        assert!(matches!(error, SourceError::NeedsFfmpeg { .. }), "{error:?}");
        assert!(error.fault().remedy.contains("install"), "{}", error.fault());
        return;
    }
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "without_ffmpeg_the_error_says_how_to_get_it"])
        .env(INSIDE, "1")
        .env("PATH", "")
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
}
