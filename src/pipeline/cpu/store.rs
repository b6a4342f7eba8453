//! The products of one pipeline in the CPU's memory, and what a kernel sees of them.

use bytemuck::Pod;

use crate::kernels::prepare::Resize;
use crate::pipeline::pass::{Pass, Varying};
use crate::pipeline::product::{Copies, Info, Place, Product, Sizes, Use, Which};
use crate::pool::Pool;

/// Copies of a product there are at most: as many as frames can be away.
const MOST_COPIES: usize = 4;

/// Products, each made when it is first written.
#[derive(Debug)]
pub struct CpuStore {
    sizes: Sizes,
    held: Vec<Held>,
}

/// In words of eight bytes, so that elements of any product are aligned.
#[derive(Debug)]
struct Held {
    info: &'static Info,
    copies: [Vec<u64>; MOST_COPIES],
}

impl CpuStore {
    /// Holds nothing yet.
    pub fn new(sizes: Sizes) -> Self {
        Self { sizes, held: Vec::new() }
    }

    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    fn find(&self, info: &Info, which: Which, place: Place) -> Option<&Vec<u64>> {
        let held = self.held.iter().find(|held| held.info == info)?;
        held.copies.get(place.index(info, which))
    }

    fn find_mut(&mut self, info: &'static Info, place: Place) -> Option<&mut Vec<u64>> {
        debug_assert!(info.copies != Copies::PerTrip || place.trip < MOST_COPIES);
        let index = match self.held.iter().position(|held| held.info == info) {
            Some(index) => index,
            None => {
                self.held.push(Held { info, copies: Default::default() });
                self.held.len() - 1
            }
        };
        self.held[index].copies.get_mut(place.index(info, Which::Now))
    }

    /// What a product holds; empty where it was never written.
    pub fn read<T: Pod>(&self, product: Product<T>, which: Which, place: Place) -> &[T] {
        self.find(product.info, which, place).map_or(&[], |words| bytemuck::cast_slice(words))
    }

    /// Takes a product out, to be written; made now where it is not there.
    fn take<T>(&mut self, product: Product<T>, place: Place) -> Vec<u64> {
        let elements = self.sizes.count(product.info.count) as usize;
        let words = (elements * size_of::<T>()).div_ceil(size_of::<u64>());
        let mut taken = self.find_mut(product.info, place).map(std::mem::take).unwrap_or_default();
        taken.resize(words, 0);
        taken
    }

    fn put_back(&mut self, info: &'static Info, place: Place, words: Vec<u64>) {
        if let Some(slot) = self.find_mut(info, place) {
            *slot = words;
        }
    }

    /// Fills a product from outside; what `elements` have more than it holds is ignored.
    pub fn fill<T: Pod>(&mut self, product: Product<T>, place: Place, elements: &[T]) {
        let mut words = self.take(product, place);
        let count = self.sizes.count(product.info.count) as usize;
        let own = &mut bytemuck::cast_slice_mut::<_, T>(&mut words)[..count];
        let length = count.min(elements.len());
        own[..length].copy_from_slice(&elements[..length]);
        self.put_back(product.info, place, words);
    }

    /// Fills a product with what comes, as far as there is room.
    pub fn fill_with<T: Pod>(&mut self, product: Product<T>, place: Place, elements: impl Iterator<Item = T>) {
        let mut words = self.take(product, place);
        let count = self.sizes.count(product.info.count) as usize;
        for (to, from) in bytemuck::cast_slice_mut::<_, T>(&mut words)[..count].iter_mut().zip(elements) {
            *to = from;
        }
        self.put_back(product.info, place, words);
    }

    /// One product's contents to another.
    pub fn copy(&mut self, from: &Use, to: &Use, place: Place) {
        let mut taken = self.find_mut(to.product, place).map(std::mem::take).unwrap_or_default();
        if let Some(words) = self.find(from.product, from.which, place) {
            taken.clone_from(words);
        }
        self.put_back(to.product, place, taken);
    }
}

/// What a kernel has: the products that its pass reads and writes, and the threads to work on.
#[derive(Debug)]
pub struct CpuFrame<'a> {
    pub(super) store: &'a mut CpuStore,
    pub(super) pass: &'static Pass,
    pub(super) place: Place,
    pub(super) varying: Varying,
    pub(super) pool: &'a Pool,
    pub(super) raw: &'a [u8],
    pub(super) resize: &'a Resize,
}

impl<'a> CpuFrame<'a> {
    /// For one pass over the frame in that place; `raw` are the camera's bytes.
    pub fn new(
        store: &'a mut CpuStore,
        pass: &'static Pass,
        (place, varying): (Place, Varying),
        pool: &'a Pool,
        resize: &'a Resize,
        raw: &'a [u8],
    ) -> Self {
        Self { store, pass, place, varying, pool, raw, resize }
    }

    pub fn sizes(&self) -> &Sizes {
        &self.store.sizes
    }

    pub fn varying(&self) -> &Varying {
        &self.varying
    }

    /// The threads on which rows are shared out.
    pub fn pool(&self) -> &'a Pool {
        self.pool
    }

    /// The camera's bytes: the product `raw`.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The frame's picture to the student's, with its tables.
    pub fn resize(&self) -> &'a Resize {
        self.resize
    }

    /// A product of the frame in work, as many elements as there are, or some more; empty where nobody wrote it.
    pub fn read<T: Pod>(&self, product: Product<T>) -> &[T] {
        debug_assert!(
            self.names(self.pass.reads, product.info, Which::Now),
            "{} reads {}",
            self.pass.name,
            product.info.name
        );
        self.store.read(product, Which::Now, self.place)
    }

    /// What the frame before left of it.
    pub fn before<T: Pod>(&self, product: Product<T>) -> &[T] {
        debug_assert!(
            self.names(self.pass.reads, product.info, Which::Before),
            "{} reads {}",
            self.pass.name,
            product.info.name
        );
        self.store.read(product, Which::Before, self.place)
    }

    /// Writes a product of the frame in work: `work` has its elements, with what they were when they were last written, and
    /// can read all other products.
    pub fn write<T: Pod>(&mut self, product: Product<T>, work: impl FnOnce(&Self, &mut [T])) {
        debug_assert!(
            self.names(self.pass.writes, product.info, Which::Now),
            "{} writes {}",
            self.pass.name,
            product.info.name
        );
        let mut words = self.store.take(product, self.place);
        let count = self.sizes().count(product.info.count) as usize;
        work(self, &mut bytemuck::cast_slice_mut(&mut words)[..count]);
        self.store.put_back(product.info, self.place, words);
    }

    /// As [`Self::write`], two products.
    pub fn write_two<A: Pod, B: Pod>(
        &mut self,
        first: Product<A>,
        second: Product<B>,
        work: impl FnOnce(&Self, &mut [A], &mut [B]),
    ) {
        debug_assert!(
            self.names(self.pass.writes, second.info, Which::Now),
            "{} writes {}",
            self.pass.name,
            second.info.name
        );
        let mut words = self.store.take(second, self.place);
        let count = self.sizes().count(second.info.count) as usize;
        self.write(first, |frame, first| work(frame, first, &mut bytemuck::cast_slice_mut(&mut words)[..count]));
        self.store.put_back(second.info, self.place, words);
    }

    fn names(&self, uses: &[Use], info: &Info, which: Which) -> bool {
        uses.iter().any(|of| of.product == info && of.which == which)
    }
}
