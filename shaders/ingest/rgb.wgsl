// Three or four bytes a pixel, red or blue first. One invocation for each pixel.

override pixel_bytes: u32 = 3u;
override blue_first: bool = false;

@compute @workgroup_size(32, 4)
fn rgb(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= raw_layout.width || id.y >= raw_layout.height {
        return;
    }
    let color = unpack4x8unorm(word_at(id.y * raw_layout.stride_bytes + id.x * pixel_bytes)).rgb;
    put(id.x, id.y, select(color, color.bgr, blue_first));
}
