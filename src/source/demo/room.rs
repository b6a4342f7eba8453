//! The room behind the figure: a wall in window light, a picture, a plant, a bookcase. Drawn once.

use super::paint::{
    Layer, Rgb, Rod, bell, box_distance, clouds, ellipse_distance, hash, hex, linear, lit, mix, mix3, noise, scale3,
    smooth,
};

/// Linear colours while the room is being painted.
struct Canvas {
    width: usize,
    height: usize,
    pixels: Vec<Rgb>,
}

impl Canvas {
    fn new(width: usize, height: usize) -> Self {
        Self { width, height, pixels: vec![[0.0; 3]; width * height] }
    }

    /// Lays colours with coverage over a region (left, top, right, bottom in scene units).
    fn paint(&mut self, region: [f32; 4], shade: impl Fn(f32, f32) -> (Rgb, f32)) {
        let unit = self.height as f32;
        let middle = self.width as f32 * 0.5;
        let column = |x: f32| (x * unit + middle).clamp(0.0, self.width as f32) as usize;
        let row = |y: f32| (y * unit).clamp(0.0, self.height as f32) as usize;
        let (x0, x1) = (column(region[0] - 1.0 / unit), column(region[2] + 2.0 / unit));
        let (y0, y1) = (row(region[1] - 1.0 / unit), row(region[3] + 2.0 / unit));
        for y in y0..y1 {
            for x in x0..x1 {
                let (color, alpha) = shade((x as f32 + 0.5 - middle) / unit, (y as f32 + 0.5) / unit);
                if alpha > 0.0 {
                    let pixel = &mut self.pixels[y * self.width + x];
                    *pixel = mix3(*pixel, color, alpha.min(1.0));
                }
            }
        }
    }

    /// Out of focus: two boxes, one after the other, are nearly a bell.
    fn blur(&mut self, radius: f32) {
        let reach = ((radius * self.height as f32).round() as usize).min(64);
        if reach == 0 {
            return;
        }
        for _ in 0..2 {
            for transposed in [false, true] {
                let (lines, length) = if transposed { (self.width, self.height) } else { (self.height, self.width) };
                let width = self.width;
                let at = |line: usize, i: usize| if transposed { i * width + line } else { line * width + i };
                let mut copy = vec![[0.0; 3]; length];
                for line in 0..lines {
                    for (i, pixel) in copy.iter_mut().enumerate() {
                        *pixel = self.pixels[at(line, i)];
                    }
                    for i in 0..length {
                        let (from, to) = (i.saturating_sub(reach), (i + reach + 1).min(length));
                        let mut sum = [0.0; 3];
                        for pixel in &copy[from..to] {
                            for c in 0..3 {
                                sum[c] += pixel[c];
                            }
                        }
                        self.pixels[at(line, i)] = scale3(sum, 1.0 / (to - from) as f32);
                    }
                }
            }
        }
    }
}

/// The whole room as a layer of `width` by `height` pixels.
pub(super) fn paint(width: usize, height: usize) -> Layer {
    let mut canvas = Canvas::new(width, height);
    let half = width as f32 / height as f32 * 0.5;
    wall(&mut canvas, half);
    framed_picture(&mut canvas);
    bookcase(&mut canvas, half);
    plant(&mut canvas, half);
    canvas.blur(0.0042);
    figure_shadow(&mut canvas, half);
    let unit = height as f32;
    let middle = width as f32 * 0.5;
    Layer::bake([-middle / unit, 0.0, middle / unit, 1.0], unit, |x, y| {
        let column = ((x * unit + middle) as usize).min(width - 1);
        let row = ((y * unit) as usize).min(height - 1);
        let grain = 1.0 + (hash(column as i32, row as i32) - 0.5) * 0.035;
        (scale3(canvas.pixels[row * width + column], grain), 1.0)
    })
}

fn wall(canvas: &mut Canvas, half: f32) {
    let plaster = linear(hex(0xc9c4ad));
    let cool = linear(hex(0xa9b3b4));
    canvas.paint([-half, 0.0, half, 1.0], |x, y| {
        let falloff = smooth(0.95, -0.75, x + (y - 0.4) * 0.25);
        let base = mix3(cool, plaster, falloff);
        let relief = 0.96 + 0.05 * clouds(x * 9.0, y * 9.0) + 0.025 * noise(x * 70.0, y * 70.0);
        // Four panes of a window, thrown across the wall.
        let (u, v) = (x + 0.12 + y * 0.42, y - 0.02);
        let pane =
            |t: f32, from: f32, to: f32| smooth(from - 0.012, from + 0.012, t) * smooth(to + 0.012, to - 0.012, t);
        let across = pane(u, -0.32, -0.16) + pane(u, -0.14, 0.02);
        let down = pane(v, 0.05, 0.24) + pane(v, 0.265, 0.46);
        let sun = across * down * (0.75 + 0.25 * noise(x * 4.0, y * 4.0));
        let light = mix(0.42, 1.0, falloff) * relief;
        let color = [base[0] * (light + 0.34 * sun), base[1] * (light + 0.27 * sun), base[2] * (light + 0.15 * sun)];
        (color, 1.0)
    });
}

fn framed_picture(canvas: &mut Canvas) {
    let (cx, cy, w, h) = (-0.425, 0.235, 0.125, 0.155);
    let edge = 1.0 / canvas.height as f32;
    // Its shadow on the wall.
    canvas.paint([cx - w - 0.05, cy - h - 0.05, cx + w + 0.08, cy + h + 0.08], |x, y| {
        let d = box_distance(x - cx - 0.014, y - cy - 0.018, w, h, 0.004);
        ([0.02, 0.02, 0.025], 0.42 * smooth(0.03, -0.012, d))
    });
    canvas.paint([cx - w, cy - h, cx + w, cy + h], |x, y| {
        let (px, py) = (x - cx, y - cy);
        let d = box_distance(px, py, w, h, 0.003);
        let alpha = (0.5 - d / edge).clamp(0.0, 1.0);
        let inner = box_distance(px, py, w - 0.022, h - 0.022, 0.0);
        let mat = box_distance(px, py, w - 0.045, h - 0.045, 0.0);
        let color = if inner > 0.0 {
            let wood = mix3(linear(hex(0x8a5a2b)), linear(hex(0xc79a55)), noise(px * 60.0, py * 60.0));
            // A bevel: lit at the left and the top.
            let side = if px.abs() / w > py.abs() / h { -px.signum() } else { -py.signum() };
            scale3(wood, 0.62 + 0.30 * side)
        } else if mat > 0.0 {
            scale3(linear(hex(0xf1ecdf)), 0.86)
        } else {
            landscape(px / (w - 0.045), py / (h - 0.045))
        };
        (color, alpha)
    });
}

/// The picture in the frame: evening over hills and water. `u` and `v` run from -1 to 1.
fn landscape(u: f32, v: f32) -> Rgb {
    let wobble = 0.10 * (noise(u * 3.0, v * 9.0) - 0.5);
    let sky = mix3(linear(hex(0xf0b463)), linear(hex(0x5b86b8)), smooth(0.15, -0.9, v + wobble));
    let sun = bell((u - 0.3).hypot((v + 0.08) * 1.25), 0.17);
    let mut color = mix3(sky, linear(hex(0xfff0c0)), sun);
    for (level, height, tint) in [(0.05, 0.35, 0x76799e), (0.22, 0.30, 0x4d6a66), (0.42, 0.22, 0x33502f)] {
        let ridge = level - height * (clouds(u * 1.7 + level * 40.0, level * 9.0) - 0.45);
        let hill = mix3(linear(hex(tint)), linear(hex(0xe0c070)), 0.22 * noise(u * 14.0, v * 14.0));
        color = mix3(color, hill, smooth(ridge - 0.02, ridge + 0.02, v));
    }
    let water =
        mix3(linear(hex(0x3c6a86)), linear(hex(0xf3c279)), 0.65 * noise(u * 5.0, v * 34.0) * bell(u - 0.3, 0.6));
    scale3(mix3(color, water, smooth(0.55, 0.6, v)), 0.85)
}

const SPINES: [u32; 14] = [
    0x7c2f2a, 0x274a63, 0xc9a24b, 0x3f5a3c, 0xd8cdb4, 0x5b3a5e, 0xb2552f, 0x2d3640, 0x8fa6a0, 0xa83c3c, 0x40607a,
    0xe0b98a, 0x6b7a3a, 0x4a2f25,
];

fn bookcase(canvas: &mut Canvas, half: f32) {
    let (left, top) = (0.285, 0.035);
    let right = half.max(left) + 0.05;
    let wood = |x: f32, y: f32| {
        let grain = clouds(x * 7.0, y * 60.0);
        mix3(linear(hex(0x5d3d25)), linear(hex(0x8d6239)), grain)
    };
    // The wall beside it lies in its shadow.
    canvas.paint([left - 0.07, top, left, 1.0], |x, y| {
        ([0.03, 0.03, 0.035], 0.5 * smooth(left - 0.06, left, x) * smooth(top, top + 0.04, y))
    });
    canvas.paint([left, top, right, 1.0], |x, y| (scale3(wood(y, x), 0.10), canvas_edge(x - left)));
    let shelves = [top, 0.335, 0.635, 0.935];
    for (catalog, pair) in shelves.windows(2).enumerate() {
        books(canvas, catalog as i32, left + 0.025, right, pair[0] + 0.022, pair[1]);
    }
    // Light falls off towards the back of each catalog and under each board.
    for pair in shelves.windows(2) {
        canvas.paint([left, pair[0], right, pair[1]], |_, y| {
            ([0.012, 0.010, 0.010], 0.62 * smooth(pair[0] + 0.13, pair[0] + 0.01, y))
        });
    }
    for &y0 in &shelves {
        canvas.paint([left, y0, right, y0 + 0.022], |x, y| {
            let lip = smooth(y0 + 0.004, y0, y);
            (scale3(wood(x, y), 0.55 + 0.5 * lip - 0.18 * smooth(left, right, x)), 1.0)
        });
    }
    canvas.paint([left, top, left + 0.024, 1.0], |x, y| {
        let turn = smooth(left + 0.024, left, x);
        (scale3(wood(y, x), 0.42 + 0.55 * turn), 1.0)
    });
    lights(canvas, left, right, top);
}

fn canvas_edge(inside: f32) -> f32 {
    if inside >= 0.0 { 1.0 } else { 0.0 }
}

/// One catalog of books from `x` on, between two boards.
fn books(canvas: &mut Canvas, catalog: i32, from: f32, to: f32, top: f32, floor: f32) {
    let mut x = from;
    let mut index = 0;
    while x < to {
        let random = |what: i32| hash(index * 7 + what, catalog * 31 + 5);
        let width = mix(0.017, 0.041, random(0));
        if random(1) < 0.09 && index > 0 {
            x += width * 1.3;
            index += 1;
            continue;
        }
        let height = (floor - top) * mix(0.66, 0.95, random(2));
        let color = linear(hex(SPINES[(random(3) * SPINES.len() as f32) as usize % SPINES.len()]));
        let gold = linear(hex(0xd9b566));
        let lean = if random(4) < 0.1 { 0.12 } else { 0.0 };
        let (x0, bands, label) = (x, random(5), random(6));
        canvas.paint([x0, floor - height, x0 + width + lean * height, floor], |px, py| {
            let up = (floor - py) / height;
            let u = (px - x0 - lean * (floor - py)) / width;
            if !(0.0..=1.0).contains(&u) || !(0.0..=1.0).contains(&up) {
                return ([0.0; 3], 0.0);
            }
            let mut spine = scale3(color, 0.9 + 0.2 * noise(px * 160.0, py * 40.0));
            let band = |at: f32, size: f32| smooth(size, size * 0.5, (up - at).abs());
            if bands > 0.35 {
                let gilt =
                    band(0.14, 0.016).max(band(0.88, 0.016)).max(if bands > 0.7 { band(0.78, 0.01) } else { 0.0 });
                spine = mix3(spine, gold, 0.75 * gilt);
            }
            if label > 0.5 {
                let plate = band(0.60, 0.13);
                let letters = if noise(u * 9.0, up * 70.0) > 0.55 && (up - 0.6).abs() < 0.09 { 0.55 } else { 1.0 };
                spine = mix3(spine, scale3(linear(hex(0xeadfc4)), letters), 0.85 * plate);
            }
            // Spines are round, and the light comes from the left.
            let turn = (u - 0.5) * 1.8;
            let n = [turn, 0.0, (1.0 - turn * turn).max(0.05).sqrt()];
            (scale3(lit(spine, n, 0.2, 1.0), 0.72), 1.0)
        });
        x += width + 0.0015;
        index += 1;
    }
}

/// A string of small lights along the top of the bookcase, far out of focus.
fn lights(canvas: &mut Canvas, left: f32, right: f32, top: f32) {
    let mut x = left + 0.03;
    let mut index = 0;
    while x < right {
        let y = top + 0.035 + 0.02 * (x * 23.0).sin() + 0.008 * hash(index, 77);
        let (cx, size) = (x, 0.0105 + 0.004 * hash(index, 78));
        canvas.paint([cx - 0.06, y - 0.06, cx + 0.06, y + 0.06], |px, py| {
            let d = (px - cx).hypot(py - y);
            let glow = 0.20 * bell(d, 0.032);
            let disc = 0.80 * smooth(size * 1.15, size * 0.85, d);
            ([1.25, 0.86, 0.42], (glow + disc).min(0.9))
        });
        x += 0.062 + 0.02 * hash(index, 79);
        index += 1;
    }
}

fn plant(canvas: &mut Canvas, half: f32) {
    let (cx, base) = (-half.min(0.667) + 0.085, 0.80);
    // Leaves, the back ones first and darker.
    for leaf in 0..30 {
        let random = |what: i32| hash(leaf * 5 + what, 911);
        let front = leaf as f32 / 29.0;
        let angle = mix(-1.45, 1.45, random(0)) * mix(1.0, 0.75, front) + 0.12;
        let length = mix(0.16, 0.34, random(1)) * (1.0 - 0.25 * angle.abs());
        let (sin, cos) = angle.sin_cos();
        // The stem bends outwards, the leaf hangs at its end.
        let tip = [cx + sin * length * 1.05, base - cos * length];
        let from = [cx + sin * length * 0.35, base - cos * length * 0.45];
        let width = mix(0.018, 0.030, random(2));
        let hue = mix3(linear(hex(0x2f5d33)), linear(hex(0x7d9a45)), random(3));
        let stem = Rod::new([cx, base + 0.02], from, 0.0045, 0.003);
        let around = |a: [f32; 2], b: [f32; 2], by: f32| {
            [a[0].min(b[0]) - by, a[1].min(b[1]) - by, a[0].max(b[0]) + by, a[1].max(b[1]) + by]
        };
        canvas.paint(around([cx, base + 0.02], from, 0.006), |x, y| {
            let d = stem.distance(x, y);
            (scale3(linear(hex(0x4d6b35)), 0.4), (0.5 - d * 400.0).clamp(0.0, 1.0))
        });
        let pixel = 1.0 / canvas.height as f32;
        canvas.paint(around(from, tip, 0.045), |x, y| {
            let (dx, dy) = (tip[0] - from[0], tip[1] - from[1]);
            let long = dx.hypot(dy);
            let (px, py) = (x - from[0], y - from[1]);
            let along = (px * dx + py * dy) / (long * long);
            let across = (px * dy - py * dx) / long;
            if !(-0.05..=1.05).contains(&along) {
                return ([0.0; 3], 0.0);
            }
            let a = along.clamp(0.0, 1.0);
            let edge = width * (a * std::f32::consts::PI).sin().max(0.0).powf(0.75) * (1.15 - 0.45 * a);
            let d = across.abs() - edge;
            let alpha = (0.5 - d / pixel).clamp(0.0, 1.0);
            let fold = across / width.max(1e-4);
            let n = [-cos * fold.signum() * 0.45 - 0.1, -sin * 0.35 - 0.25 * cos, 0.75];
            let rib = 1.0 + 0.35 * smooth(0.0022, 0.0, across.abs());
            let veins = 0.94 + 0.10 * noise(along * 22.0 + fold.abs() * 4.0, 3.0);
            (scale3(lit(hue, n, 0.3, mix(0.45, 1.0, front)), rib * veins), alpha)
        });
    }
    pot(canvas, cx, base);
}

fn pot(canvas: &mut Canvas, cx: f32, base: f32) {
    let (top, bottom) = (base - 0.005, 1.02);
    let pixel = 1.0 / canvas.height as f32;
    canvas.paint([cx - 0.12, top - 0.02, cx + 0.12, bottom], |x, y| {
        let rim = y < top + 0.035;
        let half_width = if rim { 0.083 } else { mix(0.075, 0.055, (y - top) / (bottom - top)) };
        let d = ((x - cx).abs() - half_width).max(top - y);
        let u = ((x - cx) / half_width).clamp(-1.0, 1.0);
        let n = [u * 0.95, -0.1, (1.0 - u * u * 0.9).sqrt()];
        let clay = mix3(linear(hex(0xb5683f)), linear(hex(0xd08a5c)), clouds(x * 40.0, y * 25.0));
        let under = if rim { 1.0 } else { mix(0.62, 1.0, smooth(top + 0.035, top + 0.075, y)) };
        (lit(clay, n, 0.1, under), (0.5 - d / pixel).clamp(0.0, 1.0))
    });
}

/// The soft dark that the figure throws on the wall behind it, to the right of it.
fn figure_shadow(canvas: &mut Canvas, half: f32) {
    canvas.paint([-half, 0.0, half, 1.0], |x, y| {
        let head = ellipse_distance(x - 0.075, y - 0.43, 0.15, 0.22);
        let body = ellipse_distance(x - 0.06, y - 1.05, 0.42, 0.30);
        ([0.015, 0.014, 0.018], 0.34 * smooth(0.09, -0.08, head.min(body)))
    });
}
