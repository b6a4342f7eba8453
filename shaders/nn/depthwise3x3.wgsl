// 3x3 convolution of each channel by itself. An invocation makes 4 pixels, one below the other, of one group, and keeps the
// three rows of the window in registers as it goes down.
override STRIDE: u32 = 1u;

struct Row {
    left: vec4<f32>,
    middle: vec4<f32>,
    right: vec4<f32>,
}

fn row(plane: u32, x: i32, y: i32) -> Row {
    return Row(padded(plane, x, y), padded(plane, x + 1, y), padded(plane, x + 2, y));
}

fn tap(at: u32) -> vec4<f32> {
    return vec4<f32>(weights[at]);
}

@compute @workgroup_size(16, 4)
fn depthwise3x3(@builtin(global_invocation_id) id: vec3<u32>) {
    let x = id.x;
    let y = id.y * 4u;
    let group = id.z;
    if x >= params.result_width || y >= params.result_height {
        return;
    }
    let w = params.weight_base + 9u * group;
    let top = Row(tap(w), tap(w + 1u), tap(w + 2u));
    let middle = Row(tap(w + 3u), tap(w + 4u), tap(w + 5u));
    let bottom = Row(tap(w + 6u), tap(w + 7u), tap(w + 8u));
    let bias = biases[params.bias_base + group];

    let plane = params.source_base + group * params.source_width * params.source_height;
    let left = i32(x * STRIDE) - i32(params.pad_left);
    var below = i32(y * STRIDE) - i32(params.pad_top);
    var r0 = row(plane, left, below);
    var r1 = row(plane, left, below + 1);
    let rows = min(4u, params.result_height - y);
    for (var i = 0u; i < rows; i++) {
        let r2 = row(plane, left, below + 2);
        var sum = bias;
        sum += top.left * r0.left + top.middle * r0.middle + top.right * r0.right;
        sum += middle.left * r1.left + middle.middle * r1.middle + middle.right * r1.right;
        sum += bottom.left * r2.left + bottom.middle * r2.middle + bottom.right * r2.right;
        finish(sum, (group * params.result_height + y + i) * params.result_width + x);
        if STRIDE == 2u {
            r0 = r2;
            r1 = row(plane, left, below + 3);
        } else {
            r0 = r1;
            r1 = r2;
        }
        below += i32(STRIDE);
    }
}
