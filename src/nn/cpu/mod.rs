//! Executes a [`FusedPlan`] on the processor, in vectorised Rust: the engine for machines without a GPU, which needs nothing
//! but the program itself.
//!
//! ```text
//! Graph ──plan::fused──▶ FusedPlan ──program──▶ Program ──run──▶ Worker 1, 2 …   one for each thread (team)
//!                                      └─weights──▶ weights in the kernels' order     └──▶ kernels, a row at a time
//! ```
//!
//! Each block of the plan is worked by all threads together, each on its band of rows; then they meet, and go on to the next.
//! Within a band a thread goes through strips of columns, and in a strip from top to bottom: it makes the few rows of each
//! stage that the next stage needs, so that what passes between stages stays in the first-level cache.
//!
//! Nothing is allocated for a picture. All `unsafe` is in [`kernels`].

pub mod ceiling;
pub mod kernels;
mod layout;
mod program;
mod run;
mod team;
mod weights;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use self::kernels::Isa;
use self::layout::Line;
use self::program::{MAX_READS, Program};
use self::run::{Inputs, Pictures, Worker};
use self::team::{Broken, Job, Meeting, Team};
use super::graph::{Graph, GraphError};
use super::plan::cost::Device;
use super::plan::fused::{self, FusedPlan, Fusing};
use crate::fault::Fault;
use crate::roundtrip::Painter;
use crate::system::physical_cores;
use crate::units::Extent;

/// Why a network cannot run on the processor.
#[derive(Debug, thiserror::Error)]
pub enum CpuError {
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error("the network joins too many pictures for {threads} threads; choose fewer threads, or --engine ort")]
    TooManyReads { threads: usize },
    #[error("a thread could not be started: {0}; close other programs and try again")]
    Threads(std::io::Error),
    #[error("{expected} numbers were expected, {found} were given")]
    Length { expected: usize, found: usize },
    #[error("these weights are for another network or size; prepare the effect anew")]
    OtherStructure,
    #[error(
        "the engine stopped because of an error in the program; choose the effect again, or another engine with --engine"
    )]
    Broken,
}

/// How a network is run.
#[derive(Clone, Copy, Debug)]
pub struct CpuOptions {
    pub threads: NonZeroUsize,
    pub isa: &'static Isa,
    pub fusing: Fusing,
}

impl CpuOptions {
    /// On so many threads, with the best instructions that the processor has.
    pub fn threads(threads: NonZeroUsize) -> Self {
        Self { threads, isa: Isa::best(), fusing: Fusing::Cheapest }
    }
}

impl Default for CpuOptions {
    /// One thread per physical core, or as many as `IMPASTO_CPU_THREADS` says.
    fn default() -> Self {
        let named = std::env::var("IMPASTO_CPU_THREADS").ok().and_then(|n| n.parse().ok());
        Self::threads(named.unwrap_or_else(physical_cores).min(MOST_THREADS))
    }
}

/// More threads than a student has work for.
pub const MOST_THREADS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(15);

/// What the steps of a block took, by name.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockTimes {
    pub block: String,
    pub steps: Vec<(String, Duration)>,
}

/// What this processor can do, as the cost model wants to know it. Measured on a Xeon with AVX-512 and rounded: what is
/// stored whole comes back from the third-level cache or from memory, at a tenth of what the second level gives, so blocks
/// are as long as their rows fit into the second.
pub fn device(isa: &Isa, threads: usize) -> Device {
    Device {
        lanes: isa.lanes(),
        workers: threads as u32,
        fast_bytes: 40 << 10,
        near_bytes: second_level_cache(),
        macs_per_ns: isa.macs_per_ns(),
        near_bytes_per_ns: 300.0,
        far_bytes_per_ns: 10.0,
        call_ns: 150.0,
        meet_ns: if threads > 1 { 2000.0 } else { 100.0 },
    }
}

/// Bytes of a core's second-level cache, or what most have where the system does not say.
fn second_level_cache() -> u64 {
    let folder = std::path::Path::new("/sys/devices/system/cpu/cpu0/cache/index2");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let kib = |text: String| text.trim().strip_suffix('K').and_then(|n| n.parse::<u64>().ok());
    let second = read("level").is_some_and(|level| level.trim() == "2");
    read("size").filter(|_| second).and_then(kib).unwrap_or(512) << 10
}

/// A network at one size, ready to paint.
#[derive(Debug)]
pub struct CpuStudent {
    team: Team<Painting>,
    image: Vec<f32>,
    canvas: Vec<f32>,
    painted: Vec<f32>,
}

/// What the threads share.
#[derive(Debug)]
struct Painting {
    program: Arc<Program>,
    pictures: Pictures,
    workers: Vec<Mutex<Worker>>,
    /// Of the picture that is being painted.
    current: RwLock<Current>,
    weights: Exchange,
}

#[derive(Debug, Default)]
struct Current {
    image: Vec<f32>,
    canvas: Vec<f32>,
    weights: Vec<Line>,
}

/// Weights that change hands between the painting thread and the one that makes them.
#[derive(Clone, Debug, Default)]
struct Exchange(Arc<Mutex<Weights>>);

#[derive(Debug, Default)]
struct Weights {
    /// For the next picture.
    next: Option<Vec<Line>>,
    /// Replaced, for the maker to drop or to fill again.
    used: Option<Vec<Line>>,
}

impl Job for Painting {
    fn work(&self, member: usize, meeting: &Meeting) -> Result<(), Broken> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        let mut worker = lock(&self.workers[member]);
        let inputs = Inputs { image: &current.image, canvas: &current.canvas, weights: &current.weights };
        for block in 0..self.program.blocks.len() {
            if block > 0 {
                meeting.wait()?;
            }
            worker.block(&self.program, &self.pictures, inputs, block, member);
        }
        Ok(())
    }
}

/// Gives a student that is painting other weights of the same network, from the next picture on. Cheap to clone, for any
/// thread.
#[derive(Clone, Debug)]
pub struct CpuRestyler {
    program: Arc<Program>,
    weights: Exchange,
}

impl CpuRestyler {
    /// Has the student paint with the weights of `graph`, whose style is fixed. Takes a millisecond or two, here; the
    /// painting thread takes up a pointer.
    ///
    /// # Errors
    /// When `graph` is another network.
    pub fn load(&self, graph: &Graph) -> Result<(), CpuError> {
        let works = fused::works(graph, &self.program.plan)?.ok_or(CpuError::OtherStructure)?;
        let packed = weights::pack(&self.program, &works);
        let mut exchange = lock(&self.weights.0);
        let dropped = (exchange.next.replace(packed), exchange.used.take());
        drop(exchange);
        drop(dropped);
        Ok(())
    }
}

impl CpuStudent {
    /// Prepares `graph`, whose style is fixed, for an image of `extent`. Takes milliseconds.
    ///
    /// # Errors
    /// When the network cannot run at that size or still takes a style, or no thread can be started.
    pub fn new(graph: &Graph, extent: Extent, options: CpuOptions) -> Result<Self, CpuError> {
        let threads = options.threads.min(MOST_THREADS).get();
        let device = device(options.isa, threads);
        let planned = fused::plan(graph, extent, &device, options.fusing)?;
        let program = Arc::new(Program::new(planned.plan, options.isa, threads));
        if program.blocks.iter().any(|b| b.reads.len() * threads > MAX_READS) {
            return Err(CpuError::TooManyReads { threads });
        }
        let weights = weights::pack(&program, &planned.works);
        let numbers = 3 * extent.pixels() as usize;
        let canvas = program.plan.canvas().map_or(0, |canvas| {
            let shape = program.plan.shape(canvas);
            shape.channels * shape.extent.pixels() as usize
        });
        let painting = Painting {
            pictures: Pictures::new(&program),
            workers: (0..threads).map(|_| Mutex::new(Worker::new(&program))).collect(),
            current: RwLock::new(Current { weights, ..Current::default() }),
            weights: Exchange::default(),
            program,
        };
        let team = Team::new(threads, painting).map_err(CpuError::Threads)?;
        Ok(Self { team, image: vec![0.0; numbers], canvas: vec![0.0; canvas], painted: vec![0.0; numbers] })
    }

    pub fn plan(&self) -> &FusedPlan {
        &self.team.job().program.plan
    }

    /// For other styles of the same network while it paints.
    pub fn restyler(&self) -> CpuRestyler {
        let painting = self.team.job();
        CpuRestyler { program: painting.program.clone(), weights: painting.weights.clone() }
    }

    pub fn extent(&self) -> Extent {
        self.plan().extent()
    }

    pub fn threads(&self) -> usize {
        self.team.members()
    }

    pub fn isa(&self) -> &'static Isa {
        self.team.job().program.isa
    }

    /// Where the next picture goes: three planes (red, green, blue) of `height` rows of `width` numbers in 0..1.
    pub fn image_mut(&mut self) -> &mut [f32] {
        &mut self.image
    }

    /// Where the canvas goes of a network that takes one: `[channels][height / 2][width / 2]`, planes as in the image. It
    /// stays from picture to picture; zeros at first. Empty for a network that takes none.
    pub fn canvas_mut(&mut self) -> &mut [f32] {
        &mut self.canvas
    }

    /// Paints what is in [`Self::image_mut`]. The result has the same layout.
    ///
    /// # Errors
    /// When the engine broke down, now or earlier.
    pub fn paint(&mut self) -> Result<&[f32], CpuError> {
        let painting = self.team.job();
        {
            let mut current = painting.current.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut current.image, &mut self.image);
            std::mem::swap(&mut current.canvas, &mut self.canvas);
            let mut exchange = lock(&painting.weights.0);
            if let Some(next) = exchange.next.take() {
                exchange.used = Some(std::mem::replace(&mut current.weights, next));
            }
        }
        let worked = self.team.work();
        {
            let mut current = painting.current.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::swap(&mut current.image, &mut self.image);
            std::mem::swap(&mut current.canvas, &mut self.canvas);
        }
        worked.map_err(|Broken| CpuError::Broken)?;
        let Extent { width, height } = painting.program.plan.extent();
        let (width, plane) = (width as usize, width as usize * height as usize);
        let painted = &mut self.painted;
        painting.pictures.each_row(&painting.program, painting.program.painted, |y, row| {
            for (channel, row) in row.chunks_exact(width).enumerate() {
                painted[channel * plane + y * width..][..width].copy_from_slice(row);
            }
        });
        Ok(&self.painted)
    }

    /// What each step of each block took on the first thread, in the order of the plan, the median of so many pictures.
    ///
    /// # Errors
    /// Those of [`Self::paint`].
    pub fn step_times(&mut self, rounds: usize) -> Result<Vec<BlockTimes>, CpuError> {
        let mut all: Vec<Vec<Vec<Duration>>> = Vec::new();
        for _ in 0..rounds.max(1) {
            let painting = self.team.job();
            lock(&painting.workers[0]).profile(Some(&painting.program));
            self.paint()?;
            let mut worker = lock(&self.team.job().workers[0]);
            all.extend(worker.times().cloned());
            worker.profile(None);
        }
        let program = &self.team.job().program;
        let median = |block: usize, step: usize| {
            let mut times: Vec<Duration> = all.iter().map(|t| t[block][step]).collect();
            times.sort_unstable();
            times[times.len() / 2]
        };
        let block = |(number, block): (usize, &program::BlockProgram)| {
            let steps = block.steps.iter().enumerate().map(|(n, s)| (s.name.clone(), median(number, n))).collect();
            BlockTimes { block: program.plan.blocks()[number].name.clone(), steps }
        };
        Ok(program.blocks.iter().enumerate().map(block).collect())
    }
}

impl Painter for CpuStudent {
    fn extent(&self) -> Extent {
        CpuStudent::extent(self)
    }

    fn image_mut(&mut self) -> &mut [f32] {
        CpuStudent::image_mut(self)
    }

    fn canvas_mut(&mut self) -> &mut [f32] {
        CpuStudent::canvas_mut(self)
    }

    fn paint(&mut self) -> Result<&[f32], Fault> {
        CpuStudent::paint(self).map_err(|e| Fault::failed(e.to_string(), "Choose the effect again, or --engine ort"))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic under one of these locks breaks the team up; nothing is painted with what it left.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
