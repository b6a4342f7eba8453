// Each channel times its scale, plus its shift, through the activation.
@compute @workgroup_size(64)
fn affine(@builtin(global_invocation_id) id: vec3<u32>) {
    let pixels = params.result_width * params.result_height;
    if id.x >= pixels {
        return;
    }
    let at = id.y * pixels + id.x;
    let scale = biases[params.bias_base + id.y];
    let shift = biases[params.bias_base + params.result_groups + id.y];
    let value = vec4<f32>(source[params.source_base + at]) * scale + shift;
    result[params.result_base + at] = stored(activated(value));
}
