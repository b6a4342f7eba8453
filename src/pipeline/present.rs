//! How the picture is shown: what the user chose, and where it lies on a target.

use crate::canvas::Relief;
use crate::effect::Touch;
use crate::kernels::picture::View;
use crate::kernels::prepare::Crop;
use crate::kernels::relief::ReliefLook;
use crate::units::Extent;

/// How a picture of another aspect ratio meets its target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// All of the picture, bars beside it.
    #[default]
    Contain,
    /// All of the target, the picture cut.
    Cover,
}

/// What the user chose about how the painted picture is shown.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Look {
    /// How much of the painting shows, 0..=1.
    pub strength: f32,
    /// Left and right swapped, as in a mirror.
    pub mirror: bool,
    /// Where the before/after line stands, 0..=1 from the left of the picture as it is shown; painted right of it.
    pub split: Option<f32>,
    /// Share of the previous painting where nothing moves, 0..=1: steadier the higher. From the next frame on.
    pub blend: f32,
    /// How thick the effect's relief of paint or paper is, by factors of what the effect says; 0 is none.
    pub thickness: f32,
    /// How wide its strokes are, likewise.
    pub brush: f32,
    /// Strokes lie elsewhere for each.
    pub hand: u32,
    pub fit: Fit,
}

impl Look {
    /// With the paint as the user wants it.
    pub fn touched(self, touch: Touch) -> Self {
        Self { thickness: touch.thickness, brush: touch.brush, hand: touch.hand, ..self }
    }
}

impl Default for Look {
    fn default() -> Self {
        Self {
            strength: 1.0,
            mirror: false,
            split: None,
            blend: 0.5,
            thickness: 1.0,
            brush: 1.0,
            hand: 0,
            fit: Fit::Contain,
        }
    }
}

/// Where the picture lies on a target, in the target's pixels. Reaches beyond the target when it covers it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    pub left: f32,
    pub top: f32,
    pub width: f32,
    pub height: f32,
}

impl Placement {
    /// Centred, as large as `fit` allows, sides and corners on whole pixels.
    pub fn of(picture_aspect: f32, target: Extent, fit: Fit) -> Self {
        let (width, height) = (target.width as f32, target.height as f32);
        let wider = picture_aspect > target.aspect();
        let fill_width = match fit {
            Fit::Contain => wider,
            Fit::Cover => !wider,
        };
        let (w, h) = if fill_width {
            (width, (width / picture_aspect).round().max(1.0))
        } else {
            ((height * picture_aspect).round().max(1.0), height)
        };
        Self { left: ((width - w) / 2.0).floor(), top: ((height - h) / 2.0).floor(), width: w, height: h }
    }

    /// Where along the picture's width the target column `x_px` lies, 0..=1: what dragging the split line needs.
    pub fn share_of_column(&self, x_px: f32) -> f32 {
        ((x_px - self.left) / self.width).clamp(0.0, 1.0)
    }
}

/// Mirrors `PictureLayout` in `shaders/present/picture.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct PictureLayout {
    pub scale: [f32; 2],
    pub shift: [f32; 2],
    pub crop_scale: [f32; 2],
    pub crop_shift: [f32; 2],
    pub bristles_scale: [f32; 2],
    pub paper_scale: [f32; 2],
    pub hand: [f32; 2],
    pub drift_scale: [f32; 2],
    pub strength: f32,
    pub split_px: f32,
    pub parts: u32,
    pub thickness: f32,
    pub gloss: f32,
    pub pigment: f32,
    pub drag: f32,
    pub length: f32,
    pub paper: f32,
    pub rim: f32,
    pub tooth: f32,
    pub press: f32,
    pub ripple: f32,
    pub _pad: u32,
}

impl PictureLayout {
    /// `split_px` where there is no line: left of every column.
    const NO_LINE: f32 = -1e6;

    /// The same, with nothing painted.
    pub fn without_painting(self) -> Self {
        Self { strength: 0.0, split_px: Self::NO_LINE, parts: 0, ..self }
    }

    /// A picture that fills the target as it is, pixel for pixel.
    pub fn one_to_one(target: Extent) -> Self {
        Self {
            scale: [1.0 / target.width as f32, 1.0 / target.height as f32],
            crop_scale: [1.0; 2],
            split_px: Self::NO_LINE,
            ..bytemuck::Zeroable::zeroed()
        }
    }

    /// The relief by whose numbers it was made.
    pub fn relief(&self) -> ReliefLook {
        let Self { thickness, gloss, pigment, drag, length, paper, rim, tooth, press, ripple, .. } = *self;
        let relief =
            Relief { thickness, gloss, pigment, drag, length, paper, rim, tooth, press, ripple, ..Relief::default() };
        let Self { bristles_scale, paper_scale, hand, .. } = *self;
        ReliefLook { relief, bristles_scale, paper_scale, hand }
    }

    /// What the CPU back end composes by, before it lays the relief.
    pub fn view(&self) -> View {
        let Self { scale, shift, crop_scale, crop_shift, strength, split_px, .. } = *self;
        View { scale, shift, crop_scale, crop_shift, strength, split_px }
    }

    /// `relief`: what is laid on the painting, and the seed of its strokes. `drift`: the student's size, where it is known how
    /// far strokes have gone.
    pub fn new(
        frame: Extent,
        crop: Crop,
        target: Extent,
        look: &Look,
        painted: bool,
        relief: (Relief, u32),
        drift: Option<Extent>,
    ) -> Self {
        let place = Placement::of(crop.aspect(), target, look.fit);
        let (mut scale, mut shift) =
            ([1.0 / place.width, 1.0 / place.height], [-place.left / place.width, -place.top / place.height]);
        if look.mirror {
            (scale[0], shift[0]) = (-scale[0], 1.0 - shift[0]);
        }
        let (width, height) = (frame.width as f32, frame.height as f32);
        let split_px = match look.split {
            Some(split) if painted => (place.left + split.clamp(0.0, 1.0) * place.width).round(),
            _ => Self::NO_LINE,
        };
        let (relief, seed) = relief;
        let relief = ReliefLook::new(
            relief.turned(look.thickness, look.brush),
            crop.aspect(),
            place.height,
            seed.wrapping_add(look.hand),
        );
        let ReliefLook { bristles_scale, paper_scale, hand, .. } = relief;
        let parts = if painted { relief.parts() } else { 0 };
        let Relief { thickness, gloss, pigment, drag, length, paper, rim, tooth, press, ripple, .. } = relief.relief;
        Self {
            bristles_scale,
            paper_scale,
            hand,
            drift_scale: drift.map_or([0.0; 2], |extent| [1.0 / extent.width as f32, 1.0 / extent.height as f32]),
            parts,
            thickness,
            gloss,
            pigment,
            drag,
            length,
            paper,
            rim,
            tooth,
            press,
            ripple,
            _pad: 0,
            scale,
            shift,
            crop_scale: [crop.width / width, crop.height / height],
            crop_shift: [crop.left / width, crop.top / height],
            strength: if painted { look.strength.clamp(0.0, 1.0) } else { 0.0 },
            split_px,
        }
    }
}
