//! WGSL sources, named as their files are.

/// One compute or render shader: a file under `shaders/` and the shared files that are put before it.
///
/// The name is the path below `shaders/` without the ending, for example `"nn/pointwise"`; its last part is also the
/// entry point of a compute shader, the label of its pipeline, and the name of its CPU kernel.
#[derive(Clone, Copy, Debug)]
pub struct Shader {
    pub name: &'static str,
    /// Texts that together are one WGSL module, shared parts first.
    pub parts: &'static [&'static str],
}

impl Shader {
    /// The whole WGSL module.
    pub fn wgsl(&self) -> String {
        self.parts.concat()
    }

    /// The last part of the name.
    pub fn entry_point(&self) -> &'static str {
        self.name.rsplit('/').next().unwrap_or(self.name)
    }
}

/// `shader!("compose/blend", uses "shared/color", uses "shared/sample")`
macro_rules! shader {
    ($name:literal $(, uses $part:literal)* $(,)?) => {
        $crate::gpu::Shader {
            name: $name,
            parts: &[
                $(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $part, ".wgsl")),)*
                include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/shaders/", $name, ".wgsl")),
            ],
        }
    };
}
pub(crate) use shader;
