// What is compared to find motion: luma of the student's input at a half, a quarter and an eighth of its size. In whole
// numbers, so that the search that follows finds the same on every GPU. A level's pixel is the mean over its box of the
// input; where a box reaches beyond the picture, the border's pixels repeat.

struct PyramidLayout {
    // Of the student's input.
    width: u32,
    height: u32,
}

@group(0) @binding(0) var<storage, read> guide: array<u32>;
@group(0) @binding(1) var<uniform> pyramid_layout: PyramidLayout;
// The three levels, the largest first, row-major: luma 0..1020.
@group(0) @binding(2) var<storage, read_write> levels: array<u32>;

var<workgroup> halves: array<u32, 64>;
var<workgroup> quarters: array<u32, 16>;

// 256 times the luma of one pixel, 0..65280: BT.601's weights in 256ths.
fn luma_256(x: u32, y: u32) -> u32 {
    let at = min(y, pyramid_layout.height - 1u) * pyramid_layout.width + min(x, pyramid_layout.width - 1u);
    let pixel = guide[at];
    return 77u * (pixel & 0xffu) + 150u * ((pixel >> 8u) & 0xffu) + 29u * ((pixel >> 16u) & 0xffu);
}

// A level's luma from the sum over 4^n pixels.
fn level_luma(sum: u32, n: u32) -> u32 {
    return (sum + (32u << (2u * n))) >> (6u + 2u * n);
}

@compute @workgroup_size(8, 8)
fn pyramid(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
    let size = vec2(pyramid_layout.width, pyramid_layout.height);
    let half_size = (size + 1u) / 2u;
    let quarter_size = (size + 3u) / 4u;
    let eighth_size = (size + 7u) / 8u;
    let corner = id.xy * 2u;
    let half_sum = luma_256(corner.x, corner.y) + luma_256(corner.x + 1u, corner.y) + luma_256(corner.x, corner.y + 1u)
        + luma_256(corner.x + 1u, corner.y + 1u);
    halves[local.y * 8u + local.x] = half_sum;
    if all(id.xy < half_size) {
        levels[id.y * half_size.x + id.x] = level_luma(half_sum, 1u);
    }
    workgroupBarrier();
    if all(local.xy % 2u == vec2(0u)) {
        let at = local.y * 8u + local.x;
        let sum = halves[at] + halves[at + 1u] + halves[at + 8u] + halves[at + 9u];
        quarters[local.y * 2u + local.x / 2u] = sum;
        let pixel = id.xy / 2u;
        if all(pixel < quarter_size) {
            levels[half_size.x * half_size.y + pixel.y * quarter_size.x + pixel.x] = level_luma(sum, 2u);
        }
    }
    workgroupBarrier();
    if all(local.xy % 4u == vec2(0u)) {
        let at = local.y * 2u + local.x / 2u;
        let sum = quarters[at] + quarters[at + 1u] + quarters[at + 4u] + quarters[at + 5u];
        let pixel = id.xy / 4u;
        if all(pixel < eighth_size) {
            let begin = half_size.x * half_size.y + quarter_size.x * quarter_size.y;
            levels[begin + pixel.y * eighth_size.x + pixel.x] = level_luma(sum, 3u);
        }
    }
}
