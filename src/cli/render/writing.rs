//! The last third of rendering: encoding on several threads, and writing in order.
//!
//! ```text
//! painter ──orders──▶ encoders, side by side ──done──▶ writer, in order ──▶ files
//!    ▲                                                    │
//!    └── waits while too much is on its way ◀── Room ─────┘
//! ```

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use image::DynamicImage;

use crate::cli::CliError;
use crate::output::{Encoded, Encoder, Finished, OutputError, Writer};
use crate::source::Stop;

/// Bytes of pictures that may be on their way; one picture may always be.
const MOST_BYTES: usize = 256 << 20;

/// What is to be done for an output. Numbered in order by [`Writing`].
enum Order {
    Open { output: usize, writer: Box<Writer>, stop: Stop },
    Picture { output: usize, index: u64, encoder: Arc<Encoder>, picture: DynamicImage, shown_for: Duration },
    Close { output: usize },
}

/// An order after the encoders' part in it.
enum Done {
    Open { output: usize, writer: Box<Writer>, stop: Stop },
    Picture { output: usize, encoded: Result<Encoded, OutputError>, shown_for: Duration, bytes: usize },
    Close { output: usize },
}

/// What became of an output.
pub(super) type Outcome = Result<Finished, OutputError>;

/// The threads that encode and write.
pub(super) struct Writing {
    orders: Option<Sender<(u64, Order)>>,
    next: u64,
    room: Arc<Room>,
    /// What is not written yet is not wanted any more.
    given_up: Arc<AtomicBool>,
    encoders: Vec<JoinHandle<()>>,
    writer: Option<JoinHandle<HashMap<usize, Outcome>>>,
}

/// Counts what is on its way.
#[derive(Default)]
struct Room {
    taken: Mutex<Taken>,
    freed: Condvar,
}

#[derive(Default)]
struct Taken {
    pictures: usize,
    bytes: usize,
}

impl Room {
    /// Waits until there is room for a picture of `bytes` beside at most `most` others.
    fn take(&self, bytes: usize, most: usize) {
        let full =
            |taken: &mut Taken| taken.pictures > 0 && (taken.pictures >= most || taken.bytes + bytes > MOST_BYTES);
        let taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut taken = self.freed.wait_while(taken, full).unwrap_or_else(PoisonError::into_inner);
        taken.pictures += 1;
        taken.bytes += bytes;
    }

    fn give_back(&self, bytes: usize) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.pictures -= 1;
        taken.bytes -= bytes;
        self.freed.notify_all();
    }
}

impl Writing {
    /// Starts so many encoders, and a writer.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn start(encoders: usize) -> Result<Self, CliError> {
        let (orders, inbox) = channel();
        let (outbox, done) = channel();
        let inbox = Arc::new(Mutex::new(inbox));
        let (room, given_up) = (Arc::new(Room::default()), Arc::new(AtomicBool::new(false)));
        let mut writing = Self {
            orders: Some(orders),
            next: 0,
            room: room.clone(),
            given_up: given_up.clone(),
            encoders: Vec::new(),
            writer: None,
        };
        for _ in 0..encoders.max(1) {
            let (inbox, outbox, given_up) = (inbox.clone(), outbox.clone(), given_up.clone());
            let thread = std::thread::Builder::new().name("encoder".into());
            writing.encoders.push(thread.spawn(move || encode_all(&inbox, &outbox, &given_up))?);
        }
        drop(outbox);
        let thread = std::thread::Builder::new().name("writer".into());
        writing.writer = Some(thread.spawn(move || write_all(&done, &room, &given_up))?);
        Ok(writing)
    }

    /// Pictures for `output` follow. `stop` is set when they cannot be written.
    pub fn open(&mut self, output: usize, writer: Writer, stop: Stop) {
        self.order(Order::Open { output, writer: Box::new(writer), stop });
    }

    /// Picture `index` of an output. Waits while too many are on their way.
    pub fn picture(
        &mut self,
        output: usize,
        index: u64,
        encoder: Arc<Encoder>,
        picture: DynamicImage,
        shown_for: Duration,
    ) {
        self.room.take(picture.as_bytes().len(), self.encoders.len() + 1);
        self.order(Order::Picture { output, index, encoder, picture, shown_for });
    }

    /// An output is complete.
    pub fn close(&mut self, output: usize) {
        self.order(Order::Close { output });
    }

    fn order(&mut self, order: Order) {
        if let Some(orders) = &self.orders {
            // Encoders end when the orders do, not before.
            let _ = orders.send((self.next, order));
            self.next += 1;
        }
    }

    /// Waits until everything is written, and says what became of each output that was closed.
    pub fn finish(mut self) -> HashMap<usize, Outcome> {
        self.orders = None;
        self.encoders.drain(..).for_each(|thread| drop(thread.join()));
        self.writer.take().and_then(|writer| writer.join().ok()).unwrap_or_default()
    }
}

impl Drop for Writing {
    /// What is not complete is given up, and leaves nothing behind.
    fn drop(&mut self) {
        if self.orders.take().is_some() {
            self.given_up.store(true, Ordering::Release);
        }
        self.encoders.drain(..).for_each(|thread| drop(thread.join()));
        drop(self.writer.take().map(JoinHandle::join));
    }
}

fn encode_all(inbox: &Mutex<Receiver<(u64, Order)>>, outbox: &Sender<(u64, Done)>, given_up: &AtomicBool) {
    loop {
        let order = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, order)) = order else { return };
        let done = match order {
            Order::Open { output, writer, stop } => Done::Open { output, writer, stop },
            Order::Close { output } => Done::Close { output },
            Order::Picture { output, index, encoder, picture, shown_for } => {
                let bytes = picture.as_bytes().len();
                let encoded = if given_up.load(Ordering::Acquire) {
                    Err(OutputError::Nothing)
                } else {
                    encoder.encode(index, picture)
                };
                Done::Picture { output, encoded, shown_for, bytes }
            }
        };
        if outbox.send((number, done)).is_err() {
            return;
        }
    }
}

fn write_all(done: &Receiver<(u64, Done)>, room: &Room, given_up: &AtomicBool) -> HashMap<usize, Outcome> {
    let mut outcomes = HashMap::new();
    let mut open: HashMap<usize, (Writer, Stop)> = HashMap::new();
    // What came before its turn.
    let mut early = BTreeMap::new();
    let mut turn = 0;
    while let Ok((number, order)) = done.recv() {
        early.insert(number, order);
        while let Some(order) = early.remove(&turn) {
            turn += 1;
            match order {
                Done::Open { output, writer, stop } => drop(open.insert(output, (*writer, stop))),
                Done::Picture { output, encoded, shown_for, bytes } => {
                    let written = match open.get_mut(&output) {
                        Some((writer, _)) => encoded.and_then(|encoded| writer.append(encoded, shown_for)),
                        // It failed before.
                        None => Ok(()),
                    };
                    room.give_back(bytes);
                    if let Err(error) = written
                        && let Some((_, stop)) = open.remove(&output)
                    {
                        stop.set();
                        outcomes.insert(output, Err(error));
                    }
                }
                Done::Close { output } => {
                    if let Some((writer, _)) = open.remove(&output)
                        && !given_up.load(Ordering::Acquire)
                    {
                        outcomes.insert(output, writer.finish());
                    }
                }
            }
        }
    }
    outcomes
}
