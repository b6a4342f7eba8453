//! Pictures through the chain, one by one: what `render` and `sheet` share.
//!
//! A pipeline is made for each shape of frame that comes, and the last few are kept. Pictures that are too large for a GPU
//! are painted small and brought to full size on the CPU ([`super::large`]).

use std::time::Instant;

use image::{DynamicImage, RgbImage, RgbaImage};

use super::{CliError, LookArgs, large};
use crate::effect::Touch;
use crate::fault::Fault;
use crate::frame::{CameraFrame, FrameBytes, FrameShape, PixelFormat};
use crate::kernels::ingest::ingest;
use crate::pipeline::{Look, Pipeline};
use crate::roundtrip::RoundTripEvent;
use crate::runtime::{BuiltPipeline, EffectRequest, PipelineFactory};
use crate::terminal::say;
use crate::units::{CaptureClock, Extent, FrameId, FrameStamp};

/// Pipelines that are kept: for a folder of pictures that lie and stand.
const MOST_PIPELINES: usize = 3;

/// What the command line says of the look, over the defaults.
pub(super) fn look_of(args: &LookArgs, touch: Touch) -> Look {
    let defaults = Look::default();
    Look {
        strength: args.strength.unwrap_or(defaults.strength),
        mirror: args.mirror,
        split: args.split,
        blend: args.steadiness.unwrap_or(defaults.blend),
        ..defaults
    }
    .touched(touch)
}

/// Paints pictures in one effect and look.
pub(super) struct Painter {
    factory: PipelineFactory,
    request: EffectRequest,
    look: Look,
    /// The one that was used last comes last.
    pipelines: Vec<(FrameShape, BuiltPipeline)>,
    /// Frames so far: ids go on from one source to the next.
    frames: u64,
    /// The next picture has nothing to do with the one before.
    fresh: bool,
    /// Larger pictures, and wider or higher ones, are painted small.
    direct: Limit,
}

/// How large a picture may be to go through the GPU as it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limit {
    pub pixels: u64,
    pub side: u32,
    pub bytes: u64,
}

impl Painter {
    pub fn new(factory: PipelineFactory, request: EffectRequest, look: Look) -> Self {
        let limits = factory.gpu.device.limits();
        let direct = Limit {
            pixels: large::FROM_PIXELS,
            side: limits.max_texture_dimension_2d,
            bytes: factory.gpu.caps.max_storage_binding_bytes,
        };
        Self { factory, request, look, pipelines: Vec::new(), frames: 0, fresh: true, direct }
    }

    /// The next picture begins another series: nothing of those before shows through.
    pub fn begin(&mut self) {
        self.fresh = true;
    }

    /// The painted picture, at the frame's size.
    ///
    /// # Errors
    /// When no pipeline can be made for its shape, or it is not painted.
    pub fn paint(&mut self, frame: CameraFrame) -> Result<DynamicImage, CliError> {
        let shape = frame.shape();
        let Limit { pixels, side, bytes } = self.direct;
        let extent = shape.extent;
        let fits = extent.pixels() <= pixels && extent.width.max(extent.height) <= side;
        if fits && shape.min_bytes() as u64 <= bytes {
            let look = self.look;
            return self.paint_at(frame, &look).map(DynamicImage::from);
        }
        let stamp = frame.stamp();
        let mut picture = rgb_of(frame)?;
        let small = large::reduced(&picture, side);
        let small_extent = Extent::new(small.width(), small.height());
        let small_shape = FrameShape::packed(PixelFormat::Rgb8, small_extent);
        let bytes = FrameBytes::from(small.as_raw().clone());
        let frame = CameraFrame::new(small_shape, stamp, bytes).map_err(|e| Fault::failed(e.to_string(), ""))?;
        // The painting alone: the rest of the look is for the picture at its full size.
        let look = Look { strength: 1.0, mirror: false, split: None, ..self.look };
        let painted = self.paint_at(frame, &look)?;
        large::enlarge(&mut picture, &small, &painted, &self.look);
        Ok(picture.into())
    }

    fn paint_at(&mut self, frame: CameraFrame, look: &Look) -> Result<RgbaImage, CliError> {
        let shape = frame.shape();
        self.use_pipeline_for(shape)?;
        let fresh = std::mem::take(&mut self.fresh);
        let blend = if fresh { 0.0 } else { look.blend };
        let frame = frame.with_id(FrameId(self.frames));
        self.frames += 1;
        let Some((_, built)) = self.pipelines.last_mut() else { return Err("no pipeline was made".into()) };
        built.pipeline.set_blend(blend);
        if fresh {
            built.pipeline.start_afresh();
        }
        paint(&mut built.pipeline, frame, shape.extent, look)
    }

    /// Puts the pipeline for `shape` last.
    fn use_pipeline_for(&mut self, shape: FrameShape) -> Result<(), CliError> {
        if let Some(index) = self.pipelines.iter().position(|(of, _)| *of == shape) {
            let found = self.pipelines.remove(index);
            self.pipelines.push(found);
            return Ok(());
        }
        if self.pipelines.len() >= MOST_PIPELINES {
            self.pipelines.remove(0);
        }
        let built = self.factory.build(&self.request, shape)?;
        if self.pipelines.is_empty() {
            built.notices.iter().for_each(say);
        }
        log::info!("{} {}: {}", built.subject.effect, built.subject.engine, built.subject.why);
        // It has not seen the pictures before.
        self.fresh = true;
        self.pipelines.push((shape, built));
        Ok(())
    }
}

/// The pixels of a frame, and nothing else of it.
pub(super) fn rgb_of(frame: CameraFrame) -> Result<RgbImage, CliError> {
    let shape = frame.shape();
    let Extent { width, height } = shape.extent;
    let rgb = if shape == FrameShape::packed(PixelFormat::Rgb8, shape.extent) {
        RgbImage::from_raw(width, height, frame.into_bytes().into_vec())
    } else {
        let mut rgba = vec![[0; 4]; shape.extent.pixels() as usize];
        ingest(&frame, &mut rgba);
        drop(frame);
        let rgb = rgba.iter().flat_map(|pixel| [pixel[0], pixel[1], pixel[2]]).collect();
        RgbImage::from_raw(width, height, rgb)
    };
    rgb.ok_or_else(|| "a frame is not as large as it says".into())
}

/// A frame of a picture that stands alone.
///
/// # Errors
/// When the picture is empty.
pub(super) fn frame_of(picture: RgbaImage, id: FrameId) -> Result<CameraFrame, CliError> {
    let shape = FrameShape::packed(PixelFormat::Rgba8, Extent::new(picture.width(), picture.height()));
    let stamp = FrameStamp { id, captured: Instant::now(), clock: CaptureClock::Schedule };
    CameraFrame::new(shape, stamp, FrameBytes::from(picture.into_raw()))
        .map_err(|e| Fault::failed(e.to_string(), "").into())
}

/// One frame through a pipeline.
///
/// # Errors
/// When it comes out without having been painted, with the reason.
pub(super) fn paint(
    pipeline: &mut Pipeline,
    frame: CameraFrame,
    extent: Extent,
    look: &Look,
) -> Result<RgbaImage, CliError> {
    let id = frame.stamp().id;
    pipeline.submit(frame);
    pipeline.finish(&mut |_| {})?;
    let painted = pipeline.shown_painted() && pipeline.shown().is_some_and(|s| s.id == id);
    if !painted {
        let events = pipeline.events();
        let fault = events.into_iter().find_map(|e| match e {
            RoundTripEvent::Fault(fault) => Some(fault),
            RoundTripEvent::Recovered => None,
        });
        let fault =
            fault.unwrap_or_else(|| Fault::failed(format!("Frame {id} was not painted"), "Try another --engine"));
        return Err(fault.into());
    }
    Ok(pipeline.read_picture(extent, look)?)
}
