// How much the painting changed where the input did not: the sum over blocks that are still and have only still ones around.
// One workgroup for the whole picture.

struct GatherLayout {
    // Of the student's picture; its blocks are eight by eight pixels, cut at the right and below.
    width: u32,
    height: u32,
}

// As `stability/compare` leaves them.
@group(0) @binding(0) var<storage, read> blocks: array<vec2<u32>>;
@group(0) @binding(1) var<uniform> gather_layout: GatherLayout;
// Sum of the painting's differences in eighths of 255ths over still pixels and three channels, number of still pixels.
@group(0) @binding(2) var<storage, read_write> result: array<u32>;

// Mean absolute difference of the input, in 255ths, up to which it is camera noise.
const NOISE: u32 = 4u;

var<workgroup> painting_sum: atomic<u32>;
var<workgroup> still_pixels: atomic<u32>;

fn pixels_of(block: vec2<u32>) -> u32 {
    let begin = block * 8u;
    return min(gather_layout.width - begin.x, 8u) * min(gather_layout.height - begin.y, 8u);
}

@compute @workgroup_size(256)
fn gather(@builtin(local_invocation_index) local: u32) {
    if local == 0u {
        atomicStore(&painting_sum, 0u);
        atomicStore(&still_pixels, 0u);
    }
    workgroupBarrier();
    let grid = vec2(gather_layout.width + 7u, gather_layout.height + 7u) / 8u;
    for (var i = local; i < grid.x * grid.y; i += 256u) {
        let block = vec2(i % grid.x, i / grid.x);
        let low = block - min(block, vec2(1u));
        let high = min(block + 1u, grid - 1u);
        var still = true;
        for (var y = low.y; y <= high.y; y++) {
            for (var x = low.x; x <= high.x; x++) {
                still &= blocks[y * grid.x + x].x <= NOISE * 3u * pixels_of(vec2(x, y));
            }
        }
        if still {
            atomicAdd(&painting_sum, blocks[i].y);
            atomicAdd(&still_pixels, pixels_of(block));
        }
    }
    workgroupBarrier();
    if local == 0u {
        result[0] = atomicLoad(&painting_sum);
        result[1] = atomicLoad(&still_pixels);
    }
}
