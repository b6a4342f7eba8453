// Numbers as they lie in memory: float32 everywhere.
alias Source = vec4<f32>;
alias Result = vec4<f32>;
alias Weight = vec4<f32>;

fn stored(value: vec4<f32>) -> Result {
    return value;
}
