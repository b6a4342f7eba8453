//! Finished pictures back from the GPU, for whoever taps them: one belt of buffers for each tap, read on the waiting thread.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::read::{self, FORMAT, ReadBack};
use super::{GpuChain, Present, build_present};
use crate::gpu::{Done, GpuError, Waiter};
use crate::kernels::nv12::nv12_rows;
use crate::pipeline::present::PictureLayout;
use crate::pipeline::tap::{Line, TapFormat, TapFrame, Taps};
use crate::units::FrameStamp;

/// Pictures of one tap on their way at once.
const ON_THEIR_WAY: usize = 3;

/// What draws for one tap, and brings back.
pub(super) struct Output {
    line: Arc<Line>,
    present: Present,
    target: read::Target,
    belt: Arc<Belt>,
    done: Done,
}

struct Belt {
    line: Arc<Line>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    free: Vec<ReadBack>,
    /// Oldest first: in the order in which they were submitted.
    on_their_way: VecDeque<(ReadBack, FrameStamp, bool)>,
    /// For what is made of a picture's rows.
    pixels: Vec<[u8; 4]>,
}

impl GpuChain {
    /// Draws the frame in that slot for every tap. Those whose buffers are all on their way miss it, which is counted.
    pub fn tap(
        &mut self,
        taps: &Taps,
        slot: usize,
        stamp: FrameStamp,
        painted: bool,
        layout: impl Fn(&Line) -> PictureLayout,
    ) {
        self.outputs.retain(|output| !output.line.is_closed());
        taps.each(|line| {
            if !self.outputs.iter().any(|output| Arc::ptr_eq(&output.line, line)) {
                match self.output(line) {
                    Ok(output) => self.outputs.push(output),
                    Err(error) => return log::error!("{}: {error}", line.wish.name),
                }
            }
            let Some(output) = self.outputs.iter_mut().find(|output| Arc::ptr_eq(&output.line, line)) else { return };
            let Some(waiter) = &self.waiter else { return };
            let free = lock(&output.belt.state).free.pop();
            let Some(back) = free else { return line.missed() };
            let mut encoder =
                self.gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("tap") });
            output.present.record(&self.gpu, &mut encoder, &output.target.view, Some(slot), layout(line), None);
            output.target.copy(&self.gpu, &mut encoder, &back);
            let submission = self.gpu.submit([encoder.finish()]);
            back.map();
            lock(&output.belt.state).on_their_way.push_back((back, stamp, painted));
            waiter.when_done(submission, output.done.clone());
        });
    }

    fn output(&mut self, line: &Arc<Line>) -> Result<Output, GpuError> {
        if self.waiter.is_none() {
            self.waiter = Some(Waiter::new(&self.gpu).map_err(|e| GpuError::Lost(e.to_string()))?);
        }
        let target = read::Target::new(&self.gpu, line.wish.extent)?;
        let free = (0..ON_THEIR_WAY).map(|_| ReadBack::new(&self.gpu, line.wish.extent)).collect::<Result<_, _>>()?;
        let state = Mutex::new(State { free, ..State::default() });
        let belt = Arc::new(Belt { line: line.clone(), state });
        let theirs = belt.clone();
        let present = build_present(&self.gpu, FORMAT, &self.store)?;
        Ok(Output { line: line.clone(), present, target, belt, done: Arc::new(move || theirs.arrived()) })
    }
}

impl Belt {
    /// The oldest picture on its way has come. Called on the waiting thread.
    fn arrived(&self) {
        let mut state = lock(&self.state);
        let Some((back, stamp, painted)) = state.on_their_way.pop_front() else { return };
        if let Some(mut frame) = self.line.take() {
            let mut pixels = std::mem::take(&mut state.pixels);
            match self.fill(&back, &mut frame, &mut pixels) {
                true => self.line.put(TapFrame { stamp: Some(stamp), painted, ..frame }),
                false => self.line.give_up(frame),
            }
            state.pixels = pixels;
        }
        back.unmap();
        state.free.push(back);
    }

    fn fill(&self, back: &ReadBack, frame: &mut TapFrame, pixels: &mut Vec<[u8; 4]>) -> bool {
        let extent = frame.extent;
        match self.line.wish.format {
            TapFormat::Rgba => back.read(frame.bytes.as_chunks_mut::<4>().0),
            TapFormat::Nv12 => {
                pixels.resize(extent.pixels() as usize, [0; 4]);
                let read = back.read(pixels);
                let (luma, chroma) = frame.bytes.split_at_mut(extent.pixels() as usize);
                nv12_rows(pixels, extent, 0..extent.height as usize / 2, luma, chroma);
                read
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code runs under this lock that could leave the data half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
