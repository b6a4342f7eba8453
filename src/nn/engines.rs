//! The engines: what each needs, whether it is there, what it runs on; and which one runs a student where nothing was timed.
//!
//! Pure: facts about the machine in, a list and a decision out. It starts nothing and measures nothing; what engines take is
//! the business of [`crate::autotune`].

use std::fmt;
use std::str::FromStr;

use super::ort::{OrtError, OrtInfo};
use crate::gpu::GpuCaps;

/// What runs the student. Written `wgpu`, `cpu`, `ort` or `ort:PROVIDER`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Engine {
    /// Our kernels, on the adapter that also shows the picture.
    Wgpu,
    /// Our kernels, on the processor, on a thread of their own.
    Cpu,
    /// ONNX Runtime, on a thread of its own.
    Ort(Provider),
}

/// What ONNX Runtime runs a network with: one of its execution providers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Provider {
    #[default]
    Cpu,
    TensorRt,
    Cuda,
    DirectMl,
    CoreMl,
    OpenVino,
    Qnn,
    Xnnpack,
    WebGpu,
}

impl Provider {
    pub const ALL: [Self; 9] = [
        Self::TensorRt,
        Self::Cuda,
        Self::DirectMl,
        Self::CoreMl,
        Self::OpenVino,
        Self::Qnn,
        Self::Xnnpack,
        Self::WebGpu,
        Self::Cpu,
    ];

    /// As it is called by its makers.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::TensorRt => "TensorRT",
            Self::Cuda => "CUDA",
            Self::DirectMl => "DirectML",
            Self::CoreMl => "CoreML",
            Self::OpenVino => "OpenVINO",
            Self::Qnn => "QNN",
            Self::Xnnpack => "XNNPACK",
            Self::WebGpu => "WebGPU",
        }
    }

    /// What it runs on, and what a library that has it is called.
    const fn needs(self) -> &'static str {
        match self {
            Self::Cpu => "ONNX Runtime ('cargo xtask setup --onnxruntime' fetches it)",
            Self::TensorRt | Self::Cuda => "an NVIDIA GPU, and ONNX Runtime built for it (PyPI onnxruntime-gpu)",
            Self::DirectMl => "Windows, and ONNX Runtime built for it (PyPI onnxruntime-directml)",
            Self::CoreMl => "macOS, and ONNX Runtime for it (PyPI onnxruntime)",
            Self::OpenVino => {
                "an Intel processor, GPU or NPU, and ONNX Runtime built for it ('cargo xtask setup --onnxruntime openvino')"
            }
            Self::Qnn => "a Qualcomm NPU, and ONNX Runtime built for it (PyPI onnxruntime-qnn)",
            Self::Xnnpack => "ONNX Runtime built with XNNPACK, as on Android",
            Self::WebGpu => "a GPU, and ONNX Runtime built with WebGPU (npm onnxruntime-node)",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wgpu => f.pad("wgpu"),
            Self::Cpu => f.pad("cpu"),
            Self::Ort(Provider::Cpu) => f.pad("ort"),
            Self::Ort(provider) => f.pad(&format!("ort:{}", provider.name().to_ascii_lowercase())),
        }
    }
}

impl From<Engine> for String {
    fn from(engine: Engine) -> Self {
        engine.to_string()
    }
}

impl FromStr for Engine {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        if let Some(wanted) = lower.strip_prefix("ort:") {
            let known = Provider::ALL.into_iter().find(|p| p.name().eq_ignore_ascii_case(wanted));
            return known.map(Self::Ort).ok_or_else(|| {
                let names: Vec<_> = Provider::ALL.iter().map(|p| p.name().to_ascii_lowercase()).collect();
                format!("'{text}' is not an engine: after 'ort:' choose {}", names.join(", "))
            });
        }
        match lower.as_str() {
            "wgpu" => Ok(Self::Wgpu),
            "cpu" => Ok(Self::Cpu),
            "ort" => Ok(Self::Ort(Provider::Cpu)),
            _ => Err(format!("'{text}' is not an engine: choose wgpu, cpu, ort or ort:PROVIDER")),
        }
    }
}

impl TryFrom<String> for Engine {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// What the user asked for: `--engine auto`, or one of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EngineWish {
    #[default]
    Auto,
    Only(Engine),
}

impl FromStr for EngineWish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.eq_ignore_ascii_case("auto") {
            return Ok(Self::Auto);
        }
        text.parse().map(Self::Only).map_err(|e| e.replace("choose wgpu", "choose auto, wgpu"))
    }
}

impl fmt::Display for EngineWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.pad("auto"),
            Self::Only(engine) => engine.fmt(f),
        }
    }
}

/// What is known of the machine.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// The adapter that is open, if any.
    pub gpu: Option<&'a GpuCaps>,
    /// The instructions that our kernels would use on the processor.
    pub isa: &'a str,
    /// ONNX Runtime, or why there is none.
    pub ort: Result<&'a OrtInfo, &'a OrtError>,
}

/// An engine of the registry.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Entry {
    pub engine: Engine,
    pub needs: &'static str,
    /// What it would run on; `None` where it cannot be had.
    pub runs_on: Option<String>,
    /// Why it cannot be had.
    pub trouble: Option<String>,
}

impl Entry {
    pub fn available(&self) -> bool {
        self.runs_on.is_some()
    }
}

/// Every engine, the first that is available being the one to take where nothing was timed.
///
/// A real GPU paints beside the processor, so it comes first. On a software adapter our GPU kernels are emulated on the very
/// processor that the others use directly, so they come last.
pub fn registry(facts: Facts<'_>) -> Vec<Entry> {
    let entry = |engine, needs, found: Result<String, String>| {
        let (runs_on, trouble) = match found {
            Ok(runs_on) => (Some(runs_on), None),
            Err(trouble) => (None, Some(trouble)),
        };
        Entry { engine, needs, runs_on, trouble }
    };
    let no_adapter = || "there is no graphics adapter; install a Vulkan driver".to_owned();
    let wgpu = entry(Engine::Wgpu, "a graphics adapter", facts.gpu.map(adapter).ok_or_else(no_adapter));
    let cpu = entry(Engine::Cpu, "nothing but the processor", Ok(format!("the processor, with {}", facts.isa)));
    let ort = Provider::ALL.map(|provider| {
        let found = match facts.ort {
            Ok(info) if info.providers.iter().any(|p| p == provider.name()) => {
                Ok(format!("ONNX Runtime {} with {}", info.version, provider.name()))
            }
            Ok(info) => Err(format!("ONNX Runtime {} was built without it", info.version)),
            Err(error) => Err(error.to_string()),
        };
        entry(Engine::Ort(provider), provider.needs(), found)
    });
    let mut all = vec![cpu];
    // Plain ONNX Runtime first: the other providers are for whoever asks, until they were timed.
    all.extend(ort.into_iter().rev());
    let real = facts.gpu.is_some_and(|gpu| !gpu.software);
    all.insert(if real { 0 } else { all.len() }, wgpu);
    all
}

/// An engine and the reason for it: one clause, no full stop.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Choice {
    pub engine: Engine,
    pub why: String,
}

/// The engine that was asked for cannot run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the engine {engine} cannot run: {why}; it needs {needs}. Use --engine cpu, which needs nothing")]
pub struct ChooseError {
    pub engine: Engine,
    pub why: String,
    pub needs: &'static str,
}

/// Picks an engine where nothing was timed.
///
/// # Errors
/// When the wish cannot be met. A wish is met or refused, never turned into something else.
pub fn choose(wish: EngineWish, facts: Facts<'_>) -> Result<Choice, ChooseError> {
    let entries = registry(facts);
    let wanted = |entry: &&Entry| match wish {
        EngineWish::Auto => entry.available(),
        EngineWish::Only(engine) => entry.engine == engine,
    };
    // The processor is always there, and every engine has an entry.
    let Some(entry) = entries.iter().find(wanted) else {
        return Ok(Choice { engine: Engine::Cpu, why: "nothing else is there".to_owned() });
    };
    let Entry { engine, needs, .. } = *entry;
    match (&entry.runs_on, wish) {
        (None, _) => Err(ChooseError { engine, why: entry.trouble.clone().unwrap_or_default(), needs }),
        (Some(on), EngineWish::Only(_)) => Ok(Choice { engine, why: format!("asked for; runs on {on}") }),
        (Some(on), EngineWish::Auto) => {
            let why = match (engine, facts.gpu) {
                (Engine::Wgpu, _) => format!("{on} is a real GPU"),
                (_, Some(gpu)) => format!("{} is a software adapter, so {on} is faster", gpu.name),
                (_, None) => format!("there is no graphics adapter; {on}"),
            };
            Ok(Choice { engine, why })
        }
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
        let providers = vec!["OpenVINO".to_owned(), "CPU".to_owned()];
        let found = OrtInfo { path: "lib".into(), version: "1.32.0".into(), providers };
        let missing = OrtError::NotFound { looked: vec![PathBuf::from("/somewhere/lib")] };
        let (real, soft) = (gpu(false), gpu(true));
        let choice = |wish, gpu, ort| choose(wish, Facts { gpu, isa: "AVX2", ort });
        let engine = |wish, gpu, ort| choice(wish, gpu, ort).map(|c| c.engine);
        let only = EngineWish::Only;
        use Engine::{Cpu, Ort, Wgpu};
        use EngineWish::Auto;

        for ort in [Ok(&found), Err(&missing)] {
            assert_eq!(engine(Auto, Some(&real), ort), Ok(Wgpu));
            assert_eq!(engine(Auto, Some(&soft), ort), Ok(Cpu));
            assert_eq!(engine(Auto, None, ort), Ok(Cpu));
            assert_eq!(engine(only(Cpu), None, ort), Ok(Cpu));
            assert_eq!(engine(only(Wgpu), Some(&soft), ort), Ok(Wgpu));
            assert_eq!(engine(only(Wgpu), None, ort).unwrap_err().engine, Wgpu);
        }
        assert_eq!(engine(only(Ort(Provider::Cpu)), Some(&real), Ok(&found)), Ok(Ort(Provider::Cpu)));
        assert_eq!(engine(only(Ort(Provider::OpenVino)), None, Ok(&found)), Ok(Ort(Provider::OpenVino)));
        let refused = choice(only(Ort(Provider::Cuda)), None, Ok(&found)).unwrap_err().to_string();
        assert!(
            refused.contains("ort:cuda") && refused.contains("without it") && refused.contains("NVIDIA"),
            "{refused}"
        );
        let refused = choice(only(Ort(Provider::Cpu)), Some(&real), Err(&missing)).unwrap_err().to_string();
        assert!(refused.contains("not found") && refused.contains("xtask setup"), "{refused}");

        let why = choice(Auto, Some(&soft), Err(&missing)).unwrap().why;
        assert!(why.contains("llvmpipe") && why.contains("AVX2"), "{why}");
    }

    #[test]
    fn the_registry_lists_every_engine_once_with_its_state() {
        let missing = OrtError::NotFound { looked: Vec::new() };
        let entries = registry(Facts { gpu: None, isa: "plain", ort: Err(&missing) });
        assert_eq!(entries.len(), 2 + Provider::ALL.len());
        for (index, entry) in entries.iter().enumerate() {
            assert!(entry.runs_on.is_some() != entry.trouble.is_some(), "{entry:?}");
            assert!(!entries[..index].iter().any(|other| other.engine == entry.engine));
        }
        let available: Vec<_> = entries.iter().filter(|e| e.available()).map(|e| e.engine).collect();
        assert_eq!(available, [Engine::Cpu]);
    }

    #[test]
    fn wishes_are_read_and_written_alike() {
        let ort = Provider::ALL.map(Engine::Ort);
        let engines = ort.into_iter().chain([Engine::Wgpu, Engine::Cpu]);
        for wish in engines.map(EngineWish::Only).chain([EngineWish::Auto]) {
            assert_eq!(wish.to_string().parse(), Ok(wish));
        }
        assert_eq!("ORT:OpenVINO".parse(), Ok(EngineWish::Only(Engine::Ort(Provider::OpenVino))));
        assert!("cuda".parse::<EngineWish>().unwrap_err().contains("auto, wgpu, cpu, ort"));
        assert!("ort:steam".parse::<EngineWish>().unwrap_err().contains("openvino"));
    }
}
