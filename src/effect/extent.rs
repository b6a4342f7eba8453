//! The size at which a student paints a given source.

use crate::units::Extent;

use super::Variant;

/// Longest side of a student's picture: what every graphics adapter can hold as a texture (WebGPU's default limit).
const MAX_SIDE_PX: u32 = 8192;

/// How much an aspect ratio that is off by a factor `e` weighs against an area that is smaller than the budget by a
/// factor `e`: a squeezed or cropped picture is seen at once, a slightly coarser one hardly.
const ASPECT_WEIGHT: f64 = 4.0;

/// The student's picture for a source of size `source`: the source's aspect ratio as nearly as multiples of
/// `variant.multiple_of` allow, as large as `variant.pixel_budget` allows, and at least one multiple on each side (even
/// where that exceeds the budget). An empty source counts as square.
pub fn student_extent(variant: &Variant, source: Extent) -> Extent {
    let multiple = variant.multiple_of.clamp(1, MAX_SIDE_PX);
    let aspect = if source.is_empty() { 1.0 } else { f64::from(source.width) / f64::from(source.height) };
    let largest = MAX_SIDE_PX / multiple;
    // Everything below counts in multiples.
    let budget = variant.pixel_budget / (u64::from(multiple) * u64::from(multiple));
    let budget = budget.clamp(1, u64::from(largest) * u64::from(largest));

    let mut best = (f64::INFINITY, Extent::new(1, 1));
    for height in 1..=u64::from(largest).min(budget) {
        let widest = (budget / height).min(u64::from(largest));
        let ideal = height as f64 * aspect;
        for width in [ideal.floor(), ideal.ceil()] {
            // The cast saturates: an absurd aspect ratio ends at the widest.
            // Both counts are at most `largest`.
            let size = Extent::new((width as u64).clamp(1, widest) as u32, height as u32);
            let score = score(size, budget, aspect);
            if score < best.0 {
                best = (score, size);
            }
        }
    }
    Extent::new(best.1.width * multiple, best.1.height * multiple)
}

/// How far the ratio of a size that was asked for may be from the source's before it counts as another one: what
/// [`crate::kernels::prepare::Crop`] squeezes.
const SAME_ASPECT: f64 = 1.1;

/// The student's picture where `asked` was asked for: that, if it has the source's shape; else the largest picture of the
/// source's shape that fits inside, so that nothing of the source is cut. Both sides are multiples of `multiple`, as those of
/// `asked` are.
pub fn fitted_size(asked: Extent, multiple: u32, source: Extent) -> Extent {
    let wider = f64::from(asked.aspect()) / f64::from(source.aspect());
    if (1.0 / SAME_ASPECT..=SAME_ASPECT).contains(&wider) {
        return asked;
    }
    let multiple = multiple.max(1);
    let most = Extent::new((asked.width / multiple).max(1), (asked.height / multiple).max(1));
    let aspect = f64::from(source.aspect());
    let mut best = (f64::INFINITY, Extent::new(1, 1));
    // Counted in multiples.
    for height in 1..=most.height {
        let ideal = f64::from(height) * aspect;
        for width in [ideal.floor(), ideal.ceil()] {
            let size = Extent::new((width as u32).clamp(1, most.width), height);
            let score = score(size, most.pixels(), aspect);
            if score < best.0 {
                best = (score, size);
            }
        }
    }
    Extent::new(best.1.width * multiple, best.1.height * multiple)
}

/// How far a size is from what it could be, the smaller the better: in its shape, and in the pixels that it leaves unused.
fn score(size: Extent, budget: u64, aspect: f64) -> f64 {
    let off = (f64::from(size.width) / f64::from(size.height) / aspect).ln().abs();
    ASPECT_WEIGHT * off + (budget as f64 / size.pixels() as f64).ln()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn variant(multiple_of: u32, pixel_budget: u64) -> Variant {
        Variant { multiple_of, pixel_budget, ..Variant::unknown(std::path::Path::new(""), String::new(), 0) }
    }

    #[test]
    fn usual_cameras_get_sizes_of_their_shape() {
        let s = variant(16, 320 * 192);
        let m = variant(16, 512 * 288);
        assert_eq!(student_extent(&s, Extent::new(1280, 720)), Extent::new(320, 176));
        assert_eq!(student_extent(&m, Extent::new(1280, 720)), Extent::new(512, 288));
        assert_eq!(student_extent(&s, Extent::new(640, 480)), Extent::new(272, 208));
        assert_eq!(student_extent(&m, Extent::new(640, 480)), Extent::new(432, 320));
        // A phone on end.
        assert_eq!(student_extent(&m, Extent::new(720, 1280)), Extent::new(288, 512));
        assert_eq!(student_extent(&s, Extent::new(0, 0)), Extent::new(240, 240));
    }

    #[test]
    fn a_size_of_another_shape_is_fitted() {
        let asked = Extent::new(512, 288);
        assert_eq!(fitted_size(asked, 16, Extent::new(1920, 1080)), asked);
        assert_eq!(fitted_size(asked, 16, Extent::new(640, 480)), Extent::new(384, 288));
        assert_eq!(fitted_size(asked, 16, Extent::new(480, 640)), Extent::new(224, 288));
        assert_eq!(fitted_size(asked, 16, Extent::new(5000, 100)), Extent::new(512, 16));
    }

    proptest! {
        #[test]
        fn fits_the_budget_in_whole_multiples(
            w in 1u32..20_000, h in 1u32..20_000, multiple in 1u32..64, pixel_budget in 1u64..4_000_000,
        ) {
            let e = student_extent(&variant(multiple, pixel_budget), Extent::new(w, h));
            prop_assert!(e.width >= multiple && e.height >= multiple);
            prop_assert!(e.width <= MAX_SIDE_PX && e.height <= MAX_SIDE_PX);
            prop_assert!(e.width.is_multiple_of(multiple) && e.height.is_multiple_of(multiple));
            prop_assert!(e.pixels() <= pixel_budget.max(u64::from(multiple) * u64::from(multiple)));
        }

        #[test]
        fn keeps_the_shape_of_ordinary_sources(w in 160u32..4000, h in 160u32..4000, pixel_budget in 40_000u64..400_000) {
            prop_assume!((0.4..=2.5).contains(&(f64::from(w) / f64::from(h))));
            let e = student_extent(&variant(16, pixel_budget), Extent::new(w, h));
            let off = (f64::from(e.aspect()) / (f64::from(w) / f64::from(h))).ln().abs();
            prop_assert!(off < 0.08, "{}x{} became {} ({} off)", w, h, e, off);
            prop_assert!(e.pixels() * 10 >= pixel_budget * 6, "{} leaves most of {} unused", e, pixel_budget);
        }

        #[test]
        fn turning_the_source_turns_the_student(w in 1u32..4000, h in 1u32..4000) {
            // Floor and ceil are tried for the width only, so the two need not be the same to a multiple, but nearly.
            let v = variant(16, 512 * 288);
            let (a, b) = (student_extent(&v, Extent::new(w, h)), student_extent(&v, Extent::new(h, w)));
            let off = (f64::from(a.aspect()) * f64::from(b.aspect())).ln().abs();
            prop_assert!(off < 0.35, "{} and {}", a, b);
        }
    }
}
