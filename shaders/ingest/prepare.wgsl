// The frame's picture to the student's input: crop, and resize by area. Mean of the picture under a box as wide as the
// distance between output pixels, at least one source pixel: area average when shrinking, bilinear when enlarging.

struct PrepareLayout {
    // The crop, in pixels of the frame.
    origin: vec2<f32>,
    // Source pixels from one output pixel to the next.
    step: vec2<f32>,
    width: u32,
    height: u32,
}

@group(0) @binding(0) var frame: texture_2d<f32>;
@group(0) @binding(1) var<uniform> prepare_layout: PrepareLayout;
// rgb 0..1 and a w of 1, row-major.
@group(0) @binding(2) var<storage, read_write> image: array<vec4<f32>>;
// The same in eight bits a channel: what `compose/stabilise` compares with the next frame's to see motion.
@group(0) @binding(3) var<storage, read_write> guide: array<u32>;

// How much of source pixel `i` lies under the box.
fn covered(i: i32, begin: f32, end: f32) -> f32 {
    return max(min(end, f32(i) + 1.0) - max(begin, f32(i)), 0.0);
}

@compute @workgroup_size(8, 8)
fn prepare(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= prepare_layout.width || id.y >= prepare_layout.height {
        return;
    }
    let last = vec2<i32>(textureDimensions(frame)) - 1;
    let centre = prepare_layout.origin + (vec2<f32>(id.xy) + 0.5) * prepare_layout.step;
    let size = max(prepare_layout.step, vec2(1.0));
    let begin = centre - size / 2.0;
    let end = centre + size / 2.0;
    let first = vec2<i32>(floor(begin));
    let stop = vec2<i32>(ceil(end));
    var sum = vec3(0.0);
    for (var y = first.y; y < stop.y; y++) {
        let weight = covered(y, begin.y, end.y);
        for (var x = first.x; x < stop.x; x++) {
            let texel = textureLoad(frame, clamp(vec2(x, y), vec2(0), last), 0).rgb;
            sum += weight * covered(x, begin.x, end.x) * texel;
        }
    }
    let color = vec4(sum / (size.x * size.y), 1.0);
    let at = id.y * prepare_layout.width + id.x;
    image[at] = color;
    guide[at] = pack4x8unorm(color);
}
