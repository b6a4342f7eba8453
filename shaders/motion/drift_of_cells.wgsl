// How far strokes have gone from where they lie at rest: carried along with what is painted, cell by cell, and back home where
// that fails. A cell is two by two pixels of the student.

struct DriftLayout {
    // Of the student.
    width: u32,
    height: u32,
    // Of the cells.
    columns: u32,
    rows: u32,
    // Of the field: one vector for eight by eight pixels.
    blocks_across: u32,
    blocks_down: u32,
    // Whether there is a frame before.
    follows: u32,
}

// The student's input in eight bits a channel, of this frame and of the one before.
@group(0) @binding(0) var<storage, read> guide: array<u32>;
@group(0) @binding(1) var<storage, read> previous_guide: array<u32>;
// The finest of `motion/search` against the frame before, in eighths of a pixel of the student.
@group(0) @binding(2) var<storage, read> field: array<vec2<i32>>;
@group(0) @binding(3) var previous: texture_2d<f32>;
@group(0) @binding(4) var<uniform> drift_layout: DriftLayout;
// Pixels of the student to the right and down from home; how much of the strokes lies there and not at home, 0..1; how strong
// they are, 0..1.
@group(0) @binding(5) var drift: texture_storage_2d<rgba16float, write>;

// The numbers' reasons stand at the CPU kernel.
const UNEXPLAINED: f32 = 13.0 / 255.0;
const OTHER: f32 = 60.0 / 255.0;
const BETTER: f32 = 1.0 / 255.0;
const STRETCHED: f32 = 0.5;
const FADE: f32 = 0.125;
const SLOW: f32 = 1.5;
const FAST: f32 = 6.0;
const WEAK: f32 = 0.3;
const HOME: vec4<f32> = vec4(0.0, 0.0, 1.0, 1.0);

fn pixel(p: vec2<i32>) -> u32 {
    let near = clamp(p, vec2(0), vec2(i32(drift_layout.width), i32(drift_layout.height)) - 1);
    return u32(near.y) * drift_layout.width + u32(near.x);
}

fn was(p: vec2<i32>) -> vec3<f32> {
    return unpack4x8unorm(previous_guide[pixel(p)]).rgb;
}

// The mean difference of three by three pixels to where they were.
fn residual(middle: vec2<i32>, vector: vec2<f32>) -> f32 {
    let first = vec2<i32>(floor(vector));
    let part = vector - floor(vector);
    var sum = 0.0;
    for (var i = 0; i < 9; i += 1) {
        let p = middle + vec2(i % 3, i / 3) - 1;
        let source = p + first;
        let then = mix(mix(was(source), was(source + vec2(1, 0)), part.x), mix(was(source + vec2(0, 1)), was(source + vec2(1, 1)), part.x), part.y);
        let change = abs(unpack4x8unorm(guide[pixel(p)]).rgb - then);
        sum += change.r + change.g + change.b;
    }
    return sum / 27.0;
}

fn median(values: array<i32, 9>) -> i32 {
    var sorted = values;
    for (var i = 0; i < 5; i += 1) {
        for (var j = i + 1; j < 9; j += 1) {
            let low = min(sorted[i], sorted[j]);
            sorted[j] = max(sorted[i], sorted[j]);
            sorted[i] = low;
        }
    }
    return sorted[4];
}

fn before(cell: vec2<i32>) -> vec4<f32> {
    return textureLoad(previous, clamp(cell, vec2(0), vec2(i32(drift_layout.columns), i32(drift_layout.rows)) - 1), 0);
}

// Whether strokes are torn apart at a cell.
fn is_torn(cell: vec2<i32>) -> bool {
    let across = before(cell + vec2(1, 0)).xy - before(cell - vec2(1, 0)).xy;
    let down = before(cell + vec2(0, 1)).xy - before(cell - vec2(0, 1)).xy;
    return max(length(across), length(down)) * 0.25 > STRETCHED;
}

// Whether they are all around it.
fn are_torn(cell: vec2<i32>) -> bool {
    var torn = 0;
    for (var i = 0; i < 9; i += 1) {
        torn += select(0, 1, is_torn(cell + 3 * (vec2(i % 3, i / 3) - 1)));
    }
    return torn >= 4;
}

@compute @workgroup_size(8, 8)
fn drift_of_cells(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= drift_layout.columns || id.y >= drift_layout.rows {
        return;
    }
    let cell = vec2<i32>(id.xy);
    if drift_layout.follows == 0u {
        textureStore(drift, cell, HOME);
        return;
    }
    let blocks = vec2(i32(drift_layout.blocks_across), i32(drift_layout.blocks_down));
    var across: array<i32, 9>;
    var down: array<i32, 9>;
    for (var i = 0; i < 9; i += 1) {
        let block = clamp(cell / 4 + vec2(i % 3, i / 3) - 1, vec2(0), blocks - 1);
        let vector = field[u32(block.y) * drift_layout.blocks_across + u32(block.x)];
        across[i] = vector.x;
        down[i] = vector.y;
    }
    var vector = vec2<f32>(vec2(median(across), median(down))) / 8.0;
    let middle = 2 * cell;
    var unexplained = residual(middle, vec2(0.0));
    if any(vector != vec2(0.0)) {
        let moved = residual(middle, vector);
        if moved + BETTER < unexplained {
            unexplained = moved;
        } else {
            vector = vec2(0.0);
        }
    }
    let origin = cell + vec2<i32>(floor(vector * 0.5 + 0.5));
    let old = before(origin);
    var place = old.xy + vector;
    var share = old.z;
    var failed = unexplained > UNEXPLAINED;
    if any(vector != vec2(0.0)) {
        let outside = any(origin < vec2(0)) || origin.x >= i32(drift_layout.columns) || origin.y >= i32(drift_layout.rows);
        failed = failed || outside || are_torn(origin);
    }
    if unexplained > OTHER {
        // Another picture: nobody sees strokes change there.
        place = vec2(0.0);
        share = 1.0;
    } else if failed || share < 1.0 {
        share -= FADE;
        if share <= 0.0 || all(abs(place) < vec2(0.01)) {
            place = vec2(0.0);
            share = 1.0;
        }
    }
    let steady = 1.0 - (1.0 - WEAK) * smoothstep(SLOW, FAST, length(vector));
    let wanted = select(steady, 0.0, is_torn(origin));
    let gain = old.w + clamp(wanted - old.w, -1.0 / 3.0, 1.0 / 15.0);
    textureStore(drift, cell, vec4(place, share, gain));
}
