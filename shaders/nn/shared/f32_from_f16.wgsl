// Numbers as they lie in memory: float16 in, a float32 painting out.
enable f16;

alias Source = vec4<f16>;
alias Result = vec4<f32>;
alias Weight = vec4<f16>;

fn stored(value: vec4<f32>) -> Result {
    return value;
}
