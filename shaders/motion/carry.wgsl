// The painting of an earlier frame moved to where its things are now: what stands in for the student on the frames that it does
// not paint. What motion does not explain, light, occlusion, another scene, the painting follows by half of the input's change.

struct CarryLayout {
    width: u32,
    height: u32,
    // The field: one vector for eight by eight pixels.
    columns: u32,
    rows: u32,
}

// The student's painting, rgb 0..1 and an unused w, and its input in eight bits a channel.
@group(0) @binding(0) var<storage, read> key_painting: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> key_guide: array<u32>;
// The student's input as it would be for the present frame.
@group(0) @binding(2) var<storage, read> guide: array<u32>;
// The finest of `motion/search`: sixteenths of a pixel of half the student's size, which are eighths of the student's.
@group(0) @binding(3) var<storage, read> field: array<vec2<i32>>;
@group(0) @binding(4) var<uniform> carry_layout: CarryLayout;
@group(0) @binding(5) var<storage, read_write> carried: array<vec4<f32>>;

// How much of the input's change the painting takes on; where the number comes from stands at the CPU kernel.
const FOLLOW: f32 = 0.5;
// Vectors are in parts of a pixel of the student.
const UNIT_BITS: u32 = 11u;

fn at(p: vec2<i32>) -> u32 {
    let last = vec2(i32(carry_layout.width), i32(carry_layout.height)) - 1;
    let near = clamp(p, vec2(0), last);
    return u32(near.y) * carry_layout.width + u32(near.x);
}

fn vector_of(cell: vec2<i32>) -> vec2<i32> {
    let last = vec2(i32(carry_layout.columns), i32(carry_layout.rows)) - 1;
    let near = clamp(cell, vec2(0), last);
    return field[u32(near.y) * carry_layout.columns + u32(near.x)];
}

fn channels(pixel: u32) -> vec3<i32> {
    return vec3<i32>(vec3(pixel & 0xffu, (pixel >> 8u) & 0xffu, (pixel >> 16u) & 0xffu));
}

// A pixel of the present frame and its four neighbours.
struct Cross {
    middle: vec3<i32>,
    right: vec3<i32>,
    left: vec3<i32>,
    below: vec3<i32>,
    above: vec3<i32>,
}

fn squared(now: vec3<i32>, then: vec2<i32>) -> u32 {
    let difference = now - channels(key_guide[at(then)]);
    return u32(difference.r * difference.r + difference.g * difference.g + difference.b * difference.b);
}

// How badly a vector, to whole pixels, explains the cross around `p`.
fn mismatch(now: Cross, p: vec2<i32>, vector: vec2<i32>) -> u32 {
    let then = p + ((vector + (1 << (UNIT_BITS - 1u))) >> vec2(UNIT_BITS));
    return squared(now.middle, then) + squared(now.right, then + vec2(1, 0)) + squared(now.left, then + vec2(-1, 0))
        + squared(now.below, then + vec2(0, 1)) + squared(now.above, then + vec2(0, -1));
}

// The part of the painting that does not follow the input.
fn kept(p: vec2<i32>) -> vec3<f32> {
    let pixel = at(p);
    return key_painting[pixel].rgb - FOLLOW * unpack4x8unorm(key_guide[pixel]).rgb;
}

struct Choice {
    vector: vec2<i32>,
    mismatch: u32,
}

fn better(least: Choice, now: Cross, p: vec2<i32>, vector: vec2<i32>) -> Choice {
    let mine = mismatch(now, p, vector);
    if mine < least.mismatch {
        return Choice(vector, mine);
    }
    return least;
}

@compute @workgroup_size(8, 8)
fn carry(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= carry_layout.width || id.y >= carry_layout.height {
        return;
    }
    let p = vec2<i32>(id.xy);
    // Sixteenths of a cell from the centre of the first one.
    let place = 2 * p - 7;
    let cell = place >> vec2(4u);
    let part = place & vec2(15);
    let a = vector_of(cell);
    let b = vector_of(cell + vec2(1, 0));
    let c = vector_of(cell + vec2(0, 1));
    let d = vector_of(cell + vec2(1, 1));
    // Between the four around, or one of them, or none: whichever explains the pixel best. So a hand's outline stays one.
    var vector = (16 - part.y) * ((16 - part.x) * a + part.x * b) + part.y * ((16 - part.x) * c + part.x * d);
    if any(a != vec2(0)) || any(b != vec2(0)) || any(c != vec2(0)) || any(d != vec2(0)) {
        let now = Cross(
            channels(guide[at(p)]),
            channels(guide[at(p + vec2(1, 0))]),
            channels(guide[at(p + vec2(-1, 0))]),
            channels(guide[at(p + vec2(0, 1))]),
            channels(guide[at(p + vec2(0, -1))]),
        );
        var least = Choice(vector, mismatch(now, p, vector));
        least = better(least, now, p, vec2(0));
        least = better(least, now, p, a * 256);
        least = better(least, now, p, b * 256);
        least = better(least, now, p, c * 256);
        least = better(least, now, p, d * 256);
        vector = least.vector;
    }
    let first = p + (vector >> vec2(UNIT_BITS));
    let share = vec2<f32>(vector & vec2((1 << UNIT_BITS) - 1)) / f32(1 << UNIT_BITS);
    let moved = mix(
        mix(kept(first), kept(first + vec2(1, 0)), share.x),
        mix(kept(first + vec2(0, 1)), kept(first + vec2(1, 1)), share.x),
        share.y,
    );
    let pixel = id.y * carry_layout.width + id.x;
    carried[pixel] = vec4(saturate(moved + FOLLOW * unpack4x8unorm(guide[pixel]).rgb), 1.0);
}
