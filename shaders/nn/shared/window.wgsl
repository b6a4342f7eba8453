// A source pixel, or zero outside the picture. `plane` is the element at which the group's plane begins.
fn padded(plane: u32, x: i32, y: i32) -> vec4<f32> {
    let width = i32(params.source_width);
    let height = i32(params.source_height);
    let inside = x >= 0 && x < width && y >= 0 && y < height;
    let at = u32(clamp(y, 0, height - 1) * width + clamp(x, 0, width - 1));
    return select(vec4<f32>(0.0), vec4<f32>(source[plane + at]), inside);
}
