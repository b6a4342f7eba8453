//! A network on one of our engines, part by part, beside what the device can do at best ([`crate::metrics::roofline`]).

use std::time::{Duration, Instant};

use super::cpu::{CpuError, CpuStudent, ceiling as cpu_ceiling};
use super::gpu::{EngineError, GpuStudent};
use super::plan::Precision;
use crate::gpu::{Gpu, ceiling as gpu_ceiling};
use crate::metrics::roofline::{Part, Roofline};

/// Pictures that are painted for each figure; the median counts.
const ROUNDS: usize = 15;

/// Dispatch by dispatch. `None` where the device has no time stamps.
///
/// # Errors
/// When the device refuses something or is lost.
pub fn on_gpu(gpu: &Gpu, student: &GpuStudent) -> Result<Option<Roofline>, EngineError> {
    let plan = student.plan();
    let half = plan.precision() == Precision::F16;
    let ceiling = gpu_ceiling::measure(gpu, plan.arena_bytes())?;
    let Some(profile) = student.profile(gpu, ROUNDS)? else { return Ok(None) };
    let part = |(step, took): &(&super::plan::Step, Duration)| {
        let kernel = step.kernel.name().to_owned();
        Part::new(step.name.clone(), kernel, (2 * step.macs, step.bytes), *took, &ceiling, half)
    };
    let parts = profile.steps().iter().map(part).collect();
    let whole_s = profile.whole().as_secs_f64();
    let device = format!("{} ({})", gpu.caps.name, gpu.caps.backend);
    Ok(Some(Roofline { engine: "wgpu".to_owned(), device, half, ceiling, parts, whole_s }))
}

/// Block by block; a block's stages share a tile, so that only what goes in and out of it counts as bytes.
///
/// # Errors
/// When the engine breaks down.
pub fn on_cpu(student: &mut CpuStudent) -> Result<Roofline, CpuError> {
    let (isa, threads) = (student.isa(), student.threads());
    let working_set: u64 = student.plan().blocks().iter().map(|block| block.cost.bytes).sum();
    let ceiling = cpu_ceiling::measure(isa, threads, working_set);
    let mut whole = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let began = Instant::now();
        student.paint()?;
        whole.push(began.elapsed());
    }
    whole.sort_unstable();
    let times = student.step_times(ROUNDS)?;
    let part = |(block, times): (&super::plan::fused::Block, &super::cpu::BlockTimes)| {
        let kernel = match block.stages.len() {
            1 => student.plan().stages()[block.stages.start].operation.name().to_owned(),
            stages => format!("{stages} stages"),
        };
        let took = times.steps.iter().map(|(_, took)| *took).sum();
        let work = (2 * block.cost.macs_once, block.cost.bytes);
        Part::new(block.name.clone(), kernel, work, took, &ceiling, false)
    };
    let parts = student.plan().blocks().iter().zip(&times).map(part).collect();
    let device =
        format!("{}, {}", isa.name(), if threads == 1 { "1 thread".into() } else { format!("{threads} threads") });
    let whole_s = whole[ROUNDS / 2].as_secs_f64();
    Ok(Roofline { engine: "cpu".to_owned(), device, half: false, ceiling, parts, whole_s })
}
