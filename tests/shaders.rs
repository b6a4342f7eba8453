//! Every shader is registered, and valid WGSL, without a GPU.

use std::path::{Path, PathBuf};

use impasto::gpu::Shader;

/// All shaders of the program. A new owner of shaders adds its list here.
fn registered() -> impl Iterator<Item = Shader> {
    let others = [impasto::nn::SHADERS, impasto::gpu::ceiling::SHADERS];
    impasto::pipeline::shaders().chain(others.into_iter().flatten().copied())
}

fn files_below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_below(&path, found);
        } else if path.extension().is_some_and(|e| e == "wgsl") {
            found.push(path);
        }
    }
}

#[test]
fn every_file_is_registered() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("shaders");
    let mut files = Vec::new();
    files_below(&root, &mut files);
    assert!(!files.is_empty());
    let shaders: Vec<Shader> = registered().collect();
    for file in files {
        let relative = file.strip_prefix(&root).unwrap().with_extension("");
        let name = relative.to_str().unwrap().replace('\\', "/");
        let text = std::fs::read_to_string(&file).unwrap();
        // A file is a shader of its name, or a part that some shader is put together from.
        let used = shaders.iter().any(|s| s.name == name || s.parts.contains(&text.as_str()));
        assert!(used, "{name}.wgsl is registered nowhere");
    }
}

/// The shader's module, valid.
fn checked(shader: &Shader) -> (naga::Module, naga::valid::ModuleInfo) {
    use naga::valid::{Capabilities, ValidationFlags, Validator};
    let wgsl = shader.wgsl();
    let module = naga::front::wgsl::parse_str(&wgsl)
        .unwrap_or_else(|e| panic!("{}: {}", shader.name, e.emit_to_string_with_path(&wgsl, shader.name)));
    // `pack2x16float` is in WebGPU's base set; naga asks for it because some GL drivers lack it.
    let base = Capabilities::SHADER_FLOAT16_IN_FLOAT32;
    let half = if wgsl.contains("enable f16;") { Capabilities::SHADER_FLOAT16 } else { Capabilities::empty() };
    let subgroups = if wgsl.contains("enable subgroups;") { Capabilities::SUBGROUP } else { Capabilities::empty() };
    let info = Validator::new(ValidationFlags::all(), base | half | subgroups)
        .validate(&module)
        .unwrap_or_else(|e| panic!("{}: {}", shader.name, e.emit_to_string_with_path(&wgsl, shader.name)));
    (module, info)
}

/// A shader that only Vulkan takes is found on any machine: each is written for Vulkan, Metal and Direct3D, as wgpu does it.
#[test]
fn every_shader_translates() {
    use naga::back::{hlsl, msl, pipeline_constants::process_overrides, spv};
    for shader in registered() {
        let (module, info) = checked(&shader);
        // What a pipeline does not set has its default.
        let (module, info) = process_overrides(&module, &info, None, &Default::default())
            .unwrap_or_else(|e| panic!("{}: {e}", shader.name));
        let words = spv::write_vec(&module, &info, &spv::Options { lang_version: (1, 3), ..Default::default() }, None)
            .unwrap_or_else(|e| panic!("{} as SPIR-V: {e}", shader.name));
        assert!(words.len() > 20, "{}", shader.name);
        let options = msl::Options { lang_version: (2, 4), ..Default::default() };
        let (metal, translated) = msl::write_string(&module, &info, &options, &msl::PipelineOptions::default())
            .unwrap_or_else(|e| panic!("{} as MSL: {e}", shader.name));
        for entry in translated.entry_point_names {
            let entry = entry.unwrap_or_else(|e| panic!("{} as MSL: {e}", shader.name));
            assert!(metal.contains(&entry), "{}: {entry} is not there", shader.name);
        }
        let options = hlsl::Options { shader_model: hlsl::ShaderModel::V6_2, ..Default::default() };
        let pipeline = hlsl::PipelineOptions::default();
        let mut text = String::new();
        let reflection = hlsl::Writer::new(&mut text, &options, &pipeline)
            .write(&module, &info, None)
            .unwrap_or_else(|e| panic!("{} as HLSL: {e}", shader.name));
        for entry in reflection.entry_point_names {
            let entry = entry.unwrap_or_else(|e| panic!("{} as HLSL: {e}", shader.name));
            assert!(text.contains(&entry), "{}: {entry} is not there", shader.name);
        }
    }
}

#[test]
fn every_shader_is_valid() {
    for shader in registered() {
        let (module, _) = checked(&shader);
        for entry in &module.entry_points {
            let stage = entry.stage;
            let name = shader.entry_point();
            let expected = match stage {
                naga::ShaderStage::Compute => name.to_owned(),
                naga::ShaderStage::Vertex => format!("{name}_vertex"),
                _ => format!("{name}_fragment"),
            };
            assert_eq!(entry.name, expected, "{}: the entry point is named as the file", shader.name);
        }
        assert!(!module.entry_points.is_empty(), "{} has no entry point", shader.name);
    }
}

/// One name may stand for variants of one kernel (its storage in half or single floats), never for the same text twice.
#[test]
fn nothing_is_registered_twice() {
    let mut all: Vec<_> = registered().map(|s| (s.name, s.wgsl())).collect();
    all.sort_unstable();
    for pair in all.windows(2) {
        assert_ne!(pair[0], pair[1], "{} is registered twice", pair[0].0);
    }
}
