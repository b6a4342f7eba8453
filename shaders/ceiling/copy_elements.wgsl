// Each number read once and written once.
@group(0) @binding(0) var<storage, read> from_elements: array<vec4<f32>>;
@group(0) @binding(1) var<storage, read_write> to_elements: array<vec4<f32>>;

@compute @workgroup_size(256)
fn copy_elements(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < arrayLength(&from_elements) {
        to_elements[id.x] = from_elements[id.x];
    }
}
