// As many multiply-adds as a device can do: eight chains of four numbers in each invocation, none waiting for another.
struct MultiplyAddParams {
    rounds: u32,
    scale: f32,
    shift: f32,
}

@group(0) @binding(0) var<uniform> params: MultiplyAddParams;
// One element for each invocation, where the chains begin and their sum ends.
@group(0) @binding(1) var<storage, read_write> chains: array<vec4<f32>>;

@compute @workgroup_size(64)
fn multiply_add(@builtin(global_invocation_id) id: vec3<u32>) {
    let scale = vec4<Number>(Number(params.scale));
    let shift = vec4<Number>(Number(params.shift));
    let first = vec4<Number>(chains[id.x]);
    var a = first;
    var b = first + shift;
    var c = b + shift;
    var d = c + shift;
    var e = d + shift;
    var f = e + shift;
    var g = f + shift;
    var h = g + shift;
    for (var round = 0u; round < params.rounds; round++) {
        a = fma(a, scale, shift);
        b = fma(b, scale, shift);
        c = fma(c, scale, shift);
        d = fma(d, scale, shift);
        e = fma(e, scale, shift);
        f = fma(f, scale, shift);
        g = fma(g, scale, shift);
        h = fma(h, scale, shift);
    }
    chains[id.x] = vec4<f32>(((a + b) + (c + d)) + ((e + f) + (g + h)));
}
