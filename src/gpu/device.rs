//! Finding an adapter and opening it, and the one place that asks what it can do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::choice::{self, GpuChoice};
use super::{GpuClock, GpuWork};

/// What was wrong with the GPU or with something given to it.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    #[error(
        "no graphics adapter was found ({0}); install a Vulkan driver, on Debian: apt install mesa-vulkan-drivers libvulkan1"
    )]
    NoAdapter(String),
    #[error("there is no graphics adapter '{wanted}' that can be used here; there are: {known}")]
    NotThere { wanted: String, known: String },
    #[error("the graphics adapter {adapter} could not be opened: {cause}")]
    NoDevice { adapter: String, cause: String },
    #[error("shader {shader}: {cause}")]
    Shader { shader: String, cause: String },
    #[error("shader {shader} has no resource named '{resource}'; it has: {known}")]
    UnknownResource { shader: String, resource: String, known: String },
    #[error("{what} failed on the GPU: {cause}")]
    Validation { what: String, cause: String },
    #[error("the GPU was lost: {0}")]
    Lost(String),
}

/// What an adapter is and can do, as far as this program cares.
#[derive(Clone, Debug, serde::Serialize)]
pub struct GpuCaps {
    pub name: String,
    /// `vulkan`, `metal`, `dx12`, `gl`.
    pub backend: String,
    /// `discrete`, `integrated`, `virtual`, `cpu`, `other`.
    pub kind: String,
    pub driver: String,
    /// Runs on the CPU (lavapipe, WARP, SwiftShader): correct, and far too slow for networks.
    pub software: bool,
    /// `f16` in shaders.
    pub f16: bool,
    /// Time stamps at the beginning and end of passes.
    pub timestamps: bool,
    /// Nanoseconds per time stamp tick; 0 without time stamps.
    pub timestamp_period_ns: f32,
    pub max_storage_binding_bytes: u64,
    pub max_workgroup_storage_bytes: u32,
}

/// Which adapter to open.
#[derive(Default)]
pub struct GpuRequest<'a> {
    /// The window that it must be able to present to.
    pub surface: Option<&'a wgpu::Surface<'static>>,
    pub choice: GpuChoice,
}

/// An opened adapter. Cheap to clone; clones share one device.
#[derive(Clone)]
pub struct Gpu {
    pub instance: wgpu::Instance,
    pub adapter: wgpu::Adapter,
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    pub caps: Arc<GpuCaps>,
    /// Brings the GPU's time stamps to the CPU's clock.
    pub clock: Arc<GpuClock>,
    /// Counts what is recorded and submitted.
    pub work: Arc<GpuWork>,
    lost: Arc<AtomicBool>,
    shared: Arc<Mutex<SharedTextures>>,
}

/// Textures that all users of a device share, by their label, and those of them that are filled.
#[derive(Default)]
struct SharedTextures {
    textures: Vec<(String, wgpu::Texture)>,
    filled: Vec<&'static str>,
}

impl Gpu {
    /// The instance through which windows and adapters are reached. `display` is the window system's connection, if any.
    pub fn instance(display: Option<Box<dyn wgpu::wgt::WgpuHasDisplayHandle>>) -> wgpu::Instance {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        descriptor.display = display;
        wgpu::Instance::new(descriptor)
    }

    /// Opens the best adapter without a window.
    ///
    /// # Errors
    /// When there is none, or it does not open.
    pub fn headless() -> Result<Self, GpuError> {
        Self::headless_as(&GpuChoice::default())
    }

    /// Opens the adapter that was asked for without a window.
    ///
    /// # Errors
    /// When it is not there, or does not open.
    pub fn headless_as(choice: &GpuChoice) -> Result<Self, GpuError> {
        Self::open(Self::instance(None), &GpuRequest { choice: choice.clone(), surface: None })
    }

    /// Opens the best adapter that fits the request.
    ///
    /// # Errors
    /// When there is none, or it does not open.
    pub fn open(instance: wgpu::Instance, request: &GpuRequest<'_>) -> Result<Self, GpuError> {
        let adapter = choice::adapter(&instance, &request.choice, request.surface)?;
        let info = adapter.get_info();
        let wanted = wgpu::Features::SHADER_F16
            | wgpu::Features::TIMESTAMP_QUERY
            | wgpu::Features::TIMESTAMP_QUERY_INSIDE_ENCODERS
            | wgpu::Features::SUBGROUP
            | wgpu::Features::PIPELINE_CACHE;
        let features = adapter.features() & wanted;
        let (device, queue) = pollster::block_on(adapter.request_device(&wgpu::DeviceDescriptor {
            label: Some("impasto"),
            required_features: features,
            required_limits: adapter.limits(),
            memory_hints: wgpu::MemoryHints::Performance,
            ..Default::default()
        }))
        .map_err(|e| GpuError::NoDevice { adapter: info.name.clone(), cause: e.to_string() })?;

        let lost = Arc::new(AtomicBool::new(false));
        let flag = lost.clone();
        device.set_device_lost_callback(move |reason, message| {
            // Nothing destroys a device that is still in use but `lose`.
            log::error!("the GPU was lost ({reason:?}) {message}");
            flag.store(true, Ordering::Release);
        });
        // The default handler panics. An error here is a bug of ours, but the picture must go on.
        device.on_uncaptured_error(Arc::new(|error| log::error!("GPU: {error}")));

        let timestamps = features.contains(wgpu::Features::TIMESTAMP_QUERY);
        let limits = device.limits();
        let caps = GpuCaps {
            name: info.name,
            backend: info.backend.to_str().to_owned(),
            kind: choice::kind_name(info.device_type).to_owned(),
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            software: info.device_type == wgpu::DeviceType::Cpu,
            f16: features.contains(wgpu::Features::SHADER_F16),
            timestamps,
            timestamp_period_ns: if timestamps { queue.get_timestamp_period() } else { 0.0 },
            max_storage_binding_bytes: limits.max_storage_buffer_binding_size,
            max_workgroup_storage_bytes: limits.max_compute_workgroup_storage_size,
        };
        let clock = Arc::new(GpuClock::new(f64::from(caps.timestamp_period_ns)));
        let work = Arc::default();
        let gpu =
            Self { instance, adapter, device, queue, caps: Arc::new(caps), clock, work, lost, shared: Arc::default() };
        GpuClock::calibrate(&gpu);
        Ok(gpu)
    }

    /// Hands recorded commands to the GPU.
    pub fn submit(&self, commands: impl IntoIterator<Item = wgpu::CommandBuffer>) -> wgpu::SubmissionIndex {
        self.work.submitted();
        self.queue.submit(commands)
    }

    /// The texture of that label that all users of the device share, made when it is first asked for. Not for the frame path.
    ///
    /// # Errors
    /// When the device refuses it.
    pub fn shared_texture(&self, descriptor: &wgpu::TextureDescriptor<'_>) -> Result<wgpu::Texture, GpuError> {
        let label = descriptor.label.unwrap_or_default();
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, texture)) = shared.textures.iter().find(|(name, _)| name == label) {
            return Ok(texture.clone());
        }
        let texture = self.checked(label, || Ok(self.device.create_texture(descriptor)))?;
        shared.textures.push((label.to_owned(), texture.clone()));
        Ok(texture)
    }

    /// True the first time that it is asked about a shared texture: whoever asked fills it.
    pub fn is_first_use(&self, label: &'static str) -> bool {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let first = !shared.filled.contains(&label);
        if first {
            shared.filled.push(label);
        }
        first
    }

    /// Whether the driver took the device away. Everything made from it is dead then: open a new one.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// As [`Self::is_lost`], asking the device itself: where nothing else does, because nothing is drawn yet.
    pub fn look_whether_lost(&self) -> bool {
        // A device that is gone answers with an error, and calls back.
        let gone = self.device.poll(wgpu::PollType::Poll).is_err();
        gone || self.is_lost()
    }

    /// Destroys the device, as a driver does that crashes: to try out what becomes of the program. [`Self::is_lost`] says so
    /// once the device is polled.
    pub fn lose(&self) {
        self.device.destroy();
    }

    /// Runs `build`, which makes GPU objects, and turns what the device finds wrong with them into an error.
    ///
    /// # Errors
    /// What `build` returns, or what validation or memory allocation said.
    pub fn checked<T>(&self, what: &str, build: impl FnOnce() -> Result<T, GpuError>) -> Result<T, GpuError> {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let built = build();
        let errors = [pollster::block_on(validation.pop()), pollster::block_on(memory.pop())];
        let built = built?;
        match errors.into_iter().flatten().next() {
            None => Ok(built),
            Some(error) => Err(GpuError::Validation { what: what.to_owned(), cause: error.to_string() }),
        }
    }
}

impl std::fmt::Debug for Gpu {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gpu").field("caps", &self.caps).finish_non_exhaustive()
    }
}
