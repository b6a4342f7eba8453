//! Files that are read through ffmpeg: their own times, their own shape, their own colours. Where ffmpeg is not installed
//! each of these says so and is skipped.

mod source_support;

use std::time::Duration;

use impasto::frame::{FramePool, PixelFormat, YuvMatrix};
use impasto::output::{Options, Writer};
use impasto::source::{Pacing, SourceError, SourceWish};
use impasto::units::Extent;
use source_support::*;

/// A clip from one of ffmpeg's own sources.
fn make(folder: &Folder, name: &str, source: &str, more: &[&str]) -> std::path::PathBuf {
    let path = folder.at(name);
    let to = format!("file:{}", path.display());
    ffmpeg(&[&["-f", "lavfi", "-i", source][..], more, &[&to]].concat());
    path
}

#[test]
fn a_clip_without_a_rate_keeps_its_own_times() {
    if !has_ffmpeg() {
        return;
    }
    let (info, frames) = play(&fixture("browser_no_rate.webm")).unwrap();
    assert_eq!((frames.len(), info.timeline.unwrap().rate), (30, None));
    assert_eq!(stamps_ms(&frames)[..6], [0, 33, 74, 125, 138, 169]);
    assert!((Duration::from_millis(20)..Duration::from_millis(60)).contains(&info.interval), "{:?}", info.interval);
}

#[test]
fn times_survive_in_every_container() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    // 0, 40, 90, 150, 220 ...: each picture is shown 10 ms longer than the one before.
    let times = "settb=1/1000,setpts='N*40+N*(N-1)*5'";
    for (name, codec) in [("vfr.mkv", "mpeg4"), ("vfr.mp4", "mpeg4"), ("vfr.ts", "libx264"), ("vfr.mov", "mjpeg")] {
        let more =
            ["-vf", times, "-fps_mode", "vfr", "-enc_time_base", "1/1000", "-frames:v", "8", "-bf", "0", "-c:v", codec];
        let path = make(&folder, name, "testsrc=size=64x48:rate=25", &more);
        let (_, frames) = play(&path).unwrap();
        let stamps = stamps_ms(&frames);
        let wanted: Vec<u64> = (0..8u64).map(|n| n * 40 + n * n.saturating_sub(1) * 5).collect();
        let close = stamps.iter().zip(&wanted).all(|(a, b)| a.abs_diff(*b) <= 1);
        assert!(close && stamps.len() == wanted.len(), "{name}: {stamps:?} where {wanted:?} belong");
    }
    let path = make(&folder, "ntsc.mp4", "testsrc=size=64x48:rate=30000/1001", &["-frames:v", "31", "-c:v", "mpeg4"]);
    let (info, frames) = play(&path).unwrap();
    assert_eq!(info.timeline.unwrap().rate.unwrap().to_string(), "30000:1001");
    assert_eq!((frames.len(), stamps_ms(&frames)[30]), (31, 1001));
}

#[test]
fn a_window_gets_the_same_times_and_loops() {
    if !has_ffmpeg() {
        return;
    }
    let wish = SourceWish { pacing: Pacing::Offline, ..SourceWish::default() };
    let mut source = open_file(&fixture("browser_no_rate.webm"), &wish).unwrap();
    let pool = FramePool::default();
    let frames: Vec<_> = (0..70).map(|_| source.next(&pool).unwrap()).collect();
    let stamps = stamps_ms(&frames);
    let pass = stamps[30];
    assert_eq!(stamps[31..36].iter().map(|s| s - pass).collect::<Vec<_>>(), [33, 74, 125, 138, 169]);
    assert!((900..1300).contains(&pass), "one pass takes {pass} ms");
    drop(source);
}

#[test]
fn pixels_are_square_when_shown() {
    if !has_ffmpeg() {
        return;
    }
    let (info, frames) = play(&fixture("dvd.mpg")).unwrap();
    assert_eq!((info.shape.extent, info.shape.format), (Extent::new(1024, 576), PixelFormat::Nv12));
    assert!(!frames.is_empty());
    // A phone on its side, with pixels that are not square either.
    let folder = Folder::new();
    let whole = make(
        &folder,
        "sar.mp4",
        "testsrc=size=80x60:rate=5",
        &["-frames:v", "3", "-vf", "setsar=2/1", "-c:v", "mpeg4"],
    );
    let turned = folder.at("turned.mp4");
    ffmpeg(&["-i", whole.to_str().unwrap(), "-c", "copy", "-metadata:s:v:0", "rotate=90", turned.to_str().unwrap()]);
    assert_eq!(play(&whole).unwrap().0.shape.extent, Extent::new(160, 60));
    let turned = play(&turned).unwrap().0.shape.extent;
    assert!(turned == Extent::new(60, 160) || turned == Extent::new(160, 60), "{turned}");
}

#[test]
fn odd_sizes_and_full_colour_are_kept() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    // Red and green columns by turns: halved colour would mix them.
    let stripes = "color=black:size=63x47:rate=5,format=gbrp,geq=r='255*mod(X,2)':g='255*(1-mod(X,2))':b=0";
    let path = make(&folder, "a:clip with spaces.avi", stripes, &["-frames:v", "3", "-c:v", "ffv1"]);
    let (info, frames) = play(&path).unwrap();
    assert_eq!((info.shape.extent, info.shape.format, frames.len()), (Extent::new(63, 47), PixelFormat::Rgb8, 3));
    assert_eq!((pixel(&frames[1], 30, 46), pixel(&frames[1], 31, 46)), ([0, 255, 0], [255, 0, 0]));

    let (info, frames) = play(&fixture("odd.avif")).unwrap();
    assert_eq!((info.shape.extent, frames.len()), (Extent::new(641, 479), 1));
    // In a folder as alone.
    std::fs::copy(fixture("odd.avif"), folder.at("1.avif")).unwrap();
    std::fs::remove_file(&path).unwrap();
    assert_eq!(play(folder.path()).unwrap().1[0].bytes(), frames[0].bytes());
}

#[test]
fn transparency_shows_the_ground() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    // Opaque blue on the left, nothing on the right.
    let half = "color=blue:size=64x48:rate=5,format=rgba,geq=r=0:g=0:b=255:a='255*lt(X,32)'";
    for (name, codec, more) in [
        ("alpha.mov", "qtrle", &[][..]),
        ("alpha.mkv", "ffv1", &[]),
        ("alpha.webm", "libvpx-vp9", &["-pix_fmt", "yuva420p", "-b:v", "1M"]),
    ] {
        let more = [&["-frames:v", "3", "-c:v", codec][..], more].concat();
        let path = make(&folder, name, half, &more);
        let mut source = open_file(&path, &SourceWish { ground: [10, 200, 30], ..once() }).unwrap();
        let frame = source.next(&FramePool::default()).unwrap();
        assert_close(pixel(&frame, 48, 24), [10, 200, 30], 3);
        assert_close(pixel(&frame, 10, 24), [0, 0, 255], 8);
    }
}

#[test]
fn colours_arrive_as_they_were_meant() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let red = [200, 40, 40];
    for (name, size, filter, matrix) in [
        ("sd.mkv", "640x480", "scale=out_color_matrix=bt601", YuvMatrix::Bt601),
        ("hd.mkv", "1280x720", "scale=out_color_matrix=bt709,setparams=colorspace=bt709", YuvMatrix::Bt709),
        (
            "full.mkv",
            "320x240",
            "scale=out_color_matrix=bt709:out_range=full,setparams=colorspace=bt709:range=full",
            YuvMatrix::Bt709,
        ),
    ] {
        let source = format!("color=0xC82828:size={size}:rate=5,format=rgb24");
        let more = ["-vf", filter, "-pix_fmt", "yuv420p", "-frames:v", "2", "-c:v", "ffv1"];
        let (info, frames) = play(&make(&folder, name, &source, &more)).unwrap();
        assert_eq!((info.shape.format, info.shape.color.matrix), (PixelFormat::Nv12, matrix), "{name}");
        assert_close(pixel(&frames[0], 20, 20), red, 3);
    }
}

/// Reference white of HLG is 189 when its numbers are taken for SDR's.
#[test]
fn hdr_is_brought_to_a_screens_range() {
    if !has_ffmpeg() {
        return;
    }
    let filters = String::from_utf8(ffmpeg(&["-hide_banner", "-filters"])).unwrap();
    if !filters.contains(" zscale ") {
        println!("skipped: this ffmpeg has no zscale");
        return;
    }
    let (_, frames) = play(&fixture("hlg.mp4")).unwrap();
    assert_close(pixel(&frames[0], 320, 180), [156; 3], 8);
}

/// What is written as Y4M reads the same here and in ffmpeg, at every size.
#[test]
fn y4m_means_the_same_to_all() {
    let folder = Folder::new();
    let red = [200, 40, 40];
    for (width, height) in [(64, 48), (1024, 600), (1280, 720), (1281, 721)] {
        for range in [impasto::frame::YuvRange::Limited, impasto::frame::YuvRange::Full] {
            let path = folder.at("red.y4m");
            let picture = image::RgbaImage::from_pixel(width, height, image::Rgba([red[0], red[1], red[2], 255]));
            let options = Options { range, ..Options::still(Extent::new(width, height)) };
            let mut writer = Writer::new(&path, &options).unwrap();
            writer.write(picture, Duration::from_millis(40)).unwrap();
            writer.finish().unwrap();
            let (info, frames) = play(&path).unwrap();
            assert_eq!(info.shape.color.range, range);
            assert_close(pixel(&frames[0], 20, 20), red, 2);
            if has_ffmpeg() {
                assert_close(as_ffmpeg_reads(&path)[20 * width as usize + 20], red, 4);
            }
        }
    }
}

#[test]
fn y4m_is_read_as_ffmpeg_reads_it() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let cases = [
        ("yuv420p", "64x48"),
        ("yuv420p", "65x49"),
        ("yuv411p", "66x49"),
        ("yuv422p", "65x48"),
        ("yuv444p", "65x49"),
        ("gray", "65x49"),
    ];
    for (format, size) in cases.into_iter().chain([("yuv420p", "1281x721")]) {
        let source = format!("testsrc2=size={size}:rate=5");
        let path = make(&folder, "clip.y4m", &source, &["-frames:v", "2", "-pix_fmt", format]);
        let (_, frames) = play(&path).unwrap();
        let have: Vec<_> = frames.iter().flat_map(rgb).collect();
        let want = as_ffmpeg_reads(&path);
        assert_eq!(have.len(), want.len(), "{format} {size}");
        // Where colours meet, ffmpeg interpolates between samples of chroma.
        let off = have.iter().zip(&want).filter(|(a, b)| a.iter().zip(**b).any(|(a, b)| a.abs_diff(b) > 6)).count();
        assert!(off * 5 < have.len(), "{format} {size}: {off} of {} pixels differ", have.len());
    }
    // More bits than can be read here go through ffmpeg.
    let path = make(
        &folder,
        "deep.y4m",
        "testsrc2=size=64x48:rate=5",
        &["-frames:v", "2", "-pix_fmt", "yuv420p10", "-strict", "-1"],
    );
    assert_eq!(play(&path).unwrap().1.len(), 2);
}

/// The last word on what an animation looks like.
#[test]
fn animations_are_put_together_as_ffmpeg_does() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let path = folder.at("disposals.gif");
    {
        let palette = [0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 255];
        let mut encoder = gif::Encoder::new(std::fs::File::create(&path).unwrap(), 16, 12, &palette).unwrap();
        use gif::DisposalMethod::{Any, Background, Keep, Previous};
        for (i, dispose) in [Keep, Background, Keep, Previous, Any, Background, Previous, Keep].into_iter().enumerate()
        {
            let (left, top) = (i as u16, (i as u16 * 5) % 6);
            let buffer: Vec<u8> = (0..48).map(|p| if (p + i) % 5 == 0 { 0 } else { 1 + (i % 3) as u8 }).collect();
            let frame = gif::Frame {
                left,
                top,
                width: 8,
                height: 6,
                dispose,
                delay: 10,
                transparent: Some(0),
                buffer: buffer.into(),
                ..gif::Frame::default()
            };
            encoder.write_frame(&frame).unwrap();
        }
    }
    let (_, frames) = play(&path).unwrap();
    let have: Vec<_> = frames.iter().flat_map(rgb).collect();
    let raw =
        ffmpeg(&["-i", path.to_str().unwrap(), "-fps_mode", "passthrough", "-pix_fmt", "rgba", "-f", "rawvideo", "-"]);
    let want: Vec<_> = raw.chunks_exact(4).map(|p| if p[3] == 0 { [255; 3] } else { [p[0], p[1], p[2]] }).collect();
    let pixels = 16 * 12;
    for (i, have) in have.chunks(pixels).enumerate() {
        let want = &want[i * pixels..][..pixels];
        let off = have.iter().zip(want).filter(|(a, b)| a.iter().zip(**b).any(|(a, b)| a.abs_diff(b) > 2)).count();
        assert_eq!(off, 0, "picture {i}: {off} pixels differ");
    }
}

#[test]
fn cut_clips_keep_what_comes_before_the_cut() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    for (name, more) in [
        ("whole.mp4", &["-c:v", "mpeg4", "-movflags", "+faststart"][..]),
        ("whole.mkv", &["-c:v", "mpeg4"]),
        ("whole.webm", &["-c:v", "libvpx"]),
        ("whole.avi", &["-c:v", "mpeg4"]),
    ] {
        let more = [&["-t", "3"], more].concat();
        let path = make(&folder, name, "testsrc=size=160x120:rate=25", &more);
        assert_eq!(play(&path).unwrap().1.len(), 75, "{name}");
        let whole = std::fs::read(&path).unwrap();
        let cut = folder.file(&format!("cut-{name}"), &whole[..whole.len() * 6 / 10]);
        let played = play_all(&cut).unwrap();
        assert!((15..70).contains(&played.frames.len()), "{name}: {} pictures", played.frames.len());
        assert!(matches!(&played.said[..], [SourceError::CutShort { .. }]), "{name}: {:?}", played.said);
        assert_helpful(&cut, &played.said[0]);
        // At any other place there is an error that helps, at the worst.
        for cut in (0..whole.len()).step_by((whole.len() / 6).max(1)) {
            let path = folder.file(&format!("cut-at-{cut}-{name}"), &whole[..cut]);
            if let Err(error) = play_all(&path) {
                assert_helpful(&path, &error);
            }
        }
    }
}

/// The part before the cut as it was, the rest grey.
#[test]
fn a_cut_webp_photo_keeps_its_upper_part() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    for (name, lossless) in [("lossy.webp", "0"), ("lossless.webp", "1")] {
        let noise = "testsrc2=size=320x240:rate=1,noise=alls=40:allf=t";
        let path = make(&folder, name, noise, &["-frames:v", "1", "-c:v", "libwebp", "-lossless", lossless]);
        let whole = std::fs::read(&path).unwrap();
        let cut = folder.file(&format!("cut-{name}"), &whole[..whole.len() * 6 / 10]);
        let (_, full) = play(&path).unwrap();
        let played = play_all(&cut).unwrap();
        let same = rgb(&played.frames[0]).iter().zip(rgb(&full[0])).take_while(|(a, b)| **a == *b).count();
        assert!((320 * 80..320 * 200).contains(&same), "{name}: {same} pixels");
        if lossless == "0" {
            assert_eq!(pixel(&played.frames[0], 300, 239), [128; 3], "{name}");
        }
        assert!(matches!(&played.said[..], [SourceError::CutShort { .. }]), "{:?}", played.said);
    }
}

#[test]
fn clips_are_scaled_looped_and_stopped() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let path = make(&folder, "clip.avi", "color=red:size=63x47:rate=25", &["-frames:v", "12", "-c:v", "ffv1"]);
    let small = SourceWish { max_extent: Some(Extent::new(32, 24)), ..once() };
    assert!(open_file(&path, &small).unwrap().info().shape.extent.pixels() <= 32 * 24);
    let mut source = open_file(&path, &SourceWish { pacing: Pacing::Free, ..SourceWish::default() }).unwrap();
    let pool = FramePool::default();
    for _ in 0..40 {
        source.next(&pool).unwrap();
    }
    drop(source);
    // One picture, again and again, without starting ffmpeg each time.
    let path = make(&folder, "one.avi", "color=red:size=64x48:rate=25", &["-frames:v", "1", "-c:v", "ffv1"]);
    let mut source = open_file(&path, &SourceWish { pacing: Pacing::Free, ..SourceWish::default() }).unwrap();
    for _ in 0..200 {
        source.next(&pool).unwrap();
    }
}

#[test]
fn what_is_no_picture_is_called_what_it_is() {
    if !has_ffmpeg() {
        return;
    }
    let folder = Folder::new();
    let text = folder.file("notes.txt", b"Not a picture at all.\n");
    let error = play(&text).err().unwrap();
    assert!(matches!(error, SourceError::Ffmpeg { .. }), "{error:?}");
    println!("{}", error.fault());

    let sound = make(&folder, "sound.wav", "sine=440:duration=1", &[]);
    let fault = play(&sound).err().unwrap().fault();
    assert!(fault.what.contains("sound without a picture"), "{fault}");

    let cover = folder.file("cover.png", &encode(&picture(32, 32, 0), image::ImageFormat::Png));
    for to in [folder.at("song.mp3"), folder.at("song.m4a")] {
        let made = std::process::Command::new("ffmpeg")
            .args(["-y", "-v", "error", "-i"])
            .arg(&sound)
            .arg("-i")
            .arg(&cover)
            .args(["-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v", "attached_pic"])
            .arg(&to)
            .status();
        if made.is_ok_and(|status| status.success()) {
            let fault = play(&to).err().unwrap().fault();
            assert!(fault.what.contains("cover"), "{fault}");
        }
    }
}
