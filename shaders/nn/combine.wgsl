// Two pictures of one shape, number by number.
@compute @workgroup_size(64)
fn combine(@builtin(global_invocation_id) id: vec3<u32>) {
    let pixels = params.result_width * params.result_height;
    if id.x >= pixels {
        return;
    }
    let at = id.y * pixels + id.x;
    let a = vec4<f32>(source[params.source_base + at]);
    let b = vec4<f32>(second[params.second_base + at]);
    var value = a + b;
    if params.second_use == SUBTRACT_BEFORE_ACTIVATION {
        value = a - b;
    } else if params.second_use == MULTIPLY_BEFORE_ACTIVATION {
        value = a * b;
    }
    result[params.result_base + at] = stored(activated(value));
}
