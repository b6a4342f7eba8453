//! Another style of the network that paints already: no new pipeline, no gap, the next frame at the earliest.
//!
//! In place, the new weights are folded and uploaded aside into a set that is not in use, and a switch is one number
//! ([`crate::nn::gpu::Restyler`]). On the processor they are folded aside, and the next picture is painted with them
//! ([`crate::nn::cpu::CpuRestyler`]). In ONNX Runtime the style's row goes to a network that takes it as an input, and once
//! the style has stayed for a while a faster one, with the style folded in, takes over
//! ([`crate::nn::restyle`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::build::{PipelineFactory, ResolvedRequest};
use super::{EffectRequest, FrameShape};
use crate::canvas::{Brush, Canvas, Relief, Surface, SurfaceSlot, Tables};
use crate::effect::{Blend, Effect, Gallery, Share, StyleCanvas, Touch, Variant};
use crate::fault::{Fault, capital};
use crate::metrics::Subject;
use crate::nn::cpu::CpuRestyler;
use crate::nn::engines::{Engine, EngineWish};
use crate::nn::gpu::Restyler;
use crate::nn::graph::Graph;
use crate::nn::ort::{OrtOptions, OrtStudent};
use crate::nn::plan::Plan;
use crate::nn::restyle::StyleSender;
use crate::nn::style::{StyleRow, between};
use crate::units::{Budget, Extent};

/// What strokes swirl by where a pack says nothing of it.
const SEED: u32 = 7;

/// What is to be painted: one effect, or a blend of two that share their networks.
#[derive(Clone, Debug)]
pub struct ResolvedEffect {
    pub effect: Effect,
    other: Option<(Effect, Share)>,
}

impl ResolvedEffect {
    /// One effect alone.
    pub fn plain(effect: Effect) -> Self {
        Self { effect, other: None }
    }

    pub fn new(effect: Effect, blend: Option<&Blend>, gallery: &Gallery) -> Result<Self, Fault> {
        let Some(blend) = blend else { return Ok(Self { effect, other: None }) };
        let other = gallery.find(&blend.other)?;
        if !effect.shares_network(&other) {
            let partners: Vec<_> =
                gallery.effects().iter().filter(|e| e.shares_network(&effect) && e.name != effect.name).collect();
            let partners: Vec<_> = partners.iter().map(|e| e.name.as_str()).collect();
            let remedy = match partners.as_slice() {
                [] => "It has no partner: choose another effect".to_owned(),
                _ => format!("Choose one of: {}", partners.join(", ")),
            };
            let what = format!("{} and {} are not painted by one network", effect.name, other.name);
            return Err(Fault::failed(what, remedy));
        }
        Ok(Self { effect, other: Some((other, blend.share)) })
    }

    /// For people and for figures that are kept apart. The share is left out: it changes while the slider moves.
    pub fn name(&self) -> String {
        match &self.other {
            None => self.effect.name.clone(),
            Some((other, _)) => format!("{} + {}", self.effect.name, other.name),
        }
    }

    /// The canvas that the effects are painted on; `None` where their pack describes none.
    fn brush(&self, touch: Touch) -> Option<Brush> {
        let own = self.effect.canvas;
        let StyleCanvas { strength, scale } = match &self.other {
            None => own,
            Some((other, share)) => own.between(other.canvas, share.get()),
        };
        let touch = touch.checked();
        self.effect.pack.canvas.map(|canvas| Brush {
            seed: canvas.seed.wrapping_add(touch.hand),
            strength: strength * touch.boldness,
            scale: (scale * touch.brush).clamp(*Brush::SCALES.start(), *Brush::SCALES.end()),
        })
    }

    /// What the effects are painted on by a network of that size that takes a canvas of so many channels, and what is laid
    /// on their painting. May take half a second the first time.
    pub fn surface(&self, channels: usize, touch: Touch, student: Extent) -> Surface {
        let relief = match &self.other {
            None => self.effect.relief,
            Some((other, share)) => self.effect.relief.between(other.relief, share.get()),
        };
        // Strokes of a relief swirl as a canvas would, also where there is none.
        let brush = self.brush(touch).unwrap_or(Brush { seed: SEED, ..Brush::default() }).for_student(student);
        let tables = (relief != Relief::default()).then(Tables::known);
        Surface { canvas: self.canvas(channels, touch, student), brush, relief, tables }
    }

    /// The canvas for a network of that size that takes so many channels. `None` where it takes none, or none that fits is described:
    /// then the network's stays empty, and the log says so. May take half a second the first time.
    pub fn canvas(&self, channels: usize, touch: Touch, student: Extent) -> Option<Canvas> {
        if let Some(trouble) = self.effect.pack.canvas_trouble(channels) {
            log::warn!("{trouble}");
            return None;
        }
        self.brush(touch).filter(|_| channels > 0).map(|brush| brush.for_student(student).canvas())
    }

    /// Whether `variant` can paint both effects.
    pub fn check(&self, variant: &Variant) -> Result<(), Fault> {
        match &self.other {
            Some((other, _)) => other.variant(Some(&variant.id)).map(|_| ()),
            None => Ok(()),
        }
    }

    /// What the style comes to; `None` for a network that has not one table of styles.
    fn row(&self, graph: &Graph, variant: &Variant) -> Result<Option<StyleRow>, Fault> {
        let Some(columns) = graph.row_len() else { return Ok(None) };
        let row_of = |effect: &Effect| -> Result<StyleRow, Fault> {
            let row = match effect.own_row(&variant.id) {
                Some(row) => row.clone(),
                None => {
                    // Says which style the network lacks.
                    effect.style_weights(graph.style_len())?;
                    effect.table_style().and_then(|style| graph.row(style)).unwrap_or_default()
                }
            };
            if row.len() == columns {
                return Ok(row);
            }
            Err(Fault::failed(
                format!("The style {} has {} numbers, and its network takes {columns}", effect.name, row.len()),
                "Make the style again for the networks that are installed now",
            ))
        };
        let row = row_of(&self.effect)?;
        Ok(Some(match &self.other {
            None => row,
            Some((other, share)) => between(&row, &row_of(other)?, share.get()),
        }))
    }

    /// The network with its style fixed.
    pub fn fold(&self, graph: &Graph, variant: &Variant) -> Result<Graph, Fault> {
        let folded = match self.row(graph, variant)? {
            Some(row) => graph.fold_row(&row),
            None => {
                let mut weights = self.effect.style_weights(graph.style_len())?;
                if let Some((other, share)) = &self.other {
                    let share = share.get();
                    for (weight, other) in weights.iter_mut().zip(other.style_weights(graph.style_len())?) {
                        *weight = (1.0 - share) * *weight + share * other;
                    }
                }
                graph.fold(&weights)
            }
        };
        folded.map_err(|e| {
            let what = format!("Effect {} ({}): {e}", self.effect.name, variant.id);
            Fault::failed(what, "Choose another effect or variant")
        })
    }
}

/// How a style gets to where it is used.
#[derive(Clone, Debug)]
pub(super) enum How {
    InPlace(Restyler),
    Processor(CpuRestyler),
    RoundTrip {
        sender: StyleSender,
        /// Whether the network that takes rows was handed over.
        takes_rows: Arc<AtomicBool>,
    },
}

impl How {
    pub fn round_trip(sender: StyleSender) -> Self {
        Self::RoundTrip { sender, takes_rows: Arc::default() }
    }
}

/// A pipeline's handle for other styles. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Restylable {
    how: How,
    /// What must stay as it is: another network, size or engine needs another pipeline.
    sha256: String,
    extent: Extent,
    engine_wish: EngineWish,
    engine: Engine,
    shape: FrameShape,
    subject: Subject,
    surface: SurfaceSlot,
    canvas_channels: usize,
}

impl Restylable {
    pub(super) fn new(
        how: How,
        request: &EffectRequest,
        shape: FrameShape,
        resolved: &ResolvedRequest,
        engine: Engine,
        subject: &Subject,
    ) -> Self {
        Self {
            how,
            sha256: resolved.variant.sha256.clone(),
            extent: resolved.extent,
            engine_wish: request.engine,
            engine,
            shape,
            subject: subject.clone(),
            surface: SurfaceSlot::default(),
            canvas_channels: 0,
        }
    }

    /// For a pipeline whose student takes a canvas of so many channels.
    pub(super) fn on_surface(self, surface: SurfaceSlot, canvas_channels: usize) -> Self {
        Self { surface, canvas_channels, ..self }
    }

    /// What was prepared by [`PipelineFactory::restyle`] paints from the next frame on. To be called where frames are submitted.
    pub fn switch(&self) {
        match &self.how {
            How::InPlace(restyler) => restyler.switch(),
            // What was sent is picked up with the next picture.
            How::Processor(_) | How::RoundTrip { .. } => {}
        }
        self.surface.switch();
    }

    /// Whether the style is painted by a slower network for now, until [`PipelineFactory::settle`].
    pub(super) fn settles(&self) -> bool {
        matches!(self.how, How::RoundTrip { .. })
    }
}

impl PipelineFactory {
    /// Prepares `request` as another style of what `of` belongs to, and returns what paints then; [`Restylable::switch`]
    /// shows it. `None` when the request needs another pipeline, or cannot be had: building it will tell. Takes
    /// milliseconds; at most one at a time for one pipeline, the switch included.
    pub fn restyle(&self, request: &EffectRequest, shape: FrameShape, of: &Restylable) -> Option<Subject> {
        let resolved = self.same_network(request, shape, of)?;
        let graph = self.catalog.graph(&resolved.variant).ok()?;
        match &of.how {
            How::InPlace(restyler) => {
                let folded = resolved.chosen.fold(&graph, &resolved.variant).ok()?;
                let plan = Plan::new(&folded, resolved.extent, restyler.plan().precision()).ok()?;
                restyler.load(&self.gpu, &plan).ok()?;
            }
            How::Processor(restyler) => {
                restyler.load(&resolved.chosen.fold(&graph, &resolved.variant).ok()?).ok()?;
            }
            How::RoundTrip { sender, .. } => {
                let row = resolved.chosen.row(&graph, &resolved.variant).ok()??;
                self.take_rows_with(of, &graph).ok()?;
                sender.send_row(row);
                sender.tidy();
            }
        }
        of.surface.prepare(resolved.chosen.surface(of.canvas_channels, request.touch, resolved.extent));
        Some(Subject { effect: resolved.chosen.name(), ..of.subject.clone() })
    }

    fn same_network(&self, request: &EffectRequest, shape: FrameShape, of: &Restylable) -> Option<ResolvedRequest> {
        if request.engine != of.engine_wish || shape != of.shape {
            return None;
        }
        let resolved = self.resolve(self.chosen(request).ok()?, request, shape, of.engine, Budget::default()).ok()?;
        (resolved.standing.rung().painted && resolved.variant.sha256 == of.sha256 && resolved.extent == of.extent)
            .then_some(resolved)
    }

    /// In ONNX Runtime: makes ready for styles to come, so that the first is as quick as the others. Takes tens of
    /// milliseconds.
    ///
    /// # Errors
    /// When ONNX Runtime refuses the network.
    pub(super) fn take_rows(&self, request: &EffectRequest, of: &Restylable) -> Result<(), Fault> {
        let resolved = self.resolve(self.chosen(request)?, request, of.shape, of.engine, Budget::default())?;
        let graph = self.catalog.graph(&resolved.variant)?;
        self.take_rows_with(of, &graph)
    }

    fn take_rows_with(&self, of: &Restylable, graph: &Graph) -> Result<(), Fault> {
        let How::RoundTrip { sender, takes_rows } = &of.how else { return Ok(()) };
        if takes_rows.load(Ordering::Acquire) {
            return Ok(());
        }
        let fault = |e: String| Fault::failed(capital(&e), "Choose another effect or variant");
        let (Some(onnx), Some(columns)) = (graph.to_onnx_by_row(), graph.row_len()) else {
            return Err(fault("the network takes no styles".to_owned()));
        };
        let runtime = self.catalog.ort().map_err(|e| fault(e.to_string()))?;
        let student = OrtStudent::from_onnx(runtime, &onnx, &vec![0.0; columns], of.extent, OrtOptions::default())
            .map_err(|e| fault(e.to_string()))?;
        sender.send_by_row(student);
        takes_rows.store(true, Ordering::Release);
        Ok(())
    }

    /// In ONNX Runtime: `request`, which [`Self::restyle`] sent last, folded in, which paints faster. Takes tens of
    /// milliseconds. What fails leaves the slower one in use. Elsewhere there is nothing to do.
    pub fn settle(&self, request: &EffectRequest, shape: FrameShape, of: &Restylable) {
        let How::RoundTrip { sender, .. } = &of.how else { return };
        let folded = self.same_network(request, shape, of).and_then(|resolved| {
            let graph = self.catalog.graph(&resolved.variant).ok()?;
            let folded = resolved.chosen.fold(&graph, &resolved.variant).ok()?;
            OrtStudent::new(self.catalog.ort().ok()?, &folded, of.extent, OrtOptions::default()).ok()
        });
        if let Some(student) = folded {
            sender.send_folded(student);
        }
        sender.tidy();
    }
}
