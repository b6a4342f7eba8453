//! Products of a small matrix of weights with a row of pixels: the inner loop of every convolution that mixes channels.
//!
//! A tile is `BLOCKS` blocks of output channels of `PIXELS` pixels, one vector for each, held in registers while the inputs
//! go by: for each input number the weights of its `BLOCKS` vectors are loaded and multiplied with the number of each pixel.
//! Where the inputs lie is a list of [`Entry`], so that a 1x1 convolution of one picture, of several that are joined, and a
//! 3x3 convolution are the same loop.

use super::simd::Simd;

/// `DEPTH` inputs that lie side by side: in source row `row`, `offset` numbers from its first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub row: u32,
    pub offset: u32,
}

/// Consecutive tiles of one group of output blocks.
pub(super) struct Run {
    pub rows: *const *const f32,
    pub entries: *const Entry,
    pub entry_count: usize,
    /// `[entry][DEPTH][BLOCKS][LANES]`.
    pub weights: *const f32,
    /// `[BLOCKS][LANES]`.
    pub bias: *const f32,
    pub out: *mut f32,
    /// From a block to the next.
    pub out_stride: usize,
    /// First pixel of the first tile.
    pub first: usize,
    pub tiles: usize,
    pub low: f32,
    pub high: f32,
    /// What is added, or null.
    pub second: *const f32,
    pub second_stride: usize,
    /// Whether it is added before the limits are applied.
    pub second_first: bool,
}

/// # Safety
/// The processor has the features of `S`. For every entry, output pixel `p` of the run, and `i < DEPTH`, the number
/// `offset + p * STEP + i` exists in the entry's row; weights, bias, `out` and `second` are as large as their descriptions.
#[inline(always)]
pub(super) unsafe fn tiles<S: Simd, const BLOCKS: usize, const PIXELS: usize, const STEP: usize, const DEPTH: usize>(
    run: &Run,
) {
    // SAFETY: the caller's promise covers every address that is made here.
    unsafe {
        let entries = std::slice::from_raw_parts(run.entries, run.entry_count);
        let mut bias = [S::splat(0.0); BLOCKS];
        for (block, bias) in bias.iter_mut().enumerate() {
            *bias = S::load(run.bias.add(block * S::LANES));
        }
        for tile in 0..run.tiles {
            let x = run.first + tile * PIXELS;
            let mut sums = [[S::splat(0.0); PIXELS]; BLOCKS];
            for block in 0..BLOCKS {
                for pixel in 0..PIXELS {
                    sums[block][pixel] = bias[block];
                }
            }
            let mut weights = run.weights;
            for entry in entries {
                let source = (*run.rows.add(entry.row as usize)).add(entry.offset as usize + x * STEP);
                for i in 0..DEPTH {
                    let mut w = [S::splat(0.0); BLOCKS];
                    for (block, w) in w.iter_mut().enumerate() {
                        *w = S::load(weights.add(block * S::LANES));
                    }
                    for pixel in 0..PIXELS {
                        let number = S::splat(*source.add(pixel * STEP + i));
                        for block in 0..BLOCKS {
                            sums[block][pixel] = S::mul_add(number, w[block], sums[block][pixel]);
                        }
                    }
                    weights = weights.add(BLOCKS * S::LANES);
                }
            }
            let (low, high) = (S::splat(run.low), S::splat(run.high));
            for block in 0..BLOCKS {
                for pixel in 0..PIXELS {
                    let at = (x + pixel) * S::LANES;
                    let mut sum = sums[block][pixel];
                    if run.second.is_null() {
                        sum = S::min(S::max(sum, low), high);
                    } else {
                        let second = S::load(run.second.add(block * run.second_stride + at));
                        if run.second_first {
                            sum = S::min(S::max(S::add(sum, second), low), high);
                        } else {
                            sum = S::add(S::min(S::max(sum, low), high), second);
                        }
                    }
                    S::store(run.out.add(block * run.out_stride + at), sum);
                }
            }
        }
    }
}
