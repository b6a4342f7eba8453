//! How pictures lie in memory: rows, one after the other, each with all its channels.
//!
//! ```text
//! blocked   [row][block][pixel][lane]   a block is as many channels as a vector has lanes; NHCWc, also known as nChw16c
//!                                       with the rows outside
//! planar    [row][channel][pixel]       the image, the painting, and what is made of single channels near them
//! ```
//! A band of rows is one slice, so threads can own bands. On the left and right of a row there may be columns of zeros,
//! which are written once: the padding of the convolutions that read it. Channels of joined pictures stay in the blocks of
//! their parts, so a block may hold fewer channels than it has lanes; the rest of its lanes hold finite numbers that meet
//! weights of zero.

use bytemuck::{Pod, Zeroable};

/// As many numbers as a cache line holds: memory in units of it is aligned for every vector.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Pod, Zeroable)]
pub(super) struct Line([f32; 16]);

/// Zeros, aligned, at least `numbers` of them.
pub(super) fn zeros(numbers: usize) -> Vec<Line> {
    vec![Line::default(); numbers.div_ceil(16)]
}

pub(super) fn numbers(lines: &[Line]) -> &[f32] {
    bytemuck::cast_slice(lines)
}

pub(super) fn numbers_mut(lines: &mut [Line]) -> &mut [f32] {
    bytemuck::cast_slice_mut(lines)
}

/// The channels of a picture and the columns around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Numbers from a pixel to the next: the lanes of a block, or 1 in a plane.
    pub pixel: usize,
    /// Channels in each block; 1 in each plane.
    pub channels: Vec<usize>,
    /// Columns of zeros before and after a row.
    pub left: usize,
    pub right: usize,
    pub width: usize,
    pub height: usize,
}

impl Layout {
    pub fn is_planar(&self) -> bool {
        self.pixel == 1
    }

    pub fn blocks(&self) -> usize {
        self.channels.len()
    }

    /// Block and lane of each channel.
    pub fn places(&self) -> Vec<(usize, usize)> {
        let lanes = |(block, count): (usize, &usize)| (0..*count).map(move |lane| (block, lane));
        self.channels.iter().enumerate().flat_map(lanes).collect()
    }

    /// Blocks for `channels` channels of one picture.
    pub fn dense(channels: usize, lanes: usize) -> Vec<usize> {
        (0..channels.div_ceil(lanes)).map(|block| lanes.min(channels - block * lanes)).collect()
    }

    /// Numbers from a block to the next where `columns` columns are kept.
    pub fn stride(&self, columns: usize) -> usize {
        (self.left + columns + self.right) * self.pixel
    }
}
