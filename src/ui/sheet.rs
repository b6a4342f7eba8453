//! Drawings that are kept: a [`Sheet`] is laid out some times a second and drawn with every picture in between, and
//! [`Letters`] keeps the text that was laid out before. So the overlay formats and lays out only figures that changed.
//!
//! Knows egui and nothing of what is drawn.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use egui::text::{LayoutJob, TextWrapping};
use egui::{Align, Color32, CornerRadius, FontId, Galley, Painter, Pos2, Rect, Shape, Stroke, pos2};

use super::style;

/// How text is set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Font {
    pub strong: bool,
    /// Points.
    pub size: f32,
}

impl Font {
    pub const fn words(size: f32) -> Self {
        Self { strong: false, size }
    }

    pub const fn strong(size: f32) -> Self {
        Self { strong: true, size }
    }

    fn id(self) -> FontId {
        if self.strong { style::strong(self.size) } else { style::words(self.size) }
    }
}

/// Text that was laid out, kept while it is in use.
#[derive(Debug, Default)]
pub struct Letters {
    kept: HashMap<u64, (Arc<Galley>, u64)>,
    /// Counts [`Self::begin`]s.
    turn: u64,
    pixels_per_point: f32,
    atlas_fill: f32,
}

impl Letters {
    /// After so many turns without use a text is forgotten.
    const KEEP_FOR: u64 = 64;

    /// To be called before each use in a picture. Returns false when everything that was laid out before must not be drawn
    /// any more: another scale factor, or a new font atlas.
    pub fn valid(&mut self, ctx: &egui::Context) -> bool {
        let (scale, fill) = (ctx.pixels_per_point(), ctx.fonts(|f| f.font_atlas_fill_ratio()));
        // The atlas only fills while glyphs are added; less in it means that it was made anew.
        let valid = scale == self.pixels_per_point && fill >= self.atlas_fill;
        if !valid {
            self.kept.clear();
        }
        (self.pixels_per_point, self.atlas_fill) = (scale, fill);
        valid
    }

    /// A sheet is laid out anew.
    fn begin(&mut self) {
        self.turn += 1;
        if self.turn.is_multiple_of(Self::KEEP_FOR) {
            let turn = self.turn;
            self.kept.retain(|_, (_, used)| turn - *used < Self::KEEP_FOR);
        }
    }

    fn galley(&mut self, painter: &Painter, what: &str, font: Font, width: f32, rows: usize) -> Arc<Galley> {
        let mut hasher = DefaultHasher::new();
        (what, font.strong, font.size.to_bits(), width.to_bits(), rows).hash(&mut hasher);
        let turn = self.turn;
        let (galley, used) = self.kept.entry(hasher.finish()).or_insert_with(|| {
            let mut job = LayoutJob::simple(what.to_owned(), font.id(), Color32::PLACEHOLDER, width);
            job.wrap = TextWrapping { max_width: width, max_rows: rows, break_anywhere: rows == 1, ..job.wrap };
            (painter.layout_job(job), turn)
        });
        *used = turn;
        galley.clone()
    }
}

/// Something on a sheet that explains itself when the pointer is on it.
#[derive(Clone, Copy, Debug)]
pub struct Zone {
    pub rect: Rect,
    pub hint: &'static str,
}

/// A drawing that is kept. See the module's text.
#[derive(Debug, Default)]
pub struct Sheet {
    shapes: Vec<Shape>,
    zones: Vec<Zone>,
}

impl Sheet {
    /// Starts the drawing over.
    pub fn pen<'a>(&'a mut self, painter: &'a Painter, letters: &'a mut Letters) -> Pen<'a> {
        self.shapes.clear();
        self.zones.clear();
        letters.begin();
        Pen { painter, sheet: self, letters }
    }

    pub fn clear(&mut self) {
        self.shapes.clear();
        self.zones.clear();
    }

    /// Puts the drawing into the picture.
    pub fn draw(&self, painter: &Painter) {
        painter.extend(self.shapes.iter().cloned());
    }

    /// What explains the figure at `at`; the last one drawn there, so that parts can explain themselves within a whole.
    pub fn hint(&self, at: Pos2) -> Option<&'static str> {
        self.zones.iter().rev().find(|z| z.rect.contains(at)).map(|z| z.hint)
    }
}

/// Draws on a sheet. Text is placed by its baseline, so that sizes can stand beside each other.
pub struct Pen<'a> {
    painter: &'a Painter,
    sheet: &'a mut Sheet,
    letters: &'a mut Letters,
}

impl Pen<'_> {
    /// One line; returns where it stands. `at` is on the baseline: its left end, middle or right end.
    pub fn put(&mut self, at: Pos2, align: Align, what: &str, font: Font, color: Color32) -> Rect {
        self.line(at, align, what, font, color, f32::INFINITY)
    }

    /// One line, cut with an ellipsis where it would be wider than `width`.
    pub fn line(&mut self, at: Pos2, align: Align, what: &str, font: Font, color: Color32, width: f32) -> Rect {
        let galley = self.letters.galley(self.painter, what, font, width, 1);
        self.set(at, align, galley, color)
    }

    /// Up to `rows` lines from `at`, the left end of the first baseline, broken between words; returns where they stand.
    pub fn paragraph(&mut self, at: Pos2, what: &str, font: Font, color: Color32, width: f32, rows: usize) -> Rect {
        let galley = self.letters.galley(self.painter, what, font, width, rows);
        self.set(at, Align::Min, galley, color)
    }

    fn set(&mut self, at: Pos2, align: Align, galley: Arc<Galley>, color: Color32) -> Rect {
        let size = galley.size();
        let baseline =
            galley.rows.first().map_or(size.y, |row| row.pos.y + row.glyphs.first().map_or(0.0, |g| g.pos.y));
        let left = match align {
            Align::Min => at.x,
            Align::Center => at.x - size.x / 2.0,
            Align::Max => at.x - size.x,
        };
        let pos = pos2(left, at.y - baseline);
        self.sheet.shapes.push(Shape::galley(pos, galley, color));
        Rect::from_min_size(pos, size)
    }

    /// Width of a line, in points.
    pub fn width(&mut self, what: &str, font: Font) -> f32 {
        self.letters.galley(self.painter, what, font, f32::INFINITY, 1).size().x
    }

    pub fn fill(&mut self, rect: Rect, radius: u8, color: Color32) {
        self.sheet.shapes.push(Shape::rect_filled(rect, CornerRadius::same(radius), color));
    }

    pub fn add(&mut self, shape: impl Into<Shape>) {
        self.sheet.shapes.push(shape.into());
    }

    pub fn rule(&mut self, left: f32, right: f32, y: f32, color: Color32) {
        self.add(Shape::hline(left..=right, y, Stroke::new(1.0, color)));
    }

    /// Where the next shape goes, to be filled in later with [`Self::replace`].
    pub fn reserve(&mut self) -> usize {
        self.sheet.shapes.push(Shape::Noop);
        self.sheet.shapes.len() - 1
    }

    pub fn replace(&mut self, place: usize, shape: Shape) {
        if let Some(old) = self.sheet.shapes.get_mut(place) {
            *old = shape;
        }
    }

    /// Says what `rect` shows when the pointer is on it.
    pub fn explain(&mut self, rect: Rect, hint: &'static str) {
        self.sheet.zones.push(Zone { rect, hint });
    }

    pub fn pixels_per_point(&self) -> f32 {
        self.painter.pixels_per_point()
    }
}
