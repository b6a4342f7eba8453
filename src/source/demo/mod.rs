//! The demo scene: a painter at home, for when there is no camera, and for tests and benchmarks that need a picture like a camera's.
//!
//! Deterministic by frame number. The room and the parts of the figure are painted once, as height fields under one light
//! ([`figure`], [`room`]); each frame turns and shifts them, and draws the face's moving parts anew ([`scene`]).

mod figure;
mod paint;
mod room;
mod scene;

use std::time::Duration;

use scene::Scene;

use super::{Clip, ClipInfo, Paced, Picture, Source, SourceError, SourceInfo, SourceKind, SourceWish};
use crate::frame::{FramePool, FrameShape, PixelFormat};
use crate::units::{CaptureClock, Extent};

/// A scene that is drawn: the same picture for the same frame number, always.
///
/// Making one paints everything that does not change (about 0.4 s of one core at 640x480, spread over two threads); drawing a
/// frame then moves what is there and allocates nothing.
pub struct DemoScene {
    extent: Extent,
    fps: u32,
    scene: Scene,
}

impl DemoScene {
    pub const DEFAULT_EXTENT: Extent = Extent::new(640, 480);
    pub const DEFAULT_FPS: u32 = 30;
    /// Neither side is longer than this, whatever is asked for.
    const MAX_SIDE: u32 = 4096;

    /// Prepares the scene. `fps` (at least 1) says how far apart two frame numbers are in the scene's time. Sides are
    /// limited to 1..=4096.
    pub fn new(extent: Extent, fps: u32) -> Self {
        let extent = Extent::new(extent.width.clamp(1, Self::MAX_SIDE), extent.height.clamp(1, Self::MAX_SIDE));
        Self { extent, fps: fps.max(1), scene: Scene::new(extent.width as usize, extent.height as usize) }
    }

    /// Of the frames that [`Self::draw`] makes: [`PixelFormat::Rgba8`], rows tightly packed.
    pub fn shape(&self) -> FrameShape {
        FrameShape::packed(PixelFormat::Rgba8, self.extent)
    }

    /// Draws frame number `frame` into `out`: opaque RGBA, 4 bytes per pixel, row-major, sRGB, `shape().min_bytes()` in all. An `out` that
    /// is too short is left as it is.
    pub fn draw(&self, frame: u64, out: &mut [u8]) {
        if let Some(out) = out.get_mut(..self.shape().min_bytes()) {
            self.scene.draw(frame as f64 / f64::from(self.fps), out);
        }
    }
}

struct DemoClip {
    scene: DemoScene,
    info: ClipInfo,
    frame: u64,
}

impl Clip for DemoClip {
    fn info(&self) -> &ClipInfo {
        &self.info
    }

    fn read(&mut self, pool: &FramePool) -> Result<Option<Picture>, SourceError> {
        let shape = self.scene.shape();
        let mut bytes = pool.take(shape.min_bytes());
        self.scene.draw(self.frame, &mut bytes);
        self.frame += 1;
        Ok(Some(Picture { shape, bytes, shown_for: self.info.source.interval }))
    }

    fn skip(&mut self) -> Result<Option<Duration>, SourceError> {
        self.frame += 1;
        Ok(Some(self.info.source.interval))
    }

    fn rewind(&mut self) -> Result<(), SourceError> {
        self.frame = 0;
        Ok(())
    }
}

/// The demo scene as a source: 640x480 unless the wish is smaller, at the budget's rate. Never ends.
pub fn open(wish: &SourceWish) -> Box<dyn Source> {
    let max = wish.max_extent.unwrap_or(DemoScene::DEFAULT_EXTENT);
    let extent =
        Extent::new(max.width.min(DemoScene::DEFAULT_EXTENT.width), max.height.min(DemoScene::DEFAULT_EXTENT.height));
    let fps = (1.0 / wish.budget.0.as_secs_f64().max(1e-3)).round().clamp(1.0, 240.0) as u32;
    let scene = DemoScene::new(extent, fps);
    let shape = scene.shape();
    let source = SourceInfo {
        kind: SourceKind::Demo,
        name: "Demo scene".into(),
        detail: format!("drawn {} at {fps} fps", shape.extent),
        shape,
        interval: Duration::from_secs(1) / fps,
        clock: CaptureClock::Schedule,
        camera: None,
        timeline: None,
    };
    Box::new(Paced::new(DemoClip { scene, info: ClipInfo { source, path: None }, frame: 0 }, wish))
}
