//! Every effect at once on what the camera sees, small, on a thread of its own: what the window's wall shows.
//!
//! One student per effect, all of one small size, on one thread of the processor: a picture of 160x112 takes a few milliseconds.
//! They take turns, a few with each frame; the one that is looked at comes with every turn. Between turns the thread rests as
//! long as it worked, unless a round would then take longer than [`ROUND`]. It takes frames only when it asks for one
//! ([`LiveWall::wants_frame`]) and gives pictures ([`LiveWall::take`]); nothing of the frame path waits for it.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Catalog;
use super::style_switch::ResolvedEffect;
use crate::effect::{Effect, Touch, Variant};
use crate::fault::Fault;
use crate::frame::{CameraFrame, FrameShape};
use crate::kernels::canvas::{canvas_extent, sample_canvas};
use crate::kernels::prepare::{Crop, Prepare};
use crate::mailbox::Latest;
use crate::metrics::WallCost;
use crate::nn::cpu::{CpuOptions, CpuStudent};
use crate::units::Extent;

/// Pixels of a small picture at most.
const PIXELS: u64 = 160 * 112;
/// Pictures that are painted from one frame.
const TURN: usize = 3;
/// Within this time every effect that is to be seen has a new picture, where the processor is fast enough.
const ROUND: Duration = Duration::from_millis(800);
/// How often to look up while no frame comes.
const IDLE: Duration = Duration::from_millis(200);

/// One effect's picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WallPicture {
    /// The effect's name.
    pub effect: String,
    pub extent: Extent,
    /// Red, green, blue, row by row from the top.
    pub rgb: Vec<u8>,
}

/// Handle to the thread. Dropping it ends the thread after the picture that it is at, without waiting for it.
pub struct LiveWall {
    shared: Arc<Shared>,
    /// Only looked at in tests: nobody waits for it.
    #[cfg_attr(not(test), expect(dead_code, reason = "its end matters to tests"))]
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    inbox: Latest<CameraFrame>,
    wants_frame: AtomicBool,
    turns: Mutex<Turns>,
    pictures: Mutex<Vec<WallPicture>>,
    cost: Mutex<WallCost>,
}

/// What is to be painted.
#[derive(Default)]
struct Turns {
    /// Names, in the order in which they take turns.
    visible: Vec<String>,
    /// Comes with every turn.
    first: Option<String>,
    /// Whose turn is next.
    next: usize,
    /// There are others than before.
    again: bool,
}

impl Turns {
    fn take(&mut self, count: usize) -> Vec<String> {
        let mut turn: Vec<String> = self.first.iter().cloned().collect();
        for _ in 0..self.visible.len() {
            if turn.len() >= count {
                break;
            }
            self.next %= self.visible.len();
            let name = &self.visible[self.next];
            if !turn.contains(name) {
                turn.push(name.clone());
            }
            self.next += 1;
        }
        turn
    }
}

impl Drop for LiveWall {
    fn drop(&mut self) {
        self.shared.inbox.close();
    }
}

impl LiveWall {
    /// `woken` is called on the thread after each turn.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn spawn(catalog: Arc<Catalog>, woken: impl Fn() + Send + 'static) -> Result<Self, Fault> {
        let shared = Arc::new(Shared { wants_frame: AtomicBool::new(true), ..Shared::default() });
        let worker = Worker { shared: shared.clone(), catalog, cells: BTreeMap::new(), prepare: None };
        let thread = std::thread::Builder::new().name("wall".into()).spawn(move || worker.run(&woken));
        let thread = thread.map_err(|e| {
            Fault::failed(format!("The thread of the wall could not be started: {e}"), "Close other programs")
        })?;
        Ok(Self { shared, thread })
    }

    /// These effects are to be seen, by their names; `first` is looked at.
    pub fn set_visible<'a>(&self, visible: impl Iterator<Item = &'a str>, first: Option<&str>) {
        let visible: Vec<String> = visible.map(str::to_owned).collect();
        let mut turns = lock(&self.shared.turns);
        // Where a picture stands still, those that came into sight are painted from it too.
        turns.again |= turns.visible != visible;
        turns.visible = visible;
        turns.first = first.map(str::to_owned);
    }

    /// Whether a frame should be offered now.
    pub fn wants_frame(&self) -> bool {
        self.shared.wants_frame.load(Ordering::Acquire)
    }

    /// A frame to paint from. Never waits.
    pub fn offer(&self, frame: CameraFrame) {
        self.shared.wants_frame.store(false, Ordering::Release);
        self.shared.inbox.put(frame);
    }

    /// The pictures that were painted since the last call, oldest first.
    pub fn take(&self) -> Vec<WallPicture> {
        std::mem::take(&mut *lock(&self.shared.pictures))
    }

    pub fn cost(&self) -> WallCost {
        *lock(&self.shared.cost)
    }
}

/// The thread's end.
struct Worker {
    shared: Arc<Shared>,
    catalog: Arc<Catalog>,
    /// By the effect's name; `None` for one that cannot be painted so.
    cells: BTreeMap<String, Option<Cell>>,
    prepare: Option<Prepare>,
}

struct Cell {
    student: CpuStudent,
    painted: Option<Instant>,
}

impl Worker {
    fn run(mut self, woken: &impl Fn()) {
        let mut load = Load::default();
        let (mut last, mut painted_from_it) = (None::<CameraFrame>, 0);
        while !self.shared.inbox.is_closed() {
            match self.shared.inbox.wait(IDLE) {
                Some(frame) => (last, painted_from_it) = (Some(frame), 0),
                None if self.shared.inbox.is_closed() => return,
                None => {}
            }
            let began = Instant::now();
            let turn = {
                let mut turns = lock(&self.shared.turns);
                if std::mem::take(&mut turns.again) {
                    painted_from_it = 0;
                }
                // A picture that stands still is painted once in every effect.
                if painted_from_it > turns.visible.len() + TURN { Vec::new() } else { turns.take(TURN) }
            };
            let Some(frame) = last.as_ref().filter(|_| !turn.is_empty()) else { continue };
            painted_from_it += turn.len();
            let mut age = Duration::ZERO;
            let mut painted = 0;
            for name in &turn {
                if self.shared.inbox.is_closed() {
                    return;
                }
                if let Some((picture, since)) = self.paint(name, frame) {
                    age = age.max(since.unwrap_or_default());
                    painted += 1;
                    lock(&self.shared.pictures).push(picture);
                }
            }
            woken();
            let worked = began.elapsed();
            let seen = lock(&self.shared.turns).visible.len();
            let rest = rest(worked, turn.len(), seen);
            *lock(&self.shared.cost) = load.note(worked, rest, painted, age);
            // A wall that is closed meanwhile is noticed when it takes the next frame.
            std::thread::sleep(rest);
            self.shared.wants_frame.store(true, Ordering::Release);
        }
    }

    /// The picture, and how long ago the effect had its last one. `None` where it cannot be painted.
    fn paint(&mut self, name: &str, frame: &CameraFrame) -> Option<(WallPicture, Option<Duration>)> {
        if self.prepare.as_ref().is_none_or(|p| p.shape() != frame.shape()) {
            // Other sizes: everything is made for one.
            self.cells.clear();
            self.prepare = None;
        }
        if !self.cells.contains_key(name) {
            let cell = self.cell(name, frame.shape());
            if let Err(fault) = &cell {
                log::info!("{name} has no live picture on the wall: {fault}");
            }
            self.cells.insert(name.to_owned(), cell.ok());
        }
        let cell = self.cells.get_mut(name)?.as_mut()?;
        let extent = cell.student.extent();
        if self.prepare.as_ref().is_none_or(|p| p.extent() != extent) {
            let crop = Crop::fitting(frame.shape().extent, extent);
            self.prepare = Some(Prepare::new(frame.shape(), crop, extent));
        }
        self.prepare.as_mut()?.run(frame, cell.student.image_mut());
        let planes = cell.student.paint().ok()?;
        let pixels = extent.pixels() as usize;
        let byte = |value: f32| (value.clamp(0.0, 1.0) * 255.0).round() as u8;
        let rgb = (0..pixels).flat_map(|i| [planes[i], planes[pixels + i], planes[2 * pixels + i]].map(byte)).collect();
        let since = cell.painted.replace(Instant::now()).map(|at| at.elapsed());
        Some((WallPicture { effect: name.to_owned(), extent, rgb }, since))
    }

    fn cell(&self, name: &str, shape: FrameShape) -> Result<Cell, Fault> {
        let effect: Effect = self.catalog.found().gallery.find(name)?;
        let variant = effect.variant(None)?.clone();
        let small = Variant { pixel_budget: variant.pixel_budget.min(PIXELS), ..variant };
        let extent = small.extent_for(shape.extent);
        let graph = self.catalog.graph(&small)?;
        let resolved = ResolvedEffect::plain(effect);
        let folded = resolved.fold(&graph, &small)?;
        let mut student = CpuStudent::new(&folded, extent, CpuOptions::threads(NonZeroUsize::MIN))
            .map_err(|e| Fault::failed(e.to_string(), ""))?;
        let plane = (canvas_extent(extent).pixels() as usize).max(1);
        let channels = student.canvas_mut().len() / plane;
        if let Some(canvas) = resolved.canvas(channels, Touch::default(), extent) {
            // The strokes of so small a picture rest.
            sample_canvas(&canvas.field, &canvas.brush, extent, None, student.canvas_mut());
        }
        Ok(Cell { student, painted: None })
    }
}

/// How long to rest after a turn that took `worked`, so that the frame path has the processor at least half of the time, unless
/// `seen` pictures, `turn` at a time, would take longer than [`ROUND`] then.
fn rest(worked: Duration, turn: usize, seen: usize) -> Duration {
    let turns = seen.div_ceil(turn.max(1)).max(1) as u32;
    let left = (ROUND / turns).saturating_sub(worked);
    // With time to spare there is no need for many pictures a second.
    worked.max(Duration::from_millis(12)).min(left)
}

/// Averages over the last second or so.
#[derive(Debug, Default)]
struct Load {
    cost: WallCost,
}

impl Load {
    fn note(&mut self, worked: Duration, rest: Duration, painted: usize, age: Duration) -> WallCost {
        let whole = (worked + rest).as_secs_f32().max(1e-6);
        // Weighs by time: a second counts as much as all before it.
        let weight = whole.min(1.0);
        let mix = |old: f32, new: f32| if old == 0.0 { new } else { old + (new - old) * weight };
        let cost = &mut self.cost;
        cost.load = mix(cost.load, worked.as_secs_f32() / whole);
        if painted > 0 {
            cost.picture_ms = mix(cost.picture_ms, worked.as_secs_f32() * 1e3 / painted as f32);
        }
        cost.age_ms = mix(cost.age_ms, age.as_secs_f32() * 1e3).max(age.as_secs_f32() * 1e3 * 0.5);
        self.cost
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Under these locks values are only replaced, pushed and taken.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameBytes, PixelFormat};
    use crate::units::{CaptureClock, FrameId, FrameStamp};

    #[test]
    fn everybody_has_a_turn_and_the_first_has_every_one() {
        let names = ["a", "b", "c", "d", "e"].map(str::to_owned);
        let mut turns = Turns { visible: names.to_vec(), first: Some("d".to_owned()), ..Turns::default() };
        assert_eq!(turns.take(3), ["d", "a", "b"]);
        assert_eq!(turns.take(3), ["d", "c", "e"]);
        assert_eq!(turns.take(3), ["d", "a", "b"]);
        turns.visible.truncate(1);
        turns.first = None;
        assert_eq!(turns.take(3), ["a"], "nobody twice");
        turns.visible.clear();
        assert!(turns.take(3).is_empty());
    }

    #[test]
    fn the_thread_rests_as_long_as_it_works_if_there_is_time() {
        let ms = Duration::from_millis;
        assert_eq!(rest(ms(20), 3, 21), ms(20));
        assert_eq!(rest(ms(2), 3, 21), ms(12), "not more often than can be seen");
        assert_eq!(rest(ms(80), 3, 21), ROUND / 7 - ms(80), "a round is to be done in time");
        assert_eq!(rest(ms(500), 3, 21), ms(0));
    }

    #[test]
    fn every_effect_has_a_picture_of_the_frame_and_they_differ() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let catalog = Catalog::new(vec![folder]);
        let names: Vec<String> = catalog.found().gallery.effects().iter().map(|e| e.name.clone()).collect();
        let (woken, wakes) = std::sync::mpsc::channel();
        let wall = LiveWall::spawn(catalog, move || {
            let _ = woken.send(());
        })
        .unwrap();
        wall.set_visible(names.iter().map(String::as_str), None);
        let shape = FrameShape::packed(PixelFormat::Rgb8, Extent::new(640, 360));
        let frame = || {
            let bytes: Vec<u8> =
                (0..360).flat_map(|y| (0..640).flat_map(move |x| [(x / 3) as u8, (y * 2 / 3) as u8, 90])).collect();
            let stamp = FrameStamp { id: FrameId(0), captured: Instant::now(), clock: CaptureClock::Schedule };
            CameraFrame::new(shape, stamp, FrameBytes::from(bytes)).unwrap()
        };
        let mut pictures = BTreeMap::new();
        while pictures.len() < names.len() {
            if wall.wants_frame() {
                wall.offer(frame());
            }
            // A thread that ended would never wake us again.
            let _ = wakes.recv_timeout(Duration::from_millis(20));
            assert!(!wall.thread.is_finished());
            for picture in wall.take() {
                assert_eq!((picture.extent, picture.rgb.len()), (Extent::new(176, 96), 176 * 96 * 3));
                pictures.insert(picture.effect, picture.rgb);
            }
        }
        let different: std::collections::BTreeSet<_> = pictures.values().collect();
        assert_eq!(different.len(), names.len());
        assert!(wall.cost().picture_ms > 0.0 && wall.cost().load > 0.0);
    }
}
