//! How steady the painted picture is where the camera's picture does not change: the definition of the kernels in
//! `shaders/stability/`, and of the number that is shown.

use std::ops::Range;

use super::compose::Steady;
use crate::units::Extent;
use crate::wide::widely;

/// Side of a block, in pixels of the student.
pub const BLOCK: u32 = 8;
/// Mean absolute difference of a block's input, in 255ths, up to which it is camera noise: twice what nine in ten pixels of a
/// webcam's still wall stay under (see [`super::compose`]).
const NOISE: u32 = 4;
/// The painting's differences are summed in such parts of a 255th.
const PARTS: u32 = 8;

/// Blocks of a student's picture, those at its right and lower border cut.
pub fn blocks_of(extent: Extent) -> Extent {
    Extent::new(extent.width.div_ceil(BLOCK), extent.height.div_ceil(BLOCK))
}

/// Sums of absolute differences over the pixels and channels of a block: of the input in 255ths, of the painting in eighths of that.
pub type Block = [u32; 2];

/// What `stability/compare` reads of one frame.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    pub guide: &'a [[u8; 4]],
    pub steady: &'a [Steady],
}

/// `stability/compare`, some rows of blocks: how much input and painting changed, into `blocks`, which has room for them.
///
/// # Panics
/// When a slice is shorter than `extent`.
pub fn compare_rows(now: Seen<'_>, before: Seen<'_>, extent: Extent, rows: Range<usize>, blocks: &mut [Block]) {
    let grid = blocks_of(extent);
    let (width, side) = (extent.width as usize, BLOCK as usize);
    widely(
        #[inline(always)]
        || {
            for (row, blocks) in rows.zip(blocks.chunks_exact_mut(grid.width as usize)) {
                blocks.fill([0, 0]);
                for y in row * side..((row + 1) * side).min(extent.height as usize) {
                    let line = y * width..(y + 1) * width;
                    let guides = now.guide[line.clone()].chunks(side).zip(before.guide[line.clone()].chunks(side));
                    let steady = now.steady[line.clone()].chunks(side).zip(before.steady[line].chunks(side));
                    for (block, ((guide, old_guide), (steady, old_steady))) in blocks.iter_mut().zip(guides.zip(steady))
                    {
                        for (guide, old) in guide.iter().zip(old_guide) {
                            block[0] += (0..3).map(|i| u32::from(guide[i].abs_diff(old[i]))).sum::<u32>();
                        }
                        for (steady, old) in steady.iter().zip(old_steady) {
                            let part = |i: usize| ((steady[i] - old[i]).abs() * (255 * PARTS) as f32 + 0.5) as u32;
                            block[1] += (0..3).map(part).sum::<u32>();
                        }
                    }
                }
            }
        },
    );
}

/// [`compare_rows`] of all blocks, row-major.
///
/// # Panics
/// When a slice is shorter than `extent`.
pub fn compare(now: Seen<'_>, before: Seen<'_>, extent: Extent) -> Vec<Block> {
    let grid = blocks_of(extent);
    let mut blocks = vec![[0, 0]; grid.pixels() as usize];
    compare_rows(now, before, extent, 0..grid.height as usize, &mut blocks);
    blocks
}

/// Sum of the painting's differences over still pixels and channels, in eighths of 255ths, and the number of still pixels.
pub type Gathered = [u32; 2];

/// `stability/gather`: the sum over the blocks that are still and have only still ones around them: what moves often takes the
/// painting of its surroundings along.
///
/// # Panics
/// When `blocks` is shorter than [`blocks_of`] says.
pub fn gather(blocks: &[Block], extent: Extent) -> Gathered {
    let grid = blocks_of(extent);
    let pixels = |x: u32, y: u32| (extent.width - x * BLOCK).min(BLOCK) * (extent.height - y * BLOCK).min(BLOCK);
    let still = |x: u32, y: u32| blocks[(y * grid.width + x) as usize][0] <= NOISE * 3 * pixels(x, y);
    let mut gathered = [0, 0];
    for y in 0..grid.height {
        for x in 0..grid.width {
            let (right, down) = ((x + 1).min(grid.width - 1), (y + 1).min(grid.height - 1));
            if (y.saturating_sub(1)..=down).all(|y| (x.saturating_sub(1)..=right).all(|x| still(x, y))) {
                gathered[0] += blocks[(y * grid.width + x) as usize][1];
                gathered[1] += pixels(x, y);
            }
        }
    }
    gathered
}

/// How much the painting changes where the input does not.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stability {
    /// Mean absolute difference of successive paintings, in 255ths: 0 is as steady as can be.
    pub difference: f32,
    /// The share of the picture, 0..=1, over which it was taken.
    pub share: f32,
}

impl Stability {
    /// A smaller share of still picture than this says nothing about the rest.
    pub const LEAST_SHARE: f32 = 0.05;

    /// From one comparison of two frames. `None` when too little of the picture was still.
    pub fn of([sum, still]: Gathered, extent: Extent) -> Option<Self> {
        let share = still as f32 / extent.pixels().max(1) as f32;
        let difference = sum as f32 / (still.max(1) * 3 * PARTS) as f32;
        (share >= Self::LEAST_SHARE).then_some(Self { difference, share })
    }

    /// Over several comparisons, each counted by its share; the share is the mean one. `None` of none.
    pub fn mean(of: impl Iterator<Item = Self>) -> Option<Self> {
        let (mut count, mut shares, mut weighted) = (0, 0.0, 0.0);
        for Self { difference, share } in of {
            count += 1;
            shares += share;
            weighted += difference * share;
        }
        (count > 0 && shares > 0.0).then(|| Self { difference: weighted / shares, share: shares / count as f32 })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stability(now: (&[[u8; 4]], &[Steady]), before: (&[[u8; 4]], &[Steady]), extent: Extent) -> Option<Stability> {
        let [now, before] = [now, before].map(|(guide, steady)| Seen { guide, steady });
        Stability::of(gather(&compare(now, before, extent), extent), extent)
    }

    fn flat(value: f32, extent: Extent) -> Vec<Steady> {
        vec![[value; 4]; extent.pixels() as usize]
    }

    proptest! {
        /// A still picture of any size whose painting flickers by so much all over.
        #[test]
        fn flicker_is_measured((w, h) in (1..70_u32, 1..40_u32), flicker in 0..40_u32) {
            let extent = Extent::new(w, h);
            let guide = vec![[90; 4]; extent.pixels() as usize];
            let (now, before) = (flat(0.25 + flicker as f32 / 256.0, extent), flat(0.25, extent));
            let got = stability((&guide, &now), (&guide, &before), extent).unwrap();
            prop_assert!((got.difference - flicker as f32 * 255.0 / 256.0).abs() < 0.07, "{got:?}");
            prop_assert_eq!(got.share, 1.0);
        }
    }

    /// What moves, and what is next to it, does not count.
    #[test]
    fn only_still_blocks_away_from_motion_count() {
        let extent = Extent::new(64, 32);
        let mut guide = vec![[90; 4]; extent.pixels() as usize];
        let (was, before) = (guide.clone(), flat(0.5, extent));
        let mut now = before.clone();
        for y in 0..8 {
            for x in 0..8 {
                guide[y * 64 + x] = [200; 4];
            }
        }
        // The painting changes in the block that moves and in those around it, and nowhere else.
        for y in 0..16 {
            for x in 0..16 {
                now[y * 64 + x] = [1.0; 4];
            }
        }
        let got = stability((&guide, &now), (&was, &before), extent).unwrap();
        assert_eq!(got, Stability { difference: 0.0, share: 28.0 / 32.0 });
        // Noise below the threshold is no motion.
        let noisy: Vec<[u8; 4]> = was.iter().enumerate().map(|(i, p)| p.map(|c| c + (i % 7) as u8)).collect();
        assert_eq!(stability((&noisy, &before), (&was, &before), extent).map(|s| s.share), Some(1.0));
        // Everything moves: no number.
        let other = vec![[180; 4]; was.len()];
        assert_eq!(stability((&other, &before), (&was, &before), extent), None);
    }

    #[test]
    fn a_mean_counts_by_share() {
        let of = |difference, share| Stability { difference, share };
        let mean = Stability::mean([of(1.0, 0.9), of(4.0, 0.3)].into_iter()).unwrap();
        assert!((mean.difference - 1.75).abs() < 1e-6 && (mean.share - 0.6).abs() < 1e-6, "{mean:?}");
        assert_eq!(Stability::mean(std::iter::empty()), None);
    }
}
