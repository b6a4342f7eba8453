//! As many multiply-adds as a core can do.

use super::simd::Simd;

/// Chains that do not wait for each other: more than a multiply-add takes cycles on any core, times two units; with the two
/// factors they fit into sixteen registers.
pub(super) const CHAINS: usize = 12;

/// `rounds` times `x * scale + shift` in each of [`CHAINS`] vectors that begin at `out`, and there they end.
///
/// # Safety
/// The processor has the features of `S`; `out` holds [`CHAINS`] vectors.
#[inline(always)]
pub(super) unsafe fn multiply_add<S: Simd>(out: *mut f32, rounds: usize, scale: f32, shift: f32) {
    // SAFETY: the caller's promise covers every address that is made here.
    unsafe {
        let (scale, shift) = (S::splat(scale), S::splat(shift));
        let mut chains: [S::V; CHAINS] = std::array::from_fn(|n| S::load(out.add(n * S::LANES)));
        for _ in 0..rounds {
            for chain in &mut chains {
                *chain = S::mul_add(*chain, scale, shift);
            }
        }
        for (n, chain) in chains.into_iter().enumerate() {
            S::store(out.add(n * S::LANES), chain);
        }
    }
}
