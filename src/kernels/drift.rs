//! Strokes that go along with what is painted: how far they have gone from where they lie at rest. The definition of
//! `shaders/motion/drift_of_cells.wgsl`.
//!
//! Coordinates are carried, never pixels: the fixed field of the canvas, or the relief's tables, are sampled at them, so that
//! strokes stay as sharp as they were (texture advection: Max and Becker 1995; Neyret, "Advected Textures", 2003; for video,
//! Bousseau et al., "Video Watercolorization using Bidirectional Texture Advection", 2007). What is stored is the offset from
//! home, which is the place on the screen. Where motion does not explain the picture, or offsets tear the strokes apart, they
//! fade over to home within eight frames. A cell that does not move keeps its offset to the bit.

use std::ops::Range;

use half::f16;

use super::motion::{Fields, Vector};
use super::relief::cells;
use crate::units::Extent;

/// Of a cell: pixels of the student to the right and down from home; how much of the strokes lies there and not at home,
/// 0..=1; how strong they are, 0..=1.
pub type Drift = [f16; 4];

/// At rest.
pub const HOME: Drift = [f16::ZERO, f16::ZERO, f16::ONE, f16::ONE];

/// A mean difference of 0..1 that motion leaves, from which on it does not explain the picture: three times the noise of a
/// webcam. From the second on it is another picture altogether.
const UNEXPLAINED: f32 = 13.0 / 255.0;
const OTHER: f32 = 60.0 / 255.0;
/// What a vector must explain better than none.
const BETTER: f32 = 1.0 / 255.0;
/// How much offsets may change per pixel; strokes are half or one and a half times as long then, and fade where they lie.
const STRETCHED: f32 = 0.5;
/// What strokes fade by in a frame.
const FADE: f32 = 0.125;
/// Pixels of the student per frame up to which strokes have their whole strength, and from which on they are weak: a network
/// paints strokes that move by parts of pixels less evenly, and an eye that follows them sees no detail.
const SLOW: f32 = 1.5;
const FAST: f32 = 6.0;
const WEAK: f32 = 0.3;

/// What has happened since the frame before.
#[derive(Clone, Copy, Debug)]
pub struct Step<'a> {
    pub guide: &'a [[u8; 4]],
    pub previous_guide: &'a [[u8; 4]],
    /// The finest of [`super::motion::motion`], with the frame before as its key.
    pub field: &'a [Vector],
    pub previous: &'a [Drift],
}

/// `motion/drift_of_cells`: `step` is `None` for the first frame. `extent`: the student's.
///
/// # Panics
/// When a slice is shorter than `extent` asks for.
pub fn drift_of_cells(step: Option<Step<'_>>, extent: Extent, drift: &mut [Drift]) {
    let size = cells(extent);
    drift_rows(step, extent, 0..size.height as usize, &mut drift[..size.pixels() as usize]);
}

/// Some rows of [`drift_of_cells`], into `drift`, which has room for those rows.
///
/// # Panics
/// When a slice is shorter than `extent` asks for.
pub fn drift_rows(step: Option<Step<'_>>, extent: Extent, rows: Range<usize>, drift: &mut [Drift]) {
    let Some(step) = step else { return drift.fill(HOME) };
    for (row, out) in rows.zip(drift.chunks_exact_mut(cells(extent).width as usize)) {
        for (column, out) in out.iter_mut().enumerate() {
            *out = one(step, extent, [column as i32, row as i32]);
        }
    }
}

fn one(step: Step<'_>, extent: Extent, [column, row]: [i32; 2]) -> Drift {
    let size = cells(extent);
    let (columns, rows) = (size.width as i32, size.height as i32);
    let blocks = Fields::new(extent).grid(0);
    let (mut across, mut down) = ([0; 9], [0; 9]);
    for i in 0..9 {
        let x = (column / 4 + i % 3 - 1).clamp(0, blocks.width as i32 - 1);
        let y = (row / 4 + i / 3 - 1).clamp(0, blocks.height as i32 - 1);
        let vector = step.field[(y * blocks.width as i32 + x) as usize];
        (across[i as usize], down[i as usize]) = (vector[0], vector[1]);
    }
    let median = |mut values: [i32; 9]| {
        // Nothing moves in most places.
        if values != [0; 9] {
            values.sort_unstable();
        }
        values[4] as f32 / 8.0
    };
    let mut vector = [median(across), median(down)];
    let middle = [2 * column, 2 * row];
    let mut unexplained = unmoved(step, extent, middle);
    if vector != [0.0; 2] {
        let moved = residual(step, extent, middle, vector);
        if moved + BETTER < unexplained {
            unexplained = moved;
        } else {
            vector = [0.0; 2];
        }
    }
    let before = |x: i32, y: i32| {
        let at = y.clamp(0, rows - 1) * columns + x.clamp(0, columns - 1);
        step.previous[at as usize].map(f16::to_f32)
    };
    let nearest = |at: i32, by: f32| at + (by * 0.5 + 0.5).floor() as i32;
    let (x, y) = (nearest(column, vector[0]), nearest(row, vector[1]));
    let [right, below, mut share, gain] = before(x, y);
    let mut place = [right + vector[0], below + vector[1]];
    let mut failed = unexplained > UNEXPLAINED;
    let torn = |x: i32, y: i32| {
        let apart = |a: [f32; 4], b: [f32; 4]| (a[0] - b[0]).hypot(a[1] - b[1]) * 0.25;
        let across = apart(before(x + 1, y), before(x - 1, y));
        let down = apart(before(x, y + 1), before(x, y - 1));
        across.max(down) > STRETCHED
    };
    if vector != [0.0; 2] {
        let around = (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy)));
        let torn_around = around.filter(|(dx, dy)| torn(x + 3 * dx, y + 3 * dy)).count();
        let outside = x < 0 || y < 0 || x >= columns || y >= rows;
        failed = failed || outside || torn_around >= 4;
    }
    if unexplained > OTHER {
        (place, share) = ([0.0; 2], 1.0);
    } else if failed || share < 1.0 {
        share -= FADE;
        if share <= 0.0 || (place[0].abs() < 0.01 && place[1].abs() < 0.01) {
            (place, share) = ([0.0; 2], 1.0);
        }
    }
    let steady = 1.0 - (1.0 - WEAK) * smoothstep(SLOW, FAST, vector[0].hypot(vector[1]));
    let wanted = if torn(x, y) { 0.0 } else { steady };
    let gain = gain + (wanted - gain).clamp(-1.0 / 3.0, 1.0 / 15.0);
    [place[0], place[1], share, gain].map(f16::from_f32)
}

/// [`residual`] without motion, which most cells ask for alone: whole numbers, row by row.
fn unmoved(step: Step<'_>, extent: Extent, [x, y]: [i32; 2]) -> f32 {
    let (width, height) = (extent.width as i32, extent.height as i32);
    if x < 1 || y < 1 || x + 1 >= width || y + 1 >= height {
        return residual(step, extent, [x, y], [0.0; 2]);
    }
    let mut sum = 0;
    for row in y - 1..=y + 1 {
        let first = (row * width + x - 1) as usize;
        for (now, then) in step.guide[first..first + 3].iter().zip(&step.previous_guide[first..first + 3]) {
            sum += (0..3).map(|i| u32::from(now[i].abs_diff(then[i]))).sum::<u32>();
        }
    }
    sum as f32 / (27.0 * 255.0)
}

/// The mean difference of three by three pixels to where they were, 0..1.
fn residual(step: Step<'_>, extent: Extent, [x, y]: [i32; 2], vector: [f32; 2]) -> f32 {
    let (width, height) = (extent.width as i32, extent.height as i32);
    let at = |picture: &[[u8; 4]], x: i32, y: i32| {
        let [r, g, b, _] = picture[(y.clamp(0, height - 1) * width + x.clamp(0, width - 1)) as usize];
        [r, g, b].map(f32::from)
    };
    let (left, top) = (vector[0].floor(), vector[1].floor());
    let (across, down) = (vector[0] - left, vector[1] - top);
    let mut sum = 0.0;
    for (dy, dx) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dy, dx))) {
        let (x, y) = (x + dx, y + dy);
        let (from_x, from_y) = (x + left as i32, y + top as i32);
        let now = at(step.guide, x, y);
        let was = |dx: i32, dy: i32| at(step.previous_guide, from_x + dx, from_y + dy);
        let (a, b, c, d) = if across == 0.0 && down == 0.0 {
            let here = was(0, 0);
            (here, here, here, here)
        } else {
            (was(0, 0), was(1, 0), was(0, 1), was(1, 1))
        };
        for i in 0..3 {
            let (upper, lower) = (a[i] + (b[i] - a[i]) * across, c[i] + (d[i] - c[i]) * across);
            sum += (now[i] - (upper + (lower - upper) * down)).abs();
        }
    }
    sum / (27.0 * 255.0)
}

fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// The two layers of strokes of a cell, and what keeps their contrast while they fade into one another: how much of the
/// carried one, and of the one at home. Their noise is alike as far as the two places are close (Neyret 2003).
pub fn shares([x, y, share, gain]: [f32; 4]) -> [f32; 2] {
    let alike = (-(x * x + y * y) / 12.5).exp();
    let (carried, home) = (share, 1.0 - share);
    let factor = gain / (carried * carried + home * home + 2.0 * carried * home * alike).sqrt();
    [carried * factor, home * factor]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::motion::{motion, pyramid};

    const EXTENT: Extent = Extent::new(96, 64);

    /// A smooth pattern, moved.
    fn picture(shift: [f32; 2], seed: f32) -> Vec<[u8; 4]> {
        let value = |x: f32, y: f32| {
            let waves = (0.21 * x + seed).sin() + (0.17 * y - 0.08 * x).sin() + (0.11 * (x + y) + seed).cos();
            let fine = (0.53 * x + 0.31 * y + seed).sin() + (0.47 * y - 0.58 * x).cos();
            (127.0 + 24.0 * (waves + fine)) as u8
        };
        (0..EXTENT.pixels() as u32)
            .map(|at| {
                let (x, y) = ((at % EXTENT.width) as f32 - shift[0], (at / EXTENT.width) as f32 - shift[1]);
                [value(x, y), value(y, x), value(x + 9.0, y), 255]
            })
            .collect()
    }

    fn follow(frames: &[Vec<[u8; 4]>]) -> Vec<Vec<Drift>> {
        let mut all = vec![vec![HOME; cells(EXTENT).pixels() as usize]];
        for pair in frames.windows(2) {
            let [before, now] = [&pair[0], &pair[1]].map(|picture| pyramid(picture, EXTENT));
            let field = motion(&now, &before, EXTENT);
            let previous = &all[all.len() - 1];
            let step = Step { guide: &pair[1], previous_guide: &pair[0], field: &field, previous };
            let mut drift = vec![HOME; previous.len()];
            drift_of_cells(Some(step), EXTENT, &mut drift);
            all.push(drift);
        }
        all
    }

    /// Cells that what came in from the border has not reached.
    fn inner(drift: &[Drift]) -> Vec<[f32; 4]> {
        let size = cells(EXTENT);
        let inside = |at: &usize| {
            let (x, y) = (at % size.width as usize, at / size.width as usize);
            (12..size.width as usize - 12).contains(&x) && (10..size.height as usize - 10).contains(&y)
        };
        (0..drift.len()).filter(inside).map(|at| drift[at].map(f16::to_f32)).collect()
    }

    #[test]
    fn a_still_picture_keeps_its_strokes_to_the_bit() {
        let still = picture([0.0; 2], 0.0);
        let all = follow(&[still.clone(), still.clone(), still]);
        assert!(all.iter().flatten().all(|cell| *cell == HOME));
        // Also after it moved.
        let stopped: Vec<_> = [0.0, 2.0, 4.0, 4.0, 4.0].map(|x| picture([x, 0.0], 0.0)).into();
        let all = follow(&stopped);
        let places = |drift: &[Drift]| inner(drift).iter().map(|cell| [cell[0], cell[1]]).collect::<Vec<_>>();
        assert_eq!(places(&all[3]), places(&all[4]));
        assert_ne!(places(&all[2]), places(&all[0]));
    }

    /// Strokes lie as far from home as the picture has moved, which is where they were.
    #[test]
    fn strokes_go_along() {
        for [x, y] in [[2.0, 0.0], [0.0, -2.0], [3.0, 1.0], [1.5, -0.5]] {
            let frames: Vec<_> = (0..5).map(|i| picture([x * i as f32, y * i as f32], 0.0)).collect();
            let all = follow(&frames);
            let cells = inner(&all[4]);
            let off = |cell: &[f32; 4]| (cell[0] + 4.0 * x).hypot(cell[1] + 4.0 * y);
            let mut off: Vec<f32> = cells.iter().map(off).collect();
            off.sort_by(f32::total_cmp);
            assert!(off[off.len() * 8 / 10] < 1.2, "{x} {y}: {:?}", &off[off.len() / 2..]);
            assert!(cells.iter().filter(|cell| cell[2] == 1.0).count() > cells.len() * 8 / 10, "few fade");
        }
    }

    #[test]
    fn a_cut_is_a_fresh_start() {
        let moved: Vec<_> = [0.0, 2.0, 4.0].map(|x| picture([x, 0.0], 0.0)).into();
        let dark: Vec<[u8; 4]> = moved[0].iter().map(|_| [250, 5, 250, 255]).collect();
        let all = follow(&[moved, vec![dark]].concat());
        let home = inner(&all[3]).iter().filter(|cell| cell[0] == 0.0 && cell[1] == 0.0).count();
        assert!(home > inner(&all[3]).len() * 8 / 10, "{home}");
    }

    /// Two layers of equal noise are as strong as one, apart or together.
    #[test]
    fn contrast_is_kept_while_strokes_fade() {
        assert_eq!(shares([0.0, 0.0, 1.0, 1.0]), [1.0, 0.0]);
        let [carried, home] = shares([0.0, 0.0, 0.5, 1.0]);
        assert!((carried + home - 1.0).abs() < 1e-6);
        let [carried, home] = shares([40.0, 0.0, 0.5, 1.0]);
        assert!((carried * carried + home * home - 1.0).abs() < 1e-6);
        assert_eq!(shares([0.0, 0.0, 1.0, 0.4]), [0.4, 0.0]);
    }
}
