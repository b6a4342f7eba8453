//! The painter's tools: noise, distances, light, and layers that are shaded once and then moved.
//!
//! The scene is measured in picture heights: y runs from 0 at the top to 1 at the bottom, x from the middle of the picture. Colours are linear
//! light until a layer is finished, then sRGB times 255 with premultiplied alpha, ready to be laid over bytes.

pub(super) type Rgb = [f32; 3];

pub(super) fn mix(a: f32, b: f32, t: f32) -> f32 {
    a + (b - a) * t
}

pub(super) fn mix3(a: Rgb, b: Rgb, t: f32) -> Rgb {
    [mix(a[0], b[0], t), mix(a[1], b[1], t), mix(a[2], b[2], t)]
}

pub(super) fn scale3(a: Rgb, s: f32) -> Rgb {
    a.map(|c| c * s)
}

/// 0 below `from`, 1 above `to`, smooth between; `from` may be the larger.
pub(super) fn smooth(from: f32, to: f32, x: f32) -> f32 {
    let t = ((x - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A bell of height 1 and the given half-width.
pub(super) fn bell(x: f32, width: f32) -> f32 {
    (-(x / width) * (x / width)).exp()
}

/// As it is written in colour pickers, to linear light.
pub(super) const fn hex(rgb: u32) -> [u8; 3] {
    [(rgb >> 16) as u8, (rgb >> 8) as u8, rgb as u8]
}

pub(super) fn linear(srgb: [u8; 3]) -> Rgb {
    srgb.map(|c| {
        let c = f32::from(c) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    })
}

/// Linear light to sRGB times 255; bright light bends over softly instead of clipping.
fn encode(c: f32) -> f32 {
    let c = c.max(0.0);
    let c = if c > 0.7 { 0.7 + 0.3 * (1.0 - (-(c - 0.7) / 0.3).exp()) } else { c };
    let s = if c <= 0.003_130_8 { c * 12.92 } else { 1.055 * c.powf(1.0 / 2.4) - 0.055 };
    s.min(1.0) * 255.0
}

/// Random in 0..1, the same for the same place.
pub(super) fn hash(x: i32, y: i32) -> f32 {
    let mut h = (x as u32).wrapping_mul(0x9e37_79b1) ^ (y as u32).wrapping_mul(0x85eb_ca77);
    h = (h ^ (h >> 15)).wrapping_mul(0x2c1b_3c6d);
    h = (h ^ (h >> 12)).wrapping_mul(0x297a_2d39);
    (h >> 8) as f32 / 16_777_216.0
}

/// Value noise in 0..1, with features of size 1.
pub(super) fn noise(x: f32, y: f32) -> f32 {
    let (fx, fy) = (x.floor(), y.floor());
    let (ix, iy) = (fx as i32, fy as i32);
    let (tx, ty) = (smooth(0.0, 1.0, x - fx), smooth(0.0, 1.0, y - fy));
    mix(mix(hash(ix, iy), hash(ix + 1, iy), tx), mix(hash(ix, iy + 1), hash(ix + 1, iy + 1), tx), ty)
}

/// Noise of three octaves in 0..1.
pub(super) fn clouds(x: f32, y: f32) -> f32 {
    (noise(x, y) * 4.0 + noise(x * 2.03 + 17.0, y * 2.03) * 2.0 + noise(x * 4.1, y * 4.1 + 31.0)) / 7.0
}

/// Distance to a box around the origin with rounded corners; negative inside.
pub(super) fn box_distance(x: f32, y: f32, half_width: f32, half_height: f32, corner: f32) -> f32 {
    let (qx, qy) = (x.abs() - half_width + corner, y.abs() - half_height + corner);
    qx.max(0.0).hypot(qy.max(0.0)) + qx.max(qy).min(0.0) - corner
}

/// Approximate distance to an ellipse around the origin; negative inside.
pub(super) fn ellipse_distance(x: f32, y: f32, half_width: f32, half_height: f32) -> f32 {
    let k = (x / half_width).hypot(y / half_height);
    (k - 1.0) * half_width.min(half_height)
}

/// Distances united with a soft seam of size `k`.
pub(super) fn soft_union(a: f32, b: f32, k: f32) -> f32 {
    let h = (k - (a - b).abs()).max(0.0) / k;
    a.min(b) - h * h * k * 0.25
}

/// A tapering rod from `a` to `b`.
#[derive(Clone, Copy)]
pub(super) struct Rod {
    pub a: [f32; 2],
    pub b: [f32; 2],
    pub radius_a: f32,
    pub radius_b: f32,
}

impl Rod {
    pub(super) const fn new(a: [f32; 2], b: [f32; 2], radius_a: f32, radius_b: f32) -> Self {
        Self { a, b, radius_a, radius_b }
    }

    /// How far along the rod the nearest point lies (0..1), the distance to the axis, and the radius there.
    pub(super) fn at(&self, x: f32, y: f32) -> (f32, f32, f32) {
        let (dx, dy) = (self.b[0] - self.a[0], self.b[1] - self.a[1]);
        let (px, py) = (x - self.a[0], y - self.a[1]);
        let along = ((px * dx + py * dy) / (dx * dx + dy * dy).max(1e-9)).clamp(0.0, 1.0);
        let axis = (px - dx * along).hypot(py - dy * along);
        (along, axis, mix(self.radius_a, self.radius_b, along))
    }

    pub(super) fn distance(&self, x: f32, y: f32) -> f32 {
        let (_, axis, radius) = self.at(x, y);
        axis - radius
    }
}

/// The height of a shape that bulges like a cushion: `depth` inside its edge, rounded over `radius`.
pub(super) fn cushion(depth: f32, radius: f32) -> f32 {
    let rest = (radius - depth).clamp(0.0, radius);
    (radius * radius - rest * rest).max(0.0).sqrt()
}

/// The unit normal of a height field.
pub(super) fn normal(height: impl Fn(f32, f32) -> f32, x: f32, y: f32, step: f32) -> Rgb {
    let dx = (height(x + step, y) - height(x - step, y)) / (2.0 * step);
    let dy = (height(x, y + step) - height(x, y - step)) / (2.0 * step);
    let len = (dx * dx + dy * dy + 1.0).sqrt();
    [-dx / len, -dy / len, 1.0 / len]
}

/// What a surface looks like under the scene's light: a warm window at the upper left, the cool room at the right, and
/// a little light from behind. `softness` lets light bleed past the terminator, as skin and cloth do.
pub(super) fn lit(albedo: Rgb, n: Rgb, softness: f32, occlusion: f32) -> Rgb {
    const KEY: Rgb = [-0.58, -0.50, 0.64];
    const FILL: Rgb = [0.76, 0.02, 0.65];
    let dot = |a: Rgb| a[0] * n[0] + a[1] * n[1] + a[2] * n[2];
    let key = ((dot(KEY) + softness) / (1.0 + softness)).max(0.0);
    let fill = ((dot(FILL) + 0.4) / 1.4).max(0.0);
    // Grazing light at the right edge, from a lamp behind.
    let rim = (1.0 - n[2]).powi(3) * (n[0] * 0.7 - n[1] * 0.5).max(0.0);
    let light = [
        1.22 * key + 0.14 * fill + 0.19 + 0.55 * rim,
        1.10 * key + 0.17 * fill + 0.19 + 0.45 * rim,
        0.92 * key + 0.24 * fill + 0.21 + 0.32 * rim,
    ];
    [0, 1, 2].map(|c| albedo[c] * light[c] * occlusion)
}

/// A finished picture of a part of the scene.
pub(super) struct Layer {
    /// Scene coordinates of the outer corner of the first pixel.
    pub left: f32,
    pub top: f32,
    pub width: usize,
    pub height: usize,
    /// Pixels per scene unit.
    pub scale: f32,
    /// sRGB times 255, premultiplied, and alpha in 0..1.
    pub pixels: Vec<[f32; 4]>,
    /// For each row, the columns from the first to past the last that are not empty.
    spans: Vec<[f32; 2]>,
}

impl Layer {
    /// Shades every pixel of a region of the scene: `shade` gives linear colour and coverage at a place.
    pub(super) fn bake(
        [left, top, right, bottom]: [f32; 4],
        scale: f32,
        shade: impl Fn(f32, f32) -> (Rgb, f32),
    ) -> Self {
        let side = |length: f32| ((length * scale).ceil() as usize).clamp(2, 16384);
        let (width, height) = (side(right - left), side(bottom - top));
        let mut pixels = Vec::with_capacity(width * height);
        let mut spans = Vec::with_capacity(height);
        for y in 0..height {
            let mut span = [usize::MAX, 0];
            for x in 0..width {
                let (color, alpha) = shade(left + (x as f32 + 0.5) / scale, top + (y as f32 + 0.5) / scale);
                if alpha > 0.0 {
                    span = [span[0].min(x), x + 1];
                }
                pixels.push(ink(color, alpha));
            }
            spans.push(span.map(|x| x.min(width) as f32));
        }
        Self { left, top, width, height, scale, pixels, spans }
    }

    /// The pixel at a place in pixels from the layer's corner, blended from its four neighbours. Nothing beyond the border.
    #[inline]
    fn sample(&self, x: f32, y: f32) -> [f32; 4] {
        let (x, y) = (x - 0.5, y - 0.5);
        if !(x >= 0.0 && y >= 0.0) {
            return [0.0; 4];
        }
        let (ix, iy) = (x as usize, y as usize);
        if ix + 1 >= self.width || iy + 1 >= self.height {
            return [0.0; 4];
        }
        let [from, to] = self.spans[iy];
        if x < from - 2.0 || x > to + 1.0 {
            return [0.0; 4];
        }
        let (tx, ty) = (x - ix as f32, y - iy as f32);
        let row = iy * self.width + ix;
        let above = &self.pixels[row..row + 2];
        let below = &self.pixels[row + self.width..row + self.width + 2];
        let mut out = [0.0; 4];
        for c in 0..4 {
            let a = above[0][c] + (above[1][c] - above[0][c]) * tx;
            let b = below[0][c] + (below[1][c] - below[0][c]) * tx;
            out[c] = a + (b - a) * ty;
        }
        out
    }
}

/// Where a layer stands: turned by `angle` (radians, clockwise on screen) about `pivot`, then moved by `shift`; all in scene units.
#[derive(Clone, Copy)]
pub(super) struct Pose {
    pub pivot: [f32; 2],
    pub angle: f32,
    pub shift: [f32; 2],
}

impl Pose {
    /// From a place on screen back to the place on the layer.
    pub(super) fn back(&self, x: f32, y: f32) -> (f32, f32) {
        let (sin, cos) = self.angle.sin_cos();
        let (dx, dy) = (x - self.pivot[0] - self.shift[0], y - self.pivot[1] - self.shift[1]);
        (self.pivot[0] + dx * cos + dy * sin, self.pivot[1] - dx * sin + dy * cos)
    }

    fn forth(&self, x: f32, y: f32) -> (f32, f32) {
        let (sin, cos) = self.angle.sin_cos();
        let (dx, dy) = (x - self.pivot[0], y - self.pivot[1]);
        (self.pivot[0] + self.shift[0] + dx * cos - dy * sin, self.pivot[1] + self.shift[1] + dx * sin + dy * cos)
    }
}

/// RGBA bytes to paint on.
pub(super) struct Screen<'a> {
    pub width: usize,
    pub height: usize,
    pub bytes: &'a mut [u8],
}

impl Screen<'_> {
    /// The pixels that a posed region of the scene can touch.
    fn bounds(&self, region: [f32; 4], pose: &Pose) -> [usize; 4] {
        let [left, top, right, bottom] = region;
        let corners = [(left, top), (right, top), (left, bottom), (right, bottom)].map(|(x, y)| pose.forth(x, y));
        let scale = self.height as f32;
        let column = |x: f32| (x * scale + self.width as f32 * 0.5).clamp(0.0, self.width as f32);
        let row = |y: f32| (y * scale).clamp(0.0, self.height as f32);
        let x = corners.map(|(x, _)| column(x));
        let y = corners.map(|(_, y)| row(y));
        let least = |v: [f32; 4]| v.into_iter().fold(f32::MAX, f32::min).floor() as usize;
        let most = |v: [f32; 4]| v.into_iter().fold(0.0, f32::max).ceil() as usize;
        [least(x), least(y), most(x), most(y)]
    }

    /// Calls `color` for each pixel of a posed region with its place on the layer; lays the result over what is there.
    pub(super) fn over(&mut self, region: [f32; 4], pose: &Pose, mut color: impl FnMut(f32, f32) -> [f32; 4]) {
        let [x0, y0, x1, y1] = self.bounds(region, pose);
        if x0 >= x1 {
            return;
        }
        let unit = 1.0 / self.height as f32;
        let (sin, cos) = pose.angle.sin_cos();
        for row in y0..y1 {
            let start = (row * self.width + x0) * 4;
            let line = &mut self.bytes[start..start + (x1 - x0) * 4];
            let (mut x, mut y) = {
                let left = (x0 as f32 + 0.5 - self.width as f32 * 0.5) * unit;
                pose.back(left, (row as f32 + 0.5) * unit)
            };
            for pixel in line.chunks_exact_mut(4) {
                let [r, g, b, alpha] = color(x, y);
                if alpha > 0.0 {
                    // Four lanes, so that it becomes one vector; never above 255.5, because the colour is premultiplied.
                    let rest = 1.0 - alpha;
                    let over = [r, g, b, 255.0 * alpha];
                    let mut sum = [0; 4];
                    for lane in 0..4 {
                        sum[lane] = (f32::from(pixel[lane]) * rest + over[lane] + 0.5) as i32;
                    }
                    pixel.copy_from_slice(&sum.map(|c| c as u8));
                }
                x += cos * unit;
                y -= sin * unit;
            }
        }
    }

    /// Lays a posed layer over the picture.
    pub(super) fn draw(&mut self, layer: &Layer, pose: &Pose) {
        let right = layer.left + layer.width as f32 / layer.scale;
        let bottom = layer.top + layer.height as f32 / layer.scale;
        self.over([layer.left, layer.top, right, bottom], pose, |x, y| {
            layer.sample((x - layer.left) * layer.scale, (y - layer.top) * layer.scale)
        });
    }

    /// As [`Self::draw`], with every pixel moved by `turn` times its nearness, which turns a face.
    pub(super) fn draw_turned(&mut self, layer: &Layer, nearness: &[f32], pose: &Pose, turn: [f32; 2]) {
        let right = layer.left + layer.width as f32 / layer.scale;
        let bottom = layer.top + layer.height as f32 / layer.scale;
        let turn = turn.map(|t| t * layer.scale);
        let near = |x: f32, y: f32| {
            let (ix, iy) = ((x.max(0.0) as usize).min(layer.width - 1), (y.max(0.0) as usize).min(layer.height - 1));
            nearness[iy * layer.width + ix]
        };
        self.over([layer.left, layer.top, right, bottom], pose, |x, y| {
            let (x, y) = ((x - layer.left) * layer.scale, (y - layer.top) * layer.scale);
            // The nearness is that of the place that will be seen here: found in two steps, which is enough where it is smooth.
            let n = near(x, y);
            let n = near(x - turn[0] * n, y - turn[1] * n);
            layer.sample(x - turn[0] * n, y - turn[1] * n)
        });
    }
}

/// A colour for [`Screen::over`].
pub(super) fn ink(color: Rgb, alpha: f32) -> [f32; 4] {
    if alpha <= 0.0 {
        return [0.0; 4];
    }
    let alpha = alpha.min(1.0);
    [encode(color[0]) * alpha, encode(color[1]) * alpha, encode(color[2]) * alpha, alpha]
}

/// As [`ink`], for a colour that is encoded already.
pub(super) fn wash(encoded: Rgb, alpha: f32) -> [f32; 4] {
    let alpha = alpha.clamp(0.0, 1.0);
    [encoded[0] * alpha, encoded[1] * alpha, encoded[2] * alpha, alpha]
}
