// Channel 4c + 2 dy + dx at (x, y) goes to channel c at (2x + dx, 2y + dy): the four channels of source group c are the
// four pixels of result channel c. An invocation makes a square of four pixels of one result group.
fn group_at(group: u32, x: u32, y: u32) -> vec4<f32> {
    if group >= params.source_groups {
        return vec4<f32>(0.0);
    }
    return vec4<f32>(source[params.source_base + (group * params.source_height + y) * params.source_width + x]);
}

@compute @workgroup_size(16, 4)
fn depth_to_space(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.source_width || id.y >= params.source_height {
        return;
    }
    let squares = transpose(mat4x4<f32>(
        group_at(4u * id.z, id.x, id.y),
        group_at(4u * id.z + 1u, id.x, id.y),
        group_at(4u * id.z + 2u, id.x, id.y),
        group_at(4u * id.z + 3u, id.x, id.y),
    ));
    let at = params.result_base + (id.z * params.result_height + 2u * id.y) * params.result_width + 2u * id.x;
    result[at] = stored(squares[0]);
    result[at + 1u] = stored(squares[1]);
    result[at + params.result_width] = stored(squares[2]);
    result[at + params.result_width + 1u] = stored(squares[3]);
}
