// A camera's bytes, and the picture that is made of them. Needs shared/color.

struct RawLayout {
    width: u32,
    height: u32,
    // From one row to the next; any number of bytes.
    stride_bytes: u32,
    // Where the second plane begins; 0 without one.
    chroma_bytes: u32,
    color: YuvToRgb,
}

@group(0) @binding(0) var<storage, read> raw: array<u32>;
@group(0) @binding(1) var<uniform> raw_layout: RawLayout;
@group(0) @binding(2) var frame: texture_storage_2d<rgba8unorm, write>;

// Whether all rows begin at a multiple of four bytes: one load then brings four bytes.
override aligned: bool = true;

// The byte at any offset.
fn byte_at(offset: u32) -> u32 {
    return (raw[offset / 4u] >> (offset % 4u * 8u)) & 0xffu;
}

// Byte `i` of a word, 0 the first in memory.
fn byte_of(word: u32, i: u32) -> u32 {
    return (word >> (i * 8u)) & 0xffu;
}

// Four bytes from any offset. Past the end of the buffer, bytes are unspecified.
fn word_at(offset: u32) -> u32 {
    let low = raw[offset / 4u];
    if aligned {
        return low;
    }
    let shift = offset % 4u * 8u;
    let last = arrayLength(&raw) - 1u;
    let high = raw[min(offset / 4u + 1u, last)];
    // A shift by 32 is none at all: take the high word out of the way first.
    return (low >> shift) | ((high << 1u) << (31u - shift));
}

fn put(x: u32, y: u32, rgb: vec3<f32>) {
    textureStore(frame, vec2(x, y), vec4(rgb, 1.0));
}
