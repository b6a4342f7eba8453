//! Once it runs, a frame's way through the painter thread and an engine on the processor allocates nothing on our side. (What
//! ONNX Runtime does inside its own arena is not seen here.)

use std::alloc::{GlobalAlloc, Layout, System};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use impasto::frame::{CameraFrame, FramePool, FrameShape, PixelFormat};
use impasto::nn::Graph;
use impasto::nn::cpu::{CpuOptions, CpuStudent};
use impasto::nn::ort::{OrtOptions, OrtRuntime, OrtStudent};
use impasto::roundtrip::{Painter, RoundTrip};
use impasto::units::{CaptureClock, Extent, FrameId, FrameStamp};

/// The system's allocator, counting what any thread takes while `COUNTING`.
struct Counting;

static COUNTING: AtomicBool = AtomicBool::new(false);
static TAKEN: AtomicU64 = AtomicU64::new(0);

fn count() {
    if COUNTING.load(Ordering::Relaxed) {
        TAKEN.fetch_add(1, Ordering::Relaxed);
    }
}

#[allow(unsafe_code, reason = "an allocator cannot be written otherwise; every call goes to the system's")]
// SAFETY: passes each call on to `System` unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NETWORK: &[u8] = include_bytes!("data/tiny.onnx");
const SIZE: Extent = Extent::new(64, 48);
const TWO: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);

/// Both engines in one test: whatever runs beside it would be counted.
#[test]
fn a_frame_on_the_round_trip_allocates_nothing() {
    let network = Graph::from_onnx(NETWORK).unwrap();
    let student = CpuStudent::new(&network.fold(&[1.0, 0.0]).unwrap(), SIZE, CpuOptions::threads(TWO)).unwrap();
    assert_eq!(allocations(student), 0, "in our own engine");

    let runtime = match OrtRuntime::find(None) {
        Ok(runtime) => runtime,
        Err(error) if std::env::var_os("IMPASTO_ORT_LIB").is_none() => return println!("skipped: {error}"),
        Err(error) => panic!("IMPASTO_ORT_LIB is set, but: {error}"),
    };
    let options = OrtOptions { threads: TWO, ..OrtOptions::default() };
    let student = OrtStudent::from_onnx(&runtime, NETWORK, &[1.0, 0.0], SIZE, options).unwrap();
    assert_eq!(allocations(student), 0, "with ONNX Runtime");
}

/// How many are made in 50 frames.
fn allocations(student: impl Painter + 'static) -> u64 {
    let here = std::thread::current();
    let trip = RoundTrip::spawn(student, move || here.unpark()).unwrap();

    let pool = FramePool::default();
    let shape = FrameShape::packed(PixelFormat::Yuyv, Extent::new(160, 120));
    let one = |id| {
        let stamp = FrameStamp { id: FrameId(id), captured: Instant::now(), clock: CaptureClock::Schedule };
        trip.offer(CameraFrame::new(shape, stamp, pool.take(shape.min_bytes())).unwrap());
        let painted = loop {
            match trip.take() {
                Some(painted) => break painted,
                None => std::thread::park_timeout(Duration::from_millis(100)),
            }
        };
        assert_eq!(painted.frame.stamp().id, FrameId(id));
        trip.recycle(painted);
    };
    (0..10).for_each(one);
    TAKEN.store(0, Ordering::Relaxed);
    COUNTING.store(true, Ordering::Relaxed);
    (10..60).for_each(one);
    COUNTING.store(false, Ordering::Relaxed);
    TAKEN.load(Ordering::Relaxed)
}
