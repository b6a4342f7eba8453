//! From a wish to a pipeline: finding the effect, reading its network, choosing the engine, compiling.
//!
//! Everything here is heavy (files, shader compilation, an ONNX Runtime session) and runs aside, on the builder's thread or
//! in a command without a window.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use crate::effect::{Effect, EffectKind, Gallery, Variant};
use crate::fault::Fault;
use crate::frame::FrameShape;
use crate::gpu::Gpu;
use crate::metrics::Subject;
use crate::nn::choose::{Choice, Engine, EngineWish, choose};
use crate::nn::gpu::GpuStudent;
use crate::nn::graph::Graph;
use crate::nn::ort::{OrtError, OrtOptions, OrtRuntime, OrtStudent};
use crate::nn::plan::{Plan, Precision};
use crate::pipeline::{Pipeline, Student};
use crate::roundtrip::RoundTrip;
use crate::units::Extent;

/// What the user wants to see, as far as a pipeline depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Name of an effect or path of a network; the gallery's first when `None`.
    pub effect: Option<String>,
    /// Id of one of its variants; what suits the engine when `None`.
    pub variant: Option<String>,
    pub engine: EngineWish,
    /// The student's size, instead of what the variant says for the source.
    pub size: Option<Extent>,
}

/// What is installed: effects, and ONNX Runtime. Looked for once, by whoever asks first; the others wait for the answer.
pub struct Shelf {
    folders: Vec<PathBuf>,
    found: OnceLock<Found>,
}

/// What was found.
pub struct Found {
    pub gallery: Gallery,
    /// What is wrong with packs.
    pub faults: Vec<Fault>,
    pub ort: Result<OrtRuntime, OrtError>,
}

impl Shelf {
    /// Looks nowhere yet.
    pub fn new(folders: Vec<PathBuf>) -> Arc<Self> {
        Arc::new(Self { folders, found: OnceLock::new() })
    }

    /// What was found. Takes some tens of milliseconds the first time.
    pub fn found(&self) -> &Found {
        self.found.get_or_init(|| {
            let ort = OrtRuntime::find(None);
            let (gallery, faults) = Gallery::load(&self.folders);
            Found { gallery, faults, ort }
        })
    }

    /// What was found, if it is known already.
    pub fn known(&self) -> Option<&Found> {
        self.found.get()
    }
}

/// A pipeline and what it is.
pub struct Built {
    pub pipeline: Pipeline,
    pub subject: Subject,
    /// What could not be had and was replaced by something else, for people.
    pub notices: Vec<Fault>,
}

/// Makes pipelines on one device for one format of target. Cheap to clone.
#[derive(Clone)]
pub struct Workshop {
    pub gpu: Gpu,
    pub shelf: Arc<Shelf>,
    pub format: wgpu::TextureFormat,
    /// Called from the painter's thread whenever a painting is ready.
    pub waker: Arc<dyn Fn() + Send + Sync>,
}

impl Workshop {
    /// A pipeline that shows the camera's picture as it is: quickly made, for the first moments and for when nothing paints.
    ///
    /// # Errors
    /// When the GPU refuses it.
    pub fn untouched(&self, shape: FrameShape, why: &str) -> Result<Built, Fault> {
        let pipeline = self.pipeline(shape, Student::Untouched)?;
        let subject = Subject {
            engine: "none".to_owned(),
            device: self.device(),
            why: why.to_owned(),
            source_extent: shape.extent,
            ..Subject::default()
        };
        Ok(Built { pipeline, subject, notices: Vec::new() })
    }

    /// The pipeline that was wished for. With `EngineWish::Auto` an engine that cannot run the network gives way to the other
    /// one, and says so.
    ///
    /// # Errors
    /// When there is no such effect or variant, no engine can run it, or the GPU refuses it.
    pub fn build(&self, wish: &Wish, shape: FrameShape) -> Result<Built, Fault> {
        let found = self.shelf.found();
        let effect = match &wish.effect {
            Some(name) => found.gallery.find(name)?,
            None => found.gallery.effects().first().cloned().ok_or_else(|| {
                found.faults.last().cloned().unwrap_or_else(|| {
                    Fault::degraded("No effects were found", "Name the folder that holds them with --models FOLDER")
                })
            })?,
        };
        let caps = &self.gpu.caps;
        let choice = choose(wish.engine, Some(caps), found.ort.as_ref().map(OrtRuntime::info))
            .map_err(|e| Fault::failed(capital(&e.to_string()), ""))?;
        let first = self.build_with(&effect, wish, shape, &choice);
        match (first, wish.engine, choice.engine) {
            (Err(fault), EngineWish::Auto, Engine::Wgpu) if found.ort.is_ok() => {
                let second =
                    Choice { engine: Engine::Ort, why: format!("wgpu cannot run this network ({})", fault.what) };
                let mut built = self.build_with(&effect, wish, shape, &second)?;
                built.notices.push(Fault::notice(fault.what, "ONNX Runtime paints instead"));
                Ok(built)
            }
            (Err(fault), EngineWish::Auto, Engine::Ort) => {
                let why = format!("ONNX Runtime cannot run this network ({})", fault.what);
                let second = Choice { engine: Engine::Wgpu, why };
                let mut built = self.build_with(&effect, wish, shape, &second)?;
                built.notices.push(Fault::notice(fault.what, "The GPU paints instead"));
                Ok(built)
            }
            (result, ..) => result,
        }
    }

    fn build_with(&self, effect: &Effect, wish: &Wish, shape: FrameShape, choice: &Choice) -> Result<Built, Fault> {
        let variant = self.variant(effect, wish, choice.engine)?;
        let extent = wish.size.unwrap_or_else(|| variant.extent_for(shape.extent));
        let extent = self.whole_multiples(extent, variant.multiple_of, wish.size.is_some())?;
        let bytes = variant.read().map_err(|e| Fault::failed(capital(&e.to_string()), e.remedy()))?;
        let network = |e: &dyn std::fmt::Display| {
            Fault::failed(format!("Effect {} ({}): {e}", effect.name, variant.id), "Choose another effect or variant")
        };
        let graph = Graph::from_onnx(&bytes).map_err(|e| network(&e)).and_then(|graph| {
            let style = effect.style_weights(graph.style_len())?;
            graph.fold(&style).map_err(|e| network(&e))
        });
        let student = match choice.engine {
            Engine::Wgpu => {
                let graph = graph?;
                let precision =
                    if self.gpu.caps.f16 && !self.gpu.caps.software { Precision::F16 } else { Precision::F32 };
                let plan = Plan::new(&graph, extent, precision).map_err(|e| network(&e))?;
                Student::InPlace(GpuStudent::new(&self.gpu, &plan).map_err(|e| network(&e))?)
            }
            Engine::Ort => {
                let runtime =
                    self.shelf.found().ort.as_ref().map_err(|e| Fault::failed(capital(&e.to_string()), ""))?;
                let options = OrtOptions::default();
                let student = match graph {
                    Ok(graph) => OrtStudent::new(runtime, &graph, extent, options),
                    // A user's own network may use operators that ONNX Runtime has and we lack.
                    Err(_) if effect.kind == EffectKind::Custom => {
                        OrtStudent::from_onnx(runtime, &bytes, &[], extent, options)
                    }
                    Err(fault) => return Err(fault),
                }
                .map_err(|e| network(&e))?;
                let waker = self.waker.clone();
                Student::RoundTrip(RoundTrip::spawn(student, move || waker())?)
            }
        };
        let pipeline = self.pipeline(shape, student)?;
        let subject = Subject {
            effect: effect.name.clone(),
            variant: variant.id.clone(),
            engine: choice.engine.to_string(),
            device: self.device(),
            why: choice.why.clone(),
            width: extent.width,
            height: extent.height,
            source: String::new(),
            source_extent: shape.extent,
        };
        Ok(Built { pipeline, subject, notices: Vec::new() })
    }

    /// The variant that was named; else the smallest, or on a real GPU the second smallest.
    fn variant<'a>(&self, effect: &'a Effect, wish: &Wish, engine: Engine) -> Result<&'a Variant, Fault> {
        let roomy = engine == Engine::Wgpu && !self.gpu.caps.software;
        match (&wish.variant, effect.variants().get(1)) {
            (None, Some(second)) if roomy => Ok(second),
            (id, _) => effect.variant(id.as_deref()),
        }
    }

    /// A size that was asked for must fit the network as it is: another one would not be what was asked for.
    fn whole_multiples(&self, extent: Extent, multiple: u32, asked: bool) -> Result<Extent, Fault> {
        let multiple = multiple.max(1);
        if extent.width.is_multiple_of(multiple) && extent.height.is_multiple_of(multiple) || !asked {
            return Ok(extent);
        }
        let near = |side: u32| (side + multiple / 2).max(multiple) / multiple * multiple;
        let near = Extent::new(near(extent.width), near(extent.height));
        Err(Fault::failed(
            format!("This network cannot paint at {extent}: both sides must be multiples of {multiple}"),
            format!("Try --size {near}"),
        ))
    }

    fn pipeline(&self, shape: FrameShape, student: Student) -> Result<Pipeline, Fault> {
        Pipeline::new(&self.gpu, shape, student, self.format).map_err(|e| {
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

/// With a capital, as faults begin.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
