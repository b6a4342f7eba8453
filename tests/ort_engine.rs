//! The ONNX Runtime engine on a real network. Skipped, with a line that says so, where the library is missing.

use std::num::NonZeroUsize;

use impasto::nn::graph::Graph;
use impasto::nn::ort::{OrtError, OrtOptions, OrtRuntime, OrtStudent};
use impasto::units::Extent;

const TINY: &[u8] = include_bytes!("data/tiny.onnx");

fn runtime() -> Option<OrtRuntime> {
    match OrtRuntime::find(None) {
        Ok(runtime) => Some(runtime),
        Err(error) if std::env::var_os("IMPASTO_ORT_LIB").is_none() => {
            println!("skipped: {error}");
            None
        }
        Err(error) => panic!("IMPASTO_ORT_LIB is set, but: {error}"),
    }
}

fn threads(n: usize) -> OrtOptions {
    OrtOptions { threads: NonZeroUsize::new(n).unwrap(), ..OrtOptions::default() }
}

/// A gradient with an edge in it, three planes.
fn picture(extent: Extent) -> Vec<f32> {
    let (w, h) = (extent.width as usize, extent.height as usize);
    let value = |c: usize, x: usize, y: usize| match c {
        0 => x as f32 / w as f32,
        1 => y as f32 / h as f32,
        _ => f32::from(u8::from(x * 2 > w)),
    };
    (0..3).flat_map(|c| (0..h).flat_map(move |y| (0..w).map(move |x| value(c, x, y)))).collect()
}

#[test]
fn paints_and_paints_the_same_again() {
    let Some(runtime) = runtime() else { return };
    assert!(runtime.info().providers.iter().any(|p| p == "CPU"), "{:?}", runtime.info());
    assert!(runtime.info().version.starts_with("1."), "{:?}", runtime.info());
    for extent in [Extent::new(48, 32), Extent::new(16, 80)] {
        let mut student = OrtStudent::from_onnx(&runtime, TINY, &[1.0, 0.0], extent, threads(1)).unwrap();
        let image = picture(extent);
        let mut first = vec![0.0; student.numbers()];
        student.run(&image, &mut first).unwrap();
        assert!(first.iter().all(|v| (0.0..=1.0).contains(v)));
        let (low, high) = first.iter().fold((1.0f32, 0.0f32), |(l, h), &v| (l.min(v), h.max(v)));
        assert!(high - low > 0.01, "a flat picture: {low} to {high}");

        // Another picture in between must be seen (the input memory is the one that the network reads), and leave no trace.
        let mut other = vec![0.0; student.numbers()];
        student.run(&vec![0.5; image.len()], &mut other).unwrap();
        assert_ne!(first, other);
        let mut again = vec![0.0; student.numbers()];
        student.run(&image, &mut again).unwrap();
        assert_eq!(first, again);
    }
}

#[test]
fn styles_and_threads() {
    let Some(runtime) = runtime() else { return };
    let extent = Extent::new(32, 48);
    let image = picture(extent);
    let paint = |style: &[f32], n| {
        let mut student = OrtStudent::from_onnx(&runtime, TINY, style, extent, threads(n)).unwrap();
        let mut painted = vec![0.0; student.numbers()];
        student.run(&image, &mut painted).unwrap();
        painted
    };
    let (a, b) = (paint(&[1.0, 0.0], 1), paint(&[0.0, 1.0], 1));
    assert_ne!(a, b, "the style is not used");
    // Work is split differently, so sums may round differently.
    let worst = a.iter().zip(paint(&[1.0, 0.0], 2)).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-5, "two threads differ from one by {worst}");
}

#[test]
fn what_does_not_fit_is_refused() {
    let Some(runtime) = runtime() else { return };
    let extent = Extent::new(32, 16);
    let make = |onnx: &[u8], style: &[f32]| OrtStudent::from_onnx(&runtime, onnx, style, extent, threads(1));
    assert!(matches!(make(b"not a network", &[]), Err(OrtError::Network { .. })));
    assert!(matches!(make(&TINY[..TINY.len() / 2], &[1.0, 0.0]), Err(OrtError::Network { .. })));
    assert!(matches!(make(&[], &[]), Err(OrtError::Network { .. })));
    assert!(matches!(make(TINY, &[]), Err(OrtError::Shape { .. })), "a missing style");
    assert!(make(TINY, &[1.0, 0.0, 0.0]).is_err(), "a style of the wrong length");

    let mut student = make(TINY, &[1.0, 0.0]).unwrap();
    let mut painted = vec![0.0; student.numbers()];
    assert!(matches!(student.run(&[0.0; 3], &mut painted), Err(OrtError::Length { found: 3, .. })));
    assert!(matches!(student.run(&vec![0.0; painted.len()], &mut []), Err(OrtError::Length { found: 0, .. })));
    student.run(&vec![0.0; painted.len()], &mut painted.clone()).unwrap();
}

#[test]
fn a_library_that_is_none_is_an_error_with_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("libonnxruntime.so");
    std::fs::write(&garbage, b"garbage").unwrap();
    for path in [garbage.as_path(), &folder.path().join("missing.so")] {
        // Which of the two errors depends on whether another test of this process loaded the real one before.
        let error = OrtRuntime::find(Some(path)).unwrap_err().to_string();
        assert!(error.contains("cargo xtask setup") || error.contains("start again"), "{error}");
    }
}

/// Folding the style into the weights, writing the network and reading it back must not change what it paints.
#[test]
fn a_folded_network_paints_as_the_whole_one() {
    let Some(runtime) = runtime() else { return };
    let graph = Graph::from_onnx(TINY).unwrap();
    let extent = Extent::new(64, 48);
    let image = picture(extent);
    for style in [[1.0, 0.0], [0.0, 1.0], [0.25, 0.75]] {
        let mut whole = OrtStudent::from_onnx(&runtime, TINY, &style, extent, threads(1)).unwrap();
        let mut folded = OrtStudent::new(&runtime, &graph.fold(&style).unwrap(), extent, threads(1)).unwrap();
        let (mut a, mut b) = (vec![0.0; whole.numbers()], vec![0.0; whole.numbers()]);
        whole.run(&image, &mut a).unwrap();
        folded.run(&image, &mut b).unwrap();
        let worst = a.iter().zip(&b).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-4, "style {style:?}: they differ by {worst}");
    }
}

/// Prints median milliseconds of the shipped networks; asserts nothing about time. Run it on an idle machine:
/// `cargo test --test ort_engine -- --ignored --nocapture latency`
#[test]
#[ignore = "measures, checks nothing"]
fn latency() {
    let Some(runtime) = runtime() else { return };
    let models = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let (gallery, _) = impasto::effect::Gallery::load(&[models]);
    let Some(effect) = gallery.effects().first() else { return println!("skipped: no packs") };
    for variant in effect.variants() {
        let graph = Graph::from_onnx(&variant.read().unwrap()).unwrap();
        let style = effect.style_weights(graph.style_len()).unwrap();
        let folded = graph.fold(&style).unwrap();
        let extent = Extent::new(variant.width, variant.height);
        for (n, spin) in [(1, false), (2, false), (2, true)] {
            let options = OrtOptions { spin, ..threads(n) };
            let start = std::time::Instant::now();
            let mut student = OrtStudent::new(&runtime, &folded, extent, options).unwrap();
            let ready_ms = start.elapsed().as_secs_f64() * 1e3;
            student.image_mut().copy_from_slice(&picture(extent));
            let mut ms: Vec<f64> = (0..60)
                .map(|_| {
                    let start = std::time::Instant::now();
                    student.run_in_place().unwrap();
                    start.elapsed().as_secs_f64() * 1e3
                })
                .collect();
            ms.sort_by(f64::total_cmp);
            println!(
                "{} {extent}, {n} threads{}: median {:.1} ms, fastest {:.1}, p95 {:.1}; ready in {ready_ms:.0} ms",
                variant.id,
                if spin { ", spinning" } else { "" },
                ms[30],
                ms[0],
                ms[57],
            );
        }
    }
}
