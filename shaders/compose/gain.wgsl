// What makes the small painting crisp at full size: for each of its pixels, how much the painting changes with the guide's
// luma around it. `present/picture` adds gain * (luma of the full-size picture - luma of the guide) to the painting.

struct GainLayout {
    width: u32,
    height: u32,
}

// Four half floats: painting rgb, luma of the guide.
@group(0) @binding(0) var<storage, read> steady: array<vec2<u32>>;
@group(0) @binding(1) var<uniform> gain_layout: GainLayout;
// What present reads, in eight bits a channel so that three cheap taps do: the painting with the luma of the guide as its
// alpha, and the gains, -2..2 as 0..255 with 0 at 128.
@group(0) @binding(2) var painting: texture_storage_2d<rgba8unorm, write>;
@group(0) @binding(3) var gains: texture_storage_2d<rgba8unorm, write>;

// Variance of luma below which the guide says nothing: (0.055)^2, a contrast that camera noise does not reach.
const REGULARISE: f32 = 0.003;
const ROWS: u32 = 4u;

fn load(x: u32, y: u32) -> vec4<f32> {
    let packed = steady[y * gain_layout.width + x];
    return vec4(unpack2x16float(packed.x), unpack2x16float(packed.y));
}

// One invocation for `ROWS` pixels, one below the other: sums over rows of three are shared between them.
@compute @workgroup_size(64, 1)
fn gain(@builtin(global_invocation_id) id: vec3<u32>) {
    let width = gain_layout.width;
    let height = gain_layout.height;
    let x = id.x;
    let top = id.y * ROWS;
    if x >= width || top >= height {
        return;
    }
    let left = select(x - 1u, 0u, x == 0u);
    let right = min(x + 1u, width - 1u);
    // Sums over three pixels of a row: painting and luma; painting * luma and luma * luma.
    var mean: array<vec4<f32>, 3>;
    var product: array<vec4<f32>, 3>;
    var middle: array<vec4<f32>, 3>;
    for (var i = 0u; i < ROWS + 2u; i++) {
        let y = min(select(top + i - 1u, 0u, top + i == 0u), height - 1u);
        let a = load(left, y);
        let b = load(x, y);
        let c = load(right, y);
        mean[0] = mean[1];
        mean[1] = mean[2];
        mean[2] = a + b + c;
        product[0] = product[1];
        product[1] = product[2];
        product[2] = a * a.w + b * b.w + c * c.w;
        middle[0] = middle[1];
        middle[1] = b;
        let row = top + i - 2u;
        if i >= 2u && row < height {
            let m = (mean[0] + mean[1] + mean[2]) / 9.0;
            let p = (product[0] + product[1] + product[2]) / 9.0;
            let covariance = p - m * m.w;
            let slope = covariance.rgb / (max(covariance.w, 0.0) + REGULARISE);
            textureStore(painting, vec2(x, row), middle[0]);
            textureStore(gains, vec2(x, row), vec4((slope * 64.0 + 128.0) / 255.0, 1.0));
        }
    }
}
