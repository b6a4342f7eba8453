//! Threads for what the event loop must not wait for.

use std::thread::JoinHandle;

use crate::fault::Fault;

/// What must be over before the program ends: it writes a file, or is inside a driver.
#[derive(Default)]
pub(super) struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    /// # Errors
    /// When the system starts no more threads.
    pub fn start(&mut self, name: &str, work: impl FnOnce() + Send + 'static) -> Result<(), Fault> {
        let started = thread(name, work)?;
        self.0.retain(|t| !t.is_finished());
        self.0.push(started);
        Ok(())
    }

    /// As [`Self::start`], for what the program can do without: then the log says so.
    pub fn attempt(&mut self, name: &str, work: impl FnOnce() + Send + 'static) {
        if let Err(fault) = self.start(name, work) {
            log::warn!("{fault}");
        }
    }

    /// Waits for all of them.
    pub fn join(self) {
        for thread in self.0 {
            // A panic there was printed when it happened.
            let _ = thread.join();
        }
    }
}

/// A thread that nobody has to wait for.
///
/// # Errors
/// When the system starts no more threads.
pub(super) fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Fault> {
    std::thread::Builder::new().name(name.into()).spawn(work).map_err(|e| {
        Fault::failed(format!("The thread '{name}' could not be started: {e}"), "Close other programs and try again")
    })
}
