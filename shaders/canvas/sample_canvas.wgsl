// What tells the student where strokes lie: the field of the canvas, sampled at half the student's size.

struct CanvasLayout {
    // Of the canvas: half the student's.
    width: u32,
    height: u32,
    // Four channels each.
    groups: u32,
    // Places of the field from one pixel to the next.
    step: f32,
    // What the field's values are multiplied by.
    strength: f32,
}

// A torus of SIDE x SIDE places; eight values of eight bits each, 127 being 1.
@group(0) @binding(0) var<storage, read> canvas_field: array<vec2<u32>>;
@group(0) @binding(1) var<uniform> canvas_layout: CanvasLayout;
// One group of channels after the other, each row by row.
@group(0) @binding(2) var<storage, read_write> canvas: array<vec4<f32>>;

const SIDE: i32 = 512;

fn place(p: vec2<i32>) -> vec2<u32> {
    let wrapped = p & vec2(SIDE - 1);
    return canvas_field[u32(wrapped.y * SIDE + wrapped.x)];
}

@compute @workgroup_size(8, 8)
fn sample_canvas(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= canvas_layout.width || id.y >= canvas_layout.height {
        return;
    }
    let at = vec2<f32>(id.xy) * canvas_layout.step;
    let first = vec2<i32>(floor(at));
    let part = at - floor(at);
    let a = place(first);
    let b = place(first + vec2(1, 0));
    let c = place(first + vec2(0, 1));
    let d = place(first + vec2(1, 1));
    let pixel = id.y * canvas_layout.width + id.x;
    for (var group = 0u; group < canvas_layout.groups; group += 1u) {
        let upper = mix(unpack4x8snorm(a[group]), unpack4x8snorm(b[group]), part.x);
        let lower = mix(unpack4x8snorm(c[group]), unpack4x8snorm(d[group]), part.x);
        canvas[group * canvas_layout.width * canvas_layout.height + pixel] = canvas_layout.strength * mix(upper, lower, part.y);
    }
}
