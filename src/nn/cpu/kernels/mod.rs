//! The kernels of the CPU engine: one row of one step at a time, compiled for several kinds of processor.
//!
//! This folder holds all `unsafe` code of the engine. What it offers is safe: [`Isa`] hands out only what the processor can
//! run, and every call checks its slices against what the kernel is going to touch, once for a row.
//!
//! A blocked row is `[block][pixel][lane]`: `lanes` channels of one pixel side by side, all pixels of a block, then the next
//! block `stride` numbers later. Callers slice a row so that it begins at the first number that the kernel reads.
#![allow(
    clippy::needless_range_loop,
    reason = "an index is a register or a place in a row; the loops are unrolled, and iterators would hide which goes with which"
)]
#![allow(
    unsafe_code,
    reason = "vector instructions, and addresses that are checked once for a row instead of for a load"
)]

mod depthwise;
mod gemm;
mod peak;
mod rows;
mod simd;
mod winograd;

use std::fmt;

pub use gemm::Entry;
use simd::Simd;

/// What becomes of a sum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Finish {
    Clip { low: f32, high: f32 },
    Sigmoid,
}

impl Finish {
    pub const NONE: Self = Self::Clip { low: f32::NEG_INFINITY, high: f32::INFINITY };

    pub fn apply(self, x: f32) -> f32 {
        match self {
            Self::Clip { low, high } => x.max(low).min(high),
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
        }
    }

    /// The limits; none for the sigmoid.
    fn limits(self) -> (f32, f32) {
        match self {
            Self::Clip { low, high } => (low, high),
            Self::Sigmoid => (f32::NEG_INFINITY, f32::INFINITY),
        }
    }
}

/// How a [`Gemm`] goes through its source rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Four channels of a blocked row for each entry; from an output pixel to the next `stride` pixels, 1 or 2.
    Blocked { stride: usize },
    /// One number of a plane for each entry; from an output pixel to the next `stride` numbers, 1 or 2.
    Planar { stride: usize },
}

impl Reading {
    /// Numbers that an entry stands for.
    pub const fn depth(self) -> usize {
        match self {
            Self::Blocked { .. } => 4,
            Self::Planar { .. } => 1,
        }
    }

    const fn step(self, lanes: usize) -> usize {
        match self {
            Self::Blocked { stride } => stride * lanes,
            Self::Planar { stride } => stride,
        }
    }

    /// Its place in a table of tiles; none for a stride that no kernel has.
    const fn index(self) -> Option<usize> {
        match self {
            Self::Blocked { stride: 1 } => Some(0),
            Self::Blocked { stride: 2 } => Some(1),
            Self::Planar { stride: 1 } => Some(2),
            Self::Planar { stride: 2 } => Some(3),
            _ => None,
        }
    }
}

/// What a matrix product reads: made and checked once, used for every row.
#[derive(Clone, Debug, PartialEq)]
pub struct Gemm {
    reading: Reading,
    entries: Vec<Entry>,
    /// For each source row, the largest offset of an entry; none for a row without entries.
    reach: Vec<Option<usize>>,
    /// Output blocks in each group of tiles.
    groups: Vec<usize>,
    out_blocks: usize,
}

impl Gemm {
    /// A product of `entries` for `out_blocks` blocks of output channels, in the groups that suit `isa`.
    pub fn new(isa: &Isa, reading: Reading, entries: Vec<Entry>, out_blocks: usize) -> Self {
        assert!(reading.index().is_some(), "strides are 1 or 2");
        let rows = entries.iter().map(|e| e.row as usize + 1).max().unwrap_or(0);
        let mut reach: Vec<Option<usize>> = vec![None; rows];
        for entry in &entries {
            let row = &mut reach[entry.row as usize];
            *row = Some(row.unwrap_or(0).max(entry.offset as usize));
        }
        Self { reading, entries, reach, groups: isa.groups(out_blocks), out_blocks }
    }

    /// Output blocks of each group, as the weights must lie: `[group][entry][depth][block of the group][lane]`.
    pub fn groups(&self) -> &[usize] {
        &self.groups
    }

    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    pub fn reading(&self) -> Reading {
        self.reading
    }

    /// Numbers in its weights.
    pub fn weights(&self, lanes: usize) -> usize {
        self.entries.len() * self.reading.depth() * self.out_blocks * lanes
    }
}

/// A blocked row to read: from the first number to be read, with the numbers from a block to the next.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    pub data: &'a [f32],
    pub stride: usize,
}

/// A blocked row to write.
#[derive(Debug)]
pub struct RowMut<'a> {
    pub data: &'a mut [f32],
    pub stride: usize,
}

/// Something to add to each result.
#[derive(Clone, Copy, Debug)]
pub struct Second<'a> {
    pub row: Row<'a>,
    /// Before the limits are applied, or after.
    pub first: bool,
}

/// Weights of a step and the limits of its results.
#[derive(Clone, Copy, Debug)]
pub struct Weighted<'a> {
    pub weights: &'a [f32],
    /// `[block][lane]`.
    pub bias: &'a [f32],
    pub finish: Finish,
}

type Tiles = unsafe fn(&gemm::Run);

/// A kind of processor, with the kernels compiled for it.
pub struct Isa {
    name: &'static str,
    lanes: usize,
    /// `[reading][blocks - 1][pixels - 1]`.
    tiles: &'static [[&'static [Tiles]; 3]; 4],
    /// `[stride - 1][choice of pixels]`, pixels as in [`DEPTHWISE_PIXELS`].
    depthwise: [[unsafe fn(&depthwise::Blocked); 3]; 2],
    plane: unsafe fn(&depthwise::Plane<'_>),
    upsample: unsafe fn(&rows::Upsample),
    shuffle: unsafe fn(&rows::Shuffle),
    winograd_input: unsafe fn(&winograd::Input),
    winograd_output: unsafe fn(&winograd::Output),
    multiply_add: unsafe fn(*mut f32, usize, f32, f32),
}

impl fmt::Debug for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for Isa {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// Pixels in a tile of the depthwise kernel: what divides a row best is taken.
const DEPTHWISE_PIXELS: [usize; 3] = [8, 6, 4];

/// The functions of an instruction set, each compiled with its features.
macro_rules! compiled {
    ($module:ident, $name:literal, $simd:ty, [$($one:literal)*], [$($two:literal)*], [$($three:literal)*] $(, $features:literal)?) => {
        mod $module {
            use super::*;

            const L: usize = <$simd>::LANES;

            $(#[target_feature(enable = $features)])?
            unsafe fn tiles<const BLOCKS: usize, const PIXELS: usize, const STEP: usize, const DEPTH: usize>(run: &gemm::Run) {
                // SAFETY: this function's callers promise what that one asks for.
                unsafe { gemm::tiles::<$simd, BLOCKS, PIXELS, STEP, DEPTH>(run) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn depthwise<const STRIDE: usize, const PIXELS: usize>(a: &depthwise::Blocked) {
                // SAFETY: this function's callers promise what that one asks for.
                unsafe { depthwise::blocked::<$simd, STRIDE, PIXELS>(a) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn plane(a: &depthwise::Plane<'_>) {
                // SAFETY: this function's callers promise what that one asks for.
                unsafe { depthwise::plane::<$simd>(a) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn upsample(a: &rows::Upsample) {
                // SAFETY: this function's callers promise what that one asks for.
                unsafe { rows::upsample::<$simd>(a) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn shuffle(a: &rows::Shuffle) {
                // SAFETY: this function's callers promise what that one asks for.
                unsafe { rows::shuffle(a, L) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn winograd_input(a: &winograd::Input) {
                // SAFETY: this function's callers promise what that one asks for.
                unsafe { winograd::input::<$simd>(a) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn winograd_output(a: &winograd::Output) {
                // SAFETY: this function's callers promise what that one asks for.
                unsafe { winograd::output::<$simd>(a) }
            }

            $(#[target_feature(enable = $features)])?
            unsafe fn multiply_add(out: *mut f32, rounds: usize, scale: f32, shift: f32) {
                // SAFETY: this function's callers promise what that one asks for.
                unsafe { peak::multiply_add::<$simd>(out, rounds, scale, shift) }
            }

            static TILES: [[&[Tiles]; 3]; 4] = [
                [&[$(tiles::<1, $one, { L }, 4>),*], &[$(tiles::<2, $two, { L }, 4>),*], &[$(tiles::<3, $three, { L }, 4>),*]],
                [&[$(tiles::<1, $one, { 2 * L }, 4>),*], &[$(tiles::<2, $two, { 2 * L }, 4>),*], &[$(tiles::<3, $three, { 2 * L }, 4>),*]],
                [&[$(tiles::<1, $one, 1, 1>),*], &[$(tiles::<2, $two, 1, 1>),*], &[$(tiles::<3, $three, 1, 1>),*]],
                [&[$(tiles::<1, $one, 2, 1>),*], &[$(tiles::<2, $two, 2, 1>),*], &[$(tiles::<3, $three, 2, 1>),*]],
            ];

            pub(super) static ISA: Isa = Isa {
                name: $name,
                lanes: L,
                tiles: &TILES,
                depthwise: [
                    [depthwise::<1, 8>, depthwise::<1, 6>, depthwise::<1, 4>],
                    [depthwise::<2, 8>, depthwise::<2, 6>, depthwise::<2, 4>],
                ],
                plane,
                upsample,
                shuffle,
                winograd_input,
                winograd_output,
                multiply_add,
            };
        }
    };
}

compiled!(plain, "plain", simd::Plain, [1 2 3 4], [], []);
#[cfg(target_arch = "x86_64")]
compiled!(avx2, "AVX2", simd::x86::Avx2, [1 2 3 4 5 6 7 8 9 10 11 12], [1 2 3 4 5 6], [1 2 3 4], "avx2,fma");
#[cfg(target_arch = "x86_64")]
compiled!(
    avx512, "AVX-512", simd::x86::Avx512,
    [1 2 3 4 5 6 7 8 9 10 11 12], [1 2 3 4 5 6 7 8 9 10 11 12], [1 2 3 4 5 6 7 8], "avx512f"
);
#[cfg(target_arch = "aarch64")]
compiled!(neon, "NEON", simd::arm::Neon, [1 2 3 4 5 6 7 8 9 10 11 12], [1 2 3 4 5 6], [1 2 3 4], "neon");

impl Isa {
    /// All that this processor can run, the fastest first.
    pub fn available() -> Vec<&'static Self> {
        let mut found: Vec<&'static Self> = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") {
                found.push(&avx512::ISA);
            }
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                found.push(&avx2::ISA);
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            found.push(&neon::ISA);
        }
        found.push(&plain::ISA);
        found
    }

    /// The fastest.
    pub fn best() -> &'static Self {
        Self::available()[0]
    }

    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Channels in a block.
    pub fn lanes(&self) -> usize {
        self.lanes
    }

    /// Multiply-adds of a core at best, about.
    pub fn macs_per_ns(&self) -> f64 {
        if self.lanes == 16 {
            100.0
        } else if self.tiles[0][1].is_empty() {
            15.0
        } else {
            50.0
        }
    }

    /// `rounds` times `x * scale + shift` in every number of as many chains as keep a core busy. The chains begin at `first`
    /// and their sum is returned; [`Self::chains`] says how many numbers they are.
    pub fn multiply_add(&self, rounds: usize, first: f32, scale: f32, shift: f32) -> f32 {
        let mut chains = vec![first; self.chains()];
        // SAFETY: this function is handed out only where the processor has its features; `chains` holds all vectors.
        unsafe { (self.multiply_add)(chains.as_mut_ptr(), rounds, scale, shift) };
        chains.iter().sum()
    }

    /// Numbers in the chains of [`Self::multiply_add`].
    pub fn chains(&self) -> usize {
        peak::CHAINS * self.lanes
    }

    /// Most pixels in a tile of `blocks` output blocks.
    fn pixels(&self, blocks: usize) -> usize {
        self.tiles[0][blocks - 1].len()
    }

    /// Splits output blocks into groups, each as many as a tile has: twos, and a three where their number is odd.
    fn groups(&self, blocks: usize) -> Vec<usize> {
        let mut groups = Vec::new();
        let mut left = blocks;
        while left > 0 {
            let group = match left {
                3 if self.pixels(3) > 0 => 3,
                2.. if self.pixels(2) > 0 => 2,
                _ => 1,
            };
            groups.push(group);
            left -= group;
        }
        groups
    }

    /// `width` output pixels of a matrix product. Each of `rows` begins at the number that an entry of offset 0 means for
    /// output pixel 0.
    pub fn gemm(
        &self,
        gemm: &Gemm,
        rows: &[&[f32]],
        weighted: Weighted<'_>,
        second: Option<Second<'_>>,
        out: RowMut<'_>,
        width: usize,
    ) {
        let lanes = self.lanes;
        let (step, depth) = (gemm.reading.step(lanes), gemm.reading.depth());
        if width == 0 || gemm.out_blocks == 0 {
            return;
        }
        assert!(rows.len() >= gemm.reach.len(), "a source row for each that the entries name");
        for (row, reach) in rows.iter().zip(&gemm.reach) {
            assert!(reach.is_none_or(|reach| reach + (width - 1) * step + depth <= row.len()), "source row too short");
        }
        assert!(weighted.weights.len() >= gemm.weights(lanes), "too few weights");
        assert!(weighted.bias.len() >= gemm.out_blocks * lanes, "too few biases");
        let last = |stride: usize| (gemm.out_blocks - 1) * stride + width * lanes;
        assert!(last(out.stride) <= out.data.len(), "result row too short");
        assert!(second.is_none_or(|s| last(s.row.stride) <= s.row.data.len()), "second row too short");
        let table = &self.tiles[gemm.reading.index().unwrap_or(0)];

        let mut pointers = [std::ptr::null(); MAX_ROWS];
        assert!(rows.len() <= MAX_ROWS, "too many source rows");
        for (pointer, row) in pointers.iter_mut().zip(rows) {
            *pointer = row.as_ptr();
        }
        let (low, high) = weighted.finish.limits();
        let (mut block, mut weight) = (0, 0);
        for &blocks in &gemm.groups {
            let tiles = table[blocks - 1];
            // As few tiles as the registers allow, as equal as they can be: `larger` of one pixel more, then the others.
            let count = width.div_ceil(tiles.len());
            let (pixels, larger) = (width / count, width % count);
            for (first, count, pixels) in [(0, larger, pixels + 1), (larger * (pixels + 1), count - larger, pixels)] {
                if count == 0 {
                    continue;
                }
                let run = gemm::Run {
                    rows: pointers.as_ptr(),
                    entries: gemm.entries.as_ptr(),
                    entry_count: gemm.entries.len(),
                    weights: weighted.weights[weight..].as_ptr(),
                    bias: weighted.bias[block * lanes..].as_ptr(),
                    out: out.data[block * out.stride..].as_mut_ptr(),
                    out_stride: out.stride,
                    first,
                    tiles: count,
                    low,
                    high,
                    second: second.map_or(std::ptr::null(), |s| s.row.data[block * s.row.stride..].as_ptr()),
                    second_stride: second.map_or(0, |s| s.row.stride),
                    second_first: second.is_some_and(|s| s.first),
                };
                // SAFETY: this table is handed out only where the processor has its features. Above, every source row was
                // checked to hold its furthest entry of the last pixel, and `out`, `second`, weights and biases to be as
                // large as all groups together need.
                unsafe { tiles[pixels - 1](&run) };
            }
            block += blocks;
            weight += gemm.entries.len() * depth * blocks * lanes;
        }
    }

    /// A 3x3 convolution of each channel of `blocks` blocks: weights `[block][9][lane]`, rows from the column of the first
    /// tap of output pixel 0.
    pub fn depthwise(
        &self,
        stride: usize,
        rows: [Row<'_>; 3],
        weighted: Weighted<'_>,
        out: RowMut<'_>,
        blocks: usize,
        width: usize,
    ) {
        let lanes = self.lanes;
        if width == 0 || blocks == 0 {
            return;
        }
        assert!(stride == 1 || stride == 2, "strides are 1 or 2");
        for row in rows {
            let needed = (blocks - 1) * row.stride + ((width - 1) * stride + 3) * lanes;
            assert!(needed <= row.data.len(), "source row too short");
        }
        assert!(weighted.weights.len() >= 9 * blocks * lanes, "too few weights");
        assert!(weighted.bias.len() >= blocks * lanes, "too few biases");
        assert!((blocks - 1) * out.stride + width * lanes <= out.data.len(), "result row too short");
        let (low, high) = weighted.finish.limits();
        let tile = (0..DEPTHWISE_PIXELS.len())
            .min_by_key(|i| {
                width.next_multiple_of(DEPTHWISE_PIXELS[*i]) * (DEPTHWISE_PIXELS[*i] + 2) / DEPTHWISE_PIXELS[*i]
            })
            .unwrap_or(0);
        let call = depthwise::Blocked {
            rows: rows.map(|r| r.data.as_ptr()),
            strides: rows.map(|r| r.stride),
            weights: weighted.weights.as_ptr(),
            bias: weighted.bias.as_ptr(),
            out: out.data.as_mut_ptr(),
            out_stride: out.stride,
            blocks,
            width,
            low,
            high,
        };
        // SAFETY: the features are there as for every table; the lengths were checked above.
        unsafe { self.depthwise[stride - 1][tile](&call) };
    }

    /// A 3x3 convolution of one plane: three rows from the column of the first tap of output pixel 0.
    pub fn plane(&self, rows: [&[f32]; 3], weights: &[f32; 9], bias: f32, finish: Finish, out: &mut [f32]) {
        let width = out.len();
        if width == 0 {
            return;
        }
        assert!(rows.iter().all(|row| row.len() >= width + 2), "source row too short");
        let call =
            depthwise::Plane { rows: rows.map(<[f32]>::as_ptr), weights, bias, out: out.as_mut_ptr(), width, finish };
        // SAFETY: the features are there as for every table; the lengths were checked above.
        unsafe { (self.plane)(&call) };
    }

    /// Output columns `columns` of a bilinear upsampling to twice the width, of `3/4 near + 1/4 far`. Both rows begin at
    /// source column `first` and hold the neighbours of every output column, of a source `source_width` wide.
    #[allow(clippy::too_many_arguments, reason = "two rows, three places and a size; none belongs to another")]
    pub fn upsample(
        &self,
        near: Row<'_>,
        far: Row<'_>,
        first: usize,
        source_width: usize,
        columns: std::ops::Range<usize>,
        out: RowMut<'_>,
        blocks: usize,
    ) {
        let lanes = self.lanes;
        if columns.is_empty() || blocks == 0 {
            return;
        }
        assert!(columns.end <= 2 * source_width, "columns beyond the source");
        let lowest = columns.start.saturating_sub(1) / 2;
        let highest = (columns.end / 2).min(source_width - 1);
        assert!(first <= lowest, "the source begins too late");
        for row in [near, far] {
            assert!(
                (blocks - 1) * row.stride + (highest + 1 - first) * lanes <= row.data.len(),
                "source row too short"
            );
        }
        assert!((blocks - 1) * out.stride + columns.len() * lanes <= out.data.len(), "result row too short");
        let call = rows::Upsample {
            near: near.data.as_ptr(),
            far: far.data.as_ptr(),
            near_stride: near.stride,
            far_stride: far.stride,
            first,
            source_width,
            from: columns.start,
            to: columns.end,
            blocks,
            out: out.data.as_mut_ptr(),
            out_stride: out.stride,
        };
        // SAFETY: the features are there as for every table. The kernel reads source columns `lowest..=highest`, which the
        // rows were checked to hold, and writes as many pixels as there are columns.
        unsafe { (self.upsample)(&call) };
    }

    /// One row of pixel shuffle, the upper (`row` 0) or the lower (1): `width` pixels of `4 * channels` channels to
    /// `[channel][2 * width]`.
    pub fn shuffle(&self, source: Row<'_>, row: usize, width: usize, channels: usize, out: RowMut<'_>) {
        let lanes = self.lanes;
        if width == 0 || channels == 0 {
            return;
        }
        assert!(row < 2, "two rows");
        assert!((4 * channels).div_ceil(lanes).saturating_sub(1) * source.stride + width * lanes <= source.data.len());
        assert!((channels - 1) * out.stride + 2 * width <= out.data.len(), "result row too short");
        let call = rows::Shuffle {
            source: source.data.as_ptr(),
            source_stride: source.stride,
            row,
            width,
            channels,
            out: out.data.as_mut_ptr(),
            out_stride: out.stride,
        };
        // SAFETY: the features are there as for every table; the lengths were checked above.
        unsafe { (self.shuffle)(&call) };
    }

    /// `2 * tiles` pixels of four rows, transformed to `[16][block][tile][lane]`, with `out.stride` numbers from a block to the
    /// next. Rows begin one column before the first output pixel.
    pub fn winograd_input(&self, rows: [Row<'_>; 4], blocks: usize, tiles: usize, out: RowMut<'_>) {
        let lanes = self.lanes;
        if tiles == 0 || blocks == 0 {
            return;
        }
        for row in rows {
            assert!((blocks - 1) * row.stride + (2 * tiles + 2) * lanes <= row.data.len(), "source row too short");
        }
        assert!(tiles * lanes <= out.stride && 16 * blocks * out.stride <= out.data.len(), "result too short");
        let call = winograd::Input {
            rows: rows.map(|r| r.data.as_ptr()),
            strides: rows.map(|r| r.stride),
            blocks,
            tiles,
            out: out.data.as_mut_ptr(),
            stride: out.stride,
        };
        // SAFETY: the features are there as for every table; the lengths were checked above.
        unsafe { (self.winograd_input)(&call) };
    }

    /// `[16][block][tile][lane]` products, with `products.stride` numbers from a block to the next, transformed back to two
    /// rows of `2 * tiles` pixels.
    pub fn winograd_output(
        &self,
        products: Row<'_>,
        bias: &[f32],
        finish: Finish,
        out: [RowMut<'_>; 2],
        blocks: usize,
        tiles: usize,
    ) {
        let lanes = self.lanes;
        if tiles == 0 || blocks == 0 {
            return;
        }
        assert!(
            tiles * lanes <= products.stride && 16 * blocks * products.stride <= products.data.len(),
            "too few products"
        );
        assert!(bias.len() >= blocks * lanes, "too few biases");
        for row in &out {
            assert!((blocks - 1) * row.stride + 2 * tiles * lanes <= row.data.len(), "result row too short");
        }
        let (low, high) = finish.limits();
        let call = winograd::Output {
            products: products.data.as_ptr(),
            stride: products.stride,
            bias: bias.as_ptr(),
            blocks,
            tiles,
            strides: [out[0].stride, out[1].stride],
            out: out.map(|row| row.data.as_mut_ptr()),
            low,
            high,
        };
        // SAFETY: the features are there as for every table; the lengths were checked above.
        unsafe { (self.winograd_output)(&call) };
    }
}

/// Most source rows of a [`Gemm`].
pub const MAX_ROWS: usize = 24;
