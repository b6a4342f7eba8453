//! Allocations per frame in steady state, counted by the allocator and told apart by who made them.
//!
//! Covered: the demo scene drawn into a pooled buffer, [`Runtime::offer`], [`Runtime::poll`], [`Runtime::draw`],
//! [`Runtime::presented`] and the meter with its summary, on all threads of the process, with a painter on the round trip and
//! with the engine in place. wgpu allocates inside its own calls; those are counted and printed, and so is everything else
//! that is not ours. What is asserted: this program's own code makes none.
//!
//! Each allocation in the measured part is traced, and belongs to the crate of the innermost function on the stack that is
//! not the standard library's.

#![allow(unsafe_code, reason = "a counting allocator is one by nature")]

mod chain_support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chain_support::{FORMAT, Same, built, factory, headless, in_place, models, round_trip, runtime_with, target};
use impasto::frame::{CameraFrame, FramePool};
use impasto::gpu::Gpu;
use impasto::metrics::{self, Lap, Subject};
use impasto::pipeline::{Look, Pipeline, Student};
use impasto::runtime::{BuiltPipeline, EffectRequest, PipelineFactory, Runtime};
use impasto::source::DemoScene;
use impasto::units::{Budget, CaptureClock, Extent, FrameId, FrameStamp};

static COUNTING: AtomicBool = AtomicBool::new(false);
static TOTAL: AtomicU64 = AtomicU64::new(0);
static TRACES: Mutex<Vec<Backtrace>> = Mutex::new(Vec::new());

thread_local! {
    /// Set while the counter itself works: its own allocations do not count.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

struct Counter;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counter {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counter = Counter;

fn note() {
    if !COUNTING.load(Ordering::Relaxed) {
        return;
    }
    // A thread that is ending has no INSIDE any more; what it allocates then is the system's business.
    let _ = INSIDE.try_with(|inside| {
        if inside.replace(true) {
            return;
        }
        TOTAL.fetch_add(1, Ordering::Relaxed);
        let trace = Backtrace::force_capture();
        TRACES.lock().unwrap().push(trace);
        inside.set(false);
    });
}

/// The standard library, and others' containers: whoever uses them is asked instead.
const CONTAINERS: [&str; 11] = [
    "std::",
    "core::",
    "alloc::",
    "__rust",
    "std[",
    "core[",
    "alloc[",
    "hashbrown::",
    "bit_vec::",
    "smallvec::",
    "arrayvec::",
];

/// The crate that asked for the memory, and the place. Inlined functions are known by their files, the rest by their names.
fn owner(trace: &str) -> (String, String) {
    let mut lines = trace.lines().map(str::trim).peekable();
    while let Some(line) = lines.next() {
        // `7: wgpu_core::device::queue::Queue::submit`, then perhaps `at ./src/runtime/mod.rs:179:40`.
        let Some((number, name)) = line.split_once(": ") else { continue };
        if number.parse::<u32>().is_err() {
            continue;
        }
        let file = lines.next_if(|l| l.starts_with("at ")).map(|l| &l[3..]);
        let owner = match file {
            Some(file) if file.starts_with("/rustc/") || file.contains("/library/") => continue,
            Some(file) if file.contains("tests/alloc.rs") && name.len() < 40 && !name.contains("frame") => continue,
            Some(file) if file.contains("tests/alloc.rs") => "impasto's test",
            Some(file) => match file.split_once("/registry/src/") {
                Some((_, path)) => path.split('/').nth(1).unwrap_or(path),
                None => "impasto",
            },
            None => {
                // `<Q as wgpu_hal::dynamic::Queue>::submit` belongs to wgpu_hal.
                let name = name.split_once(" as ").map_or(name, |(_, of)| of);
                let name = name.trim_start_matches(['<', '&', '(']).trim_start_matches("dyn ");
                if CONTAINERS.iter().any(|n| name.starts_with(n)) {
                    continue;
                }
                name.split("::").next().unwrap_or(name)
            }
        };
        return (owner.to_owned(), format!("{name} {}", file.unwrap_or_default()));
    }
    ("unknown".to_owned(), String::new())
}

/// Runs `frame` often enough to be in steady state, then `frames` times counted. Returns who allocated how often.
fn measure(frames: u64, mut frame: impl FnMut(u64)) -> BTreeMap<String, (u64, String)> {
    let warm_up = 60;
    (0..warm_up).for_each(&mut frame);
    TRACES.lock().unwrap().clear();
    TOTAL.store(0, Ordering::Relaxed);
    COUNTING.store(true, Ordering::SeqCst);
    (warm_up..warm_up + frames).for_each(&mut frame);
    COUNTING.store(false, Ordering::SeqCst);
    let traces = std::mem::take(&mut *TRACES.lock().unwrap());
    let mut owners = BTreeMap::new();
    for trace in traces {
        let text = trace.to_string();
        let (owner, function) = owner(&text);
        let entry = owners.entry(owner).or_insert_with(|| (0, String::new()));
        entry.0 += 1;
        if entry.1.is_empty() {
            entry.1 = function;
        }
    }
    owners
}

/// One frame from the demo scene to a target, as the window does it, minus window and interface.
struct Stage {
    gpu: Gpu,
    runtime: Runtime,
    scene: DemoScene,
    pool: FramePool,
    view: wgpu::TextureView,
    extent: Extent,
}

impl Stage {
    fn new(gpu: &Gpu, student: impl FnOnce(&PipelineFactory, &DemoScene) -> Option<BuiltPipeline>) -> Option<Self> {
        let extent = Extent::new(160, 120);
        let scene = DemoScene::new(extent, 30);
        let factory = factory(gpu, &[&models()]);
        let built = student(&factory, &scene)?;
        let runtime = runtime_with(factory, EffectRequest::default(), Budget::default(), built, scene.shape());
        let view = target(gpu, extent);
        // As many buffers as the pool keeps: how many frames are on their way at once depends on how busy the machine is.
        let pool = FramePool::default();
        drop((0..8).map(|_| pool.take(scene.shape().min_bytes())).collect::<Vec<_>>());
        Some(Self { gpu: gpu.clone(), runtime, scene, pool, view, extent })
    }

    fn frame(&mut self, number: u64) {
        let shape = self.scene.shape();
        let mut bytes = self.pool.take(shape.min_bytes());
        self.scene.draw(number, &mut bytes);
        let now = Instant::now();
        let stamp = FrameStamp { id: FrameId(number), captured: now, clock: CaptureClock::Schedule };
        let frame = CameraFrame::new(shape, stamp, bytes).unwrap();
        self.runtime.captured(number + 1, 0, now);
        self.runtime.offer(frame, now);
        let began = Instant::now();
        loop {
            let now = Instant::now();
            if self.runtime.poll(now).picture.is_some() {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "no picture came");
            std::thread::sleep(Duration::from_micros(100));
        }
        assert_eq!(self.runtime.events().next(), None);
        let mut encoder =
            self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("alloc") });
        self.runtime.draw(&mut encoder, &self.view, self.extent, &Look::default());
        self.gpu.queue.submit([encoder.finish()]);
        let now = Instant::now();
        let lap = |stage| Lap { stage, begin: now, end: now };
        self.runtime.presented(&[lap(metrics::Stage::Interface), lap(metrics::Stage::Present)], now);
        std::hint::black_box(self.runtime.summary(Instant::now()));
    }
}

fn check(name: &str, stage: Option<Stage>) {
    let Some(mut stage) = stage else { return };
    const FRAMES: u64 = 60;
    let owners = measure(FRAMES, |number| stage.frame(number));
    let per_frame = |count: u64| count as f64 / FRAMES as f64;
    let mut ours = Vec::new();
    for (owner, (count, example)) in &owners {
        println!("{name}: {owner} {:.2} a frame, for example {example}", per_frame(*count));
        // What this test's own closures do would show under `alloc`, its crate.
        if owner.starts_with("impasto") {
            ours.push(format!("{count} times {example}"));
        }
    }
    let total = owners.values().map(|(count, _)| count).sum::<u64>();
    println!("{name}: {:.2} a frame in all, {:.2} of them our own", per_frame(total), ours.len() as f64);
    assert!(ours.is_empty(), "{name}: our own code allocates: {ours:#?}");
    let strangers: Vec<_> = owners.keys().filter(|o| !WGPU.iter().any(|w| o.starts_with(w))).collect();
    assert!(strangers.is_empty(), "{name}: somebody besides wgpu allocates: {strangers:?}");
}

/// wgpu and what it is made of.
const WGPU: [&str; 7] = ["wgpu", "naga", "ash", "gpu_", "parking_lot", "profiling", "range_alloc"];

#[test]
fn steady_state_makes_no_allocation_of_our_own() {
    // wgpu traces its own locks in debug builds where this variable is set, under the lock that the counter needs.
    // SAFETY: the only test of this program, and no other thread has been started by it yet.
    unsafe { std::env::set_var("RUST_LIB_BACKTRACE", "0") };
    // A panic prints a trace under the lock that the counter needs for its own.
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        COUNTING.store(false, Ordering::SeqCst);
        default(info);
    }));
    let Some(gpu) = headless() else { return };
    // The counter sees what there is to see.
    let seen = measure(1, |_| {
        std::hint::black_box(Box::new([0u8; 64]));
    });
    assert_eq!(seen.values().map(|(count, _)| count).sum::<u64>(), 1, "{seen:?}");

    // The student on every frame, and on every second one with its painting carried along between.
    for every in [1, 2] {
        let round_trip = Stage::new(&gpu, |factory, scene| {
            let student = round_trip(Same::new(Extent::new(64, 48), Duration::ZERO));
            let mut built = built(&factory.gpu, scene.shape(), student);
            built.pipeline.set_every(every);
            Some(built)
        });
        check(&format!("round trip, every {every}"), round_trip);

        let in_place = Stage::new(&gpu, |factory, scene| {
            let mut built = in_place(factory, scene.shape())?;
            built.pipeline.set_every(every);
            Some(built)
        });
        check(&format!("in place, every {every}"), in_place);

        let on_cpu = Stage::new(&gpu, |factory, scene| {
            let student = Student::OnCpu(Box::new(Same::new(Extent::new(64, 48), Duration::ZERO)));
            let pipeline = Pipeline::on_cpu(&factory.gpu, scene.shape(), student, FORMAT, || {}).unwrap();
            let mut built = BuiltPipeline::new(pipeline, Subject::default());
            built.pipeline.set_every(every);
            Some(built)
        });
        check(&format!("on the processor, every {every}"), on_cpu);
    }
}
