//! What painting takes on this machine: each engine times each network once, and remembers it.
//!
//! A [`Timing`] is what one engine took for one network at the network's own size; a [`Timings`] is all of them on one
//! [`Machine`]. They say which engine is the faster one here, and where on the ladder to begin. [`Cache`] keeps them in the
//! user's cache folder. What was timed on another device, driver, ONNX Runtime, number of threads or version of the program
//! does not count, nor what was timed for another network file: that part is timed again.
//!
//! Pure but for [`Cache`]: running a network is the business of whoever has the engines. Knows neither GPUs nor frames.

mod cache;

pub use cache::{Cache, SCHEMA};

use crate::nn::engines::{Choice, Engine};
use crate::units::Budget;

/// What a timing depends on, apart from the network.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Machine {
    /// The graphics adapter, and how it is reached.
    pub device: String,
    pub driver: String,
    /// Version of ONNX Runtime; `None` without one.
    pub onnx_runtime: Option<String>,
    /// The instructions that our kernels use on the processor.
    #[serde(default)]
    pub processor: String,
    /// Threads that the engines on the processor work with.
    pub threads: usize,
    /// Of this program.
    pub version: String,
}

/// A network file, and how many pixels it is given: one file may paint at several sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network<'a> {
    /// SHA-256 of the file.
    pub model: &'a str,
    pub pixels: u64,
}

/// What one engine takes for one network.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Timing {
    pub engine: Engine,
    /// SHA-256 of the network's file.
    pub model: String,
    /// How many it may be given; `width` and `height` are what became of that.
    pub pixels: u64,
    /// For people: pack and variant.
    pub network: String,
    /// The picture's size, pixels.
    pub width: u32,
    pub height: u32,
    /// Median of `runs` pictures, milliseconds; `None` where it was not timed, and `note` says why.
    pub ms: Option<f64>,
    pub runs: u32,
    pub note: Option<String>,
}

/// Everything that was timed on a machine.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Timings {
    pub machine: Machine,
    pub timings: Vec<Timing>,
}

/// Share of the budget that a network may take to be the first choice: the rest is for everything else, and a margin.
pub const FIRST_CHOICE: f64 = 0.6;

impl Timing {
    fn network(&self) -> Network<'_> {
        Network { model: &self.model, pixels: self.pixels }
    }
}

impl Timings {
    pub fn new(machine: Machine) -> Self {
        Self { machine, timings: Vec::new() }
    }

    pub fn find(&self, engine: Engine, network: Network<'_>) -> Option<&Timing> {
        self.timings.iter().find(|t| t.engine == engine && t.network() == network)
    }

    /// What `engine` takes for the network, milliseconds, if it was timed.
    pub fn ms(&self, engine: Engine, network: Network<'_>) -> Option<f64> {
        self.find(engine, network)?.ms
    }

    /// Takes a timing in, in place of an older one of the same.
    pub fn put(&mut self, timing: Timing) {
        self.timings.retain(|t| t.engine != timing.engine || t.network() != timing.network());
        self.timings.push(timing);
    }

    /// The engine for an effect with these `networks`, smallest first: the one that paints the largest of them in its
    /// share of the budget; of several that do the GPU, which leaves the processor free, else the fastest; where none does,
    /// the fastest. `None` while nothing was timed.
    pub fn choose(&self, networks: &[Network<'_>], budget: Budget) -> Option<Choice> {
        let within = budget.ms() * FIRST_CHOICE;
        let largest = |engine| networks.iter().rposition(|n| self.ms(engine, *n).is_some_and(|ms| ms <= within));
        let smallest = *networks.first()?;
        let engines = {
            let mut engines: Vec<Engine> = Vec::new();
            for timing in &self.timings {
                if networks.contains(&timing.network()) && !engines.contains(&timing.engine) {
                    engines.push(timing.engine);
                }
            }
            engines
        };
        let best = engines.iter().filter_map(|engine| largest(*engine)).max();
        let (engine, index) = match best {
            Some(index) => {
                let paints = |engine: &Engine| largest(*engine) == Some(index);
                let fastest = || self.fastest(engines.iter().copied().filter(|e| paints(e)), networks[index]);
                let gpu = engines.contains(&Engine::Wgpu) && paints(&Engine::Wgpu);
                (if gpu { Engine::Wgpu } else { fastest()? }, index)
            }
            None => (self.fastest(engines.iter().copied(), smallest)?, 0),
        };
        let words = |engine: &Engine| match self.find(*engine, networks[index])? {
            Timing { ms: Some(ms), .. } => Some(format!("{engine} {ms:.1} ms")),
            _ => Some(format!("{engine} far too slow")),
        };
        let all: Vec<_> = engines.iter().filter_map(words).collect();
        let Timing { network, width, height, .. } = self.find(engine, networks[index])?;
        Some(Choice { engine, why: format!("timed here: {} for {network} at {width}x{height}", all.join(", ")) })
    }

    fn fastest(&self, engines: impl Iterator<Item = Engine>, network: Network<'_>) -> Option<Engine> {
        let timed = engines.filter_map(|engine| Some((engine, self.ms(engine, network)?)));
        timed.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(engine, _)| engine)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::engines::Provider;

    const ORT: Engine = Engine::Ort(Provider::Cpu);

    fn timings(timings: &[(Engine, &str, Option<f64>)]) -> Timings {
        let mut all = Timings::default();
        for (engine, model, ms) in timings {
            all.put(Timing {
                engine: *engine,
                model: (*model).to_owned(),
                pixels: 61_440,
                network: format!("pack {model}"),
                width: 320,
                height: 192,
                ms: *ms,
                runs: 5,
                note: None,
            });
        }
        all
    }

    fn network(model: &str) -> Network<'_> {
        Network { model, pixels: 61_440 }
    }

    #[test]
    fn the_largest_that_fits_decides_then_the_gpu() {
        use Engine::{Cpu, Wgpu};
        let budget = Budget::default();
        let engine = |c: &Timings| c.choose(&["s", "m"].map(network), budget).map(|c| c.engine);
        assert_eq!(engine(&timings(&[])), None);
        let gpu =
            timings(&[(Wgpu, "s", Some(1.0)), (Wgpu, "m", Some(3.0)), (ORT, "s", Some(8.0)), (ORT, "m", Some(30.0))]);
        assert_eq!(engine(&gpu), Some(Wgpu));
        assert_eq!(
            gpu.choose(&["s", "m"].map(network), budget).unwrap().why,
            "timed here: wgpu 3.0 ms, ort 30.0 ms for pack m at 320x192"
        );
        let old =
            timings(&[(Wgpu, "s", Some(15.0)), (Wgpu, "m", Some(60.0)), (ORT, "s", Some(5.0)), (ORT, "m", Some(18.0))]);
        assert_eq!(engine(&old), Some(ORT));
        let even = timings(&[(Wgpu, "s", Some(15.0)), (ORT, "s", Some(5.0))]);
        assert_eq!(engine(&even), Some(Wgpu));
        let soft =
            timings(&[(Wgpu, "s", Some(900.0)), (Wgpu, "m", None), (ORT, "s", Some(50.0)), (ORT, "m", Some(200.0))]);
        assert_eq!(engine(&soft), Some(ORT));
        assert!(soft.choose(&["s"].map(network), budget).unwrap().why.contains("wgpu 900.0 ms, ort 50.0 ms"));
        let plain = timings(&[
            (Wgpu, "s", Some(900.0)),
            (ORT, "s", Some(9.0)),
            (ORT, "m", Some(18.0)),
            (Cpu, "s", Some(6.0)),
            (Cpu, "m", Some(12.0)),
        ]);
        assert_eq!(engine(&plain), Some(Cpu));
        assert_eq!(
            plain.choose(&["s", "m"].map(network), budget).unwrap().why,
            "timed here: ort 18.0 ms, cpu 12.0 ms for pack m at 320x192"
        );
    }

    #[test]
    fn one_file_at_two_sizes_counts_as_two() {
        let mut all = timings(&[(Engine::Wgpu, "m", Some(4.0))]);
        let large = Network { model: "m", pixels: 331_776 };
        assert_eq!(all.ms(Engine::Wgpu, large), None);
        let slow = Timing { pixels: large.pixels, ms: Some(90.0), ..all.timings[0].clone() };
        all.put(slow);
        assert_eq!((all.ms(Engine::Wgpu, network("m")), all.ms(Engine::Wgpu, large)), (Some(4.0), Some(90.0)));
        let why = all.choose(&[network("m"), large], Budget::default()).unwrap().why;
        assert!(why.contains("wgpu 4.0 ms"), "{why}");
    }

    #[test]
    fn a_timing_replaces_an_older_one() {
        let mut all = timings(&[(ORT, "s", Some(5.0)), (ORT, "s", Some(6.0))]);
        assert_eq!((all.timings.len(), all.ms(ORT, network("s"))), (1, Some(6.0)));
        all.timings[0].ms = None;
        assert_eq!(all.ms(ORT, network("s")), None);
    }
}
