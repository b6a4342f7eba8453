// Where the blocks of the present frame were in the frame that was painted: block matching on one level of the pyramids,
// around what the coarser level found. One workgroup for one block, one invocation for one candidate; whole numbers throughout.

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
    // 1 on the last level: its vectors are refined to fractions of a pixel.
    finest: u32,
}

// Luma 0..1020, as `motion/pyramid` leaves it: of the present frame, and of the painted one.
@group(0) @binding(0) var<storage, read> now: array<u32>;
@group(0) @binding(1) var<storage, read> key: array<u32>;
// For each block where it was, relative to where it is, in sixteenths of a pixel of its level.
@group(0) @binding(2) var<storage, read_write> field: array<vec2<i32>>;
@group(0) @binding(3) var<uniform> search_layout: SearchLayout;

// Pixels from one block's centre to the next, and the side of what is compared.
const STEP: i32 = 4;
const SIDE: i32 = 8;
// What a vector must be better by than none, and the more so the longer it is, in sums over a block of squared differences:
// noise on a flat wall is full of chance matches. 1500 is a difference of 1.2 of 255 at each pixel.
const WORTH: u32 = 1500u;
const WORTH_PER_PIXEL: u32 = 60u;

var<workgroup> block: array<i32, 64>;
// For each candidate: itself, what it costs, and that with what a vector must be worth.
var<workgroup> vectors: array<vec2<i32>, 64>;
var<workgroup> costs: array<u32, 64>;
var<workgroup> prices: array<u32, 64>;
var<workgroup> still: atomic<u32>;
var<workgroup> still_cost: u32;

fn at(x: i32, y: i32) -> u32 {
    let column = u32(clamp(x, 0, i32(search_layout.width) - 1));
    let row = u32(clamp(y, 0, i32(search_layout.height) - 1));
    return search_layout.level_at + row * search_layout.width + column;
}

// A vector of the coarser level, in whole pixels of this one.
fn parent(cell: vec2<i32>) -> vec2<i32> {
    let last = vec2(i32(search_layout.parent_columns), i32(search_layout.parent_rows)) - 1;
    let near = clamp(cell, vec2(0), last);
    return field[search_layout.parent_at + u32(near.y) * search_layout.parent_columns + u32(near.x)] / 8;
}

// A row's number from a place in rows of `side`, for small numbers: cheaper than whole division, and as exact.
fn row_of(index: i32, side: i32) -> i32 {
    return i32((f32(index) + 0.5) / f32(side));
}

// The window around the prediction, row by row, then the predictions of the eight blocks around.
fn candidate(cell: vec2<i32>, index: i32, side: i32) -> vec2<i32> {
    let window = side * side;
    if index < window {
        let row = row_of(index, side);
        var predicted = vec2(0);
        if search_layout.parent_columns > 0u {
            predicted = parent(cell / 2);
        }
        return predicted + vec2(index - row * side, row) - i32(search_layout.radius);
    }
    let around = index - window;
    let neighbour = select(around, around + 1, around >= 4);
    let row = row_of(neighbour, 3);
    return parent(cell / 2 + vec2(neighbour - 3 * row, row) - 1);
}

// Where the parabola through three costs is least, in sixteenths from the middle one, which is the least of them; -8..8.
fn vertex(before: u32, least: u32, after: u32) -> i32 {
    if before < least || after < least || before + after == 2u * least {
        return 0;
    }
    let left = i32(before - least);
    let right = i32(after - least);
    let sum = left + right;
    return (16 * (left - right) + select(-sum, sum, left >= right)) / (2 * sum);
}

@compute @workgroup_size(64)
fn search(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) local: u32) {
    let cell = vec2<i32>(group.xy);
    let index = i32(local);
    let corner = cell * STEP + STEP / 2 - SIDE / 2;
    let here = at(corner.x + index % SIDE, corner.y + index / SIDE);
    if local == 0u {
        atomicStore(&still, 0u);
    }
    let mine = i32(now[here]);
    block[local] = mine;
    let change = mine - i32(key[here]);
    workgroupBarrier();
    atomicAdd(&still, u32(change * change));
    workgroupBarrier();
    if local == 0u {
        still_cost = atomicLoad(&still);
    }
    // What nothing can be better than needs no search: most of a webcam's picture.
    let unmoved = workgroupUniformLoad(&still_cost);
    if unmoved <= WORTH {
        if local == 0u {
            field[search_layout.field_at + group.y * search_layout.columns + group.x] = vec2(0);
        }
        return;
    }

    let side = 2 * i32(search_layout.radius) + 1;
    let window = side * side;
    let count = window + select(8, 0, search_layout.parent_columns == 0u);
    if index < count {
        let vector = candidate(cell, index, side);
        let origin = corner + vector;
        let size = vec2(i32(search_layout.width), i32(search_layout.height));
        var cost = 0u;
        if all(origin >= vec2(0)) && all(origin + SIDE <= size) {
            var place = search_layout.level_at + u32(origin.y) * search_layout.width + u32(origin.x);
            for (var y = 0; y < SIDE; y++) {
                for (var x = 0; x < SIDE; x++) {
                    let difference = block[y * SIDE + x] - i32(key[place + u32(x)]);
                    cost += u32(difference * difference);
                }
                place += search_layout.width;
            }
        } else {
            for (var y = 0; y < SIDE; y++) {
                for (var x = 0; x < SIDE; x++) {
                    let difference = block[y * SIDE + x] - i32(key[at(origin.x + x, origin.y + y)]);
                    cost += u32(difference * difference);
                }
            }
        }
        vectors[local] = vector;
        costs[local] = cost;
        prices[local] = cost + WORTH + WORTH_PER_PIXEL * u32(abs(vector.x) + abs(vector.y));
    }
    workgroupBarrier();

    if local != 0u {
        return;
    }
    var best = -1;
    var least = unmoved;
    for (var i = 0; i < count; i++) {
        if prices[i] < least {
            least = prices[i];
            best = i;
        }
    }
    var found = vec2(0);
    if best >= 0 {
        found = vectors[best] * 16;
        if search_layout.finest != 0u && best < window {
            let row = row_of(best, side);
            let column = best - row * side;
            if column > 0 && column < side - 1 {
                found.x += vertex(costs[best - 1], costs[best], costs[best + 1]);
            }
            if row > 0 && row < side - 1 {
                found.y += vertex(costs[best - side], costs[best], costs[best + side]);
            }
        }
    }
    field[search_layout.field_at + group.y * search_layout.columns + group.x] = found;
}
