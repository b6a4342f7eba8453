//! Bristles: what paint looks like from close by, for strokes in every direction.
//!
//! Line integral convolution (Cabral and Leedom 1993) along a straight line is a filter, so it can be made once for each of
//! [`TURNS`] directions: in the frequency domain, from one white noise, which the torus repeats without a seam. Between two
//! directions the tables are interpolated; as they come from the same noise they are alike, and where a direction turns, so
//! do the strokes. One sample of a table of three dimensions then takes the place of some sixty samples along a line.
//!
//! | channel | what | wavelength, spread along the stroke (texels) |
//! | --- | --- | --- |
//! | 0 | fine bristles, standard deviation 1 | 5, 6 |
//! | 1 | strokes: plateaus of either sign, -1 to 1 | 18, 11 |
//! | 2, 3 | slope of a stroke with its bristles, to the right and down | |
//!
//! [`Paper`] is its sibling without a direction.

use std::f64::consts::PI;

use super::field::hash;
use crate::wide::widely;

/// Texels of a side of the torus. A power of two.
pub const SIDE: usize = 256;
/// Directions, evenly over half a turn; the first follows the last.
pub const TURNS: usize = 16;
/// What is stored as 1: of heights, and of slopes per texel.
pub const HEIGHT_RANGE: f32 = 3.0;
pub const SLOPE_RANGE: f32 = 0.75;

/// Numbers that keep the uses of the hash apart; see the field's.
const FINE: u32 = 40;
const COARSE: u32 = 41;
const PAPER: u32 = 42;

/// Wavelengths, and how far along a stroke its height is like itself (a standard deviation), in texels.
const FINE_WAVELENGTH: f64 = 5.0;
const FINE_LENGTH: f64 = 6.0;
const COARSE_WAVELENGTH: f64 = 18.0;
const COARSE_LENGTH: f64 = 11.0;
/// How steeply a stroke rises to its plateau.
const STEEPNESS: f64 = 1.6;
/// How high bristles are on the strokes, and in between.
const ON_STROKES: f64 = 0.3;
const BETWEEN: f64 = 0.06;
/// Standard deviation of the blur that takes the sharpest edges off the slope.
const SOFTENED: f64 = 0.8;
/// Of paper: its tooth, and the clouds of pigment on it.
const TOOTH_WAVELENGTH: f64 = 4.5;
const CLOUD_WAVELENGTH: f64 = 60.0;

/// A complex number.
type Complex = [f64; 2];

/// Tables for all directions.
#[derive(Debug)]
pub struct Bristles {
    pub seed: u32,
    /// `TURNS` times `SIDE` rows of `SIDE` texels, as bytes of two's complement, 127 being [`HEIGHT_RANGE`] or
    /// [`SLOPE_RANGE`].
    pub texels: Vec<[i8; 4]>,
}

/// Without a direction: the tooth of paper, clouds of pigment, and the tooth's slope to the right and down.
#[derive(Debug)]
pub struct Paper {
    /// `SIDE` rows of `SIDE` texels, stored as [`Bristles`] are.
    pub texels: Vec<[i8; 4]>,
}

impl Bristles {
    /// Takes some tenths of a second.
    pub fn new(seed: u32) -> Self {
        let (fine, coarse) = (spectrum(seed, FINE), spectrum(seed, COARSE));
        let mut texels = vec![[0; 4]; TURNS * SIDE * SIDE];
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = TURNS.div_ceil(threads);
        std::thread::scope(|scope| {
            for (first, part) in (0_usize..).step_by(share).zip(texels.chunks_mut(share * SIDE * SIDE)) {
                let (fine, coarse) = (&fine, &coarse);
                scope.spawn(move || {
                    for (turn, table) in (first..).zip(part.chunks_mut(SIDE * SIDE)) {
                        let angle = PI * turn as f64 / TURNS as f64;
                        widely(
                            #[inline(always)]
                            || strokes(fine, coarse, angle, table),
                        );
                    }
                });
            }
        });
        Self { seed, texels }
    }

    /// The tables at half their size each way, for pictures on which strokes are small.
    pub fn halved(&self) -> Vec<[i8; 4]> {
        let half = SIDE / 2;
        (0..TURNS * half * half)
            .map(|at| {
                let (turn, row, column) = (at / (half * half), at / half % half, at % half);
                let texel = |dy: usize, dx: usize| self.texels[(turn * SIDE + row * 2 + dy) * SIDE + column * 2 + dx];
                let four = [texel(0, 0), texel(0, 1), texel(1, 0), texel(1, 1)];
                std::array::from_fn(|i| (four.iter().map(|texel| i32::from(texel[i])).sum::<i32>() / 4) as i8)
            })
            .collect()
    }
}

impl Paper {
    pub fn new(seed: u32) -> Self {
        let white = spectrum(seed, PAPER);
        let [tooth, clouds] =
            [TOOTH_WAVELENGTH, CLOUD_WAVELENGTH].map(|wavelength| shaped(&white, |k| band(k, wavelength)));
        let (tooth, clouds) = (unit(tooth), unit(clouds));
        let (slope, heights) = (tooth.clone(), back([&tooth, &clouds]));
        let mut texels = vec![[0; 4]; SIDE * SIDE];
        store(&heights, &slope, &mut texels);
        Self { texels }
    }
}

/// The table of one direction.
#[inline(always)]
fn strokes(fine: &[Complex], coarse: &[Complex], angle: f64, table: &mut [[i8; 4]]) {
    let (cos, sin) = (angle.cos(), angle.sin());
    let along = |[x, y]: [f64; 2], length: f64| (-0.5 * ((x * cos + y * sin) * length).powi(2)).exp();
    let fine = unit(shaped(fine, |k| band(k, FINE_WAVELENGTH) * along(k, FINE_LENGTH)));
    let coarse = unit(shaped(coarse, |k| band(k, COARSE_WAVELENGTH) * along(k, COARSE_LENGTH)));
    let mut heights = back([&fine, &coarse]);
    // Strokes have flat tops and steep sides, with more bristles on the tops.
    let mut height: Vec<Complex> = Vec::with_capacity(SIDE * SIDE);
    for [fine, coarse] in &mut heights {
        *coarse = (STEEPNESS * *coarse).tanh();
        let bristles = BETWEEN + (ON_STROKES - BETWEEN) * (0.5 + 0.5 * *coarse);
        height.push([*coarse + bristles * *fine, 0.0]);
    }
    transform(&mut height, false);
    let soft = |[x, y]: [f64; 2]| (-0.5 * (x * x + y * y) * SOFTENED * SOFTENED).exp();
    store(&heights, &shaped(&height, soft), table);
}

/// Two real pictures from their spectra, by one transform: the second is the imaginary part.
#[inline(always)]
fn back([a, b]: [&[Complex]; 2]) -> Vec<Complex> {
    let mut sum: Vec<Complex> = a.iter().zip(b).map(|(a, b)| [a[0] - b[1], a[1] + b[0]]).collect();
    transform(&mut sum, true);
    sum
}

/// Two heights, and the slope of a third, given as its spectrum, to texels.
#[inline(always)]
fn store(heights: &[Complex], sloping: &[Complex], texels: &mut [[i8; 4]]) {
    let slope = |axis: usize| -> Vec<Complex> {
        let turned = |(at, [re, im]): (usize, &Complex)| {
            let k = frequency(at)[axis];
            [-k * im, k * re]
        };
        sloping.iter().enumerate().map(turned).collect()
    };
    let slopes = back([&slope(0), &slope(1)]);
    let byte = |v: f64, range: f32| (v / f64::from(range) * 127.0).round().clamp(-127.0, 127.0) as i8;
    for (texel, (height, slope)) in texels.iter_mut().zip(heights.iter().zip(&slopes)) {
        let [a, b] = height.map(|v| byte(v, HEIGHT_RANGE));
        let [c, d] = slope.map(|v| byte(v, SLOPE_RANGE));
        *texel = [a, b, c, d];
    }
}

/// Radians per texel, to the right and down, of an element of a spectrum. The highest one counts as none: it has no sign.
fn frequency(at: usize) -> [f64; 2] {
    let signed = |i: usize| match i.cmp(&(SIDE / 2)) {
        std::cmp::Ordering::Less => i as f64,
        std::cmp::Ordering::Equal => 0.0,
        std::cmp::Ordering::Greater => i as f64 - SIDE as f64,
    };
    [at % SIDE, at / SIDE].map(|i| signed(i) * 2.0 * PI / SIDE as f64)
}

/// What of white noise is around a wavelength: a difference of two Gaussians.
fn band([x, y]: [f64; 2], wavelength: f64) -> f64 {
    let sigma = wavelength / 5.0;
    let squared = (x * x + y * y) * sigma * sigma;
    (-0.5 * squared).exp() - (-2.0 * squared).exp()
}

#[inline(always)]
fn shaped(white: &[Complex], filter: impl Fn([f64; 2]) -> f64) -> Vec<Complex> {
    white.iter().enumerate().map(|(at, v)| v.map(|v| v * filter(frequency(at)))).collect()
}

/// With a standard deviation of 1, by Parseval's theorem.
#[inline(always)]
fn unit(mut spectrum: Vec<Complex>) -> Vec<Complex> {
    let places = (SIDE * SIDE) as f64;
    let energy: f64 = spectrum.iter().map(|[re, im]| re * re + im * im).sum();
    let factor = places / energy.sqrt().max(f64::MIN_POSITIVE);
    spectrum.iter_mut().flatten().for_each(|v| *v *= factor);
    spectrum
}

/// The spectrum of white noise.
fn spectrum(seed: u32, kind: u32) -> Vec<Complex> {
    let number =
        |at: usize| f64::from(hash(seed, kind, (at % SIDE) as u32, (at / SIDE) as u32)) * (-31_f64).exp2() - 1.0;
    let mut values: Vec<Complex> = (0..SIDE * SIDE).map(|at| [number(at), 0.0]).collect();
    transform(&mut values, false);
    values
}

/// The discrete Fourier transform of `SIDE` rows of `SIDE` numbers, in place: Cooley and Tukey's, by halves. Backwards it is
/// the inverse, divided by the number of values.
#[inline(always)]
fn transform(values: &mut [Complex], backwards: bool) {
    for _ in 0..2 {
        for row in values.chunks_mut(SIDE) {
            line(row, backwards);
        }
        for y in 0..SIDE {
            for x in 0..y {
                values.swap(y * SIDE + x, x * SIDE + y);
            }
        }
    }
    if backwards {
        values.iter_mut().flatten().for_each(|v| *v /= (SIDE * SIDE) as f64);
    }
}

#[inline(always)]
fn line(values: &mut [Complex], backwards: bool) {
    let bits = SIDE.trailing_zeros();
    for i in 0..SIDE {
        let j = i.reverse_bits() >> (usize::BITS - bits);
        if i < j {
            values.swap(i, j);
        }
    }
    let sign = if backwards { 1.0 } else { -1.0 };
    let mut half = 1;
    while half < SIDE {
        let turns: Vec<Complex> = (0..half)
            .map(|i| {
                let angle = sign * PI * i as f64 / half as f64;
                [angle.cos(), angle.sin()]
            })
            .collect();
        for block in values.chunks_mut(2 * half) {
            let (low, high) = block.split_at_mut(half);
            for ((low, high), [cos, sin]) in low.iter_mut().zip(high).zip(&turns) {
                let turned = [high[0] * cos - high[1] * sin, high[0] * sin + high[1] * cos];
                *high = [low[0] - turned[0], low[1] - turned[1]];
                *low = [low[0] + turned[0], low[1] + turned[1]];
            }
        }
        half *= 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transform_and_back_is_what_it_was() {
        let original: Vec<Complex> = (0..SIDE * SIDE).map(|i| [(i % 17) as f64 - 8.0, (i % 5) as f64]).collect();
        let mut values = original.clone();
        transform(&mut values, false);
        // The first element is the sum.
        let sum: f64 = original.iter().map(|v| v[0]).sum();
        assert!((values[0][0] - sum).abs() < 1e-6);
        transform(&mut values, true);
        let worst = values.iter().flatten().zip(original.iter().flatten()).map(|(a, b)| (a - b).abs());
        assert!(worst.fold(0.0, f64::max) < 1e-9);
    }

    fn channel(table: &[[i8; 4]], channel: usize) -> Vec<f64> {
        let range = if channel < 2 { HEIGHT_RANGE } else { SLOPE_RANGE };
        table.iter().map(|texel| f64::from(texel[channel]) / 127.0 * f64::from(range)).collect()
    }

    /// Mean squared change from one texel to another that lies so far away.
    fn change(plane: &[f64], [dx, dy]: [usize; 2]) -> f64 {
        let other = |x: usize, y: usize| plane[(y + dy) % SIDE * SIDE + (x + dx) % SIDE];
        let all = (0..SIDE * SIDE).map(|at| (plane[at] - other(at % SIDE, at / SIDE)).powi(2));
        all.sum::<f64>() / (SIDE * SIDE) as f64
    }

    /// How much two planes go together, -1 to 1.
    fn alike(a: &[f64], b: &[f64]) -> f64 {
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        product(a, b) / (product(a, a) * product(b, b)).sqrt()
    }

    /// Heights change slowly along their stroke and fast across it, and the slope is that of strokes.
    #[test]
    fn strokes_lie_in_their_direction() {
        let bristles = Bristles::new(7);
        let tables: Vec<_> = bristles.texels.chunks(SIDE * SIDE).collect();
        for (turn, along, across) in [(0, [4, 0], [0, 4]), (TURNS / 2, [0, 4], [4, 0])] {
            for height in 0..2 {
                let plane = channel(tables[turn], height);
                let deviation = (plane.iter().map(|v| v * v).sum::<f64>() / plane.len() as f64).sqrt();
                assert!((0.6..1.02).contains(&deviation), "{turn} {height}: {deviation}");
                assert!(change(&plane, across) > 3.0 * change(&plane, along), "{turn} {height}");
            }
        }
        let [_, strokes, right, down] = std::array::from_fn(|i| channel(tables[5], i));
        for (slope, [dx, dy]) in [(&right, [1, 0]), (&down, [0, 1])] {
            let rise: Vec<f64> = (0..SIDE * SIDE)
                .map(|at| {
                    let (x, y) = (at % SIDE + SIDE, at / SIDE + SIDE);
                    let height = |x: usize, y: usize| strokes[y % SIDE * SIDE + x % SIDE];
                    (height(x + dx, y + dy) - height(x - dx, y - dy)) / 2.0
                })
                .collect();
            // The slope has the bristles too.
            assert!(alike(&rise, slope) > 0.7, "{}", alike(&rise, slope));
        }
        let cut = right.iter().filter(|v| v.abs() >= f64::from(SLOPE_RANGE)).count();
        assert!(cut < SIDE * SIDE / 100, "{cut} slopes do not fit");
    }

    /// A turn of a sixteenth leaves a stroke much as it is, also over the wrap.
    #[test]
    fn neighbouring_directions_are_alike() {
        let bristles = Bristles::new(7);
        for (turn, next) in [(3, 4), (TURNS - 1, 0)] {
            let table = |turn: usize| channel(&bristles.texels[turn * SIDE * SIDE..][..SIDE * SIDE], 1);
            assert!(alike(&table(turn), &table(next)) > 0.7, "{turn}: {}", alike(&table(turn), &table(next)));
        }
    }
}
