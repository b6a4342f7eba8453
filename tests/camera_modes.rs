//! Which mode of a camera is used.

use std::time::Duration;

use impasto::frame::PixelFormat;
use impasto::source::SourceWish;
use impasto::source::camera::choose::wanted_mode;
use impasto::source::camera::{CameraMode, Coding, choose_mode};
use impasto::units::{Budget, Extent};
use proptest::prelude::*;

const YUYV: Coding = Coding::Raw(PixelFormat::Yuyv);
const NV12: Coding = Coding::Raw(PixelFormat::Nv12);
const GREY: Coding = Coding::Raw(PixelFormat::Gray8);
const RGB: Coding = Coding::Raw(PixelFormat::Rgb8);

fn mode(coding: Coding, width: u32, height: u32, fps: u32) -> CameraMode {
    CameraMode { coding, extent: Extent::new(width, height), interval_s: (1, fps) }
}

fn chosen(modes: &[CameraMode]) -> String {
    choose_mode(modes, &SourceWish::default()).map_or("none".into(), ToString::to_string)
}

#[test]
fn webcams_as_they_are_sold() {
    // 720p at 30 only as MJPEG, as over USB 2.
    let usual = [
        mode(YUYV, 640, 480, 30),
        mode(YUYV, 1280, 720, 10),
        mode(YUYV, 1920, 1080, 5),
        mode(Coding::Mjpeg, 640, 480, 30),
        mode(Coding::Mjpeg, 1280, 720, 30),
        mode(Coding::Mjpeg, 1920, 1080, 30),
    ];
    assert_eq!(chosen(&usual), "MJPG 1280x720 at 30 fps");
    assert_eq!(chosen(&usual[..3]), "YUYV 640x480 at 30 fps");
    // The same size twice: the cheaper coding.
    assert_eq!(
        chosen(&[mode(RGB, 640, 480, 30), mode(Coding::Mjpeg, 640, 480, 30), mode(YUYV, 640, 480, 30)]),
        "YUYV 640x480 at 30 fps"
    );
    // vivid's own list: the largest that is fast enough.
    let vivid = [(320, 180, 60), (640, 360, 40), (640, 480, 25), (1280, 720, 12), (1920, 1080, 5)];
    let vivid = vivid.map(|(w, h, fps)| mode(YUYV, w, h, fps));
    assert_eq!(chosen(&vivid), "YUYV 640x360 at 40 fps");
    // Too slow whatever is chosen: the fastest, and of the fastest the largest.
    assert_eq!(
        chosen(&[mode(YUYV, 320, 240, 15), mode(YUYV, 640, 480, 15), mode(YUYV, 1280, 720, 5)]),
        "YUYV 640x480 at 15 fps"
    );
    // Only beyond the wish: the smallest of those.
    assert_eq!(chosen(&[mode(NV12, 3840, 2160, 30), mode(NV12, 1920, 1080, 30)]), "NV12 1920x1080 at 30 fps");
    // 60 is not better than 30 when 30 is asked for: the shutter would have half the light.
    assert_eq!(chosen(&[mode(NV12, 640, 480, 60), mode(NV12, 640, 480, 30)]), "NV12 640x480 at 30 fps");
    // An infrared camera beside the colour one.
    assert_eq!(chosen(&[mode(GREY, 1280, 720, 30), mode(YUYV, 320, 240, 15)]), "YUYV 320x240 at 15 fps");
    assert_eq!(chosen(&[mode(GREY, 640, 360, 30)]), "GREY 640x360 at 30 fps");
    assert_eq!(chosen(&[]), "none");
    // NTSC's 29.97 is 30.
    let ntsc = CameraMode { interval_s: (1001, 30000), ..mode(YUYV, 720, 480, 0) };
    assert_eq!(chosen(&[ntsc, mode(YUYV, 320, 240, 30)]), "YUYV 720x480 at 29.97 fps");
}

#[test]
fn a_mode_that_was_chosen_is_taken_while_it_is_offered() {
    let modes = [mode(YUYV, 1280, 720, 30), mode(YUYV, 640, 480, 30), mode(YUYV, 641, 480, 30)];
    let taken = |name: &str, chosen: &str| {
        let wish = SourceWish { camera_modes: [(name.to_owned(), chosen.to_owned())].into(), ..SourceWish::default() };
        wanted_mode("Webcam", &modes, &wish).unwrap().to_string()
    };
    assert_eq!(taken("Webcam", "YUYV 640x480 at 30 fps"), "YUYV 640x480 at 30 fps");
    for (name, chosen) in [
        ("Webcam", "YUYV 640x480 at 60 fps"),
        ("Webcam", "YUYV 641x480 at 30 fps"),
        ("Webcam", ""),
        ("Another", "YUYV 640x480 at 30 fps"),
    ] {
        assert_eq!(taken(name, chosen), "YUYV 1280x720 at 30 fps", "{name}: {chosen}");
    }
}

fn any_mode() -> impl Strategy<Value = CameraMode> {
    let coding = prop::sample::select(vec![
        Coding::Mjpeg,
        YUYV,
        NV12,
        RGB,
        GREY,
        Coding::Raw(PixelFormat::Uyvy),
        Coding::Raw(PixelFormat::Nv21),
        Coding::Raw(PixelFormat::Bgr8),
    ]);
    (coding, 0u32..2000, 0u32..1500, 0u32..5, 0u32..120).prop_map(|(coding, width, height, numerator, denominator)| {
        CameraMode { coding, extent: Extent::new(width, height), interval_s: (numerator, denominator) }
    })
}

fn usable(mode: &CameraMode) -> bool {
    mode.coding.fits(mode.extent) && mode.interval_s.0 > 0 && mode.interval_s.1 > 0
}

proptest! {
    #[test]
    fn the_choice_is_the_best_there_is(
        modes in prop::collection::vec(any_mode(), 0..30),
        fps in 1u64..70,
        width in 1u32..2000, height in 1u32..1500,
    ) {
        let max = Extent::new(width, height);
        let budget = Budget(Duration::from_nanos(1_000_000_000 / fps));
        let wish = SourceWish { max_extent: Some(max), budget, ..SourceWish::default() };
        let choice = choose_mode(&modes, &wish).copied();
        prop_assert_eq!(choice.is_some(), modes.iter().any(usable));
        let Some(choice) = choice else { return Ok(()) };
        prop_assert!(modes.contains(&choice) && usable(&choice));

        // Order does not matter.
        let mut backwards = modes.clone();
        backwards.reverse();
        let again = choose_mode(&backwards, &wish).copied().unwrap();
        prop_assert_eq!((again.coding, again.extent.pixels(), again.interval()), (choice.coding, choice.extent.pixels(), choice.interval()));

        let color = |m: &CameraMode| m.coding != GREY;
        let meets = |m: &CameraMode| m.interval().as_nanos() as f64 <= budget.0.as_nanos() as f64 * 1.02;
        let within = |m: &CameraMode| m.extent.width <= max.width && m.extent.height <= max.height;
        for other in modes.iter().filter(|m| usable(m)) {
            prop_assert!(color(&choice) || !color(other));
            if color(other) != color(&choice) {
                continue;
            }
            // Rate first.
            prop_assert!(meets(&choice) || !meets(other));
            if !meets(&choice) {
                prop_assert!(choice.interval() <= other.interval());
            }
            let same_rate = if meets(&choice) { meets(other) } else { other.interval() == choice.interval() };
            if !same_rate {
                continue;
            }
            // Then the size.
            prop_assert!(within(&choice) || !within(other));
            if within(&choice) && within(other) {
                prop_assert!(choice.extent.pixels() >= other.extent.pixels());
            }
            if !within(&choice) {
                prop_assert!(choice.extent.pixels() <= other.extent.pixels());
            }
        }
        // Asked for one coding, only that one is taken.
        let only = SourceWish { coding: Some(choice.coding), ..wish };
        prop_assert_eq!(choose_mode(&modes, &only).unwrap().coding, choice.coding);
    }

    #[test]
    fn four_characters_and_back(code: [u8; 4]) {
        if let Some(coding) = Coding::from_fourcc(code) {
            prop_assert!(coding.name().bytes().eq(code) || &code == b"JPEG");
        }
    }
}
