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

// How much of the input's change the painting takes on; where the number comes from stands at the twin.
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

fn squared(p: vec2<i32>, shift: vec2<i32>) -> u32 {
    let difference = channels(guide[at(p)]) - channels(key_guide[at(p + shift)]);
    return u32(difference.r * difference.r + difference.g * difference.g + difference.b * difference.b);
}

// How badly a vector, to whole pixels, explains a pixel and its four neighbours.
fn mismatch(p: vec2<i32>, vector: vec2<i32>) -> u32 {
    let shift = (vector + (1 << (UNIT_BITS - 1u))) >> vec2(UNIT_BITS);
    return squared(p, shift) + squared(p + vec2(1, 0), shift) + squared(p + vec2(-1, 0), shift)
        + squared(p + vec2(0, 1), shift) + squared(p + vec2(0, -1), shift);
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
        var least = mismatch(p, vector);
        var others = array(vec2(0), a * 256, b * 256, c * 256, d * 256);
        for (var i = 0; i < 5; i++) {
            let mine = mismatch(p, others[i]);
            if mine < least {
                least = mine;
                vector = others[i];
            }
        }
    }
    let first = p + (vector >> vec2(UNIT_BITS));
    let share = vec2<f32>(vector & vec2((1 << UNIT_BITS) - 1)) / f32(1 << UNIT_BITS);
    var corners = array(at(first), at(first + vec2(1, 0)), at(first + vec2(0, 1)), at(first + vec2(1, 1)));
    // What follows the input of the painted frame there: its painting less its share of that input.
    var kept = array<vec3<f32>, 4>();
    for (var i = 0; i < 4; i++) {
        kept[i] = key_painting[corners[i]].rgb - FOLLOW * unpack4x8unorm(key_guide[corners[i]]).rgb;
    }
    let moved = mix(mix(kept[0], kept[1], share.x), mix(kept[2], kept[3], share.x), share.y);
    let pixel = id.y * carry_layout.width + id.x;
    carried[pixel] = vec4(saturate(moved + FOLLOW * unpack4x8unorm(guide[pixel]).rgb), 1.0);
}
