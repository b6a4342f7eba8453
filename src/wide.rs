//! The same code, compiled for the processor that is there.

/// Runs `work` compiled for AVX2 where the processor has it, else for the least of its kind. What `work` calls must be
/// inlined into it to gain by that: mark it `#[inline(always)]`. Results may differ in no bit: nothing is fused.
#[inline]
pub fn widely<R>(work: impl FnOnce() -> R) -> R {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2,f16c,bmi2")]
        fn with_avx2<R>(work: impl FnOnce() -> R) -> R {
            work()
        }
        if std::is_x86_feature_detected!("avx2")
            && std::is_x86_feature_detected!("f16c")
            && std::is_x86_feature_detected!("bmi2")
        {
            #[allow(unsafe_code, reason = "calling what is compiled for more than every processor of this kind has")]
            // SAFETY: the processor has just been asked.
            return unsafe { with_avx2(work) };
        }
    }
    work()
}

/// Added to a float of 0..=255, leaves the nearest whole number in the lowest bits of its representation: above 2^23 the
/// spacing of floats is 1.
const WHOLE: f32 = 12_582_912.0;

/// 0..=255 to the nearest byte, in the lowest eight bits.
#[inline(always)]
pub fn nearest(value: f32) -> u32 {
    (value + WHOLE).to_bits() & 0xff
}

/// A value clamped to 0..=`most`; NaN becomes 0.
#[inline(always)]
pub fn within(value: f32, most: f32) -> f32 {
    // One instruction each; `max`, `min` and `clamp` treat NaN in ways that take more.
    let value = if value > 0.0 { value } else { 0.0 };
    if value < most { value } else { most }
}
