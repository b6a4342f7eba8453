//! From a request to a pipeline: finding the effect, reading its network, choosing the engine, compiling.
//!
//! Everything here is heavy (files, shader compilation, an ONNX Runtime session) and runs aside, on the builder's thread or
//! in a command without a window.

use std::sync::Arc;

use super::Catalog;
use super::autotune::network;
use super::style_switch::{ResolvedEffect, Restylable};
use crate::autotune::FIRST_CHOICE;
use crate::clock::Clock;
use crate::effect::{Blend, Effect, EffectKind, Touch, Variant, fitted_size};
use crate::fault::{Fault, capital};
use crate::frame::FrameShape;
use crate::gpu::Gpu;
use crate::metrics::Subject;
use crate::nn::cpu::kernels::Isa;
use crate::nn::cpu::{CpuOptions, CpuStudent};
use crate::nn::engines::{Choice, Engine, EngineWish, Facts, choose, registry};
use crate::nn::gpu::GpuStudent;
use crate::nn::ort::{OrtOptions, OrtRuntime, OrtStudent};
use crate::nn::plan::{Plan, Precision};
use crate::nn::restyle::StyledStudent;
use crate::pipeline::{ChainKind, ChainWish, Pipeline, Student};
use crate::quality::{Rung, ladder};
use crate::roundtrip::RoundTrip;
use crate::units::{Budget, Extent};

/// What the user wants to see, as far as a pipeline depends on it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EffectRequest {
    /// Name of an effect or path of a network; the gallery's first when `None`.
    pub effect: Option<String>,
    /// A second effect of the same pack, and how much of it.
    pub blend: Option<Blend>,
    /// Id of one of its variants; what suits the engine when `None`.
    pub variant: Option<String>,
    pub engine: EngineWish,
    /// The student's size, instead of what the variant says for the source.
    pub size: Option<Extent>,
    /// How it is painted, as the governor decided, where neither `variant` nor `size` was chosen by hand; what suits the
    /// engine when `None`.
    pub rung: Option<Rung>,
    /// How the user wants the paint of a network that takes a canvas.
    pub touch: Touch,
}

impl EffectRequest {
    /// Whether the network or its size was chosen by hand.
    pub fn by_hand(&self) -> bool {
        self.variant.is_some() || self.size.is_some()
    }
}

/// Where a pipeline stands among the ways to paint its effect.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// Best first; empty where there is nothing to choose.
    pub ladder: Vec<Rung>,
    /// Its own place there.
    pub index: usize,
}

impl Standing {
    /// The place itself; nothing painted where there is none.
    pub fn rung(&self) -> Rung {
        self.ladder.get(self.index).cloned().unwrap_or_default()
    }
}

/// A pipeline and what it is.
pub struct BuiltPipeline {
    pub pipeline: Pipeline,
    pub subject: Subject,
    /// What could not be had and was replaced by something else, for people.
    pub notices: Vec<Fault>,
    /// For another style of the same network without another pipeline; `None` where there is none.
    pub restylable: Option<Restylable>,
    pub standing: Standing,
}

impl BuiltPipeline {
    /// A pipeline that keeps its style.
    pub fn new(pipeline: Pipeline, subject: Subject) -> Self {
        Self { pipeline, subject, notices: Vec::new(), restylable: None, standing: Standing::default() }
    }
}

/// An [`EffectRequest`] resolved to variant and size.
pub(super) struct ResolvedRequest {
    pub chosen: ResolvedEffect,
    pub variant: Variant,
    pub extent: Extent,
    pub standing: Standing,
}

/// A network in an engine, ready to paint.
pub(super) enum Made {
    Gpu(GpuStudent),
    Cpu(CpuStudent),
    Ort(Box<OrtStudent>),
}

/// Makes pipelines on one device for one format of target. Cheap to clone.
#[derive(Clone)]
pub struct PipelineFactory {
    pub gpu: Gpu,
    pub catalog: Arc<Catalog>,
    pub format: wgpu::TextureFormat,
    /// Which back end runs the list of passes.
    pub chain: ChainWish,
    /// Called from other threads whenever a painting, or a finished picture, is ready.
    pub waker: Arc<dyn Fn() + Send + Sync>,
    /// By which pipelines judge whether a student is overdue.
    pub clock: Clock,
}

impl PipelineFactory {
    /// A pipeline that shows the camera's picture as it is: quickly made, for the first moments and for when nothing paints.
    ///
    /// # Errors
    /// When the GPU refuses it.
    pub fn untouched(&self, shape: FrameShape, why: &str) -> Result<BuiltPipeline, Fault> {
        let pipeline = self.pipeline(shape, Student::Untouched, self.chain_beside(None))?;
        let subject = Subject {
            engine: "none".to_owned(),
            chain: pipeline.chain_kind().name().to_owned(),
            device: self.device(),
            why: why.to_owned(),
            source_extent: shape.extent,
            ..Subject::default()
        };
        Ok(BuiltPipeline::new(pipeline, subject))
    }

    /// What is known of the engines on this machine.
    pub(super) fn facts(&self) -> Facts<'_> {
        Facts { gpu: Some(&self.gpu.caps), isa: Isa::best().name(), ort: self.catalog.ort().map(OrtRuntime::info) }
    }

    /// The pipeline that was wished for. With `EngineWish::Auto` an engine that cannot run the network gives way to the next
    /// one, and says so.
    ///
    /// # Errors
    /// When there is no such effect or variant, no engine can run it, or the GPU refuses it.
    pub fn build(&self, request: &EffectRequest, shape: FrameShape) -> Result<BuiltPipeline, Fault> {
        self.build_within(request, shape, Budget::default())
    }

    /// As [`Self::build`], for a source that leaves so much time for each frame: where engines were timed, that decides which
    /// one it is and how large a network it begins with.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn build_within(
        &self,
        request: &EffectRequest,
        shape: FrameShape,
        budget: Budget,
    ) -> Result<BuiltPipeline, Fault> {
        let chosen = self.chosen(request)?;
        let facts = self.facts();
        let choice = choose(request.engine, facts).map_err(|e| Fault::failed(capital(&e.to_string()), ""))?;
        let timed = self.catalog.timings(|| self.machine());
        let networks: Vec<_> = chosen.effect.variants().iter().map(network).collect();
        let timed = timed.filter(|_| request.engine == EngineWish::Auto).and_then(|t| t.choose(&networks, budget));
        // An engine that went away since it was timed cannot be chosen.
        let available: Vec<Engine> = registry(facts).iter().filter(|e| e.available()).map(|e| e.engine).collect();
        // Our engine on the GPU paints in the GPU's own chain.
        let fits = |engine: &Engine| *engine != Engine::Wgpu || self.chain_beside(Some(*engine)) == ChainKind::Gpu;
        let available: Vec<Engine> = available.into_iter().filter(fits).collect();
        let choice = timed.filter(|t| available.contains(&t.engine)).unwrap_or(choice);
        let choice = match available.first() {
            _ if fits(&choice.engine) => choice,
            Some(engine) if request.engine == EngineWish::Auto => {
                Choice { engine: *engine, why: "everything is to run on the processor".to_owned() }
            }
            _ => {
                let what = "The engine wgpu paints on the GPU, and everything else was to run on the processor";
                return Err(Fault::failed(what, "Leave out --chain cpu, or choose --engine cpu"));
            }
        };
        let mut obstacles = match self.build_with(&chosen, request, shape, &choice, budget) {
            Err(fault) if request.engine == EngineWish::Auto => vec![(choice.engine, fault)],
            result => return result,
        };
        for engine in available.into_iter().filter(|engine| *engine != choice.engine) {
            let first = &obstacles[0].1;
            let second = Choice { engine, why: format!("{} cannot run this network ({})", choice.engine, first.what) };
            match self.build_with(&chosen, request, shape, &second, budget) {
                Ok(mut built) => {
                    built.notices.push(Fault::notice(&first.what, format!("The engine {engine} paints instead")));
                    return Ok(built);
                }
                Err(fault) => obstacles.push((engine, fault)),
            }
        }
        let runtime = facts.ort.err().filter(|_| chosen.effect.kind == EffectKind::Custom).map(ToString::to_string);
        Err(true_obstacle(obstacles, runtime))
    }

    /// The effects that are wished for.
    pub(super) fn chosen(&self, request: &EffectRequest) -> Result<ResolvedEffect, Fault> {
        let found = self.catalog.found();
        let effect = match &request.effect {
            Some(name) => self.catalog.effect(name)?,
            None => found.gallery.effects().first().cloned().ok_or_else(|| {
                found.faults.last().cloned().unwrap_or_else(|| {
                    Fault::degraded("No effects were found", "Name the folder that holds them with --models FOLDER")
                })
            })?,
        };
        ResolvedEffect::new(effect, request.blend.as_ref(), &found.gallery)
    }

    /// Which network paints so, and at what size.
    pub(super) fn resolve(
        &self,
        chosen: ResolvedEffect,
        request: &EffectRequest,
        shape: FrameShape,
        engine: Engine,
        budget: Budget,
    ) -> Result<ResolvedRequest, Fault> {
        let standing = self.standing(&chosen.effect, request, engine, budget)?;
        let rung = standing.rung();
        let id = Some(rung.variant.as_str()).filter(|_| rung.painted);
        let variant = chosen.effect.variant(id)?.clone();
        let extent = match request.size {
            Some(size) => {
                self.check_size(size, variant.multiple_of)?;
                fitted_size(size, variant.multiple_of, shape.extent)
            }
            None => scaled(&variant, rung.scale).extent_for(shape.extent),
        };
        chosen.check(&variant)?;
        Ok(ResolvedRequest { chosen, variant, extent, standing })
    }

    fn build_with(
        &self,
        chosen: &ResolvedEffect,
        request: &EffectRequest,
        shape: FrameShape,
        choice: &Choice,
        budget: Budget,
    ) -> Result<BuiltPipeline, Fault> {
        let resolved = self.resolve(chosen.clone(), request, shape, choice.engine, budget)?;
        let (standing, rung) = (resolved.standing.clone(), resolved.standing.rung());
        if !rung.painted {
            let built = self.untouched(shape, "frames take too long to be painted")?;
            let subject = Subject { effect: chosen.name(), ..built.subject };
            return Ok(BuiltPipeline { subject, standing, ..built });
        }
        let (variant, extent) = (&resolved.variant, resolved.extent);
        let kind = self.chain_beside(Some(choice.engine));
        let graph = self.catalog.graph(variant);
        let restyles = graph.as_ref().is_ok_and(|graph| graph.style_len() > 0);
        let subject = Subject {
            effect: chosen.name(),
            variant: variant.id.clone(),
            engine: choice.engine.to_string(),
            chain: kind.name().to_owned(),
            device: self.device(),
            why: choice.why.clone(),
            width: extent.width,
            height: extent.height,
            source_extent: shape.extent,
            ..Subject::default()
        };
        let restylable = |how| Restylable::new(how, request, shape, &resolved, choice.engine, &subject);
        let (student, restylable) = match self.student(chosen, variant, extent, choice.engine)? {
            Made::Gpu(student) => {
                let how = restyles.then(|| restylable(super::style_switch::How::InPlace(student.restyler())));
                (Student::InPlace(student), how)
            }
            Made::Cpu(student) => {
                let how = restyles.then(|| restylable(super::style_switch::How::Processor(student.restyler())));
                if kind == ChainKind::Cpu {
                    (Student::OnCpu(Box::new(student)), how)
                } else {
                    let waker = self.waker.clone();
                    (Student::RoundTrip(RoundTrip::spawn(student, move || waker())?), how)
                }
            }
            Made::Ort(student) => {
                let waker = self.waker.clone();
                let (student, sender) = StyledStudent::new(*student);
                let rows = graph.as_ref().is_ok_and(|graph| graph.row_len().is_some());
                let how = rows.then(|| restylable(super::style_switch::How::round_trip(sender)));
                (Student::RoundTrip(RoundTrip::spawn(student, move || waker())?), how)
            }
        };
        let mut pipeline = self.pipeline(shape, student, kind)?;
        pipeline.set_every(rung.every);
        let channels = pipeline.canvas_channels();
        pipeline.surface().set(chosen.surface(channels, request.touch, extent));
        let restylable = restylable.map(|of: Restylable| of.on_surface(pipeline.surface().clone(), channels));
        Ok(BuiltPipeline { pipeline, subject, notices: Vec::new(), restylable, standing })
    }

    /// A variant's network in an engine, having painted once: the first picture takes longer than all that follow, and must
    /// not be on the way of a frame.
    pub(super) fn student(
        &self,
        chosen: &ResolvedEffect,
        variant: &Variant,
        extent: Extent,
        engine: Engine,
    ) -> Result<Made, Fault> {
        let effect = &chosen.effect;
        let network = |e: &dyn std::fmt::Display| {
            Fault::failed(format!("Effect {} ({}): {e}", effect.name, variant.id), "Choose another effect or variant")
        };
        let folded = self.catalog.graph(variant).and_then(|graph| chosen.fold(&graph, variant));
        Ok(match engine {
            Engine::Wgpu => {
                let precision =
                    if self.gpu.caps.f16 && !self.gpu.caps.software { Precision::F16 } else { Precision::F32 };
                let plan = Plan::new(&folded?, extent, precision).map_err(|e| network(&e))?;
                let student = GpuStudent::new(&self.gpu, &plan).map_err(|e| network(&e))?;
                student.paint_once(&self.gpu);
                Made::Gpu(student)
            }
            Engine::Cpu => {
                let mut student = CpuStudent::new(&folded?, extent, CpuOptions::default()).map_err(|e| network(&e))?;
                student.paint().map_err(|e| network(&e))?;
                Made::Cpu(student)
            }
            Engine::Ort(provider) => {
                let runtime = self.catalog.ort().map_err(|e| Fault::failed(capital(&e.to_string()), ""))?;
                let options = OrtOptions { provider, ..OrtOptions::default() };
                let mut student = match folded {
                    Ok(graph) => OrtStudent::new(runtime, &graph, extent, options),
                    // A user's own network may use operators that ONNX Runtime has and we lack.
                    Err(_) if effect.kind == EffectKind::Custom => {
                        let bytes = variant.read().map_err(|e| Fault::failed(capital(&e.to_string()), e.remedy()))?;
                        OrtStudent::from_onnx(runtime, &bytes, &[], extent, options)
                    }
                    Err(fault) => return Err(fault),
                }
                .map_err(|e| network(&e))?;
                student.run_in_place().map_err(|e| network(&e))?;
                Made::Ort(Box::new(student))
            }
        })
    }

    /// The ladder for an effect, and where on it a request stands.
    fn standing(
        &self,
        effect: &Effect,
        request: &EffectRequest,
        engine: Engine,
        budget: Budget,
    ) -> Result<Standing, Fault> {
        let timed = self.catalog.timings(|| self.machine());
        let ms = |v: &Variant| timed.as_ref().and_then(|t| t.ms(engine, network(v))).map(|ms| ms as f32);
        let timed = effect.variants().first().is_some_and(|v| ms(v).is_some());
        let mut smaller: Option<(f32, f32)> = None;
        let cost = |v: &Variant| {
            let nominal = nominal_cost(v);
            // Milliseconds for all of them, or operations for all. What was not timed, mostly because a smaller one is
            // hopeless already, counts as slower by its operations.
            let cost = match (timed, ms(v), smaller) {
                (false, ..) => nominal,
                (true, Some(ms), _) => ms,
                (true, None, Some((ms, less))) => ms * nominal / less.max(f32::MIN_POSITIVE),
                (true, None, None) => nominal,
            };
            smaller = Some((cost, nominal));
            (v.id.clone(), cost)
        };
        let costs: Vec<_> = effect.variants().iter().map(cost).collect();
        let ladder = ladder(&costs, true);
        let whole =
            |id: &str| ladder.iter().position(|r| r.painted && r.variant == id && r.scale == 1.0 && r.every == 1);
        if request.by_hand() {
            let variant = self.variant(effect, request, engine)?;
            return Ok(match whole(&variant.id) {
                Some(index) => Standing { ladder, index },
                // A variant of which nothing is known, and which the ladder leaves out.
                None => {
                    let rung = Rung { variant: variant.id.clone(), scale: 1.0, every: 1, painted: true, cost: 1.0 };
                    Standing { ladder: vec![rung], index: 0 }
                }
            });
        }
        // The same rung as before, also when the effect is another one and its networks cost something else.
        let same = |rung: &Rung| ladder.iter().position(|r| r.same_network(rung) && r.every == rung.every);
        let fits = |r: &Rung| timed && r.painted && f64::from(r.cost) <= budget.ms() * FIRST_CHOICE;
        let index = match request.rung.as_ref().and_then(same).or_else(|| ladder.iter().position(fits)) {
            Some(index) => index,
            None => whole(&self.variant(effect, request, engine)?.id).unwrap_or(0),
        };
        Ok(Standing { ladder, index })
    }

    /// The variant that was named; else the smallest, or on a real GPU the second smallest.
    fn variant<'a>(&self, effect: &'a Effect, request: &EffectRequest, engine: Engine) -> Result<&'a Variant, Fault> {
        let roomy = engine == Engine::Wgpu && !self.gpu.caps.software;
        match (&request.variant, effect.variants().get(1)) {
            (None, Some(second)) if roomy => Ok(second),
            (id, _) => effect.variant(id.as_deref()),
        }
    }

    /// A size that was asked for must fit the network as it is, and the GPU: another one would not be what was asked for.
    fn check_size(&self, asked: Extent, multiple: u32) -> Result<(), Fault> {
        let multiple = multiple.max(1);
        if !asked.width.is_multiple_of(multiple) || !asked.height.is_multiple_of(multiple) {
            let near = |side: u32| (side + multiple / 2).max(multiple) / multiple * multiple;
            let near = Extent::new(near(asked.width), near(asked.height));
            return Err(Fault::failed(
                format!("This network cannot paint at {asked}: both sides must be multiples of {multiple}"),
                format!("Try --size {near}"),
            ));
        }
        // The stages around the network keep four numbers for each pixel in one buffer.
        let most = self.gpu.caps.max_storage_binding_bytes / size_of::<[f32; 4]>() as u64;
        if asked.pixels() > most {
            let shrink = (most as f64 / asked.pixels() as f64).sqrt();
            let side = |n: u32| ((f64::from(n) * shrink) as u32 / multiple).max(1) * multiple;
            let fits = Extent::new(side(asked.width), side(asked.height));
            return Err(Fault::failed(
                format!(
                    "{} cannot paint at {asked}: it takes {:.1} million pixels at most",
                    self.device(),
                    most as f64 / 1e6
                ),
                format!("Try --size {fits}"),
            ));
        }
        Ok(())
    }

    /// The back end beside that engine.
    fn chain_beside(&self, engine: Option<Engine>) -> ChainKind {
        self.chain.choose(self.gpu.caps.software, engine == Some(Engine::Wgpu))
    }

    fn pipeline(&self, shape: FrameShape, student: Student, kind: ChainKind) -> Result<Pipeline, Fault> {
        let made = match kind {
            ChainKind::Gpu => Pipeline::new(&self.gpu, shape, student, self.format),
            ChainKind::Cpu => {
                let waker = self.waker.clone();
                Pipeline::on_cpu(&self.gpu, shape, student, self.format, move || waker())
            }
        };
        let woken = made.and_then(|mut pipeline| {
            pipeline.wake(self.waker.clone())?;
            pipeline.set_clock(self.clock.clone());
            Ok(pipeline)
        });
        woken.map_err(|e| {
            Fault::failed(
                format!("The picture of {} cannot be shown: {e}", shape.extent),
                "Choose another source or a smaller size; a newer graphics driver may help",
            )
        })
    }

    /// The adapter, for people.
    pub fn device(&self) -> String {
        format!("{} ({})", self.gpu.caps.name, self.gpu.caps.backend)
    }
}

/// What keeps a network from being painted with, where no engine can run it: ONNX Runtime knows more networks than the
/// engines here, so what it says is what is wrong with the network. `missing`: why it is not there to be asked.
fn true_obstacle(obstacles: Vec<(Engine, Fault)>, missing: Option<String>) -> Fault {
    let (ort, own): (Vec<_>, Vec<_>) = obstacles.into_iter().partition(|(engine, _)| matches!(engine, Engine::Ort(_)));
    match (ort.into_iter().chain(own).next(), missing) {
        (Some((Engine::Ort(_), fault)), _) | (Some((_, fault)), None) => fault,
        (Some((_, fault)), Some(missing)) => Fault::failed(
            format!("{}; ONNX Runtime may be able to run it, and is not here", fault.what),
            capital(&missing),
        ),
        (None, _) => Fault::failed("No engine was tried", "Choose one with --engine"),
    }
}

/// A variant that may use only a share of its pixels.
fn scaled(variant: &Variant, scale: f32) -> Variant {
    let pixels = (variant.pixel_budget as f64 * f64::from(scale)).round() as u64;
    Variant { pixel_budget: pixels.max(1), ..variant.clone() }
}

/// Operations for a picture as large as the variant's budget allows; 0 when unknown.
fn nominal_cost(variant: &Variant) -> f32 {
    let measured_at = Extent::new(variant.width, variant.height).pixels().max(1);
    (variant.mmac * variant.pixel_budget as f64 / measured_at as f64) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::engines::Provider;

    #[test]
    fn onnx_runtime_has_the_last_word_on_a_network() {
        let own = || (Engine::Wgpu, Fault::failed("Its operator set is 9", "Export it again"));
        let cpu = || (Engine::Cpu, Fault::failed("Its operator set is 9", "Export it again"));
        let ort =
            || (Engine::Ort(Provider::ALL[0]), Fault::failed("Its input is 224x224", "Export it with free sizes"));
        for tried in [vec![own(), cpu(), ort()], vec![ort(), own()]] {
            assert_eq!(true_obstacle(tried, None), ort().1);
        }
        assert_eq!(true_obstacle(vec![own(), cpu()], None), own().1);
        let absent = true_obstacle(vec![own()], Some("onnx Runtime was not found; run setup".to_owned()));
        assert!(absent.what.contains("operator set is 9") && absent.what.contains("ONNX Runtime"), "{absent}");
        assert!(absent.remedy.contains("run setup"), "{absent}");
    }
}
