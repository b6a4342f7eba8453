//! Output taps on both back ends: every finished picture, at the tap's own size, on a thread that holds up nobody.

mod chain_support;

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chain_support::{FORMAT, Negative, frame, gpu, round_trip, wait_until};
use impasto::gpu::Gpu;
use impasto::pipeline::tap::{TapCounts, TapFormat, TapFrame, TapWish, Taps};
use impasto::pipeline::{Fit, Look, Pipeline, Student};
use impasto::source::demo::DemoScene;
use impasto::units::Extent;

const FRAME: Extent = Extent::new(160, 120);
const STUDENT: Extent = Extent::new(80, 64);

/// The two back ends, painting the same.
fn pipelines(gpu: &Gpu) -> [(&'static str, Pipeline); 2] {
    let shape = DemoScene::new(FRAME, 30).shape();
    let on_cpu = Student::OnCpu(Box::new(Negative::new(STUDENT)));
    [
        ("gpu", Pipeline::new(gpu, shape, round_trip(Negative::new(STUDENT)), FORMAT).unwrap()),
        ("cpu", Pipeline::on_cpu(gpu, shape, on_cpu, FORMAT, || {}).unwrap()),
    ]
}

fn wish(extent: Extent, format: TapFormat) -> TapWish {
    TapWish { name: "tap".to_owned(), extent, fit: Fit::Contain, format, split: false, mirror: true }
}

fn submit(pipeline: &mut Pipeline, id: u64) {
    let scene = DemoScene::new(FRAME, 30);
    let mut bytes = vec![0; scene.shape().min_bytes()];
    scene.draw(id, &mut bytes);
    pipeline.submit(frame(scene.shape(), id, bytes));
    pipeline.finish(&mut |_| {}).unwrap();
}

#[test]
fn a_tap_gets_what_is_shown_at_its_own_size() {
    let Some(gpu) = gpu() else { return };
    for (name, mut pipeline) in pipelines(gpu) {
        let taps = Taps::default();
        pipeline.set_taps(taps.clone());
        let (extent, large) = (Extent::new(200, 120), Extent::new(320, 240));
        let pictures: Arc<Mutex<Vec<TapFrame>>> = Arc::default();
        let theirs = pictures.clone();
        let rgba =
            taps.register(wish(extent, TapFormat::Rgba), move |f| theirs.lock().unwrap().push(f.clone())).unwrap();
        let videos: Arc<Mutex<Vec<TapFrame>>> = Arc::default();
        let theirs = videos.clone();
        let nv12 =
            taps.register(wish(large, TapFormat::Nv12), move |f| theirs.lock().unwrap().push(f.clone())).unwrap();
        let look = Look { mirror: true, split: Some(0.3), ..Look::default() };
        pipeline.set_view(Extent::new(64, 64), &look);
        let mut want = Vec::new();
        for id in 0..4 {
            submit(&mut pipeline, id);
            // The window's line between before and after is not in it.
            let look = Look { split: None, ..look };
            let picture = pipeline.read_picture(extent, &look).unwrap();
            want.push((pipeline.shown().unwrap(), pipeline.shown_painted(), picture.into_raw()));
            let shown = pipeline.shown();
            let has = |of: &Mutex<Vec<TapFrame>>| of.lock().unwrap().iter().any(|f| f.painted && f.stamp == shown);
            wait_until(|| has(&pictures) && has(&videos));
        }
        let got: Vec<_> = pictures.lock().unwrap().drain(..).map(|f| (f.stamp.unwrap(), f.painted, f.bytes)).collect();
        // The first frame on the round trip is shown before it is painted too.
        let got: Vec<_> = got.into_iter().filter(|(_, painted, _)| *painted).collect();
        assert_eq!(got.len(), want.len(), "{name}");
        for (got, want) in got.iter().zip(&want) {
            assert_eq!((got.0, got.1), (want.0, want.1), "{name}");
            assert!(got.2 == want.2, "{name}: frame {} is another picture", got.0.id);
        }
        let videos = videos.lock().unwrap();
        let last = videos.last().unwrap();
        assert_eq!((last.extent, last.bytes.len()), (large, 320 * 240 * 3 / 2), "{name}");
        // The bars of a picture of the same shape: none. Its luma is not flat.
        assert!(last.bytes[..320 * 240].iter().any(|y| y.abs_diff(last.bytes[0]) > 30), "{name}");
        assert_eq!((rgba.counts().dropped, nv12.counts().dropped), (0, 0), "{name}");
        drop((rgba, nv12));
        assert!(taps.is_empty());
        submit(&mut pipeline, 9);
        assert!(pictures.lock().unwrap().is_empty(), "{name}: nobody listens any more");
    }
}

/// A consumer that takes for ever loses pictures, which are counted; the picture goes on.
#[test]
fn a_slow_consumer_costs_its_own_pictures_alone() {
    let Some(gpu) = gpu() else { return };
    for (name, mut pipeline) in pipelines(gpu) {
        let taps = Taps::default();
        pipeline.set_taps(taps.clone());
        let (go, wait) = mpsc::channel::<()>();
        let (tell, told) = mpsc::channel();
        let consume = move |frame: &TapFrame| {
            tell.send(frame.stamp.unwrap().id.0).unwrap();
            let _ = wait.recv_timeout(Duration::from_secs(60));
        };
        let tap = taps.register(wish(FRAME, TapFormat::Rgba), consume).unwrap();
        for id in 0..30 {
            submit(&mut pipeline, id);
            assert_eq!(pipeline.shown().map(|stamp| stamp.id.0), Some(id), "{name}");
        }
        wait_until(|| tap.counts().offered >= 30);
        let TapCounts { offered, dropped } = tap.counts();
        assert!(dropped > 0 && dropped < offered, "{name}: {dropped} of {offered}");
        drop(go);
        drop(tap);
        let ids: Vec<u64> = told.try_iter().collect();
        assert_eq!(ids.len() as u64, offered - dropped, "{name}");
        assert!(ids.is_sorted(), "{name}: {ids:?}");
    }
}

#[test]
fn what_cannot_be_had_is_refused() {
    let taps = Taps::default();
    for (extent, format) in [
        (Extent::new(0, 10), TapFormat::Rgba),
        (Extent::new(11, 10), TapFormat::Nv12),
        (Extent::new(10, 3), TapFormat::Nv12),
    ] {
        let refused = taps.register(wish(extent, format), |_| {}).map(|_| ()).unwrap_err();
        assert!(refused.what.contains("cannot be made"), "{refused}");
    }
    assert!(taps.is_empty());
}

/// A still is waited for on any thread, while the pipeline goes on.
#[test]
fn a_still_is_waited_for_elsewhere() {
    let Some(gpu) = gpu() else { return };
    for (name, mut pipeline) in pipelines(gpu) {
        submit(&mut pipeline, 3);
        let want = pipeline.read_picture(FRAME, &Look::default()).unwrap();
        let pending = pipeline.picture(FRAME, &Look::default()).unwrap();
        let waits = std::thread::spawn(move || pending.wait().unwrap());
        submit(&mut pipeline, 4);
        assert!(waits.join().unwrap() == want, "{name}");
        assert!(pipeline.picture(Extent::new(0, 4), &Look::default()).is_err(), "{name}");
    }
}
