//! The back end that a pipeline runs its list on: one of two.

use std::sync::Arc;

use super::cpu::CpuChain;
use super::gpu::GpuChain;
use super::present::PictureLayout;
use super::still::PendingPicture;
use super::tap::{Line, Taps};
use super::{FrameJob, PipelineError, gpu};
use crate::canvas::{Canvas, Tables};
use crate::clock::Clock;
use crate::gpu::Done;
use crate::kernels::stability::Gathered;
use crate::metrics::Span;
use crate::nn::gpu::GpuStudent;
use crate::roundtrip::RoundTripEvent;
use crate::units::{Burden, Extent, FrameId, FrameStamp};

/// A frame that is shown: its slot and whose it is.
pub(super) type Shown = Option<(usize, FrameStamp)>;

/// Work that may not be done yet.
pub(super) enum Ticket {
    Gpu(gpu::Ticket),
    Cpu(u64),
}

#[expect(clippy::large_enum_variant, reason = "there is one, moved once; a box would only add an allocation")]
pub(super) enum Chain {
    Gpu(GpuChain),
    Cpu(CpuChain),
}

impl Chain {
    /// Whether what is drawn after [`Self::run`] shows what that does, without waiting for it: commands to a GPU are carried
    /// out in order.
    pub fn is_ordered(&self) -> bool {
        matches!(self, Self::Gpu(_))
    }

    pub fn student(&self) -> Option<&GpuStudent> {
        match self {
            Self::Gpu(chain) => chain.student(),
            Self::Cpu(_) => None,
        }
    }

    pub fn is_lost(&self) -> bool {
        match self {
            Self::Gpu(chain) => chain.is_lost(),
            Self::Cpu(chain) => chain.is_lost(),
        }
    }

    /// Whether the student that paints in place broke down for good.
    pub fn is_broken(&self) -> bool {
        match self {
            Self::Gpu(_) => false,
            Self::Cpu(chain) => chain.is_broken(),
        }
    }

    /// What happened to a student that paints in place.
    pub fn events(&self) -> Vec<RoundTripEvent> {
        match self {
            Self::Gpu(_) => Vec::new(),
            Self::Cpu(chain) => chain.events(),
        }
    }

    /// By which work on the processor begins. The GPU measures its own by its own clock.
    pub fn set_clock(&mut self, clock: Clock) {
        match self {
            Self::Gpu(_) => {}
            Self::Cpu(chain) => chain.set_clock(clock),
        }
    }

    pub fn set_burden(&mut self, burden: Burden) {
        match self {
            Self::Gpu(chain) => chain.set_burden(burden),
            Self::Cpu(chain) => chain.set_burden(burden),
        }
    }

    /// What reliefs are made from, from here on. False where there will be none: a device may refuse.
    pub fn load_tables(&mut self, tables: &Arc<Tables>) -> bool {
        match self {
            // What is refused is told elsewhere: the picture is shown without.
            Self::Gpu(chain) => chain.load_tables(tables).is_ok(),
            Self::Cpu(chain) => {
                chain.load_tables(tables);
                true
            }
        }
    }

    /// The canvas of the frames from here on.
    pub fn load_canvas(&mut self, canvas: &Canvas) {
        match self {
            Self::Gpu(chain) => chain.load_canvas(canvas),
            Self::Cpu(chain) => chain.load_canvas(canvas),
        }
    }

    pub fn can_compare(&self) -> bool {
        match self {
            Self::Gpu(chain) => chain.can_compare(),
            Self::Cpu(_) => true,
        }
    }

    pub fn run(&mut self, job: FrameJob<'_>) -> Ticket {
        match self {
            Self::Gpu(chain) => Ticket::Gpu(chain.run(&job)),
            Self::Cpu(chain) => Ticket::Cpu(chain.run(job)),
        }
    }

    /// Whether that work is done. Never waits.
    pub fn is_done(&self, ticket: &Ticket) -> bool {
        match (self, ticket) {
            (Self::Gpu(chain), Ticket::Gpu(ticket)) => chain.is_done(ticket),
            (Self::Cpu(chain), Ticket::Cpu(number)) => chain.is_done(*number),
            _ => true,
        }
    }

    /// What that work made is shown from now on. Returns whether the student failed to paint it.
    pub fn landed(&mut self, ticket: &Ticket) -> bool {
        match (self, ticket) {
            (Self::Cpu(chain), Ticket::Cpu(number)) => {
                chain.landed(*number);
                chain.is_unpainted(*number)
            }
            _ => false,
        }
    }

    /// Takes in what was done elsewhere. Returns whether the shown frame looks another way than before.
    pub fn poll(&mut self) -> bool {
        match self {
            Self::Gpu(chain) => {
                chain.poll();
                false
            }
            Self::Cpu(chain) => chain.poll(),
        }
    }

    /// Waits a little for that work, or for what is on its way.
    pub fn wait(&self, ticket: Option<&Ticket>) {
        match (self, ticket) {
            (Self::Gpu(chain), _) => chain.wait(),
            (Self::Cpu(chain), Some(Ticket::Cpu(number))) => chain.wait(*number),
            (Self::Cpu(_), _) => {}
        }
    }

    pub fn drain_comparisons(&mut self, each: impl FnMut(Gathered)) {
        match self {
            Self::Gpu(chain) => chain.drain_comparisons(each),
            Self::Cpu(chain) => chain.drain_comparisons(each),
        }
    }

    pub fn drain_spans(&mut self, spans: &mut dyn FnMut(Span)) {
        match self {
            Self::Gpu(chain) => chain.drain_spans(spans),
            Self::Cpu(chain) => chain.drain_spans(spans),
        }
    }

    pub fn is_measuring(&self) -> bool {
        match self {
            Self::Gpu(chain) => chain.is_measuring(),
            Self::Cpu(_) => false,
        }
    }

    pub fn draw(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        target: &wgpu::TextureView,
        (layout, extent): (PictureLayout, Extent),
        shown: Shown,
    ) {
        let frame: Option<FrameId> = shown.map(|(_, stamp)| stamp.id);
        match self {
            Self::Gpu(chain) => chain.draw(encoder, target, layout, shown.map(|(slot, _)| slot), frame),
            Self::Cpu(chain) => chain.draw(encoder, target, (layout, extent), shown),
        }
    }

    /// The shown picture at that size; black without one. Does not wait.
    ///
    /// # Errors
    /// When the size is empty or too large.
    pub fn picture(
        &mut self,
        (layout, extent): (PictureLayout, Extent),
        shown: Shown,
    ) -> Result<PendingPicture, PipelineError> {
        match self {
            Self::Gpu(chain) => {
                chain.picture(extent, layout, shown.map(|(slot, _)| slot)).map(PendingPicture::from_gpu)
            }
            Self::Cpu(chain) => {
                let (sender, receiver) = std::sync::mpsc::sync_channel(1);
                // Whoever asked may have gone.
                chain.picture((layout, extent), shown, move |picture| drop(sender.send(picture)))?;
                Ok(PendingPicture::from_cpu(receiver))
            }
        }
    }

    /// Whoever taps the pictures gets the frame that is shown from now on, where that was not done when it was composed.
    pub fn tap(
        &mut self,
        taps: &Taps,
        slot: usize,
        stamp: FrameStamp,
        painted: bool,
        layout: impl Fn(&Line) -> PictureLayout,
    ) {
        match self {
            Self::Gpu(chain) if !taps.is_empty() => chain.tap(taps, slot, stamp, painted, layout),
            Self::Gpu(_) | Self::Cpu(_) => {}
        }
    }

    /// From now on `done` is called, on another thread, whenever work is done.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn wake(&mut self, done: Done) -> std::io::Result<()> {
        match self {
            Self::Gpu(chain) => chain.wake(done),
            Self::Cpu(_) => Ok(()),
        }
    }

    /// Whether nobody is told when work is done.
    pub fn needs_polling(&self) -> bool {
        match self {
            Self::Gpu(chain) => chain.needs_polling(),
            Self::Cpu(_) => false,
        }
    }
}
