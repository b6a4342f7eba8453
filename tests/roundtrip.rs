//! The painter thread: the newest wins, nothing queues, order is kept, failures are told and survived, nothing hangs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use impasto::fault::Fault;
use impasto::frame::{CameraFrame, FrameShape, PixelFormat};
use impasto::gpu::{Gpu, Waiter};
use impasto::roundtrip::{Painted, Painter, RoundTrip, RoundTripEvent};
use impasto::settle::settle;
use impasto::units::{CaptureClock, Extent, FrameId, FrameStamp};

/// Longer than any of these steps takes, and only waited out when a test fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// `settle` sees the threads of the whole process, so the tests take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> std::sync::MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn frame(id: u64, extent: Extent) -> CameraFrame {
    let shape = FrameShape::packed(PixelFormat::Gray8, extent);
    let stamp = FrameStamp { id: FrameId(id), captured: Instant::now(), clock: CaptureClock::Schedule };
    CameraFrame::new(shape, stamp, vec![128u8; shape.min_bytes()].into()).unwrap()
}

/// What the painter does with the next frame.
enum Do {
    Paint,
    Fail(&'static str),
    Panic,
}

/// Paints when told to, inverting the picture.
struct Told {
    image: Vec<f32>,
    painted: Vec<f32>,
    extent: Extent,
    orders: Receiver<Do>,
    begun: Sender<()>,
    in_flight: Arc<AtomicUsize>,
}

impl Painter for Told {
    fn extent(&self) -> Extent {
        self.extent
    }

    fn image_mut(&mut self) -> &mut [f32] {
        &mut self.image
    }

    fn paint(&mut self) -> Result<&[f32], Fault> {
        assert_eq!(self.in_flight.fetch_add(1, Ordering::SeqCst), 0, "two pictures at once");
        self.begun.send(()).ok();
        let order = self.orders.recv().unwrap_or(Do::Paint);
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        match order {
            Do::Paint => {
                for (painted, image) in self.painted.iter_mut().zip(&self.image) {
                    *painted = 1.0 - image;
                }
                Ok(&self.painted)
            }
            Do::Fail(what) => Err(Fault::degraded(what, "")),
            Do::Panic => panic!("the engine broke"),
        }
    }
}

struct Bench {
    trip: RoundTrip,
    order: Sender<Do>,
    begun: Receiver<()>,
    done: Receiver<()>,
}

const EXTENT: Extent = Extent::new(16, 8);

fn bench() -> Bench {
    let (order, orders) = channel();
    let (begin, begun) = channel();
    let (finish, done) = channel();
    let numbers = 3 * EXTENT.pixels() as usize;
    let painter = Told {
        image: vec![0.0; numbers],
        painted: vec![0.0; numbers],
        extent: EXTENT,
        orders,
        begun: begin,
        in_flight: Arc::default(),
    };
    let trip = RoundTrip::spawn(painter, move || finish.send(()).unwrap_or_default()).unwrap();
    Bench { trip, order, begun, done }
}

impl Bench {
    fn paint(&self, order: Do) {
        self.begun.recv_timeout(PATIENCE).expect("the painter took the frame up");
        self.order.send(order).expect("the painter waits for orders");
    }

    fn painted(&self) -> Painted {
        self.done.recv_timeout(PATIENCE).expect("the painter finished");
        self.trip.take().expect("a painted picture")
    }
}

#[test]
fn frames_are_dropped_not_queued_and_come_out_in_order() {
    let _turn = turn();
    let bench = bench();
    bench.trip.offer(frame(0, Extent::new(20, 10)));
    bench.begun.recv_timeout(PATIENCE).unwrap();
    // While the first is being painted, nine more come: the last of them waits, the others are dropped.
    for id in 1..10 {
        bench.trip.offer(frame(id, Extent::new(20, 10)));
    }
    assert_eq!(bench.trip.counts().put, 10);
    assert_eq!(bench.trip.counts().dropped, 8);
    assert!(bench.trip.take().is_none());

    bench.order.send(Do::Paint).unwrap();
    let first = bench.painted();
    assert_eq!(first.frame.stamp().id, FrameId(0));
    bench.paint(Do::Paint);
    let second = bench.painted();
    assert_eq!(second.frame.stamp().id, FrameId(9));
    assert!(second.started >= first.started + first.prepare);
    assert!(bench.trip.take().is_none());

    assert_eq!(first.extent, EXTENT);
    assert_eq!(first.pixels.len() as u64, EXTENT.pixels());
    // Grey 128 of the limited range is (128 - 16) / 219, and its inverse was painted.
    let expected = 1.0 - 112.0 / 219.0;
    for [r, g, b, a] in &first.pixels {
        assert!(
            (r - expected).abs() < 0.01 && (g - r).abs() < 1e-6 && (b - r).abs() < 1e-6 && *a == 1.0,
            "{r} {g} {b} {a}"
        );
    }
}

#[test]
fn a_picture_nobody_took_gives_way_to_a_newer_one() {
    let _turn = turn();
    let bench = bench();
    for id in 0..3 {
        bench.trip.offer(frame(id, EXTENT));
        bench.paint(Do::Paint);
        bench.done.recv_timeout(PATIENCE).unwrap();
    }
    assert_eq!(bench.trip.take().unwrap().frame.stamp().id, FrameId(2));
    assert!(bench.trip.take().is_none());
}

#[test]
fn memory_goes_round() {
    let _turn = turn();
    let bench = bench();
    let mut places = std::collections::HashSet::new();
    for id in 0..20 {
        bench.trip.offer(frame(id, EXTENT));
        bench.paint(Do::Paint);
        let painted = bench.painted();
        places.insert(painted.pixels.as_ptr());
        bench.trip.recycle(painted);
    }
    assert_eq!(places.len(), 1, "a new buffer was made though one was free");
}

#[test]
fn frames_may_change_shape() {
    let _turn = turn();
    let bench = bench();
    for (id, extent) in [(640, 480), (1, 1), (9, 31), (640, 480)].into_iter().enumerate() {
        bench.trip.offer(frame(id as u64, Extent::new(extent.0, extent.1)));
        bench.paint(Do::Paint);
        assert_eq!(bench.painted().pixels.len() as u64, EXTENT.pixels());
    }
}

#[test]
fn a_failure_is_told_once_and_survived() {
    let _turn = turn();
    let bench = bench();
    let fail = |id, what| {
        bench.trip.offer(frame(id, EXTENT));
        bench.paint(Do::Fail(what));
    };
    fail(0, "broken");
    fail(1, "broken");
    fail(2, "differently broken");
    bench.trip.offer(frame(3, EXTENT));
    bench.paint(Do::Paint);
    while bench.trip.take().is_none() {
        bench.done.recv_timeout(PATIENCE).expect("the painter went on");
    }
    let fault = |what| RoundTripEvent::Fault(Fault::degraded(what, ""));
    assert_eq!(bench.trip.events(), [fault("broken"), fault("differently broken"), RoundTripEvent::Recovered]);
    assert!(bench.trip.events().is_empty());
    assert!(bench.trip.is_alive());
}

#[test]
fn a_panic_in_the_engine_ends_the_thread_and_is_told() {
    let _turn = turn();
    let bench = bench();
    bench.trip.offer(frame(0, EXTENT));
    bench.paint(Do::Panic);
    bench.done.recv_timeout(PATIENCE).expect("the event loop is woken");
    assert!(matches!(bench.trip.events()[..], [RoundTripEvent::Fault(_)]));
    assert!(!bench.trip.is_alive());
    // Frames offered to a dead thread do no harm.
    bench.trip.offer(frame(1, EXTENT));
    bench.trip.offer(frame(2, EXTENT));
    drop(bench);
    assert!(settle(PATIENCE));
}

#[test]
fn dropping_does_not_wait_for_the_picture_and_settle_does() {
    let _turn = turn();
    let Bench { trip, order, begun, done: _done } = bench();
    trip.offer(frame(0, EXTENT));
    begun.recv_timeout(PATIENCE).unwrap();
    // The painter now waits for orders that do not come. If dropping waited for it, this would never end.
    drop(trip);
    assert!(!settle(Duration::from_millis(1)), "a thread is still painting");
    order.send(Do::Paint).unwrap();
    assert!(settle(PATIENCE));
}

#[test]
fn settle_waits_for_the_thread_that_waits_for_the_gpu() {
    let _turn = turn();
    let gpu = Gpu::headless().expect("a software GPU at least");
    let waiter = Waiter::new(&gpu).unwrap();
    drop(gpu);
    assert!(!settle(Duration::from_millis(1)), "the thread holds the device");
    drop(waiter);
    assert!(settle(PATIENCE));
}
