//! Names in the order in which people count: 2 before 10.

use std::cmp::Ordering;

/// Compares names part by part: runs of digits as numbers, everything else as bytes with ASCII letters of either case alike.
/// Names that are equal so far are told apart by their padding, then by their bytes, so that the order is total.
pub(super) fn natural(a: &[u8], b: &[u8]) -> Ordering {
    let (mut left, mut right) = (a, b);
    while let (Some(&x), Some(&y)) = (left.first(), right.first()) {
        let order = if x.is_ascii_digit() && y.is_ascii_digit() {
            let (m, n) = (number(&mut left), number(&mut right));
            // Without their leading zeros, the longer number is the larger.
            m.len().cmp(&n.len()).then_with(|| m.cmp(n))
        } else {
            (left, right) = (&left[1..], &right[1..]);
            x.to_ascii_lowercase().cmp(&y.to_ascii_lowercase())
        };
        if order.is_ne() {
            return order;
        }
    }
    left.len().cmp(&right.len()).then_with(|| a.len().cmp(&b.len())).then_with(|| a.cmp(b))
}

/// Takes a run of digits off the front, and returns it without leading zeros.
fn number<'a>(text: &mut &'a [u8]) -> &'a [u8] {
    let len = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(len);
    *text = rest;
    let zeros = digits.iter().take_while(|b| **b == b'0').count();
    &digits[zeros..]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sorted(names: &[&str]) -> Vec<String> {
        let mut names: Vec<String> = names.iter().map(ToString::to_string).collect();
        names.sort_by(|a, b| natural(a.as_bytes(), b.as_bytes()));
        names
    }

    #[test]
    fn numbers_count() {
        for ordered in [
            &["frame_1.png", "frame_2.png", "frame_10.png", "frame_11.png"][..],
            &["a7", "a08", "a9", "a10"],
            &["1.png", "01.png", "2.png", "002.png"],
            &["IMG_1.jpg", "img_2.jpg", "IMG_3.jpg"],
            &["a1b2", "a1b10", "a2b1"],
            &["99999999999999999999998", "99999999999999999999999", "100000000000000000000000"],
            &["a", "a1", "b"],
            &["clip 1 (2).png", "clip 1 (10).png", "clip 2 (1).png"],
        ] {
            let reversed: Vec<&str> = ordered.iter().rev().copied().collect();
            assert_eq!(sorted(&reversed), ordered);
        }
    }

    proptest! {
        #[test]
        fn the_order_is_total(mut names in prop::collection::vec("[a-bA-B0-3._]{0,6}", 0..12)) {
            names.sort_by(|a, b| natural(a.as_bytes(), b.as_bytes()));
            for pair in names.windows(2) {
                prop_assert!(natural(pair[0].as_bytes(), pair[1].as_bytes()).is_le());
                prop_assert_eq!(natural(pair[0].as_bytes(), pair[1].as_bytes()).is_eq(), pair[0] == pair[1]);
            }
            for (i, a) in names.iter().enumerate() {
                for b in &names[i..] {
                    prop_assert!(natural(a.as_bytes(), b.as_bytes()).is_le());
                }
            }
        }
    }
}
