//! Dense 3x3 convolutions by the minimal filtering algorithm F(2x2, 3x3): 16 products for 4 output pixels instead of 36.
//! Lavin and Gray, Fast Algorithms for Convolutional Neural Networks (2015), section 4.1.
//!
//! Tiles of two rows and two columns. Each tile's 4x4 inputs are transformed ([`input`]), each of the 16 numbers is one
//! matrix product over the channels ([`super::gemm`]), and the products are transformed back ([`output`]).

use super::simd::Simd;

pub(super) struct Input {
    /// Four rows, from the column before the first tile's.
    pub rows: [*const f32; 4],
    pub strides: [usize; 4],
    pub blocks: usize,
    pub tiles: usize,
    /// `[16][block][tile][LANES]`, with `stride` numbers from a block to the next.
    pub out: *mut f32,
    pub stride: usize,
}

/// # Safety
/// The processor has the features of `S`. Every row holds `2 * tiles + 2` pixels in each block; `out` is as large as its
/// description.
#[inline(always)]
pub(super) unsafe fn input<S: Simd>(a: &Input) {
    // SAFETY: the caller's promise covers every address that is made here.
    unsafe {
        let plane = a.blocks * a.stride;
        for block in 0..a.blocks {
            let rows = [0, 1, 2, 3].map(|r| a.rows[r].add(block * a.strides[r]));
            let column = |x: usize| {
                let d = rows.map(|row| S::load(row.add(x * S::LANES)));
                [S::sub(d[0], d[2]), S::add(d[1], d[2]), S::sub(d[2], d[1]), S::sub(d[1], d[3])]
            };
            let (mut left, mut second) = (column(0), column(1));
            for tile in 0..a.tiles {
                let (third, last) = (column(2 * tile + 2), column(2 * tile + 3));
                let out = a.out.add(block * a.stride + tile * S::LANES);
                for y in 0..4 {
                    S::store(out.add(4 * y * plane), S::sub(left[y], third[y]));
                    S::store(out.add((4 * y + 1) * plane), S::add(second[y], third[y]));
                    S::store(out.add((4 * y + 2) * plane), S::sub(third[y], second[y]));
                    S::store(out.add((4 * y + 3) * plane), S::sub(second[y], last[y]));
                }
                (left, second) = (third, last);
            }
        }
    }
}

pub(super) struct Output {
    /// `[16][block][tile][LANES]`, with `stride` numbers from a block to the next.
    pub products: *const f32,
    pub stride: usize,
    /// `[block][LANES]`.
    pub bias: *const f32,
    pub blocks: usize,
    pub tiles: usize,
    /// Two rows.
    pub out: [*mut f32; 2],
    pub strides: [usize; 2],
    pub low: f32,
    pub high: f32,
}

/// # Safety
/// The processor has the features of `S`. Every output row holds `2 * tiles` pixels in each block; products and bias are as
/// large as their descriptions.
#[inline(always)]
pub(super) unsafe fn output<S: Simd>(a: &Output) {
    // SAFETY: the caller's promise covers every address that is made here.
    unsafe {
        let plane = a.blocks * a.stride;
        let (low, high) = (S::splat(a.low), S::splat(a.high));
        let clip = |x: S::V| S::min(S::max(x, low), high);
        for block in 0..a.blocks {
            let bias = S::load(a.bias.add(block * S::LANES));
            for tile in 0..a.tiles {
                let products = a.products.add(block * a.stride + tile * S::LANES);
                let at = |y: usize, x: usize| S::load(products.add((4 * y + x) * plane));
                let mut halves = [[bias; 4]; 2];
                for x in 0..4 {
                    let (m0, m1, m2, m3) = (at(0, x), at(1, x), at(2, x), at(3, x));
                    halves[0][x] = S::add(m0, S::add(m1, m2));
                    halves[1][x] = S::sub(S::sub(m1, m2), m3);
                }
                for (y, [e0, e1, e2, e3]) in halves.into_iter().enumerate() {
                    let out = a.out[y].add(block * a.strides[y] + 2 * tile * S::LANES);
                    let middle = S::add(e1, bias);
                    S::store(out, clip(S::add(S::add(e0, middle), e2)));
                    S::store(out.add(S::LANES), clip(S::sub(S::sub(middle, e2), e3)));
                }
            }
        }
    }
}
