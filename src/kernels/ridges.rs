//! The relief as the CPU back end lays it on a composed picture: [`super::relief::surface`] in two steps.
//!
//! What does not depend on colours (how thick the paint is, where light falls, how far a stroke drags) is made on a grid of
//! samples, every pixel or every second one, and kept: a block of samples is made anew only where the flow or the drift under
//! it has changed, so that a wall at rest costs nothing. Then each pixel of the target takes the mixture of the samples around
//! it, the composed pixel that a stroke drags there, and one multiplication and addition. Products of two effects that both
//! depend on how dark a colour is are left out, long strokes are straight, and directions are those of [`DIRECTIONS`] tables.

use std::cell::RefCell;
use std::ops::Range;

use half::f16;

use super::drift::{Drift, HOME};
use super::relief::{FlowPlane, ReliefLook, smoothstep};
use crate::canvas::bristles::{HEIGHT_RANGE, SIDE, SLOPE_RANGE, TURNS};
use crate::canvas::{Relief, Tables};
use crate::pool::Pool;
use crate::units::Extent;
use crate::wide::{nearest, widely, within};

/// Samples of a block's side.
const BLOCK: usize = 16;
/// A number for each sample along a row of a block.
type Lane = [f32; BLOCK];
/// Tables of strokes, evenly over half a turn.
const DIRECTIONS: usize = 2 * TURNS;
/// Texels of the tables from one sample to the next, from which on the tables of half the size are taken.
const COARSE: f32 = 1.5;
/// How much of a stroke's tone each of red, green and blue takes on: shadows of paint are warm.
const TONES: [f32; 3] = [0.14, 0.108, 0.06];

/// A row of samples has a plane for each number. What they do to a colour `c` of 0..1 whose luma is `1 - dark`:
/// `c * (base + tone * TONES + dark * shade) + light + dark * cover`, of the pixel that lies `right` and `down` of it.
const PLANES: usize = 7;
const BASE: usize = 0;
const TONE: usize = 1;
const SHADE: usize = 2;
const LIGHT: usize = 3;
const COVER: usize = 4;
const RIGHT: usize = 5;
const DOWN: usize = 6;
/// What a number is multiplied by to be stored.
const SCALES: [f32; PLANES] = [8192.0, 8192.0, 8192.0, 64.0 * 255.0, 64.0 * 255.0, 256.0, 256.0];
/// What is stored to what is used with colours of 0..=255.
const UNITS: [f32; PLANES] =
    [1.0 / 8192.0, 1.0 / 8192.0, 1.0 / (8192.0 * 255.0), 1.0 / 64.0, 1.0 / (64.0 * 255.0), 1.0 / 256.0, 1.0 / 256.0];

/// Where the painted part of a picture lies on its target.
#[derive(Clone, Debug, PartialEq)]
pub struct Region {
    /// Of the target, in pixels.
    pub columns: Range<usize>,
    pub rows: Range<usize>,
    /// Centres of the target's pixels to the picture, 0..1 each way.
    pub scale: [f32; 2],
    pub shift: [f32; 2],
}

/// What strokes follow, of one frame.
#[derive(Clone, Copy, Debug)]
pub struct Strokes<'a> {
    pub flow: FlowPlane<'a>,
    /// As many cells as the flow has; empty where it is not known how far strokes have gone.
    pub drift: &'a [Drift],
    /// Pixels of the student to the picture.
    pub drift_scale: [f32; 2],
}

/// What all samples are made with.
#[derive(Clone, Debug, PartialEq)]
struct Of {
    look: ReliefLook,
    region: Region,
    strength: f32,
    spacing: usize,
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct Ridges {
    of: Option<Of>,
    /// Samples to the right; down there are whole blocks.
    across: usize,
    /// Row after row, plane after plane.
    samples: Vec<i16>,
    /// By block: of what its samples were made. 0 where they were not.
    keys: Vec<u64>,
    bundle: Bundle,
}

/// Rows that this thread works on.
#[derive(Debug, Default)]
struct Lines {
    /// A plane of a row of samples, mixed from two, with the outermost one twice.
    samples: Vec<f32>,
    /// Of each pixel of the region.
    planes: [Vec<f32>; PLANES],
    /// What strokes have dragged there.
    colours: Vec<[u8; 4]>,
}

thread_local! {
    static LINES: RefCell<Lines> =
        const { RefCell::new(Lines { samples: Vec::new(), planes: [const { Vec::new() }; PLANES], colours: Vec::new() }) };
}

impl Ridges {
    /// Brings the samples up to date, one for every `spacing` pixels each way, 1 or 2. Allocates only when the region grows.
    /// `strength`: how much of the painting shows, 0..=1.
    ///
    /// # Panics
    /// When `strokes` has fewer cells than its extent says.
    pub fn update(
        &mut self,
        look: &ReliefLook,
        region: &Region,
        (strength, spacing): (f32, usize),
        strokes: Strokes<'_>,
        tables: &Tables,
        pool: &Pool,
    ) {
        let known = self.of.as_ref().is_some_and(|of| {
            of.look == *look && of.region == *region && of.strength == strength && of.spacing == spacing
        });
        if !known {
            self.begin(Of { look: *look, region: region.clone(), strength, spacing }, tables, pool);
        }
        let Some(of) = &self.of else { return };
        let (across, blocks) = (self.across, self.across.div_ceil(BLOCK));
        let maker = Maker { of, strokes, tables, bundle: &self.bundle };
        let (row_len, band_len) = (across * PLANES, across * PLANES * BLOCK);
        pool.rows_of_two((&mut self.samples, band_len), (&mut self.keys, blocks), |rows, samples, keys| {
            let bands = samples.chunks_exact_mut(band_len).zip(keys.chunks_exact_mut(blocks));
            for (row, (samples, keys)) in rows.zip(bands) {
                for (column, key) in keys.iter_mut().enumerate() {
                    let columns = column * BLOCK..((column + 1) * BLOCK).min(across);
                    let rows = row * BLOCK..(row + 1) * BLOCK;
                    let (now, gone) = maker.key(columns.clone(), rows.clone());
                    if *key != now {
                        *key = now;
                        widely(
                            #[inline(always)]
                            || {
                                for (y, line) in rows.zip(samples.chunks_exact_mut(row_len)) {
                                    maker.line(columns.clone(), y, gone, line, across);
                                }
                            },
                        );
                    }
                }
            }
        });
    }

    fn begin(&mut self, of: Of, tables: &Tables, pool: &Pool) {
        let (width, height) = (of.region.columns.len(), of.region.rows.len());
        self.across = width.div_ceil(of.spacing).max(1);
        let (blocks_across, blocks_down) =
            (self.across.div_ceil(BLOCK), height.div_ceil(of.spacing).div_ceil(BLOCK).max(1));
        self.samples.resize(self.across * PLANES * blocks_down * BLOCK, 0);
        self.keys.clear();
        self.keys.resize(blocks_across * blocks_down, 0);
        let texels = of.look.bristles_scale[1] * of.region.scale[1].abs() * of.spacing as f32;
        if of.look.relief.has_strokes() {
            self.bundle.fill(tables, of.look.relief.length, texels > COARSE, pool);
        }
        self.of = Some(of);
    }

    /// Lays the relief on some rows of a picture: from `flat`, the whole composed target, which is `width` pixels wide, into
    /// `out`, which has room for those rows. What lies outside the region is taken over as it is.
    ///
    /// # Panics
    /// When `flat` is too short for the region.
    pub fn lay(&self, flat: &[[u8; 4]], width: usize, rows: Range<usize>, blue_first: bool, out: &mut [[u8; 4]]) {
        let flat_rows = &flat[rows.start * width..rows.end * width];
        let Some(of) = &self.of else { return out.copy_from_slice(flat_rows) };
        let (columns, all) = (of.region.columns.clone(), of.region.rows.clone());
        LINES.with_borrow_mut(|lines| {
            lines.samples.resize(self.across + 2, 0.0);
            lines.planes.iter_mut().for_each(|plane| plane.resize(columns.len(), 0.0));
            lines.colours.resize(columns.len(), [0; 4]);
            widely(
                #[inline(always)]
                || {
                    for ((y, out), flat_row) in rows.zip(out.chunks_exact_mut(width)).zip(flat_rows.chunks_exact(width))
                    {
                        if !all.contains(&y) || columns.is_empty() {
                            out.copy_from_slice(flat_row);
                            continue;
                        }
                        out[..columns.start].copy_from_slice(&flat_row[..columns.start]);
                        out[columns.end..].copy_from_slice(&flat_row[columns.end..]);
                        self.spread(of, y - all.start, lines);
                        fetch(of, flat, width, y, blue_first, lines);
                        if blue_first {
                            colour::<true>(lines, &mut out[columns.clone()]);
                        } else {
                            colour::<false>(lines, &mut out[columns.clone()]);
                        }
                    }
                },
            );
        });
    }

    /// The numbers for every pixel of a row of the region, mixed from the samples around, in units of [`UNITS`].
    #[inline(always)]
    fn spread(&self, of: &Of, row: usize, lines: &mut Lines) {
        let count = self.samples.len() / (self.across * PLANES);
        let place = ((row as f32 + 0.5) / of.spacing as f32 - 0.5).max(0.0);
        let first = (place as usize).min(count - 1);
        let (second, share) = ((first + 1).min(count - 1), place - first as f32);
        let plane = |row: usize, plane: usize| &self.samples[(row * PLANES + plane) * self.across..][..self.across];
        let Lines { samples, planes, .. } = lines;
        for (index, out) in planes.iter_mut().enumerate() {
            let (first, second) = (plane(first, index), plane(second, index));
            let (own, other) = ((1.0 - share) * UNITS[index], share * UNITS[index]);
            for ((to, a), b) in samples[1..].iter_mut().zip(first).zip(second) {
                *to = f32::from(*a) * own + f32::from(*b) * other;
            }
            (samples[0], samples[self.across + 1]) = (samples[1], samples[self.across]);
            if of.spacing == 1 {
                let length = out.len();
                out.copy_from_slice(&samples[1..=length]);
                continue;
            }
            let (pairs, rest) = out.as_chunks_mut::<2>();
            for (pair, around) in pairs.iter_mut().zip(samples.windows(3)) {
                *pair = [0.75 * around[1] + 0.25 * around[0], 0.75 * around[1] + 0.25 * around[2]];
            }
            let done = pairs.len();
            if let [last] = rest {
                *last = samples[done + 1];
            }
        }
    }
}

/// Fetches the colours that strokes drag to each pixel of a row.
#[inline(always)]
fn fetch(of: &Of, flat: &[[u8; 4]], width: usize, y: usize, blue_first: bool, lines: &mut Lines) {
    let Region { columns, rows, scale, .. } = &of.region;
    let press = of.look.relief.press * of.strength;
    let bounds = |range: &Range<usize>| (range.start as f32, range.end as f32 - 1.0);
    let ((left, right), (top, bottom)) = (bounds(columns), bounds(rows));
    let Lines { planes, colours, .. } = lines;
    let places = planes[RIGHT].iter().zip(&planes[DOWN]).enumerate();
    // From within the picture, so that half more and cut off is the nearest.
    let at = |x: f32, y: f32| {
        let (x, y) = (x.clamp(left, right) + 0.5, y.clamp(top, bottom) + 0.5);
        flat[y as usize * width + x as usize]
    };
    let (first_x, y) = (columns.start as f32, y as f32);
    if press <= 0.0 {
        for (colour, (x, (dx, dy))) in colours.iter_mut().zip(places) {
            *colour = at(first_x + x as f32 + dx, y + dy);
        }
        return;
    }
    // Plates miss one another: where the first and the last colour come from.
    let on = |part: f32, axis: usize| part / of.look.paper_scale[axis] / scale[axis];
    let plates = [[1.6 * press, 0.56 * press], [-0.96 * press, -1.44 * press]].map(|[x, y]| [on(x, 0), on(y, 1)]);
    let [red, blue] = if blue_first { [plates[1], plates[0]] } else { plates };
    for (colour, (x, (dx, dy))) in colours.iter_mut().zip(places) {
        let (x, y) = (first_x + x as f32 + dx, y + dy);
        *colour = [at(x + red[0], y + red[1])[0], at(x, y)[1], at(x + blue[0], y + blue[1])[2], 255];
    }
}

/// The colours of a row with the relief on them.
#[inline(always)]
fn colour<const BLUE_FIRST: bool>(lines: &Lines, out: &mut [[u8; 4]]) {
    let [tone_first, tone_last] = if BLUE_FIRST { [TONES[2], TONES[0]] } else { [TONES[0], TONES[2]] };
    let [luma_first, luma_last] = if BLUE_FIRST { [0.114, 0.299] } else { [0.299, 0.114] };
    let count = out.len();
    let plane = |index: usize| &lines.planes[index][..count];
    let (base, tone, shade) = (plane(BASE), plane(TONE), plane(SHADE));
    let (light, cover, colours) = (plane(LIGHT), plane(COVER), &lines.colours[..count]);
    for (i, out) in out.iter_mut().enumerate() {
        let packed = u32::from_le_bytes(colours[i]);
        let [a, b, c] = [packed & 255, packed >> 8 & 255, packed >> 16 & 255].map(|v| v as i32 as f32);
        let dark = 255.0 - (luma_first * a + 0.587 * b + luma_last * c);
        let (gain, more) = (base[i] + dark * shade[i], light[i] + dark * cover[i]);
        let laid = |value: f32, of_tone: f32| nearest(within(value * (gain + tone[i] * of_tone) + more, 255.0));
        let (a, b, c) = (laid(a, tone_first), laid(b, TONES[1]), laid(c, tone_last));
        *out = (a | b << 8 | c << 16 | 255 << 24).to_le_bytes();
    }
}

/// Strokes in every direction, as long as a relief wants them.
#[derive(Debug, Default)]
struct Bundle {
    length: f32,
    coarse: bool,
    /// [`DIRECTIONS`] times `side` rows of `side` texels.
    texels: Vec<[i8; 4]>,
}

impl Bundle {
    fn side(&self) -> usize {
        if self.coarse { SIDE / 2 } else { SIDE }
    }

    /// Longer strokes are a table mixed with itself, ten texels on and ten back along its direction.
    fn fill(&mut self, tables: &Tables, length: f32, coarse: bool, pool: &Pool) {
        if !self.texels.is_empty() && (self.length, self.coarse) == (length, coarse) {
            return;
        }
        (self.length, self.coarse) = (length, coarse);
        let side = self.side();
        self.texels.resize(DIRECTIONS * side * side, [0; 4]);
        let known: &[[i8; 4]] = if coarse { &tables.half_bristles } else { &tables.bristles.texels };
        let more = 0.6 * (length - 1.0).max(0.0);
        pool.rows(&mut self.texels, side * side, |directions, out| {
            for (direction, out) in directions.zip(out.chunks_exact_mut(side * side)) {
                let table = |turn: usize| &known[turn % TURNS * side * side..][..side * side];
                // Every second direction lies between two tables.
                let (first, second) = (table(direction / 2), table(direction.div_ceil(2)));
                let angle = std::f32::consts::PI * direction as f32 / DIRECTIONS as f32;
                let step = 10.0 * side as f32 / SIDE as f32;
                let (dx, dy) = (step * angle.cos(), step * angle.sin());
                for (index, out) in out.iter_mut().enumerate() {
                    let at = [(index % side) as f32 + 0.5, (index / side) as f32 + 0.5];
                    let mixed = |at: [f32; 2]| {
                        let lookup = Lookup::new(at, side);
                        let (a, b) = (lookup.of(first), lookup.of(second));
                        std::array::from_fn::<f32, 4, _>(|i| 0.5 * (a[i] + b[i]))
                    };
                    let own = mixed(at);
                    let sum = if more > 0.0 {
                        let (ahead, behind) = (mixed([at[0] + dx, at[1] + dy]), mixed([at[0] - dx, at[1] - dy]));
                        std::array::from_fn(|i| (own[i] + more * (ahead[i] + behind[i])) / (1.0 + 0.8 * more))
                    } else {
                        own
                    };
                    // Beyond what fits, a cast takes what is nearest.
                    *out = sum.map(|v| v.round() as i8);
                }
            }
        });
    }
}

/// What makes samples.
#[derive(Clone, Copy)]
struct Maker<'a> {
    of: &'a Of,
    strokes: Strokes<'a>,
    tables: &'a Tables,
    bundle: &'a Bundle,
}

impl Maker<'_> {
    /// Where a sample lies in the picture.
    #[inline(always)]
    fn place(&self, x: usize, y: usize) -> [f32; 2] {
        let Region { columns, rows, scale, shift } = &self.of.region;
        let spacing = self.of.spacing as f32;
        let pixel = [columns.start as f32 + (x as f32 + 0.5) * spacing, rows.start as f32 + (y as f32 + 0.5) * spacing];
        [pixel[0] * scale[0] + shift[0], pixel[1] * scale[1] + shift[1]]
    }

    /// A number for all that a block's samples depend on beside [`Of`], never 0; and whether strokes there have gone
    /// anywhere.
    fn key(&self, columns: Range<usize>, rows: Range<usize>) -> (u64, bool) {
        let Extent { width, height } = self.strokes.flow.extent;
        let (a, b) = (self.place(columns.start, rows.start), self.place(columns.end - 1, rows.end - 1));
        let cells = |axis: usize, length: u32| {
            // A sample is mixed from the cells around it.
            let [a, b] = [a[axis], b[axis]].map(|place| place * length as f32);
            let from = (a.min(b) - 1.5).clamp(0.0, length as f32 - 1.0) as usize;
            from..((a.max(b) + 1.5) as usize + 1).clamp(from + 1, length as usize)
        };
        let (columns, rows) = (cells(0, width), cells(1, height));
        let mut key = 0x9E37_79B9_7F4A_7C15_u64;
        let mut gone = false;
        let mut take = |value: u64| key = (key.rotate_left(23) ^ value).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        for row in rows {
            let line = row * width as usize + columns.start..row * width as usize + columns.end;
            for cell in &self.strokes.flow.flow[line.clone()] {
                take(u64::from(u32::from_le_bytes(*cell)));
            }
            for (index, cell) in self.strokes.drift.get(line).unwrap_or_default().iter().enumerate() {
                if bits(cell) != bits(&HOME) {
                    gone = true;
                    take(bits(cell) ^ (index as u64) << 56);
                }
            }
        }
        (key | 1, gone)
    }

    /// How far strokes have gone at a place.
    #[inline(always)]
    fn gone(&self, uv: [f32; 2]) -> [f32; 4] {
        let Extent { width, height } = self.strokes.flow.extent;
        let cell = |x: usize, y: usize| self.strokes.drift[y * width as usize + x];
        let place = |uv: f32, side: u32| {
            let at = (uv * side as f32 - 0.5).clamp(0.0, side as f32 - 1.0);
            let first = at as usize;
            (first, (first + 1).min(side as usize - 1), at - first as f32)
        };
        let ((x0, x1, across), (y0, y1, down)) = (place(uv[0], width), place(uv[1], height));
        let [a, b, c, d] = [cell(x0, y0), cell(x1, y0), cell(x0, y1), cell(x1, y1)];
        let same = |other: &Drift| bits(other) == bits(&a);
        if same(&b) && same(&c) && same(&d) {
            return a.map(f16::to_f32);
        }
        let [a, b, c, d] = [a, b, c, d].map(|cell| cell.map(f16::to_f32));
        std::array::from_fn(|i| {
            let (upper, lower) = (a[i] + (b[i] - a[i]) * across, c[i] + (d[i] - c[i]) * across);
            upper + (lower - upper) * down
        })
    }

    /// What strokes do along a row, at places in texels of the tables, each in its direction: four numbers, in their units.
    #[inline(always)]
    fn strokes(&self, x: &Lane, y: &Lane, directions: &[u32; BLOCK]) -> [Lane; 4] {
        let side = self.bundle.side();
        let factor = side as f32 / SIDE as f32;
        let mut found = [[0.0; BLOCK]; 4];
        for i in 0..BLOCK {
            let table = &self.bundle.texels[directions[i] as usize * side * side..][..side * side];
            let texel = Lookup::new([x[i] * factor, y[i] * factor], side).of(table);
            for (plane, (value, range)) in found.iter_mut().zip(texel.into_iter().zip(RANGES)) {
                plane[i] = value * range;
            }
        }
        found
    }

    /// The samples of a row of a block. `gone`: whether strokes may have gone anywhere.
    #[inline(always)]
    fn line(&self, columns: Range<usize>, y: usize, gone: bool, out: &mut [i16], across: usize) {
        let Of { look, region, strength, .. } = self.of;
        let Relief { thickness, gloss, pigment, drag, paper, rim, tooth, press, ripple, .. } = look.relief;
        let parts = look.parts();
        let place: [[f32; 2]; BLOCK] = std::array::from_fn(|i| self.place(columns.start + i, y));
        let local: [[f32; 4]; BLOCK] = std::array::from_fn(|i| self.strokes.flow.at(place[i]));
        let plane = |channel: usize| -> Lane { std::array::from_fn(|i| local[i][channel]) };
        let (sharp, fine) = (plane(2), plane(3));
        let amount: Lane = std::array::from_fn(|i| 1.0 - 0.8 * fine[i]);
        let paper_at = |more: [f32; 2]| -> [[f32; 4]; BLOCK] {
            std::array::from_fn(|i| {
                let at: [f32; 2] =
                    std::array::from_fn(|axis| place[i][axis] * look.paper_scale[axis] + look.hand[axis] + more[axis]);
                let found = if parts & !ReliefLook::STROKES == 0 {
                    // Of paint only the clouds count, which are large.
                    let wrap = |at: f32| (at as i32 & (SIDE as i32 - 1)) as usize;
                    self.tables.paper.texels[wrap(at[1]) * SIDE + wrap(at[0])].map(f32::from)
                } else {
                    Lookup::new(at, SIDE).of(&self.tables.paper.texels)
                };
                std::array::from_fn(|axis| found[axis] * RANGES[axis])
            })
        };
        let grain = paper_at([0.0; 2]);
        let mut stroke = [[0.0; BLOCK]; 4];
        let [mut right, mut down] = [[0.0; BLOCK]; 2];
        if parts & ReliefLook::STROKES != 0 {
            let (mut directions, mut along) = ([0; BLOCK], [[0.0; BLOCK]; 2]);
            let (x, y) = (plane(0), plane(1));
            for i in 0..BLOCK {
                let double = unit([x[i] * 2.0 - 1.0, y[i] * 2.0 - 1.0]);
                // Rounded, from above 0: a whole turn more is none.
                directions[i] = (turns(double) * 2.0 + (2 * DIRECTIONS) as f32 + 0.5) as i32 as u32 % DIRECTIONS as u32;
                [along[0][i], along[1][i]] = halved(double);
            }
            let texels = |axis: usize, more: &Lane| -> Lane {
                std::array::from_fn(|i| (place[i][axis] + more[i]) * look.bristles_scale[axis] + look.hand[axis])
            };
            let rest = [0.0; BLOCK];
            if gone {
                let gone: [[f32; 4]; BLOCK] = std::array::from_fn(|i| self.gone(place[i]));
                let more =
                    |axis: usize| -> Lane { std::array::from_fn(|i| gone[i][axis] * self.strokes.drift_scale[axis]) };
                stroke = self.strokes(&texels(0, &more(0)), &texels(1, &more(1)), &directions);
                let fades = gone.iter().any(|[.., share, _]| *share < 0.996);
                let home = if fades { self.strokes(&texels(0, &rest), &texels(1, &rest), &directions) } else { stroke };
                for (i, [x, y, share, gain]) in gone.into_iter().enumerate() {
                    let rest = 1.0 - share;
                    let alike = (-(x * x + y * y) / 12.5).exp();
                    let length = (share * share + rest * rest + 2.0 * share * rest * alike).sqrt();
                    for (stroke, home) in stroke.iter_mut().zip(&home) {
                        stroke[i] = gain * (share * stroke[i] + rest * home[i]) / length;
                    }
                }
            } else {
                stroke = self.strokes(&texels(0, &rest), &texels(1, &rest), &directions);
            }
            for i in 0..BLOCK {
                let far = 4.0 * drag * amount[i] * (1.5 * sharp[i]).clamp(0.15, 1.0) * stroke[1][i].clamp(-1.5, 1.5);
                right[i] = -along[1][i] * far / look.bristles_scale[0];
                down[i] = along[0][i] * far / look.bristles_scale[1];
            }
        }
        let mut wave = [0.0; BLOCK];
        if parts & ReliefLook::RIPPLE != 0 {
            let other = paper_at([97.0, 41.0]);
            for i in 0..BLOCK {
                wave[i] = grain[i][1];
                right[i] += 3.0 * ripple * wave[i] / look.paper_scale[0];
                down[i] += 3.0 * ripple * other[i][1] / look.paper_scale[1];
            }
        }
        let mut values = [[0.0; BLOCK]; PLANES];
        let [tooth_of, clouds, slope_x, slope_y] =
            std::array::from_fn(|channel| -> Lane { std::array::from_fn(|i| grain[i][channel]) });
        for i in 0..BLOCK {
            let cloud = clouds[i];
            let light = (1.0 + 0.35 * cloud).clamp(0.15, 1.7) * (-0.6 * stroke[2][i] - 0.8 * stroke[3][i]);
            let shine = (1.8 * light - 0.35).max(0.0);
            let bare = (0.75 * tooth * smoothstep(0.1, 1.7, -tooth_of[i]) * amount[i]).clamp(0.0, 1.0);
            let thin = (0.3 * press * (0.45 * tooth_of[i] + 0.35 * cloud - 0.25).clamp(0.0, 1.0)).clamp(0.0, 1.0);
            let lit = -0.6 * slope_x[i] - 0.8 * slope_y[i];
            let lit_paint = 1.0 + 0.6 * thickness * amount[i] * tanh(2.2 * light);
            let rims = 1.0 - 0.3 * rim * smoothstep(0.25, 0.8, sharp[i]) * (0.8 + 0.2 * cloud.clamp(-1.0, 1.0));
            let wet = (1.0 + paper * 0.05 * lit) * rims;
            let wet_dark = paper * (0.07 * tooth_of[i] + 0.09 * cloud) * rims;
            let glass = 1.0 + 0.05 * ripple * wave[i];
            let plain = lit_paint * (1.0 + pigment * amount[i] * 0.05 * stroke[0][i]);
            values[BASE][i] = 1.0 + strength * (plain * wet * glass - 1.0);
            values[TONE][i] = strength * lit_paint * pigment * amount[i] * stroke[1][i] * wet * glass;
            values[SHADE][i] = strength * (plain * wet_dark - (bare + thin) * plain * wet) * glass;
            values[LIGHT][i] = strength * 0.43 * gloss * amount[i] * shine * shine * wet * glass;
            values[COVER][i] = strength * (0.97 * bare + 0.95 * thin) * glass;
            values[RIGHT][i] = strength * right[i] / region.scale[0];
            values[DOWN][i] = strength * down[i] / region.scale[1];
        }
        for (index, values) in values.iter().enumerate() {
            let out = &mut out[index * across..][columns.clone()];
            for (out, value) in out.iter_mut().zip(values) {
                // Beyond what fits, a cast takes what is nearest.
                *out = (value * SCALES[index]) as i16;
            }
        }
    }
}

const RANGES: [f32; 4] = [HEIGHT_RANGE / 127.0, HEIGHT_RANGE / 127.0, SLOPE_RANGE / 127.0, SLOPE_RANGE / 127.0];

/// Four texels around a place on a torus, and their weights.
#[derive(Clone, Copy)]
struct Lookup {
    at: [usize; 4],
    weights: [f32; 4],
}

impl Lookup {
    /// `at`: in texels from the first texel's corner. `side`: of the torus, a power of two.
    #[inline(always)]
    fn new([x, y]: [f32; 2], side: usize) -> Self {
        let (x, y) = (x - 0.5, y - 0.5);
        let (left, top) = (x.floor(), y.floor());
        let (across, down) = (x - left, y - top);
        let wrap = |v: f32, more: i32| ((v as i32 + more) & (side as i32 - 1)) as usize;
        let (x0, x1, y0, y1) = (wrap(left, 0), wrap(left, 1), wrap(top, 0), wrap(top, 1));
        Self {
            at: [y0 * side + x0, y0 * side + x1, y1 * side + x0, y1 * side + x1],
            weights: [(1.0 - across) * (1.0 - down), across * (1.0 - down), (1.0 - across) * down, across * down],
        }
    }

    #[inline(always)]
    fn of(&self, table: &[[i8; 4]]) -> [f32; 4] {
        let mut sum = [0.0_f32; 4];
        for (at, weight) in self.at.iter().zip(self.weights) {
            let texel = table[*at];
            sum = std::array::from_fn(|i| sum[i] + weight * f32::from(texel[i]));
        }
        sum
    }
}

/// The four numbers as one, to be compared in one step.
#[inline(always)]
fn bits(drift: &Drift) -> u64 {
    bytemuck::cast(*drift)
}

/// Of length 1; of length 0 where it is nothing.
#[inline(always)]
fn unit([x, y]: [f32; 2]) -> [f32; 2] {
    let factor = 1.0 / (x * x + y * y).sqrt().max(1e-6);
    [x * factor, y * factor]
}

/// Cosine and sine of half the angle whose cosine and sine are given; to the right.
#[inline(always)]
fn halved([cos, sin]: [f32; 2]) -> [f32; 2] {
    let (a, b) = ((0.5 + 0.5 * cos).max(0.0).sqrt(), (0.5 - 0.5 * cos).max(0.0).sqrt());
    [a, if sin < 0.0 { -b } else { b }]
}

/// The angle whose cosine and sine are given, in turns of the tables: `TURNS` for a whole one, within half a thousandth, by
/// Hastings' polynomial (Approximations for Digital Computers, 1955, sheet 11).
#[inline(always)]
fn turns([cos, sin]: [f32; 2]) -> f32 {
    let (x, y) = (cos.abs(), sin.abs());
    let ratio = x.min(y) / x.max(y).max(1e-12);
    let s = ratio * ratio;
    let inner = -0.330_299_5 + s * (0.180_141 + s * (-0.085_133 + s * 0.020_835_1));
    let angle = ratio * (0.999_866 + s * inner);
    let angle = if y > x { std::f32::consts::FRAC_PI_2 - angle } else { angle };
    let angle = if cos < 0.0 { std::f32::consts::PI - angle } else { angle };
    let angle = if sin < 0.0 { -angle } else { angle };
    angle * (TURNS as f32 / std::f32::consts::TAU)
}

/// Within 0.003 of the hyperbolic tangent: a quotient of polynomials (Lambert's continued fraction), held to -1..1.
#[inline(always)]
fn tanh(x: f32) -> f32 {
    let s = x * x;
    (x * (135_135.0 + s * (17_325.0 + s * (378.0 + s))) / (135_135.0 + s * (62_370.0 + s * (3_150.0 + s * 28.0))))
        .clamp(-1.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::Brush;
    use crate::kernels::relief::{Flow, FlowLook, Gone, cells, flow_of_cells, surface, tensor_of_cells};

    const STUDENT: Extent = Extent::new(160, 96);
    const TARGET: Extent = Extent::new(480, 288);
    const BRUSH: Brush = Brush { seed: 7, strength: 1.0, scale: 1.0 };

    fn reliefs() -> [Relief; 4] {
        let none = Relief::default();
        [
            Relief { thickness: 0.65, gloss: 0.5, pigment: 0.7, drag: 0.8, width: 1.3, length: 1.5, ..none },
            Relief { paper: 0.8, rim: 0.6, ..none },
            Relief { tooth: 0.8, paper: 0.2, ..none },
            Relief { ripple: 0.5, ..none },
        ]
    }

    /// Light and dark hills, with edges.
    fn value(x: f32, y: f32) -> [f32; 3] {
        let hills = (x * 9.0 + 3.0 * (y * 7.0).sin()).sin() * (y * 11.0).cos();
        let step = if (x - 0.5).hypot(y - 0.5) < 0.3 { 0.25 } else { 0.0 };
        [0.5 + 0.25 * hills, 0.35 + step + 0.1 * hills, 0.55 - step]
    }

    fn flow() -> Vec<Flow> {
        let steady: Vec<[f32; 4]> = (0..STUDENT.pixels() as u32)
            .map(|at| {
                let (x, y) = ((at % STUDENT.width) as f32 + 0.5, (at / STUDENT.width) as f32 + 0.5);
                let [r, g, b] = value(x / STUDENT.width as f32, y / STUDENT.height as f32);
                [r, g, b, g]
            })
            .collect();
        let count = cells(STUDENT).pixels() as usize;
        let (mut tensor, mut flow) = (vec![[0.0; 4]; count], vec![[0; 4]; count]);
        tensor_of_cells(&steady, STUDENT, &mut tensor);
        flow_of_cells(&tensor, STUDENT, FlowLook { brush: BRUSH, swirl: 1.0 }, None, &mut flow);
        flow
    }

    fn flat() -> Vec<[u8; 4]> {
        (0..TARGET.pixels() as u32)
            .map(|at| {
                let (x, y) = ((at % TARGET.width) as f32 + 0.5, (at / TARGET.width) as f32 + 0.5);
                let [r, g, b] = value(x / TARGET.width as f32, y / TARGET.height as f32).map(|v| (v * 255.0) as u8);
                [r, g, b, 255]
            })
            .collect()
    }

    fn region() -> Region {
        let scale = [1.0 / TARGET.width as f32, 1.0 / TARGET.height as f32];
        Region { columns: 0..TARGET.width as usize, rows: 0..TARGET.height as usize, scale, shift: [0.0; 2] }
    }

    fn laid(ridges: &Ridges, flat: &[[u8; 4]]) -> Vec<[u8; 4]> {
        let mut out = vec![[0; 4]; flat.len()];
        ridges.lay(flat, TARGET.width as usize, 0..TARGET.height as usize, false, &mut out);
        out
    }

    fn apart(a: &[[u8; 4]], b: &[[u8; 4]]) -> f64 {
        let sum: u64 = a.as_flattened().iter().zip(b.as_flattened()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        sum as f64 / (3 * a.len()) as f64
    }

    /// The definition, pixel by pixel: with a sample for each pixel nearly that, with one for four most of it.
    #[test]
    fn what_is_laid_is_the_relief() {
        let (tables, flow, flat) = (Tables::known(), flow(), flat());
        let flow = FlowPlane { flow: &flow, extent: cells(STUDENT) };
        let strokes = Strokes { flow, drift: &[], drift_scale: [0.0; 2] };
        for relief in reliefs() {
            let look = ReliefLook::new(relief, TARGET.aspect(), TARGET.height as f32, BRUSH.seed);
            let painted = |[x, y]: [f32; 2]| value(x.clamp(0.0, 1.0), y.clamp(0.0, 1.0));
            let want: Vec<[u8; 4]> = (0..TARGET.pixels() as u32)
                .map(|at| {
                    let (x, y) = ((at % TARGET.width) as f32 + 0.5, (at / TARGET.width) as f32 + 0.5);
                    let uv = [x / TARGET.width as f32, y / TARGET.height as f32];
                    let [r, g, b] = surface(uv, &look, flow, Gone::HOME, &tables, painted).map(|v| (v * 255.0) as u8);
                    [r, g, b, 255]
                })
                .collect();
            let shows = apart(&flat, &want);
            // The grain of paper is finer than every second pixel.
            let spacings: &[_] = if relief.has_strokes() { &[(1, 0.3), (2, 0.5)] } else { &[(1, 0.3)] };
            for (spacing, share) in spacings {
                let mut ridges = Ridges::default();
                ridges.update(&look, &region(), (1.0, *spacing), strokes, &tables, &Pool::alone());
                let off = apart(&laid(&ridges, &flat), &want);
                assert!(off < share * shows, "{relief:?}, spacing {spacing}: {off} off, the relief is {shows}");
            }
        }
    }

    /// Samples over a flow that has not changed are those of the frame before; where it has, they are as if made anew.
    #[test]
    fn only_what_changed_is_made_anew() {
        let tables = Tables::known();
        let look = ReliefLook::new(reliefs()[0], TARGET.aspect(), TARGET.height as f32, BRUSH.seed);
        let (mut cells_flow, flat) = (flow(), flat());
        let extent = cells(STUDENT);
        let drift = vec![HOME; cells_flow.len()];
        let mut moved = drift.clone();
        moved[500] = [3.0, -2.0, 1.0, 1.0].map(f16::from_f32);
        let mut ridges = Ridges::default();
        let update = |ridges: &mut Ridges, flow: &[Flow], drift: &[Drift]| {
            let flow = FlowPlane { flow, extent };
            let drift_scale = [1.0 / STUDENT.width as f32, 1.0 / STUDENT.height as f32];
            let strokes = Strokes { flow, drift, drift_scale };
            ridges.update(&look, &region(), (1.0, 2), strokes, &tables, &Pool::alone());
        };
        update(&mut ridges, &cells_flow, &drift);
        let (keys, first) = (ridges.keys.clone(), laid(&ridges, &flat));
        update(&mut ridges, &cells_flow, &drift);
        assert_eq!(ridges.keys, keys);
        for (flow_changes, drift) in [(true, &drift), (false, &moved)] {
            if flow_changes {
                cells_flow[1000] = [255, 128, 200, 0];
            }
            update(&mut ridges, &cells_flow, drift);
            let changed = ridges.keys.iter().zip(&keys).filter(|(a, b)| a != b).count();
            assert!((1..keys.len() / 4).contains(&changed), "{changed} of {} blocks", keys.len());
            let mut fresh = Ridges::default();
            update(&mut fresh, &cells_flow, drift);
            assert_eq!(laid(&ridges, &flat), laid(&fresh, &flat));
        }
        assert_ne!(first, laid(&ridges, &flat));
    }

    #[test]
    fn the_short_ways_to_angles_are_close() {
        for degrees in -179..180 {
            let angle = (degrees as f32).to_radians();
            let pair = [angle.cos(), angle.sin()];
            let turn = turns(pair) * std::f32::consts::TAU / TURNS as f32;
            assert!((turn - angle).abs() < 1e-3, "{degrees}: {turn}");
            let [cos, sin] = halved(pair);
            assert!((cos - (angle / 2.0).cos()).abs() < 1e-3 && (sin - (angle / 2.0).sin()).abs() < 1e-3, "{degrees}");
        }
        for x in -40..=40 {
            let x = x as f32 / 8.0;
            assert!((tanh(x) - x.tanh()).abs() < 3e-3, "{x}");
        }
    }

    /// Beside the region nothing changes; without strength nothing either.
    #[test]
    fn what_is_not_painted_stays() {
        let (tables, flow, flat) = (Tables::known(), flow(), flat());
        let strokes =
            Strokes { flow: FlowPlane { flow: &flow, extent: cells(STUDENT) }, drift: &[], drift_scale: [0.0; 2] };
        let look = ReliefLook::new(reliefs()[0], TARGET.aspect(), TARGET.height as f32, BRUSH.seed);
        let mut ridges = Ridges::default();
        let part = Region { columns: 200..480, rows: 10..288, ..region() };
        ridges.update(&look, &part, (1.0, 2), strokes, &tables, &Pool::alone());
        let out = laid(&ridges, &flat);
        let differs = |at: usize| out[at] != flat[at];
        assert!((0..out.len()).filter(|at| at % 480 < 200 || at / 480 < 10).all(|at| !differs(at)));
        assert!((0..out.len()).filter(|at| differs(*at)).count() > out.len() / 3);
        ridges.update(&look, &part, (0.0, 2), strokes, &tables, &Pool::alone());
        assert_eq!(laid(&ridges, &flat), flat);
    }
}
