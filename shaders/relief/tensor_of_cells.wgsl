// How the painting changes, for cells of two by two pixels of the student: the structure tensor of its luma, before it is
// gathered over a neighbourhood; and how fine the camera's picture is there.

struct TensorLayout {
    // Of the student.
    width: u32,
    height: u32,
    // Of the cells: half of that, at least one.
    columns: u32,
    rows: u32,
}

// Four half floats: painting rgb, luma of the student's input.
@group(0) @binding(0) var<storage, read> steady: array<vec2<u32>>;
@group(0) @binding(1) var<uniform> tensor_layout: TensorLayout;
// Sums over the cell's pixels: slope across squared, across times down, down squared; and the squared Laplacian of the input.
@group(0) @binding(2) var<storage, read_write> tensor: array<vec4<f32>>;

// Luma of the painting, and of the input; the border's pixels repeat.
fn at(x: i32, y: i32) -> vec2<f32> {
    let near = clamp(vec2(x, y), vec2(0), vec2(i32(tensor_layout.width), i32(tensor_layout.height)) - 1);
    let packed = steady[u32(near.y) * tensor_layout.width + u32(near.x)];
    let red_green = unpack2x16float(packed.x);
    let blue_luma = unpack2x16float(packed.y);
    return vec2(dot(vec3(red_green, blue_luma.x), vec3(0.299, 0.587, 0.114)), blue_luma.y);
}

@compute @workgroup_size(8, 8)
fn tensor_of_cells(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= tensor_layout.columns || id.y >= tensor_layout.rows {
        return;
    }
    var sum = vec4(0.0);
    for (var i = 0; i < 4; i += 1) {
        let x = i32(id.x) * 2 + (i & 1);
        let y = i32(id.y) * 2 + (i >> 1u);
        let left = at(x - 1, y);
        let right = at(x + 1, y);
        let above = at(x, y - 1);
        let below = at(x, y + 1);
        let across = (right.x - left.x) * 0.5;
        let down = (below.x - above.x) * 0.5;
        let fine = left.y + right.y + above.y + below.y - 4.0 * at(x, y).y;
        sum += vec4(across * across, across * down, down * down, fine * fine);
    }
    tensor[id.y * tensor_layout.columns + id.x] = sum;
}
