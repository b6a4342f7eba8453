//! Whether what a network gave looks like a picture of what it was given: how a [`super::Manner`] is found out.

use super::Range;
use crate::units::Extent;

/// What a painting says of the manner in which it was made.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Verdict {
    /// The range that its numbers seem to have.
    pub range: Range,
    /// How well edges lie where the picture has some, -1..=1.
    pub structure: f32,
    /// How well colours go along with the picture's, -1..=1.
    pub colour: f32,
    /// Share of numbers beyond the range, 0..=1.
    pub clipped: f32,
    /// Standard deviation of its brightness, 0..=0.5.
    pub contrast: f32,
}

impl Verdict {
    /// The higher the more it looks like a picture of what was given; 0 and below is none.
    pub fn score(&self) -> f32 {
        self.structure * (1.0 - self.clipped) * (self.contrast / 0.06).min(1.0)
    }
}

/// Least score of a painting.
pub const PAINTING: f32 = 0.12;

/// Judges three planes of any range against a picture of three planes of 0..1. `None` where a number is not finite.
///
/// # Panics
/// When a slice is shorter than three planes.
pub fn verdict(picture: &[f32], painted: &[f32], extent: Extent) -> Option<Verdict> {
    let count = 3 * extent.pixels() as usize;
    let (picture, painted) = (&picture[..count], &painted[..count]);
    if painted.iter().any(|v| !v.is_finite()) {
        return None;
    }
    let range = range_of(painted);
    let unit = in_unit(painted, range);
    let beyond = unit.iter().filter(|v| !(-0.02..=1.02).contains(*v)).count();
    let held: Vec<f32> = unit.iter().map(|v| v.clamp(0.0, 1.0)).collect();
    let (own, other) = (luma(picture), luma(&held));
    let mean = other.iter().sum::<f32>() / other.len() as f32;
    let variance = other.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / other.len() as f32;
    let (a, b) = (edges(&own, extent), edges(&other, extent));
    // A mosaic's edges are its own; what is light and dark is still the picture's, or the other way round.
    let light = alike(&cells(&own, extent, 16), &cells(&other, extent, 16)).abs();
    Some(Verdict {
        range,
        structure: alike(&a, &b).max(0.8 * light),
        colour: colours(picture, &held),
        clipped: beyond as f32 / count as f32,
        contrast: variance.sqrt(),
    })
}

/// The range that numbers seem to have: by all but the outermost hundredth.
fn range_of(painted: &[f32]) -> Range {
    let mut sorted = painted.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let (low, high) = (sorted[sorted.len() / 100], sorted[sorted.len() - 1 - sorted.len() / 100]);
    match (low, high) {
        _ if high > 4.0 => Range::Bytes,
        // Beyond what -1..1 holds.
        _ if low < -1.3 && high > 1.3 => Range::ImageNet,
        _ if low < -0.15 => Range::Signed,
        _ => Range::Unit,
    }
}

/// Three planes in 0..1, from a range.
pub fn in_unit(painted: &[f32], range: Range) -> Vec<f32> {
    let plane = painted.len() / 3;
    let by = range.to_unit();
    painted
        .iter()
        .enumerate()
        .map(|(at, v)| v * by[(at / plane.max(1)).min(2)].0 + by[(at / plane.max(1)).min(2)].1)
        .collect()
}

fn luma(picture: &[f32]) -> Vec<f32> {
    let plane = picture.len() / 3;
    (0..plane).map(|at| 0.299 * picture[at] + 0.587 * picture[plane + at] + 0.114 * picture[2 * plane + at]).collect()
}

/// How steep brightness is, over neighbourhoods of some pixels: a painting's strokes are not where a photo's pixels are.
fn edges(luma: &[f32], extent: Extent) -> Vec<f32> {
    let (width, height) = (extent.width as usize, extent.height as usize);
    let mut steep = vec![0.0; luma.len()];
    for y in 0..height.saturating_sub(1) {
        for x in 0..width.saturating_sub(1) {
            let at = y * width + x;
            steep[at] = (luma[at + 1] - luma[at]).abs() + (luma[at + width] - luma[at]).abs();
        }
    }
    cells(&steep, extent, 4)
}

/// Sums over cells of so many pixels; what is left over at the right and below belongs to the last ones.
fn cells(values: &[f32], extent: Extent, cell: usize) -> Vec<f32> {
    let (width, height) = (extent.width as usize, extent.height as usize);
    let (columns, rows) = ((width / cell).max(1), (height / cell).max(1));
    let mut sums = vec![0.0; columns * rows];
    for (at, value) in values.iter().enumerate() {
        let (x, y) = (at % width, at / width);
        sums[(y / cell).min(rows - 1) * columns + (x / cell).min(columns - 1)] += value;
    }
    sums
}

/// How far colours go along: of red and of blue against green.
fn colours(a: &[f32], b: &[f32]) -> f32 {
    let plane = a.len() / 3;
    let against = |picture: &[f32], channel: usize| -> Vec<f32> {
        (0..plane).map(|at| picture[channel * plane + at] - picture[plane + at]).collect()
    };
    [0, 2].map(|channel| alike(&against(a, channel), &against(b, channel))).iter().sum::<f32>() / 2.0
}

/// The correlation of two lists; 0 where one does not vary.
fn alike(a: &[f32], b: &[f32]) -> f32 {
    let mean = |list: &[f32]| list.iter().sum::<f32>() / list.len().max(1) as f32;
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        (ab, aa, bb) = (ab + a * b, aa + a * a, bb + b * b);
    }
    let product: f32 = aa * bb;
    if product > 1e-12 { ab / product.sqrt() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXTENT: Extent = Extent::new(256, 192);
    const PLANE: usize = 256 * 192;

    fn picture() -> Vec<f32> {
        let value = |channel: usize, x: f32, y: f32| {
            let inside = (x - 120.0).hypot(y - 80.0) < 48.0;
            let disc = if inside { [0.8, 0.5, 0.3][channel] } else { [0.1, 0.2, 0.3][channel] };
            disc + 0.0007 * x
        };
        (0..3 * PLANE).map(|at| value(at / PLANE, (at % 256) as f32, (at / 256 % 192) as f32)).collect()
    }

    fn judged(painted: Vec<f32>) -> Verdict {
        verdict(&picture(), &painted, EXTENT).unwrap()
    }

    #[test]
    fn a_picture_is_known_in_any_range() {
        for range in Range::ALL {
            let by = range.to_unit();
            let painted =
                picture().iter().enumerate().map(|(at, v)| (v - by[at / PLANE].1) / by[at / PLANE].0).collect();
            let verdict = judged(painted);
            // What lies between -1.3 and 1.3 may be of either.
            if range != Range::ImageNet {
                assert_eq!(verdict.range, range);
                assert!(verdict.structure > 0.95 && verdict.clipped < 0.02 && verdict.colour > 0.9, "{verdict:?}");
            }
            assert!(verdict.score() > PAINTING, "{verdict:?}");
        }
    }

    #[test]
    fn what_is_no_picture_is_seen() {
        let count = picture().len();
        assert!(judged(vec![0.5; count]).score() < PAINTING);
        let mut state = 1_u32;
        let noise = (0..count).map(|_| {
            // Marsaglia's xorshift.
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            (state >> 8) as f32 / (1 << 24) as f32
        });
        let noise = noise.collect();
        assert!(judged(noise).score() < PAINTING);
        // All white: a network of 0..255 whose numbers were taken for 0..1.
        let white = vec![1.0; count];
        assert!(judged(white).score() < PAINTING);
        let mut broken = picture();
        broken[7] = f32::NAN;
        assert!(verdict(&picture(), &broken, EXTENT).is_none());
    }
}
