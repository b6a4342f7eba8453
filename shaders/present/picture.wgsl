// The picture on the window: letterboxed, mirrored, painted by as much as the user wants, split into before and after.
// Needs shared/color.

struct PictureLayout {
    // Target pixel to picture: uv = pixel * scale + shift; 0..1 across the part of the frame that is shown.
    scale: vec2<f32>,
    shift: vec2<f32>,
    // Picture to frame texture.
    crop_scale: vec2<f32>,
    crop_shift: vec2<f32>,
    // How much of the painting shows, 0..1; 0 where there is none.
    strength: f32,
    // Target column where painted begins; the line is drawn two pixels wide around it. Below -1 for no line.
    split_px: f32,
}

@group(0) @binding(0) var frame: texture_2d<f32>;
@group(0) @binding(1) var painting: texture_2d<f32>;
@group(0) @binding(2) var gains: texture_2d<f32>;
@group(0) @binding(3) var linear_clamp: sampler;
@group(0) @binding(4) var<uniform> picture_layout: PictureLayout;

// The target's hardware applies the sRGB curve: give it linear light.
override srgb_target: bool = false;

const BARS: vec3<f32> = vec3(0.055, 0.055, 0.06);
const LINE: vec3<f32> = vec3(0.96, 0.96, 0.94);

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

@fragment
fn picture_fragment(@builtin(position) position: vec4<f32>) -> @location(0) vec4<f32> {
    let uv = position.xy * picture_layout.scale + picture_layout.shift;
    if any(uv < vec2(0.0)) || any(uv > vec2(1.0)) {
        return target_value(BARS);
    }
    if abs(position.x - picture_layout.split_px) < 1.0 {
        return target_value(LINE);
    }
    let camera = textureSampleLevel(frame, linear_clamp, uv * picture_layout.crop_scale + picture_layout.crop_shift, 0.0).rgb;
    if picture_layout.strength <= 0.0 || position.x < picture_layout.split_px {
        return target_value(camera);
    }
    let small = textureSampleLevel(painting, linear_clamp, uv, 0.0);
    let gain = (textureSampleLevel(gains, linear_clamp, uv, 0.0).rgb * 255.0 - 128.0) / 64.0;
    let painted = saturate(small.rgb + gain * (luma_of(camera) - small.a));
    return target_value(mix(camera, painted, picture_layout.strength));
}
