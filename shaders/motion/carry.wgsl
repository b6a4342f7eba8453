// The painting of an earlier frame, moved to where its things are now: what stands in for the student on the frames that it
// does not paint. Where no motion explains the picture, the painting stays where it is and takes on the change of the input.

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
// From `motion/search`, in pixels of half the student's size.
@group(0) @binding(3) var<storage, read> field: array<vec4<f32>>;
@group(0) @binding(4) var<uniform> carry_layout: CarryLayout;
@group(0) @binding(5) var<storage, read_write> carried: array<vec4<f32>>;

// Change of the input up to which it is noise and shading, and from which on the place shows something else.
const UNEXPLAINED: f32 = 0.05;
const FOREIGN: f32 = 0.2;

fn at(p: vec2<i32>) -> u32 {
    let last = vec2<i32>(i32(carry_layout.width), i32(carry_layout.height)) - 1;
    let near = clamp(p, vec2(0), last);
    return u32(near.y) * carry_layout.width + u32(near.x);
}

fn vector_of(cell: vec2<i32>) -> vec2<f32> {
    let last = vec2<i32>(i32(carry_layout.columns), i32(carry_layout.rows)) - 1;
    let near = clamp(cell, vec2(0), last);
    return field[u32(near.y) * carry_layout.columns + u32(near.x)].xy * 2.0;
}

// The painted frame's input at any place, bilinear.
fn key_guide_at(p: vec2<f32>) -> vec3<f32> {
    let first = vec2<i32>(floor(p));
    let part = p - floor(p);
    let a = unpack4x8unorm(key_guide[at(first)]).rgb;
    let b = unpack4x8unorm(key_guide[at(first + vec2(1, 0))]).rgb;
    let c = unpack4x8unorm(key_guide[at(first + vec2(0, 1))]).rgb;
    let d = unpack4x8unorm(key_guide[at(first + vec2(1, 1))]).rgb;
    return mix(mix(a, b, part.x), mix(c, d, part.x), part.y);
}

fn key_painting_at(p: vec2<f32>) -> vec3<f32> {
    let first = vec2<i32>(floor(p));
    let part = p - floor(p);
    let a = key_painting[at(first)].rgb;
    let b = key_painting[at(first + vec2(1, 0))].rgb;
    let c = key_painting[at(first + vec2(0, 1))].rgb;
    let d = key_painting[at(first + vec2(1, 1))].rgb;
    return mix(mix(a, b, part.x), mix(c, d, part.x), part.y);
}

@compute @workgroup_size(8, 8)
fn carry(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= carry_layout.width || id.y >= carry_layout.height {
        return;
    }
    let here = vec2<f32>(id.xy);
    let place = (here - 3.5) / 8.0;
    let cell = vec2<i32>(floor(place));
    let part = place - floor(place);
    let motion = mix(
        mix(vector_of(cell), vector_of(cell + vec2(1, 0)), part.x),
        mix(vector_of(cell + vec2(0, 1)), vector_of(cell + vec2(1, 1)), part.x),
        part.y,
    );
    let pixel = id.y * carry_layout.width + id.x;
    let input = unpack4x8unorm(guide[pixel]).rgb;
    let moved = input - key_guide_at(here + motion);
    let stayed = input - key_guide_at(here);
    let explained = dot(moved, moved) <= dot(stayed, stayed);
    let change = select(stayed, moved, explained);
    let source = select(here, here + motion, explained);
    let unexplained = smoothstep(UNEXPLAINED, FOREIGN, max(abs(change.r), max(abs(change.g), abs(change.b))));
    carried[pixel] = vec4(saturate(key_painting_at(source) + change * unexplained), 1.0);
}
