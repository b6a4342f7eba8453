//! Kernels that move numbers: to twice the size, from channels to pixels, between planes and blocks.

use super::simd::Simd;

pub(super) struct Upsample {
    /// The source rows on this side and on the far side of the output row, from column `first`.
    pub near: *const f32,
    pub far: *const f32,
    pub near_stride: usize,
    pub far_stride: usize,
    pub first: usize,
    /// Columns of the whole source.
    pub source_width: usize,
    /// Output columns.
    pub from: usize,
    pub to: usize,
    pub blocks: usize,
    /// From column `from`.
    pub out: *mut f32,
    pub out_stride: usize,
}

/// Bilinear, to twice the width, of the mixture of two rows.
///
/// # Safety
/// The processor has the features of `S`. Both rows hold, in each block, the source columns on either side of every output
/// column; `out` holds `to - from` pixels in each block.
#[inline(always)]
pub(super) unsafe fn upsample<S: Simd>(a: &Upsample) {
    // SAFETY: the caller's promise covers every address that is made here.
    unsafe {
        let (quarter, most) = (S::splat(0.25), S::splat(0.75));
        for block in 0..a.blocks {
            let (near, far) = (a.near.add(block * a.near_stride), a.far.add(block * a.far_stride));
            let out = a.out.add(block * a.out_stride);
            let column = |x: usize| {
                let at = (x - a.first) * S::LANES;
                S::mul_add(S::load(near.add(at)), most, S::mul(S::load(far.add(at)), quarter))
            };
            let mut x = a.from / 2;
            let mut this = column(x);
            let mut left = if x > a.first { column(x - 1) } else { this };
            loop {
                let mixed = S::mul(this, most);
                if 2 * x >= a.from {
                    S::store(out.add((2 * x - a.from) * S::LANES), S::mul_add(left, quarter, mixed));
                }
                if 2 * x + 1 >= a.to {
                    break;
                }
                let right = if x + 1 < a.source_width { column(x + 1) } else { this };
                S::store(out.add((2 * x + 1 - a.from) * S::LANES), S::mul_add(right, quarter, mixed));
                if 2 * x + 2 >= a.to {
                    break;
                }
                (left, this) = (this, right);
                x += 1;
            }
        }
    }
}

pub(super) struct Shuffle {
    /// From the first column; the channels that become one output row.
    pub source: *const f32,
    pub source_stride: usize,
    /// 0 or 1: the upper or the lower of the two output rows.
    pub row: usize,
    pub width: usize,
    /// Output channels.
    pub channels: usize,
    /// `[channel][2 * width]`.
    pub out: *mut f32,
    pub out_stride: usize,
}

/// One row of pixel shuffle: channels `4c + 2 row` and the next go to columns `2x` and `2x + 1` of plane `c`.
///
/// # Safety
/// The source holds `4 * channels` channels of `width` pixels in blocks of `lanes`, `out` what its description says.
#[inline(always)]
pub(super) unsafe fn shuffle(a: &Shuffle, lanes: usize) {
    // SAFETY: the caller's promise covers every address that is made here.
    unsafe {
        for channel in 0..a.channels {
            let from = 4 * channel + 2 * a.row;
            let source = a.source.add(from / lanes * a.source_stride + from % lanes);
            let out = a.out.add(channel * a.out_stride);
            for x in 0..a.width {
                let pair = source.add(x * lanes).cast::<[f32; 2]>().read_unaligned();
                out.add(2 * x).cast::<[f32; 2]>().write_unaligned(pair);
            }
        }
    }
}
