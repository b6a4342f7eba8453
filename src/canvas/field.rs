//! The field that a seed makes: [`CHANNELS`] layers of noise on a torus of [`SIDE`] x [`SIDE`] places, one place being one
//! pixel of the network's picture in the training.
//!
//! Integer hashes and double arithmetic alone, in the same order as `impasto_training.canvas`, which makes the same numbers:
//!
//! | layer | what | wavelength across, length along (places) |
//! | --- | --- | --- |
//! | 0 | grain: band-limited noise | 8 |
//! | 1 | blobs: band-limited noise | 22 |
//! | 2, 3 | bristles: line integral convolution along two swirling directions | 7, 26 |
//! | 4, 7 | broad strokes: the same, coarser | 13, 50 |
//! | 5 | dabs: short strokes, each with its own direction and sign | 8, 28 |
//! | 6 | facets: cells of one value each | 20 |
//!
//! Line integral convolution: Cabral and Leedom 1993. The dabs are sparse convolution noise (Lewis 1989) with an elongated
//! Gaussian as its kernel. Every layer has mean 0 and standard deviation 1/3, is cut to -1..1, and is stored in 8 bits.

use std::f64::consts::PI;
use std::num::NonZeroUsize;

use crate::wide::widely;

/// Places of a side of the torus. A power of two.
pub const SIDE: usize = 512;
/// Layers of a field.
pub const CHANNELS: usize = 8;
/// Standard deviation of a layer before it is cut.
const DEVIATION: f64 = 1.0 / 3.0;

const PLACES: usize = SIDE * SIDE;
/// Cosines of which a direction field is the sum.
const WAVES: usize = 6;
/// The first direction, and the amplitude of its turns, in radians.
const FIRST: f64 = 0.6;
const FIRST_TURNS: f64 = 1.3;

// Numbers that keep the uses of the hash apart; white noise takes its layer's number.
const TURN: u32 = 16;
const CROSS: u32 = 17;
const FACETS: u32 = 18;
const DABS: u32 = 24;

/// Places per cell of the grid that facets grow from.
const FACET: usize = 16;
/// Places per cell of the grid that holds one dab each.
const DAB: usize = 16;
/// Standard deviations of a dab, in places.
const DAB_ALONG: f64 = 8.0;
const DAB_ACROSS: f64 = 2.4;

/// The direction in which the first of a field's strokes swirl, as it can be had without the field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Swirl {
    /// Of each of the cosines that it is the sum of: periods per side to the right and down, and the phase in radians.
    pub waves: [[f32; 3]; WAVES],
}

impl Swirl {
    /// Where all strokes go when nothing turns, in radians.
    pub const STRAIGHT: f32 = FIRST as f32;
    /// How much one cosine turns, in radians.
    pub const TURN: f32 = 0.750_555_3;

    pub fn new(seed: u32) -> Self {
        let draws = |row: usize| [0, 1, 2].map(|column| number(seed, TURN, column, row as u32));
        Self { waves: std::array::from_fn(|i| wave(&draws(i)).map(|v| v as f32)) }
    }

    /// The direction at a place, in radians, with a share of the turns.
    pub fn angle(&self, [x, y]: [f32; 2], share: f32) -> f32 {
        let turn = |[kx, ky, phase]: [f32; 3]| (std::f32::consts::TAU / SIDE as f32 * (kx * x + ky * y) + phase).cos();
        Self::STRAIGHT + share * Self::TURN * self.waves.into_iter().map(turn).sum::<f32>()
    }
}

/// Periods per side to the right and down, and the phase in radians, from three draws.
fn wave(draw: &[f64]) -> [f64; 3] {
    let periods = |draw: f64| (draw * 4.5 + 0.5).floor();
    let (kx, ky) = (periods(draw[0]), periods(draw[1]));
    [if kx == 0.0 && ky == 0.0 { 2.0 } else { kx }, ky, PI * draw[2]]
}

/// The values of one layer, row by row.
type Plane = Vec<f64>;

/// What a seed makes.
pub struct Field {
    seed: u32,
    places: Box<[[i8; CHANNELS]]>,
}

impl std::fmt::Debug for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Field").field("seed", &self.seed).finish_non_exhaustive()
    }
}

impl Field {
    /// Takes some tenths of a second on two cores.
    pub fn new(seed: u32) -> Self {
        let (first, second) = directions(seed);
        let white = |layer: u32| uniform(seed, layer, SIDE, SIDE);
        let along = |direction: &Plane, fine: u32, coarse: u32| {
            along(&band(&white(fine), 7.0), 13, &band(&white(coarse), 13.0), 25, direction)
        };
        let [bristles, broad] = along(&first, 2, 4);
        let [crossing, broad_crossing] = along(&second, 3, 7);
        let layers = [
            band(&white(0), 8.0),
            band(&white(1), 22.0),
            bristles,
            crossing,
            broad,
            dabs(seed, &first),
            facets(seed),
            broad_crossing,
        ];
        let value = |layer: &Plane, at: usize| ((layer[at] * DEVIATION).clamp(-1.0, 1.0) * 127.0 + 0.5).floor() as i8;
        let places = (0..PLACES).map(|at| std::array::from_fn(|channel| value(&layers[channel], at))).collect();
        Self { seed, places }
    }

    pub fn seed(&self) -> u32 {
        self.seed
    }

    /// `SIDE` rows of `SIDE` places of `CHANNELS` values; 127 stands for 1.
    pub fn places(&self) -> &[[i8; CHANNELS]] {
        &self.places
    }
}

/// 32 random bits for each place: products with odd constants, mixed by MurmurHash3's finaliser.
pub(super) fn hash(seed: u32, kind: u32, x: u32, y: u32) -> u32 {
    let mut h = x.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77) ^ (kind + 1).wrapping_mul(0xC2B2_AE3D);
    h ^= seed.wrapping_mul(0x27D4_EB2F);
    h = (h ^ (h >> 16)).wrapping_mul(0x85EB_CA6B);
    h = (h ^ (h >> 13)).wrapping_mul(0xC2B2_AE35);
    h ^ (h >> 16)
}

/// `height` rows of `width` numbers, evenly from -1 up to 1.
fn uniform(seed: u32, kind: u32, height: usize, width: usize) -> Plane {
    (0..height).flat_map(|y| (0..width).map(move |x| number(seed, kind, x as u32, y as u32))).collect()
}

/// A number from -1 up to 1.
fn number(seed: u32, kind: u32, x: u32, y: u32) -> f64 {
    f64::from(hash(seed, kind, x, y)) * (-31_f64).exp2() - 1.0
}

/// Fills a plane of `SIDE` columns row by row, on all cores.
fn each_row<T: Send>(plane: &mut [T], fill: impl Fn(usize, &mut [T]) + Sync) {
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let rows = plane.len() / SIDE;
    let share = rows.div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        for (first, part) in (0..).step_by(share).zip(plane.chunks_mut(share * SIDE)) {
            let fill = &fill;
            scope.spawn(move || {
                widely(
                    #[inline(always)]
                    || part.chunks_mut(SIDE).enumerate().for_each(|(y, row)| fill(first + y, row)),
                );
            });
        }
    });
}

/// Gaussian blur on the torus, cut off at three sigmas and normalised.
fn blurred(plane: &[f64], sigma: f64) -> Plane {
    let reach = (3.0 * sigma).ceil() as usize;
    let mut taps: Vec<f64> =
        (0..=2 * reach).map(|i| (-0.5 * ((i as f64 - reach as f64) / sigma).powi(2)).exp()).collect();
    let sum: f64 = taps.iter().sum();
    taps.iter_mut().for_each(|tap| *tap /= sum);
    let mut down = vec![0.0; PLACES];
    each_row(
        &mut down,
        #[inline(always)]
        |y, row| {
            for (i, tap) in taps.iter().enumerate() {
                let from = (y + SIDE + reach - i) % SIDE * SIDE;
                row.iter_mut().zip(&plane[from..from + SIDE]).for_each(|(sum, value)| *sum += tap * value);
            }
        },
    );
    let mut across = vec![0.0; PLACES];
    each_row(
        &mut across,
        #[inline(always)]
        |y, row| {
            // The row with its own ends around it.
            let source = &down[y * SIDE..][..SIDE];
            let around: Vec<f64> =
                [&source[SIDE - reach..], source, &source[..reach]].into_iter().flatten().copied().collect();
            for (i, tap) in taps.iter().enumerate() {
                let from = 2 * reach - i;
                row.iter_mut().zip(&around[from..from + SIDE]).for_each(|(sum, value)| *sum += tap * value);
            }
        },
    );
    across
}

/// With mean 0 and standard deviation 1.
fn normalised(mut plane: Plane) -> Plane {
    let count = plane.len() as f64;
    let mean = plane.iter().sum::<f64>() / count;
    let deviation = (plane.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / count).sqrt();
    plane.iter_mut().for_each(|v| *v = (*v - mean) / deviation);
    plane
}

/// What of white noise is around a wavelength: a difference of two Gaussians.
fn band(white: &[f64], wavelength: f64) -> Plane {
    let sigma = wavelength / 5.0;
    let (fine, coarse) = (blurred(white, sigma), blurred(white, 2.0 * sigma));
    normalised(fine.iter().zip(&coarse).map(|(fine, coarse)| fine - coarse).collect())
}

/// The two directions in which strokes swirl, in radians.
fn directions(seed: u32) -> (Plane, Plane) {
    let turns = waves(seed, TURN, FIRST_TURNS);
    let crossings = waves(seed, CROSS, 0.5);
    let first: Plane = turns.iter().map(|turn| FIRST + turn).collect();
    let second = first.iter().zip(&crossings).map(|(first, crossing)| first + 1.1 + crossing).collect();
    (first, second)
}

/// A smooth random field on the torus: the sum of `WAVES` cosines of 1 to 6 periods per side, in radians.
fn waves(seed: u32, kind: u32, amplitude: f64) -> Plane {
    let draws = uniform(seed, kind, WAVES, 3);
    let mut field = vec![0.0; PLACES];
    for draw in draws.as_chunks::<3>().0 {
        let [kx, ky, phase] = wave(draw);
        each_row(
            &mut field,
            #[inline(always)]
            |y, row| {
                let y = y as f64 / SIDE as f64;
                for (x, value) in row.iter_mut().enumerate() {
                    *value += (2.0 * PI * (kx * (x as f64 / SIDE as f64) + ky * y) + phase).cos();
                }
            },
        );
    }
    let factor = amplitude * (2.0 / WAVES as f64).sqrt();
    field.iter_mut().for_each(|value| *value *= factor);
    field
}

/// Bilinear sample of all lanes on the torus.
#[inline(always)]
fn looked_up(planes: &[[f64; 4]], x: f64, y: f64) -> [f64; 4] {
    let (left, top) = (x.floor(), y.floor());
    let (fx, fy) = (x - left, y - top);
    let wrap = |v: f64| v as i64 as usize & (SIDE - 1);
    let (x0, y0) = (wrap(left), wrap(top));
    let (x1, y1) = ((x0 + 1) & (SIDE - 1), (y0 + 1) & (SIDE - 1));
    let [a, b, c, d] = [(x0, y0), (x1, y0), (x0, y1), (x1, y1)].map(|(x, y)| planes[y * SIDE + x]);
    std::array::from_fn(|i| {
        let upper = a[i] * (1.0 - fx) + b[i] * fx;
        let lower = c[i] * (1.0 - fx) + d[i] * fx;
        upper * (1.0 - fy) + lower * fy
    })
}

/// Line integral convolution of two noises along `direction` (radians): so many places each way, fading by a cosine.
fn along(fine: &[f64], fine_steps: usize, coarse: &[f64], coarse_steps: usize, direction: &[f64]) -> [Plane; 2] {
    let lanes = direction.iter().zip(fine).zip(coarse);
    let planes: Vec<[f64; 4]> = lanes.map(|((turn, fine), coarse)| [turn.cos(), turn.sin(), *fine, *coarse]).collect();
    let steps = fine_steps.max(coarse_steps);
    let fading = |most: usize, step: usize| match step <= most {
        true => 0.5 + 0.5 * (PI * step as f64 / (most + 1) as f64).cos(),
        false => 0.0,
    };
    let weights: Vec<[f64; 2]> =
        (1..=steps).map(|step| [fading(fine_steps, step), fading(coarse_steps, step)]).collect();
    let mut totals: Vec<[f64; 2]> = planes.iter().map(|lane| [lane[2], lane[3]]).collect();
    each_row(
        &mut totals,
        #[inline(always)]
        |row_y, row| {
            for (row_x, total) in row.iter_mut().enumerate() {
                for sign in [1.0, -1.0] {
                    let (mut x, mut y) = (row_x as f64, row_y as f64);
                    let [mut across, mut down, ..] = planes[row_y * SIDE + row_x];
                    for weight in &weights {
                        x += sign * across;
                        y += sign * down;
                        let [next_across, next_down, fine, coarse] = looked_up(&planes, x, y);
                        (across, down) = (next_across, next_down);
                        total[0] += fine * weight[0];
                        total[1] += coarse * weight[1];
                    }
                }
            }
        },
    );
    [0, 1].map(|lane| normalised(totals.iter().map(|total| total[lane]).collect()))
}

/// One value for each cell of a jittered grid's Voronoi diagram (the nearest of the nine points around), softened.
fn facets(seed: u32) -> Plane {
    let cells = SIDE / FACET;
    let [jitter_x, jitter_y, value] = [0, 1, 2].map(|i| uniform(seed, FACETS + i, cells, cells));
    let mut chosen = vec![0.0; PLACES];
    each_row(
        &mut chosen,
        #[inline(always)]
        |y, row| {
            for (x, chosen) in row.iter_mut().enumerate() {
                let mut nearest = f64::INFINITY;
                for (dx, dy) in around(1) {
                    let (cx, cy) = ((x / FACET) as i32 + dx, (y / FACET) as i32 + dy);
                    let cell = cell(cx, cy, cells);
                    let px = (f64::from(cx) + 0.5 + 0.45 * jitter_x[cell]) * FACET as f64;
                    let py = (f64::from(cy) + 0.5 + 0.45 * jitter_y[cell]) * FACET as f64;
                    let distance = (px - x as f64).powi(2) + (py - y as f64).powi(2);
                    if distance < nearest {
                        (nearest, *chosen) = (distance, value[cell]);
                    }
                }
            }
        },
    );
    normalised(blurred(&chosen, 1.4))
}

/// Short strokes of either sign, within 0.8 radians of the direction where they lie; the 25 nearest cells count.
fn dabs(seed: u32, direction: &[f64]) -> Plane {
    struct Dab {
        x: f64,
        y: f64,
        cos: f64,
        sin: f64,
        weight: f64,
    }
    let cells = SIDE / DAB;
    let [jitter_x, jitter_y, turn, weight] = [0, 1, 2, 3].map(|i| uniform(seed, DABS + i, cells, cells));
    let dab = |cell: usize| {
        let (column, row) = (cell % cells, cell / cells);
        let angle = direction[(row * DAB + DAB / 2) * SIDE + column * DAB + DAB / 2] + 0.8 * turn[cell];
        Dab {
            x: 0.5 * jitter_x[cell],
            y: 0.5 * jitter_y[cell],
            cos: angle.cos(),
            sin: angle.sin(),
            weight: weight[cell] + if weight[cell] < 0.0 { -1.0 } else { 1.0 },
        }
    };
    let dabs: Vec<Dab> = (0..cells * cells).map(dab).collect();
    let mut total = vec![0.0; PLACES];
    each_row(
        &mut total,
        #[inline(always)]
        |y, row| {
            for (x, total) in row.iter_mut().enumerate() {
                for (dx, dy) in around(2) {
                    let (cx, cy) = ((x / DAB) as i32 + dx, (y / DAB) as i32 + dy);
                    let dab = &dabs[cell(cx, cy, cells)];
                    let ox = x as f64 - (f64::from(cx) + 0.5 + dab.x) * DAB as f64;
                    let oy = y as f64 - (f64::from(cy) + 0.5 + dab.y) * DAB as f64;
                    let along = (ox * dab.cos + oy * dab.sin) / DAB_ALONG;
                    let across = (oy * dab.cos - ox * dab.sin) / DAB_ACROSS;
                    *total += dab.weight * (-0.5 * (along * along + across * across)).exp();
                }
            }
        },
    );
    normalised(total)
}

/// The cells around one, row by row.
fn around(reach: i32) -> impl Iterator<Item = (i32, i32)> {
    (-reach..=reach).flat_map(move |dy| (-reach..=reach).map(move |dx| (dx, dy)))
}

/// The number of a cell on the torus.
fn cell(column: i32, row: i32, cells: usize) -> usize {
    let wrap = |v: i32| v.rem_euclid(cells as i32) as usize;
    wrap(row) * cells + wrap(column)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same numbers stand in `models/training/tests/test_canvas.py`.
    #[test]
    fn a_field_is_the_one_that_the_training_makes() {
        let field = Field::new(7);
        assert_eq!(field.places()[100 * SIDE + 200], [5, 66, -19, 17, -9, 1, 15, -10]);
        let sum = |channel: usize| field.places().iter().map(|place| i64::from(place[channel])).sum::<i64>();
        let sums: [i64; CHANNELS] = std::array::from_fn(sum);
        assert_eq!(sums, [1125, 3104, -57, -465, 2150, 3662, 6, 960]);
        assert_eq!(field.seed(), 7);
    }

    #[test]
    fn the_swirl_is_the_fields_first_direction() {
        let (first, _) = directions(7);
        let swirl = Swirl::new(7);
        for at in (0..PLACES).step_by(997) {
            let place = [(at % SIDE) as f32, (at / SIDE) as f32];
            assert!((f64::from(swirl.angle(place, 1.0)) - first[at]).abs() < 1e-4, "{place:?}");
        }
        assert_eq!(swirl.angle([3.0, 5.0], 0.0), Swirl::STRAIGHT);
    }

    #[test]
    fn seeds_differ_in_every_layer() {
        let fields = [7, 8].map(Field::new);
        for channel in 0..CHANNELS {
            let same = fields[0].places().iter().zip(fields[1].places()).filter(|(a, b)| a[channel] == b[channel]);
            assert!(same.count() < PLACES / 10, "layer {channel}");
        }
    }
}
