// Four pixels of one channel group.
struct Tile {
    a: vec4<f32>,
    b: vec4<f32>,
    c: vec4<f32>,
    d: vec4<f32>,
}

fn filled(value: vec4<f32>) -> Tile {
    return Tile(value, value, value, value);
}

// The weights from one group to another: column i belongs to input channel i.
fn matrix(at: u32) -> mat4x4<f32> {
    return mat4x4<f32>(
        vec4<f32>(weights[at]),
        vec4<f32>(weights[at + 1u]),
        vec4<f32>(weights[at + 2u]),
        vec4<f32>(weights[at + 3u]),
    );
}

fn multiply_add(sum: Tile, m: mat4x4<f32>, x: Tile) -> Tile {
    return Tile(sum.a + m * x.a, sum.b + m * x.b, sum.c + m * x.c, sum.d + m * x.d);
}
