//! Executes a [`Plan`] with wgpu: everything is made once, then each frame records the same dispatches.
//!
//! All decisions lie in the plan. A step's shader is found by its kernel's name, its resources are bound by the names that
//! the shader gives them, its parameters lie in one uniform buffer. The steps go into one compute pass; wgpu puts a barrier
//! between two of them where one reads what the other wrote.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::plan::{Bank, KernelKind, Plan, Precision, Step, StepParams, channel_groups};
use crate::gpu::{Gpu, GpuError, Kernel, Shader, shader};
use crate::units::Extent;

/// Why a plan cannot be executed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error(transparent)]
    Gpu(#[from] GpuError),
    #[error("{device} has no float16; choose float32")]
    NoF16 { device: String },
    #[error("the network needs a buffer of {bytes} bytes and {device} binds at most {limit}; choose a smaller size")]
    TooLarge { bytes: u64, limit: u64, device: String },
    #[error("these weights are for another network or size; prepare the effect anew")]
    OtherStructure,
}

/// The same kernel for every way in which numbers lie in memory: what it reads, what it writes.
macro_rules! in_every_storage {
    ($name:literal $(, $part:literal)*) => {
        [
            shader!($name, uses "nn/shared/f32", uses "nn/shared/params" $(, uses $part)*),
            shader!($name, uses "nn/shared/f16", uses "nn/shared/params" $(, uses $part)*),
            shader!($name, uses "nn/shared/f16_from_f32", uses "nn/shared/params" $(, uses $part)*),
            shader!($name, uses "nn/shared/f32_from_f16", uses "nn/shared/params" $(, uses $part)*),
        ]
    };
}

const POINTWISE: [Shader; 4] = in_every_storage!("nn/pointwise", "nn/shared/finish", "nn/shared/tile");
const CONV3X3: [Shader; 4] = in_every_storage!("nn/conv3x3", "nn/shared/finish", "nn/shared/tile", "nn/shared/window");
const DEPTHWISE3X3: [Shader; 4] = in_every_storage!("nn/depthwise3x3", "nn/shared/finish", "nn/shared/window");
const RESIZE: [Shader; 4] = in_every_storage!("nn/resize");
const DEPTH_TO_SPACE: [Shader; 4] = in_every_storage!("nn/depth_to_space");
const COMBINE: [Shader; 4] = in_every_storage!("nn/combine");
const AFFINE: [Shader; 4] = in_every_storage!("nn/affine");
const COPY: [Shader; 4] = in_every_storage!("nn/copy");

/// Every shader of this folder, in every storage.
pub const SHADERS: &[Shader] = &{
    let kernels = [POINTWISE, CONV3X3, DEPTHWISE3X3, RESIZE, DEPTH_TO_SPACE, COMBINE, AFFINE, COPY];
    let mut all = [POINTWISE[0]; 32];
    let mut i = 0;
    while i < all.len() {
        all[i] = kernels[i / 4][i % 4];
        i += 1;
    }
    all
};

/// How the numbers that a step reads and writes lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Storage {
    F32,
    F16,
    F16FromF32,
    F32FromF16,
}

impl Storage {
    /// The image, the canvas and the painting are float32, the arena is in the plan's precision.
    pub fn of(step: &Step, precision: Precision) -> Self {
        match (precision, step.source, step.target) {
            (Precision::F32, ..) | (_, Bank::Image, Bank::Painted) => Self::F32,
            (Precision::F16, Bank::Image | Bank::Canvas, _) => Self::F16FromF32,
            (Precision::F16, _, Bank::Painted) => Self::F32FromF16,
            (Precision::F16, ..) => Self::F16,
        }
    }
}

/// The shader that runs a kernel.
pub fn shader_of(kernel: KernelKind, storage: Storage) -> Shader {
    let family = match kernel {
        KernelKind::Pointwise { .. } => &POINTWISE,
        KernelKind::Conv3x3 { .. } => &CONV3X3,
        KernelKind::Depthwise3x3 { .. } => &DEPTHWISE3X3,
        KernelKind::Resize { .. } => &RESIZE,
        KernelKind::DepthToSpace => &DEPTH_TO_SPACE,
        KernelKind::Combine => &COMBINE,
        KernelKind::Affine => &AFFINE,
        KernelKind::Copy => &COPY,
    };
    family[match storage {
        Storage::F32 => 0,
        Storage::F16 => 1,
        Storage::F16FromF32 => 2,
        Storage::F32FromF16 => 3,
    }]
}

/// A resource that `shaders/nn/shared/params.wgsl` declares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Resource {
    Params,
    Source,
    Second,
    Weights,
    Biases,
    Result,
}

impl Resource {
    /// The shader's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Params => "params",
            Self::Source => "source",
            Self::Second => "second",
            Self::Weights => "weights",
            Self::Biases => "biases",
            Self::Result => "result",
        }
    }

    /// Whether it changes with the style, and so is there twice.
    const fn is_styled(self) -> bool {
        matches!(self, Self::Weights | Self::Biases)
    }
}

/// Which resources a kernel uses.
pub const fn resources_of(kernel: KernelKind) -> &'static [Resource] {
    use Resource::{Biases, Params, Result, Second, Source, Weights};
    match kernel {
        KernelKind::Pointwise { .. } | KernelKind::Conv3x3 { .. } | KernelKind::Depthwise3x3 { .. } => {
            &[Params, Source, Second, Weights, Biases, Result]
        }
        KernelKind::Resize { .. } | KernelKind::DepthToSpace | KernelKind::Copy => &[Params, Source, Result],
        KernelKind::Combine => &[Params, Source, Second, Result],
        KernelKind::Affine => &[Params, Source, Biases, Result],
    }
}

/// A dispatch made ready.
#[derive(Debug)]
struct Dispatch {
    kernel: usize,
    /// For each set of weights.
    bindings: [wgpu::BindGroup; 2],
    invocations: [u32; 3],
}

/// A network at one size, ready to be recorded into a frame's commands.
#[derive(Debug)]
pub struct GpuStudent {
    kernels: Vec<Kernel>,
    dispatches: Vec<Dispatch>,
    image: wgpu::Buffer,
    canvas: Option<wgpu::Buffer>,
    painted: wgpu::Buffer,
    restyler: Restyler,
}

/// Gives a student that is painting other weights of the same network, without a pause: one of two sets is in use, the
/// other is filled aside, and a switch is one number. Cheap to clone.
///
/// [`Self::load`] may run on any thread, one at a time. [`Self::switch`] belongs on the thread that records and submits
/// frames, so that no frame recorded with a set is still to be submitted when the next load overwrites it; the queue does
/// the rest.
#[derive(Clone, Debug)]
pub struct Restyler {
    plan: Arc<Plan>,
    sets: [WeightSet; 2],
    used: Arc<AtomicUsize>,
}

#[derive(Clone, Debug)]
struct WeightSet {
    weights: wgpu::Buffer,
    biases: wgpu::Buffer,
}

impl WeightSet {
    fn upload(&self, gpu: &Gpu, plan: &Plan) {
        gpu.queue.write_buffer(&self.weights, 0, plan.weights());
        gpu.queue.write_buffer(&self.biases, 0, bytemuck::cast_slice(plan.biases()));
    }
}

impl Restyler {
    /// The size and precision that other weights must be planned for.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Uploads the weights of `plan` to the set that is not in use. Nothing changes to the eye until [`Self::switch`].
    ///
    /// # Errors
    /// When `plan` is of another network, size or precision.
    pub fn load(&self, gpu: &Gpu, plan: &Plan) -> Result<(), EngineError> {
        if !self.plan.same_structure(plan) {
            return Err(EngineError::OtherStructure);
        }
        self.sets[1 - self.used()].upload(gpu, plan);
        Ok(())
    }

    /// From the next recording on the student paints with what was loaded last.
    pub fn switch(&self) {
        self.used.store(1 - self.used(), Ordering::Release);
    }

    fn used(&self) -> usize {
        self.used.load(Ordering::Acquire) % 2
    }
}

impl GpuStudent {
    /// Compiles the kernels, makes the buffers and uploads the weights. Takes long: call it on the side.
    ///
    /// # Errors
    /// When the device lacks float16 that the plan wants, cannot bind a buffer as large as needed, or refuses something.
    pub fn new(gpu: &Gpu, plan: &Plan) -> Result<Self, EngineError> {
        let device = &gpu.caps.name;
        if plan.precision() == Precision::F16 && !gpu.caps.f16 {
            return Err(EngineError::NoF16 { device: device.clone() });
        }
        let limit = gpu.caps.max_storage_binding_bytes;
        let picture_bytes = plan.extent().pixels() * 16;
        let canvas_bytes =
            plan.canvas().map_or(0, |shape| u64::from(channel_groups(shape.channels)) * shape.extent.pixels() * 16);
        let sizes = [picture_bytes, canvas_bytes, plan.weights().len() as u64];
        let needed = plan.banks().iter().copied().chain(sizes).max();
        if let Some(bytes) = needed.filter(|bytes| *bytes > limit) {
            return Err(EngineError::TooLarge { bytes, limit, device: device.clone() });
        }
        let made = gpu.checked("nn", || {
            let buffer = |label: &str, size: u64, usage: wgpu::BufferUsages| {
                gpu.device.create_buffer(&wgpu::BufferDescriptor {
                    label: Some(label),
                    size,
                    usage: usage | wgpu::BufferUsages::COPY_DST,
                    mapped_at_creation: false,
                })
            };
            let picture = wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC;
            let params_stride = (size_of::<StepParams>() as u64)
                .next_multiple_of(u64::from(gpu.device.limits().min_uniform_buffer_offset_alignment));
            let params =
                buffer("nn params", params_stride * plan.steps().len().max(1) as u64, wgpu::BufferUsages::UNIFORM);
            for (step, at) in plan.steps().iter().zip((0..).step_by(params_stride as usize)) {
                gpu.queue.write_buffer(&params, at, bytemuck::bytes_of(&step.params));
            }
            let arena: Vec<wgpu::Buffer> = plan
                .banks()
                .iter()
                .enumerate()
                .map(|(n, bytes)| buffer(&format!("nn bank {n}"), *bytes, wgpu::BufferUsages::STORAGE))
                .collect();
            Ok((
                buffer("nn image", picture_bytes, picture),
                // New buffers are zeros, which is what a network without a canvas is to see.
                (canvas_bytes > 0).then(|| buffer("nn canvas", canvas_bytes, picture)),
                buffer("nn painted", picture_bytes, picture),
                [0, 1].map(|_| WeightSet {
                    weights: buffer("nn weights", plan.weights().len() as u64, wgpu::BufferUsages::STORAGE),
                    biases: buffer("nn biases", size_of_val(plan.biases()) as u64, wgpu::BufferUsages::STORAGE),
                }),
                arena,
                params,
                params_stride,
            ))
        })?;
        let (image, canvas, painted, sets, arena, params, params_stride) = made;

        let mut kernels = Vec::new();
        let mut known: HashMap<(KernelKind, Storage), usize> = HashMap::new();
        let mut dispatches = Vec::with_capacity(plan.steps().len());
        for (step, params_at) in plan.steps().iter().zip((0..).step_by(params_stride as usize)) {
            let storage = Storage::of(step, plan.precision());
            let kernel = match known.get(&(step.kernel, storage)) {
                Some(&kernel) => kernel,
                None => {
                    kernels.push(Kernel::new(gpu, shader_of(step.kernel, storage), &step.kernel.constants())?);
                    known.insert((step.kernel, storage), kernels.len() - 1);
                    kernels.len() - 1
                }
            };
            let bank = |bank: Bank| match bank {
                Bank::Image => &image,
                // A plan that reads it has one.
                Bank::Canvas => canvas.as_ref().unwrap_or(&image),
                Bank::Painted => &painted,
                Bank::Arena(n) => &arena[usize::from(n)],
            };
            let bind = |set: &WeightSet| {
                let resources: Vec<(&str, wgpu::BindingResource<'_>)> = resources_of(step.kernel)
                    .iter()
                    .map(|resource| {
                        let bound = match resource {
                            Resource::Params => wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                                buffer: &params,
                                offset: params_at,
                                size: wgpu::BufferSize::new(size_of::<StepParams>() as u64),
                            }),
                            Resource::Source => bank(step.source).as_entire_binding(),
                            // Something must be bound; without a use it is not read.
                            Resource::Second => bank(step.second.unwrap_or(step.source)).as_entire_binding(),
                            Resource::Weights => set.weights.as_entire_binding(),
                            Resource::Biases => set.biases.as_entire_binding(),
                            Resource::Result => bank(step.target).as_entire_binding(),
                        };
                        (resource.name(), bound)
                    })
                    .collect();
                kernels[kernel].bind(gpu, &resources)
            };
            let first = bind(&sets[0])?;
            let styled = resources_of(step.kernel).iter().any(|resource| resource.is_styled());
            let second = if styled { bind(&sets[1])? } else { first.clone() };
            dispatches.push(Dispatch { kernel, bindings: [first, second], invocations: step.invocations() });
        }
        let restyler = Restyler { plan: Arc::new(plan.clone()), sets, used: Arc::new(AtomicUsize::new(0)) };
        restyler.sets[0].upload(gpu, plan);
        Ok(Self { kernels, dispatches, image, canvas, painted, restyler })
    }

    pub fn extent(&self) -> Extent {
        self.restyler.plan.extent()
    }

    pub fn plan(&self) -> &Plan {
        &self.restyler.plan
    }

    /// For other styles of the same network while it paints.
    pub fn restyler(&self) -> Restyler {
        self.restyler.clone()
    }

    /// Distinct compute pipelines.
    pub fn pipelines(&self) -> usize {
        self.kernels.len()
    }

    /// Where the image is to be put before the steps run: `array<vec4<f32>>`, one element for each pixel, row-major; red,
    /// green and blue in 0..1 and any finite number.
    pub fn input(&self) -> &wgpu::Buffer {
        &self.image
    }

    /// Where the canvas is to be put before the steps run, of a network that takes one: `array<vec4<f32>>`, as
    /// [`crate::nn::plan`] lays out [`Plan::canvas`]'s channels. It stays from frame to frame; zeros at first.
    pub fn canvas(&self) -> Option<&wgpu::Buffer> {
        self.canvas.as_ref()
    }

    /// Where the painting is after the steps ran, like the image.
    pub fn output(&self) -> &wgpu::Buffer {
        &self.painted
    }

    /// Records all steps. Allocates nothing and makes no GPU objects.
    pub fn record(&self, pass: &mut wgpu::ComputePass<'_>) {
        let used = self.restyler.used();
        for dispatch in &self.dispatches {
            self.kernels[dispatch.kernel].dispatch(pass, &dispatch.bindings[used], dispatch.invocations);
        }
    }

    /// Paints whatever is in [`Self::input`], waits for it, and returns how long that took: to fill the driver's caches, and
    /// for the autotune. `None` when the GPU did not answer within ten seconds. Not for the frame path.
    pub fn paint_once(&self, gpu: &Gpu) -> Option<Duration> {
        let began = Instant::now();
        let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("warm up") });
        self.record(
            &mut encoder
                .begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some("warm up"), timestamp_writes: None }),
        );
        let submission = gpu.queue.submit([encoder.finish()]);
        let wait = wgpu::PollType::Wait { submission_index: Some(submission), timeout: Some(Duration::from_secs(10)) };
        gpu.device.poll(wait).ok().map(|_| began.elapsed())
    }

    /// Records one step of [`Plan::steps`], for measuring it by itself.
    pub fn record_step(&self, step: usize, pass: &mut wgpu::ComputePass<'_>) {
        if let Some(dispatch) = self.dispatches.get(step) {
            let bindings = &dispatch.bindings[self.restyler.used()];
            self.kernels[dispatch.kernel].dispatch(pass, bindings, dispatch.invocations);
        }
    }

    /// Replaces the weights by those of `plan`: the same network in another style. An upload, effective from the next
    /// recording on.
    ///
    /// # Errors
    /// When `plan` is of another network, size or precision.
    pub fn load_weights(&self, gpu: &Gpu, plan: &Plan) -> Result<(), EngineError> {
        self.restyler.load(gpu, plan)?;
        self.restyler.switch();
        Ok(())
    }
}
