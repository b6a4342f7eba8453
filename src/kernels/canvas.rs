//! The canvas of a picture: the field of its seed, sampled at half the student's size. The definition of the kernels in
//! `shaders/canvas/`, and what gives networks on the processor theirs.

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

/// `canvas/sample_canvas`: the canvas of a picture whose strokes rest, `[channels][height / 2][width / 2]` for a student's
/// `extent`. Channels beyond the field's are empty.
///
/// # Panics
/// When `planes` is no whole number of planes.
pub fn sample_canvas(field: &Field, brush: &Brush, extent: Extent, planes: &mut [f32]) {
    let Extent { width, height } = canvas_extent(extent);
    let plane = (width as usize * height as usize).max(1);
    assert!(planes.len().is_multiple_of(plane), "{} numbers are no canvas of {width}x{height}", planes.len());
    let step = step(brush);
    let channels = (planes.len() / plane).min(CHANNELS);
    planes[channels * plane..].fill(0.0);
    for y in 0..height {
        for x in 0..width {
            let values = at(field, x as f32 * step, y as f32 * step);
            let pixel = (y * width + x) as usize;
            for (channel, value) in values.into_iter().enumerate().take(channels) {
                planes[channel * plane + pixel] = brush.strength * value;
            }
        }
    }
}

/// The canvas of pictures that rest, sampled when it changes.
#[derive(Debug, Default)]
pub struct RestingCanvas {
    of: Option<Canvas>,
    planes: Vec<f32>,
}

impl RestingCanvas {
    /// Puts the canvas of a student that paints at `extent` where a network takes it. Allocates where its size changes.
    pub fn put(&mut self, canvas: &Canvas, extent: Extent, planes: &mut [f32]) {
        if self.of.as_ref() != Some(canvas) || self.planes.len() != planes.len() {
            self.planes.resize(planes.len(), 0.0);
            sample_canvas(&canvas.field, &canvas.brush, extent, &mut self.planes);
            self.of = Some(canvas.clone());
        }
        planes.copy_from_slice(&self.planes);
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
        sample_canvas(&field, &brush, extent, &mut planes);
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

    /// What was sampled stays until the brush changes; a still picture has a still canvas.
    #[test]
    fn a_resting_canvas_is_sampled_once() {
        let extent = Extent::new(48, 32);
        let mut resting = RestingCanvas::default();
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
