//! Timing each engine on each network, aside: on the builder's thread, or in a command without a window.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use super::PipelineFactory;
use super::build::Made;
use super::style_switch::ResolvedEffect;
use crate::autotune::{Machine, Network, Timing, Timings};
use crate::effect::{Effect, Variant};
use crate::nn::cpu::CpuOptions;
use crate::nn::cpu::kernels::Isa;
use crate::nn::engines::{Engine, registry};
use crate::nn::ort::OrtRuntime;
use crate::pipeline::ChainKind;
use crate::units::Extent;

/// Pictures that are timed, when they are quick.
const PICTURES: usize = 5;
/// No new picture is begun after this.
const LONG_ENOUGH: Duration = Duration::from_millis(300);
/// A network that takes longer than this for a picture is no use for live video: it is not timed further, nor are the same
/// engine's larger ones.
const HOPELESS_MS: f64 = 250.0;
/// The source whose shape the timed picture has.
const SHAPE: Extent = Extent::new(1280, 720);

/// One engine and one network, to be timed.
struct Candidate {
    engine: Engine,
    effect: Effect,
    variant: Variant,
}

/// What a variant's timing is filed under.
pub fn network(variant: &Variant) -> Network<'_> {
    Network { model: &variant.sha256, pixels: variant.pixel_budget }
}

impl PipelineFactory {
    /// What timings here depend on.
    pub fn machine(&self) -> Machine {
        let ort = self.catalog.ort().ok().map(OrtRuntime::info);
        Machine {
            device: self.device(),
            driver: self.gpu.caps.driver.clone(),
            onnx_runtime: ort.map(|info| info.version.clone()),
            processor: Isa::best().name().to_owned(),
            threads: CpuOptions::default().threads.get(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Times what has not been timed on this machine, the networks of `first` before all others, until `stop` says so, which
    /// is asked before each. Each is kept in the cache at once. `told` hears of each. Returns whether nothing is left.
    ///
    /// Takes up to half a second for each engine and network, and what compiling takes. With `quick`, our GPU engine on a
    /// software adapter is left for later: that alone can take seconds.
    pub fn autotune(
        &self,
        first: Option<&Effect>,
        quick: bool,
        stop: &dyn Fn() -> bool,
        told: &dyn Fn(&Timing),
    ) -> bool {
        let Some(mut timings) = self.catalog.timings(|| self.machine()) else { return true };
        let mut left = false;
        for candidate in self.untimed(&timings, first) {
            if stop() || self.gpu.is_lost() {
                return false;
            }
            let slow = candidate.engine == Engine::Wgpu && self.gpu.caps.software;
            if quick && slow {
                left = true;
                continue;
            }
            let timing = self.time(&candidate, &timings);
            if self.gpu.is_lost() {
                return false;
            }
            told(&timing);
            timings.put(timing);
            self.catalog.set_timings(&timings);
        }
        !left
    }

    /// Nothing was timed: it will be, anew.
    pub fn forget_timings(&self) {
        self.catalog.set_timings(&Timings::new(self.machine()));
    }

    /// Everything that could paint and was not timed: the quicker engine first, small networks before large ones.
    fn untimed(&self, timings: &Timings, first: Option<&Effect>) -> Vec<Candidate> {
        let found = self.catalog.found();
        // In the registry's order, which puts the engine first that would be taken untimed.
        // Where everything else runs on the processor, our engine for GPUs would be emulated on it: seconds for a picture, of
        // which the one that is shown would suffer.
        let emulated = self.gpu.caps.software && self.chain.choose(true, false) == ChainKind::Cpu;
        let fits = |engine: &Engine| !(emulated && *engine == Engine::Wgpu);
        let available = registry(self.facts()).into_iter().filter(|e| e.available()).map(|e| e.engine);
        let engines: Vec<Engine> = available.filter(fits).collect();
        let mut seen = HashSet::new();
        let mut candidates = Vec::new();
        for effect in first.into_iter().chain(found.gallery.effects()) {
            for &engine in &engines {
                for variant in effect.variants().iter().filter(|v| !v.sha256.is_empty()) {
                    let new = seen.insert((engine, variant.sha256.clone(), variant.pixel_budget));
                    if new && timings.find(engine, network(variant)).is_none() {
                        candidates.push(Candidate { engine, effect: effect.clone(), variant: variant.clone() });
                    }
                }
            }
        }
        candidates
    }

    fn time(&self, candidate: &Candidate, known: &Timings) -> Timing {
        let Candidate { engine, effect, variant } = candidate;
        let extent = variant.extent_for(SHAPE);
        let timing = |ms, runs, note| Timing {
            engine: *engine,
            model: variant.sha256.clone(),
            pixels: variant.pixel_budget,
            network: format!("{} {}", effect.pack.name, variant.id),
            width: extent.width,
            height: extent.height,
            ms,
            runs,
            note,
        };
        let smaller = effect.variants().iter().take_while(|v| v.id != variant.id);
        for smaller in smaller {
            if let Some(ms) = known.ms(*engine, network(smaller)).filter(|ms| *ms > HOPELESS_MS) {
                return timing(None, 0, Some(format!("not timed: {} already takes {ms:.0} ms", smaller.id)));
            }
        }
        let _busy = self.catalog.autotuning();
        let mut made = match self.student(&ResolvedEffect::plain(effect.clone()), variant, extent, *engine) {
            Ok(made) => made,
            Err(fault) => return timing(None, 0, Some(fault.what)),
        };
        let began = Instant::now();
        let mut took = Vec::with_capacity(PICTURES);
        // The first picture was painted when the student was made.
        while took.len() < PICTURES && (took.is_empty() || began.elapsed() < LONG_ENOUGH) {
            let one = match &mut made {
                Made::Gpu(student) => student.paint_once(&self.gpu).ok_or_else(|| "the GPU did not answer".to_owned()),
                Made::Cpu(student) => {
                    let began = Instant::now();
                    student.paint().map(|_| began.elapsed()).map_err(|e| e.to_string())
                }
                Made::Ort(student) => {
                    let began = Instant::now();
                    student.run_in_place().map(|_| began.elapsed()).map_err(|e| e.to_string())
                }
            };
            match one {
                Ok(one) => took.push(one.as_secs_f64() * 1e3),
                Err(why) => return timing(None, took.len() as u32, Some(why)),
            }
            if took.last().is_some_and(|ms| *ms > HOPELESS_MS) {
                break;
            }
        }
        took.sort_unstable_by(f64::total_cmp);
        // Microseconds are what the clock is good for.
        let ms = took.get(took.len() / 2).map(|ms| (ms * 1e3).round().max(1.0) / 1e3);
        let hopeless = ms.is_some_and(|ms| ms > HOPELESS_MS);
        timing(ms, took.len() as u32, hopeless.then(|| "far over any budget; not timed further".to_owned()))
    }
}
