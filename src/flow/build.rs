//! From a wish to a pipeline: finding the effect, reading its network, choosing the engine, compiling.
//!
//! Everything here is heavy (files, shader compilation, an ONNX Runtime session) and runs aside, on the builder's thread or
//! in a command without a window.

use std::sync::Arc;

use super::Shelf;
use super::restyle::{Manner, Restylable};
use crate::effect::{Blend, Effect, EffectKind, Variant};
use crate::fault::Fault;
use crate::frame::FrameShape;
use crate::gpu::Gpu;
use crate::metrics::Subject;
use crate::nn::choose::{Choice, Engine, EngineWish, choose};
use crate::nn::gpu::GpuStudent;
use crate::nn::ort::{OrtOptions, OrtRuntime, OrtStudent};
use crate::nn::plan::{Plan, Precision};
use crate::nn::restyle::StyledStudent;
use crate::pipeline::{Pipeline, Student};
use crate::roundtrip::RoundTrip;
use crate::units::Extent;

/// What the user wants to see, as far as a pipeline depends on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// Name of an effect or path of a network; the gallery's first when `None`.
    pub effect: Option<String>,
    /// A second effect of the same pack, and how much of it.
    pub blend: Option<Blend>,
    /// Id of one of its variants; what suits the engine when `None`.
    pub variant: Option<String>,
    pub engine: EngineWish,
    /// The student's size, instead of what the variant says for the source.
    pub size: Option<Extent>,
}

/// A pipeline and what it is.
pub struct Built {
    pub pipeline: Pipeline,
    pub subject: Subject,
    /// What could not be had and was replaced by something else, for people.
    pub notices: Vec<Fault>,
    /// For another style of the same network without another pipeline; `None` where there is none.
    pub restylable: Option<Restylable>,
}

impl Built {
    /// A pipeline that keeps its style.
    pub fn new(pipeline: Pipeline, subject: Subject) -> Self {
        Self { pipeline, subject, notices: Vec::new(), restylable: None }
    }
}

/// What a wish comes to.
pub(super) struct Resolved {
    pub manner: Manner,
    pub variant: Variant,
    pub extent: Extent,
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
        Ok(Built::new(pipeline, subject))
    }

    /// The pipeline that was wished for. With `EngineWish::Auto` an engine that cannot run the network gives way to the other
    /// one, and says so.
    ///
    /// # Errors
    /// When there is no such effect or variant, no engine can run it, or the GPU refuses it.
    pub fn build(&self, wish: &Wish, shape: FrameShape) -> Result<Built, Fault> {
        let manner = self.manner(wish)?;
        let ort = self.shelf.ort();
        let caps = &self.gpu.caps;
        let choice = choose(wish.engine, Some(caps), ort.map(OrtRuntime::info))
            .map_err(|e| Fault::failed(capital(&e.to_string()), ""))?;
        let first = self.build_with(&manner, wish, shape, &choice);
        match (first, wish.engine, choice.engine) {
            (Err(fault), EngineWish::Auto, Engine::Wgpu) if ort.is_ok() => {
                let second =
                    Choice { engine: Engine::Ort, why: format!("wgpu cannot run this network ({})", fault.what) };
                let mut built = self.build_with(&manner, wish, shape, &second)?;
                built.notices.push(Fault::notice(fault.what, "ONNX Runtime paints instead"));
                Ok(built)
            }
            (Err(fault), EngineWish::Auto, Engine::Ort) => {
                let why = format!("ONNX Runtime cannot run this network ({})", fault.what);
                let second = Choice { engine: Engine::Wgpu, why };
                let mut built = self.build_with(&manner, wish, shape, &second)?;
                built.notices.push(Fault::notice(fault.what, "The GPU paints instead"));
                Ok(built)
            }
            (result, ..) => result,
        }
    }

    /// The effects that are wished for.
    pub(super) fn manner(&self, wish: &Wish) -> Result<Manner, Fault> {
        let found = self.shelf.found();
        let effect = match &wish.effect {
            Some(name) => found.gallery.find(name)?,
            None => found.gallery.effects().first().cloned().ok_or_else(|| {
                found.faults.last().cloned().unwrap_or_else(|| {
                    Fault::degraded("No effects were found", "Name the folder that holds them with --models FOLDER")
                })
            })?,
        };
        Manner::new(effect, wish.blend.as_ref(), &found.gallery)
    }

    /// Which network paints in that manner, and at what size.
    pub(super) fn resolve(
        &self,
        manner: Manner,
        wish: &Wish,
        shape: FrameShape,
        engine: Engine,
    ) -> Result<Resolved, Fault> {
        let variant = self.variant(&manner.effect, wish, engine)?.clone();
        let extent = wish.size.unwrap_or_else(|| variant.extent_for(shape.extent));
        let extent = self.whole_multiples(extent, variant.multiple_of, wish.size.is_some())?;
        manner.check(&variant)?;
        Ok(Resolved { manner, variant, extent })
    }

    fn build_with(&self, manner: &Manner, wish: &Wish, shape: FrameShape, choice: &Choice) -> Result<Built, Fault> {
        let resolved = self.resolve(manner.clone(), wish, shape, choice.engine)?;
        let (effect, variant, extent) = (&manner.effect, &resolved.variant, resolved.extent);
        let network = |e: &dyn std::fmt::Display| {
            Fault::failed(format!("Effect {} ({}): {e}", effect.name, variant.id), "Choose another effect or variant")
        };
        let graph = self.shelf.graph(variant);
        let folded = match &graph {
            Ok(graph) => manner.fold(graph, variant),
            Err(fault) => Err(fault.clone()),
        };
        let restyles = graph.as_ref().is_ok_and(|graph| graph.style_len() > 0);
        let subject = Subject {
            effect: manner.name(),
            variant: variant.id.clone(),
            engine: choice.engine.to_string(),
            device: self.device(),
            why: choice.why.clone(),
            width: extent.width,
            height: extent.height,
            source_extent: shape.extent,
            ..Subject::default()
        };
        let restylable = |how| Restylable::new(how, wish, shape, &resolved, choice.engine, &subject);
        let (student, restylable) = match choice.engine {
            Engine::Wgpu => {
                let precision =
                    if self.gpu.caps.f16 && !self.gpu.caps.software { Precision::F16 } else { Precision::F32 };
                let plan = Plan::new(&folded?, extent, precision).map_err(|e| network(&e))?;
                let student = GpuStudent::new(&self.gpu, &plan).map_err(|e| network(&e))?;
                let how = restyles.then(|| restylable(super::restyle::How::InPlace(student.restyler())));
                (Student::InPlace(student), how)
            }
            Engine::Ort => {
                let runtime = self.shelf.ort().map_err(|e| Fault::failed(capital(&e.to_string()), ""))?;
                let options = OrtOptions::default();
                let student = match folded {
                    Ok(graph) => OrtStudent::new(runtime, &graph, extent, options),
                    // A user's own network may use operators that ONNX Runtime has and we lack.
                    Err(_) if effect.kind == EffectKind::Custom => {
                        let bytes = variant.read().map_err(|e| Fault::failed(capital(&e.to_string()), e.remedy()))?;
                        OrtStudent::from_onnx(runtime, &bytes, &[], extent, options)
                    }
                    Err(fault) => return Err(fault),
                }
                .map_err(|e| network(&e))?;
                let waker = self.waker.clone();
                let (student, sender) = StyledStudent::new(student);
                let rows = graph.as_ref().is_ok_and(|graph| graph.row_len().is_some());
                let how = rows.then(|| restylable(super::restyle::How::round_trip(sender)));
                (Student::RoundTrip(RoundTrip::spawn(student, move || waker())?), how)
            }
        };
        let pipeline = self.pipeline(shape, student)?;
        Ok(Built { pipeline, subject, notices: Vec::new(), restylable })
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
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
