// Packed 4:2:2: `Y0 U Y1 V`, or `U Y0 V Y1`. One invocation for each pair of pixels.

override chroma_first: bool = false;

@compute @workgroup_size(32, 4)
fn yuv422(@builtin(global_invocation_id) id: vec3<u32>) {
    let x = id.x * 2u;
    if x >= raw_layout.width || id.y >= raw_layout.height {
        return;
    }
    let word = word_at(id.y * raw_layout.stride_bytes + id.x * 4u);
    let y = select(0u, 1u, chroma_first);
    let c = 1u - y;
    let u = byte_of(word, c);
    let v = byte_of(word, c + 2u);
    put(x, id.y, rgb_from_yuv(byte_of(word, y), u, v, raw_layout.color));
    put(x + 1u, id.y, rgb_from_yuv(byte_of(word, y + 2u), u, v, raw_layout.color));
}
