// What every kernel of a student is told, and what it works on. Sizes in pixels; bases and planes in elements of four
// channels: element ((group * height) + y) * width + x.
struct StepParams {
    source_width: u32,
    source_height: u32,
    result_width: u32,
    result_height: u32,
    source_base: u32,
    second_base: u32,
    result_base: u32,
    weight_base: u32,
    source_groups: u32,
    result_groups: u32,
    bias_base: u32,
    channel_offset: u32,
    pad_left: u32,
    pad_top: u32,
    second_use: u32,
    activation: u32,
    low: f32,
    high: f32,
    channels: u32,
    unused: u32,
}

const ADD_AFTER_ACTIVATION = 1u;
const ADD_BEFORE_ACTIVATION = 2u;
const SUBTRACT_BEFORE_ACTIVATION = 3u;
const MULTIPLY_BEFORE_ACTIVATION = 4u;

const SIGMOID = 1u;

@group(0) @binding(0) var<uniform> params: StepParams;
@group(0) @binding(1) var<storage, read> source: array<Source>;
@group(0) @binding(2) var<storage, read> second: array<Source>;
@group(0) @binding(3) var<storage, read> weights: array<Weight>;
@group(0) @binding(4) var<storage, read> biases: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> result: array<Result>;

fn activated(value: vec4<f32>) -> vec4<f32> {
    if params.activation == SIGMOID {
        // Infinity need not exist in a shader.
        return 1.0 / (1.0 + exp(min(-value, vec4<f32>(80.0))));
    }
    return clamp(value, vec4<f32>(params.low), vec4<f32>(params.high));
}
