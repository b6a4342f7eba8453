//! Finished pictures for whoever taps them, composed at the size of each tap.

use std::sync::Arc;

use super::presenter::{LIVE, Presenter};
use super::store::CpuStore;
use super::worker::Task;
use crate::kernels::nv12::nv12_rows;
use crate::pipeline::list::{Event, Paint};
use crate::pipeline::present::{Look, PictureLayout};
use crate::pipeline::tap::{Line, TapFormat, TapFrame, Taps};
use crate::pool::Pool;

/// What presents to each tap.
#[derive(Default)]
pub(super) struct Tapped {
    presenters: Vec<(Arc<Line>, Presenter)>,
    /// For pictures that are not wanted as pixels.
    pixels: Vec<[u8; 4]>,
}

impl Tapped {
    /// The frame in the task's slot for every tap. Those whose buffers are all in use miss it, which is counted.
    pub fn give(&mut self, store: &CpuStore, pool: &Pool, taps: &Taps, look: &Look, task: &Task, painted: bool) {
        if task.wanted.event != Event::Frame {
            return;
        }
        let painted = painted && task.wanted.paint != Paint::Nobody;
        self.presenters.retain(|(line, _)| !line.is_closed());
        let (surface, tables) = (&task.surface, task.surface.tables.as_deref());
        taps.each(|line| {
            let Some(mut frame) = line.take() else { return };
            let sizes = store.sizes();
            let look = line.look(look);
            let drift = task.wanted.moves().then_some(sizes.student);
            let relief = (surface.relief, surface.brush.seed);
            let layout =
                PictureLayout::new(sizes.shape.extent, sizes.crop, frame.extent, &look, painted, relief, drift);
            let presenter = match self.presenters.iter_mut().find(|(of, _)| Arc::ptr_eq(of, line)) {
                Some((_, presenter)) => {
                    presenter.set(layout, frame.extent);
                    presenter
                }
                None => {
                    self.presenters.push((line.clone(), Presenter::new(layout, frame.extent, sizes, LIVE)));
                    let Some((_, presenter)) = self.presenters.last_mut() else { return line.give_up(frame) };
                    presenter
                }
            };
            let of = (store, task.place);
            let width = frame.extent.width as usize;
            match line.wish.format {
                TapFormat::Rgba => {
                    presenter.present(of, tables, pool, false, frame.bytes.as_chunks_mut::<4>().0);
                }
                TapFormat::Nv12 => {
                    let (pixels, extent) = (&mut self.pixels, frame.extent);
                    pixels.resize(extent.pixels() as usize, [0; 4]);
                    presenter.present(of, tables, pool, false, pixels);
                    let (luma, chroma) = frame.bytes.split_at_mut(extent.pixels() as usize);
                    pool.rows_of_two((luma, width * 2), (chroma, width), |rows, luma, chroma| {
                        nv12_rows(pixels, extent, rows, luma, chroma);
                    });
                }
            }
            line.put(TapFrame { stamp: Some(task.stamp), painted, ..frame });
        });
    }
}
