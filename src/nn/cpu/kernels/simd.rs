//! Vectors of float32 and the processors that have them: the only file that names `std::arch`.
//!
//! Why `std::arch` and not `wide` or `pulp`: the kernels need the fused multiply-add with a scalar that is broadcast from
//! memory, in registers of 8 or 16 lanes chosen while the program runs, and addresses that are checked once for a row
//! instead of once for a load. Every function here is one or two instructions.
//!
//! # Safety
//! Each function of [`Simd`] may be called only where the processor has the type's features, and reads or writes
//! [`Simd::LANES`] numbers at the address that it is given; addresses need no alignment. [`super`] upholds both: it finds
//! out the features before it hands out a type's kernels, and checks every slice before it makes an address of it.

/// A vector type. Methods inline into kernels that are compiled with the type's features.
pub(super) trait Simd: Copy + 'static {
    /// Numbers in a vector.
    const LANES: usize;
    type V: Copy;

    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(at: *const f32) -> Self::V;
    unsafe fn store(at: *mut f32, v: Self::V);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// One over `a`, a positive number, within 1e-6 of it.
    unsafe fn reciprocal(a: Self::V) -> Self::V;
    /// `a * b + c`, rounded once where the processor can.
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger; `b` where `a` is not a number.
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V;
    /// The smaller; `b` where `a` is not a number.
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V;
    /// The nearest whole number.
    unsafe fn round(a: Self::V) -> Self::V;
    /// 2 to the power of a whole number in -126..=127.
    unsafe fn exp2_whole(a: Self::V) -> Self::V;
}

/// Eight lanes as an array: for processors without a type of their own. The compiler turns it into what there is.
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl Plain {
    #[inline(always)]
    fn zip(a: [f32; 8], b: [f32; 8], f: impl Fn(f32, f32) -> f32) -> [f32; 8] {
        std::array::from_fn(|i| f(a[i], b[i]))
    }
}

impl Simd for Plain {
    const LANES: usize = 8;
    type V = [f32; 8];

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        [x; 8]
    }
    #[inline(always)]
    unsafe fn load(at: *const f32) -> Self::V {
        // SAFETY: the caller gives the address of 8 numbers.
        unsafe { at.cast::<[f32; 8]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(at: *mut f32, v: Self::V) {
        // SAFETY: the caller gives the address of 8 numbers.
        unsafe { at.cast::<[f32; 8]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        Self::zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        Self::zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        Self::zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn reciprocal(a: Self::V) -> Self::V {
        a.map(f32::recip)
    }
    #[inline(always)]
    unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Not `f32::mul_add`: without the instruction that is a call.
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
        Self::zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    unsafe fn min(a: Self::V, b: Self::V) -> Self::V {
        Self::zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    unsafe fn round(a: Self::V) -> Self::V {
        // Adding 1.5 * 2^23 leaves no bits for the fraction; exact for what `exp2_whole` takes.
        a.map(|a| (a + 12_582_912.0) - 12_582_912.0)
    }
    #[inline(always)]
    unsafe fn exp2_whole(a: Self::V) -> Self::V {
        a.map(|a| f32::from_bits(((a as i32 + 127) << 23) as u32))
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    use std::arch::x86_64::*;

    use super::Simd;

    /// AVX2 and FMA.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx2;

    impl Simd for Avx2 {
        const LANES: usize = 8;
        type V = __m256;

        #[inline(always)]
        unsafe fn splat(x: f32) -> __m256 {
            // SAFETY: as the trait says.
            unsafe { _mm256_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(at: *const f32) -> __m256 {
            // SAFETY: as the trait says.
            unsafe { _mm256_loadu_ps(at) }
        }
        #[inline(always)]
        unsafe fn store(at: *mut f32, v: __m256) {
            // SAFETY: as the trait says.
            unsafe { _mm256_storeu_ps(at, v) }
        }
        #[inline(always)]
        unsafe fn add(a: __m256, b: __m256) -> __m256 {
            // SAFETY: as the trait says.
            unsafe { _mm256_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m256, b: __m256) -> __m256 {
            // SAFETY: as the trait says.
            unsafe { _mm256_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m256, b: __m256) -> __m256 {
            // SAFETY: as the trait says.
            unsafe { _mm256_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn reciprocal(a: __m256) -> __m256 {
            // SAFETY: as the trait says.
            unsafe { _mm256_div_ps(_mm256_set1_ps(1.0), a) }
        }
        #[inline(always)]
        unsafe fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 {
            // SAFETY: as the trait says.
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn max(a: __m256, b: __m256) -> __m256 {
            // SAFETY: as the trait says.
            unsafe { _mm256_max_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn min(a: __m256, b: __m256) -> __m256 {
            // SAFETY: as the trait says.
            unsafe { _mm256_min_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn round(a: __m256) -> __m256 {
            // SAFETY: as the trait says.
            unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
        }
        #[inline(always)]
        unsafe fn exp2_whole(a: __m256) -> __m256 {
            // SAFETY: as the trait says.
            unsafe {
                let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(a), _mm256_set1_epi32(127));
                _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent))
            }
        }
    }

    /// AVX-512 F.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Avx512;

    impl Simd for Avx512 {
        const LANES: usize = 16;
        type V = __m512;

        #[inline(always)]
        unsafe fn splat(x: f32) -> __m512 {
            // SAFETY: as the trait says.
            unsafe { _mm512_set1_ps(x) }
        }
        #[inline(always)]
        unsafe fn load(at: *const f32) -> __m512 {
            // SAFETY: as the trait says.
            unsafe { _mm512_loadu_ps(at) }
        }
        #[inline(always)]
        unsafe fn store(at: *mut f32, v: __m512) {
            // SAFETY: as the trait says.
            unsafe { _mm512_storeu_ps(at, v) }
        }
        #[inline(always)]
        unsafe fn add(a: __m512, b: __m512) -> __m512 {
            // SAFETY: as the trait says.
            unsafe { _mm512_add_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn sub(a: __m512, b: __m512) -> __m512 {
            // SAFETY: as the trait says.
            unsafe { _mm512_sub_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn mul(a: __m512, b: __m512) -> __m512 {
            // SAFETY: as the trait says.
            unsafe { _mm512_mul_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn reciprocal(a: __m512) -> __m512 {
            // SAFETY: as the trait says.
            unsafe {
                // A guess with 14 good bits, and a step of Newton's: a third of the time of a division.
                let guess = _mm512_rcp14_ps(a);
                _mm512_fmadd_ps(guess, _mm512_fnmadd_ps(a, guess, _mm512_set1_ps(1.0)), guess)
            }
        }
        #[inline(always)]
        unsafe fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
            // SAFETY: as the trait says.
            unsafe { _mm512_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        unsafe fn max(a: __m512, b: __m512) -> __m512 {
            // SAFETY: as the trait says.
            unsafe { _mm512_max_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn min(a: __m512, b: __m512) -> __m512 {
            // SAFETY: as the trait says.
            unsafe { _mm512_min_ps(a, b) }
        }
        #[inline(always)]
        unsafe fn round(a: __m512) -> __m512 {
            // SAFETY: as the trait says.
            unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
        }
        #[inline(always)]
        unsafe fn exp2_whole(a: __m512) -> __m512 {
            // SAFETY: as the trait says.
            unsafe {
                let exponent = _mm512_add_epi32(_mm512_cvtps_epi32(a), _mm512_set1_epi32(127));
                _mm512_castsi512_ps(_mm512_slli_epi32::<23>(exponent))
            }
        }
    }
}

#[cfg(target_arch = "aarch64")]
pub(super) mod arm {
    use std::arch::aarch64::*;

    use super::Simd;

    /// NEON, two registers at a time: a block of eight channels is one vector on every processor but those with AVX-512.
    #[derive(Clone, Copy)]
    pub(in super::super) struct Neon;

    impl Simd for Neon {
        const LANES: usize = 8;
        type V = (float32x4_t, float32x4_t);

        #[inline(always)]
        unsafe fn splat(x: f32) -> Self::V {
            // SAFETY: as the trait says.
            unsafe { (vdupq_n_f32(x), vdupq_n_f32(x)) }
        }
        #[inline(always)]
        unsafe fn load(at: *const f32) -> Self::V {
            // SAFETY: as the trait says.
            unsafe { (vld1q_f32(at), vld1q_f32(at.add(4))) }
        }
        #[inline(always)]
        unsafe fn store(at: *mut f32, v: Self::V) {
            // SAFETY: as the trait says.
            unsafe {
                vst1q_f32(at, v.0);
                vst1q_f32(at.add(4), v.1);
            }
        }
        #[inline(always)]
        unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
            // SAFETY: as the trait says.
            unsafe { (vaddq_f32(a.0, b.0), vaddq_f32(a.1, b.1)) }
        }
        #[inline(always)]
        unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
            // SAFETY: as the trait says.
            unsafe { (vsubq_f32(a.0, b.0), vsubq_f32(a.1, b.1)) }
        }
        #[inline(always)]
        unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
            // SAFETY: as the trait says.
            unsafe { (vmulq_f32(a.0, b.0), vmulq_f32(a.1, b.1)) }
        }
        #[inline(always)]
        unsafe fn reciprocal(a: Self::V) -> Self::V {
            // SAFETY: as the trait says.
            unsafe {
                let one = vdupq_n_f32(1.0);
                (vdivq_f32(one, a.0), vdivq_f32(one, a.1))
            }
        }
        #[inline(always)]
        unsafe fn mul_add(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
            // SAFETY: as the trait says.
            unsafe { (vfmaq_f32(c.0, a.0, b.0), vfmaq_f32(c.1, a.1, b.1)) }
        }
        #[inline(always)]
        unsafe fn max(a: Self::V, b: Self::V) -> Self::V {
            // SAFETY: as the trait says.
            unsafe { (vmaxnmq_f32(a.0, b.0), vmaxnmq_f32(a.1, b.1)) }
        }
        #[inline(always)]
        unsafe fn min(a: Self::V, b: Self::V) -> Self::V {
            // SAFETY: as the trait says.
            unsafe { (vminnmq_f32(a.0, b.0), vminnmq_f32(a.1, b.1)) }
        }
        #[inline(always)]
        unsafe fn round(a: Self::V) -> Self::V {
            // SAFETY: as the trait says.
            unsafe { (vrndnq_f32(a.0), vrndnq_f32(a.1)) }
        }
        #[inline(always)]
        unsafe fn exp2_whole(a: Self::V) -> Self::V {
            // SAFETY: as the trait says.
            unsafe {
                let half = |a: float32x4_t| {
                    let exponent = vaddq_s32(vcvtnq_s32_f32(a), vdupq_n_s32(127));
                    vreinterpretq_f32_s32(vshlq_n_s32::<23>(exponent))
                };
                (half(a.0), half(a.1))
            }
        }
    }
}
