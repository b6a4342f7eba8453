// The picture on the window: letterboxed, mirrored, painted by as much as the user wants, split into before and after; and
// the relief of paint, paper or press, at the window's own resolution. Needs shared/color.

struct PictureLayout {
    // Target pixel to picture: uv = pixel * scale + shift; 0..1 across the part of the frame that is shown.
    scale: vec2<f32>,
    shift: vec2<f32>,
    // Picture to frame texture.
    crop_scale: vec2<f32>,
    crop_shift: vec2<f32>,
    // Picture to texels of the bristles, and of the paper.
    bristles_scale: vec2<f32>,
    paper_scale: vec2<f32>,
    // Where another hand begins, in texels.
    hand: vec2<f32>,
    // Pixels of the student to the picture; 0 where strokes rest.
    drift_scale: vec2<f32>,
    // How much of the painting shows, 0..1; 0 where there is none.
    strength: f32,
    // Target column where painted begins; the line is drawn two pixels wide around it. Below -1 for no line.
    split_px: f32,
    // Which parts of the relief there are: bits of STROKES, PAPER, PRESS, RIPPLE.
    parts: u32,
    // What they are is told at the CPU kernel.
    thickness: f32,
    gloss: f32,
    pigment: f32,
    drag: f32,
    length: f32,
    paper: f32,
    rim: f32,
    tooth: f32,
    press: f32,
    ripple: f32,
}

@group(0) @binding(0) var frame: texture_2d<f32>;
@group(0) @binding(1) var painting: texture_2d<f32>;
@group(0) @binding(2) var gains: texture_2d<f32>;
@group(0) @binding(3) var linear_clamp: sampler;
@group(0) @binding(4) var<uniform> picture_layout: PictureLayout;
// Of `relief/flow_of_cells`.
@group(0) @binding(5) var flow: texture_2d<f32>;
// Bristles and strokes, a third of their heights, and the slope to the right and down, of 0.75; the third dimension is the
// direction.
@group(0) @binding(6) var bristles: texture_3d<f32>;
// Tooth, clouds, the tooth's slope.
@group(0) @binding(7) var paper_table: texture_2d<f32>;
@group(0) @binding(8) var linear_repeat: sampler;
// Of `motion/drift_of_cells`.
@group(0) @binding(9) var drift: texture_2d<f32>;

// The target's hardware applies the sRGB curve: give it linear light.
override srgb_target: bool = false;

const BARS: vec3<f32> = vec3(0.055, 0.055, 0.06);
const LINE: vec3<f32> = vec3(0.96, 0.96, 0.94);

const STROKES: u32 = 1u;
const PAPER: u32 = 2u;
const PRESS: u32 = 4u;
const RIPPLE: u32 = 8u;

const TABLE_SIDE: f32 = 256.0;
const TABLE_TURNS: f32 = 16.0;
const TABLE_RANGE: vec4<f32> = vec4(3.0, 3.0, 0.75, 0.75);
const TURN: f32 = 6.2831853;

// One triangle that covers the target.
@vertex
fn picture_vertex(@builtin(vertex_index) i: u32) -> @builtin(position) vec4<f32> {
    return vec4(f32(i & 1u) * 4.0 - 1.0, f32(i >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}

fn target_value(coded: vec3<f32>) -> vec4<f32> {
    if srgb_target {
        return vec4(linear_from_srgb(coded), 1.0);
    }
    return vec4(coded, 1.0);
}

fn camera_at(uv: vec2<f32>) -> vec3<f32> {
    return textureSampleLevel(frame, linear_clamp, uv * picture_layout.crop_scale + picture_layout.crop_shift, 0.0).rgb;
}

// The painting brought to full size.
fn painted_at(uv: vec2<f32>, camera: vec3<f32>) -> vec3<f32> {
    let small = textureSampleLevel(painting, linear_clamp, uv, 0.0);
    let gain = (textureSampleLevel(gains, linear_clamp, uv, 0.0).rgb * 255.0 - 128.0) / 64.0;
    return saturate(small.rgb + gain * (luma_of(camera) - small.a));
}

// Twice the angle of the strokes there, -pi..pi.
fn double_angle(uv: vec2<f32>) -> f32 {
    let direction = textureSampleLevel(flow, linear_clamp, uv, 0.0).xy * 2.0 - 1.0;
    return atan2(direction.y, direction.x);
}

fn bristles_at(uv: vec2<f32>, double: f32) -> vec4<f32> {
    let at = (uv * picture_layout.bristles_scale + picture_layout.hand) / TABLE_SIDE;
    return TABLE_RANGE * textureSampleLevel(bristles, linear_repeat, vec3(at, double / TURN + 0.5 / TABLE_TURNS), 0.0);
}

fn paper_at(uv: vec2<f32>, offset: vec2<f32>) -> vec4<f32> {
    let at = (uv * picture_layout.paper_scale + picture_layout.hand + offset) / TABLE_SIDE;
    return TABLE_RANGE * textureSampleLevel(paper_table, linear_repeat, at, 0.0);
}

// The painting with its relief. `relief/surface` of the CPU kernels.
fn surface(uv: vec2<f32>) -> vec3<f32> {
    let parts = picture_layout.parts;
    let local = textureSampleLevel(flow, linear_clamp, uv, 0.0);
    let sharp = local.z;
    // Less of it where the camera's picture is fine: eyes, mouths, glasses.
    let amount = 1.0 - 0.8 * local.w;
    var stroke = vec4(0.0);
    let grain = paper_at(uv, vec2(0.0));
    var at = uv;
    if (parts & STROKES) != 0u {
        let double = atan2(local.y * 2.0 - 1.0, local.x * 2.0 - 1.0);
        // Strokes go along with what is painted; see `motion/drift_of_cells`.
        let gone = textureSampleLevel(drift, linear_clamp, uv, 0.0);
        let far_from_home = gone.xy * picture_layout.drift_scale;
        stroke = bristles_at(uv + far_from_home, double);
        let along = vec2(cos(0.5 * double), sin(0.5 * double));
        if picture_layout.length > 1.0 {
            // Along the stroke, which may bend.
            let step = 10.0 * along / picture_layout.bristles_scale;
            let more = 0.6 * (picture_layout.length - 1.0);
            let ahead = bristles_at(uv + far_from_home + step, double_angle(uv + step));
            let behind = bristles_at(uv + far_from_home - step, double_angle(uv - step));
            stroke = (stroke + more * (ahead + behind)) / (1.0 + 0.8 * more);
        }
        stroke *= gone.w;
        let rest = 1.0 - gone.z;
        if rest > 0.004 && any(far_from_home != vec2(0.0)) {
            let alike = exp(-dot(gone.xy, gone.xy) / 12.5);
            stroke = (gone.z * stroke + gone.w * rest * bristles_at(uv, double))
                / sqrt(gone.z * gone.z + rest * rest + 2.0 * gone.z * rest * alike);
        }
        let far = 4.0 * picture_layout.drag * amount * clamp(1.5 * sharp, 0.15, 1.0) * clamp(stroke.y, -1.5, 1.5);
        at += vec2(-along.y, along.x) * far / picture_layout.bristles_scale;
    }
    var wave = 0.0;
    if (parts & RIPPLE) != 0u {
        let other = paper_at(uv, vec2(97.0, 41.0)).y;
        wave = grain.y;
        at += 3.0 * picture_layout.ripple * vec2(grain.y, other) / picture_layout.paper_scale;
    }
    var color = painted_at(at, camera_at(at));
    if (parts & PRESS) != 0u {
        // The plates of red and blue miss that of green.
        let red = at + 1.6 * picture_layout.press * vec2(1.0, 0.35) / picture_layout.paper_scale;
        let blue = at - 1.6 * picture_layout.press * vec2(0.6, 0.9) / picture_layout.paper_scale;
        color.r = painted_at(red, camera_at(red)).r;
        color.b = painted_at(blue, camera_at(blue)).b;
    }
    let dark = 1.0 - luma_of(color);
    // Paint: pigment, ridges lit from one side, shine.
    // Thicker here, thinner there.
    let light = clamp(1.0 + 0.35 * grain.y, 0.15, 1.7) * (-0.6 * stroke.z - 0.8 * stroke.w);
    let pigment = picture_layout.pigment * amount;
    color *= 1.0 + pigment * (0.05 * stroke.x + stroke.y * vec3(0.14, 0.108, 0.06));
    color *= 1.0 + 0.6 * picture_layout.thickness * amount * tanh(2.2 * light);
    let shine = max(1.8 * light - 0.35, 0.0);
    color += 0.43 * picture_layout.gloss * amount * shine * shine;
    // Watercolour: pigment gathers in clouds and in the paper's hollows, and at the rims of what was wet.
    let paper = picture_layout.paper;
    let relief = -0.6 * grain.z - 0.8 * grain.w;
    color *= 1.0 + paper * (0.05 * relief + dark * (0.07 * grain.x + 0.09 * grain.y));
    color *= 1.0 - 0.3 * picture_layout.rim * smoothstep(0.25, 0.8, sharp) * (0.8 + 0.2 * clamp(grain.y, -1.0, 1.0));
    // Dry colour leaves the paper's hollows white.
    let bare = picture_layout.tooth * smoothstep(0.1, 1.7, -grain.x) * dark;
    color = mix(color, vec3(0.97), saturate(0.75 * bare * amount));
    // Ink that does not cover.
    let thin = picture_layout.press * saturate(0.45 * grain.x + 0.35 * grain.y - 0.25) * dark;
    color = mix(color, vec3(0.95), saturate(0.3 * thin));
    color *= 1.0 + 0.05 * picture_layout.ripple * wave;
    return saturate(color);
}

@fragment
fn picture_fragment(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let uv = position.xy * picture_layout.scale + picture_layout.shift;
    if any(uv < vec2(0.0)) || any(uv > vec2(1.0)) {
        return target_value(BARS);
    }
    if abs(position.x - picture_layout.split_px) < 1.0 {
        return target_value(LINE);
    }
    let camera = camera_at(uv);
    if picture_layout.strength <= 0.0 || position.x < picture_layout.split_px {
        return target_value(camera);
    }
    var painted: vec3<f32>;
    if picture_layout.parts != 0u {
        painted = surface(uv);
    } else {
        painted = painted_at(uv, camera);
    }
    return target_value(mix(camera, painted, picture_layout.strength));
}
