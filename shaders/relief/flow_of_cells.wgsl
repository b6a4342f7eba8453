// Where strokes go: along the edges of the painting, and where it has none, in the slow swirl of the canvas. A cell keeps what
// it had until the painting around it turns by more than what noise does, so that strokes on a wall lie still.

struct FlowLayout {
    // Of the canvas's direction field: periods across and down per SIDE places, and the phase. The last one's w is unused.
    waves: array<vec4<f32>, 6>,
    columns: u32,
    rows: u32,
    // Places of the canvas from one cell to the next.
    step: f32,
    // How much the swirl turns; 0 is one direction for all.
    swirl: f32,
    // Whether there is a flow of the frame before.
    follows: u32,
}

// Of `relief/tensor_of_cells`.
@group(0) @binding(0) var<storage, read> tensor: array<vec4<f32>>;
@group(0) @binding(1) var previous: texture_2d<f32>;
@group(0) @binding(2) var<uniform> flow_layout: FlowLayout;
// Cosine and sine of twice the direction, shorter where it is uncertain, -1..1 as 0..1; how sharp the painting's edges are;
// how fine the camera's picture is.
@group(0) @binding(3) var flow: texture_storage_2d<rgba8unorm, write>;

const SIDE: f32 = 512.0;
// The numbers' reasons stand at the CPU kernel.
const FLAT: f32 = 1.6e-3;
const EDGE: f32 = 3.0;
const FINE_FROM: f32 = 0.012;
const FINE_TO: f32 = 0.06;
const HELD: f32 = 0.35;

@compute @workgroup_size(8, 8)
fn flow_of_cells(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= flow_layout.columns || id.y >= flow_layout.rows {
        return;
    }
    // A window of about five by five cells: binomial weights.
    var weights = array<f32, 5>(0.0625, 0.25, 0.375, 0.25, 0.0625);
    let last = vec2(i32(flow_layout.columns), i32(flow_layout.rows)) - 1;
    var sum = vec4(0.0);
    for (var dy = -2; dy <= 2; dy += 1) {
        for (var dx = -2; dx <= 2; dx += 1) {
            let cell = clamp(vec2<i32>(id.xy) + vec2(dx, dy), vec2(0), last);
            sum += weights[dx + 2] * weights[dy + 2] * tensor[u32(cell.y) * flow_layout.columns + u32(cell.x)];
        }
    }
    // The direction of least change, as twice its angle; of length 0 where there is none, 1 where all change is across it.
    let own = -vec2(sum.x - sum.z, 2.0 * sum.y) / (sum.x + sum.z + FLAT);
    var angle = 0.0;
    for (var i = 0; i < 6; i += 1) {
        let wave = flow_layout.waves[i];
        angle += cos(6.2831853 / SIDE * flow_layout.step * dot(wave.xy, vec2<f32>(id.xy)) + wave.z);
    }
    angle = 2.0 * (0.6 + flow_layout.swirl * 0.75055535 * angle);
    let direction = own + (1.0 - length(own)) * vec2(cos(angle), sin(angle));
    let sharp = saturate(EDGE * sqrt(sum.x + sum.z));
    let fine = smoothstep(FINE_FROM, FINE_TO, sqrt(sum.w * 0.25));
    var now = vec4(direction * 0.5 + 0.5, sharp, fine);
    if flow_layout.follows != 0u {
        let before = textureLoad(previous, vec2<i32>(id.xy), 0);
        let change = now - before;
        now = mix(before, now, select(0.0, 0.5, 2.0 * length(change.xy) + length(change.zw) > HELD));
    }
    textureStore(flow, vec2<i32>(id.xy), now);
}
