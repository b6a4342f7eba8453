//! Where things were in the frame that was painted, and that frame's painting moved along: the definition of the kernels in
//! `shaders/motion/`.
//!
//! Block matching from coarse to fine, as in hierarchical motion estimation for video coding (Bierling, "Displacement
//! estimation by hierarchical blockmatching", SPIE VCIP 1988): on three levels of luma, one block of eight by eight pixels for
//! each four by four, candidates around what the coarser level found there and around, and none at all. All of it in whole
//! numbers, so every GPU finds the same motion.
//!
//! How well it does: pairs of successive frames of five webcam clips of one person (30 frames per second, 288 by 208), painted by
//! five styles of the smallest network of this project; PSNR against the really painted second frame, over the whole picture /
//! where the input moved (7 % of it); and over a cut from one clip to another:
//!
//! | | whole | moving | cut |
//! |---|---|---|---|
//! | the first painting as it is | 32.7 dB | 24.4 dB | 16.5 dB |
//! | moved, one vector for all of a block's pixels by interpolation | 34.8 | 28.0 | |
//! | moved, each pixel by the best of the vectors around and none | 35.1 | 28.6 | |
//! | **so, and following the input's change by half** | **35.7** | **30.1** | **21.7** |
//! | so, following by 0.4 / 0.6 | 35.7 / 35.7 | 30.2 / 30.0 | 21.7 / 21.5 |
//! | so, following in full where the change is large | 35.7 | 30.0 | 20.8 |
//!
//! Over two frames 33.9 instead of 30.6 dB, over four 32.0 instead of 27.8. Bicubic sampling, a denser field and a longer reach gained
//! less than 0.1 dB.

use std::ops::Range;

use crate::units::Extent;
use crate::wide::{widely, within};

/// Levels of the pyramid: a half, a quarter and an eighth of the student's size.
pub const LEVELS: usize = 3;
/// How far candidates reach from the prediction, in pixels of their level, the finest first.
pub const RADIUS: [i32; LEVELS] = [2, 2, 3];
/// Pixels of a level from one block's centre to the next, and the side of what is compared.
pub const STEP: u32 = 4;
pub const SIDE: i32 = 8;
/// What a vector must be better by than none, in sums over a block of squared differences of luma 0..1020, and how much more for
/// each pixel of its length. Noise on a flat wall is full of chance matches; this is a difference of 1.2 of 255 at each pixel.
const WORTH: u32 = 1500;
const WORTH_PER_PIXEL: u32 = 60;
/// How much of the input's change the carried painting takes on.
const FOLLOW: f32 = 0.5;

/// Columns and rows to the right and down.
pub type Vector = [i32; 2];

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

/// 256 times the luma of a pixel: BT.601's weights in 256ths.
#[inline(always)]
fn luma_256(pixel: [u8; 4]) -> u32 {
    77 * u32::from(pixel[0]) + 150 * u32::from(pixel[1]) + 29 * u32::from(pixel[2])
}

/// `motion/pyramid`, some rows of one level: luma 0..1020 of the student's input at a half, a quarter or an eighth of its size,
/// the means over boxes; where a box reaches beyond the picture, the border's pixels repeat. `out` has room for those rows.
///
/// # Panics
/// When a slice is too short.
pub fn pyramid_rows(guide: &[[u8; 4]], extent: Extent, level: usize, rows: Range<usize>, out: &mut [u32]) {
    let (width, height) = (extent.width as usize, extent.height as usize);
    let side = 2_usize << level;
    let shift = 2 * (level as u32 + 1);
    let size = level_extent(extent, level);
    widely(
        #[inline(always)]
        || {
            for (y, out) in rows.zip(out.chunks_exact_mut(size.width as usize)) {
                out.fill(32 << shift);
                for row in (y * side..(y + 1) * side).map(|row| row.min(height - 1)) {
                    let line = &guide[row * width..][..width];
                    for (sum, pixels) in out.iter_mut().zip(line.chunks(side)) {
                        *sum += pixels.iter().map(|pixel| luma_256(*pixel)).sum::<u32>();
                        if pixels.len() < side {
                            *sum += (side - pixels.len()) as u32 * luma_256(line[width - 1]);
                        }
                    }
                }
                out.iter_mut().for_each(|sum| *sum >>= 6 + shift);
            }
        },
    );
}

/// All levels of [`pyramid_rows`], the finest first.
///
/// # Panics
/// When `guide` is shorter than `extent`.
pub fn pyramid(guide: &[[u8; 4]], extent: Extent) -> Vec<u32> {
    let mut levels = vec![0; levels_len(extent)];
    for level in 0..LEVELS {
        let size = level_extent(extent, level);
        let out = &mut levels[level_at(extent, level)..][..size.pixels() as usize];
        pyramid_rows(guide, extent, level, 0..size.height as usize, out);
    }
    levels
}

/// One plane of numbers, its border repeated without end.
#[derive(Clone, Copy)]
struct Plane<'a, T> {
    values: &'a [T],
    extent: Extent,
}

impl<T: Copy> Plane<'_, T> {
    #[inline(always)]
    fn at(&self, x: i32, y: i32) -> T {
        let column = x.clamp(0, self.extent.width as i32 - 1) as usize;
        let row = y.clamp(0, self.extent.height as i32 - 1) as usize;
        self.values[row * self.extent.width as usize + column]
    }
}

/// `motion/search` on one level, 0 the finest, some rows of blocks: reads the field of the coarser level (empty for the
/// coarsest) and writes that of this one into `out`, which has room for those rows. `now`, `key`: what [`pyramid`] gave for the
/// present frame and for the painted one, both of a student's `extent`. A vector says where a block was in the painted frame,
/// relative to where it is now, in sixteenths of a pixel of the level.
///
/// # Panics
/// When a slice is shorter than `extent` asks for.
pub fn search_rows(
    now: &[u32],
    key: &[u32],
    extent: Extent,
    level: usize,
    coarser: &[Vector],
    rows: Range<usize>,
    out: &mut [Vector],
) {
    let fields = Fields::new(extent);
    let size = level_extent(extent, level);
    let begin = level_at(extent, level);
    let [now, key] =
        [now, key].map(|levels| Plane { values: &levels[begin..][..size.pixels() as usize], extent: size });
    let coarser = (level + 1 < LEVELS).then(|| Plane { values: coarser, extent: fields.grid(level + 1) });
    let width = fields.grid(level).width as usize;
    widely(
        #[inline(always)]
        || {
            for (y, out) in rows.zip(out.chunks_exact_mut(width)) {
                for (x, found) in out.iter_mut().enumerate() {
                    *found = search_block(now, key, coarser, [x as i32, y as i32], RADIUS[level], level == 0);
                }
            }
        },
    );
}

/// The sum over a block at `[left, top]` of squared differences to the block that lies `vector` away.
#[inline(always)]
fn difference(now: Plane<'_, u32>, key: Plane<'_, u32>, [left, top]: Vector, [dx, dy]: Vector) -> u32 {
    let inside = |x: i32, y: i32| {
        x >= 0 && y >= 0 && x + SIDE <= now.extent.width as i32 && y + SIDE <= now.extent.height as i32
    };
    let mut sum = 0;
    if inside(left, top) && inside(left + dx, top + dy) {
        let width = now.extent.width as usize;
        let from = |x: i32, y: i32| y as usize * width + x as usize;
        for y in 0..SIDE {
            let a = &now.values[from(left, top + y)..][..SIDE as usize];
            let b = &key.values[from(left + dx, top + dy + y)..][..SIDE as usize];
            sum += a.iter().zip(b).map(|(a, b)| a.abs_diff(*b).pow(2)).sum::<u32>();
        }
    } else {
        for y in top..top + SIDE {
            for x in left..left + SIDE {
                sum += now.at(x, y).abs_diff(key.at(x + dx, y + dy)).pow(2);
            }
        }
    }
    sum
}

/// The window of the widest level, and the eight predictions around.
const MOST_CANDIDATES: usize = 7 * 7 + 8;

#[inline(always)]
fn search_block(
    now: Plane<'_, u32>,
    key: Plane<'_, u32>,
    coarser: Option<Plane<'_, Vector>>,
    [column, row]: Vector,
    radius: i32,
    finest: bool,
) -> Vector {
    let corner = [column * STEP as i32 + STEP as i32 / 2 - SIDE / 2, row * STEP as i32 + STEP as i32 / 2 - SIDE / 2];
    let unmoved = difference(now, key, corner, [0, 0]);
    if unmoved <= WORTH {
        return [0, 0];
    }
    let predicted = |dx, dy| coarser.map_or([0, 0], |plane| plane.at(column / 2 + dx, row / 2 + dy).map(|v| v / 8));
    let side = 2 * radius + 1;
    let own = predicted(0, 0);
    let window = (-radius..=radius).flat_map(|dy| (-radius..=radius).map(move |dx| [own[0] + dx, own[1] + dy]));
    let around = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy))).filter(|offset| *offset != (0, 0));
    let around = around.filter(|_| coarser.is_some()).map(|(dx, dy)| predicted(dx, dy));
    let mut costs = [([0, 0], 0); MOST_CANDIDATES];
    let (mut best, mut least) = (None, unmoved);
    for (index, (vector, kept)) in window.chain(around).zip(&mut costs).enumerate() {
        let cost = difference(now, key, corner, vector);
        *kept = (vector, cost);
        let price = cost + WORTH + WORTH_PER_PIXEL * (vector[0].unsigned_abs() + vector[1].unsigned_abs());
        if price < least {
            (best, least) = (Some(index as i32), price);
        }
    }
    let Some(best) = best else { return [0, 0] };
    let cost_of = |index: i32| costs[index as usize].1;
    let mut found = costs[best as usize].0.map(|v| v * 16);
    if finest && best < side * side {
        if (1..side - 1).contains(&(best % side)) {
            found[0] += vertex(cost_of(best - 1), cost_of(best), cost_of(best + 1));
        }
        if (1..side - 1).contains(&(best / side)) {
            found[1] += vertex(cost_of(best - side), cost_of(best), cost_of(best + side));
        }
    }
    found
}

/// Where the parabola through three costs is least, in sixteenths from the middle one, if that is the least of them; -8..=8.
fn vertex(before: u32, least: u32, after: u32) -> i32 {
    if before < least || after < least || before + after == 2 * least {
        return 0;
    }
    let (left, right) = ((before - least) as i32, (after - least) as i32);
    let sum = left + right;
    (16 * (left - right) + if left >= right { sum } else { -sum }) / (2 * sum)
}

/// The whole field of motion: [`search_rows`] on every level. The finest level comes first.
pub fn motion(now: &[u32], key: &[u32], extent: Extent) -> Vec<Vector> {
    let fields = Fields::new(extent);
    let mut field = vec![[0, 0]; fields.len()];
    for level in (0..LEVELS).rev() {
        let (own, coarser) = field[fields.at(level)..].split_at_mut(fields.grid(level).pixels() as usize);
        search_rows(now, key, extent, level, coarser, 0..fields.grid(level).height as usize, own);
    }
    field
}

/// A painted frame: what the student saw of it in eight bits a channel, and what it painted.
#[derive(Clone, Copy, Debug)]
pub struct Key<'a> {
    pub guide: &'a [[u8; 4]],
    pub painting: &'a [[f32; 4]],
}

/// Parts of a pixel of the student in which [`carry`] reckons.
const UNIT: i32 = 1 << 11;

/// `motion/carry`, some rows of it: the key's painting moved to where its things are in the frame that `guide` shows; `field`
/// as [`motion`] gives it. Each pixel takes the vector between the four around it, or one of the four, or none: whichever
/// explains it and its four neighbours best. What remains unexplained of the input's change, the painting follows by half.
/// `carried` has room for those rows.
///
/// # Panics
/// When a slice is shorter than `extent` asks for.
pub fn carry_rows(
    key: Key<'_>,
    guide: &[[u8; 4]],
    field: &[Vector],
    extent: Extent,
    rows: Range<usize>,
    carried: &mut [[f32; 4]],
) {
    let grid = Fields::new(extent).grid(0);
    let vectors = Plane { values: field, extent: grid };
    let was = Plane { values: key.guide, extent };
    let is = Plane { values: guide, extent };
    let painting = Plane { values: key.painting, extent };
    let rgb = |pixel: [u8; 4]| pixel.map(|c| f32::from(c) * (1.0 / 255.0));
    let width = extent.width as usize;
    widely(
        #[inline(always)]
        || {
            for (y, line) in rows.zip(carried.chunks_exact_mut(width)) {
                for (x, carried) in line.iter_mut().enumerate() {
                    let sees = rgb(guide[y * width + x]);
                    let place = [x as i32, y as i32];
                    let vector = vector_at(vectors, was, is, place);
                    let kept = |x: i32, y: i32| -> [f32; 4] {
                        let (painted, saw) = (painting.at(x, y), rgb(was.at(x, y)));
                        std::array::from_fn(|i| painted[i] - FOLLOW * saw[i])
                    };
                    let moved = if vector == [0, 0] { kept(place[0], place[1]) } else { between(place, vector, kept) };
                    let [r, g, b, _] = std::array::from_fn(|i| within(moved[i] + FOLLOW * sees[i], 1.0));
                    *carried = [r, g, b, 1.0];
                }
            }
        },
    );
}

/// What lies `vector` away from a pixel, between the four pixels around there.
#[inline(always)]
fn between([x, y]: Vector, [dx, dy]: Vector, at: impl Fn(i32, i32) -> [f32; 4]) -> [f32; 4] {
    let (left, top) = (x + dx.div_euclid(UNIT), y + dy.div_euclid(UNIT));
    let (across, down) = (dx.rem_euclid(UNIT) as f32 / UNIT as f32, dy.rem_euclid(UNIT) as f32 / UNIT as f32);
    let mix = |a: [f32; 4], b: [f32; 4], t: f32| -> [f32; 4] { std::array::from_fn(|i| a[i] + (b[i] - a[i]) * t) };
    mix(mix(at(left, top), at(left + 1, top), across), mix(at(left, top + 1), at(left + 1, top + 1), across), down)
}

/// [`carry_rows`] of the whole picture.
///
/// # Panics
/// When a slice is shorter than `extent` asks for.
pub fn carry(key: Key<'_>, guide: &[[u8; 4]], field: &[Vector], extent: Extent, carried: &mut [[f32; 4]]) {
    carry_rows(key, guide, field, extent, 0..extent.height as usize, carried);
}

/// The vector of one pixel, in [`UNIT`]s.
#[inline(always)]
fn vector_at(vectors: Plane<'_, Vector>, was: Plane<'_, [u8; 4]>, is: Plane<'_, [u8; 4]>, [x, y]: Vector) -> Vector {
    // Sixteenths of a cell from the centre of the first one.
    let (place_x, place_y) = (2 * x - 7, 2 * y - 7);
    let (column, row) = (place_x.div_euclid(16), place_y.div_euclid(16));
    let (right, down) = (place_x.rem_euclid(16), place_y.rem_euclid(16));
    let [a, b, c, d] = [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(dx, dy)| vectors.at(column + dx, row + dy));
    if [a, b, c, d] == [[0, 0]; 4] {
        return [0, 0];
    }
    let between = std::array::from_fn(|i| {
        (16 - down) * ((16 - right) * a[i] + right * b[i]) + down * ((16 - right) * c[i] + right * d[i])
    });
    let mismatch = |vector: Vector| -> u32 {
        let [dx, dy] = vector.map(|v| (v + UNIT / 2).div_euclid(UNIT));
        let squared = |x: i32, y: i32| -> u32 {
            let (now, then) = (is.at(x, y), was.at(x + dx, y + dy));
            (0..3).map(|i| u32::from(now[i].abs_diff(then[i])).pow(2)).sum()
        };
        [(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)].into_iter().map(|(dx, dy)| squared(x + dx, y + dy)).sum()
    };
    let others = [[0, 0], a, b, c, d].map(|vector| vector.map(|v| v * 256));
    let (mut vector, mut least) = (between, mismatch(between));
    for other in others {
        let mine = mismatch(other);
        if mine < least {
            (vector, least) = (other, mine);
        }
    }
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Noise on a lattice, brought to pixels by interpolation; 0..=1.
    fn lattice(x: f32, y: f32, seed: u32) -> f32 {
        let value = |x: f32, y: f32| {
            let mut h =
                (x as i32 as u32).wrapping_mul(0x9E37_79B1) ^ (y as i32 as u32).wrapping_mul(0x85EB_CA77) ^ seed;
            for _ in 0..2 {
                h = (h ^ (h >> 15)).wrapping_mul(0x2C1B_3C6D);
            }
            (h >> 8) as f32 / (1 << 24) as f32
        };
        let (left, top) = (x.floor(), y.floor());
        let mix = |a: f32, b: f32, t: f32| a + (b - a) * t;
        let row = |y| mix(value(left, y), value(left + 1.0, y), x - left);
        mix(row(top), row(top + 1.0), y - top)
    }

    /// Clouds of two sizes without a period, `shift` pixels to the right and down.
    fn picture(extent: Extent, shift: [f32; 2]) -> Vec<[u8; 4]> {
        let value = |x: f32, y: f32| {
            (30.0 + 120.0 * lattice(x / 19.0, y / 19.0, 1) + 80.0 * lattice(x / 7.0, y / 7.0, 2)) as u8
        };
        let pixels = (0..extent.height).flat_map(|y| (0..extent.width).map(move |x| (x as f32, y as f32)));
        pixels
            .map(|(x, y)| (x - shift[0], y - shift[1]))
            .map(|(x, y)| [value(x, y), value(x + 40.0, y), value(x, y + 25.0), 255])
            .collect()
    }

    fn painted(guide: &[[u8; 4]]) -> Vec<[f32; 4]> {
        guide.iter().map(|p| [p[2], p[0], p[1], 255].map(|c| f32::from(255 - c) / 255.0)).collect()
    }

    fn moved(extent: Extent, shift: [f32; 2]) -> (Vec<Vector>, Vec<[f32; 4]>) {
        let (was, is) = (picture(extent, [0.0, 0.0]), picture(extent, shift));
        let field = motion(&pyramid(&is, extent), &pyramid(&was, extent), extent);
        let mut carried = vec![[0.0; 4]; extent.pixels() as usize];
        carry(Key { guide: &was, painting: &painted(&was) }, &is, &field, extent, &mut carried);
        (field, carried)
    }

    #[test]
    fn levels_are_means_and_end_where_the_picture_ends() {
        for (width, height) in [(1, 1), (7, 3), (17, 8), (33, 50)] {
            let extent = Extent::new(width, height);
            let flat = pyramid(&vec![[90, 90, 90, 255]; extent.pixels() as usize], extent);
            assert_eq!(flat.len(), levels_len(extent));
            // 256 parts of 90 in sixty-fourths.
            assert!(flat.iter().all(|luma| *luma == 360), "{extent}");
        }
        let extent = Extent::new(4, 2);
        let bright = [[0; 4], [0; 4], [255; 4], [255; 4]].repeat(2);
        // The last level's box is eight wide: two columns dark, and the border's four times over.
        assert_eq!(pyramid(&bright, extent), [0, 1020, 510, 765]);
    }

    #[test]
    fn what_does_not_move_stays_exactly() {
        for extent in [Extent::new(1, 1), Extent::new(3, 40), Extent::new(67, 49)] {
            let (field, carried) = moved(extent, [0.0, 0.0]);
            assert!(field.iter().all(|vector| *vector == [0, 0]));
            for (got, want) in carried.iter().zip(painted(&picture(extent, [0.0, 0.0]))) {
                assert!((0..3).all(|i| (got[i] - want[i]).abs() < 1e-6), "{extent}: {got:?}, painted {want:?}");
            }
        }
    }

    /// Wherever the thing can be seen in both frames, its motion is found: to less than half a pixel on average, nowhere far off.
    #[test]
    fn a_shift_is_found_and_undone() {
        let extent = Extent::new(131, 102);
        for shift in [[3.0, 0.0], [-2.0, 5.0], [9.0, -7.0], [18.0, 12.0], [1.5, -0.5]] {
            let (field, carried) = moved(extent, shift);
            let grid = Fields::new(extent).grid(0);
            let margin = 3;
            let inside =
                (margin..grid.height - margin).flat_map(|y| (margin..grid.width - margin).map(move |x| (x, y)));
            let off: Vec<f32> = inside
                .flat_map(|(x, y)| {
                    let vector = field[(y * grid.width + x) as usize].map(|v| v as f32 / 8.0);
                    [(vector[0] + shift[0]).abs(), (vector[1] + shift[1]).abs()]
                })
                .collect();
            let (mean, worst) = (off.iter().sum::<f32>() / off.len() as f32, off.iter().copied().fold(0.0, f32::max));
            assert!(mean < 0.4 && worst <= 2.0, "{shift:?}: off by {mean} on average, {worst} at worst");
            let want = painted(&picture(extent, shift));
            let differences = (24..extent.height - 24).flat_map(|y| (24..extent.width - 24).map(move |x| (x, y)));
            let at = |x: u32, y: u32| (y * extent.width + x) as usize;
            let total: f32 =
                differences.clone().map(|(x, y)| (carried[at(x, y)][0] - want[at(x, y)][0]).abs() * 255.0).sum();
            let mean = total / differences.count() as f32;
            assert!(mean < 2.5, "{shift:?}: {mean:.2} of 255 off");
        }
    }

    /// Camera noise on a wall is no motion.
    #[test]
    fn noise_does_not_move() {
        let extent = Extent::new(96, 80);
        let mut state = 7_u32;
        let mut noisy = || -> Vec<[u8; 4]> {
            let mut pixel = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let [a, b, c, d] = state.to_be_bytes();
                // Three dice: nearly a normal distribution, of 2.4 of 255.
                120 + a % 4 + b % 4 + c % 4 + d % 4
            };
            (0..extent.pixels()).map(|_| [pixel(), pixel(), pixel(), 255]).collect()
        };
        let (now, key) = (pyramid(&noisy(), extent), pyramid(&noisy(), extent));
        let field = motion(&now, &key, extent);
        assert_eq!(field.iter().filter(|vector| **vector != [0, 0]).count(), 0);
    }

    /// Another scene: no motion explains it, and the carried picture is nearer to the new one than to the old.
    #[test]
    fn after_a_cut_the_painting_follows_the_new_picture() {
        let extent = Extent::new(64, 48);
        let pixels = extent.pixels() as usize;
        let (was, is) = (vec![[40, 40, 40, 255]; pixels], vec![[200, 200, 200, 255]; pixels]);
        let field = motion(&pyramid(&is, extent), &pyramid(&was, extent), extent);
        let mut carried = vec![[0.0; 4]; pixels];
        carry(Key { guide: &was, painting: &vec![[0.2, 0.2, 0.2, 1.0]; pixels] }, &is, &field, extent, &mut carried);
        let want = 0.2 + FOLLOW * 160.0 / 255.0;
        assert!(carried.iter().all(|p| (p[0] - want).abs() < 1e-5), "{:?}", carried[0]);
    }
}
