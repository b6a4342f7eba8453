// Colour. Values are R'G'B' 0..1 as the camera coded them (sRGB transfer curve) unless a name says `linear`.

// rgb = luma * Y + u * U + v * V + offset, bytes 0..255 in. Computed on the Rust side from the frame's matrix and range.
struct YuvToRgb {
    u: vec3<f32>,
    luma: f32,
    v: vec3<f32>,
    offset: vec3<f32>,
}

fn rgb_from_yuv(y: u32, u: u32, v: u32, color: YuvToRgb) -> vec3<f32> {
    return saturate(color.luma * f32(y) + color.u * f32(u) + color.v * f32(v) + color.offset);
}

// BT.601 luma of coded values: what the guide of `compose/` is.
fn luma_of(rgb: vec3<f32>) -> f32 {
    return dot(rgb, vec3(0.299, 0.587, 0.114));
}

// IEC 61966-2-1.
fn linear_from_srgb(coded: vec3<f32>) -> vec3<f32> {
    let low = coded / 12.92;
    let high = pow((coded + 0.055) / 1.055, vec3(2.4));
    return select(high, low, coded <= vec3(0.04045));
}
