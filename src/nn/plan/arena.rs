//! Where in a bank each buffer lies, so that buffers whose lifetimes do not meet share memory.

/// Every buffer begins at a multiple of this.
pub(super) const ALIGNMENT_BYTES: u64 = 256;

/// A buffer that is needed from step `first` to step `last`, both included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lifetime {
    pub bytes: u64,
    pub first: usize,
    pub last: usize,
}

/// Offsets for all buffers, and the bytes that they take together. Largest first, each at the lowest place that is free for
/// its whole life: "greedy by size" in Pisarchyk and Lee, Efficient Memory Management for Deep Neural Net Inference (2020).
pub(super) fn allocate(buffers: &[Lifetime]) -> (Vec<u64>, u64) {
    let mut order: Vec<usize> = (0..buffers.len()).collect();
    order.sort_by_key(|i| std::cmp::Reverse(buffers[*i].bytes));
    let mut offsets = vec![0; buffers.len()];
    let mut placed: Vec<usize> = Vec::new();
    let mut total = 0;
    for index in order {
        let buffer = buffers[index];
        let mut taken: Vec<(u64, u64)> = placed
            .iter()
            .filter(|p| buffers[**p].first <= buffer.last && buffer.first <= buffers[**p].last)
            .map(|p| (offsets[*p], offsets[*p] + buffers[*p].bytes))
            .collect();
        taken.sort_unstable();
        let mut at = 0u64;
        for (begin, end) in taken {
            if at + buffer.bytes <= begin {
                break;
            }
            at = at.max(end.next_multiple_of(ALIGNMENT_BYTES));
        }
        offsets[index] = at;
        total = total.max((at + buffer.bytes).next_multiple_of(ALIGNMENT_BYTES));
        placed.push(index);
    }
    (offsets, total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn buffers_that_live_together_do_not_overlap(lives in proptest::collection::vec((1..2000u64, 0..20usize, 0..6usize), 0..40)) {
            let buffers: Vec<_> = lives.iter().map(|&(bytes, first, n)| Lifetime { bytes, first, last: first + n }).collect();
            let (offsets, total) = allocate(&buffers);
            for (i, a) in buffers.iter().enumerate() {
                prop_assert!(offsets[i] + a.bytes <= total);
                prop_assert_eq!(offsets[i] % ALIGNMENT_BYTES, 0);
                for (j, b) in buffers.iter().enumerate().take(i) {
                    let together = a.first <= b.last && b.first <= a.last;
                    let apart = offsets[i] + a.bytes <= offsets[j] || offsets[j] + b.bytes <= offsets[i];
                    prop_assert!(!together || apart);
                }
            }
        }
    }

    #[test]
    fn a_chain_takes_the_two_largest_neighbours() {
        let chain: Vec<_> = (0..10).map(|i| Lifetime { bytes: 1024, first: i, last: i + 1 }).collect();
        assert_eq!(allocate(&chain).1, 2048);
    }
}
