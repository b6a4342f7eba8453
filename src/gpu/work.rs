//! How much was handed to the GPU, counted where it is recorded: a change that makes more work of a frame shows in a test
//! that needs no clock.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of one device, shared by all who record on it.
#[derive(Debug, Default)]
pub struct GpuWork {
    passes: AtomicU64,
    dispatches: AtomicU64,
    draws: AtomicU64,
    copies: AtomicU64,
    copied_bytes: AtomicU64,
    submissions: AtomicU64,
}

/// What was recorded, or submitted, up to some moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct WorkCounts {
    /// Compute and render passes.
    pub passes: u64,
    pub dispatches: u64,
    pub draws: u64,
    /// Copies from buffer to buffer and between buffers and textures, uploads and what is read back included.
    pub copies: u64,
    pub copied_bytes: u64,
    pub submissions: u64,
}

impl GpuWork {
    pub(super) fn dispatched(&self) {
        self.dispatches.fetch_add(1, Ordering::Relaxed);
    }

    /// A pass was begun.
    pub fn pass(&self) {
        self.passes.fetch_add(1, Ordering::Relaxed);
    }

    /// Something was drawn.
    pub fn drew(&self) {
        self.draws.fetch_add(1, Ordering::Relaxed);
    }

    /// A copy was recorded.
    pub fn copied(&self, bytes: u64) {
        self.copies.fetch_add(1, Ordering::Relaxed);
        self.copied_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn submitted(&self) {
        self.submissions.fetch_add(1, Ordering::Relaxed);
    }

    pub fn counts(&self) -> WorkCounts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WorkCounts {
            passes: read(&self.passes),
            dispatches: read(&self.dispatches),
            draws: read(&self.draws),
            copies: read(&self.copies),
            copied_bytes: read(&self.copied_bytes),
            submissions: read(&self.submissions),
        }
    }
}

impl WorkCounts {
    /// What came since `before`.
    pub fn since(&self, before: &Self) -> Self {
        Self {
            passes: self.passes - before.passes,
            dispatches: self.dispatches - before.dispatches,
            draws: self.draws - before.draws,
            copies: self.copies - before.copies,
            copied_bytes: self.copied_bytes - before.copied_bytes,
            submissions: self.submissions - before.submissions,
        }
    }
}
