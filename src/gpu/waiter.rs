//! A thread that waits for the GPU, so that nobody else has to ask whether it is done.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Gpu;
use crate::settle::Unsettled;
use crate::watch;

/// Called on the waiting thread.
pub type Done = Arc<dyn Fn() + Send + Sync>;

/// So long the thread waits for one submission before it looks whether anybody still wants to know.
const PATIENCE: Duration = Duration::from_millis(500);
/// No submission takes longer where all is well.
const MOST: Duration = Duration::from_secs(10);
/// Submissions that are waited for at once; more than are ever under way.
const ROOM: usize = 32;

/// Handle to the thread. Dropping it ends the thread, after what it waits for.
pub struct Waiter(Arc<Shared>);

#[derive(Default)]
struct Shared {
    jobs: Mutex<Jobs>,
    came: Condvar,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<(wgpu::SubmissionIndex, Done)>,
    closed: bool,
}

impl Waiter {
    /// # Errors
    /// When the system starts no more threads.
    pub fn new(gpu: &Gpu) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            jobs: Mutex::new(Jobs { waiting: VecDeque::with_capacity(ROOM), closed: false }),
            came: Condvar::new(),
        });
        let (gpu, theirs, unsettled) = (gpu.clone(), shared.clone(), Unsettled::new());
        std::thread::Builder::new().name("gpu waiter".into()).spawn(move || {
            let _unsettled = unsettled;
            // Locals are dropped in reverse order: these first, since the last handle of the device may be among them.
            let (gpu, theirs) = (gpu, theirs);
            theirs.run(&gpu);
        })?;
        Ok(Self(shared))
    }

    /// Calls `done` on the thread when that submission and all before it are done, or the device is lost. Never blocks.
    pub fn when_done(&self, submission: wgpu::SubmissionIndex, done: Done) {
        lock(&self.0.jobs).waiting.push_back((submission, done));
        self.0.came.notify_one();
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        lock(&self.0.jobs).closed = true;
        self.0.came.notify_one();
    }
}

impl Shared {
    fn run(&self, gpu: &Gpu) {
        while let Some((submission, done)) = self.next() {
            let _busy = watch::busy("waiting for the GPU", MOST);
            let asked = || wgpu::PollType::Wait { submission_index: Some(submission.clone()), timeout: Some(PATIENCE) };
            // An error that is no time-out is a lost device: nothing comes any more.
            while matches!(gpu.device.poll(asked()), Err(wgpu::PollError::Timeout)) && !gpu.is_lost() {
                if lock(&self.jobs).closed {
                    return;
                }
            }
            done();
        }
    }

    fn next(&self) -> Option<(wgpu::SubmissionIndex, Done)> {
        let mut jobs = lock(&self.jobs);
        loop {
            if jobs.closed {
                return None;
            }
            if let Some(job) = jobs.waiting.pop_front() {
                return Some(job);
            }
            jobs = self.came.wait(jobs).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // No code runs under this lock that could leave the data half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Waiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waiter")
    }
}
