//! Runs a [`Program`]: one worker for each thread, which goes through the blocks with the others.

use std::ops::Range;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use super::kernels::{Finish, Isa, MAX_ROWS, Row, RowMut, Second, Weighted};
use super::layout::{Layout, Line, numbers, numbers_mut, zeros};
use super::program::{BlockProgram, Channels, Kernel, MAX_MAKES, MAX_READS, Picture, Place, Plain, Program, Step};

/// A picture that is kept whole, a part for each thread. A thread writes its own part while nobody reads the picture, and
/// all read it after they met: the locks never wait.
#[derive(Debug)]
pub(super) struct Pictures {
    /// `[whole][thread]`.
    parts: Vec<Vec<RwLock<Vec<Line>>>>,
}

impl Pictures {
    pub fn new(program: &Program) -> Self {
        let part = |row: usize, rows: &Range<u32>| RwLock::new(zeros(row * rows.len()));
        let whole = |w: &super::program::Whole| w.bands.iter().map(|rows| part(w.row, rows)).collect();
        Self { parts: program.wholes.iter().map(whole).collect() }
    }

    /// Rows of a whole picture, from the top.
    pub fn each_row(&self, program: &Program, whole: usize, mut f: impl FnMut(usize, &[f32])) {
        let Some((parts, whole)) = self.parts.get(whole).zip(program.wholes.get(whole)) else { return };
        for (part, rows) in parts.iter().zip(&whole.bands) {
            let part = part.read().unwrap_or_else(PoisonError::into_inner);
            for (y, row) in rows.clone().zip(numbers(&part).chunks_exact(whole.row.max(1))) {
                f(y as usize, row);
            }
        }
    }
}

/// What comes from outside with each picture.
#[derive(Clone, Copy)]
pub(super) struct Inputs<'a> {
    /// `[3][height][width]`.
    pub image: &'a [f32],
    /// `[channels][height / 2][width / 2]`; empty for a network that takes none.
    pub canvas: &'a [f32],
    /// As packed for the program.
    pub weights: &'a [Line],
}

/// One thread's own memory.
#[derive(Debug)]
pub(super) struct Worker {
    rings: Vec<Vec<Line>>,
    zero: Vec<Line>,
    transformed: Vec<Line>,
    products: Vec<Line>,
    /// Of each step of a block, the row up to which it was worked.
    done: Vec<u32>,
    /// `[block][step]`, while a profile is taken.
    times: Option<Vec<Vec<Duration>>>,
}

impl Worker {
    pub fn new(program: &Program) -> Self {
        let steps = program.blocks.iter().map(|b| b.steps.len()).max().unwrap_or(0);
        Self {
            rings: program.ring_numbers.iter().map(|n| zeros(*n)).collect(),
            zero: zeros(program.zero_numbers),
            transformed: zeros(program.transformed_numbers),
            products: zeros(program.product_numbers),
            done: vec![0; steps],
            times: None,
        }
    }

    /// Starts counting from zero, or stops.
    pub fn profile(&mut self, program: Option<&Program>) {
        self.times = program.map(|p| p.blocks.iter().map(|b| vec![Duration::ZERO; b.steps.len()]).collect());
    }

    pub fn times(&self) -> Option<&Vec<Vec<Duration>>> {
        self.times.as_ref()
    }

    /// One thread's part of a block.
    pub fn block(&mut self, program: &Program, pictures: &Pictures, inputs: Inputs<'_>, block: usize, thread: usize) {
        let number = block;
        let block = &program.blocks[number];
        let band = &block.bands[thread];
        let mut guards: [Option<RwLockReadGuard<'_, Vec<Line>>>; MAX_READS] = [const { None }; MAX_READS];
        let mut bands: [&[Range<u32>]; MAX_READS] = [&[]; MAX_READS];
        let threads = program.threads;
        for (slot, &whole) in block.reads.iter().enumerate() {
            for (part, lock) in pictures.parts[whole].iter().enumerate() {
                guards[slot * threads + part] = Some(lock.read().unwrap_or_else(PoisonError::into_inner));
            }
            bands[slot] = &program.wholes[whole].bands;
        }
        let view = View { program, block, inputs, guards: &guards, bands: &bands };
        let mut made: [Option<RwLockWriteGuard<'_, Vec<Line>>>; MAX_MAKES] = [const { None }; MAX_MAKES];
        for (guard, (_, whole)) in made.iter_mut().zip(&block.makes) {
            *guard = Some(pictures.parts[*whole][thread].write().unwrap_or_else(PoisonError::into_inner));
        }
        let own_rows = |number: usize| &program.wholes[block.makes[number].1].bands[thread];

        for columns in &block.strips {
            self.clear_borders(block, columns);
            self.done[..band.starts.len()].copy_from_slice(&band.starts);
            for turn in &band.turns {
                for (index, step) in block.steps.iter().enumerate() {
                    let (from, to) = (self.done[index], turn[index]);
                    if from >= to {
                        continue;
                    }
                    let began = self.times.is_some().then(Instant::now);
                    let mut ring = match step.target.place {
                        Place::Ring(ring) => std::mem::take(&mut self.rings[ring]),
                        _ => Vec::new(),
                    };
                    let stored = block.makes.iter().position(|(step, _)| *step == index);
                    let grain = step.grain() as usize;
                    for y in (from..to).step_by(grain) {
                        let whole = stored.and_then(|number| Some((made[number].as_deref_mut()?, own_rows(number))));
                        let (memory, at, keep) = match (step.target.place, whole) {
                            (Place::Ring(number), keep) => (&mut ring, y as usize % block.rings[number].rows, keep),
                            (_, Some((whole, rows))) => (whole, (y - rows.start) as usize, None),
                            (_, None) => continue,
                        };
                        let row = step.target.row();
                        let target = &mut numbers_mut(memory)[at * row..(at + grain) * row];
                        let own = Own { rings: &self.rings, zero: numbers(&self.zero) };
                        let spare = (&mut self.transformed, &mut self.products);
                        view.row(&own, spare, columns, index, y as usize, target);
                        if let Some((whole, rows)) = keep {
                            for (y, row) in (y..).zip(target.chunks_exact(row)).filter(|(y, _)| rows.contains(y)) {
                                let at = (y - rows.start) as usize;
                                store(&step.target, &columns[index], row, numbers_mut(whole), at);
                            }
                        }
                    }
                    if let Place::Ring(number) = step.target.place {
                        self.rings[number] = ring;
                    }
                    self.done[index] = to;
                    if let (Some(times), Some(began)) = (&mut self.times, began) {
                        times[number][index] += began.elapsed();
                    }
                }
            }
        }
    }

    /// Rings hold what another block left: the columns that pad this one's rows are made zero.
    fn clear_borders(&mut self, block: &BlockProgram, columns: &[Range<u32>]) {
        for (index, ring) in block.rings.iter().enumerate() {
            let Layout { pixel, left, right, width, .. } = ring.layout;
            let span = &columns[index];
            let memory = numbers_mut(&mut self.rings[index]);
            for row in memory.chunks_exact_mut(ring.stride.max(1)).take(ring.rows * ring.layout.blocks()) {
                if span.start == 0 {
                    row[..left * pixel].fill(0.0);
                }
                if span.end as usize == width {
                    let end = (left + span.len()) * pixel;
                    row[end..end + right * pixel].fill(0.0);
                }
            }
        }
    }
}

/// Copies a row of a ring to row `at` of a whole picture.
fn store(ring: &Picture, columns: &Range<u32>, row: &[f32], whole: &mut [f32], at: usize) {
    let layout = &ring.layout;
    let stride = layout.stride(layout.width);
    let whole = &mut whole[at * stride * layout.blocks()..];
    let (from, to) = (layout.left * layout.pixel, (layout.left + columns.start as usize) * layout.pixel);
    for block in 0..layout.blocks() {
        whole[block * stride + to..][..columns.len() * layout.pixel]
            .copy_from_slice(&row[block * ring.stride + from..][..columns.len() * layout.pixel]);
    }
}

/// What all steps of a block read.
struct View<'a> {
    program: &'a Program,
    block: &'a BlockProgram,
    inputs: Inputs<'a>,
    /// `[number in block.reads][thread]`.
    guards: &'a [Option<RwLockReadGuard<'a, Vec<Line>>>],
    bands: &'a [&'a [Range<u32>]],
}

/// A worker's memory while a step writes another part of it.
struct Own<'a> {
    rings: &'a [Vec<Line>],
    zero: &'a [f32],
}

impl View<'_> {
    fn isa(&self) -> &'static Isa {
        self.program.isa
    }

    /// Row `y` of a picture from column `x` on, which may lie in the columns of zeros before the first. A row above or below
    /// the picture is zeros.
    fn source<'s>(&'s self, own: &Own<'s>, picture: &Picture, columns: &[Range<u32>], y: i64, x: i64) -> &'s [f32] {
        if y < 0 || y >= picture.layout.height as i64 {
            return own.zero;
        }
        let (y, row) = (y as usize, picture.row());
        let (memory, at, first) = match picture.place {
            Place::Ring(ring) => (&own.rings[ring], y % self.block.rings[ring].rows, columns[ring].start),
            Place::Whole(whole) => {
                let slot = self.block.reads.iter().position(|r| *r == whole).unwrap_or(0);
                let part = self.bands[slot].iter().position(|rows| rows.contains(&(y as u32))).unwrap_or(0);
                let Some(guard) = &self.guards[slot * self.program.threads + part] else { return own.zero };
                (&**guard, y - self.bands[slot][part].start as usize, 0)
            }
            // Only a load reads these, by itself.
            Place::Image | Place::Canvas => return own.zero,
        };
        let column = (x - i64::from(first) + picture.layout.left as i64) as usize;
        &numbers(memory)[at * row..(at + 1) * row][column * picture.layout.pixel..]
    }

    /// One row, or a pair, of step `index`: columns `columns[index]` into `target`.
    fn row(
        &self,
        own: &Own<'_>,
        (transformed, products): (&mut Vec<Line>, &mut Vec<Line>),
        columns: &[Range<u32>],
        index: usize,
        y: usize,
        target: &mut [f32],
    ) {
        let isa = self.isa();
        let step = &self.block.steps[index];
        let span = &columns[index];
        let layout = &step.target.layout;
        let width = span.len();
        let lanes = isa.lanes();
        let all = numbers(self.inputs.weights);
        let (weights, bias) = (&all[step.weights.clone()], &all[step.bias.clone()]);
        let weighted = Weighted { weights, bias, finish: step.finish_in_kernel() };
        // The first column that is written: in a ring it is the strip's, in a whole picture its own place.
        let first = if matches!(step.target.place, Place::Ring(_)) { 0 } else { span.start as usize };
        let at = (layout.left + first) * layout.pixel;
        let (pads, stride) = (step.pads(), step.conv_stride());
        let top = (y * stride) as i64 - pads.top as i64;
        let left = i64::from(span.start) * stride as i64 - pads.left as i64;
        let source = |picture: &Picture, y: i64, x: i64| self.source(own, picture, columns, y, x);
        let blocked = |picture: &Picture, y: i64, x: i64| Row { data: source(picture, y, x), stride: picture.stride };

        match &step.kernel {
            Kernel::Gemm { gemm, kernel, .. } => {
                let mut rows: [&[f32]; MAX_ROWS] = [&[]; MAX_ROWS];
                for (number, picture) in step.sources.iter().enumerate() {
                    for ky in 0..*kernel {
                        rows[number * kernel + ky] = source(picture, top + ky as i64, left);
                    }
                }
                let second = step.second.as_ref().filter(|_| !step.finishes_after()).map(|(picture, first)| Second {
                    row: blocked(picture, y as i64, i64::from(span.start)),
                    first: *first,
                });
                let rows = &rows[..step.sources.len() * kernel];
                let out = RowMut { data: &mut target[at..], stride: step.target.stride };
                isa.gemm(gemm, rows, weighted, second, out, width);
            }
            Kernel::Winograd { gemm, tiles: most, .. } => {
                let tiles = width / 2;
                let picture = &step.sources[0];
                let (blocks, out_blocks) = (picture.layout.blocks(), layout.blocks());
                let stride = most * lanes;
                let rows = [0, 1, 2, 3].map(|ky| blocked(picture, top + ky, left));
                let transformed = numbers_mut(transformed);
                isa.winograd_input(rows, blocks, tiles, RowMut { data: transformed, stride });
                let products = numbers_mut(products);
                let each = gemm.weights(lanes);
                for number in 0..16 {
                    let moved = &transformed[number * blocks * stride..(number + 1) * blocks * stride];
                    let out = &mut products[number * out_blocks * stride..(number + 1) * out_blocks * stride];
                    let weights = Weighted {
                        weights: &weights[number * each..(number + 1) * each],
                        // Added when the products are transformed back.
                        bias: own.zero,
                        finish: Finish::NONE,
                    };
                    isa.gemm(gemm, &[moved], weights, None, RowMut { data: out, stride }, tiles);
                }
                let (upper, lower) = target.split_at_mut(step.target.row());
                let out = [upper, lower].map(|row| RowMut { data: &mut row[at..], stride: step.target.stride });
                let products = Row { data: products, stride };
                isa.winograd_output(products, bias, weighted.finish, out, out_blocks, tiles);
            }
            Kernel::Depthwise { stride } => {
                let mut block = 0;
                for picture in &step.sources {
                    let blocks = picture.layout.blocks();
                    let rows = [0, 1, 2].map(|ky| blocked(picture, top + ky, left));
                    let part = Weighted {
                        weights: &weights[9 * block * lanes..],
                        bias: &bias[block * lanes..],
                        finish: weighted.finish,
                    };
                    let out =
                        RowMut { data: &mut target[block * step.target.stride + at..], stride: step.target.stride };
                    isa.depthwise(*stride, rows, part, out, blocks, width);
                    block += blocks;
                }
            }
            Kernel::Planes => {
                let picture = &step.sources[0];
                let rows = [0, 1, 2].map(|ky| source(picture, top + ky, left));
                for (channel, weights) in weights.as_chunks().0.iter().enumerate() {
                    let rows = rows.map(|row| row.get(channel * picture.stride..).unwrap_or(row));
                    let out = &mut target[channel * step.target.stride + at..][..width];
                    isa.plane(rows, weights, bias[channel], step.finish, out);
                }
            }
            Kernel::Upsample => {
                let mut block = 0;
                for picture in &step.sources {
                    let last = picture.layout.height as i64 - 1;
                    let near = (y / 2) as i64;
                    let far = (if y.is_multiple_of(2) { near - 1 } else { near + 1 }).clamp(0, last);
                    let from = (i64::from(span.start) - 1).div_euclid(2).max(0);
                    let out =
                        RowMut { data: &mut target[block * step.target.stride + at..], stride: step.target.stride };
                    let columns = span.start as usize..span.end as usize;
                    let blocks = picture.layout.blocks();
                    let (near, far) = (blocked(picture, near, from), blocked(picture, far, from));
                    isa.upsample(near, far, from as usize, picture.layout.width, columns, out, blocks);
                    block += blocks;
                }
            }
            Kernel::Shuffle => {
                let picture = &step.sources[0];
                let row = blocked(picture, (y / 2) as i64, i64::from(span.start / 2));
                let out = RowMut { data: &mut target[at..], stride: step.target.stride };
                isa.shuffle(row, y % 2, width / 2, layout.blocks(), out);
            }
            Kernel::Load => self.load(step, span, y, &mut target[at..]),
            Kernel::Store => {
                let row = source(&step.sources[0], y as i64, i64::from(span.start));
                for ((_, from), to) in step.channels.from.iter().zip(&step.channels.to) {
                    for (out, number) in target[at + to..][..width].iter_mut().zip(row[*from..].iter().step_by(lanes)) {
                        *out = *number;
                    }
                }
            }
            Kernel::Plain(plain) => self.plain(own, *plain, columns, index, y, &mut target[at..]),
        }
        if step.finishes_after() {
            for row in 0..step.grain() as usize {
                let target = &mut target[row * step.target.row() + at..];
                self.finish(own, step, columns, y + row, span, target);
            }
        }
    }

    /// Planes from outside.
    fn load(&self, step: &Step, span: &Range<u32>, y: usize, target: &mut [f32]) {
        let picture = &step.sources[0];
        let planes = if picture.place == Place::Image { self.inputs.image } else { self.inputs.canvas };
        let layout = &step.target.layout;
        for ((channel, (_, from)), to) in (0..).zip(&step.channels.from).zip(&step.channels.to) {
            let row = &planes[from + y * picture.layout.width..][span.start as usize..span.end as usize];
            if layout.is_planar() {
                target[*to..][..row.len()].copy_from_slice(row);
                continue;
            }
            for (number, out) in row.iter().zip(target[*to..].iter_mut().step_by(layout.pixel)) {
                *out = *number;
            }
            if channel + 1 == step.channels.from.len() {
                clear_spare_lanes(step, target, span.len());
            }
        }
    }

    /// What has no kernel of its own, number by number.
    fn plain(&self, own: &Own<'_>, plain: Plain, columns: &[Range<u32>], index: usize, y: usize, target: &mut [f32]) {
        let step = &self.block.steps[index];
        let span = &columns[index];
        let pixel = step.target.layout.pixel;
        let Channels { from, second, to } = &step.channels;
        let row =
            |source: usize, y: usize, x: u32| self.source(own, &step.sources[source], columns, y as i64, i64::from(x));
        let all = numbers(self.inputs.weights);
        let other = step.second.as_ref().map(|(p, _)| self.source(own, p, columns, y as i64, i64::from(span.start)));
        for (channel, to) in to.iter().enumerate() {
            let out = target[*to..].iter_mut().step_by(pixel).take(span.len());
            match plain {
                Plain::Combine(arithmetic) => {
                    let (source, at) = from[channel];
                    let first = row(source, y, span.start)[at..].iter().step_by(pixel);
                    let second = other.unwrap_or(own.zero)[second.get(channel).copied().unwrap_or(0)..].iter();
                    for ((out, a), b) in out.zip(first).zip(second.step_by(pixel)) {
                        *out = step.finish.apply(arithmetic.apply(*a, *b));
                    }
                }
                Plain::Affine { stride } => {
                    let (source, at) = from[channel];
                    let (block, lane) = (to / step.target.stride, to % step.target.stride);
                    let (scale, shift) =
                        (all[step.weights.start + block * pixel + lane], all[step.bias.start + block * pixel + lane]);
                    let numbers =
                        row(source, y * stride, span.start * stride as u32)[at..].iter().step_by(pixel * stride);
                    for (out, number) in out.zip(numbers) {
                        *out = step.finish_in_kernel().apply(number * scale + shift);
                    }
                }
                Plain::Nearest => {
                    let (source, at) = from[channel];
                    let numbers = row(source, y / 2, span.start / 2);
                    for (out, x) in out.zip(span.clone()) {
                        *out = numbers[at + (x / 2 - span.start / 2) as usize * pixel];
                    }
                }
                Plain::DepthToSpace => {
                    for (out, x) in out.zip(span.clone()) {
                        let (source, at) = from[4 * channel + 2 * (y % 2) + x as usize % 2];
                        *out = row(source, y / 2, x / 2)[at];
                    }
                }
                Plain::Copy => {
                    let (source, at) = from[channel];
                    let numbers = row(source, y, span.start)[at..].iter().step_by(pixel);
                    for (out, number) in out.zip(numbers) {
                        *out = *number;
                    }
                }
            }
        }
        clear_spare_lanes(step, target, span.len());
    }

    /// Adds the second picture and applies the activation.
    fn finish(
        &self,
        own: &Own<'_>,
        step: &Step,
        columns: &[Range<u32>],
        y: usize,
        span: &Range<u32>,
        target: &mut [f32],
    ) {
        let pixel = step.target.layout.pixel;
        let second = step
            .second
            .as_ref()
            .map(|(picture, first)| (self.source(own, picture, columns, y as i64, i64::from(span.start)), *first));
        for (channel, to) in step.channels.to.iter().enumerate() {
            let out = target[*to..].iter_mut().step_by(pixel).take(span.len());
            match second {
                None => out.for_each(|out| *out = step.finish.apply(*out)),
                Some((row, first)) => {
                    for (out, second) in out.zip(row[step.channels.second[channel]..].iter().step_by(pixel)) {
                        *out = if first { step.finish.apply(*out + second) } else { step.finish.apply(*out) + second };
                    }
                }
            }
        }
    }
}

/// Lanes of a last block that hold no channel: whatever they held before, they are read, and met by weights of zero.
fn clear_spare_lanes(step: &Step, target: &mut [f32], width: usize) {
    let layout = &step.target.layout;
    for (block, channels) in layout.channels.iter().enumerate() {
        if *channels < layout.pixel {
            for pixel in target[block * step.target.stride..].chunks_mut(layout.pixel).take(width) {
                let used = (*channels).min(pixel.len());
                pixel[used..].fill(0.0);
            }
        }
    }
}
