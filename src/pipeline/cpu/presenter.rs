//! What brings a frame to one target: composes the picture, and lays the relief on it.

use super::store::CpuStore;
use crate::canvas::Tables;
use crate::kernels::picture::{Composed, Composer};
use crate::kernels::relief::{FlowPlane, cells};
use crate::kernels::ridges::{Region, Ridges, Strokes};
use crate::pipeline::present::PictureLayout;
use crate::pipeline::product::{DRIFT, FLOW, FRAME, GAINS, PAINTING, Place, Sizes, Which};
use crate::pool::Pool;
use crate::units::Extent;

/// Pixels from one sample of a relief to the next, for pictures that come at the camera's rate, and for those that are kept.
pub(super) const LIVE: usize = 2;
pub(super) const KEPT: usize = 1;

/// Of one target. What it keeps from frame to frame is made anew when the target or the look changes.
pub(super) struct Presenter {
    layout: PictureLayout,
    composer: Composer,
    ridges: Ridges,
    spacing: usize,
    /// The composed picture before the relief.
    flat: Vec<[u8; 4]>,
}

impl Presenter {
    pub fn new(layout: PictureLayout, target: Extent, sizes: &Sizes, spacing: usize) -> Self {
        Self {
            layout,
            composer: Composer::new(layout.view(), target, sizes.shape.extent, sizes.student),
            ridges: Ridges::default(),
            spacing,
            flat: Vec::new(),
        }
    }

    /// Another layout or target from now on.
    pub fn set(&mut self, layout: PictureLayout, target: Extent) {
        self.composer.set(layout.view(), target);
        self.layout = layout;
    }

    /// The frame in that place of the store, into `out`, which has the target's size; blue first where asked for.
    /// `tables`: what reliefs are made from.
    pub fn present(
        &mut self,
        (store, place): (&CpuStore, Place),
        tables: Option<&Tables>,
        pool: &Pool,
        blue_first: bool,
        out: &mut [[u8; 4]],
    ) {
        let of = Composed {
            frame: store.read(FRAME, Which::Now, place),
            painting: store.read(PAINTING, Which::Now, place),
            gains: store.read(GAINS, Which::Now, place),
        };
        let width = self.composer.target().width as usize;
        let Self { layout, composer, ridges, spacing, flat } = self;
        let composer: &Composer = composer;
        let student = store.sizes().student;
        let (extent, flow) = (cells(student), store.read(FLOW, Which::Now, place));
        let count = extent.pixels() as usize;
        let Some(tables) = tables.filter(|_| layout.parts != 0 && layout.strength > 0.0 && flow.len() >= count) else {
            pool.rows(out, width, |rows, band| composer.rows(of, rows, blue_first, band));
            return;
        };
        flat.resize(out.len(), [0; 4]);
        pool.rows(flat, width, |rows, band| composer.rows(of, rows, blue_first, band));
        let (columns, rows) = composer.painted();
        let region = Region { columns, rows, scale: layout.scale, shift: layout.shift };
        let drift = if layout.drift_scale == [0.0; 2] { &[] } else { store.read(DRIFT, Which::Now, place) };
        let strokes = Strokes {
            flow: FlowPlane { flow: &flow[..count], extent },
            drift: drift.get(..count).unwrap_or_default(),
            drift_scale: layout.drift_scale,
        };
        let relief = layout.relief();
        // The grain of paper is finer than strokes, and lies still.
        let spacing = if relief.relief.has_strokes() { *spacing } else { KEPT };
        ridges.update(&relief, &region, (layout.strength, spacing), strokes, tables, pool);
        pool.rows(out, width, |rows, band| ridges.lay(flat, width, rows, blue_first, band));
    }
}
