//! The kernels of `shaders/ceiling`, which only measure what a device can do.

/// Chains of multiply-adds in each invocation.
pub const CHAINS: usize = 8;

/// `rounds` times `x * scale + shift` in each of [`CHAINS`] chains for every number; a chain begins `shift` above the one
/// before it, and their sum is left.
pub fn multiply_add(chains: &mut [f32], rounds: u32, scale: f32, shift: f32) {
    for number in chains {
        let mut chain = [0.0; CHAINS];
        let mut first = *number;
        for x in &mut chain {
            *x = first;
            first += shift;
        }
        for _ in 0..rounds {
            for x in &mut chain {
                *x = x.mul_add(scale, shift);
            }
        }
        let [a, b, c, d, e, f, g, h] = chain;
        *number = ((a + b) + (c + d)) + ((e + f) + (g + h));
    }
}

/// Each number as it is.
pub fn copy_elements(from: &[f32], to: &mut [f32]) {
    to.copy_from_slice(from);
}
