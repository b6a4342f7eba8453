//! The figure: a painter with a red beret. Each movable part is a height field, shaded once under the scene's light.

use super::paint::{
    Layer, Rgb, Rod, bell, box_distance, clouds, cushion, ellipse_distance, hash, hex, linear, lit, mix, mix3, noise,
    normal, scale3, smooth, soft_union,
};

/// The middle of the face in scene units, and half its width and height.
pub(super) const FACE: [f32; 2] = [0.0, 0.405];
pub(super) const FACE_WIDTH: f32 = 0.112;
pub(super) const FACE_HEIGHT: f32 = 0.152;

const SKIN: u32 = 0xe3ac8c;
const HAIR_DARK: u32 = 0x2b1712;
const HAIR_LIGHT: u32 = 0x8a4f2c;

/// Everything of the figure that was shaded in advance.
pub(super) struct Figure {
    pub hair_back: Layer,
    pub body: Layer,
    pub head: Layer,
    /// How near each pixel of the head is: 0 at its outline, 1 at the tip of the nose.
    pub nearness: Vec<f32>,
    pub waving: Layer,
    pub brush: Layer,
}

impl Figure {
    /// `scale`: pixels per scene unit, the picture's height.
    pub(super) fn bake(scale: f32) -> Self {
        let head_region = [-0.215, 0.115, 0.205, 0.645];
        let head = Layer::bake(head_region, scale, head);
        Self {
            nearness: nearness(&head),
            hair_back: Layer::bake([-0.20, 0.22, 0.20, 0.68], scale, hair_back),
            body: Layer::bake([-0.54, 0.52, 0.54, 1.09], scale, body),
            head,
            waving: Layer::bake([0.30, 0.49, 0.55, 1.16], scale, waving_hand),
            brush: Layer::bake([-0.56, 0.43, -0.26, 1.16], scale, brush_hand),
        }
    }
}

/// Coverage of a shape whose edge is `distance` away. A little softer than a pixel at 480 rows.
fn cover(distance: f32) -> f32 {
    smooth(0.0012, -0.0012, distance)
}

/// Lays `over` on `under`, each a colour with coverage.
fn onto(under: (Rgb, f32), over: (Rgb, f32)) -> (Rgb, f32) {
    let alpha = over.1 + under.1 * (1.0 - over.1);
    if alpha <= 0.0 {
        return ([0.0; 3], 0.0);
    }
    (mix3(under.0, over.0, over.1 / alpha), alpha)
}

// ---- the head ---------------------------------------------------------------------------------------------------

/// Face coordinates: u from -1 to 1 across, v from -1 at the crown to 1 at the chin.
fn face_at(x: f32, y: f32) -> (f32, f32) {
    ((x - FACE[0]) / FACE_WIDTH, (y - FACE[1]) / FACE_HEIGHT)
}

/// 1 on the outline of the face.
fn face_radius(u: f32, v: f32) -> f32 {
    let jaw = 1.0 - 0.34 * smooth(0.05, 1.15, v) - 0.03 * smooth(0.0, -1.0, v);
    ((u / jaw).abs().powf(2.25) + v.abs().powf(2.25)).powf(1.0 / 2.25)
}

fn face_height(x: f32, y: f32) -> f32 {
    let (u, v) = face_at(x, y);
    let r = face_radius(u, v);
    let skull = (1.0 - r * r).max(0.0).sqrt() * 0.95;
    let side = u.abs();
    let bridge = bell(u, 0.115) * smooth(-0.22, 0.25, v) * smooth(0.44, 0.30, v);
    let tip = bell(u.hypot((v - 0.285) * 1.25), 0.135);
    let wings = bell((side - 0.125).hypot((v - 0.335) * 1.2), 0.075);
    let socket = bell(((side - 0.40) / 1.25).hypot(v + 0.035), 0.165);
    let lid = bell(((side - 0.40) / 1.3).hypot((v + 0.005) * 1.35), 0.115);
    let brow = bell(((side - 0.40) / 2.2).hypot(v + 0.215), 0.11);
    let cheek = bell((side - 0.50).hypot((v - 0.24) * 0.9), 0.24);
    let fold = bell(side - 0.29 - (v - 0.40) * 0.45, 0.035) * smooth(0.34, 0.42, v) * smooth(0.66, 0.5, v);
    let lips = bell((u / 2.3).hypot(v - 0.555), 0.11);
    let below = bell((u / 2.0).hypot(v - 0.70), 0.07);
    let chin = bell((u / 1.4).hypot(v - 0.86), 0.15);
    let philtrum = bell(u, 0.035) * bell(v - 0.455, 0.055);
    let relief =
        0.13 * bridge + 0.23 * tip + 0.085 * wings - 0.135 * socket + 0.075 * lid + 0.035 * brow + 0.065 * cheek
            - 0.012 * fold
            + 0.055 * lips
            - 0.035 * below
            + 0.06 * chin
            - 0.012 * philtrum;
    (skull + relief) * FACE_WIDTH
}

fn face(x: f32, y: f32) -> (Rgb, f32) {
    let (u, v) = face_at(x, y);
    let alpha = cover((face_radius(u, v) - 1.0) * FACE_WIDTH);
    if alpha <= 0.0 {
        return ([0.0; 3], 0.0);
    }
    let side = u.abs();
    let mut skin = linear(hex(SKIN));
    let tint = |skin: Rgb, color: u32, amount: f32| mix3(skin, linear(hex(color)), amount);
    skin = scale3(skin, 0.95 + 0.09 * clouds(x * 55.0, y * 55.0) + 0.04 * noise(x * 260.0, y * 260.0));
    skin = tint(skin, 0xd2705f, 0.42 * bell((side - 0.55).hypot(v - 0.26), 0.27));
    skin = tint(skin, 0xd0705c, 0.32 * bell(u.hypot(v - 0.30), 0.16));
    skin = tint(skin, 0xcf7c68, 0.20 * bell((u / 1.3).hypot(v - 0.88), 0.16));
    // The lids are a little darker, and so is the skin under the eyes.
    let eye = ((side - 0.40) / 1.45).hypot((v + 0.05) * 1.2);
    skin = tint(skin, 0xa96a55, 0.50 * bell(eye, 0.13));
    skin = tint(skin, 0xb57d6c, 0.22 * bell(((side - 0.40) / 1.3).hypot(v - 0.10), 0.09));
    let freckle = noise(x * 330.0, y * 330.0) * bell((side - 0.35) * 0.8, 0.34) * bell(v - 0.22, 0.17);
    skin = tint(skin, 0x9a5a3c, 0.45 * smooth(0.60, 0.80, freckle));
    let crease =
        bell(v + 0.125 - 0.09 * ((side - 0.40) / 0.24).powi(2), 0.014) * smooth(0.30, 0.18, (side - 0.40).abs());
    let nostril = bell(((side - 0.085) / 1.5).hypot(v - 0.375), 0.030);
    skin = scale3(skin, 1.0 - 0.35 * crease - 0.72 * nostril);

    let n = normal(face_height, x, y, 0.0011);
    // Hair keeps light from the forehead and the temples; the nose keeps it from the lip.
    let under_hair = smooth(-0.62, -0.18, v + 0.25 * u) * smooth(1.02, 0.62, side);
    let under_nose = 1.0 - 0.22 * bell(u.hypot((v - 0.44) * 1.6), 0.10);
    let occlusion = mix(0.62, 1.0, under_hair) * under_nose;
    let mut color = lit(skin, n, 0.30, occlusion);
    // Blood under the skin where light turns to shadow.
    let turn = bell(n[0] * -0.58 + n[1] * -0.50 + n[2] * 0.64 - 0.10, 0.22);
    color[0] *= 1.0 + 0.10 * turn;
    // The sheen of skin.
    let half = (n[0] * -0.32 + n[1] * -0.28 + n[2] * 0.905).max(0.0);
    let sheen = 0.16 * half.powi(42) + 0.05 * half.powi(12);
    (color.map(|c| c + sheen * 0.9), alpha)
}

/// The outline of the hair as seen from the front; negative inside.
fn hair_outline(x: f32, y: f32) -> f32 {
    let wave = 0.006 * (y * 48.0 + x.signum() * 1.3).sin() * smooth(0.36, 0.5, y);
    let crown = ellipse_distance(x, y - 0.375, 0.150, 0.190);
    // Its ends curl inwards, and are cut a little unevenly.
    let ends = 0.010 * noise(x * 70.0, 3.0) + 0.006 * noise(x * 190.0, 5.0) + 0.9 * x * x;
    let bob = box_distance(x.abs() + wave, y - 0.472 + ends * smooth(0.5, 0.58, y), 0.150, 0.120, 0.070);
    soft_union(crown, bob, 0.05)
}

fn hair_color(x: f32, y: f32, depth: f32, runtime: f32) -> Rgb {
    let strand = noise(runtime * 130.0, y * 6.0) * 0.30
        + noise(runtime * 430.0, y * 10.0) * 0.45
        + 0.25 * noise(runtime * 900.0, y * 14.0);
    let base = mix3(linear(hex(HAIR_DARK)), linear(hex(HAIR_LIGHT)), 0.12 + 0.62 * smooth(0.2, 0.9, strand));
    let n = normal(|x, y| cushion(-hair_outline(x, y), 0.085) * 1.1, x, y, 0.002);
    let comb = (noise(runtime * 310.0, y * 5.0) - 0.5) * 0.7;
    let n = [n[0] + comb * 0.35, n[1], n[2]];
    let shine = bell(y - 0.345 + 0.25 * x * x / 0.15 + 0.010 * noise(runtime * 90.0, 1.0), 0.022)
        * (0.35 + 0.65 * strand)
        + 0.55 * bell(y - 0.505 + 0.012 * noise(runtime * 90.0, 2.0), 0.024) * strand;
    let light = lit(base, n, 0.25, mix(0.55, 1.0, smooth(0.0, 0.03, depth)));
    let gloss = shine * (0.20 - 0.22 * n[0]).max(0.02);
    [light[0] + gloss * 0.95, light[1] + gloss * 0.66, light[2] + gloss * 0.44]
}

fn hair_back(x: f32, y: f32) -> (Rgb, f32) {
    let d = hair_outline(x, y);
    let runtime = x + 0.02 * (y * 11.0).sin();
    let color = hair_color(x, y, -d, runtime);
    // It hangs behind the neck, away from the light.
    let inside = smooth(0.14, 0.05, x.abs());
    (scale3(color, mix(0.75, 0.30, inside)), cover(d + 0.004 * noise(x * 120.0, y * 30.0) - 0.002))
}

/// Where the face looks out of the hair; negative in the opening.
fn opening(x: f32, y: f32) -> f32 {
    let oval = ellipse_distance(x - 0.003, y - 0.440, 0.0945, 0.165);
    // A fringe swept from the right to the left, ending in strands.
    let ragged = 0.010 * noise(x * 95.0, 4.0) + 0.006 * noise(x * 260.0, 9.0);
    let fringe = 0.346 - 0.26 * x - 2.2 * (x - 0.03) * (x - 0.03) + ragged;
    oval.max(fringe - y)
}

fn hair_front(x: f32, y: f32) -> (Rgb, f32) {
    let outline = hair_outline(x, y);
    let open = opening(x, y);
    let alpha = cover(outline) * smooth(-0.003, 0.003, open + 0.002 * (noise(x * 200.0, y * 20.0) - 0.5));
    if alpha <= 0.0 {
        return ([0.0; 3], 0.0);
    }
    // Strands fan out from the parting at the upper right, then hang.
    let hang = smooth(0.33, 0.45, y);
    let fan = (x - 0.035) / (0.10 + (y - 0.19).max(0.01) * 1.4);
    let runtime = mix(fan * 0.22, x * 1.2 + 0.02 * (y * 13.0).sin(), hang);
    let color = hair_color(x, y, (-outline).min(open * 0.8 + 0.012), runtime);
    (color, alpha)
}

fn beret_place(x: f32, y: f32) -> (f32, f32) {
    let (sin, cos) = (-0.17f32).sin_cos();
    let (dx, dy) = (x + 0.012, y - 0.238);
    (dx * cos + dy * sin, -dx * sin + dy * cos)
}

/// The cap's puffed crown and the band that it sits on.
fn beret_outline(x: f32, y: f32) -> f32 {
    let (bx, by) = beret_place(x, y);
    let crown = ellipse_distance(bx + 0.010, by + 0.006, 0.178, 0.078 - 0.10 * bx * bx.signum() * 0.2);
    let band = box_distance(bx - 0.012, by - 0.050, 0.128, 0.024, 0.02) + 0.9 * bx * bx;
    soft_union(crown, band, 0.03)
}

fn beret(x: f32, y: f32) -> (Rgb, f32) {
    let stem = Rod::new([0.005, 0.172], [0.014, 0.146], 0.0055, 0.0045);
    let outline = beret_outline(x, y);
    let d = outline.min(stem.distance(x, y));
    let alpha = cover(d);
    if alpha <= 0.0 {
        return ([0.0; 3], 0.0);
    }
    let (bx, by) = beret_place(x, y);
    let height = |x: f32, y: f32| {
        let puff = cushion(-beret_outline(x, y), 0.075) * 0.95;
        let (bx, by) = beret_place(x, y);
        let folds = 0.004 * (bx * 38.0 + 2.0 * noise(bx * 9.0, by * 9.0)).sin() * smooth(0.0, 0.05, by);
        puff + folds + 0.0018 * clouds(x * 60.0, y * 60.0)
    };
    let n = normal(height, x, y, 0.0016);
    let felt = scale3(linear(hex(0xb3202c)), 0.86 + 0.28 * noise(x * 240.0, y * 240.0));
    let band = smooth(0.030, 0.040, by + 0.35 * bx * bx);
    let crease = 1.0 - 0.55 * bell(by + 0.35 * bx * bx - 0.034, 0.008);
    (scale3(lit(felt, n, 0.25, crease), mix(1.0, 0.72, band)), alpha)
}

fn head(x: f32, y: f32) -> (Rgb, f32) {
    let mut under = face(x, y);
    // The fringe and the cap throw soft shadows on what is under them.
    if under.1 > 0.0 {
        let shade = 1.0 - 0.45 * smooth(0.030, -0.002, -opening(x + 0.004, y - 0.010));
        under.0 = scale3(under.0, shade);
    }
    let mut hair = hair_front(x, y);
    hair.0 = scale3(hair.0, 1.0 - 0.60 * smooth(0.035, 0.0, beret_outline(x, y)));
    onto(onto(under, hair), beret(x, y))
}

/// Smooth, so that turning never tears the picture.
fn nearness(head: &Layer) -> Vec<f32> {
    let mut nearness = Vec::with_capacity(head.pixels.len());
    for row in 0..head.height {
        for column in 0..head.width {
            let x = head.left + (column as f32 + 0.5) / head.scale;
            let y = head.top + (row as f32 + 0.5) / head.scale;
            let (u, v) = face_at(x, y);
            let r = (u / 1.28).hypot(v / 1.22);
            let ball = (1.0 - r * r).max(0.0).powf(0.75) * 0.86;
            let nose = 0.16 * bell(u.hypot((v - 0.26) * 0.9), 0.24);
            nearness.push(ball + nose);
        }
    }
    nearness
}

// ---- the body ---------------------------------------------------------------------------------------------------

fn shirt_outline(x: f32, y: f32) -> f32 {
    // Rounded in the middle, where a crease would show.
    let side = x.hypot(0.03) - 0.008;
    let shoulder = Rod::new([0.03, 0.752], [0.250, 0.838], 0.066, 0.086).distance(side, y);
    let chest = box_distance(side, y - 1.03, 0.250, 0.25, 0.10);
    let arm = Rod::new([0.262, 0.845], [0.445, 1.15], 0.080, 0.070).distance(side, y);
    soft_union(soft_union(shoulder, chest, 0.05), arm, 0.03)
}

fn neckline(x: f32, y: f32) -> f32 {
    ellipse_distance(x, y - 0.672, 0.098, 0.072)
}

fn body(x: f32, y: f32) -> (Rgb, f32) {
    let neck = neck(x, y);
    let shirt = shirt(x, y);
    onto(neck, shirt)
}

fn neck_outline(x: f32, y: f32) -> f32 {
    let column = Rod::new([0.0, 0.50], [0.0, 0.68], 0.049, 0.052).distance(x, y);
    let bust = ellipse_distance(x, y - 0.735, 0.125, 0.060);
    soft_union(column, bust, 0.06)
}

fn neck(x: f32, y: f32) -> (Rgb, f32) {
    let height = |x: f32, y: f32| {
        let round = cushion(-neck_outline(x, y), 0.055) * 0.8;
        let collarbone = 0.006 * bell(y - 0.706 + 0.25 * (x.abs() - 0.06), 0.008) * smooth(0.015, 0.05, x.abs());
        let hollow = 0.008 * bell(x.hypot((y - 0.697) * 1.1), 0.016);
        let cord = 0.004 * bell(x.abs() - 0.010 - (0.70 - y) * 0.24, 0.010) * smooth(0.57, 0.67, y);
        round + collarbone - hollow + cord
    };
    let skin = scale3(linear(hex(0xdca283)), 0.95 + 0.09 * clouds(x * 55.0, y * 55.0));
    // The chin's shadow, deepest at the right, away from the light.
    let occlusion = mix(0.30, 1.0, smooth(0.605, 0.700, y - 0.22 * x));
    (lit(skin, normal(height, x, y, 0.0015), 0.3, occlusion), cover(neck_outline(x, y)))
}

fn shirt(x: f32, y: f32) -> (Rgb, f32) {
    let outline = shirt_outline(x, y);
    let neckline = neckline(x, y);
    let alpha = cover(outline) * smooth(-0.0012, 0.0012, neckline);
    if alpha <= 0.0 {
        return ([0.0; 3], 0.0);
    }
    let folds = |x: f32, y: f32| clouds(x * 7.0 + 3.0 * y, y * 5.0) + 0.5 * noise(x * 17.0 - y * 6.0, y * 9.0);
    let height = |x: f32, y: f32| cushion(-shirt_outline(x, y), 0.11) * 0.95 + 0.020 * folds(x, y);
    let n = normal(height, x, y, 0.002);
    // Stripes go round the body, and bend with the folds.
    let round = y + 0.30 * x * x - 0.16 * smooth(0.2, 0.42, x.abs()) * (x.abs() - 0.2) + 0.010 * folds(x, y);
    let phase = (round / 0.043).rem_euclid(1.0);
    let stripe = smooth(0.02, 0.06, phase) * smooth(0.42, 0.38, phase);
    let knit = 0.90 + 0.10 * (x * 900.0).sin() * (y * 900.0).sin() + 0.10 * noise(x * 300.0, y * 300.0);
    let mut cloth = mix3(linear(hex(0xeee6d3)), linear(hex(0x1f2f52)), stripe);
    // The rolled edge at the neck.
    cloth = mix3(cloth, linear(hex(0x1f2f52)), smooth(0.0085, 0.0065, neckline));
    cloth = scale3(cloth, knit);
    let under_head = mix(0.50, 1.0, smooth(0.0, 0.10, (x * 0.8).hypot(y - 0.64) - 0.05));
    let edge = 1.0 - 0.35 * bell(neckline - 0.0095, 0.003);
    let dress = (lit(cloth, n, 0.25, under_head * edge), alpha);
    onto(dress, apron(x, y, n, alpha))
}

const SPLASHES: [(f32, f32, f32, u32); 11] = [
    (-0.062, 0.925, 0.013, 0xd8402f),
    (-0.038, 0.955, 0.008, 0xf0b93a),
    (0.030, 0.915, 0.010, 0x2f7f9e),
    (0.071, 0.948, 0.015, 0xe9e2cf),
    (0.052, 0.978, 0.008, 0x4b8a4a),
    (-0.088, 0.982, 0.011, 0x3b5fb0),
    (0.004, 0.972, 0.013, 0xe07a3a),
    (-0.015, 0.905, 0.005, 0xe9e2cf),
    (0.092, 0.905, 0.006, 0xd8402f),
    (-0.100, 0.940, 0.005, 0x4b8a4a),
    (0.020, 0.945, 0.005, 0xf0b93a),
];

/// The bib of a denim apron with its straps, freckled with paint.
fn apron(x: f32, y: f32, n: Rgb, body: f32) -> (Rgb, f32) {
    let bib = box_distance(x, y - 1.03, 0.128, 0.150, 0.018) + 0.012 * smooth(0.0, 0.13, x.abs());
    let strap = Rod::new([0.104, 0.895], [0.128, 0.745], 0.017, 0.015).distance(x.abs(), y);
    let d = bib.min(strap);
    let weave = 0.85 + 0.16 * noise(x * 380.0 + y * 190.0, y * 380.0 - x * 190.0) + 0.12 * clouds(x * 16.0, y * 16.0);
    let mut cloth = scale3(linear(hex(0x4a6a94)), weave);
    // A double seam.
    let inner = -bib;
    let stitch = if ((x + y) * 260.0).sin() > -0.2 { 1.0 } else { 0.0 };
    let seam = bell(inner - 0.008, 0.0013).max(bell(inner - 0.0135, 0.0013)) * stitch;
    cloth = mix3(cloth, linear(hex(0xd9b37a)), 0.7 * seam);
    for (sx, sy, size, color) in SPLASHES {
        let wobble = 0.35 * size * (noise(x * 190.0 + sx * 99.0, y * 190.0) - 0.5);
        let blot = cover((x - sx).hypot((y - sy) * 0.8) - size + wobble);
        cloth = mix3(cloth, linear(hex(color)), 0.92 * blot);
    }
    let rounded = [n[0] * 0.8, n[1] * 0.8, n[2]];
    let button = cover((x.abs() - 0.104).hypot(y - 0.900) - 0.0085);
    let cloth = mix3(lit(cloth, rounded, 0.25, 1.0), linear(hex(0xd6b460)), button * 0.9);
    let edge = 1.0 - 0.4 * bell(d, 0.0025);
    (scale3(cloth, edge), cover(d) * body)
}

// ---- the hands --------------------------------------------------------------------------------------------------

/// A striped sleeve along a rod, with its cuff at the end `b`.
fn sleeve(rod: Rod, x: f32, y: f32) -> (Rgb, f32) {
    let (along, axis, radius) = rod.at(x, y);
    let beyond = {
        let (dx, dy) = (rod.b[0] - rod.a[0], rod.b[1] - rod.a[1]);
        let length = dx.hypot(dy);
        ((x - rod.b[0]) * dx + (y - rod.b[1]) * dy) / length
    };
    let d = (axis - radius).max(beyond);
    let height = |x: f32, y: f32| {
        let (_, axis, radius) = rod.at(x, y);
        (radius * radius - axis * axis).max(0.0).sqrt() + 0.010 * clouds(x * 22.0, y * 16.0)
    };
    let length = (rod.b[0] - rod.a[0]).hypot(rod.b[1] - rod.a[1]);
    let bulge = 0.25 * (axis / radius).powi(2) * 0.02;
    let phase = ((along * length + bulge) / 0.043).rem_euclid(1.0);
    let stripe = smooth(0.02, 0.06, phase) * smooth(0.42, 0.38, phase);
    let mut cloth = mix3(linear(hex(0xeee6d3)), linear(hex(0x1f2f52)), stripe);
    cloth = mix3(cloth, linear(hex(0x1f2f52)), smooth(-0.012, -0.010, beyond));
    cloth = scale3(cloth, 0.90 + 0.14 * noise(x * 300.0, y * 300.0));
    let cuff = 1.0 - 0.35 * bell(beyond + 0.012, 0.003);
    (lit(cloth, normal(height, x, y, 0.0015), 0.25, cuff), cover(d))
}

/// Skin over rods: the nearest to the viewer wins, seams stay soft.
fn flesh(rods: &[Rod], lift: impl Fn(usize) -> f32, x: f32, y: f32, tone: u32) -> (Rgb, f32) {
    let mut d = f32::MAX;
    for rod in rods {
        d = d.min(rod.distance(x, y));
    }
    let alpha = cover(d);
    if alpha <= 0.0 {
        return ([0.0; 3], 0.0);
    }
    let height = |x: f32, y: f32| {
        let mut top = -0.01f32;
        for (index, rod) in rods.iter().enumerate() {
            let (_, axis, radius) = rod.at(x, y);
            let dome = radius * radius - axis * axis;
            if dome > 0.0 {
                let z = dome.sqrt() + lift(index);
                // A soft maximum.
                let h = (0.006 - (top - z).abs()).max(0.0) / 0.006;
                top = top.max(z) + h * h * 0.0015;
            }
        }
        top
    };
    let mut tips = 0.0f32;
    for rod in rods {
        tips = tips.max(bell((x - rod.b[0]).hypot(y - rod.b[1]), 0.012));
    }
    let skin = mix3(linear(hex(tone)), linear(hex(0xd9806c)), 0.40 * tips);
    let skin = scale3(skin, 0.94 + 0.10 * clouds(x * 90.0, y * 90.0));
    let n = normal(height, x, y, 0.0011);
    // Gaps between fingers are deep: their walls are steep.
    (lit(skin, n, 0.32, mix(0.55, 1.0, smooth(0.05, 0.55, n[2]))), alpha)
}

/// An open palm beside the head. It turns about the elbow below the picture.
fn waving_hand(x: f32, y: f32) -> (Rgb, f32) {
    const HAND: [Rod; 11] = [
        Rod::new([0.425, 0.760], [0.421, 0.705], 0.031, 0.030),
        Rod::new([0.418, 0.705], [0.397, 0.645], 0.026, 0.022),
        Rod::new([0.421, 0.705], [0.419, 0.638], 0.028, 0.023),
        Rod::new([0.427, 0.705], [0.441, 0.645], 0.027, 0.022),
        Rod::new([0.431, 0.708], [0.460, 0.662], 0.025, 0.019),
        Rod::new([0.396, 0.640], [0.378, 0.560], 0.0140, 0.0112),
        Rod::new([0.420, 0.632], [0.417, 0.540], 0.0146, 0.0115),
        Rod::new([0.443, 0.640], [0.455, 0.556], 0.0138, 0.0110),
        Rod::new([0.462, 0.658], [0.486, 0.598], 0.0122, 0.0098),
        Rod::new([0.408, 0.712], [0.366, 0.672], 0.0220, 0.0155),
        Rod::new([0.366, 0.672], [0.347, 0.632], 0.0150, 0.0115),
    ];
    let arm = sleeve(Rod::new([0.470, 1.14], [0.428, 0.748], 0.066, 0.043), x, y);
    let lift = |index: usize| if index >= 9 { 0.006 } else { 0.0 };
    let mut hand = flesh(&HAND, lift, x, y, 0xe8b396);
    // The lines of the palm.
    let heart = bell(y - 0.655 - 0.35 * (x - 0.43) + 6.0 * (x - 0.43) * (x - 0.43), 0.0022) * smooth(0.40, 0.42, x);
    let life = bell((x - 0.392).hypot(y - 0.700) - 0.030, 0.0022) * smooth(0.395, 0.41, x) * smooth(0.655, 0.67, y);
    hand.0 = scale3(hand.0, 1.0 - 0.28 * heart.max(life));
    onto(hand, arm)
}

/// A fist around a brush whose tip is wet with paint.
fn brush_hand(x: f32, y: f32) -> (Rgb, f32) {
    const FINGERS: [Rod; 5] = [
        Rod::new([-0.392, 0.704], [-0.338, 0.692], 0.0150, 0.0135),
        Rod::new([-0.396, 0.727], [-0.333, 0.716], 0.0152, 0.0140),
        Rod::new([-0.396, 0.750], [-0.332, 0.741], 0.0148, 0.0135),
        Rod::new([-0.391, 0.772], [-0.338, 0.764], 0.0135, 0.0120),
        Rod::new([-0.352, 0.768], [-0.322, 0.716], 0.0165, 0.0130),
    ];
    const PALM: [Rod; 3] = [
        Rod::new([-0.388, 0.835], [-0.378, 0.785], 0.031, 0.032),
        Rod::new([-0.376, 0.775], [-0.368, 0.715], 0.036, 0.033),
        Rod::new([-0.350, 0.770], [-0.345, 0.720], 0.026, 0.024),
    ];
    let palm = flesh(&PALM, |_| 0.0, x, y, 0xdfa687);
    let fingers = flesh(&FINGERS, |index| if index == 4 { 0.010 } else { 0.004 }, x, y, 0xe5ad8d);
    let arm = sleeve(Rod::new([-0.470, 1.14], [-0.386, 0.822], 0.066, 0.043), x, y);
    onto(onto(onto(palm, paint_brush(x, y)), fingers), arm)
}

#[expect(clippy::approx_constant, reason = "a place in the picture, not a constant of nature")]
fn paint_brush(x: f32, y: f32) -> (Rgb, f32) {
    let parts = [
        (Rod::new([-0.318, 0.838], [-0.401, 0.560], 0.0045, 0.0075), 0x7a1f1c, 0.10),
        (Rod::new([-0.400, 0.563], [-0.411, 0.527], 0.0078, 0.0092), 0xc9ccd0, 0.55),
        (Rod::new([-0.411, 0.527], [-0.421, 0.493], 0.0098, 0.0110), 0x6d4a2c, 0.0),
        (Rod::new([-0.418, 0.503], [-0.431, 0.458], 0.0112, 0.0035), 0x2d6fd0, 0.35),
    ];
    let mut all = ([0.0; 3], 0.0);
    for (index, (rod, color, gloss)) in parts.into_iter().enumerate() {
        let (along, axis, radius) = rod.at(x, y);
        let alpha = cover(axis - radius);
        if alpha <= 0.0 {
            continue;
        }
        let height = |x: f32, y: f32| {
            let (_, axis, radius) = rod.at(x, y);
            (radius * radius - axis * axis).max(0.0).sqrt()
        };
        let n = normal(height, x, y, 0.0008);
        let hairs =
            if index >= 2 { 0.75 + 0.5 * noise(axis * 900.0, along * 6.0 + hash(index as i32, 3)) } else { 1.0 };
        let half = (n[0] * -0.32 + n[1] * -0.28 + n[2] * 0.905).max(0.0);
        let mut shaded = lit(scale3(linear(hex(color)), hairs), n, 0.1, 1.0);
        let shine = gloss * half.powi(20);
        shaded = shaded.map(|c| c + shine);
        all = onto(all, (shaded, alpha));
    }
    all
}
