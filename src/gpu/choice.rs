//! Which of the machine's graphics adapters is opened.

use std::fmt;
use std::str::FromStr;

use super::GpuError;

/// What was asked for. Read from text, and written back as it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum GpuChoice {
    /// The fastest one.
    #[default]
    Fastest,
    /// The one that saves power, where there are two.
    Thrifty,
    /// The fastest of a kind.
    Kind(GpuKind),
    /// The first whose name holds this, in capitals or not.
    Named(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GpuKind {
    Discrete,
    Integrated,
    /// Runs on the processor.
    Software,
}

impl GpuKind {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Discrete => "discrete",
            Self::Integrated => "integrated",
            Self::Software => "software",
        }
    }

    const fn is(self, kind: wgpu::DeviceType) -> bool {
        matches!(
            (self, kind),
            (Self::Discrete, wgpu::DeviceType::DiscreteGpu)
                | (Self::Integrated, wgpu::DeviceType::IntegratedGpu)
                | (Self::Software, wgpu::DeviceType::Cpu)
        )
    }
}

impl FromStr for GpuChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let kinds = [GpuKind::Discrete, GpuKind::Integrated, GpuKind::Software];
        match text.trim() {
            "" => {
                Err("name an adapter as `impasto doctor` lists it, or write fastest, thrifty, discrete, integrated or \
                       software"
                    .to_owned())
            }
            word if word.eq_ignore_ascii_case("fastest") || word.eq_ignore_ascii_case("auto") => Ok(Self::Fastest),
            word if word.eq_ignore_ascii_case("thrifty") => Ok(Self::Thrifty),
            word => Ok(match kinds.into_iter().find(|kind| word.eq_ignore_ascii_case(kind.name())) {
                Some(kind) => Self::Kind(kind),
                None => Self::Named(word.to_owned()),
            }),
        }
    }
}

impl fmt::Display for GpuChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fastest => f.pad("fastest"),
            Self::Thrifty => f.pad("thrifty"),
            Self::Kind(kind) => f.pad(kind.name()),
            Self::Named(name) => f.pad(name),
        }
    }
}

/// An adapter that a graphics driver offers, whether opened or not.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Adapter {
    pub name: String,
    /// `vulkan`, `metal`, `dx12`, `gl`.
    pub backend: String,
    /// `discrete`, `integrated`, `virtual`, `cpu`, `other`.
    pub kind: &'static str,
    pub driver: String,
}

impl From<wgpu::AdapterInfo> for Adapter {
    fn from(info: wgpu::AdapterInfo) -> Self {
        Self {
            name: info.name,
            backend: info.backend.to_str().to_owned(),
            kind: kind_name(info.device_type),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
        }
    }
}

pub(super) const fn kind_name(kind: wgpu::DeviceType) -> &'static str {
    match kind {
        wgpu::DeviceType::DiscreteGpu => "discrete",
        wgpu::DeviceType::IntegratedGpu => "integrated",
        wgpu::DeviceType::VirtualGpu => "virtual",
        wgpu::DeviceType::Cpu => "cpu",
        wgpu::DeviceType::Other => "other",
    }
}

/// All adapters, the same one once for each backend that offers it.
pub fn adapters(instance: &wgpu::Instance) -> Vec<Adapter> {
    let found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    found.iter().map(|adapter| adapter.get_info().into()).collect()
}

/// The adapter that was asked for and that can present to `surface`.
pub(super) fn adapter(
    instance: &wgpu::Instance,
    choice: &GpuChoice,
    surface: Option<&wgpu::Surface<'static>>,
) -> Result<wgpu::Adapter, GpuError> {
    let request = |power_preference, force_fallback_adapter| {
        pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions {
            power_preference,
            force_fallback_adapter,
            compatible_surface: surface,
            ..Default::default()
        }))
        .map_err(|e| GpuError::NoAdapter(e.to_string()))
    };
    let fits: Box<dyn Fn(&wgpu::AdapterInfo) -> bool> = match choice {
        GpuChoice::Fastest => return request(wgpu::PowerPreference::HighPerformance, false),
        GpuChoice::Thrifty => return request(wgpu::PowerPreference::LowPower, false),
        GpuChoice::Kind(GpuKind::Software) => return request(wgpu::PowerPreference::None, true),
        GpuChoice::Kind(kind) => Box::new(|info| kind.is(info.device_type)),
        GpuChoice::Named(name) => {
            let name = name.to_lowercase();
            Box::new(move |info| info.name.to_lowercase().contains(&name))
        }
    };
    let found = pollster::block_on(instance.enumerate_adapters(wgpu::Backends::all()));
    let known: Vec<String> = found.iter().map(|adapter| adapter.get_info().name).collect();
    // Native interfaces come before the one that only emulates them.
    let presents = |adapter: &wgpu::Adapter| surface.is_none_or(|surface| adapter.is_surface_supported(surface));
    let mut fitting: Vec<wgpu::Adapter> =
        found.into_iter().filter(|adapter| fits(&adapter.get_info()) && presents(adapter)).collect();
    fitting.sort_by_key(|adapter| adapter.get_info().backend == wgpu::Backend::Gl);
    fitting.into_iter().next().ok_or_else(|| GpuError::NotThere { wanted: choice.to_string(), known: listed(known) })
}

/// Each name once.
fn listed(mut names: Vec<String>) -> String {
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_are_read_and_written_alike() {
        for (text, choice) in [
            ("fastest", GpuChoice::Fastest),
            ("thrifty", GpuChoice::Thrifty),
            ("discrete", GpuChoice::Kind(GpuKind::Discrete)),
            ("Integrated", GpuChoice::Kind(GpuKind::Integrated)),
            ("software", GpuChoice::Kind(GpuKind::Software)),
            ("Radeon 780M", GpuChoice::Named("Radeon 780M".into())),
        ] {
            assert_eq!(text.parse::<GpuChoice>().unwrap(), choice);
            assert!(choice.to_string().eq_ignore_ascii_case(text));
        }
        assert_eq!("auto".parse::<GpuChoice>().unwrap(), GpuChoice::Fastest);
        assert!(" ".parse::<GpuChoice>().is_err());
    }
}
