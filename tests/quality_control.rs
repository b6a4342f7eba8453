//! The governor with the real thing: networks, engines, a GPU; loads and losses put on them on purpose.

mod chain_support;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chain_support::{FORMAT, factory, frame, gpu, runtime_with};
use impasto::clock::Clock;
use impasto::frame::{FrameShape, PixelFormat};
use impasto::gpu::Gpu;
use impasto::pipeline::{ChainKind, ChainWish};
use impasto::quality::Keep;
use impasto::runtime::{Catalog, EffectRequest, PipelineFactory, Runtime, RuntimeEvent};
use impasto::system::Thermal;
use impasto::units::{Budget, Burden, Extent};

/// Far more than the tiny network takes, on an idle machine and on a busy one.
const BUDGET: Budget = Budget(Duration::from_millis(150));
const FRAME: Extent = Extent::new(64, 48);
const FOR_EVER: Duration = Duration::from_secs(120);

/// A network that paints in next to no time, as a user's own effect: one variant, so the ladder is sizes, cadence, nothing.
fn request() -> EffectRequest {
    let network = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/tiny.onnx");
    EffectRequest { effect: Some(network.to_str().unwrap().to_owned()), size: None, ..EffectRequest::default() }
}

/// A camera that waits for its picture: each frame is captured when the one before is shown, so nothing is lost to
/// slowness, and whatever is lost was lost by a change.
struct Camera {
    runtime: Runtime,
    shape: FrameShape,
    next: u64,
    shown: Vec<(u64, bool)>,
    /// What was shown when, and on which rung.
    rungs: Vec<usize>,
    changes: Vec<String>,
}

impl Camera {
    fn start(gpu: &Gpu, request: EffectRequest) -> Self {
        let factory = factory(gpu, &[]);
        let shape = FrameShape::packed(PixelFormat::Rgb8, FRAME);
        let built = factory.build(&request, shape).unwrap();
        let mut runtime = runtime_with(factory, request, BUDGET, built, shape);
        runtime.set_keep(Keep::Balanced);
        Self { runtime, shape, next: 0, shown: Vec::new(), rungs: Vec::new(), changes: Vec::new() }
    }

    /// One frame, from its capture until it is shown.
    fn one(&mut self) {
        let id = self.next;
        self.next += 1;
        let bytes = vec![(id * 7 % 200) as u8; self.shape.min_bytes()];
        let now = Instant::now();
        self.runtime.captured(self.next, 0, now);
        self.runtime.offer(frame(self.shape, id, bytes), now);
        loop {
            let polled = self.runtime.poll(Instant::now());
            for event in self.runtime.events() {
                match event {
                    RuntimeEvent::Changed(subject) => {
                        self.changes.push(format!("{} {}", subject.variant, subject.width))
                    }
                    RuntimeEvent::Fault(fault) => panic!("{fault}"),
                    RuntimeEvent::Recovered => {}
                }
            }
            if let Some(stamp) = polled.picture {
                self.runtime.presented(&[], Instant::now());
                self.shown.push((stamp.id.0, polled.painted));
            }
            // The frame itself is there, painted if anybody paints.
            let painting = self.runtime.pipeline().is_some_and(|p| p.student_extent().is_some());
            if polled.picture.is_some_and(|s| s.id.0 == id) && (polled.painted || !painting) {
                break;
            }
            assert!(now.elapsed() < FOR_EVER, "frame {id} never came; {:?}", self.runtime.governor());
            std::thread::sleep(Duration::from_micros(300));
        }
        let index = self.runtime.governor().index;
        if self.rungs.last() != Some(&index) {
            self.rungs.push(index);
        }
    }

    fn until(&mut self, what: &str, done: impl Fn(&Runtime) -> bool) {
        let began = Instant::now();
        while !done(&self.runtime) {
            assert!(began.elapsed() < FOR_EVER, "{what} never came; {:?}", self.runtime.governor());
            self.one();
        }
    }
}

#[test]
fn it_walks_down_under_load_and_back_up_without_losing_a_frame() {
    let Some(gpu) = gpu() else { return };
    let mut camera = Camera::start(gpu, request());
    camera.until("the first rung", |runtime| runtime.governor().of > 3);
    (0..20).for_each(|_| camera.one());
    assert_eq!(camera.runtime.governor().index, 0, "{:?}", camera.runtime.governor());

    // Each painting takes longer than a frame may.
    camera.runtime.set_burden(Burden { extra: BUDGET.0 + BUDGET.0 / 4, factor: 1.0 });
    camera.until("a step down", |runtime| runtime.governor().index >= 2);
    let state = camera.runtime.governor().clone();
    assert!(state.reason.contains("p95"), "{state:?}");

    camera.runtime.set_burden(Burden::NONE);
    camera.until("the way back", |runtime| runtime.governor().index == 0);
    let turns: Vec<_> = camera.rungs.windows(2).map(|pair| pair[0].abs_diff(pair[1])).collect();
    assert!(turns.iter().all(|by| *by == 1), "one step at a time: {:?}", camera.rungs);
    assert!(camera.changes.len() >= 4, "{:?}", camera.changes);

    // Every frame was shown, in order, once painted.
    camera.runtime.finish(Instant::now()).unwrap();
    let mut seen: Vec<u64> = camera.shown.iter().map(|(id, _)| *id).collect();
    assert!(seen.is_sorted(), "{seen:?}");
    seen.dedup();
    assert_eq!(seen, (0..camera.next).collect::<Vec<_>>());
    let counts = camera.runtime.meter_ref().counts();
    assert_eq!((counts.processed, counts.dropped), (camera.next, 0));
    // No flash: once there was a painting, the camera's own picture is never shown.
    let bare: Vec<_> = camera.shown.iter().skip_while(|(_, painted)| !painted).filter(|(_, p)| !p).collect();
    assert_eq!(bare, Vec::<&(u64, bool)>::new());
}

#[test]
fn a_choice_by_hand_is_not_changed() {
    let Some(gpu) = gpu() else { return };
    let mut camera = Camera::start(gpu, EffectRequest { size: Some(Extent::new(64, 48)), ..request() });
    camera.runtime.set_burden(Burden { extra: BUDGET.0 + BUDGET.0 / 4, factor: 1.0 });
    camera.until("what it costs", |runtime| {
        runtime.governor().waiting_for.as_ref().is_some_and(|text| text.contains("over the budget"))
    });
    (0..10).for_each(|_| camera.one());
    let state = camera.runtime.governor();
    assert!(state.manual && camera.changes.is_empty(), "{state:?}");
    // Given back to the governor, it is.
    camera.runtime.set_request(request());
    camera.runtime.set_keep(Keep::Balanced);
    camera.until("a step down", |runtime| !runtime.governor().manual && runtime.governor().index > 0);
}

#[test]
fn heat_makes_the_painting_as_light_as_it_gets_and_cooling_gives_it_back() {
    let Some(gpu) = gpu() else { return };
    let mut camera = Camera::start(gpu, request());
    camera.runtime.set_machine(Some(Thermal::Critical), None);
    camera.until("the lightest painting", |runtime| runtime.governor().index + 2 == runtime.governor().of);
    assert!(camera.runtime.governor().reason.contains("hot"));
    assert!(camera.shown.last().unwrap().1, "still painted");
    camera.runtime.set_machine(Some(Thermal::Nominal), None);
    camera.until("the best painting", |runtime| runtime.governor().index == 0);
}

#[test]
fn a_lost_gpu_is_noticed_and_another_runtime_goes_on_counting() {
    // A device of its own: it is destroyed.
    if gpu().is_none() {
        return;
    }
    let doomed = Gpu::headless().unwrap();
    let mut camera = Camera::start(&doomed, request());
    (0..5).for_each(|_| camera.one());
    let before = camera.runtime.meter_ref().counts();
    doomed.lose();
    let began = Instant::now();
    while !doomed.is_lost() {
        // Whatever the runtime is asked to do on a device that is gone, it does not bring the program down.
        let now = Instant::now();
        camera.runtime.offer(frame(camera.shape, 100 + camera.next, vec![0; camera.shape.min_bytes()]), now);
        camera.runtime.poll(now);
        assert!(began.elapsed() < FOR_EVER, "nobody noticed");
        std::thread::sleep(Duration::from_millis(1));
    }
    camera.runtime.offer(frame(camera.shape, 200, vec![0; camera.shape.min_bytes()]), Instant::now());
    camera.runtime.poll(Instant::now());
    let carryover = camera.runtime.handover();
    drop(camera);
    let fresh = Gpu::headless().unwrap();
    let mut after = Camera::start(&fresh, request());
    after.runtime.resume(carryover);
    after.next = 300;
    (0..5).for_each(|_| after.one());
    let counts = after.runtime.meter_ref().counts();
    assert!(counts.processed >= before.processed + 5, "{counts:?} after {before:?}");
    assert!(after.shown.last().unwrap().1, "painted again");
}

#[test]
fn each_engine_is_timed_once_and_remembered() {
    let Some(gpu) = gpu() else { return };
    let folder = tempfile::tempdir().unwrap();
    let models = pack(folder.path());
    let cache = impasto::autotune::Cache::new(folder.path().join("cache"));
    let timed = |expect_new: bool| {
        let catalog = Catalog::timing(vec![models.clone()], cache.clone());
        let factory = PipelineFactory {
            gpu: gpu.clone(),
            catalog: catalog.clone(),
            format: FORMAT,
            chain: ChainWish::Only(ChainKind::Gpu),
            waker: Arc::new(|| {}),
            clock: Clock::default(),
        };
        let told = std::cell::Cell::new(0);
        assert!(factory.autotune(None, false, &|| false, &|_| told.set(told.get() + 1)));
        assert_eq!(told.get() > 0, expect_new);
        let timings = catalog.timings(|| factory.machine()).unwrap();
        // The reason for the choice is what was timed.
        let shape = FrameShape::packed(PixelFormat::Rgb8, FRAME);
        let built = factory.build(&EffectRequest::default(), shape).unwrap();
        let why = &built.subject.why;
        assert!(why.starts_with("timed here: ") && why.contains("wgpu "), "{why}");
        timings
    };
    let first = timed(true);
    assert!(first.timings.iter().any(|t| t.ms.is_some_and(|ms| ms > 0.0)), "{first:?}");
    assert_eq!(timed(false), first);
    std::fs::write(folder.path().join("cache/autotune.json"), "{").unwrap();
    timed(true);
}

/// A folder of packs with one, whose network is the tiny one.
fn pack(folder: &std::path::Path) -> PathBuf {
    use sha2::Digest as _;
    let network = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tiny.onnx")).unwrap();
    let sum: String = sha2::Sha256::digest(&network).iter().map(|b| format!("{b:02x}")).collect();
    let models = folder.join("models");
    std::fs::create_dir_all(models.join("tiny")).unwrap();
    std::fs::write(models.join("tiny/s.onnx"), &network).unwrap();
    let text = format!(
        "schema = \"impasto.pack/1\"\nname = \"tiny\"\nkind = \"painting\"\nlicence = \"MIT\"\ncommand = \"-\"\n\
         credits = []\nmultiple_of = 16\nvalue_range = [0.0, 1.0]\n\n[[variants]]\nid = \"s\"\nfile = \"s.onnx\"\n\
         sha256 = \"{sum}\"\nwidth = 64\nheight = 48\npixel_budget = 3072\nmmac = 1.0\nparams = 1000\nbytes = {}\n\n\
         [[effects]]\nname = \"tiny\"\ntitle = \"Tiny\"\nartist = \"\"\nstyle = 0\n",
        network.len()
    );
    std::fs::write(models.join("tiny/pack.toml"), text).unwrap();
    models
}
