// Where the pixels of the present frame were in the frame that was painted: block matching on one level of the pyramids,
// around what the coarser level found. One workgroup for one block, one invocation for one candidate.

struct SearchLayout {
    // This level: its size, and where it begins in the pyramids.
    width: u32,
    height: u32,
    level_at: u32,
    // The field of this level, and where it begins in `field`.
    columns: u32,
    rows: u32,
    field_at: u32,
    // The field of the coarser level; no columns when there is none.
    parent_columns: u32,
    parent_rows: u32,
    parent_at: u32,
    // Candidates reach so far from the prediction, in pixels of this level: at most 3.
    radius: u32,
    // Whether this is the last level: its vectors are refined to fractions of a pixel.
    finest: u32,
}

// Luma 0..1020, as `motion/pyramid` leaves it: of the present frame, and of the painted one.
@group(0) @binding(0) var<storage, read> now: array<u32>;
@group(0) @binding(1) var<storage, read> key: array<u32>;
// For each block: where it was, relative to where it is, in pixels of its level; mean squared difference there, and
// without motion, of luma 0..1020.
@group(0) @binding(2) var<storage, read_write> field: array<vec4<f32>>;
@group(0) @binding(3) var<uniform> search_layout: SearchLayout;

// Pixels from one block's centre to the next, and the side of what is compared.
const STEP: i32 = 4;
const SIDE: i32 = 8;
// A vector must be better than none by this much, and by more the longer it is: flat walls are full of chance matches. Sums
// over a block of squared differences.
const WORTH: u32 = 1500u;
const PER_PIXEL: u32 = 60u;
const NEVER: u32 = 0xffffffffu;

var<workgroup> block: array<i32, 64>;
var<workgroup> costs: array<u32, 64>;

fn at(x: i32, y: i32) -> u32 {
    let column = u32(clamp(x, 0, i32(search_layout.width) - 1));
    let row = u32(clamp(y, 0, i32(search_layout.height) - 1));
    return search_layout.level_at + row * search_layout.width + column;
}

// The parent's vector next to a block, in pixels of this level.
fn parent(cell: vec2<i32>) -> vec2<i32> {
    let last = vec2<i32>(i32(search_layout.parent_columns), i32(search_layout.parent_rows)) - 1;
    let near = clamp(cell, vec2(0), last);
    let found = field[search_layout.parent_at + u32(near.y) * search_layout.parent_columns + u32(near.x)];
    return vec2<i32>(found.xy) * 2;
}

fn candidate(cell: vec2<i32>, index: i32) -> vec2<i32> {
    let radius = i32(search_layout.radius);
    let side = 2 * radius + 1;
    if index == side * side {
        return vec2(0);
    }
    if search_layout.parent_columns == 0u {
        return vec2(index % side, index / side) - radius;
    }
    if index < side * side {
        return parent(cell / 2) + vec2(index % side, index / side) - radius;
    }
    // The eight around the block's own parent.
    let around = index - side * side - 1;
    let neighbour = select(around, around + 1, around >= 4);
    return parent(cell / 2 + vec2(neighbour % 3, neighbour / 3) - 1);
}

fn candidates() -> i32 {
    let side = 2 * i32(search_layout.radius) + 1;
    return side * side + select(9, 1, search_layout.parent_columns == 0u);
}

// A vertex of the parabola through three costs around the least one, -1/2..1/2.
fn vertex(before: u32, least: u32, after: u32) -> f32 {
    if before == NEVER || after == NEVER || before < least || after < least {
        return 0.0;
    }
    let left = f32(before - least);
    let right = f32(after - least);
    return select(0.0, 0.5 * (left - right) / (left + right), left + right > 0.0);
}

@compute @workgroup_size(64)
fn search(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let cell = vec2<i32>(group.xy);
    let corner = cell * STEP + STEP / 2 - SIDE / 2;
    let index = i32(local);
    block[local] = i32(now[at(corner.x + index % SIDE, corner.y + index / SIDE)]);
    workgroupBarrier();

    var cost = NEVER;
    if index < candidates() {
        let origin = corner + candidate(cell, index);
        cost = 0u;
        for (var y = 0; y < SIDE; y++) {
            for (var x = 0; x < SIDE; x++) {
                let difference = block[y * SIDE + x] - i32(key[at(origin.x + x, origin.y + y)]);
                cost += u32(difference * difference);
            }
        }
    }
    costs[local] = cost;
    workgroupBarrier();

    if local != 0u {
        return;
    }
    let side = 2 * i32(search_layout.radius) + 1;
    let still = costs[side * side];
    var best = side * side;
    var least = still;
    for (var i = 0; i < candidates(); i++) {
        let vector = candidate(cell, i);
        if all(vector == vec2(0)) {
            continue;
        }
        let length = u32(abs(vector.x) + abs(vector.y));
        let worth = costs[i] + WORTH + PER_PIXEL * length;
        if worth < least {
            least = worth;
            best = i;
        }
    }
    var vector = vec2<f32>(candidate(cell, best));
    let found = costs[best];
    if search_layout.finest != 0u && best < side * side {
        let column = best % side;
        let row = best / side;
        if column > 0 && column < side - 1 {
            vector.x += vertex(costs[best - 1], found, costs[best + 1]);
        }
        if row > 0 && row < side - 1 {
            vector.y += vertex(costs[best - side], found, costs[best + side]);
        }
    }
    let pixels = f32(SIDE * SIDE);
    field[search_layout.field_at + group.y * search_layout.columns + group.x] =
        vec4(vector, f32(found) / pixels, f32(still) / pixels);
}
