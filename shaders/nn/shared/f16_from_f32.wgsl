// Numbers as they lie in memory: a float32 image in, float16 beyond.
enable f16;

alias Source = vec4<f32>;
alias Result = vec4<f16>;
alias Weight = vec4<f16>;

// Limited to the largest float16: beyond it lies infinity, which would spread.
fn stored(value: vec4<f32>) -> Result {
    return vec4<f16>(clamp(value, vec4<f32>(-65504.0), vec4<f32>(65504.0)));
}
