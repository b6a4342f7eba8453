//! Buffers that go round between the GPU and the CPU, so that a frame makes none: uploads, time stamps, measurements, and
//! pictures that are read back.
//!
//! A buffer that brings something back is free, then recorded into a command buffer, then on its way, and free again once
//! its contents were handed out ([`Belt::drain`]); one that takes something there is mapped, recorded, and on its way back
//! to being mapped. Nothing is ever waited for: where all buffers are on their way there is no free one, and the caller does
//! without.

use super::Gpu;

/// So many buffers of one size, each with a tag of whoever uses it.
#[derive(Debug)]
pub struct Belt<T> {
    mode: wgpu::MapMode,
    bytes: u64,
    rounds: Vec<Round<T>>,
}

#[derive(Debug)]
struct Round<T> {
    buffer: wgpu::Buffer,
    state: State,
    tag: Option<T>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// To the CPU: unused. To the GPU: mapped, to be written to.
    Free,
    /// Part of a command buffer that has not been submitted yet.
    Recorded,
    /// Submitted, and mapping was asked for.
    Returning,
}

/// A buffer that was taken from the belt. Not `Copy`: it is handed back once.
#[derive(Debug, PartialEq, Eq)]
pub struct Ticket(usize);

impl<T> Belt<T> {
    /// Brings up to `bytes` at once back to the CPU, `depth` times at once.
    pub fn to_cpu(gpu: &Gpu, label: &str, bytes: u64, depth: usize) -> Self {
        let usage = wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ;
        Self::new(gpu, label, wgpu::MapMode::Read, usage, bytes, depth)
    }

    /// Takes up to `bytes` at once to the GPU, `depth` times at once.
    pub fn to_gpu(gpu: &Gpu, label: &str, bytes: u64, depth: usize) -> Self {
        let usage = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::MAP_WRITE;
        Self::new(gpu, label, wgpu::MapMode::Write, usage, bytes, depth)
    }

    fn new(gpu: &Gpu, label: &str, mode: wgpu::MapMode, usage: wgpu::BufferUsages, bytes: u64, depth: usize) -> Self {
        let bytes = bytes.next_multiple_of(wgpu::COPY_BUFFER_ALIGNMENT).max(wgpu::COPY_BUFFER_ALIGNMENT);
        let round = |_| Round {
            buffer: gpu.device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(label),
                size: bytes,
                usage,
                mapped_at_creation: mode == wgpu::MapMode::Write,
            }),
            state: State::Free,
            tag: None,
        };
        Self { mode, bytes, rounds: (0..depth).map(round).collect() }
    }

    /// Bytes of each buffer.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether [`Self::take`] would give one.
    pub fn has_free(&self) -> bool {
        self.rounds.iter().any(|round| round.state == State::Free)
    }

    /// A free buffer, to be recorded into a command buffer that copies to it. `None` when all are on their way.
    pub fn take(&mut self, tag: T) -> Option<Ticket> {
        let index = self.rounds.iter().position(|round| round.state == State::Free)?;
        let round = &mut self.rounds[index];
        (round.state, round.tag) = (State::Recorded, Some(tag));
        Some(Ticket(index))
    }

    pub fn buffer(&self, ticket: &Ticket) -> &wgpu::Buffer {
        &self.rounds[ticket.0].buffer
    }

    /// What [`Self::take`] was given.
    pub fn tag(&mut self, ticket: &Ticket) -> Option<&mut T> {
        self.rounds[ticket.0].tag.as_mut()
    }

    /// Number of the buffer, for whoever keeps something beside each.
    pub fn index(ticket: &Ticket) -> usize {
        ticket.0
    }

    /// The command buffer with this ticket's buffer was submitted: it is on its way from here on.
    pub fn submitted(&mut self, ticket: Ticket) {
        self.send(ticket.0);
    }

    /// As [`Self::submitted`] for all that were recorded.
    pub fn all_submitted(&mut self) {
        for index in 0..self.rounds.len() {
            if self.rounds[index].state == State::Recorded {
                self.send(index);
            }
        }
    }

    fn send(&mut self, index: usize) {
        let round = &mut self.rounds[index];
        round.state = State::Returning;
        // Whether it succeeded shows when the range is asked for; a callback without captures allocates nothing.
        round.buffer.slice(..).map_async(self.mode, |_| {});
    }

    /// Hands out what has come back, and frees its buffers. Never waits; the device must have been polled.
    pub fn drain(&mut self, mut each: impl FnMut(usize, T, &[u8])) {
        for (index, round) in self.rounds.iter_mut().enumerate().filter(|(_, r)| r.state == State::Returning) {
            let Ok(view) = round.buffer.slice(..).get_mapped_range() else { continue };
            if let Some(tag) = round.tag.take() {
                each(index, tag, &view);
            }
            drop(view);
            round.buffer.unmap();
            round.state = State::Free;
        }
    }

    /// Whether anything is still on its way.
    pub fn pending(&self) -> bool {
        self.rounds.iter().any(|round| round.state == State::Returning)
    }

    /// A buffer that can be written to now, `bytes` of it mapped: writes, unmaps it and takes it for a command buffer that
    /// copies from it. `None` when none has come back yet, or `bytes` are more than it holds.
    pub(super) fn write(
        &mut self,
        bytes: u64,
        tag: T,
        write: impl FnOnce(&mut wgpu::BufferViewMut),
    ) -> Option<&wgpu::Buffer> {
        let round = self.rounds.iter_mut().filter(|_| bytes <= self.bytes).find_map(|round| {
            let usable = matches!(round.state, State::Free | State::Returning);
            let view = round.buffer.slice(..bytes);
            let view = usable.then(|| view.get_mapped_range_mut().ok()).flatten()?;
            Some((round, view))
        });
        let (round, mut view) = round?;
        write(&mut view);
        drop(view);
        round.buffer.unmap();
        (round.state, round.tag) = (State::Recorded, Some(tag));
        Some(&round.buffer)
    }
}
