//! The first third of rendering: opening and decoding, on a thread, a few pictures ahead.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use crate::cli::CliError;
use crate::fault::Fault;
use crate::frame::{CameraFrame, FramePool};
use crate::source::{Pacing, Recovery, SourceError, SourceInfo, SourceSpec, SourceWish, Stop};

/// Decoded pictures that wait to be painted.
const AHEAD: usize = 2;

/// What comes of the inputs, one after the other.
pub(super) enum Event {
    /// Pictures of the next input follow, until its end.
    Begin(Box<SourceInfo>),
    Picture {
        frame: CameraFrame,
        shown_for: Duration,
        /// Another one follows.
        more: bool,
    },
    /// Part of the input could not be read; the rest follows.
    Trouble(Fault),
    /// Also of an input that could not be opened. The error is why it ended before its time.
    End(Result<(), Fault>),
}

/// An input that is to be read.
pub(super) struct Input {
    pub spec: SourceSpec,
    /// Set when no more of its pictures are wanted.
    pub stop: Stop,
}

/// How the inputs are to be read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// No more pictures than that of each input.
    pub limit: u64,
    pub ground: [u8; 3],
}

/// Starts reading. The thread may be waiting for a pipe for ever: it is never waited for, and ends with the process, the
/// inputs, or the receiver.
///
/// # Errors
/// When the system starts no more threads.
pub(super) fn start(inputs: Vec<Input>, manner: Manner) -> Result<Receiver<Event>, CliError> {
    let (sender, events) = sync_channel(AHEAD);
    std::thread::Builder::new().name("reader".into()).spawn(move || {
        for input in inputs {
            // Nobody listens any more.
            if read(&input, manner, &sender).is_none() {
                return;
            }
        }
    })?;
    Ok(events)
}

/// Reads one input to its end. `None` when nobody listens.
fn read(input: &Input, manner: Manner, sender: &SyncSender<Event>) -> Option<()> {
    let wish = SourceWish {
        max_extent: None,
        looping: false,
        pacing: Pacing::Offline,
        ground: manner.ground,
        stop: input.stop.clone(),
        ..SourceWish::default()
    };
    let mut source = match crate::source::open(&input.spec, &wish) {
        Ok(source) => source,
        Err(error) => return sender.send(Event::End(Err(error.fault()))).ok(),
    };
    sender.send(Event::Begin(Box::new(source.info().clone()))).ok()?;
    let pool = FramePool::default();
    let interval = source.info().interval;
    let mut waiting: Option<(CameraFrame, Duration)> = None;
    let mut taken = 0;
    let ended = loop {
        if taken == manner.limit {
            break Ok(());
        }
        match source.next(&pool) {
            Ok(frame) => {
                taken += 1;
                let due = source.next_due();
                let shown_for = due.map_or(interval, |due| due.saturating_duration_since(frame.stamp().captured));
                if let Some((frame, shown_for)) = waiting.replace((frame, shown_for)) {
                    sender.send(Event::Picture { frame, shown_for, more: true }).ok()?;
                }
            }
            Err(SourceError::Ended | SourceError::Stopped) => break Ok(()),
            Err(error) if error.recovery() == Recovery::Continue => sender.send(Event::Trouble(error.fault())).ok()?,
            Err(error) => break Err(error.fault()),
        }
    };
    if let Some((frame, shown_for)) = waiting {
        sender.send(Event::Picture { frame, shown_for, more: false }).ok()?;
    }
    sender.send(Event::End(ended)).ok()
}
