//! Where things were in the frame that was painted, and that frame's painting moved along: the definition of the kernels in
//! `shaders/motion/`.
//!
//! Block matching from coarse to fine, as in hierarchical motion estimation for video coding (Bierling, "Displacement
//! estimation by hierarchical blockmatching", SPIE VCIP 1988): on three levels of luma, one block of eight by eight pixels for
//! each four by four, candidates around what the coarser level found there and around, and none at all. The sums are whole
//! numbers, so every GPU finds the same blocks.

use crate::units::Extent;

/// Levels of the pyramid: a half, a quarter and an eighth of the student's size.
pub const LEVELS: usize = 3;
/// How far candidates reach from the prediction, in pixels of their level, the finest first.
pub const RADIUS: [i32; LEVELS] = [2, 2, 3];
/// Pixels of a level from one block's centre to the next, and the side of what is compared.
pub const STEP: u32 = 4;
pub const SIDE: i32 = 8;

/// Size of a level of the pyramid over the student's `extent`, 0 the finest.
pub fn level_extent(extent: Extent, level: usize) -> Extent {
    let box_side = 2 << level;
    Extent::new(extent.width.div_ceil(box_side), extent.height.div_ceil(box_side))
}

/// Where a level begins in the pyramid.
pub fn level_at(extent: Extent, level: usize) -> usize {
    (0..level).map(|finer| level_extent(extent, finer).pixels() as usize).sum()
}

/// Values in a whole pyramid.
pub fn levels_len(extent: Extent) -> usize {
    level_at(extent, LEVELS)
}

/// Where the vectors of each level lie in one buffer, the finest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fields {
    grids: [Extent; LEVELS],
}

impl Fields {
    /// `extent`: the student's.
    pub fn new(extent: Extent) -> Self {
        let grid = |level| {
            let Extent { width, height } = level_extent(extent, level);
            Extent::new(width.div_ceil(STEP), height.div_ceil(STEP))
        };
        Self { grids: std::array::from_fn(grid) }
    }

    /// Blocks of a level.
    pub fn grid(&self, level: usize) -> Extent {
        self.grids[level]
    }

    /// Where a level's vectors begin.
    pub fn at(&self, level: usize) -> usize {
        self.grids[..level].iter().map(|grid| grid.pixels() as usize).sum()
    }

    /// Vectors of all levels.
    pub fn len(&self) -> usize {
        self.at(LEVELS)
    }

    /// False: every picture has a block.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
