//! How long passes took on the GPU, measured by the GPU, and never waited for.
//!
//! One round for each frame that is measured: a query set, a buffer that it is resolved into, and one of a [`Belt`] that brings it
//! back. Results come out of [`Timestamps::drain`] some frames later. When every round is still on its way the frame goes
//! unmeasured: a gap in the numbers, never a stall. Time stamps are written at the boundaries of passes only, which is all that
//! Apple's GPUs can do. An adapter without them gives no `Timestamps`, and the numbers are absent rather than guessed.
//!
//! Every measured submission also tells something about the difference between the GPU's clock and the CPU's
//! ([`super::GpuClock`]), which places what was measured among what the CPU did.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::belt::Ticket;
use super::{Belt, Gpu, GpuClock, GpuWork};
use crate::units::FrameId;

/// Bytes from one region's pair of stamps to the next: what resolving demands of offsets.
const PAIR_BYTES: u64 = wgpu::QUERY_RESOLVE_BUFFER_ALIGNMENT;

/// The regions of one frame that are being measured. Not `Copy`: each is resolved and handed back once.
#[derive(Debug)]
pub struct Measure(Ticket);

/// How long a pass took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    pub frame: FrameId,
    pub region: u32,
    /// In the CPU's time; `None` where the clocks could not be compared.
    pub begin: Option<Instant>,
    pub duration: Duration,
}

/// Measures up to `regions` passes a frame.
#[derive(Debug)]
pub struct Timestamps {
    rounds: Vec<Round>,
    belt: Belt<Tag>,
    nanoseconds_per_tick: f64,
    clock: Arc<GpuClock>,
    work: Arc<GpuWork>,
}

/// What stands beside each buffer of the belt.
#[derive(Debug)]
struct Round {
    queries: wgpu::QuerySet,
    resolved: wgpu::Buffer,
}

/// What is being measured.
#[derive(Clone, Copy, Debug)]
struct Tag {
    frame: FrameId,
    /// The stamps cannot be from before this.
    not_before: Instant,
    /// Bit r: region r was recorded.
    used: u32,
}

impl Timestamps {
    /// `regions` at most 32; `depth` frames may be on their way at once. `None` when the adapter has no time stamps.
    pub fn new(gpu: &Gpu, regions: u32, depth: usize) -> Option<Self> {
        if !gpu.caps.timestamps || regions == 0 || regions > 32 {
            return None;
        }
        let size = PAIR_BYTES * u64::from(regions);
        let round = |_| Round {
            queries: gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("timestamps"),
                ty: wgpu::QueryType::Timestamp,
                count: regions * 2,
            }),
            resolved: gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some("timestamps"),
                size,
                usage: wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            }),
        };
        Some(Self {
            rounds: (0..depth).map(round).collect(),
            belt: Belt::to_cpu(gpu, "timestamps", size, depth),
            nanoseconds_per_tick: f64::from(gpu.caps.timestamp_period_ns),
            clock: gpu.clock.clone(),
            work: gpu.work.clone(),
        })
    }

    /// Begins to measure `frame`, or not, when all rounds are on their way.
    pub fn begin(&mut self, frame: FrameId) -> Option<Measure> {
        self.belt.take(Tag { frame, not_before: Instant::now(), used: 0 }).map(Measure)
    }

    /// What a compute pass is begun with so that it is measured as `region`.
    pub fn compute(&mut self, measure: &Measure, region: u32) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: self.using(measure, region),
            beginning_of_pass_write_index: Some(region * 2),
            end_of_pass_write_index: Some(region * 2 + 1),
        }
    }

    /// What a render pass is begun with so that it is measured as `region`.
    pub fn render(&mut self, measure: &Measure, region: u32) -> wgpu::RenderPassTimestampWrites<'_> {
        wgpu::RenderPassTimestampWrites {
            query_set: self.using(measure, region),
            beginning_of_pass_write_index: Some(region * 2),
            end_of_pass_write_index: Some(region * 2 + 1),
        }
    }

    fn using(&mut self, measure: &Measure, region: u32) -> &wgpu::QuerySet {
        if let Some(tag) = self.belt.tag(&measure.0) {
            tag.used |= 1 << region;
        }
        &self.rounds[Belt::<Tag>::index(&measure.0)].queries
    }

    /// Records that the stamps be brought to where they can be read; after the last measured pass, in the same submission or a
    /// later one.
    pub fn resolve(&mut self, measure: &Measure, encoder: &mut wgpu::CommandEncoder) {
        let used = self.belt.tag(&measure.0).map_or(0, |tag| tag.used);
        let round = &self.rounds[Belt::<Tag>::index(&measure.0)];
        for region in (0..32).filter(|r| used >> r & 1 == 1) {
            let at = PAIR_BYTES * u64::from(region);
            encoder.resolve_query_set(&round.queries, region * 2..region * 2 + 2, &round.resolved, at);
        }
        let bytes = self.belt.bytes();
        encoder.copy_buffer_to_buffer(&round.resolved, 0, self.belt.buffer(&measure.0), 0, bytes);
        self.work.copied(bytes);
    }

    /// May be called right before the encoder given to [`Self::resolve`] is submitted: the later, the better the GPU's clock is
    /// known. Without it [`Self::begin`] counts.
    pub fn submitting(&mut self, measure: &Measure) {
        if let Some(tag) = self.belt.tag(&measure.0) {
            tag.not_before = Instant::now();
        }
    }

    /// Must be called after the encoder given to [`Self::resolve`] was submitted: from here on the result is on its way.
    pub fn submitted(&mut self, measure: Measure) {
        self.belt.submitted(measure.0);
    }

    /// Hands out all results that have arrived. Never waits; the device must have been polled.
    pub fn drain(&mut self, each: &mut dyn FnMut(Measured)) {
        let Self { belt, nanoseconds_per_tick, clock, .. } = self;
        belt.drain(|_, Tag { frame, not_before, used }, bytes| {
            let seen = Instant::now();
            let regions = || (0..32_u32).filter(|r| used >> r & 1 == 1);
            let stamps = |region: u32| {
                let at = PAIR_BYTES as usize * region as usize;
                let tick = |at: usize| bytes.get(at..at + 8).map(bytemuck::pod_read_unaligned::<u64>);
                // A driver that wrote nothing leaves zeros, and one whose counter was reset runs backwards: no number then.
                match (tick(at), tick(at + 8)) {
                    (Some(begin @ 1..), Some(end)) if end >= begin => Some((begin, end)),
                    _ => None,
                }
            };
            let begin = regions().filter_map(stamps).map(|s| s.0).min();
            let end = regions().filter_map(stamps).map(|s| s.1).max();
            if let (Some(begin), Some(end)) = (begin, end) {
                clock.observe(not_before, begin, end, seen);
            }
            for (region, (begin, end)) in regions().filter_map(|r| stamps(r).map(|s| (r, s))) {
                let nanoseconds = (end - begin) as f64 * *nanoseconds_per_tick;
                each(Measured {
                    frame,
                    region,
                    begin: clock.place(begin, seen),
                    duration: Duration::from_nanos(nanoseconds as u64),
                });
            }
        });
    }

    /// Whether any result is still on its way.
    pub fn pending(&self) -> bool {
        self.belt.pending()
    }
}
