//! What each step of a plan costs on this device, measured apart from the live picture.

use std::fmt;
use std::time::Duration;

use super::gpu::{EngineError, GpuStudent};
use super::plan::Step;
use crate::gpu::{Gpu, GpuError};

/// The steps of a student with the median time of each.
#[derive(Debug)]
pub struct Profile<'a> {
    steps: Vec<(&'a Step, Duration)>,
    whole: Duration,
}

impl Profile<'_> {
    /// In the order in which they run.
    pub fn steps(&self) -> &[(&Step, Duration)] {
        &self.steps
    }

    /// All steps in one pass, as a frame records them: less than the sum of the steps where they overlap.
    pub fn whole(&self) -> Duration {
        self.whole
    }
}

impl GpuStudent {
    /// Runs the network `rounds` times, then again with a pass and two time stamps for every step. Blocks until it is
    /// done: for reports, never beside a live picture. None when the device has no time stamps.
    ///
    /// # Errors
    /// When the device refuses something or is lost.
    pub fn profile(&self, gpu: &Gpu, rounds: usize) -> Result<Option<Profile<'_>>, EngineError> {
        let count = self.plan().steps().len();
        // Two queries for each step, two for all together.
        let queries = 2 * count as u32 + 2;
        if !gpu.caps.timestamps || queries > wgpu::QUERY_SET_MAX_QUERIES {
            return Ok(None);
        }
        let bytes = u64::from(queries) * 8;
        let (set, resolved, readback) = gpu.checked("nn profile", || {
            let buffer = |usage| {
                let label = Some("nn profile");
                gpu.device.create_buffer(&wgpu::BufferDescriptor {
                    label,
                    size: bytes,
                    usage,
                    mapped_at_creation: false,
                })
            };
            let set = gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
                label: Some("nn profile"),
                ty: wgpu::QueryType::Timestamp,
                count: queries,
            });
            Ok((
                set,
                buffer(wgpu::BufferUsages::QUERY_RESOLVE | wgpu::BufferUsages::COPY_SRC),
                buffer(wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ),
            ))
        })?;
        let mut ticks: Vec<Vec<u64>> = vec![Vec::new(); count + 1];
        for _ in 0..rounds.max(1) {
            let mut encoder = gpu.device.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            for pass_index in 0..=count {
                let first = 2 * pass_index as u32;
                let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                    label: Some("nn profile"),
                    timestamp_writes: Some(wgpu::ComputePassTimestampWrites {
                        query_set: &set,
                        beginning_of_pass_write_index: Some(first),
                        end_of_pass_write_index: Some(first + 1),
                    }),
                });
                if pass_index == count { self.record(&mut pass) } else { self.record_step(pass_index, &mut pass) }
            }
            encoder.resolve_query_set(&set, 0..queries, &resolved, 0);
            encoder.copy_buffer_to_buffer(&resolved, 0, &readback, 0, bytes);
            gpu.queue.submit([encoder.finish()]);
            readback.map_async(wgpu::MapMode::Read, .., |_| {});
            let lost = |e: String| EngineError::Gpu(GpuError::Lost(e));
            gpu.device.poll(wgpu::PollType::wait_indefinitely()).map_err(|e| lost(e.to_string()))?;
            {
                let stamps = readback.get_mapped_range(..).map_err(|e| lost(e.to_string()))?;
                let stamps: Vec<u64> = bytemuck::pod_collect_to_vec(&stamps);
                for (ticks, pair) in ticks.iter_mut().zip(stamps.chunks(2)) {
                    ticks.push(pair[1].saturating_sub(pair[0]));
                }
            }
            readback.unmap();
        }
        let period = f64::from(gpu.caps.timestamp_period_ns) * 1e-9;
        let mut medians = ticks.into_iter().map(|mut ticks| {
            ticks.sort_unstable();
            Duration::from_secs_f64(ticks[ticks.len() / 2] as f64 * period)
        });
        let steps = self.plan().steps().iter().zip(medians.by_ref()).collect();
        Ok(Some(Profile { steps, whole: medians.next().unwrap_or_default() }))
    }
}

impl fmt::Display for Profile<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<28} {:<14} {:>9} {:>9} {:>9}", "step", "kernel", "ms", "GFLOP/s", "GB/s")?;
        let line = |f: &mut fmt::Formatter<'_>, step: &str, kernel: &str, time: Duration, macs: u64, bytes: u64| {
            let ns = time.as_nanos().max(1) as f64;
            let (flops, bandwidth) = (2.0 * macs as f64 / ns, bytes as f64 / ns);
            writeln!(f, "{step:<28} {kernel:<14} {:>9.3} {flops:>9.1} {bandwidth:>9.1}", ns * 1e-6)
        };
        for (step, time) in &self.steps {
            line(f, &step.name, step.kernel.name(), *time, step.macs, step.bytes)?;
        }
        let mut kernels: Vec<&str> = self.steps.iter().map(|(s, _)| s.kernel.name()).collect();
        kernels.sort_unstable();
        kernels.dedup();
        for kernel in kernels {
            let of_kind = self.steps.iter().filter(|(s, _)| s.kernel.name() == kernel);
            let (time, macs, bytes) = of_kind.fold((Duration::ZERO, 0, 0), |(time, macs, bytes), (step, t)| {
                (time + *t, macs + step.macs, bytes + step.bytes)
            });
            line(f, "all", kernel, time, macs, bytes)?;
        }
        let all = |value: fn(&Step) -> u64| self.steps.iter().map(|(s, _)| value(s)).sum();
        line(f, "in one pass", "", self.whole, all(|s| s.macs), all(|s| s.bytes))
    }
}
