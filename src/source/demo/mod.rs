//! The demo scene.

use std::time::Duration;

use super::{Clip, ClipInfo, Paced, Picture, Source, SourceError, SourceInfo, SourceKind, SourceWish};
use crate::frame::{FramePool, FrameShape, PixelFormat};
use crate::units::{CaptureClock, Extent};

/// A scene that is drawn: the same picture for the same frame number, always.
pub struct DemoScene {
    extent: Extent,
    fps: u32,
}

impl DemoScene {
    pub const DEFAULT_EXTENT: Extent = Extent::new(640, 480);
    pub const DEFAULT_FPS: u32 = 30;

    /// Prepares the scene. `fps` (at least 1) says how far apart two frame numbers are in the scene's time.
    pub fn new(extent: Extent, fps: u32) -> Self {
        Self { extent: Extent::new(extent.width.max(1), extent.height.max(1)), fps: fps.max(1) }
    }

    /// Of the frames that [`Self::draw`] makes: [`PixelFormat::Rgba8`], rows tightly packed.
    pub fn shape(&self) -> FrameShape {
        FrameShape::packed(PixelFormat::Rgba8, self.extent)
    }

    /// Draws frame number `frame` into `out`: RGBA, 4 bytes per pixel, row-major, sRGB. Pixels that `out` has no room for are left out.
    pub fn draw(&self, frame: u64, out: &mut [u8]) {
        let width = self.extent.width as usize;
        let t = frame as f32 / self.fps as f32;
        let height = self.extent.height as f32;
        let (cx, cy) = (width as f32 * (0.5 + 0.2 * t.sin()), height * (0.5 + 0.1 * (t * 1.7).cos()));
        for (i, pixel) in out.chunks_exact_mut(4).take(width * self.extent.height as usize).enumerate() {
            let (x, y) = ((i % width) as f32, (i / width) as f32);
            let inside = (x - cx).hypot(y - cy) < height * 0.25;
            let shade = (y / height * 100.0) as u8;
            pixel.copy_from_slice(&if inside { [220, 170, 140, 255] } else { [200 - shade, 190 - shade, 150, 255] });
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
    };
    Box::new(Paced::new(DemoClip { scene, info: ClipInfo { source, path: None }, frame: 0 }, wish))
}
