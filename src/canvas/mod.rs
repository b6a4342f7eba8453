//! The canvas: what tells a network where strokes lie, even on a flat wall; and the relief: what the window shows of paint
//! and paper from close by.
//!
//! A [`Field`] is fixed noise at stroke scales, made from a seed alone ([`field`]): a pack stores the seed, and the training
//! makes the very same numbers. A network that takes a canvas is given the field's samples at half its picture's size
//! ([`crate::kernels::canvas`]). Knows numbers; not packs, engines or frames.

pub mod bristles;
pub mod field;
mod relief;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use field::{CHANNELS, Field, SIDE, Swirl};
pub use relief::{Relief, Tables};

use crate::units::Extent;

/// How a canvas is made, as plain numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Brush {
    /// What the field is made from.
    pub seed: u32,
    /// What the field's values are multiplied by; 0 is an empty canvas.
    pub strength: f32,
    /// How large strokes are; 1 is their size in the training.
    pub scale: f32,
}

impl Default for Brush {
    /// An empty canvas.
    fn default() -> Self {
        Self { seed: 0, strength: 0.0, scale: 1.0 }
    }
}

impl Brush {
    /// What a pack may say, and what a slider may reach.
    pub const STRENGTHS: std::ops::RangeInclusive<f32> = 0.0..=2.0;
    pub const SCALES: std::ops::RangeInclusive<f32> = 0.25..=8.0;

    /// The short side of a student, in pixels, from which strokes are as bold as they were learned.
    const BOLD_FROM: f32 = 288.0;

    /// The brush for a student of that size. Strokes are of a size in the student's pixels: the smaller the student, the
    /// more of a face one stroke covers, so they grow fainter with it.
    pub fn for_student(self, student: Extent) -> Self {
        let short = student.width.min(student.height) as f32;
        Self { strength: self.strength * (short / Self::BOLD_FROM).min(1.0), ..self }
    }

    /// A brush with its field, which is made now unless it is known. Takes up to half a second: call it aside.
    pub fn canvas(self) -> Canvas {
        Canvas { field: known(self.seed), brush: self }
    }
}

/// A brush and its field. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Canvas {
    pub field: Arc<Field>,
    pub brush: Brush,
}

impl PartialEq for Canvas {
    fn eq(&self, other: &Self) -> bool {
        // The seed says all there is to say of a field.
        self.brush == other.brush
    }
}

/// Fields that are kept: two megabytes each.
const KEPT: usize = 4;

/// The field of a seed, kept in memory from then on.
pub fn known(seed: u32) -> Arc<Field> {
    static FIELDS: Mutex<Vec<Arc<Field>>> = Mutex::new(Vec::new());
    // Held while a field is made, so that nobody makes it twice.
    let mut fields = FIELDS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(field) = fields.iter().find(|field| field.seed() == seed) {
        return field.clone();
    }
    if fields.len() == KEPT {
        fields.remove(0);
    }
    let field = Arc::new(Field::new(seed));
    fields.push(field.clone());
    field
}

/// The seed of the program's own packs.
const USUAL: u32 = 7;

/// Makes what nearly every effect needs, on a thread of its own: the field of the usual seed and the tables of reliefs. To be
/// called while a window opens.
pub fn prepare() {
    let made = std::thread::Builder::new().name("canvas".into()).spawn(|| {
        Tables::known();
        known(USUAL);
    });
    if let Err(error) = made {
        // Whoever needs them makes them.
        log::debug!("the canvas is not made beforehand: {error}");
    }
}

/// What an effect is painted on, and what is laid on its painting. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Surface {
    /// Of a network that takes one; `None` leaves an empty canvas empty.
    pub canvas: Option<Canvas>,
    /// How the canvas is, or would be: the relief's strokes follow it.
    pub brush: Brush,
    pub relief: Relief,
    /// Where the relief is not flat.
    pub tables: Option<Arc<Tables>>,
}

/// The surface that is painted with now, for whoever paints and for whoever changes it: one is prepared aside, and a switch
/// shows it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct SurfaceSlot(Arc<Mutex<Exchange>>);

#[derive(Debug, Default)]
struct Exchange {
    now: Surface,
    next: Option<Surface>,
}

impl SurfaceSlot {
    /// From now on `surface`.
    pub fn set(&self, surface: Surface) {
        *self.lock() = Exchange { now: surface, next: None };
    }

    /// What [`Self::switch`] will show.
    pub fn prepare(&self, surface: Surface) {
        self.lock().next = Some(surface);
    }

    /// Shows what was prepared, if anything was.
    pub fn switch(&self) {
        let mut exchange = self.lock();
        if let Some(next) = exchange.next.take() {
            exchange.now = next;
        }
    }

    /// What to paint with.
    pub fn now(&self) -> Surface {
        self.lock().now.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Exchange> {
        // Held for moments, and no code runs under it that could leave it half changed.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_students_are_given_fainter_strokes() {
        let brush = Brush { strength: 1.2, ..Brush::default() };
        let strength = |width, height| brush.for_student(Extent::new(width, height)).strength;
        assert_eq!((strength(512, 288), strength(768, 432), strength(288, 512)), (1.2, 1.2, 1.2));
        assert!((strength(192, 144) - 0.6).abs() < 1e-6);
        assert!(strength(208, 160) < strength(272, 208) && strength(272, 208) < strength(384, 288));
    }
}
