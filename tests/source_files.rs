//! Files as sources, those that are decoded here: each kind read right, and no damage to one of them ever worse than an
//! error that names it. What goes through ffmpeg is in `source_ffmpeg.rs`.

mod source_support;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use image::{ImageEncoder as _, ImageFormat, Rgb, RgbImage, Rgba, RgbaImage};
use impasto::frame::{FramePool, PixelFormat, YuvMatrix, YuvRange};
use impasto::source::{Pacing, SourceError, SourceSpec, SourceWish, open};
use impasto::units::Extent;
use proptest::prelude::*;
use source_support::*;

#[test]
fn stills_are_themselves_on_white_paper() {
    let folder = Folder::new();
    let image = picture(13, 7, 5);
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Tiff, ImageFormat::Bmp, ImageFormat::Jpeg] {
        // The name says nothing; the contents do.
        let (info, frames) = play(&folder.file("still.bin", &encode(&image, format))).unwrap();
        assert_eq!((info.shape.extent, info.shape.format), (Extent::new(13, 7), PixelFormat::Rgb8));
        assert_eq!(frames.len(), 1, "{format:?}");
        assert_eq!(info.timeline.unwrap().pictures, Some(1));
        if format != ImageFormat::Jpeg {
            for (have, want) in rgb(&frames[0]).iter().zip(image.pixels()) {
                let want = if want[3] == 0 { [255; 3] } else { [want[0], want[1], want[2]] };
                assert_eq!(*have, want, "{format:?}");
            }
        }
    }
}

#[test]
fn the_ground_under_transparent_pixels_can_be_chosen() {
    let folder = Folder::new();
    let path = folder.file("still.png", &encode(&picture(13, 7, 5), ImageFormat::Png));
    let mut source = open_file(&path, &SourceWish { ground: [0, 90, 200], ..once() }).unwrap();
    let frame = source.next(&FramePool::default()).unwrap();
    assert_eq!((pixel(&frame, 0, 0), pixel(&frame, 1, 0)), ([0, 90, 200], [40, 0, 5]));
    // Sixteen bits a channel.
    let (_, frames) = play(&fixture("transparent.tif")).unwrap();
    assert_eq!(pixel(&frames[0], 0, 0), [255; 3]);
    assert_close(pixel(&frames[0], 40, 40), [255, 0, 0], 0);
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
fn colour_profiles_are_heeded() {
    // A green of Adobe RGB that is greener in sRGB's numbers.
    let (_, frames) = play(&fixture("green_adobe_rgb.jpg")).unwrap();
    assert_close(pixel(&frames[0], 100, 100), [8, 200, 5], 4);

    // sRGB green, in the numbers of Display P3.
    let folder = Folder::new();
    let p3 = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let image = RgbImage::from_pixel(8, 8, Rgb([0x75, 0xfb, 0x4c]));
    let path = folder.at("p3");
    let write = |encoder: &mut dyn FnMut(std::fs::File)| encoder(std::fs::File::create(&path).unwrap());
    let color = image::ExtendedColorType::Rgb8;
    let mut encoders: [(&str, &mut dyn FnMut(std::fs::File)); 3] = [
        ("png", &mut |file| {
            let mut encoder = image::codecs::png::PngEncoder::new(file);
            encoder.set_icc_profile(p3.clone()).unwrap();
            encoder.write_image(&image, 8, 8, color).unwrap();
        }),
        ("jpeg", &mut |file| {
            let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(file, 100);
            encoder.set_icc_profile(p3.clone()).unwrap();
            encoder.write_image(&image, 8, 8, color).unwrap();
        }),
        ("webp", &mut |file| {
            let mut encoder = image::codecs::webp::WebPEncoder::new_lossless(file);
            encoder.set_icc_profile(p3.clone()).unwrap();
            encoder.write_image(&image, 8, 8, color).unwrap();
        }),
    ];
    for (name, encoder) in &mut encoders {
        write(encoder);
        let (_, frames) = play(&path).unwrap();
        println!("{name}");
        assert_close(pixel(&frames[0], 4, 4), [0, 255, 0], 4);
    }
}

#[test]
fn an_animation_keeps_its_own_delays() {
    let folder = Folder::new();
    let frames = [(picture(9, 5, 0), 40), (picture(9, 5, 90), 120), (picture(9, 5, 180), 0)];
    let path = folder.file("animated.gif", &gif(&frames));
    let (_, played) = play(&path).unwrap();
    assert_eq!(stamps_ms(&played), [0, 40, 160]);
    assert_ne!(played[0].bytes(), played[1].bytes());

    let mut source = open_file(&path, &SourceWish { pacing: Pacing::Offline, ..SourceWish::default() }).unwrap();
    let pool = FramePool::default();
    let stamps: Vec<_> = (0..9).map(|_| source.next(&pool).unwrap().stamp()).collect();
    // A delay of nothing means 100 ms, as in browsers.
    assert_eq!(stamps[3].captured - stamps[2].captured, Duration::from_millis(100));
    assert_eq!(stamps[8].captured - stamps[0].captured, Duration::from_millis(2 * 260 + 160));
    assert_eq!(pool.allocations(), 1);
}

/// A red square that moves over a transparent ground.
#[test]
fn an_animated_webp_leaves_no_trail() {
    let (info, frames) = play(&fixture("moving.webp")).unwrap();
    assert_eq!(info.timeline.unwrap().pictures, Some(frames.len() as u64));
    let places: Vec<Vec<usize>> = frames
        .iter()
        .map(|frame| rgb(frame).iter().enumerate().filter(|(_, p)| **p != [255; 3]).map(|(i, _)| i).collect())
        .collect();
    assert!(places.len() > 2 && places.iter().all(|place| place.len() == places[0].len()), "{places:?}");
    assert!(places.windows(2).all(|pair| pair[0] != pair[1]));
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
        ("W7 H3 F25:1 C411", 33, PixelFormat::Rgb8),
        ("W5 H3 F25:1 Cmono", 15, PixelFormat::Gray8),
        ("W1 H1 F25:1", 3, PixelFormat::Rgb8),
    ] {
        let (info, frames) = play(&folder.file("clip.y4m", &y4m(header, planes, 3))).unwrap();
        assert_eq!((info.shape.format, frames.len()), (format, 3), "{header}");
        assert_eq!(info.interval, Duration::from_millis(40));
        assert_eq!(stamps_ms(&frames), [0, 40, 80]);
        if format == PixelFormat::Nv12 {
            let luma: Vec<u8> = (1..25).collect();
            assert_eq!(frames[1].bytes()[..24], luma);
            assert_eq!(frames[1].bytes()[24..], [25, 31, 26, 32, 27, 33, 28, 34, 29, 35, 30, 36]);
        }
    }
    // Whatever its size: the format does not say, and this is what ffmpeg reads and writes.
    let (info, _) = play(&folder.file("full.y4m", &y4m("W1280 H2 F25:1 XCOLORRANGE=FULL", 3840, 1))).unwrap();
    assert_eq!((info.shape.color.range, info.shape.color.matrix), (YuvRange::Full, YuvMatrix::Bt601));
}

#[test]
fn y4m_at_any_rate_with_any_line_end_and_any_pixels() {
    let folder = Folder::new();
    let (info, frames) = play(&folder.file("fast.y4m", &y4m("W2 H2 F90000:1", 6, 9001))).unwrap();
    assert_eq!(info.timeline.unwrap().rate.unwrap().to_string(), "90000:1");
    let last = frames[9000].stamp().captured - frames[0].stamp().captured;
    assert_eq!(last, Duration::from_millis(100), "to the nanosecond");

    let mut bytes = b"YUV4MPEG2 W4 H2 F10:1 C420jpeg\r\n".to_vec();
    for _ in 0..2 {
        bytes.extend(b"FRAME\r\n");
        bytes.extend([77; 12]);
    }
    // The line of a picture ends where its first byte begins: ffmpeg takes a line that ends in CR and LF for one line.
    let (_, frames) = play(&folder.file("crlf.y4m", &bytes)).unwrap();
    assert_eq!((frames.len(), frames[1].bytes()), (2, &[77; 12][..]));

    let (info, frames) = play(&folder.file("dvd.y4m", &y4m("W720 H576 F25:1 A64:45 C420jpeg", 622_080, 2))).unwrap();
    assert_eq!((info.shape.extent, info.shape.format), (Extent::new(1024, 576), PixelFormat::Nv12));
    assert_eq!(frames.len(), 2);
    let (info, _) = play(&folder.file("tall.y4m", &y4m("W720 H480 F25:1 A8:9", 518_400, 1))).unwrap();
    assert_eq!(info.shape.extent, Extent::new(720, 540));
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

fn numbered(folder: &Folder, names: &[&str]) {
    for (i, name) in names.iter().enumerate() {
        let format = ImageFormat::from_path(name).unwrap();
        let image = RgbaImage::from_pixel(4, 3, Rgba([0, 0, i as u8, 255]));
        folder.file(name, &encode(&image, format));
    }
}

#[test]
fn a_folder_of_pictures_plays_in_the_order_of_its_numbers() {
    for names in [
        &["frame_1.png", "frame_2.webp", "frame_9.tiff", "frame_10.bmp", "frame_11.png"][..],
        &["IMG_0009.png", "img_0010.png", "IMG_0011.png"],
        &["a.png", "b.webp", "c.png"],
    ] {
        let folder = Folder::new();
        numbered(&folder, names);
        folder.file("notes.txt", b"not a picture");
        folder.file("._frame_1.png", &encode(&picture(4, 3, 99), ImageFormat::Png));
        folder.file(".hidden.png", &encode(&picture(4, 3, 99), ImageFormat::Png));
        folder.file("Thumbs.db", &encode(&picture(4, 3, 99), ImageFormat::Png));
        let (info, frames) = play(folder.path()).unwrap();
        assert_eq!(
            frames.iter().map(|frame| frame.bytes()[2]).collect::<Vec<_>>(),
            (0..names.len() as u8).collect::<Vec<_>>()
        );
        assert_eq!(info.timeline.unwrap().pictures, Some(names.len() as u64));
    }
}

#[test]
fn pictures_of_a_folder_have_their_own_sizes_and_are_fitted_when_played() {
    let folder = Folder::new();
    for (name, width, height) in [("1.png", 8, 6), ("2.png", 6, 8), ("3.png", 16, 12)] {
        folder.file(name, &encode(&RgbaImage::from_pixel(width, height, Rgba([200, 10, 10, 255])), ImageFormat::Png));
    }
    let sizes = |frames: &[impasto::frame::CameraFrame]| frames.iter().map(|f| f.shape().extent).collect::<Vec<_>>();
    let (_, frames) = play(folder.path()).unwrap();
    assert_eq!(sizes(&frames), [Extent::new(8, 6), Extent::new(6, 8), Extent::new(16, 12)]);

    let mut source = open_file(folder.path(), &SourceWish { pacing: Pacing::Free, ..SourceWish::default() }).unwrap();
    let frames: Vec<_> = (0..3).map(|_| source.next(&FramePool::default()).unwrap()).collect();
    assert_eq!(sizes(&frames), [Extent::new(8, 6); 3]);
    assert_eq!((pixel(&frames[1], 0, 3), pixel(&frames[1], 4, 3)), ([0; 3], [200, 10, 10]), "black beside it");
    assert_eq!(pixel(&frames[2], 0, 0), [200, 10, 10]);
}

#[test]
fn a_damaged_picture_of_a_folder_is_said_once_and_left_out() {
    for damaged in ["1.png", "2.png", "3.png"] {
        let folder = Folder::new();
        numbered(&folder, &["1.png", "2.png", "3.png"]);
        folder.file(damaged, b"\x89PNG\r\n\x1a\nnot really");
        let played = play_all(folder.path()).unwrap();
        assert_eq!(played.frames.len(), 2, "{damaged}");
        assert!(matches!(&played.said[..], [SourceError::LeftOut { .. }]), "{:?}", played.said);
        assert_helpful(Path::new(damaged), &played.said[0]);

        let mut source =
            open_file(folder.path(), &SourceWish { pacing: Pacing::Free, ..SourceWish::default() }).unwrap();
        let outcomes = (0..20).map(|_| source.next(&FramePool::default()));
        assert_eq!(outcomes.filter(Result::is_err).count(), 1, "once, however often it is played");
    }
    let folder = Folder::new();
    for name in ["1.png", "2.png"] {
        folder.file(name, b"\x89PNG\r\n\x1a\nnot really");
    }
    assert_helpful(folder.path(), &play(folder.path()).err().unwrap());
}

fn one_of_each() -> Vec<(&'static str, Vec<u8>)> {
    let image = picture(13, 7, 5);
    vec![
        ("png", encode(&image, ImageFormat::Png)),
        ("jpeg", encode(&image, ImageFormat::Jpeg)),
        ("webp", encode(&image, ImageFormat::WebP)),
        ("tiff", encode(&image, ImageFormat::Tiff)),
        ("bmp", encode(&image, ImageFormat::Bmp)),
        ("gif", gif(&[(picture(9, 5, 0), 40), (picture(9, 5, 90), 120)])),
        ("y4m", y4m("W6 H4 F25:1 C420jpeg", 36, 3)),
    ]
}

#[test]
fn files_cut_short_at_every_byte() {
    // What is cut off inside its header is asked of ffmpeg too, which takes its time; without it the same must hold.
    let folder = Folder::new();
    for (name, whole) in one_of_each() {
        let (_, frames) = play(&folder.file(name, &whole)).unwrap();
        let mut noticed = 0;
        let step = if has_ffmpeg() { 7 } else { 1 };
        for cut in (0..whole.len()).step_by(step) {
            let path = folder.file(&format!("cut-at-{cut}.{name}"), &whole[..cut]);
            match play_all(&path) {
                Ok(played) => {
                    assert!(played.frames.len() <= frames.len());
                    noticed += usize::from(!played.said.is_empty());
                    played.said.iter().for_each(|error| assert_helpful(&path, error));
                }
                Err(error) => {
                    noticed += 1;
                    assert_helpful(&path, &error);
                    assert!(!error.recoverable());
                }
            }
        }
        // What may be missing unnoticed is a trailer, or whole pictures at the end of a clip.
        let cuts = whole.len().div_ceil(step);
        assert!(noticed * 10 >= cuts * 7, "{name}: {noticed} noticed of {cuts} cuts");
    }
}

#[test]
fn what_comes_before_the_cut_is_kept() {
    let folder = Folder::new();
    let cut = |name: &str, whole: &[u8], share: f64| {
        let path = folder.file(name, &whole[..(whole.len() as f64 * share) as usize]);
        let played = play_all(&path).unwrap();
        assert!(matches!(&played.said[..], [SourceError::CutShort { .. }]), "{name}: {:?}", played.said);
        assert_helpful(&path, &played.said[0]);
        played.frames
    };
    let moving: Vec<_> = (0..8).map(|i| (picture(40, 30, i * 20), 50)).collect();
    assert!((3..=5).contains(&cut("cut.gif", &gif(&moving), 0.6).len()));
    assert_eq!(cut("no-trailer.gif", &gif(&moving), 0.9999).len(), 8);
    assert_eq!(cut("cut.y4m", &y4m("W6 H4 F25:1", 36, 10), 0.65).len(), 6);

    // Noise does not compress: the share of the file is that of the picture.
    let noise = RgbaImage::from_fn(64, 64, |x, y| {
        let n = (x * 7919 + y * 104_729) ^ (x * y * 31);
        Rgba([n as u8, (n >> 3) as u8, (n >> 6) as u8, 255])
    });
    for (name, format) in [("cut.png", ImageFormat::Png), ("cut.jpg", ImageFormat::Jpeg)] {
        let whole = encode(&noise, format);
        let (_, full) = play(&folder.file("whole", &whole)).unwrap();
        let frames = cut(name, &whole, 0.6);
        let same = rgb(&frames[0]).iter().zip(rgb(&full[0])).take_while(|(a, b)| **a == *b).count();
        assert!((64 * 20..64 * 50).contains(&same), "{name}: {same} of {} pixels are right", 64 * 64);
        assert_eq!(pixel(&frames[0], 60, 63), [128; 3], "{name}: the rest is grey");
    }
}

#[test]
fn a_jpeg_without_its_end_mark_is_a_picture() {
    let folder = Folder::new();
    let (info, frames) = play(&fixture("no_end_mark.jpg")).unwrap();
    assert_eq!((info.shape.extent, frames.len()), (Extent::new(640, 480), 1));
    // Baseline and flat: a last row of blocks takes next to no room.
    for (width, height) in [(64, 48), (13, 7), (16, 16)] {
        for image in [RgbaImage::from_pixel(width, height, Rgba([9, 200, 90, 255])), picture(width, height, 3)] {
            let whole = encode(&image, ImageFormat::Jpeg);
            let (_, all) = play(&folder.file("whole.jpg", &whole)).unwrap();
            let (_, frames) = play(&folder.file("no-end.jpg", &whole[..whole.len() - 2])).unwrap();
            assert_eq!(frames[0].bytes(), all[0].bytes(), "{width}x{height}");
        }
    }
}

#[test]
fn a_cut_clip_says_where_once_and_goes_on_from_its_start() {
    let folder = Folder::new();
    let whole = y4m("W6 H4 F25:1", 36, 3);
    let path = folder.file("cut.y4m", &whole[..whole.len() - 10]);
    let played = play_all(&path).unwrap();
    assert_eq!(played.frames.len(), 2);
    let said = played.said[0].to_string();
    assert!(said.ends_with("cut.y4m is not whole: after 2 pictures, it ends after 26 of 36 bytes"), "{said}");

    let moving: Vec<_> = (0..6).map(|i| (picture(40, 30, i * 20), 50)).collect();
    let gif = gif(&moving);
    let gif = folder.file("cut.gif", &gif[..gif.len() / 2]);
    for path in [path, gif] {
        let mut source = open_file(&path, &SourceWish { pacing: Pacing::Free, ..SourceWish::default() }).unwrap();
        let outcomes: Vec<_> = (0..40).map(|_| source.next(&FramePool::default())).collect();
        assert_eq!(outcomes.iter().filter(|o| o.is_err()).count(), 1);
        assert!(outcomes[39].is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn damaged_bytes_never_panic(kind in 0usize..7, hits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let folder = Folder::new();
        let (name, mut bytes) = one_of_each().swap_remove(kind);
        for (index, value) in hits {
            let at = index.index(bytes.len());
            bytes[at] = value;
        }
        let path = folder.file(name, &bytes);
        match play_all(&path) {
            Ok(played) => played.said.iter().for_each(|error| assert_helpful(&path, error)),
            Err(error) => assert_helpful(&path, &error),
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
        ("bomb.y4m", b"YUV4MPEG2 W65000 H65000 F30:1\nFRAME\n0123".to_vec()),
        ("large.y4m", b"YUV4MPEG2 W8192 H8192 F30:1\nFRAME\n0123".to_vec()),
        ("wide.y4m", [b"YUV4MPEG2 W4 H4 F30:1 A65000:1\nFRAME\n".to_vec(), vec![0; 24]].concat()),
        ("endless.y4m", [b"YUV4MPEG2 ".to_vec(), vec![b'W'; 1 << 20]].concat()),
    ];
    for (name, bytes) in bombs {
        let path = folder.file(name, &bytes);
        let error = play(&path).err().unwrap();
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
    for path in [folder.at("nothing-there.png"), folder.file("empty.png", b""), folder.path().into()] {
        assert_helpful(&path, &play(&path).err().unwrap());
    }
    #[cfg(unix)]
    assert_helpful(Path::new("/dev/null"), &play(Path::new("/dev/null")).err().unwrap());
}

/// A word that says what it is and what to do, whether ffmpeg is there or not.
#[test]
fn files_that_are_something_else_are_called_what_they_are() {
    let folder = Folder::new();
    for (name, bytes, what, remedy) in [
        ("photo.heic", &b"\0\0\0\x1cftypheic\0\0\0\0mif1heicmiaf"[..], "HEIC photo", "JPEG"),
        ("shot.nef", b"II\x2a\0\x08\0\0\0\x01\0", "raw photo", "JPEG"),
        ("shot.cr2", b"II\x2a\0\x10\0\0\0CR\x02\0", "raw photo", "JPEG"),
        ("page.jpg", b"<!DOCTYPE html><html><body>404</body></html>", "web page", "picture itself"),
        ("paper.pdf", b"%PDF-1.7 etc", "PDF", "PNG"),
        ("big.mp4", b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS pointer", "git lfs pull"),
        ("photos.zip", b"PK\x03\x04\x14\0", "ZIP", "npack"),
    ] {
        let fault = play(&folder.file(name, bytes)).err().unwrap().fault();
        assert!(fault.what.contains(what) && fault.what.contains(name), "{fault}");
        assert!(fault.remedy.contains(remedy), "{fault}");
    }
}

#[cfg(unix)]
#[test]
fn y4m_comes_through_a_pipe_too() {
    let folder = Folder::new();
    let pipe = folder.at("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let feed = |bytes: Vec<u8>| {
        let pipe = pipe.clone();
        std::thread::spawn(move || std::fs::write(pipe, bytes))
    };
    let feeding = feed(y4m("W6 H4 F25:1", 36, 5));
    let (info, frames) = play(&pipe).unwrap();
    feeding.join().unwrap().unwrap();
    assert_eq!((frames.len(), stamps_ms(&frames)), (5, vec![0, 40, 80, 120, 160]));
    assert_eq!(info.timeline.unwrap().pictures, None);

    let whole = y4m("W6 H4 F25:1", 36, 5);
    let feeding = feed(whole[..whole.len() - 4].to_vec());
    let played = play_all(&pipe).unwrap();
    feeding.join().unwrap().unwrap();
    assert_eq!((played.frames.len(), played.said.len()), (4, 1));

    let feeding = feed(encode(&picture(4, 4, 0), ImageFormat::Png));
    let error = play(&pipe).err().unwrap();
    feeding.join().unwrap().ok();
    assert!(error.fault().remedy.contains("yuv4mpegpipe"), "{}", error.fault());
}

#[test]
fn without_ffmpeg_the_error_says_how_to_get_it() {
    const INSIDE: &str = "IMPASTO_WITHOUT_FFMPEG";
    if std::env::var_os(INSIDE).is_some() {
        let folder = Folder::new();
        let path = folder.file("clip.mp4", b"\0\0\0\x18ftypmp42");
        let error = play(&path).err().unwrap();
        assert!(matches!(error, SourceError::NeedsFfmpeg { .. }), "{error:?}");
        assert!(error.fault().remedy.contains("nstall"), "{}", error.fault());
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

#[test]
fn standard_input_has_a_name_of_its_own() {
    assert_eq!(SourceSpec::parse("-").unwrap(), SourceSpec::Stdin);
    // The tests' own input is empty or closed.
    if let Err(error) = open(&SourceSpec::Stdin, &once()) {
        assert!(error.to_string().contains("standard input"), "{error}");
    }
}
