//! The student's painting to the full-size picture: the definition of the kernels in `shaders/compose/` and of what
//! `shaders/present/picture.wgsl` does with their result.

use half::f16;

use crate::units::Extent;

/// What is kept of a pixel of the steadied painting: rgb, and the luma of the student's input.
pub type Steady = [f16; 4];

/// BT.601 luma of coded values: `luma_of` in `shaders/shared/color.wgsl`.
pub fn luma_of(rgb: [f32; 3]) -> f32 {
    0.299 * rgb[0] + 0.587 * rgb[1] + 0.114 * rgb[2]
}

/// Change of the guide, 0..=1, up to which it is camera noise, and from which on it is motion. In six webcam clips of one person
/// in front of a wall (30 frames per second, 288 by 216), half of all pixels changed by less than 0.004 and nine in ten by less
/// than 0.017, while one in fifty, on hands and outlines, changed by more than 0.08.
const STILL: f32 = 0.02;
const MOVING: f32 = 0.08;

/// What the frame before left behind.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    pub steady: &'a [Steady],
    pub guide: &'a [[u8; 4]],
    /// Its share where nothing moves, 0..=1.
    pub blend: f32,
}

/// The student's input in eight bits a channel, as `ingest/prepare` leaves it.
pub fn guide_of(image: [f32; 4]) -> [u8; 4] {
    image.map(|c| (c.clamp(0.0, 1.0) * 255.0 + 0.5).floor() as u8)
}

/// `compose/stabilise`: mixes the painting with the previous one, less where the input moved. `painted`, `image`: the student's
/// output and input.
///
/// Motion at a pixel is the mean over it and its four neighbours of the largest channel's change; between `STILL` and `MOVING`
/// the share of the previous painting falls smoothly to none.
///
/// # Panics
/// When a slice is shorter than `extent`.
pub fn stabilise(
    painted: &[[f32; 4]],
    image: &[[f32; 4]],
    guide: &[[u8; 4]],
    before: Option<Before<'_>>,
    extent: Extent,
    steady: &mut [Steady],
) {
    let (width, height) = (extent.width as usize, extent.height as usize);
    for y in 0..height {
        for x in 0..width {
            let at = y * width + x;
            let mut painting: [f32; 3] = std::array::from_fn(|i| painted[at][i].clamp(0.0, 1.0));
            if let Some(Before { steady: old, guide: old_guide, blend }) = before {
                let change = |x: usize, y: usize| {
                    let at = y * width + x;
                    (0..3).map(|i| guide[at][i].abs_diff(old_guide[at][i])).max().map_or(0.0, f32::from) / 255.0
                };
                let (left, right) = (x.saturating_sub(1), (x + 1).min(width - 1));
                let (up, down) = (y.saturating_sub(1), (y + 1).min(height - 1));
                let motion =
                    (change(x, y) + change(left, y) + change(right, y) + change(x, up) + change(x, down)) / 5.0;
                let share = blend * (1.0 - smoothstep(STILL, MOVING, motion));
                painting = std::array::from_fn(|i| painting[i] + (old[at][i].to_f32() - painting[i]) * share);
            }
            let luma = luma_of([image[at][0], image[at][1], image[at][2]]);
            steady[at] = [painting[0], painting[1], painting[2], luma].map(f16::from_f32);
        }
    }
}

fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Variance of luma below which the guide says nothing.
const REGULARISE: f32 = 0.003;

/// How the painting is brought to full size at one pixel of the student.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Detail {
    pub painting: [f32; 3],
    /// Luma of the student's input.
    pub luma: f32,
    /// How much each channel of the painting changes with luma around here; -2..2 as it is stored.
    pub gain: [f32; 3],
}

impl Detail {
    /// The painting where the full-size picture has `camera`: what `present/picture` does before it applies strength.
    pub fn painting_at(&self, camera: [f32; 3]) -> [f32; 3] {
        let more = luma_of(camera) - self.luma;
        std::array::from_fn(|i| (self.painting[i] + self.gain[i] * more).clamp(0.0, 1.0))
    }
}

/// `compose/gain`: the slope of the painting over luma, by regularised least squares over three by three pixels.
///
/// # Panics
/// When a slice is shorter than `extent`.
pub fn gain(steady: &[Steady], extent: Extent, detail: &mut [Detail]) {
    let (width, height) = (extent.width as i32, extent.height as i32);
    let at = |x: i32, y: i32| {
        let (x, y) = (x.clamp(0, width - 1), y.clamp(0, height - 1));
        steady[(y * width + x) as usize].map(f16::to_f32)
    };
    for y in 0..height {
        for x in 0..width {
            let (mut mean, mut product) = ([0.0_f32; 4], [0.0_f32; 4]);
            for (dy, dx) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dy, dx))) {
                let pixel = at(x + dx, y + dy);
                for i in 0..4 {
                    mean[i] += pixel[i] / 9.0;
                    product[i] += pixel[i] * pixel[3] / 9.0;
                }
            }
            let variance = (product[3] - mean[3] * mean[3]).max(0.0);
            let gain = std::array::from_fn(|i| {
                ((product[i] - mean[i] * mean[3]) / (variance + REGULARISE)).clamp(-2.0, 127.0 / 64.0)
            });
            let [r, g, b, luma] = at(x, y);
            detail[(y * width + x) as usize] = Detail { painting: [r, g, b], luma, gain };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_row(steady: &[[f32; 4]]) -> Vec<Detail> {
        let extent = Extent::new(steady.len() as u32, 1);
        let steady: Vec<Steady> = steady.iter().map(|p| p.map(f16::from_f32)).collect();
        let mut details = vec![Detail::default(); steady.len()];
        gain(&steady, extent, &mut details);
        details
    }

    /// Where the camera's picture has the luma that the student saw, the painting is the student's.
    #[test]
    fn the_students_own_pixels_stay() {
        let row = [[0.9, 0.1, 0.4, 0.3], [0.2, 0.8, 0.5, 0.9], [0.25, 0.75, 0.125, 0.5]];
        for (detail, pixel) in one_row(&row).iter().zip(row) {
            let painting = detail.painting_at([pixel[3]; 3]);
            for i in 0..3 {
                assert!((painting[i] - pixel[i]).abs() < 2e-3, "{painting:?} is not {pixel:?}");
            }
        }
    }

    /// Where the painting follows the guide, the gain finds how; where the guide is flat, there is none.
    #[test]
    fn gain_follows_an_edge() {
        let edge = [[0.2, 0.8, 0.5, 0.1], [0.2, 0.8, 0.5, 0.1], [0.7, 0.3, 0.5, 0.9], [0.7, 0.3, 0.5, 0.9]];
        let details = one_row(&edge);
        // 0.5 of red for 0.8 of luma, a little less for the regularisation.
        assert!((0.58..0.626).contains(&details[1].gain[0]), "{:?}", details[1]);
        assert!((-0.626..-0.58).contains(&details[1].gain[1]), "{:?}", details[1]);
        assert!(details[1].gain[2].abs() < 1e-3);
        assert_eq!(details[0].gain.map(|g| (g * 1e3).round()), [0.0; 3]);
    }

    #[test]
    fn still_pixels_keep_and_moved_ones_forget() {
        let extent = Extent::new(2, 1);
        let old = [[f16::ONE; 4]; 2];
        let (still, moved) = ([100; 4], [160; 4]);
        let guide = [still, still];
        let painted = [[0.0, 0.0, 0.0, 1.0]; 2];
        let image = [[0.4; 4]; 2];
        let mut steady = [[f16::ZERO; 4]; 2];
        let (still, moved) = ([still; 2], [moved; 2]);
        let before = |guide| Before { steady: &old, guide, blend: 0.5 };
        stabilise(&painted, &image, &guide, Some(before(&still)), extent, &mut steady);
        assert_eq!(steady[0][0].to_f32(), 0.5);
        stabilise(&painted, &image, &guide, Some(before(&moved)), extent, &mut steady);
        assert_eq!(steady[0][0].to_f32(), 0.0);
        stabilise(&painted, &image, &guide, None, extent, &mut steady);
        assert_eq!(steady[1][1].to_f32(), 0.0);
    }
}
