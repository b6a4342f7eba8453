// 1x1 convolution. An invocation makes 4 pixels, 64 apart so that neighbours read neighbours, of GROUPS output groups.
override GROUPS: u32 = 4u;

const LANES = 64u;

fn finish_tile(sum: Tile, group: u32, first: u32, pixels: u32) {
    if group >= params.result_groups {
        return;
    }
    let plane = group * pixels;
    if first < pixels {
        finish(sum.a, plane + first);
    }
    if first + LANES < pixels {
        finish(sum.b, plane + first + LANES);
    }
    if first + 2u * LANES < pixels {
        finish(sum.c, plane + first + 2u * LANES);
    }
    if first + 3u * LANES < pixels {
        finish(sum.d, plane + first + 3u * LANES);
    }
}

@compute @workgroup_size(64)
fn pointwise(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let pixels = params.result_width * params.result_height;
    let first = workgroup.x * 4u * LANES + lane;
    let at = params.source_base + min(first + vec4<u32>(0u, LANES, 2u * LANES, 3u * LANES), vec4<u32>(pixels - 1u));

    // Groups beyond the last repeat the last, and are not stored.
    let g0 = workgroup.y * GROUPS;
    let g = min(g0 + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.result_groups - 1u));
    let stride = 4u * params.source_groups;
    let w = params.weight_base + g * stride;
    var s0 = filled(biases[params.bias_base + g.x]);
    var s1 = filled(biases[params.bias_base + g.y]);
    var s2 = filled(biases[params.bias_base + g.z]);
    var s3 = filled(biases[params.bias_base + g.w]);

    for (var i = 0u; i < params.source_groups; i++) {
        let p = at + i * pixels;
        let x = Tile(
            vec4<f32>(source[p.x]),
            vec4<f32>(source[p.y]),
            vec4<f32>(source[p.z]),
            vec4<f32>(source[p.w]),
        );
        s0 = multiply_add(s0, matrix(w.x + 4u * i), x);
        if GROUPS > 1u {
            s1 = multiply_add(s1, matrix(w.y + 4u * i), x);
        }
        if GROUPS > 2u {
            s2 = multiply_add(s2, matrix(w.z + 4u * i), x);
        }
        if GROUPS > 3u {
            s3 = multiply_add(s3, matrix(w.w + 4u * i), x);
        }
    }

    finish_tile(s0, g0, first, pixels);
    if GROUPS > 1u {
        finish_tile(s1, g0 + 1u, first, pixels);
    }
    if GROUPS > 2u {
        finish_tile(s2, g0 + 2u, first, pixels);
    }
    if GROUPS > 3u {
        finish_tile(s3, g0 + 3u, first, pixels);
    }
}
