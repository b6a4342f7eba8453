// How much input and painting changed since the frame before, summed over blocks of eight by eight pixels of the student.
// One workgroup for one block, one invocation for one pixel.

struct CompareLayout {
    width: u32,
    height: u32,
}

// The student's input in eight bits a channel, and the painting as it is laid on the picture: rgb and luma, half floats.
@group(0) @binding(0) var<storage, read> guide: array<u32>;
@group(0) @binding(1) var<storage, read> previous_guide: array<u32>;
@group(0) @binding(2) var<storage, read> steady: array<vec2<u32>>;
@group(0) @binding(3) var<storage, read> previous: array<vec2<u32>>;
@group(0) @binding(4) var<uniform> compare_layout: CompareLayout;
// For each block, sums of absolute differences over its pixels and three channels: of the input in 255ths, of the painting in
// eighths of 255ths.
@group(0) @binding(5) var<storage, read_write> blocks: array<vec2<u32>>;

var<workgroup> input_sum: atomic<u32>;
var<workgroup> painting_sum: atomic<u32>;

fn painting_of(pixel: vec2<u32>) -> vec3<f32> {
    return vec3(unpack2x16float(pixel.x), unpack2x16float(pixel.y).x);
}

@compute @workgroup_size(8, 8)
fn compare(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) block: vec3<u32>,
    @builtin(local_invocation_index) local: u32,
) {
    if local == 0u {
        atomicStore(&input_sum, 0u);
        atomicStore(&painting_sum, 0u);
    }
    workgroupBarrier();
    if id.x < compare_layout.width && id.y < compare_layout.height {
        let at = id.y * compare_layout.width + id.x;
        let input = abs(unpack4x8unorm(guide[at]).rgb - unpack4x8unorm(previous_guide[at]).rgb) * 255.0 + 0.5;
        let painting = abs(painting_of(steady[at]) - painting_of(previous[at])) * 2040.0 + 0.5;
        let input_whole = vec3<u32>(input);
        let painting_whole = vec3<u32>(painting);
        atomicAdd(&input_sum, input_whole.r + input_whole.g + input_whole.b);
        atomicAdd(&painting_sum, painting_whole.r + painting_whole.g + painting_whole.b);
    }
    workgroupBarrier();
    if local == 0u {
        let columns = (compare_layout.width + 7u) / 8u;
        blocks[block.y * columns + block.x] = vec2(atomicLoad(&input_sum), atomicLoad(&painting_sum));
    }
}
