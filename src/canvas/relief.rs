//! Relief: what paint, paper and the press do to a picture seen from close by. How much of each, as plain numbers.

use std::ops::RangeInclusive;
use std::sync::{Arc, OnceLock};

use super::bristles::{Bristles, Paper};

/// How a painting's surface is made, of an effect. All amounts are 0 where nothing is to be seen of them.
#[derive(Clone, Copy, Debug, PartialEq, serde::Deserialize)]
#[serde(default)]
pub struct Relief {
    /// How strongly light from one side shows the ridges of paint.
    pub thickness: f32,
    /// How much wet paint shines.
    pub gloss: f32,
    /// How much bristles vary the tone of paint.
    pub pigment: f32,
    /// How far strokes drag colours over edges.
    pub drag: f32,
    /// How wide strokes are: 1 is ridges 1/53 of the picture's height apart.
    pub width: f32,
    /// How long strokes are: from 1 to 2 times.
    pub length: f32,
    /// How much strokes swirl where the painting has no direction; 0 is one direction for all.
    pub swirl: f32,
    /// Grain of watercolour paper, and pigment that gathers in it.
    pub paper: f32,
    /// Dark rims where watercolour dries.
    pub rim: f32,
    /// Tooth of drawing paper, which a pencil or a dry brush does not fill.
    pub tooth: f32,
    /// A printing press: plates that miss one another, ink that does not cover.
    pub press: f32,
    /// Ripples of old glass.
    pub ripple: f32,
}

impl Default for Relief {
    /// Nothing is to be seen.
    fn default() -> Self {
        Self {
            thickness: 0.0,
            gloss: 0.0,
            pigment: 0.0,
            drag: 0.0,
            width: 1.0,
            length: 1.0,
            swirl: 1.0,
            paper: 0.0,
            rim: 0.0,
            tooth: 0.0,
            press: 0.0,
            ripple: 0.0,
        }
    }
}

/// Numbers of a [`Relief`].
const PARTS: usize = 12;

impl Relief {
    const AMOUNTS: RangeInclusive<f32> = 0.0..=2.0;

    /// Every number with its name and range.
    pub fn parts(&self) -> [(&'static str, f32, RangeInclusive<f32>); PARTS] {
        let amount = |name, value| (name, value, Self::AMOUNTS);
        [
            amount("thickness", self.thickness),
            amount("gloss", self.gloss),
            amount("pigment", self.pigment),
            amount("drag", self.drag),
            ("width", self.width, 0.25..=8.0),
            ("length", self.length, 1.0..=2.0),
            amount("swirl", self.swirl),
            amount("paper", self.paper),
            amount("rim", self.rim),
            amount("tooth", self.tooth),
            amount("press", self.press),
            amount("ripple", self.ripple),
        ]
    }

    fn map(self, other: Self, each: impl Fn(f32, f32) -> f32) -> Self {
        Self {
            thickness: each(self.thickness, other.thickness),
            gloss: each(self.gloss, other.gloss),
            pigment: each(self.pigment, other.pigment),
            drag: each(self.drag, other.drag),
            width: each(self.width, other.width),
            length: each(self.length, other.length),
            swirl: each(self.swirl, other.swirl),
            paper: each(self.paper, other.paper),
            rim: each(self.rim, other.rim),
            tooth: each(self.tooth, other.tooth),
            press: each(self.press, other.press),
            ripple: each(self.ripple, other.ripple),
        }
    }

    /// Between two effects.
    pub fn between(self, other: Self, share: f32) -> Self {
        self.map(other, |a, b| a + (b - a) * share)
    }

    /// As people turn it: all amounts by one factor, the width of strokes by another.
    pub fn turned(self, amount: f32, width: f32) -> Self {
        let Self { width: own, length, swirl, .. } = self;
        Self { width: (own * width).clamp(0.25, 8.0), length, swirl, ..self.map(self, |a, _| a * amount) }
    }

    /// Whether nothing of it is to be seen.
    pub fn is_flat(&self) -> bool {
        let Self { thickness, gloss, pigment, drag, paper, rim, tooth, press, ripple, .. } = *self;
        [thickness, gloss, pigment, drag, paper, rim, tooth, press, ripple].iter().all(|amount| *amount <= 0.0)
    }

    /// Whether brush strokes are to be seen, rather than only what they lie on.
    pub fn has_strokes(&self) -> bool {
        self.thickness > 0.0 || self.gloss > 0.0 || self.pigment > 0.0 || self.drag > 0.0
    }
}

/// What reliefs are made from, the same for all of them.
#[derive(Debug)]
pub struct Tables {
    pub bristles: Bristles,
    /// The same at half the size each way: means of two by two texels.
    pub half_bristles: Vec<[i8; 4]>,
    pub paper: Paper,
}

impl Tables {
    /// Made once, which takes half a second: call it aside first.
    pub fn known() -> Arc<Self> {
        static TABLES: OnceLock<Arc<Tables>> = OnceLock::new();
        let make = || {
            let bristles = Bristles::new(SEED);
            Arc::new(Self { half_bristles: bristles.halved(), bristles, paper: Paper::new(SEED) })
        };
        TABLES.get_or_init(make).clone()
    }
}

/// Of the tables. Another hand looks them up elsewhere.
const SEED: u32 = 7;
