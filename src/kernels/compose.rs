//! The student's painting to the full-size picture: the definition of the kernels in `shaders/compose/` and of what
//! `shaders/present/picture.wgsl` does with their result.

use std::cell::RefCell;
use std::ops::Range;

use crate::units::Extent;
use crate::wide::{nearest, widely, within};

/// What is kept of a pixel of the steadied painting: rgb, and the luma of the student's input. On the GPU, half floats.
pub type Steady = [f32; 4];

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

/// What the student was given and what it made of it.
#[derive(Clone, Copy, Debug)]
pub struct Painting<'a> {
    /// The student's output.
    pub painted: &'a [[f32; 4]],
    /// Its input.
    pub image: &'a [[f32; 4]],
    /// Its input in eight bits a channel.
    pub guide: &'a [[u8; 4]],
}

/// `compose/stabilise`, some rows of it: mixes the painting with the previous one, less where the input moved. `steady` has
/// room for those rows.
///
/// Motion at a pixel is the mean over it and its four neighbours of the largest channel's change; between `STILL` and `MOVING`
/// the share of the previous painting falls smoothly to none.
///
/// # Panics
/// When a slice is shorter than `extent`.
pub fn stabilise(
    now: Painting<'_>,
    before: Option<Before<'_>>,
    extent: Extent,
    rows: Range<usize>,
    steady: &mut [Steady],
) {
    let (width, height) = (extent.width as usize, extent.height as usize);
    let line = |y: usize| y * width..(y + 1) * width;
    SHARES.with_borrow_mut(|shares| {
        shares.resize(width, 0.0);
        widely(
            #[inline(always)]
            || {
                for (y, steady) in rows.zip(steady.chunks_exact_mut(width)) {
                    let (painted, image) = (&now.painted[line(y)], &now.image[line(y)]);
                    for ((steady, painted), image) in steady.iter_mut().zip(painted).zip(image) {
                        let painted = painted.map(|c| within(c, 1.0));
                        *steady = [painted[0], painted[1], painted[2], luma_of([image[0], image[1], image[2]])];
                    }
                    let Some(Before { steady: old, guide, blend }) = before else { continue };
                    let both = |y: usize| (&now.guide[line(y)], &guide[line(y)]);
                    shares_of(both(y), both(y.saturating_sub(1)), both((y + 1).min(height - 1)), blend, shares);
                    for ((steady, old), share) in steady.iter_mut().zip(&old[line(y)]).zip(&*shares) {
                        let luma = steady[3];
                        for i in 0..4 {
                            steady[i] += (old[i] - steady[i]) * share;
                        }
                        steady[3] = luma;
                    }
                }
            },
        );
    });
}

thread_local! {
    /// The share of the previous painting along a row; as long as the widest picture that this thread has seen.
    static SHARES: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

/// Two rows at the same place: of this frame's guide and of the previous one's.
type Guides<'a> = (&'a [[u8; 4]], &'a [[u8; 4]]);

/// The share of the previous painting along a row, from that row of the guides and those above and below.
#[inline(always)]
fn shares_of(own: Guides<'_>, above: Guides<'_>, below: Guides<'_>, blend: f32, shares: &mut [f32]) {
    let last = shares.len() - 1;
    let changed = |(now, before): Guides<'_>, x: usize| change(now[x], before[x]);
    let vertical = own.0.iter().zip(own.1).zip(above.0.iter().zip(above.1)).zip(below.0.iter().zip(below.1));
    for (share, ((own, above), below)) in shares.iter_mut().zip(vertical) {
        *share = (change(*own.0, *own.1) + change(*above.0, *above.1) + change(*below.0, *below.1)) as f32;
    }
    let (begin, end) =
        (changed(own, 1.min(last)) + changed(own, 0), changed(own, last) + changed(own, last.saturating_sub(1)));
    let (left, right) = (own.0.windows(3).zip(own.1.windows(3)), 1..last.max(1));
    if let Some(inner) = shares.get_mut(right) {
        for (share, (now, before)) in inner.iter_mut().zip(left) {
            *share += (change(now[0], before[0]) + change(now[2], before[2])) as f32;
        }
    }
    shares[0] += begin as f32;
    if last > 0 {
        shares[last] += end as f32;
    }
    for share in shares {
        *share = blend * (1.0 - smoothstep(STILL, MOVING, *share * (1.0 / (5.0 * 255.0))));
    }
}

/// The largest channel's change of a pixel, 0..=255.
#[inline(always)]
fn change(now: [u8; 4], before: [u8; 4]) -> u32 {
    let (now, before) = (u32::from_le_bytes(now), u32::from_le_bytes(before));
    let by = |shift: u32| ((now >> shift) & 255).abs_diff((before >> shift) & 255);
    by(0).max(by(8)).max(by(16))
}

#[inline(always)]
fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = within((x - low) / (high - low), 1.0);
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

/// `compose/gain` for a single picture, not rounded to bytes: the slope of the painting over luma, by regularised least
/// squares over three by three pixels.
///
/// # Panics
/// When a slice is shorter than `extent`.
pub fn gain(steady: &[Steady], extent: Extent, detail: &mut [Detail]) {
    let width = extent.width as usize;
    widely(
        #[inline(always)]
        || {
            for (y, line) in detail.chunks_exact_mut(width).take(extent.height as usize).enumerate() {
                details(steady, extent, y, |x, detail| line[x] = detail);
            }
        },
    );
}

/// `compose/gain`, some rows of it, as the last pass reads them: the painting with the luma of the student's input as its
/// alpha, and the gains, -2..2 as 0..255 with 0 at 128. Both have room for those rows.
///
/// # Panics
/// When a slice is shorter than `extent`.
pub fn gain_rows(
    steady: &[Steady],
    extent: Extent,
    rows: Range<usize>,
    painting: &mut [[u8; 4]],
    gains: &mut [[u8; 4]],
) {
    let width = extent.width as usize;
    widely(
        #[inline(always)]
        || {
            for (y, (painting, gains)) in rows.zip(painting.chunks_exact_mut(width).zip(gains.chunks_exact_mut(width)))
            {
                details(steady, extent, y, |x, detail| {
                    let Detail { painting: [r, g, b], luma, gain: [to_r, to_g, to_b] } = detail;
                    painting[x] = [r, g, b, luma].map(|c| nearest(within(c, 1.0) * 255.0) as u8);
                    let coded = |gain: f32| nearest(within(gain * 64.0 + 128.0, 255.0)) as u8;
                    gains[x] = [coded(to_r), coded(to_g), coded(to_b), 255];
                });
            }
        },
    );
}

/// What [`gain`] is at each pixel of a row.
#[inline(always)]
fn details(steady: &[Steady], extent: Extent, y: usize, mut each: impl FnMut(usize, Detail)) {
    let (width, height) = (extent.width as usize, extent.height as usize);
    let line = |y: usize| &steady[y * width..][..width];
    let lines = [line(y.saturating_sub(1)), line(y), line((y + 1).min(height - 1))];
    // Sums over the three pixels of a column: of the painting and of luma; of their products with luma.
    let column = |x: usize| {
        let [a, b, c] = lines.map(|line| line[x]);
        let sum: [f32; 4] = std::array::from_fn(|i| a[i] + b[i] + c[i]);
        let product: [f32; 4] = std::array::from_fn(|i| a[i] * a[3] + b[i] * b[3] + c[i] * c[3]);
        (sum, product)
    };
    let mut left = column(0);
    let mut own = left;
    for (x, pixel) in lines[1].iter().enumerate() {
        let right = column((x + 1).min(width - 1));
        let mean: [f32; 4] = std::array::from_fn(|i| (left.0[i] + own.0[i] + right.0[i]) * (1.0 / 9.0));
        let product: [f32; 4] = std::array::from_fn(|i| (left.1[i] + own.1[i] + right.1[i]) * (1.0 / 9.0));
        let variance = (product[3] - mean[3] * mean[3]).max(0.0);
        let inverse = 1.0 / (variance + REGULARISE);
        // What is stored is 0..=255 in 64ths around 128.
        let gain =
            std::array::from_fn(|i| within((product[i] - mean[i] * mean[3]) * inverse + 2.0, 255.0 / 64.0) - 2.0);
        let [r, g, b, luma] = *pixel;
        each(x, Detail { painting: [r, g, b], luma, gain });
        (left, own) = (own, right);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_row(steady: &[Steady]) -> Vec<Detail> {
        let extent = Extent::new(steady.len() as u32, 1);
        let mut details = vec![Detail::default(); steady.len()];
        gain(steady, extent, &mut details);
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
        let old = [[1.0; 4]; 2];
        let (still, moved) = ([100; 4], [160; 4]);
        let guide = [still, still];
        let painted = [[0.0, 0.0, 0.0, 1.0]; 2];
        let image = [[0.4; 4]; 2];
        let now = Painting { painted: &painted, image: &image, guide: &guide };
        let mut steady = [[0.0; 4]; 2];
        let (still, moved) = ([still; 2], [moved; 2]);
        let before = |guide| Before { steady: &old, guide, blend: 0.5 };
        stabilise(now, Some(before(&still)), extent, 0..1, &mut steady);
        assert_eq!(steady[0][0], 0.5);
        stabilise(now, Some(before(&moved)), extent, 0..1, &mut steady);
        assert_eq!(steady[0][0], 0.0);
        stabilise(now, None, extent, 0..1, &mut steady);
        assert_eq!(steady[1][1], 0.0);
    }
}
