//! The demo scene: the same for the same frame number, alive, and like a camera's picture.

use impasto::source::DemoScene;
use impasto::units::Extent;
use proptest::prelude::*;

fn drawn(scene: &DemoScene, frame: u64) -> Vec<u8> {
    let mut out = vec![0; scene.shape().min_bytes()];
    scene.draw(frame, &mut out);
    out
}

/// Mean of |a - b| over the bytes of a region (left, top, right, bottom in pixels).
fn difference(a: &[u8], b: &[u8], width: usize, [left, top, right, bottom]: [usize; 4]) -> f64 {
    let mut sum = 0;
    for y in top..bottom {
        for i in (y * width + left) * 4..(y * width + right) * 4 {
            sum += u64::from(a[i].abs_diff(b[i]));
        }
    }
    sum as f64 / ((right - left) * (bottom - top) * 4) as f64
}

#[test]
fn the_same_frame_is_the_same_picture_and_others_are_not() {
    let extent = Extent::new(320, 240);
    let (one, other) = (DemoScene::new(extent, 30), DemoScene::new(extent, 30));
    // Drawing in another order, over other bytes, at another rate makes no difference.
    let first = drawn(&one, 0);
    let ninth = drawn(&one, 9);
    let mut out = vec![7; one.shape().min_bytes()];
    other.draw(9, &mut out);
    assert!(out == ninth);
    other.draw(0, &mut out);
    assert!(out == first);
    assert!(drawn(&DemoScene::new(extent, 60), 18) == ninth);
    assert!(first != ninth);
    for pair in (0..60).map(|n| drawn(&one, n)).collect::<Vec<_>>().windows(2) {
        assert!(pair[0] != pair[1]);
    }
}

#[test]
fn the_figure_moves_and_the_wall_does_not() {
    let scene = DemoScene::new(DemoScene::DEFAULT_EXTENT, 30);
    let pictures: Vec<_> = (0..60).step_by(6).map(|n| drawn(&scene, n)).collect();
    let most = |region| pictures.windows(2).map(|pair| difference(&pair[0], &pair[1], 640, region)).fold(0.0, f64::max);
    assert_eq!(most([200, 10, 400, 50]), 0.0);
    assert!(most([240, 150, 400, 290]) > 2.0);
    assert!(most([480, 240, 600, 380]) > 2.0);
    // Dark and bright, and colour: not a test pattern's flat fields.
    let picture = &pictures[0];
    let (low, high) = picture.chunks(4).fold((255, 0), |(low, high), p| (low.min(p[1]), high.max(p[1])));
    assert!(low < 20 && high > 230, "{low}..{high}");
    assert!(picture.chunks(4).all(|p| p[3] == 255));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn any_size_and_any_moment(width in 1u32..90, height in 1u32..70, frame: u64) {
        let scene = DemoScene::new(Extent::new(width, height), 30);
        let mut out = vec![1; scene.shape().min_bytes() + 5];
        scene.draw(frame, &mut out);
        prop_assert_eq!(&out[out.len() - 5..], &[1; 5]);
        let mut short = vec![1; scene.shape().min_bytes() - 1];
        scene.draw(frame, &mut short);
        prop_assert!(short.iter().all(|&b| b == 1));
    }
}
