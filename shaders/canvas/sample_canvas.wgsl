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
// How far strokes have gone from home, of `motion/drift_of_cells`.
@group(0) @binding(3) var drift: texture_2d<f32>;
// One group of channels after the other, each row by row.
@group(0) @binding(2) var<storage, read_write> canvas: array<vec4<f32>>;

const SIDE: i32 = 512;

fn place(p: vec2<i32>) -> vec2<u32> {
    let wrapped = p & vec2(SIDE - 1);
    return canvas_field[u32(wrapped.y * SIDE + wrapped.x)];
}

struct Sample {
    first: vec4<f32>,
    second: vec4<f32>,
}

fn sample(at: vec2<f32>) -> Sample {
    let first = vec2<i32>(floor(at));
    let part = at - floor(at);
    let a = place(first);
    let b = place(first + vec2(1, 0));
    let c = place(first + vec2(0, 1));
    let d = place(first + vec2(1, 1));
    return Sample(
        mix(mix(unpack4x8snorm(a.x), unpack4x8snorm(b.x), part.x), mix(unpack4x8snorm(c.x), unpack4x8snorm(d.x), part.x), part.y),
        mix(mix(unpack4x8snorm(a.y), unpack4x8snorm(b.y), part.x), mix(unpack4x8snorm(c.y), unpack4x8snorm(d.y), part.x), part.y),
    );
}

@compute @workgroup_size(8, 8)
fn sample_canvas(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= canvas_layout.width || id.y >= canvas_layout.height {
        return;
    }
    let gone = textureLoad(drift, vec2<i32>(id.xy), 0);
    let home = vec2<f32>(id.xy) * canvas_layout.step;
    // Two layers while strokes fade from one place to the other; what keeps their contrast stands at the CPU kernel.
    let alike = exp(-dot(gone.xy, gone.xy) / 12.5);
    let rest = 1.0 - gone.z;
    let factor = canvas_layout.strength * gone.w / sqrt(gone.z * gone.z + rest * rest + 2.0 * gone.z * rest * alike);
    var value = sample(home + gone.xy * 0.5 * canvas_layout.step);
    value.first *= factor * gone.z;
    value.second *= factor * gone.z;
    if rest > 0.0 {
        let other = sample(home);
        value.first += factor * rest * other.first;
        value.second += factor * rest * other.second;
    }
    let pixel = id.y * canvas_layout.width + id.x;
    canvas[pixel] = value.first;
    if canvas_layout.groups > 1u {
        canvas[canvas_layout.width * canvas_layout.height + pixel] = value.second;
    }
}
