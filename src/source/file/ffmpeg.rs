//! Everything else, through the program ffmpeg where it is installed.
//!
//! It runs as a child that writes Y4M into a pipe. A thread reads the pipe, so that a child that hangs holds nobody up; two pictures wait at
//! most. The child is killed when the clip is dropped.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::y4m::{Header, HeaderError, frame_line, frame_planes};
use super::{MAX_PIXELS, check_size, clip_info};
use crate::frame::{ColorSpec, FrameBytes, FramePool, FrameShape, PixelFormat, YuvMatrix, YuvRange};
use crate::source::{Clip, ClipInfo, Picture, SourceError, SourceWish, Stop};
use crate::units::Extent;

/// Whether ffmpeg can be started.
pub(super) fn installed() -> bool {
    let mut command = ffmpeg();
    command.arg("-version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn ffmpeg() -> Command {
    #[allow(unused_mut, reason = "changed on Windows only")]
    let mut command = Command::new("ffmpeg");
    #[cfg(windows)]
    {
        use std::os::windows::process::CommandExt;
        // CREATE_NO_WINDOW: no console flashes up.
        command.creation_flags(0x0800_0000);
    }
    command
}

/// From the reading thread.
enum Message {
    Header(Header),
    Picture(FrameBytes),
    /// The file is over. If the clip loops, its first picture follows.
    End,
    Failed(SourceError),
}

pub(super) struct Ffmpeg {
    info: ClipInfo,
    messages: Option<mpsc::Receiver<Message>>,
    shared: Arc<Shared>,
    reader: Option<JoinHandle<()>>,
    stop: Stop,
    /// The last pass is over.
    ended: bool,
    looping: bool,
}

#[derive(Default)]
struct Shared {
    child: Mutex<Option<Child>>,
    quit: AtomicBool,
}

impl Shared {
    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        // An Option cannot be left half changed.
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kill(&self) {
        self.quit.store(true, Ordering::SeqCst);
        if let Some(child) = self.child().as_mut() {
            // Fails only when it has ended already.
            let _ = child.kill();
        }
    }
}

impl Ffmpeg {
    /// A file that yields nothing for this long will not.
    const PATIENCE: Duration = Duration::from_secs(15);
    const SLICE: Duration = Duration::from_millis(40);

    pub(super) fn open(path: &Path, wish: &SourceWish) -> Result<Self, SourceError> {
        let shared = Arc::new(Shared::default());
        let (sender, messages) = mpsc::sync_channel(2);
        let mut job = Job {
            path: path.into(),
            max_pixels: wish.max_extent.map_or(MAX_PIXELS, |max| max.pixels()),
            looping: wish.looping,
            shared: shared.clone(),
            sender,
            pool: FramePool::default(),
        };
        let reader = std::thread::Builder::new()
            .name("ffmpeg".into())
            .spawn(move || job.run())
            .map_err(|source| SourceError::Unopenable { path: path.into(), source })?;
        // Until the header is there.
        let unknown = FrameShape::packed(PixelFormat::Gray8, Extent::default());
        let placeholder = clip_info(path, String::new(), unknown, Duration::ZERO);
        let mut clip = Self {
            info: placeholder,
            messages: Some(messages),
            shared,
            reader: Some(reader),
            stop: wish.stop.clone(),
            ended: false,
            looping: wish.looping,
        };
        match clip.receive()? {
            Message::Header(header) => {
                let fps = (100.0 / header.interval.as_secs_f64()).round() / 100.0;
                let detail = format!("{} at {fps} fps, through ffmpeg", header.planar.extent);
                clip.info = clip_info(path, detail, header.planar.shape(), header.interval);
                Ok(clip)
            }
            Message::Failed(error) => Err(error),
            Message::Picture(_) | Message::End => Err(SourceError::Empty { path: path.into() }),
        }
    }

    fn receive(&self) -> Result<Message, SourceError> {
        let path = || self.info.path.clone().unwrap_or_default();
        let began = Instant::now();
        let Some(messages) = &self.messages else { return Err(SourceError::Ended) };
        loop {
            match messages.recv_timeout(Self::SLICE) {
                Ok(message) => return Ok(message),
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(SourceError::Ffmpeg { path: path(), said: "it ended unexpectedly".into() });
                }
                Err(mpsc::RecvTimeoutError::Timeout) if self.stop.is_set() => return Err(SourceError::Stopped),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    if began.elapsed() > Self::PATIENCE {
                        let said = format!("no picture within {} s", Self::PATIENCE.as_secs());
                        return Err(SourceError::Ffmpeg { path: path(), said });
                    }
                }
            }
        }
    }

    fn next_bytes(&mut self) -> Result<Option<FrameBytes>, SourceError> {
        if self.ended {
            return Ok(None);
        }
        match self.receive()? {
            Message::Picture(bytes) => Ok(Some(bytes)),
            Message::End => {
                self.ended = true;
                Ok(None)
            }
            Message::Failed(error) => Err(error),
            Message::Header(_) => Err(SourceError::Corrupt {
                path: self.info.path.clone().unwrap_or_default(),
                frame: 0,
                what: "its pictures changed their size".into(),
            }),
        }
    }
}

impl Clip for Ffmpeg {
    fn info(&self) -> &ClipInfo {
        &self.info
    }

    fn read(&mut self, _pool: &FramePool) -> Result<Option<Picture>, SourceError> {
        let (shape, shown_for) = (self.info.source.shape, self.info.source.interval);
        Ok(self.next_bytes()?.map(|bytes| Picture { shape, bytes, shown_for }))
    }

    fn skip(&mut self) -> Result<Option<Duration>, SourceError> {
        Ok(self.next_bytes()?.map(|_| self.info.source.interval))
    }

    /// The reading thread has begun the next pass by itself.
    fn rewind(&mut self) -> Result<(), SourceError> {
        if !self.looping {
            return Err(SourceError::Ended);
        }
        self.ended = false;
        Ok(())
    }
}

impl Drop for Ffmpeg {
    fn drop(&mut self) {
        self.shared.kill();
        // The thread may be waiting for room in the channel.
        self.messages = None;
        if let Some(reader) = self.reader.take() {
            // It cannot panic on purpose; nothing is to be learned from the result.
            let _ = reader.join();
        }
    }
}

/// The reading thread's work.
struct Job {
    path: PathBuf,
    max_pixels: u64,
    looping: bool,
    shared: Arc<Shared>,
    sender: mpsc::SyncSender<Message>,
    pool: FramePool,
}

impl Job {
    fn run(&mut self) {
        let mut first: Option<Header> = None;
        while !self.shared.quit.load(Ordering::SeqCst) {
            let frames = match self.pass(&mut first) {
                Ok(frames) => frames,
                Err(error) => {
                    // Nobody listens when the clip was dropped: that is how it ends then.
                    let _ = self.sender.send(Message::Failed(error));
                    return;
                }
            };
            if frames == 0 || self.sender.send(Message::End).is_err() || !self.looping {
                return;
            }
        }
    }

    /// Plays the file once; returns how many pictures it had.
    fn pass(&mut self, first: &mut Option<Header>) -> Result<u64, SourceError> {
        let mut child = self.start()?;
        let output = child.stdout.take();
        let errors = child.stderr.take();
        *self.shared.child() = Some(child);
        if self.shared.quit.load(Ordering::SeqCst) {
            // The clip was dropped before it could see the child.
            self.shared.kill();
        }
        let said = std::thread::spawn(move || {
            let mut said = String::new();
            if let Some(errors) = errors {
                // The start is what matters; the rest is read so that the child never waits for us.
                let mut errors = errors;
                let _ = errors.by_ref().take(2000).read_to_string(&mut said);
                let _ = std::io::copy(&mut errors, &mut std::io::sink());
            }
            said
        });
        let result = match output {
            Some(output) => self.read(BufReader::with_capacity(1 << 16, output), first),
            None => Err(Trouble::Other(SourceError::Ended)),
        };
        self.shared.child().as_mut().map(Child::kill);
        let said = said.join().unwrap_or_default();
        if let Some(mut child) = self.shared.child().take() {
            let _ = child.wait();
        }
        let said = said.lines().next_back().map(str::trim).filter(|line| !line.is_empty()).map(String::from);
        match result {
            Ok(0) => Err(match said {
                Some(said) => SourceError::Ffmpeg { path: self.path.clone(), said },
                None => SourceError::Empty { path: self.path.clone() },
            }),
            Ok(frames) => Ok(frames),
            Err(Trouble::Output(frame, what)) => Err(match said {
                Some(said) => SourceError::Ffmpeg { path: self.path.clone(), said },
                None => SourceError::Corrupt { path: self.path.clone(), frame, what },
            }),
            Err(Trouble::Other(error)) => Err(error),
        }
    }

    fn start(&self) -> Result<Child, SourceError> {
        // Fewer pixels when there are more than asked for; even sides always; and colours of which we know the meaning.
        let scale = format!("min(1,sqrt({}/(iw*ih)))", self.max_pixels);
        let filter = format!(
            "scale=w='max(2,trunc(iw*{scale}/2)*2)':h='max(2,trunc(ih*{scale}/2)*2)':\
             out_color_matrix=bt709:out_range=limited,format=yuv420p"
        );
        // `file:` keeps names with a colon from being taken for an address on the network.
        let mut input = std::ffi::OsString::from("file:");
        input.push(&self.path);
        ffmpeg()
            .args(["-nostdin", "-v", "error", "-i"])
            .arg(input)
            .args(["-map", "0:v:0", "-vf", &filter, "-f", "yuv4mpegpipe", "-"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| match source.kind() {
                std::io::ErrorKind::NotFound => SourceError::NeedsFfmpeg { path: self.path.clone() },
                _ => SourceError::Ffmpeg { path: self.path.clone(), said: source.to_string() },
            })
    }

    fn read(&mut self, mut output: impl Read, first: &mut Option<Header>) -> Result<u64, Trouble> {
        let mut header = match Header::read(&mut output) {
            Ok(header) => header,
            Err(HeaderError::Io(error)) => return Err(Trouble::Output(0, error.to_string())),
            Err(HeaderError::Wrong(what) | HeaderError::Foreign(what)) => return Err(Trouble::Output(0, what)),
        };
        header.planar.color = ColorSpec { matrix: YuvMatrix::Bt709, range: YuvRange::Limited };
        check_size(&self.path, header.planar.extent).map_err(Trouble::Other)?;
        if first.as_ref() != Some(&header) {
            *first = Some(header.clone());
            if self.sender.send(Message::Header(header.clone())).is_err() {
                return Ok(1);
            }
        }
        let mut planes = vec![0; header.planar.file_bytes()];
        let shape = header.planar.shape();
        let mut frames = 0;
        while frame_line(&mut output).map_err(|what| Trouble::Output(frames, what))? {
            frame_planes(&mut output, &mut planes).map_err(|what| Trouble::Output(frames, what))?;
            let mut bytes = self.pool.take(shape.min_bytes());
            header.planar.convert(&planes, &mut bytes);
            frames += 1;
            if self.sender.send(Message::Picture(bytes)).is_err() {
                break;
            }
        }
        Ok(frames)
    }
}

enum Trouble {
    /// What came out of the pipe ended or is wrong, at this picture: the child has the reason.
    Output(u64, String),
    Other(SourceError),
}
