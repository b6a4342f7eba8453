// Dense 3x3 convolution. An invocation makes 4 pixels, one below the other, of GROUPS output groups.
override GROUPS: u32 = 4u;
override STRIDE: u32 = 1u;

// Adds one column of the window for one pair of groups. `w` is where the weights of the column's first row begin.
fn add_column(sum: Tile, w: u32, row0: Tile, row1: Tile, row2: Tile) -> Tile {
    var s = multiply_add(sum, matrix(w), row0);
    s = multiply_add(s, matrix(w + 12u), row1);
    return multiply_add(s, matrix(w + 24u), row2);
}

fn finish_tile(sum: Tile, group: u32, x: u32, y: u32) {
    if group >= params.result_groups {
        return;
    }
    let at = (group * params.result_height + y) * params.result_width + x;
    finish(sum.a, at);
    if y + 1u < params.result_height {
        finish(sum.b, at + params.result_width);
    }
    if y + 2u < params.result_height {
        finish(sum.c, at + 2u * params.result_width);
    }
    if y + 3u < params.result_height {
        finish(sum.d, at + 3u * params.result_width);
    }
}

@compute @workgroup_size(16, 4)
fn conv3x3(@builtin(global_invocation_id) id: vec3<u32>) {
    let x = id.x;
    let y = id.y * 4u;
    if x >= params.result_width || y >= params.result_height {
        return;
    }
    // Groups beyond the last repeat the last, and are not stored.
    let g0 = id.z * GROUPS;
    let g = min(g0 + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.result_groups - 1u));
    let w = params.weight_base + g * 36u * params.source_groups;
    var s0 = filled(biases[params.bias_base + g.x]);
    var s1 = filled(biases[params.bias_base + g.y]);
    var s2 = filled(biases[params.bias_base + g.z]);
    var s3 = filled(biases[params.bias_base + g.w]);

    let left = i32(x * STRIDE) - i32(params.pad_left);
    let top = i32(y * STRIDE) - i32(params.pad_top);
    let plane_size = params.source_width * params.source_height;
    for (var i = 0u; i < params.source_groups; i++) {
        let plane = params.source_base + i * plane_size;
        for (var column = 0u; column < 3u; column++) {
            let at = left + i32(column);
            let r0 = padded(plane, at, top);
            let r1 = padded(plane, at, top + 1);
            let r2 = padded(plane, at, top + 2);
            let r3 = padded(plane, at, top + 3);
            let r4 = padded(plane, at, top + 4);
            let r5 = padded(plane, at, top + 5);
            var row0 = Tile(r0, r1, r2, r3);
            var row1 = Tile(r1, r2, r3, r4);
            var row2 = Tile(r2, r3, r4, r5);
            if STRIDE == 2u {
                let r6 = padded(plane, at, top + 6);
                let r7 = padded(plane, at, top + 7);
                let r8 = padded(plane, at, top + 8);
                row0 = Tile(r0, r2, r4, r6);
                row1 = Tile(r1, r3, r5, r7);
                row2 = Tile(r2, r4, r6, r8);
            }
            let offset = i * 36u + column * 4u;
            s0 = add_column(s0, w.x + offset, row0, row1, row2);
            if GROUPS > 1u {
                s1 = add_column(s1, w.y + offset, row0, row1, row2);
            }
            if GROUPS > 2u {
                s2 = add_column(s2, w.z + offset, row0, row1, row2);
            }
            if GROUPS > 3u {
                s3 = add_column(s3, w.w + offset, row0, row1, row2);
            }
        }
    }

    finish_tile(s0, g0, x, y);
    if GROUPS > 1u {
        finish_tile(s1, g0 + 1u, x, y);
    }
    if GROUPS > 2u {
        finish_tile(s2, g0 + 2u, x, y);
    }
    if GROUPS > 3u {
        finish_tile(s3, g0 + 3u, x, y);
    }
}
