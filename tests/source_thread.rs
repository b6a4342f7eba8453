//! The source's thread: newest frame wins, faults are told once and taken back, ends are prompt, nothing is allocated twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use impasto::frame::{CameraFrame, FramePool, FrameShape, PixelFormat};
use impasto::source::{
    Clip, ClipInfo, Losses, Opened, Paced, Pacing, Picture, Source, SourceError, SourceEvent, SourceInfo, SourceKind,
    SourceSpec, SourceThread, SourceWish,
};
use impasto::units::{CaptureClock, Extent, FrameId, FrameStamp};

const HANGS_AFTER: Duration = Duration::from_secs(30);

fn info() -> SourceInfo {
    SourceInfo {
        kind: SourceKind::Camera,
        name: "scripted".into(),
        detail: "a script".into(),
        shape: FrameShape::packed(PixelFormat::Gray8, Extent::new(3, 2)),
        interval: Duration::from_millis(1),
        clock: CaptureClock::Dequeue,
        camera: None,
        timeline: None,
    }
}

/// What a scripted source does when it is asked.
#[derive(Clone, Copy)]
enum Step {
    Frames(u64),
    Damaged,
    Gone,
    Stall,
    Panic,
    End,
}

/// A source that follows a script, and then ends.
struct Scripted {
    info: SourceInfo,
    script: std::iter::Copied<std::slice::Iter<'static, Step>>,
    frames_left: u64,
    made: u64,
    wish: SourceWish,
}

impl Scripted {
    fn opened(script: &'static [Step], wish: &SourceWish) -> Opened {
        let script = script.iter().copied();
        let source = Self { info: info(), script, frames_left: 0, made: 0, wish: wish.clone() };
        Opened { source: Box::new(source), notice: None }
    }
}

impl Source for Scripted {
    fn info(&self) -> &SourceInfo {
        &self.info
    }

    fn next(&mut self, pool: &FramePool) -> Result<CameraFrame, SourceError> {
        while self.frames_left == 0 {
            match self.script.next().unwrap_or(Step::End) {
                Step::Frames(count) => self.frames_left = count,
                Step::Damaged => return Err(SourceError::Damaged { name: "scripted".into() }),
                Step::Gone => return Err(SourceError::Gone { name: "scripted".into() }),
                Step::Panic => panic!("the script says so"),
                Step::Stall => {
                    assert!(self.wish.clock.sleep_until(Instant::now() + HANGS_AFTER, &self.wish.stop));
                    return Err(SourceError::Stopped);
                }
                Step::End => return Err(SourceError::Ended),
            }
        }
        self.frames_left -= 1;
        let stamp = FrameStamp { id: self.wish.ids.give(), captured: Instant::now(), clock: self.info.clock };
        self.made += 1;
        Ok(CameraFrame::new(self.info.shape, stamp, pool.take(6)).unwrap())
    }

    fn losses(&self) -> Losses {
        Losses { lost: self.made, ..Losses::default() }
    }
}

/// Runs scripts, one for each opening, until the source has ended; returns the thread and all it said.
fn run(scripts: &'static [&'static [Step]]) -> (SourceThread, Vec<SourceEvent>) {
    let mut scripts = scripts.iter();
    let open = move |wish: &SourceWish| Ok(Scripted::opened(scripts.next().unwrap_or(&[].as_slice()), wish));
    let thread = SourceThread::spawn_with(open, SourceWish::default(), || {});
    let mut events = Vec::new();
    let until = Instant::now() + HANGS_AFTER;
    while !thread.latest().is_closed() {
        assert!(Instant::now() < until, "still running: {events:?}");
        std::thread::sleep(Duration::from_millis(2));
        events.extend(thread.events());
    }
    events.extend(thread.events());
    (thread, events)
}

fn told(events: &[SourceEvent]) -> Vec<String> {
    let short = |event: &SourceEvent| match event {
        SourceEvent::Opened(_) => "opened".into(),
        SourceEvent::Fault(fault) => fault.what.clone(),
        SourceEvent::Recovered => "recovered".into(),
        SourceEvent::Ended => "ended".into(),
    };
    events.iter().map(short).collect()
}

#[test]
fn the_newest_frame_is_kept_and_the_others_are_counted() {
    let (thread, events) = run(&[&[Step::Frames(1000)]]);
    assert_eq!(told(&events), ["opened", "ended"]);
    assert_eq!(thread.captured(), 1000);
    assert_eq!(thread.latest().take().unwrap().stamp().id, FrameId(999));
    assert_eq!((thread.latest().counts().put, thread.latest().counts().dropped), (1000, 999));
    // One is in the mailbox while the next is being made.
    assert_eq!(thread.pool().allocations(), 2);
}

#[test]
fn ids_go_on_when_the_source_is_reopened() {
    let (thread, events) = run(&[&[Step::Frames(3), Step::Gone], &[Step::Gone], &[Step::Frames(2)]]);
    let gone = "The camera scripted is gone";
    assert_eq!(told(&events), ["opened", gone, "opened", "opened", "recovered", "ended"]);
    assert_eq!(thread.latest().take().unwrap().stamp().id, FrameId(4));
    assert_eq!(thread.losses().lost, 5);
}

#[test]
fn damage_is_told_once_and_does_not_close_the_source() {
    let (thread, events) = run(&[&[Step::Frames(2), Step::Damaged, Step::Frames(1), Step::Damaged, Step::Frames(3)]]);
    assert_eq!(told(&events), ["opened", "The camera scripted sends damaged frames", "ended"]);
    assert_eq!(thread.captured(), 6);
}

#[test]
fn a_panic_inside_a_source_is_a_fault() {
    let (thread, events) = run(&[&[Step::Frames(1), Step::Panic], &[Step::Frames(1)]]);
    let failed = "The source scripted failed inside: the script says so";
    assert_eq!(told(&events), ["opened", failed, "opened", "recovered", "ended"]);
    assert_eq!(thread.captured(), 2);
}

#[test]
fn what_cannot_be_opened_is_told_and_tried_again() {
    let mut attempts = 0;
    let open = move |wish: &SourceWish| {
        attempts += 1;
        match attempts {
            1 | 2 => Err(SourceError::Busy { name: "scripted".into() }),
            3 => Err(SourceError::NoCamera),
            _ => Ok(Scripted::opened(&[Step::Frames(1), Step::Stall], wish)),
        }
    };
    let thread = SourceThread::spawn_with(open, SourceWish::default(), || {});
    thread.latest().wait(HANGS_AFTER).unwrap();
    let until = Instant::now() + HANGS_AFTER;
    let mut events = Vec::new();
    while events.last() != Some(&SourceEvent::Recovered) && Instant::now() < until {
        events.extend(thread.events());
    }
    let busy = "The camera scripted is in use by another program";
    assert_eq!(told(&events), [busy, "No camera was found", "opened", "recovered"]);
}

#[test]
fn dropping_ends_a_stalled_source() {
    let woken = Arc::new(AtomicU64::new(0));
    let waker = {
        let woken = woken.clone();
        move || {
            woken.fetch_add(1, Ordering::Relaxed);
        }
    };
    let open = |wish: &SourceWish| Ok(Scripted::opened(&[Step::Frames(1), Step::Stall], wish));
    let thread = SourceThread::spawn_with(open, SourceWish::default(), waker);
    thread.latest().wait(HANGS_AFTER).unwrap();
    // The script itself checks that it was stopped rather than timed out.
    drop(thread);
    assert!(woken.load(Ordering::Relaxed) >= 2);
}

#[test]
fn what_is_no_use_ends_with_its_reason() {
    let thread = SourceThread::spawn(SourceSpec::File("/nothing/here.png".into()), SourceWish::default(), || {});
    assert!(thread.latest().wait(HANGS_AFTER).is_none());
    let events: Vec<_> = thread.events().collect();
    assert!(matches!(&events[..], [SourceEvent::Fault(_), SourceEvent::Ended]), "{events:?}");
}

#[test]
fn the_demo_scene_runs_by_its_clock_from_the_same_buffers() {
    let wish = SourceWish { max_extent: Some(Extent::new(64, 48)), ..SourceWish::default() };
    let thread = SourceThread::spawn(SourceSpec::Demo, wish, || {});
    let mut last: Option<FrameStamp> = None;
    for _ in 0..20 {
        let stamp = thread.latest().wait(HANGS_AFTER).unwrap().stamp();
        assert!(stamp.captured <= Instant::now(), "a frame came before it was due");
        assert!(last.is_none_or(|last| last.captured < stamp.captured && last.id < stamp.id));
        last = Some(stamp);
    }
    assert!(thread.pool().allocations() <= 3);
}

/// A clip of numbered pictures, 1 ms each, in which a chosen one is slow to read.
struct Numbered {
    info: ClipInfo,
    next: u8,
    count: u8,
    slow: u8,
}

impl Numbered {
    fn new(count: u8, slow: u8) -> Self {
        Self { info: ClipInfo { source: info(), path: None }, next: 0, count, slow }
    }
}

impl Clip for Numbered {
    fn info(&self) -> &ClipInfo {
        &self.info
    }

    fn read(&mut self, pool: &FramePool) -> Result<Option<Picture>, SourceError> {
        if self.next == self.count {
            return Ok(None);
        }
        if self.next == self.slow {
            std::thread::sleep(Duration::from_millis(30));
        }
        let mut bytes = pool.take(6);
        bytes.fill(self.next);
        self.next += 1;
        Ok(Some(Picture { shape: self.info.source.shape, bytes, shown_for: self.info.source.interval }))
    }

    fn skip(&mut self) -> Result<Option<Duration>, SourceError> {
        if self.next == self.count {
            return Ok(None);
        }
        self.next += 1;
        Ok(Some(self.info.source.interval))
    }

    fn rewind(&mut self) -> Result<(), SourceError> {
        self.next = 0;
        Ok(())
    }
}

#[test]
fn what_is_late_is_passed_over_and_counted() {
    let mut source = Paced::new(Numbered::new(200, 10), &SourceWish { looping: false, ..SourceWish::default() });
    let pool = FramePool::default();
    let mut numbers = Vec::new();
    let mut stamps = Vec::new();
    loop {
        match source.next(&pool) {
            Ok(frame) => {
                numbers.push(u64::from(frame.bytes()[0]));
                stamps.push(frame.stamp());
            }
            Err(SourceError::Ended) => break,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(source.losses().skipped > 0);
    assert_eq!(numbers.len() as u64 + source.losses().skipped, 200);
    assert!(numbers.is_sorted_by(|a, b| a < b));
    assert!(stamps.iter().map(|stamp| stamp.id.0).eq(0..stamps.len() as u64));
    // Each is stamped with the moment it was due.
    for (number, stamp) in numbers.iter().zip(&stamps) {
        assert!(stamp.captured >= stamps[0].captured + Duration::from_millis(*number));
    }
}

#[test]
fn offline_nothing_is_passed_over() {
    let wish = SourceWish { pacing: Pacing::Offline, looping: false, ..SourceWish::default() };
    let mut source = Paced::new(Numbered::new(50, 10), &wish);
    let pool = FramePool::default();
    for number in 0..50 {
        assert_eq!(source.next(&pool).unwrap().bytes()[0], number);
    }
    assert!(matches!(source.next(&pool), Err(SourceError::Ended)));
    assert_eq!(source.losses(), Losses::default());
}

#[test]
fn a_clip_without_pictures_is_an_error_not_a_loop() {
    let mut source = Paced::new(Numbered::new(0, 0), &SourceWish::default());
    assert!(matches!(source.next(&FramePool::default()), Err(SourceError::Empty { .. })));
}
