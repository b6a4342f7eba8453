//! The canvas of a picture: the field of its seed, sampled at half the student's size. The definition of the kernels in
//! `shaders/canvas/`, and what gives networks on the processor theirs.

use half::f16;

use super::compose::guide_of;
use super::drift::{Drift, HOME, Step, drift_of_cells, shares};
use super::motion::{Vector, motion, pyramid};
use super::relief::cells;
use crate::canvas::{Brush, CHANNELS, Canvas, Field, SIDE};
use crate::units::Extent;

/// Size of the canvas of a student that paints at `student`.
pub fn canvas_extent(student: Extent) -> Extent {
    Extent::new(student.width / 2, student.height / 2)
}

/// Places of the field from one pixel of the canvas to the next.
pub fn step(brush: &Brush) -> f32 {
    2.0 / brush.scale
}

/// The field at a place, between its places by bilinear interpolation, round the torus.
fn at(field: &Field, x: f32, y: f32) -> [f32; CHANNELS] {
    let (left, top) = (x.floor(), y.floor());
    let (across, down) = (x - left, y - top);
    let place = |dx: i32, dy: i32| {
        let wrap = |v: i32| (v & (SIDE as i32 - 1)) as usize;
        field.places()[wrap(top as i32 + dy) * SIDE + wrap(left as i32 + dx)].map(|v| f32::from(v) / 127.0)
    };
    let [a, b, c, d] = [place(0, 0), place(1, 0), place(0, 1), place(1, 1)];
    std::array::from_fn(|i| {
        let upper = a[i] + (b[i] - a[i]) * across;
        let lower = c[i] + (d[i] - c[i]) * across;
        upper + (lower - upper) * down
    })
}

/// `canvas/sample_canvas`: the canvas of a picture, `[channels][height / 2][width / 2]` for a student's `extent`, whose strokes
/// have gone as far as `drift` says, or rest where there is none. Channels beyond the field's are empty.
///
/// # Panics
/// When `planes` is no whole number of planes, or `drift` is too short.
pub fn sample_canvas(field: &Field, brush: &Brush, extent: Extent, drift: Option<&[Drift]>, planes: &mut [f32]) {
    let Extent { width, height } = canvas_extent(extent);
    let (step, strength) = (step(brush), brush.strength);
    let (channels, plane) = shape_of(extent, planes);
    planes[channels * plane..].fill(0.0);
    for (pixel, (y, x)) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))).enumerate() {
        for (channel, value) in at(field, x as f32 * step, y as f32 * step).into_iter().enumerate().take(channels) {
            planes[channel * plane + pixel] = strength * value;
        }
    }
    if let Some(drift) = drift {
        sample_gone(field, brush, extent, drift, planes);
    }
}

/// Channels of a canvas that a field fills, and values of a plane.
///
/// # Panics
/// When `planes` is no whole number of planes.
fn shape_of(student: Extent, planes: &[f32]) -> (usize, usize) {
    let Extent { width, height } = canvas_extent(student);
    let plane = (width as usize * height as usize).max(1);
    assert!(planes.len().is_multiple_of(plane), "{} numbers are no canvas of {width}x{height}", planes.len());
    ((planes.len() / plane).min(CHANNELS), plane)
}

/// The part of [`sample_canvas`] whose strokes do not rest.
fn sample_gone(field: &Field, brush: &Brush, extent: Extent, drift: &[Drift], planes: &mut [f32]) {
    let Extent { width, height } = canvas_extent(extent);
    let (step, strength) = (step(brush), brush.strength);
    let (channels, plane) = shape_of(extent, planes);
    let drift = &drift[..width as usize * height as usize];
    for (pixel, drift) in drift.iter().enumerate().filter(|(_, drift)| **drift != HOME) {
        let home = [pixel as u32 % width, pixel as u32 / width].map(|at| at as f32 * step);
        let drift = drift.map(f16::to_f32);
        let [carried, rest] = shares(drift);
        let there = at(field, home[0] + drift[0] * 0.5 * step, home[1] + drift[1] * 0.5 * step);
        let here = if rest > 0.0 { at(field, home[0], home[1]) } else { [0.0; CHANNELS] };
        for channel in 0..channels {
            planes[channel * plane + pixel] = strength * (carried * there[channel] + rest * here[channel]);
        }
    }
}

/// A canvas at rest, kept, and what has gone elsewhere laid over it.
#[derive(Debug, Default)]
pub struct RestingCanvas {
    /// What `planes` is the resting canvas of.
    of: Option<(Canvas, Extent)>,
    planes: Vec<f32>,
}

impl RestingCanvas {
    /// The canvas of a picture of a student that paints at `extent`, whose strokes have gone as far as `drift` says (at
    /// rest where there is none), where the network takes it. Only what has gone elsewhere is sampled.
    ///
    /// # Panics
    /// When `planes` is no whole number of planes, or `drift` is too short.
    pub fn put(&mut self, canvas: &Canvas, extent: Extent, drift: Option<&[Drift]>, planes: &mut [f32]) {
        let known = self.of.as_ref().is_some_and(|(of, at)| of == canvas && *at == extent);
        if !known || self.planes.len() != planes.len() {
            self.planes.resize(planes.len(), 0.0);
            sample_canvas(&canvas.field, &canvas.brush, extent, None, &mut self.planes);
            self.of = Some((canvas.clone(), extent));
        }
        planes.copy_from_slice(&self.planes);
        if let Some(drift) = drift {
            sample_gone(&canvas.field, &canvas.brush, extent, drift, planes);
        }
    }
}

/// The canvas of pictures as they come, whose strokes go along with what they show.
#[derive(Debug, Default)]
pub struct FollowingCanvas {
    resting: RestingCanvas,
    /// Of the picture before.
    before: Option<Seen>,
    drift: Vec<Drift>,
    /// The guide of the picture before that one, for its memory.
    spare: Vec<[u8; 4]>,
}

/// What is kept of a picture.
#[derive(Debug)]
struct Seen {
    guide: Vec<[u8; 4]>,
    levels: Vec<u32>,
    drift: Vec<Drift>,
}

impl FollowingCanvas {
    /// The next picture has nothing to do with those before.
    pub fn start_afresh(&mut self) {
        self.before = None;
    }

    /// The next picture: three planes of 0..1 of a student that paints at `extent`.
    pub fn see(&mut self, image: &[f32], extent: Extent) {
        let count = extent.pixels() as usize;
        let mut guide = std::mem::take(&mut self.spare);
        guide.clear();
        guide.extend((0..count).map(|at| guide_of([image[at], image[count + at], image[2 * count + at], 1.0])));
        let levels = pyramid(&guide, extent);
        self.drift.resize(cells(extent).pixels() as usize, HOME);
        let mut before = self.before.take().filter(|seen| seen.guide.len() == count);
        let field: Vec<Vector> = before.as_ref().map(|seen| motion(&levels, &seen.levels, extent)).unwrap_or_default();
        let step = before.as_ref().map(|seen| Step {
            guide: &guide,
            previous_guide: &seen.guide,
            field: &field,
            previous: &seen.drift,
        });
        drift_of_cells(step, extent, &mut self.drift);
        let mut drift = before.as_mut().map(|seen| std::mem::take(&mut seen.drift)).unwrap_or_default();
        drift.clone_from(&self.drift);
        self.spare = before.map(|seen| seen.guide).unwrap_or_default();
        self.before = Some(Seen { guide, levels, drift });
    }

    /// Puts the canvas of the picture that was seen last where the network takes it.
    pub fn put(&mut self, canvas: &Canvas, extent: Extent, planes: &mut [f32]) {
        let drift = Some(self.drift.as_slice()).filter(|drift| !drift.is_empty());
        self.resting.put(canvas, extent, drift, planes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas;

    /// Without a scale every second place is met; strength multiplies; a channel that the field lacks is empty.
    #[test]
    fn whole_places_are_the_fields_own() {
        let brush = Brush { seed: 7, strength: 0.5, scale: 1.0 };
        let field = canvas::known(7);
        let extent = Extent::new(48, 32);
        let mut planes = vec![9.0; 12 * 24 * 16];
        sample_canvas(&field, &brush, extent, None, &mut planes);
        for (channel, plane) in planes.chunks(24 * 16).enumerate() {
            for (at, found) in plane.iter().enumerate() {
                let place = field.places()[at / 24 * 2 * SIDE + at % 24 * 2];
                let expected = place.get(channel).map_or(0.0, |v| 0.5 * f32::from(*v) / 127.0);
                assert!((found - expected).abs() < 1e-6, "{channel} {at}");
            }
        }
    }

    #[test]
    fn samples_wrap_around_and_lie_between_places() {
        let field = canvas::known(7);
        let place = |x: usize, y: usize| field.places()[y * SIDE + x].map(|v| f32::from(v) / 127.0);
        assert_eq!(at(&field, -2.0, 0.0), place(SIDE - 2, 0));
        let (a, b) = (place(SIDE - 1, 7), place(0, 7));
        let half = at(&field, SIDE as f32 - 0.5, 7.0);
        for i in 0..CHANNELS {
            assert!((half[i] - (a[i] + b[i]) / 2.0).abs() < 1e-6);
        }
    }

    /// Strokes that have gone somewhere are those that lie there at rest.
    #[test]
    fn strokes_are_looked_up_where_they_came_from() {
        let field = canvas::known(7);
        let brush = Brush { seed: 7, strength: 1.0, scale: 1.0 };
        let extent = Extent::new(48, 32);
        let drift = [4.0, -2.0, 1.0, 0.5].map(f16::from_f32);
        let mut planes = vec![0.0; 8 * 24 * 16];
        sample_canvas(&field, &brush, extent, Some(&[drift; 24 * 16]), &mut planes);
        for at in 24..24 * 16 {
            let place = at / 24 * 2 * SIDE - 2 * SIDE + at % 24 * 2 + 4;
            let expected = f32::from(field.places()[place][3]) / 127.0;
            assert!((planes[3 * 24 * 16 + at] - 0.5 * expected).abs() < 1e-6, "{at}");
        }
    }

    /// What was sampled stays until the brush changes; a still picture has a still canvas.
    #[test]
    fn a_resting_canvas_is_sampled_once() {
        let extent = Extent::new(48, 32);
        let mut resting = FollowingCanvas::default();
        let [mut first, mut second] = [vec![0.0; 8 * 24 * 16], vec![1.0; 8 * 24 * 16]];
        let canvas = Brush { seed: 7, strength: 1.0, scale: 1.4 }.canvas();
        resting.put(&canvas, extent, &mut first);
        resting.put(&canvas, extent, &mut second);
        assert_eq!(first, second);
        let empty = Brush { strength: 0.0, ..canvas.brush }.canvas();
        resting.put(&empty, extent, &mut second);
        assert!(second.iter().all(|v| *v == 0.0));
    }
}
