//! Finished pictures for whoever taps them, composed at the size of each tap.

use std::sync::Arc;

use super::store::CpuStore;
use super::worker::Task;
use crate::canvas::Relief;
use crate::kernels::nv12::nv12_rows;
use crate::kernels::picture::{Composed, Composer};
use crate::pipeline::list::{Event, Paint};
use crate::pipeline::present::{Look, PictureLayout};
use crate::pipeline::product::{FRAME, GAINS, PAINTING, Which};
use crate::pipeline::tap::{Line, TapFormat, TapFrame, Taps};
use crate::pool::Pool;

/// What composes for each tap.
#[derive(Default)]
pub(super) struct Tapped {
    composers: Vec<(Arc<Line>, Composer)>,
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
        self.composers.retain(|(line, _)| !line.is_closed());
        taps.each(|line| {
            let Some(mut frame) = line.take() else { return };
            let sizes = store.sizes();
            let (look, none) = (line.look(look), (Relief::default(), 0));
            let layout =
                PictureLayout::new(sizes.shape.extent, sizes.crop, frame.extent, &look, painted, none, None).view();
            let composer = match self.composers.iter_mut().find(|(of, _)| Arc::ptr_eq(of, line)) {
                Some((_, composer)) => {
                    composer.set(layout, frame.extent);
                    composer
                }
                None => {
                    let composer = Composer::new(layout, frame.extent, sizes.shape.extent, sizes.student);
                    self.composers.push((line.clone(), composer));
                    let Some((_, composer)) = self.composers.last_mut() else { return line.give_up(frame) };
                    composer
                }
            };
            let of = Composed {
                frame: store.read(FRAME, Which::Now, task.place),
                painting: store.read(PAINTING, Which::Now, task.place),
                gains: store.read(GAINS, Which::Now, task.place),
            };
            let (composer, width) = (&*composer, frame.extent.width as usize);
            match line.wish.format {
                TapFormat::Rgba => {
                    let pixels = frame.bytes.as_chunks_mut::<4>().0;
                    pool.rows(pixels, width, |rows, band| composer.rows(of, rows, false, band));
                }
                TapFormat::Nv12 => {
                    let (pixels, extent) = (&mut self.pixels, frame.extent);
                    pixels.resize(extent.pixels() as usize, [0; 4]);
                    pool.rows(pixels, width, |rows, band| composer.rows(of, rows, false, band));
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
