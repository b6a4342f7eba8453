//! `impasto render IN OUT`: every frame once, in order, into a file.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{CliError, Common, RenderArgs};
use crate::effect::models_dirs;
use crate::fault::Fault;
use crate::frame::FramePool;
use crate::frame::YuvRange;
use crate::gpu::Gpu;
use crate::output::{Format, Options, Writer};
use crate::pipeline::{Look, Pipeline};
use crate::runtime::{Catalog, EffectRequest, PipelineFactory};
use crate::signals;
use crate::source::{Pacing, Recovery, Source, SourceError, SourceSpec, SourceWish};
use crate::terminal::{counted, say};
use crate::units::Extent;

const FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;

/// How often progress is told on stderr.
const TELL_EVERY: Duration = Duration::from_secs(2);

pub fn run(args: &RenderArgs, common: &Common) -> Result<(), CliError> {
    // What would fail in the end should fail at the beginning.
    let format = Format::of(&args.output)?;
    let request = SourceWish { max_extent: None, looping: false, pacing: Pacing::Offline, ..SourceWish::default() };
    let mut source = crate::source::open(&SourceSpec::File(args.input.clone()), &request).map_err(|e| e.fault())?;
    let interval = source.info().interval;
    let pool = FramePool::default();
    let first = next(source.as_mut(), &pool)?
        .ok_or_else(|| Fault::failed(format!("{} holds no picture", args.input.display()), "Choose another file"))?;

    let factory = PipelineFactory {
        gpu: Gpu::headless()?,
        catalog: Catalog::new(models_dirs(common.models.as_deref())),
        format: FORMAT,
        waker: Arc::new(|| {}),
    };
    let request = EffectRequest {
        effect: args.paint.effect.clone(),
        blend: args.paint.blend.clone(),
        variant: args.paint.variant.clone(),
        engine: args.paint.engine.unwrap_or_default(),
        size: args.paint.size,
        rung: None,
    };
    let defaults = Look::default();
    let look = Look {
        strength: args.look.strength.unwrap_or(defaults.strength),
        mirror: args.look.mirror,
        split: args.look.split,
        blend: args.look.steadiness.unwrap_or(defaults.blend),
        ..defaults
    };
    let mut shape = first.shape();
    let mut built = factory.build(&request, shape)?;
    for notice in &built.notices {
        say(notice);
    }
    log::info!("{} {}: {}", built.subject.effect, built.subject.engine, built.subject.why);
    built.pipeline.set_blend(look.blend);

    let options = Options {
        extent: shape.extent,
        rate: None,
        interval,
        range: YuvRange::Limited,
        quality: crate::output::JPEG_QUALITY,
    };
    let mut writer = Writer::new(&args.output, &options)?;
    let limit = args.frames.unwrap_or(u64::MAX);
    let mut told = Instant::now();
    let mut done = 0;
    let mut frame = Some(first);
    while let Some(current) = frame.take().filter(|_| done < limit) {
        if signals::received().is_some() {
            say(format_args!("stopped after {}; nothing was written", counted(done, "picture")));
            return Ok(());
        }
        if current.shape() != shape {
            shape = current.shape();
            built = factory.build(&request, shape)?;
            built.pipeline.set_blend(look.blend);
        }
        let stamp = current.stamp();
        let extent = shape.extent;
        let picture = paint(&mut built.pipeline, current, extent, &look)?;
        // The next frame says how long this one is shown; a still has none after it.
        frame = if !format.is_clip() && limit == 1 { None } else { next(source.as_mut(), &pool)? };
        let delay = frame.as_ref().map_or(interval, |f| f.stamp().captured.saturating_duration_since(stamp.captured));
        writer.write(picture, delay)?;
        done += 1;
        if told.elapsed() > TELL_EVERY {
            told = Instant::now();
            say(counted(done, "picture"));
        }
    }
    writer.finish()?;
    Ok(())
}

/// The next frame; damaged ones are passed over with a word, the end is `None`.
fn next(source: &mut dyn Source, pool: &FramePool) -> Result<Option<crate::frame::CameraFrame>, CliError> {
    loop {
        match source.next(pool) {
            Ok(frame) => return Ok(Some(frame)),
            Err(SourceError::Ended) => return Ok(None),
            Err(error) if error.recovery() == Recovery::Continue => say(error.fault()),
            Err(error) => return Err(error.fault().into()),
        }
    }
}

/// One frame through the chain.
pub(super) fn paint(
    pipeline: &mut Pipeline,
    frame: crate::frame::CameraFrame,
    extent: Extent,
    look: &Look,
) -> Result<image::RgbaImage, CliError> {
    let id = frame.stamp().id;
    pipeline.submit(frame);
    pipeline.finish(&mut |_| {})?;
    let painted = pipeline.shown_painted() && pipeline.shown().is_some_and(|s| s.id == id);
    if !painted {
        let events = pipeline.round_trip().map(|r| r.events()).unwrap_or_default();
        let fault = events.into_iter().find_map(|e| match e {
            crate::roundtrip::RoundTripEvent::Fault(fault) => Some(fault),
            crate::roundtrip::RoundTripEvent::Recovered => None,
        });
        let fault =
            fault.unwrap_or_else(|| Fault::failed(format!("Frame {id} was not painted"), "Try another --engine"));
        return Err(fault.into());
    }
    Ok(pipeline.read_picture(extent, look)?)
}
