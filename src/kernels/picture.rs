//! The picture as it is shown: the definition of `shaders/present/picture.wgsl` without its relief, and what the CPU back end
//! composes with.
//!
//! Where a target's pixels lie in the frame and in the painting is the same for all pixels of a column, and for all of a row:
//! [`Composer`] keeps both as tables, made anew when the target or the look changes. A row is then two mixtures of rows, of
//! the frame and of the painting, and for each pixel a mixture of two neighbours of each.

use std::cell::RefCell;
use std::ops::Range;

use crate::units::Extent;
use crate::wide::{nearest, widely, within};

/// Where the picture lies on a target, and how it is shown. The members are those of `PictureLayout` in
/// `shaders/present/picture.wgsl`, which says what each number is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    pub scale: [f32; 2],
    pub shift: [f32; 2],
    pub crop_scale: [f32; 2],
    pub crop_shift: [f32; 2],
    pub strength: f32,
    pub split_px: f32,
}

/// What is beside the picture, and the line between before and after: 0..255.
const BARS: [f32; 3] = [0.055 * 255.0, 0.055 * 255.0, 0.06 * 255.0];
const LINE: [f32; 3] = [0.96 * 255.0, 0.96 * 255.0, 0.94 * 255.0];

/// What is composed.
#[derive(Clone, Copy, Debug)]
pub struct Composed<'a> {
    /// The frame's picture.
    pub frame: &'a [[u8; 4]],
    /// What [`super::compose::gain_rows`] leaves. Both may be empty where the layout's strength is 0.
    pub painting: &'a [[u8; 4]],
    pub gains: &'a [[u8; 4]],
}

/// Two neighbours along an axis: the first, which may be one before the last, and the share of the second.
#[derive(Clone, Copy, Debug, Default)]
struct Tap {
    at: u32,
    share: f32,
}

impl Tap {
    /// At `place` in 0..1 along `length` samples, from centre to centre; beyond the outer ones, those.
    fn at(place: f32, length: u32) -> Self {
        let place = (place * length as f32 - 0.5).clamp(0.0, (length - 1) as f32);
        // The second neighbour must be there too.
        let at = (place as u32).min(length.saturating_sub(2));
        Self { at, share: place - at as f32 }
    }
}

/// What does not change from frame to frame.
#[derive(Clone, Debug)]
pub struct Composer {
    layout: View,
    target: Extent,
    frame: Extent,
    student: Extent,
    /// By column of the target.
    frame_columns: Vec<Tap>,
    student_columns: Vec<Tap>,
    /// By row of the target.
    frame_rows: Vec<Tap>,
    student_rows: Vec<Tap>,
    /// Where the picture is.
    columns: Range<usize>,
    rows: Range<usize>,
    /// Where the line is, and from where on it is painted.
    line: Range<usize>,
    painted: usize,
}

/// Rows that this thread works on, colours in the order of the target's bytes, 0..255.
#[derive(Debug, Default)]
struct Lines {
    /// Two rows of the frame mixed: colour and luma.
    frame: Vec<[f32; 4]>,
    /// Two rows of the painting mixed: colour, luma, gains.
    student: Vec<[f32; 8]>,
    /// A row of the target: colour, and anything.
    shown: Vec<[f32; 4]>,
}

thread_local! {
    static LINES: RefCell<Lines> =
        const { RefCell::new(Lines { frame: Vec::new(), student: Vec::new(), shown: Vec::new() }) };
}

impl Composer {
    /// For targets of `target`; `student` is 0x0 where nobody paints.
    pub fn new(layout: View, target: Extent, frame: Extent, student: Extent) -> Self {
        let mut composer = Self {
            layout,
            target,
            frame,
            student,
            frame_columns: Vec::new(),
            student_columns: Vec::new(),
            frame_rows: Vec::new(),
            student_rows: Vec::new(),
            columns: 0..0,
            rows: 0..0,
            line: 0..0,
            painted: 0,
        };
        composer.fill();
        composer
    }

    /// Another layout or target from now on. Allocates only for a target that is larger than any before.
    pub fn set(&mut self, layout: View, target: Extent) {
        if (self.layout, self.target) != (layout, target) {
            (self.layout, self.target) = (layout, target);
            self.fill();
        }
    }

    pub fn target(&self) -> Extent {
        self.target
    }

    /// Columns and rows of the target on which the painting shows.
    pub fn painted(&self) -> (Range<usize>, Range<usize>) {
        (self.painted.max(self.line.end).min(self.columns.end)..self.columns.end, self.rows.clone())
    }

    fn fill(&mut self) {
        let View { scale, shift, crop_scale, crop_shift, split_px, .. } = self.layout;
        let student = Extent::new(self.student.width.max(1), self.student.height.max(1));
        let axis = |axis: usize, length: u32, frame: u32, student: u32, taps: (&mut Vec<Tap>, &mut Vec<Tap>)| {
            let place = |index: u32| (index as f32 + 0.5) * scale[axis] + shift[axis];
            let (frame_taps, student_taps) = taps;
            frame_taps.clear();
            student_taps.clear();
            for index in 0..length {
                let place = place(index);
                frame_taps.push(Tap::at(place * crop_scale[axis] + crop_shift[axis], frame));
                student_taps.push(Tap::at(place, student));
            }
            let inside = |index: &u32| (0.0..=1.0).contains(&place(*index));
            let first = (0..length).find(inside).unwrap_or(length);
            let end = (first..length).rev().find(inside).map_or(first, |last| last + 1);
            first as usize..end as usize
        };
        let Self { frame_columns, student_columns, frame_rows, student_rows, .. } = self;
        self.columns = axis(0, self.target.width, self.frame.width, student.width, (frame_columns, student_columns));
        self.rows = axis(1, self.target.height, self.frame.height, student.height, (frame_rows, student_rows));
        let from = |edge: f32| self.columns.clone().find(|x| *x as f32 + 0.5 > edge).unwrap_or(self.columns.end);
        // A pixel is on the line whose centre is less than one away from it.
        self.line = from(split_px - 1.0)
            ..self.columns.clone().find(|x| *x as f32 + 0.5 >= split_px + 1.0).unwrap_or(self.columns.end);
        self.painted = if self.layout.strength > 0.0 {
            self.columns.clone().find(|x| *x as f32 + 0.5 >= split_px).unwrap_or(self.columns.end)
        } else {
            self.columns.end
        };
    }

    /// Some rows of the target, into `out`, which has room for them: sRGB bytes, alpha 255; blue first where asked for.
    ///
    /// # Panics
    /// When a picture is shorter than its size.
    pub fn rows(&self, of: Composed<'_>, rows: Range<usize>, blue_first: bool, out: &mut [[u8; 4]]) {
        if blue_first {
            self.rows_in::<true>(of, rows, out);
        } else {
            self.rows_in::<false>(of, rows, out);
        }
    }

    fn rows_in<const BLUE_FIRST: bool>(&self, of: Composed<'_>, rows: Range<usize>, out: &mut [[u8; 4]]) {
        let (bars, split) = (coded::<BLUE_FIRST>(BARS), coded::<BLUE_FIRST>(LINE));
        LINES.with_borrow_mut(|lines| {
            lines.frame.resize(self.frame.width as usize + 1, [0.0; 4]);
            lines.student.resize(self.student.width as usize + 1, [0.0; 8]);
            lines.shown.resize(self.target.width as usize, [0.0; 4]);
            widely(
                #[inline(always)]
                || {
                    for (y, out) in rows.zip(out.chunks_exact_mut(self.target.width as usize)) {
                        if !self.rows.contains(&y) {
                            out.fill(bars);
                            continue;
                        }
                        self.row::<BLUE_FIRST>(of, y, lines);
                        out[..self.columns.start].fill(bars);
                        out[self.columns.end..].fill(bars);
                        let columns = self.columns.clone();
                        store(&lines.shown[columns.clone()], &mut out[columns]);
                        out[self.line.clone()].fill(split);
                    }
                },
            );
        });
    }

    /// A row of the picture into `lines.shown`.
    #[inline(always)]
    fn row<const BLUE_FIRST: bool>(&self, of: Composed<'_>, y: usize, lines: &mut Lines) {
        let Lines { frame, student, shown } = lines;
        mix_frame::<BLUE_FIRST>(of.frame, self.frame, self.frame_rows[y], frame);
        let plain = self.columns.start..self.painted;
        for (shown, tap) in shown[plain.clone()].iter_mut().zip(&self.frame_columns[plain]) {
            *shown = neighbours(frame, *tap);
        }
        let painted = self.painted..self.columns.end;
        if painted.is_empty() {
            return;
        }
        let small_row = self.student_rows[y];
        mix_student::<BLUE_FIRST>(of.painting, of.gains, self.student, small_row, student);
        let strength = self.layout.strength;
        let taps = self.frame_columns[painted.clone()].iter().zip(&self.student_columns[painted.clone()]);
        for (shown, (frame_tap, student_tap)) in shown[painted].iter_mut().zip(taps) {
            let camera = neighbours(frame, *frame_tap);
            let small = neighbours(student, *student_tap);
            let more = camera[3] - small[3];
            // Of the fourth lane nothing is kept; it is there so that one instruction does a pixel.
            for i in 0..4 {
                let painted = within(small[i] + small[4 + i] * more, 255.0);
                shown[i] = camera[i] + (painted - camera[i]) * strength;
            }
        }
    }
}

#[inline(always)]
fn coded<const BLUE_FIRST: bool>(rgb: [f32; 3]) -> [u8; 4] {
    let [r, g, b] = rgb.map(|c| nearest(c) as u8);
    if BLUE_FIRST { [b, g, r, 255] } else { [r, g, b, 255] }
}

/// Colours 0..255 to bytes, with an alpha of 255.
#[inline(always)]
fn store(shown: &[[f32; 4]], out: &mut [[u8; 4]]) {
    for (out, shown) in out.as_flattened_mut().iter_mut().zip(shown.as_flattened()) {
        *out = nearest(*shown) as u8;
    }
    for pixel in out {
        *pixel = (u32::from_le_bytes(*pixel) | 255 << 24).to_le_bytes();
    }
}

/// The colour's lanes in the order of the target's bytes.
#[inline(always)]
fn ordered<const BLUE_FIRST: bool, T>([r, g, b, a]: [T; 4]) -> [T; 4] {
    if BLUE_FIRST { [b, g, r, a] } else { [r, g, b, a] }
}

/// A mixture of two neighbours in a row.
#[inline(always)]
fn neighbours<const LANES: usize>(row: &[[f32; LANES]], tap: Tap) -> [f32; LANES] {
    let pair = &row[tap.at as usize..][..2];
    std::array::from_fn(|i| pair[0][i] + (pair[1][i] - pair[0][i]) * tap.share)
}

/// The two rows of a picture of that size.
#[inline(always)]
fn pair(picture: &[[u8; 4]], extent: Extent, tap: Tap) -> (&[[u8; 4]], &[[u8; 4]]) {
    let width = extent.width as usize;
    let row = |y: u32| &picture[y as usize * width..][..width];
    (row(tap.at), row((tap.at + 1).min(extent.height - 1)))
}

/// The mixture of two rows of the frame, with the luma of it as the fourth lane.
#[inline(always)]
fn mix_frame<const BLUE_FIRST: bool>(frame: &[[u8; 4]], extent: Extent, tap: Tap, out: &mut [[f32; 4]]) {
    let (first, second) = pair(frame, extent, tap);
    let flat = first.as_flattened().iter().zip(second.as_flattened());
    for (out, (a, b)) in out.as_flattened_mut().iter_mut().zip(flat) {
        let (a, b) = (f32::from(*a), f32::from(*b));
        *out = a + (b - a) * tap.share;
    }
    for pixel in &mut *out {
        let [r, g, b, _] = *pixel;
        *pixel = ordered::<BLUE_FIRST, _>([r, g, b, 0.299 * r + 0.587 * g + 0.114 * b]);
    }
    // A picture of one column has no second one; its share is 0.
    let width = extent.width as usize;
    out[width] = out[width - 1];
}

/// The mixture of two pixels.
#[inline(always)]
fn mix<const BLUE_FIRST: bool>(a: [u8; 4], b: [u8; 4], share: f32) -> [f32; 4] {
    let (a, b) = (ordered::<BLUE_FIRST, _>(a).map(f32::from), ordered::<BLUE_FIRST, _>(b).map(f32::from));
    std::array::from_fn(|i| a[i] + (b[i] - a[i]) * share)
}

/// The mixture of two rows of the painting and its gains.
#[inline(always)]
fn mix_student<const BLUE_FIRST: bool>(
    painting: &[[u8; 4]],
    gains: &[[u8; 4]],
    extent: Extent,
    tap: Tap,
    out: &mut [[f32; 8]],
) {
    let (first, second) = pair(painting, extent, tap);
    let (first_gains, second_gains) = pair(gains, extent, tap);
    let pixels = first.iter().zip(second).zip(first_gains.iter().zip(second_gains));
    for (out, ((a, b), (a_gains, b_gains))) in out.iter_mut().zip(pixels) {
        let painting = mix::<BLUE_FIRST>(*a, *b, tap.share);
        let gains = mix::<BLUE_FIRST>(*a_gains, *b_gains, tap.share);
        out[..4].copy_from_slice(&painting);
        out[4..].copy_from_slice(&gains.map(|gain| (gain - 128.0) * (1.0 / 64.0)));
    }
    let width = extent.width as usize;
    out[width] = out[width - 1];
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One to one, nothing between pixels: the frame itself, and the painting where it is laid.
    #[test]
    fn at_its_own_size_a_picture_is_itself() {
        let extent = Extent::new(4, 2);
        let layout = View {
            scale: [0.25, 0.5],
            shift: [0.0, 0.0],
            crop_scale: [1.0, 1.0],
            crop_shift: [0.0, 0.0],
            strength: 1.0,
            split_px: 2.0,
        };
        let frame: Vec<[u8; 4]> = (0..8).map(|i| [i * 30, 255 - i * 30, 7, 255]).collect();
        // As the painting has no gain, only the painting counts.
        let painting = vec![[10, 20, 30, 99]; 8];
        let gains = vec![[128, 128, 128, 255]; 8];
        let composer = Composer::new(layout, extent, extent, extent);
        let mut out = vec![[0; 4]; 8];
        let of = Composed { frame: &frame, painting: &painting, gains: &gains };
        composer.rows(of, 0..2, false, &mut out);
        for y in 0..2 {
            assert_eq!(out[y * 4], frame[y * 4]);
            assert_eq!(out[y * 4 + 1], [245, 245, 240, 255]);
            assert_eq!(out[y * 4 + 2], [245, 245, 240, 255]);
            assert_eq!(out[y * 4 + 3], [10, 20, 30, 255]);
        }
        composer.rows(of, 1..2, true, &mut out[..4]);
        assert_eq!(out[3], [30, 20, 10, 255]);
    }
}
