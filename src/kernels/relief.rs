//! Relief: strokes of paint with ridges and light, the grain of paper, the faults of a press, laid on the painting where it
//! is brought to the window. The definition of the kernels in `shaders/relief/` and of what `shaders/present/picture.wgsl`
//! does with their result.
//!
//! Directions come from the painting's structure tensor (as in Kyprianidis and Kang, "Image and Video Abstraction by
//! Coherence-Enhancing Filtering", 2011), and where it has none from the swirl that the canvas's strokes follow. Strokes are
//! looked up in tables of line integral convolution for every direction ([`crate::canvas::bristles`]), so that a pixel takes
//! ten samples and not sixty. A cell's direction is held until the painting around it turns by more than noise does: strokes
//! on a still wall lie still.

use std::cell::RefCell;
use std::ops::Range;

use super::canvas::step;
use super::compose::{Steady, luma_of};
use crate::canvas::bristles::{HEIGHT_RANGE, SIDE, SLOPE_RANGE, TURNS};
use crate::canvas::{Brush, Relief, Swirl, Tables};
use crate::units::Extent;
use crate::wide::{nearest, widely, within};

/// Cells of two by two pixels of the student, at least one.
pub fn cells(student: Extent) -> Extent {
    Extent::new((student.width / 2).max(1), (student.height / 2).max(1))
}

/// Slope of the painting's luma across squared, across times down, down squared; squared Laplacian of the input's luma.
pub type Tensor = [f32; 4];

/// `relief/tensor_of_cells`: sums over the pixels of each cell.
///
/// # Panics
/// When a slice is shorter than `extent` asks for.
pub fn tensor_of_cells(steady: &[Steady], extent: Extent, tensor: &mut [Tensor]) {
    let size = cells(extent);
    tensor_rows(steady, extent, 0..size.height as usize, &mut tensor[..size.pixels() as usize]);
}

/// Some rows of [`tensor_of_cells`], into `tensor`, which has room for those rows.
///
/// # Panics
/// When a slice is shorter than `extent` asks for.
pub fn tensor_rows(steady: &[Steady], extent: Extent, rows: Range<usize>, tensor: &mut [Tensor]) {
    let (width, height) = (extent.width as usize, extent.height as usize);
    let columns = cells(extent).width as usize;
    TENSOR_LINES.with_borrow_mut(|lines| {
        lines.iter_mut().for_each(|line| line.resize(width + 2, [0.0; 2]));
        widely(
            #[inline(always)]
            || {
                for (row, out) in rows.zip(tensor.chunks_exact_mut(columns)) {
                    // Four rows of pixels: the cell's two, and one on each side. The border's pixels repeat.
                    for (place, line) in lines.iter_mut().enumerate() {
                        let y = (row * 2 + place).saturating_sub(1).min(height - 1);
                        let pixels = &steady[y * width..][..width];
                        for (to, pixel) in line[1..].iter_mut().zip(pixels) {
                            *to = [luma_of([pixel[0], pixel[1], pixel[2]]), pixel[3]];
                        }
                        (line[0], line[width + 1]) = (line[1], line[width]);
                    }
                    for (column, out) in out.iter_mut().enumerate() {
                        let mut sum = [0.0_f32; 4];
                        for (dy, dx) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
                            // A picture of one pixel has a cell that reaches beyond it.
                            let x = (column * 2 + dx).min(width + 1);
                            let at = |line: usize, x: usize| lines[line][x.min(width + 1)];
                            let [left, right] = [at(dy + 1, x), at(dy + 1, x + 2)];
                            let [above, own, below] = [at(dy, x + 1), at(dy + 1, x + 1), at(dy + 2, x + 1)];
                            let (across, down) = ((right[0] - left[0]) * 0.5, (below[0] - above[0]) * 0.5);
                            let fine = left[1] + right[1] + above[1] + below[1] - 4.0 * own[1];
                            let terms = [across * across, across * down, down * down, fine * fine];
                            sum = std::array::from_fn(|i| sum[i] + terms[i]);
                        }
                        *out = sum;
                    }
                }
            },
        );
    });
}

thread_local! {
    /// Luma of the painting and of the input along four rows, with a pixel more at each end.
    static TENSOR_LINES: RefCell<[Vec<[f32; 2]>; 4]> = const { RefCell::new([const { Vec::new() }; 4]) };
    /// Tensors of five rows of cells mixed, with two cells more at each end.
    static FLOW_LINE: RefCell<Vec<Tensor>> = const { RefCell::new(Vec::new()) };
}

/// Cosine and sine of twice the strokes' direction, shorter where it is uncertain, -1..1 as 0..255; how sharp the painting's
/// edges are; how fine the camera's picture is.
pub type Flow = [u8; 4];

/// Change of luma per pixel, squared and summed over a cell, of which a flat wall has as much: (0.02)^2 for four pixels. It
/// pulls directions towards the swirl.
const FLAT: f32 = 1.6e-3;
/// Brings the change at an edge from black to white to about one.
const EDGE: f32 = 3.0;
/// Laplacian of luma, of a picture without fine structure, and of eyes, mouths and glasses.
const FINE_FROM: f32 = 0.012;
const FINE_TO: f32 = 0.06;
/// How far flow must turn before its cell heeds it: about ten degrees.
const HELD: f32 = 0.35;

/// How much more slowly strokes of the relief swirl than those of the canvas.
pub const SLOW: f32 = 0.5;

/// What a flow is made with.
#[derive(Clone, Copy, Debug)]
pub struct FlowLook {
    /// The canvas, whose swirl it follows where the painting has no direction.
    pub brush: Brush,
    /// How much that turns.
    pub swirl: f32,
}

/// `relief/flow_of_cells`: where strokes go. `before`: that of the frame before.
///
/// # Panics
/// When a slice is shorter than `extent`, the student's, asks for.
pub fn flow_of_cells(tensor: &[Tensor], extent: Extent, look: FlowLook, before: Option<&[Flow]>, flow: &mut [Flow]) {
    let size = cells(extent);
    flow_rows(tensor, extent, look, before, 0..size.height as usize, &mut flow[..size.pixels() as usize]);
}

/// Binomial weights of a window of about five by five cells.
const WINDOW: [f32; 5] = [0.0625, 0.25, 0.375, 0.25, 0.0625];

/// Some rows of [`flow_of_cells`], into `flow`, which has room for those rows.
///
/// # Panics
/// When a slice is shorter than `extent` asks for.
pub fn flow_rows(
    tensor: &[Tensor],
    extent: Extent,
    look: FlowLook,
    before: Option<&[Flow]>,
    rows: Range<usize>,
    flow: &mut [Flow],
) {
    let Extent { width, height } = cells(extent);
    let (columns, last) = (width as usize, height as i32 - 1);
    let waves = Waves::new(&Swirl::new(look.brush.seed), SLOW * step(&look.brush));
    FLOW_LINE.with_borrow_mut(|line| {
        line.resize(columns + 4, [0.0; 4]);
        widely(
            #[inline(always)]
            || {
                for (row, out) in rows.zip(flow.chunks_exact_mut(columns)) {
                    line.fill([0.0; 4]);
                    for (dy, weight) in (-2..).zip(WINDOW) {
                        let y = (row as i32 + dy).clamp(0, last) as usize;
                        for (sum, cell) in line[2..].iter_mut().zip(&tensor[y * columns..][..columns]) {
                            *sum = std::array::from_fn(|i| sum[i] + weight * cell[i]);
                        }
                    }
                    let [first, end] = [line[2], line[columns + 1]];
                    line[..2].fill(first);
                    line[columns + 2..].fill(end);
                    let mut turning = waves.along(row as f32);
                    for (column, out) in out.iter_mut().enumerate() {
                        let mut sum = [0.0_f32; 4];
                        for (cell, weight) in line[column..].iter().zip(WINDOW) {
                            sum = std::array::from_fn(|i| sum[i] + weight * cell[i]);
                        }
                        let swirl = waves.next(&mut turning);
                        let now = flow_of(sum, look.swirl * Swirl::TURN * swirl);
                        *out = held(now, before.map(|before| before[row * columns + column]));
                    }
                }
            },
        );
    });
}

/// Flow, 0..1, from the sum of the tensors around, and how far the swirl turns there, in radians.
#[inline(always)]
fn flow_of(sum: Tensor, swirl: f32) -> [f32; 4] {
    let change = sum[0] + sum[2];
    let own = [-(sum[0] - sum[2]) / (change + FLAT), -2.0 * sum[1] / (change + FLAT)];
    let double = 2.0 * (Swirl::STRAIGHT + swirl);
    let rest = 1.0 - (own[0] * own[0] + own[1] * own[1]).sqrt();
    let direction = [own[0] + rest * double.cos(), own[1] + rest * double.sin()];
    let sharp = (EDGE * change.sqrt()).clamp(0.0, 1.0);
    let fine = smoothstep(FINE_FROM, FINE_TO, (sum[3] * 0.25).sqrt());
    [direction[0] * 0.5 + 0.5, direction[1] * 0.5 + 0.5, sharp, fine]
}

/// What a cell keeps of what it was.
#[inline(always)]
fn held(now: [f32; 4], before: Option<Flow>) -> Flow {
    let mut kept = now;
    if let Some(before) = before {
        let before = before.map(|v| f32::from(v) / 255.0);
        let change: [f32; 4] = std::array::from_fn(|i| now[i] - before[i]);
        let length = |a: f32, b: f32| (a * a + b * b).sqrt();
        let turned = 2.0 * length(change[0], change[1]) + length(change[2], change[3]);
        let share = if turned > HELD { 0.5 } else { 0.0 };
        kept = std::array::from_fn(|i| before[i] + share * change[i]);
    }
    kept.map(|v| nearest(within(v, 1.0) * 255.0) as u8)
}

/// The cosines of a swirl along rows of cells: each is turned on from cell to cell, which takes no cosine.
struct Waves {
    /// Cells to places of the swirl.
    step: f32,
    /// Periods to the right and down, in radians per place, and the phase.
    waves: [[f32; 3]; 6],
    /// Cosine and sine of what a cell to the right adds.
    right: [[f32; 2]; 6],
}

impl Waves {
    fn new(swirl: &Swirl, step: f32) -> Self {
        let unit = std::f32::consts::TAU / crate::canvas::SIDE as f32;
        let waves = swirl.waves.map(|[kx, ky, phase]| [unit * kx, unit * ky, phase]);
        Self { step, waves, right: waves.map(|[kx, ..]| [(kx * step).cos(), (kx * step).sin()]) }
    }

    /// Cosine and sine of each wave at the first cell of a row.
    fn along(&self, row: f32) -> [[f32; 2]; 6] {
        self.waves.map(|[_, ky, phase]| {
            let angle = ky * row * self.step + phase;
            [angle.cos(), angle.sin()]
        })
    }

    /// The sum of the cosines at a cell; afterwards the next one's turn has come.
    #[inline(always)]
    fn next(&self, turning: &mut [[f32; 2]; 6]) -> f32 {
        let sum = turning.iter().map(|[cos, _]| cos).sum();
        for ([cos, sin], [right_cos, right_sin]) in turning.iter_mut().zip(&self.right) {
            (*cos, *sin) = (*cos * right_cos - *sin * right_sin, *sin * right_cos + *cos * right_sin);
        }
        sum
    }
}

#[inline(always)]
pub(super) fn smoothstep(low: f32, high: f32, x: f32) -> f32 {
    let t = ((x - low) / (high - low)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// Texels of the tables over the picture's height, for strokes of width 1.
const TALL: f32 = 800.0;
/// Pixels of the target that a texel is at least: finer strokes would flicker.
const LEAST_PX: f32 = 0.6;

/// A relief on a target.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReliefLook {
    pub relief: Relief,
    /// Picture (0..1 each way) to texels of the bristles, and of the paper.
    pub bristles_scale: [f32; 2],
    pub paper_scale: [f32; 2],
    /// Where the seed's strokes begin, in texels.
    pub hand: [f32; 2],
}

impl ReliefLook {
    /// Bits of `parts` in `PictureLayout`.
    pub const STROKES: u32 = 1;
    pub const PAPER: u32 = 2;
    pub const PRESS: u32 = 4;
    pub const RIPPLE: u32 = 8;

    /// For a picture that is so many pixels high on its target. Another seed is another hand.
    pub fn new(relief: Relief, picture_aspect: f32, height_px: f32, seed: u32) -> Self {
        let scale = |width: f32| {
            let tall = (TALL / width).min(height_px / LEAST_PX);
            [tall * picture_aspect, tall]
        };
        let part = |factor: u32| (seed.wrapping_mul(factor) >> 24) as f32;
        Self {
            relief,
            bristles_scale: scale(relief.width),
            paper_scale: scale(1.0),
            hand: [part(0x9E37_79B1), part(0x85EB_CA77)],
        }
    }

    /// Which parts there are.
    pub fn parts(&self) -> u32 {
        let Relief { paper, rim, tooth, press, ripple, .. } = self.relief;
        let bit = |bit: u32, on: bool| if on { bit } else { 0 };
        bit(Self::STROKES, self.relief.has_strokes())
            | bit(Self::PAPER, paper > 0.0 || rim > 0.0 || tooth > 0.0)
            | bit(Self::PRESS, press > 0.0)
            | bit(Self::RIPPLE, ripple > 0.0)
    }
}

/// How far strokes have gone at a place: what [`super::drift`] has there, and pixels of the student to the picture.
#[derive(Clone, Copy, Debug)]
pub struct Gone {
    pub drift: [f32; 4],
    pub scale: [f32; 2],
}

impl Gone {
    /// Nowhere.
    pub const HOME: Self = Self { drift: [0.0, 0.0, 1.0, 1.0], scale: [0.0; 2] };
}

/// A flow as it is sampled.
#[derive(Clone, Copy, Debug)]
pub struct FlowPlane<'a> {
    pub flow: &'a [Flow],
    /// Cells.
    pub extent: Extent,
}

impl FlowPlane<'_> {
    /// Between cells by bilinear interpolation, 0..1; the border's cells repeat.
    #[inline(always)]
    pub(super) fn at(&self, uv: [f32; 2]) -> [f32; 4] {
        let Extent { width, height } = self.extent;
        let place = |uv: f32, side: u32| {
            let at = (uv * side as f32 - 0.5).clamp(0.0, side as f32 - 1.0);
            let first = (at as u32).min(side - 1);
            (first, (first + 1).min(side - 1), at - first as f32)
        };
        let ((x0, x1, across), (y0, y1, down)) = (place(uv[0], width), place(uv[1], height));
        let cell = |x: u32, y: u32| self.flow[(y * width + x) as usize].map(|v| f32::from(v) / 255.0);
        mix(mix(cell(x0, y0), cell(x1, y0), across), mix(cell(x0, y1), cell(x1, y1), across), down)
    }

    fn double_angle(&self, uv: [f32; 2]) -> f32 {
        double_angle(self.at(uv))
    }
}

fn double_angle(flow: [f32; 4]) -> f32 {
    (flow[1] * 2.0 - 1.0).atan2(flow[0] * 2.0 - 1.0)
}

fn mix(a: [f32; 4], b: [f32; 4], share: f32) -> [f32; 4] {
    std::array::from_fn(|i| a[i] + (b[i] - a[i]) * share)
}

/// A sample of one table on its torus, in texels from its first texel's corner.
fn table_at(table: &[[i8; 4]], [x, y]: [f32; 2]) -> [f32; 4] {
    let (x, y) = (x - 0.5, y - 0.5);
    let (left, top) = (x.floor(), y.floor());
    let texel = |dx: i32, dy: i32| {
        let wrap = |v: i32| (v & (SIDE as i32 - 1)) as usize;
        let [a, b, c, d] = table[wrap(top as i32 + dy) * SIDE + wrap(left as i32 + dx)].map(|v| f32::from(v) / 127.0);
        [a * HEIGHT_RANGE, b * HEIGHT_RANGE, c * SLOPE_RANGE, d * SLOPE_RANGE]
    };
    let (across, down) = (x - left, y - top);
    mix(mix(texel(0, 0), texel(1, 0), across), mix(texel(0, 1), texel(1, 1), across), down)
}

fn bristles_at(tables: &Tables, at: [f32; 2], double: f32) -> [f32; 4] {
    let turn = double / std::f32::consts::TAU * TURNS as f32;
    let first = turn.floor();
    let table = |turn: i32| {
        let turn = turn.rem_euclid(TURNS as i32) as usize;
        table_at(&tables.bristles.texels[turn * SIDE * SIDE..][..SIDE * SIDE], at)
    };
    mix(table(first as i32), table(first as i32 + 1), turn - first)
}

/// The painting with its relief at a place of the picture (0..1 each way): what `present/picture` shows there before it
/// applies strength. `painted` gives the painting brought to full size.
pub fn surface(
    uv: [f32; 2],
    look: &ReliefLook,
    flow: FlowPlane<'_>,
    gone: Gone,
    tables: &Tables,
    painted: impl Fn([f32; 2]) -> [f32; 3],
) -> [f32; 3] {
    let parts = look.parts();
    let Relief { thickness, gloss, pigment, drag, length, paper, rim, tooth, press, ripple, .. } = look.relief;
    let local = flow.at(uv);
    let sharp = local[2];
    let amount = 1.0 - 0.8 * local[3];
    let on = |scale: [f32; 2], uv: [f32; 2], more: [f32; 2]| -> [f32; 2] {
        std::array::from_fn(|i| uv[i] * scale[i] + look.hand[i] + more[i])
    };
    let grain = table_at(&tables.paper.texels, on(look.paper_scale, uv, [0.0; 2]));
    let (mut stroke, mut at) = ([0.0; 4], uv);
    if parts & ReliefLook::STROKES != 0 {
        let stroke_at = |uv, double| bristles_at(tables, on(look.bristles_scale, uv, [0.0; 2]), double);
        let double = double_angle(local);
        let carried = [uv[0] + gone.drift[0] * gone.scale[0], uv[1] + gone.drift[1] * gone.scale[1]];
        stroke = stroke_at(carried, double);
        let along = [(0.5 * double).cos(), (0.5 * double).sin()];
        if length > 1.0 {
            let more = 0.6 * (length - 1.0);
            let step: [f32; 2] = std::array::from_fn(|i| 10.0 * along[i] / look.bristles_scale[i]);
            let [ahead, behind] = [1.0, -1.0].map(|sign| {
                let [x, y] = [sign * step[0], sign * step[1]];
                stroke_at([carried[0] + x, carried[1] + y], flow.double_angle([uv[0] + x, uv[1] + y]))
            });
            stroke = std::array::from_fn(|i| (stroke[i] + more * (ahead[i] + behind[i])) / (1.0 + 0.8 * more));
        }
        let [x, y, share, strength] = gone.drift;
        stroke = stroke.map(|v| v * strength);
        let rest = 1.0 - share;
        if rest > 0.004 && carried != uv {
            let home = stroke_at(uv, double);
            let alike = (-(x * x + y * y) / 12.5).exp();
            let length = (share * share + rest * rest + 2.0 * share * rest * alike).sqrt();
            stroke = std::array::from_fn(|i| (share * stroke[i] + strength * rest * home[i]) / length);
        }
        let far = 4.0 * drag * amount * (1.5 * sharp).clamp(0.15, 1.0) * stroke[1].clamp(-1.5, 1.5);
        at = [at[0] - along[1] * far / look.bristles_scale[0], at[1] + along[0] * far / look.bristles_scale[1]];
    }
    let mut wave = 0.0;
    if parts & ReliefLook::RIPPLE != 0 {
        let other = table_at(&tables.paper.texels, on(look.paper_scale, uv, [97.0, 41.0]))[1];
        wave = grain[1];
        at = [at[0] + 3.0 * ripple * wave / look.paper_scale[0], at[1] + 3.0 * ripple * other / look.paper_scale[1]];
    }
    let mut color = painted(at);
    if parts & ReliefLook::PRESS != 0 {
        let moved = |x: f32, y: f32| {
            let far = 1.6 * press;
            [at[0] + far * x / look.paper_scale[0], at[1] + far * y / look.paper_scale[1]]
        };
        color[0] = painted(moved(1.0, 0.35))[0];
        color[2] = painted(moved(-0.6, -0.9))[2];
    }
    let dark = 1.0 - luma_of(color);
    let light = (1.0 + 0.35 * grain[1]).clamp(0.15, 1.7) * (-0.6 * stroke[2] - 0.8 * stroke[3]);
    let shine = (1.8 * light - 0.35).max(0.0);
    let bare = (0.75 * tooth * smoothstep(0.1, 1.7, -grain[0]) * dark * amount).clamp(0.0, 1.0);
    let thin = (0.3 * press * (0.45 * grain[0] + 0.35 * grain[1] - 0.25).clamp(0.0, 1.0) * dark).clamp(0.0, 1.0);
    let lit = -0.6 * grain[2] - 0.8 * grain[3];
    let lit_paint = 1.0 + 0.6 * thickness * amount * (2.2 * light).tanh();
    let paint =
        [0.14, 0.108, 0.06].map(|tone| (1.0 + pigment * amount * (0.05 * stroke[0] + tone * stroke[1])) * lit_paint);
    let wet = (1.0 + paper * (0.05 * lit + dark * (0.07 * grain[0] + 0.09 * grain[1])))
        * (1.0 - 0.3 * rim * smoothstep(0.25, 0.8, sharp) * (0.8 + 0.2 * grain[1].clamp(-1.0, 1.0)));
    std::array::from_fn(|i| {
        let channel = (color[i] * paint[i] + 0.43 * gloss * amount * shine * shine) * wet;
        let channel = channel + (0.97 - channel) * bare;
        let channel = channel + (0.95 - channel) * thin;
        (channel * (1.0 + 0.05 * ripple * wave)).clamp(0.0, 1.0)
    })
}
