// Two planes, 4:2:0: Y, then a half-height plane of `U V` or `V U` pairs. One invocation for each block of four by two
// pixels, so that every load brings four bytes.

override v_first: bool = false;

@compute @workgroup_size(32, 4)
fn yuv420(@builtin(global_invocation_id) id: vec3<u32>) {
    let x = id.x * 4u;
    let y = id.y * 2u;
    if x >= raw_layout.width || y >= raw_layout.height {
        return;
    }
    let chroma = word_at(raw_layout.chroma_bytes + id.y * raw_layout.stride_bytes + x);
    let u = select(0u, 1u, v_first);
    let v = 1u - u;
    for (var row = y; row < min(y + 2u, raw_layout.height); row++) {
        let luma = word_at(row * raw_layout.stride_bytes + x);
        for (var i = 0u; i < min(4u, raw_layout.width - x); i++) {
            let pair = i & 2u;
            let color = rgb_from_yuv(byte_of(luma, i), byte_of(chroma, pair + u), byte_of(chroma, pair + v), raw_layout.color);
            put(x + i, row, color);
        }
    }
}
