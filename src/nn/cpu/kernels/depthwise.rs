//! 3x3 convolutions of each channel by itself, on blocked rows and on planes.

use super::Finish;
use super::simd::Simd;

pub(super) struct Blocked {
    /// The three rows, from the column of the first tap of output pixel 0.
    pub rows: [*const f32; 3],
    /// From a block to the next, of each row.
    pub strides: [usize; 3],
    /// `[block][9][LANES]`.
    pub weights: *const f32,
    /// `[block][LANES]`.
    pub bias: *const f32,
    pub out: *mut f32,
    pub out_stride: usize,
    pub blocks: usize,
    pub width: usize,
    pub low: f32,
    pub high: f32,
}

/// # Safety
/// The processor has the features of `S`. Every row holds `(width - 1) * STRIDE + 3` pixels in each block, `out` holds
/// `width`; weights and bias are as large as their descriptions.
#[inline(always)]
pub(super) unsafe fn blocked<S: Simd, const STRIDE: usize, const PIXELS: usize>(a: &Blocked) {
    // SAFETY: the caller's promise covers every address that is made here.
    unsafe {
        for block in 0..a.blocks {
            let rows = [0, 1, 2].map(|r| a.rows[r].add(block * a.strides[r]));
            let weights = a.weights.add(block * 9 * S::LANES);
            let bias = a.bias.add(block * S::LANES);
            let out = a.out.add(block * a.out_stride);
            if a.width < PIXELS {
                for x in 0..a.width {
                    tile::<S, STRIDE, 1>(a, rows, weights, bias, out, x);
                }
                continue;
            }
            let mut x = 0;
            while x + PIXELS <= a.width {
                tile::<S, STRIDE, PIXELS>(a, rows, weights, bias, out, x);
                x += PIXELS;
            }
            if x < a.width {
                // Some pixels twice: cheaper than one by one.
                tile::<S, STRIDE, PIXELS>(a, rows, weights, bias, out, a.width - PIXELS);
            }
        }
    }
}

#[inline(always)]
unsafe fn tile<S: Simd, const STRIDE: usize, const PIXELS: usize>(
    a: &Blocked,
    rows: [*const f32; 3],
    weights: *const f32,
    bias: *const f32,
    out: *mut f32,
    x: usize,
) {
    // SAFETY: as in `blocked`.
    unsafe {
        let mut sums = [S::load(bias); PIXELS];
        for (ky, row) in rows.into_iter().enumerate() {
            let row = row.add(x * STRIDE * S::LANES);
            for kx in 0..3 {
                let w = S::load(weights.add((3 * ky + kx) * S::LANES));
                for (pixel, sum) in sums.iter_mut().enumerate() {
                    *sum = S::mul_add(S::load(row.add((pixel * STRIDE + kx) * S::LANES)), w, *sum);
                }
            }
        }
        let (low, high) = (S::splat(a.low), S::splat(a.high));
        for (pixel, sum) in sums.into_iter().enumerate() {
            S::store(out.add((x + pixel) * S::LANES), S::min(S::max(sum, low), high));
        }
    }
}

pub(super) struct Plane<'a> {
    /// The three rows, from the column of the first tap of output pixel 0.
    pub rows: [*const f32; 3],
    pub weights: &'a [f32; 9],
    pub bias: f32,
    pub out: *mut f32,
    pub width: usize,
    pub finish: Finish,
}

/// # Safety
/// The processor has the features of `S`. Every row holds `width + 2` numbers, `out` holds `width`.
#[inline(always)]
pub(super) unsafe fn plane<S: Simd>(a: &Plane<'_>) {
    // SAFETY: the caller's promise covers every address that is made here.
    unsafe {
        let mut x = 0;
        if a.width >= S::LANES {
            let weights = a.weights.map(|w| S::splat(w));
            loop {
                let mut sum = S::splat(a.bias);
                for (tap, w) in weights.into_iter().enumerate() {
                    sum = S::mul_add(S::load(a.rows[tap / 3].add(x + tap % 3)), w, sum);
                }
                S::store(a.out.add(x), finished::<S>(sum, a.finish));
                if x + S::LANES == a.width {
                    return;
                }
                // The last vector overlaps the one before it.
                x = (x + S::LANES).min(a.width - S::LANES);
            }
        }
        while x < a.width {
            let taps = a.weights.iter().enumerate().map(|(tap, w)| *a.rows[tap / 3].add(x + tap % 3) * w);
            *a.out.add(x) = a.finish.apply(a.bias + taps.sum::<f32>());
            x += 1;
        }
    }
}

/// # Safety
/// The processor has the features of `S`.
#[inline(always)]
pub(super) unsafe fn finished<S: Simd>(x: S::V, finish: Finish) -> S::V {
    // SAFETY: as the caller promises.
    unsafe {
        match finish {
            Finish::Clip { low, high } => S::min(S::max(x, S::splat(low)), S::splat(high)),
            Finish::Sigmoid => sigmoid::<S>(x),
        }
    }
}

/// `1 / (1 + e^-x)`, within 2e-7.
///
/// `e^-x` is two to the power of a whole number, times two to the power of a fraction in -0.5..0.5, which is a polynomial:
/// the first terms of its series, the last adjusted to the interval.
#[inline(always)]
unsafe fn sigmoid<S: Simd>(x: S::V) -> S::V {
    // SAFETY: as the caller promises.
    unsafe {
        let power = S::mul(x, S::splat(-std::f32::consts::LOG2_E));
        // Beyond these the result is 0 or 1 to the last bit that is seen, and nothing overflows.
        let power = S::min(S::max(power, S::splat(-100.0)), S::splat(100.0));
        let whole = S::round(power);
        let fraction = S::sub(power, whole);
        let mut sum = S::splat(1.333_36e-3);
        for coefficient in [9.618_13e-3, 5.550_411e-2, 0.240_226_5, std::f32::consts::LN_2, 1.0] {
            sum = S::mul_add(sum, fraction, S::splat(coefficient));
        }
        S::reciprocal(S::mul_add(sum, S::exp2_whole(whole), S::splat(1.0)))
    }
}
