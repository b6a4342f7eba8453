//! The scene in time: who moves how, and the order in which the layers are laid over each other.

use super::figure::{FACE, FACE_HEIGHT, FACE_WIDTH, Figure};
use super::paint::{Layer, Pose, Rgb, Screen, bell, hash, hex, linear, mix, mix3, smooth, wash};
use super::room;

/// Everything that was painted in advance.
pub(super) struct Scene {
    width: usize,
    height: usize,
    room: Vec<u8>,
    figure: Figure,
    inks: Inks,
}

/// Colours of the parts that are drawn anew in each frame, sRGB times 255.
struct Inks {
    white: Rgb,
    white_shade: Rgb,
    iris: Rgb,
    iris_dark: Rgb,
    pupil: Rgb,
    lash: Rgb,
    lid: Rgb,
    brow: Rgb,
    lip: Rgb,
    lip_dark: Rgb,
    lip_light: Rgb,
    mouth: Rgb,
    teeth: Rgb,
}

/// What everything does at one moment.
struct Moment {
    body: [f32; 2],
    head: Pose,
    /// By how much the nearest point of the face has moved, in scene units.
    turn: [f32; 2],
    /// 0 closed, 1 open.
    eyes: f32,
    gaze: [f32; 2],
    brows: f32,
    smile: f32,
    mouth: f32,
    waving: Pose,
    brush: Pose,
}

impl Moment {
    /// `t` in seconds from the scene's beginning.
    fn at(t: f64) -> Self {
        let sin = |hertz: f64, phase: f64| ((t * hertz + phase) * std::f64::consts::TAU).sin() as f32;
        let body = [0.0065 * sin(0.11, 0.0), 0.0028 * sin(0.27, 0.1)];
        let head_shift = [body[0] + 0.0115 * sin(0.085, 0.15), body[1] + 0.0035 * sin(0.19, 0.4)];
        let head =
            Pose { pivot: [0.0, 0.60], angle: 0.050 * sin(0.097, 0.08) + 0.018 * sin(0.31, 0.6), shift: head_shift };
        let turn =
            [0.0145 * sin(0.075, 0.0) + 0.0060 * sin(0.21, 0.3), 0.0050 * sin(0.13, 0.2) + 0.0030 * sin(0.37, 0.0)];

        // A wave of the hand in every six seconds; it rests lower in between.
        let phase = ((t + 1.2) % 6.0) as f32;
        let waves = smooth(0.0, 0.7, phase) * smooth(4.0, 3.2, phase);
        let waving = Pose {
            pivot: [0.470, 1.10],
            angle: 0.05 + waves * 0.115 * sin(1.45, 0.0) + 0.018 * sin(0.23, 0.5),
            shift: [body[0], body[1] + 0.050 * (1.0 - waves)],
        };
        let brush = Pose {
            pivot: [-0.470, 1.10],
            angle: 0.035 * sin(0.21, 0.0) + 0.020 * sin(0.53, 0.3),
            shift: [body[0] + 0.006 * sin(0.31, 0.2), body[1] + 0.008 * sin(0.42, 0.7)],
        };
        Self {
            body,
            head,
            turn,
            eyes: eyes(t),
            gaze: gaze(t),
            brows: 0.5 + 0.5 * sin(0.125, 0.7) * waves,
            smile: 0.62 + 0.30 * sin(0.083, 0.2),
            mouth: talk(t),
            waving,
            brush,
        }
    }
}

/// How far the eyes are open: a blink somewhere in every three seconds.
fn eyes(t: f64) -> f32 {
    let window = (t / 3.1).floor();
    let at = window * 3.1 + 0.5 + 2.0 * f64::from(hash(window as i32, 41));
    let since = (t - at) as f32;
    1.0 - smooth(0.0, 0.06, since) * smooth(0.20, 0.10, since)
}

/// Where the eyes look, from -1 to 1: they rest, then jump.
fn gaze(t: f64) -> [f32; 2] {
    let step = (t / 1.7).floor();
    let into = smooth(0.0, 0.08, (t / 1.7 - step) as f32);
    let place = |n: i32| [hash(n, 51) * 2.0 - 1.0, hash(n, 52) * 2.0 - 1.0].map(|g| g * g.abs());
    let (from, to) = (place(step as i32 - 1), place(step as i32));
    [mix(from[0], to[0], into), mix(from[1], to[1], into)]
}

/// How far the mouth is open: words for two seconds in every five.
fn talk(t: f64) -> f32 {
    let phase = (t % 5.2) as f32;
    let speaks = smooth(1.6, 1.9, phase) * smooth(3.9, 3.6, phase);
    let syllable = (t * 4.6 * std::f64::consts::PI).sin().abs() as f32;
    let stress = 0.45 + 0.55 * (t * 1.3 * std::f64::consts::TAU).sin().abs() as f32;
    speaks * syllable * stress
}

impl Scene {
    pub(super) fn new(width: usize, height: usize) -> Self {
        // The two have nothing to do with each other, and each takes a while.
        let (layer, figure): (Layer, Figure) = std::thread::scope(|scope| {
            let room = scope.spawn(|| room::paint(width, height));
            let figure = Figure::bake(height as f32);
            (room.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), figure)
        });
        let mut bytes = Vec::with_capacity(width * height * 4);
        for row in 0..height {
            for column in 0..width {
                // A layer has at least two pixels each way, the picture perhaps only one.
                let [r, g, b, _] = layer.pixels[row * layer.width + column];
                bytes.extend([r, g, b].map(|c| (c + 0.5) as u8));
                bytes.push(255);
            }
        }
        Self { width, height, room: bytes, figure, inks: Inks::new() }
    }

    /// Paints the moment `t` (seconds) into `out`, which must have room for the whole picture.
    pub(super) fn draw(&self, t: f64, out: &mut [u8]) {
        let moment = Moment::at(t);
        out.copy_from_slice(&self.room);
        let mut screen = Screen { width: self.width, height: self.height, bytes: out };
        let body = Pose { pivot: [0.0, 0.0], angle: 0.0, shift: [moment.body[0], moment.body[1] - 0.048] };
        // The hair at the back follows the head half-way.
        let hair = Pose { angle: moment.head.angle * 0.9, ..moment.head };
        screen.draw(&self.figure.hair_back, &hair);
        screen.draw(&self.figure.body, &body);
        screen.draw_turned(&self.figure.head, &self.figure.nearness, &moment.head, moment.turn);
        self.face(&mut screen, &moment);
        screen.draw(&self.figure.brush, &moment.brush);
        screen.draw(&self.figure.waving, &moment.waving);
    }

    /// Eyes, brows and mouth, where the turned head has them.
    fn face(&self, screen: &mut Screen<'_>, moment: &Moment) {
        let moved = |u: f32, v: f32, near: f32| {
            [FACE[0] + u * FACE_WIDTH + moment.turn[0] * near, FACE[1] + v * FACE_HEIGHT + moment.turn[1] * near]
        };
        for side in [-1.0, 1.0] {
            // The eye on the far side looks narrower.
            let narrow = 1.0 - 5.0 * side * moment.turn[0];
            self.eye(screen, moment, moved(side * 0.40, -0.01, 0.72), narrow.clamp(0.85, 1.1));
            self.brow(screen, moment, moved(side * 0.42, -0.235 - 0.035 * moment.brows, 0.72), side);
        }
        self.mouth(screen, moment, moved(0.0, 0.555, 0.72));
    }

    fn eye(&self, screen: &mut Screen<'_>, moment: &Moment, [cx, cy]: [f32; 2], narrow: f32) {
        let inks = &self.inks;
        let half = 0.0258 * narrow;
        let open = 0.0136 * moment.eyes;
        let pixel = 0.9 / self.height as f32;
        let (gx, gy) = (cx + 0.0050 * moment.gaze[0], cy - 0.0012 + 0.0022 * moment.gaze[1]);
        let region = [cx - 0.031, cy - 0.024, cx + 0.031, cy + 0.020];
        screen.over(region, &moment.head, |x, y| {
            let dx = (x - cx) / half;
            let arch = (1.0 - dx * dx).max(0.0);
            // The upper lid is the rounder one, and highest towards the nose's far side.
            let upper = cy + 0.0022 - open * arch.powf(0.62) * 1.12;
            let lower = cy + 0.0022 + (0.0066 * moment.eyes + 0.0012) * arch;
            let within = |y: f32| ((y - upper).min(lower - y) / pixel + 0.5).clamp(0.0, 1.0);
            let inside = if dx.abs() < 1.0 { within(y) * smooth(0.06, 0.3, moment.eyes) } else { 0.0 };

            let r = (x - gx).hypot(y - gy);
            let shade = smooth(upper + 0.008, upper, y).max(0.55 * dx * dx);
            let mut color = mix3(inks.white, inks.white_shade, shade);
            let iris = ((0.0122 - r) / pixel + 0.5).clamp(0.0, 1.0);
            let ring = smooth(0.0066, 0.0122, r).max(smooth(upper + 0.006, upper, y) * 0.7);
            color = mix3(color, mix3(inks.iris, inks.iris_dark, ring), iris);
            color = mix3(color, inks.pupil, ((0.0056 - r) / pixel + 0.5).clamp(0.0, 1.0));
            let glint = ((0.0025 - (x - gx + 0.0038).hypot(y - gy + 0.0040)) / pixel + 0.5).clamp(0.0, 1.0);
            color = mix3(color, [255.0; 3], glint * 0.95);

            // The lashes' line along the upper lid, thicker outwards; a thin warm edge below.
            let fade = smooth(1.16, 0.92, dx.abs());
            let line = bell(y - upper + 0.0006, 0.0020 + 0.0008 * arch) * fade;
            let rim = 0.45 * bell(y - lower, 0.0014) * fade * arch;
            let alpha = inside.max(line).max(rim);
            let color = mix3(color, inks.lid, rim * (1.0 - line));
            let color = mix3(color, inks.lash, line.max(1.0 - inside - rim).clamp(0.0, 1.0).min(line));
            wash(color, alpha)
        });
    }

    fn brow(&self, screen: &mut Screen<'_>, moment: &Moment, [cx, cy]: [f32; 2], side: f32) {
        let ink = self.inks.brow;
        screen.over([cx - 0.034, cy - 0.016, cx + 0.034, cy + 0.016], &moment.head, |x, y| {
            // 0 at the nose, 1 at the temple.
            let along = ((x - cx) * side / 0.030 + 1.0) * 0.5;
            let arc = cy + 0.0012 - 0.0080 * smooth(0.0, 0.60, along) + 0.0065 * smooth(0.55, 1.0, along);
            let thick = mix(0.0046, 0.0022, smooth(0.3, 1.0, along));
            let ends = smooth(-0.04, 0.10, along) * smooth(1.06, 0.86, along);
            let hairs = 0.62 + 0.38 * hash((along * 30.0 + (y - arc) * 900.0) as i32, 61);
            wash(ink, bell(y - arc, thick) * ends * hairs * 0.92)
        });
    }

    fn mouth(&self, screen: &mut Screen<'_>, moment: &Moment, [cx, cy]: [f32; 2]) {
        let inks = &self.inks;
        let half = 0.0345 + 0.0050 * moment.smile - 0.0050 * moment.mouth;
        let open = 0.0165 * moment.mouth;
        let pixel = 0.9 / self.height as f32;
        let edge = |d: f32| (d / pixel + 0.5).clamp(0.0, 1.0);
        screen.over([cx - 0.046, cy - 0.024, cx + 0.046, cy + 0.040], &moment.head, |x, y| {
            let dx = (x - cx) / half;
            let arch = (1.0 - dx * dx).max(0.0);
            let fade = smooth(1.05, 0.92, dx.abs());
            // The line where the lips meet; its corners rise with the smile.
            let line = cy + 0.0028 - 0.0088 * moment.smile * dx * dx;
            let bow = 1.0 - 0.30 * bell(dx, 0.16);
            let top = line - 0.0088 * arch.powf(0.75) * bow;
            let gap = line + open * arch.powf(0.7);
            let bottom = gap + 0.0108 * arch.powf(0.62);
            let lips = edge((y - top).min(bottom - y)) * fade;
            let opened = edge((y - line).min(gap - y)) * smooth(0.0005, 0.003, open);
            let upper = smooth(line + 0.001, line - 0.001, y);
            let mut color = mix3(inks.lip, inks.lip_dark, 0.75 * upper);
            let wet = bell((x - cx + 0.006) / 0.014, 1.0) * bell(y - gap - 0.0048, 0.0026);
            color = mix3(color, inks.lip_light, 0.60 * wet);
            let teeth = smooth(line + 0.0070, line + 0.0050, y) * smooth(0.95, 0.6, dx.abs());
            color = mix3(color, mix3(inks.mouth, inks.teeth, teeth), opened);
            let seam = bell(y - line, 0.0013) * fade * (1.0 - opened);
            color = mix3(color, inks.mouth, 0.75 * seam);
            let corner = 0.55 * bell((dx.abs() - 1.03) * half, 0.0028) * bell(y - line, 0.0030);
            wash(mix3(color, inks.mouth, corner), (lips * 0.88).max(seam * 0.8).max(corner))
        });
    }
}

impl Inks {
    fn new() -> Self {
        let ink = |color: u32, light: f32| {
            let bytes = linear(hex(color)).map(|c| c * light);
            let [r, g, b, _] = super::paint::ink(bytes, 1.0);
            [r, g, b]
        };
        Self {
            white: ink(0xf3eee6, 0.92),
            white_shade: ink(0xa08f88, 0.62),
            iris: ink(0x6c8a5c, 0.9),
            iris_dark: ink(0x2c3a22, 0.8),
            pupil: ink(0x0c0a0a, 1.0),
            lash: ink(0x1d110d, 1.0),
            lid: ink(0xb5705f, 0.9),
            brow: ink(0x40241a, 0.9),
            lip: ink(0xc9605a, 0.95),
            lip_dark: ink(0xa2433f, 0.85),
            lip_light: ink(0xf2b3a6, 1.0),
            mouth: ink(0x3a1210, 0.7),
            teeth: ink(0xf4efe4, 0.85),
        }
    }
}
