//! A student through ONNX Runtime whose style changes between two pictures.
//!
//! A network with its style folded in is the fastest (measured on one core: 7.5 ms against 10.5 for S, 33 against 52 for
//! M), and takes some tens of milliseconds to prepare. The same network with the style's row as an input takes any style at
//! once. So both are kept: whoever picks another style, or drags between two, sees it in the next picture from the second,
//! and when the style has stayed for a while the first is made anew and takes over again.
//!
//! Knows rows and pictures; not why a style changes, nor on which threads its two ends are.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::ort::OrtStudent;
use super::style::StyleRow;
use crate::fault::Fault;
use crate::roundtrip::Painter;
use crate::units::Extent;

/// What was sent and not picked up yet.
#[derive(Debug, Default)]
struct News {
    row: Option<StyleRow>,
    by_row: Option<OrtStudent>,
    folded: Option<OrtStudent>,
    /// Replaced, to be dropped by the sender: that takes time which a picture does not have.
    used: Option<OrtStudent>,
}

/// The painting end.
#[derive(Debug)]
pub struct StyledStudent {
    folded: OrtStudent,
    by_row: Option<OrtStudent>,
    /// Whether the style of now is in `by_row` alone.
    live: bool,
    news: Arc<Mutex<News>>,
}

/// The sending end, for another thread. Cheap to clone.
#[derive(Clone, Debug)]
pub struct StyleSender {
    news: Arc<Mutex<News>>,
}

impl StyledStudent {
    /// Begins with a network whose style is folded in.
    pub fn new(folded: OrtStudent) -> (Self, StyleSender) {
        let news = Arc::new(Mutex::new(News::default()));
        (Self { folded, by_row: None, live: false, news: news.clone() }, StyleSender { news })
    }

    /// Takes what was sent. Never waits for more than the other end's copying of a pointer.
    fn pick_up(&mut self) {
        let mut news = lock(&self.news);
        if let Some(by_row) = news.by_row.take() {
            self.by_row = Some(by_row);
        }
        if let Some(folded) = news.folded.take() {
            news.used = Some(std::mem::replace(&mut self.folded, folded));
            self.live = false;
        }
        if let Some(row) = news.row.take()
            && let Some(by_row) = &mut self.by_row
        {
            // Rows of another length are not sent: the sender checked them against the network.
            self.live = by_row.set_style(&row).is_ok();
        }
    }

    fn student(&mut self) -> &mut OrtStudent {
        match &mut self.by_row {
            Some(by_row) if self.live => by_row,
            _ => &mut self.folded,
        }
    }
}

impl Painter for StyledStudent {
    fn extent(&self) -> Extent {
        self.folded.extent()
    }

    /// Also where a new style is taken up: once for each picture, before it.
    fn image_mut(&mut self) -> &mut [f32] {
        self.pick_up();
        self.student().image_mut()
    }

    fn canvas_mut(&mut self) -> &mut [f32] {
        self.student().canvas_mut()
    }

    fn paint(&mut self) -> Result<&[f32], Fault> {
        self.student().paint()
    }
}

impl StyleSender {
    /// Hands over the network with the style's row as its input: from now on [`Self::send_row`] has an effect.
    pub fn send_by_row(&self, student: OrtStudent) {
        lock(&self.news).by_row = Some(student);
    }

    /// The next picture has this style.
    pub fn send_row(&self, row: StyleRow) {
        let mut news = lock(&self.news);
        // What was folded for an older style would undo this one.
        let stale = news.folded.take();
        news.row = Some(row);
        drop(news);
        drop(stale);
    }

    /// The same style folded in, which is faster: takes the place of the row that was sent last.
    pub fn send_folded(&self, student: OrtStudent) {
        let mut news = lock(&self.news);
        news.row = None;
        news.folded = Some(student);
    }

    /// Drops what the painting end has put away.
    pub fn tidy(&self) {
        let used = lock(&self.news).used.take();
        drop(used);
    }
}

fn lock(news: &Mutex<News>) -> MutexGuard<'_, News> {
    // No code runs under this lock that could leave the data half changed.
    news.lock().unwrap_or_else(PoisonError::into_inner)
}
