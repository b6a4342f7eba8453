// To twice the width and height: each pixel four times, or bilinear with pixel centres at halves, clamped at the border.
override LINEAR: u32 = 1u;

fn pixel(plane: u32, x: u32, y: u32) -> vec4<f32> {
    return vec4<f32>(source[plane + y * params.source_width + x]);
}

@compute @workgroup_size(16, 4)
fn resize(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.result_width || id.y >= params.result_height {
        return;
    }
    let plane = params.source_base + id.z * params.source_width * params.source_height;
    let at = params.result_base + (id.z * params.result_height + id.y) * params.result_width + id.x;
    // The nearest source pixel, which weighs 3/4 each way, and the one on the other side of the result pixel's centre.
    let near = id.xy / 2u;
    if LINEAR == 0u {
        result[at] = stored(pixel(plane, near.x, near.y));
        return;
    }
    let odd = vec2<i32>(id.xy % 2u);
    let last = vec2<i32>(i32(params.source_width), i32(params.source_height)) - 1;
    let far = vec2<u32>(clamp(vec2<i32>(near) + 2 * odd - 1, vec2<i32>(0), last));
    let near_row = 0.75 * pixel(plane, near.x, near.y) + 0.25 * pixel(plane, far.x, near.y);
    let far_row = 0.75 * pixel(plane, near.x, far.y) + 0.25 * pixel(plane, far.x, far.y);
    result[at] = stored(0.75 * near_row + 0.25 * far_row);
}
