//! Which engine runs the student, and why, in words fit for the screen.
//!
//! Pure: facts about the machine in, a decision out. It starts nothing and measures nothing.

use std::fmt;

use crate::gpu::GpuCaps;

use super::ort::{OrtError, OrtInfo};

/// What runs the student.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// Our kernels, on the adapter that also shows the picture.
    Wgpu,
    /// ONNX Runtime, on a thread of its own.
    Ort,
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wgpu => "wgpu",
            Self::Ort => "ort",
        })
    }
}

/// What the user asked for: `--engine auto|wgpu|ort`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EngineWish {
    #[default]
    Auto,
    Wgpu,
    Ort,
}

impl std::str::FromStr for EngineWish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "wgpu" => Ok(Self::Wgpu),
            "ort" => Ok(Self::Ort),
            _ => Err(format!("'{text}' is not an engine: choose auto, wgpu or ort")),
        }
    }
}

impl fmt::Display for EngineWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Wgpu => "wgpu",
            Self::Ort => "ort",
        })
    }
}

/// An engine and the reason for it: one clause, no full stop.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Choice {
    pub engine: Engine,
    pub why: String,
}

/// Why no engine can run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChooseError {
    #[error(
        "the engine wgpu needs a graphics adapter, and there is none; use --engine ort, or install a Vulkan driver"
    )]
    NoAdapter,
    #[error("the engine ort cannot run: {0}")]
    NoRuntime(String),
    #[error("there is neither a graphics adapter nor ONNX Runtime: {0}")]
    Nothing(String),
}

/// Picks an engine. `gpu` is the adapter that is open, if any; `ort` is the ONNX Runtime that was found, or why none was.
///
/// # Errors
/// When the wish cannot be met, or when the machine has neither.
pub fn choose(
    wish: EngineWish,
    gpu: Option<&GpuCaps>,
    ort: Result<&OrtInfo, &OrtError>,
) -> Result<Choice, ChooseError> {
    let choice = |engine, why| Ok(Choice { engine, why });
    match (wish, gpu, ort) {
        (EngineWish::Wgpu, Some(gpu), _) => choice(Engine::Wgpu, format!("asked for; runs on {}", adapter(gpu))),
        (EngineWish::Wgpu, None, _) => Err(ChooseError::NoAdapter),
        (EngineWish::Ort, _, Ok(ort)) => choice(Engine::Ort, format!("asked for; ONNX Runtime {}", ort.version)),
        (EngineWish::Ort, _, Err(error)) => Err(ChooseError::NoRuntime(error.to_string())),
        (EngineWish::Auto, Some(gpu), _) if !gpu.software => {
            choice(Engine::Wgpu, format!("{} is a real GPU", adapter(gpu)))
        }
        (EngineWish::Auto, Some(gpu), Ok(ort)) => choice(
            Engine::Ort,
            format!("{} is a software adapter, so ONNX Runtime {} on the CPU is faster", gpu.name, ort.version),
        ),
        (EngineWish::Auto, Some(gpu), Err(_)) => choice(
            Engine::Wgpu,
            format!("{} is a software adapter, so this is slow, but ONNX Runtime was not found", gpu.name),
        ),
        (EngineWish::Auto, None, Ok(ort)) => {
            choice(Engine::Ort, format!("there is no graphics adapter; ONNX Runtime {} on the CPU", ort.version))
        }
        (EngineWish::Auto, None, Err(error)) => Err(ChooseError::Nothing(error.to_string())),
    }
}

fn adapter(gpu: &GpuCaps) -> String {
    format!("{} ({}, {})", gpu.name, gpu.kind, gpu.backend)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn gpu(software: bool) -> GpuCaps {
        GpuCaps {
            name: if software { "llvmpipe" } else { "Radeon" }.into(),
            backend: "vulkan".into(),
            kind: if software { "cpu" } else { "discrete" }.into(),
            driver: String::new(),
            software,
            f16: true,
            timestamps: true,
            timestamp_period_ns: 1.0,
            max_storage_binding_bytes: 1 << 27,
            max_workgroup_storage_bytes: 1 << 15,
        }
    }

    #[test]
    fn every_machine_gets_its_engine_and_a_reason() {
        let found = OrtInfo { path: "lib".into(), version: "1.32.0".into(), providers: vec!["CPU".into()] };
        let missing = OrtError::NotFound { looked: vec![PathBuf::from("/somewhere/lib")] };
        let (real, soft) = (gpu(false), gpu(true));
        let engine = |wish, gpu, ort| choose(wish, gpu, ort).map(|c| c.engine);
        use EngineWish::{Auto, Ort, Wgpu};

        assert_eq!(engine(Auto, Some(&real), Ok(&found)), Ok(Engine::Wgpu));
        assert_eq!(engine(Auto, Some(&real), Err(&missing)), Ok(Engine::Wgpu));
        assert_eq!(engine(Auto, Some(&soft), Ok(&found)), Ok(Engine::Ort));
        assert_eq!(engine(Auto, Some(&soft), Err(&missing)), Ok(Engine::Wgpu));
        assert_eq!(engine(Auto, None, Ok(&found)), Ok(Engine::Ort));
        assert!(matches!(engine(Auto, None, Err(&missing)), Err(ChooseError::Nothing(_))));
        // A wish is met or refused, never turned into something else.
        assert_eq!(engine(Wgpu, Some(&soft), Ok(&found)), Ok(Engine::Wgpu));
        assert_eq!(engine(Wgpu, None, Ok(&found)), Err(ChooseError::NoAdapter));
        assert_eq!(engine(Ort, Some(&real), Ok(&found)), Ok(Engine::Ort));
        assert!(matches!(engine(Ort, Some(&real), Err(&missing)), Err(ChooseError::NoRuntime(_))));

        let slow = choose(Auto, Some(&soft), Err(&missing)).unwrap().why;
        assert!(slow.contains("llvmpipe") && slow.contains("slow") && slow.contains("ONNX Runtime"), "{slow}");
    }

    #[test]
    fn wishes_are_read_and_written_alike() {
        for wish in [EngineWish::Auto, EngineWish::Wgpu, EngineWish::Ort] {
            assert_eq!(wish.to_string().parse(), Ok(wish));
        }
        assert!("cuda".parse::<EngineWish>().unwrap_err().contains("auto, wgpu or ort"));
    }
}
