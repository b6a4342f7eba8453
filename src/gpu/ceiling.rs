//! What a device can do at best: the bandwidth of a copy, the rate of multiply-adds, the cost of a dispatch. Blocks for a
//! second or two; never beside a live picture.

use std::time::{Duration, Instant};

use wgpu::util::DeviceExt as _;

use super::{Gpu, GpuError, Kernel, Shader, shader};
use crate::metrics::roofline::Ceiling;

const MULTIPLY_ADD: Shader = shader!("ceiling/multiply_add", uses "ceiling/shared/f32");
const MULTIPLY_ADD_F16: Shader = shader!("ceiling/multiply_add", uses "ceiling/shared/f16");
const COPY: Shader = shader!("ceiling/copy_elements");

/// The shaders of this file.
pub const SHADERS: &[Shader] = &[MULTIPLY_ADD, MULTIPLY_ADD_F16, COPY];

/// Long enough that starting and waiting do not count, short enough for drivers that end what hangs.
const ENOUGH: Duration = Duration::from_millis(40);
/// Of each figure the best of so many is taken: what else runs on the machine only makes it worse.
const TRIES: usize = 5;
/// Invocations that multiply and add: more than any device runs at once.
const INVOCATIONS: u32 = 1 << 16;
/// Multiplications and additions of an invocation in a round: eight chains of four numbers.
const FLOP_A_ROUND: f64 = 2.0 * 8.0 * 4.0;
/// Dispatches in a row, each behind the one before.
const DISPATCHES: u32 = 256;

/// Mirrors `MultiplyAddParams` in `shaders/ceiling/multiply_add.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub struct MultiplyAddParams {
    pub rounds: u32,
    pub scale: f32,
    pub shift: f32,
}

/// Measures `gpu`; copies go through about `working_set_bytes` again and again.
///
/// # Errors
/// When the device refuses something or is lost.
pub fn measure(gpu: &Gpu, working_set_bytes: u64) -> Result<Ceiling, GpuError> {
    let half = if gpu.caps.f16 { Some(flop_per_s(gpu, MULTIPLY_ADD_F16)?) } else { None };
    let (bytes_per_s, working_set_bytes) = copied_per_s(gpu, working_set_bytes)?;
    Ok(Ceiling {
        bytes_per_s,
        working_set_bytes,
        flop_per_s: flop_per_s(gpu, MULTIPLY_ADD)?,
        half_flop_per_s: half,
        dispatch_s: Some(dispatch_s(gpu)?),
    })
}

fn buffer(gpu: &Gpu, label: &str, bytes: u64) -> Result<wgpu::Buffer, GpuError> {
    gpu.checked(label, || {
        Ok(gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size: bytes,
            usage: wgpu::BufferUsages::STORAGE,
            mapped_at_creation: false,
        }))
    })
}

/// What `count` dispatches in one pass take, until the GPU is done with them.
fn timed(
    gpu: &Gpu,
    kernel: &Kernel,
    bindings: &wgpu::BindGroup,
    invocations: u32,
    count: u32,
) -> Result<Duration, GpuError> {
    let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: Some("ceiling") });
    {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        for _ in 0..count {
            kernel.dispatch(&mut pass, bindings, [invocations, 1, 1]);
        }
    }
    let commands = encoder.finish();
    let began = Instant::now();
    gpu.submit([commands]);
    gpu.device.poll(wgpu::PollType::wait_indefinitely()).map_err(|e| GpuError::Lost(e.to_string()))?;
    Ok(began.elapsed())
}

/// Units of work a second: the amount is doubled until it takes long enough, then the best of a few is taken. `took` runs
/// an amount.
fn rate(mut took: impl FnMut(u32) -> Result<Duration, GpuError>) -> Result<f64, GpuError> {
    let mut amount = 1;
    while took(amount)? < ENOUGH && amount < 1 << 20 {
        amount *= 2;
    }
    let mut least = Duration::MAX;
    for _ in 0..TRIES {
        least = least.min(took(amount)?);
    }
    Ok(f64::from(amount) / least.as_secs_f64())
}

fn flop_per_s(gpu: &Gpu, shader: Shader) -> Result<f64, GpuError> {
    let kernel = Kernel::new(gpu, shader, &[])?;
    let chains = buffer(gpu, "ceiling chains", u64::from(INVOCATIONS) * 16)?;
    let rounds = rate(|rounds| {
        let params = MultiplyAddParams { rounds, scale: 0.5, shift: 0.25 };
        let bindings = with_params(gpu, &kernel, &params, &chains)?;
        timed(gpu, &kernel, &bindings, INVOCATIONS, 1)
    })?;
    Ok(rounds * f64::from(INVOCATIONS) * FLOP_A_ROUND)
}

fn with_params(
    gpu: &Gpu,
    kernel: &Kernel,
    params: &MultiplyAddParams,
    chains: &wgpu::Buffer,
) -> Result<wgpu::BindGroup, GpuError> {
    let uniform = gpu.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: Some("ceiling params"),
        contents: bytemuck::bytes_of(params),
        usage: wgpu::BufferUsages::UNIFORM,
    });
    kernel.bind(gpu, &[("params", uniform.as_entire_binding()), ("chains", chains.as_entire_binding())])
}

/// Bytes read and written a second, and the size of both buffers together.
fn copied_per_s(gpu: &Gpu, working_set_bytes: u64) -> Result<(f64, u64), GpuError> {
    let kernel = Kernel::new(gpu, COPY, &[])?;
    let most = gpu.caps.max_storage_binding_bytes.min(u64::from(u16::MAX) * 256 * 16);
    let elements = (working_set_bytes / 2).clamp(1 << 16, most) / 16;
    let [from, to] = ["ceiling from", "ceiling to"].map(|label| buffer(gpu, label, elements * 16));
    let resources = [from?, to?];
    let named =
        [("from_elements", resources[0].as_entire_binding()), ("to_elements", resources[1].as_entire_binding())];
    let bindings = kernel.bind(gpu, &named)?;
    let copies = rate(|copies| timed(gpu, &kernel, &bindings, elements as u32, copies))?;
    Ok((copies * 2.0 * 16.0 * elements as f64, 2 * 16 * elements))
}

/// To start a dispatch that depends on the one before.
fn dispatch_s(gpu: &Gpu) -> Result<f64, GpuError> {
    let kernel = Kernel::new(gpu, MULTIPLY_ADD, &[])?;
    let chains = buffer(gpu, "ceiling chains", 64 * 16)?;
    let bindings = with_params(gpu, &kernel, &MultiplyAddParams { rounds: 0, scale: 0.5, shift: 0.25 }, &chains)?;
    let mut least = [Duration::MAX; 2];
    for _ in 0..TRIES {
        for (least, count) in least.iter_mut().zip([1, 1 + DISPATCHES]) {
            *least = (*least).min(timed(gpu, &kernel, &bindings, 64, count)?);
        }
    }
    Ok(least[1].saturating_sub(least[0]).as_secs_f64() / f64::from(DISPATCHES))
}
