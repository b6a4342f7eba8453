// The end of a convolution. `at` counts elements from the result's first, and from the second picture's.
fn finish(sum: vec4<f32>, at: u32) {
    var value = sum;
    if params.second_use == ADD_BEFORE_ACTIVATION {
        value += vec4<f32>(second[params.second_base + at]);
    }
    value = activated(value);
    if params.second_use == ADD_AFTER_ACTIVATION {
        value += vec4<f32>(second[params.second_base + at]);
    }
    result[params.result_base + at] = stored(value);
}
