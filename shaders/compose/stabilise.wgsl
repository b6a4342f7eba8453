// Steadies the student's painting in time: mixes it with the previous steadied painting, less where the input moved.
// State is explicit: the previous painting and guide come in, this frame's go out. Needs shared/color.

struct StabiliseLayout {
    width: u32,
    height: u32,
    // Share of the previous painting where nothing moves, 0..1. 0 when there is no previous frame.
    blend: f32,
}

// The student's output and input, rgb 0..1 and an unused w.
@group(0) @binding(0) var<storage, read> painted: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read> image: array<vec4<f32>>;
// The student's input in eight bits a channel, of this frame and of the previous one.
@group(0) @binding(2) var<storage, read> guide: array<u32>;
@group(0) @binding(3) var<storage, read> previous_guide: array<u32>;
// The steadied painting: four half floats, rgb and the luma of the student's input.
@group(0) @binding(4) var<storage, read> previous: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read_write> steady: array<vec2<u32>>;
@group(0) @binding(6) var<uniform> stabilise_layout: StabiliseLayout;

// Up to the first a change is camera noise, from the second on it is motion: mean over five pixels of the largest channel's
// change. Where the numbers come from stands at the CPU kernel.
const STILL: f32 = 0.02;
const MOVING: f32 = 0.08;

fn change(x: u32, y: u32) -> f32 {
    let at = y * stabilise_layout.width + x;
    let moved = abs(unpack4x8unorm(guide[at]).rgb - unpack4x8unorm(previous_guide[at]).rgb);
    return max(moved.r, max(moved.g, moved.b));
}

@compute @workgroup_size(32, 2)
fn stabilise(@builtin(global_invocation_id) id: vec3<u32>) {
    let width = stabilise_layout.width;
    let height = stabilise_layout.height;
    if id.x >= width || id.y >= height {
        return;
    }
    let at = id.y * width + id.x;
    var painting = saturate(painted[at].rgb);
    if stabilise_layout.blend > 0.0 {
        let left = select(id.x - 1u, 0u, id.x == 0u);
        let up = select(id.y - 1u, 0u, id.y == 0u);
        let right = min(id.x + 1u, width - 1u);
        let down = min(id.y + 1u, height - 1u);
        let motion = (change(id.x, id.y) + change(left, id.y) + change(right, id.y) + change(id.x, up)
            + change(id.x, down)) / 5.0;
        let before = previous[at];
        let old = vec3(unpack2x16float(before.x), unpack2x16float(before.y).x);
        painting = mix(painting, old, stabilise_layout.blend * (1.0 - smoothstep(STILL, MOVING, motion)));
    }
    steady[at] = vec2(pack2x16float(painting.rg), pack2x16float(vec2(painting.b, luma_of(image[at].rgb))));
}
