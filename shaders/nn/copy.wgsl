// The source's channels into the result from `channel_offset` on, which need not begin a group. In the groups that are
// touched, channels before it stay and those after the last become zero.
fn source_channel(channel: u32, pixel: u32, pixels: u32) -> f32 {
    let four = vec4<f32>(source[params.source_base + channel / 4u * pixels + pixel]);
    return four[channel % 4u];
}

@compute @workgroup_size(64)
fn copy(@builtin(global_invocation_id) id: vec3<u32>) {
    let pixels = params.result_width * params.result_height;
    let group = params.channel_offset / 4u + id.y;
    let end = params.channel_offset + params.channels;
    if id.x >= pixels || 4u * group >= end {
        return;
    }
    let at = params.result_base + group * pixels + id.x;
    var value = vec4<f32>(0.0);
    if params.channel_offset % 4u == 0u {
        value = vec4<f32>(source[params.source_base + id.y * pixels + id.x]);
    } else {
        let old = vec4<f32>(result[at]);
        for (var lane = 0u; lane < 4u; lane++) {
            let channel = 4u * group + lane;
            if channel < params.channel_offset {
                value[lane] = old[lane];
            } else if channel < end {
                value[lane] = source_channel(channel - params.channel_offset, id.x, pixels);
            }
        }
    }
    result[at] = stored(value);
}
