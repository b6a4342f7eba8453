// Luma alone, one byte a pixel. One invocation for each four pixels of a row.

@compute @workgroup_size(32, 4)
fn gray(@builtin(global_invocation_id) id: vec3<u32>) {
    let x = id.x * 4u;
    if x >= raw_layout.width || id.y >= raw_layout.height {
        return;
    }
    let word = word_at(id.y * raw_layout.stride_bytes + x);
    for (var i = 0u; i < min(4u, raw_layout.width - x); i++) {
        put(x + i, id.y, rgb_from_yuv(byte_of(word, i), 0u, 0u, raw_layout.color));
    }
}
