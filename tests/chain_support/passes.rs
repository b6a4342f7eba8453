//! Passes of the chain by themselves, on the GPU: products in, products out.

use impasto::gpu::Gpu;
use impasto::pipeline::gpu::{BoundPass, GpuStore};
use impasto::pipeline::pass::{Pass, Varying};
use impasto::pipeline::product::{Info, Memory, Place, Product, Sizes, Use, Which};

use super::{mapped, read_buffer};

/// Some passes and their products. The frame in work is in slot 1, the one before in slot 0.
pub struct Passes {
    gpu: Gpu,
    pub store: GpuStore,
    bound: Vec<BoundPass>,
}

const PLACE: Place = Place { slot: 1, trip: 0 };

impl Passes {
    pub fn new(gpu: &Gpu, sizes: Sizes, passes: &[&'static Pass]) -> Self {
        let mut store = GpuStore::new(gpu, sizes);
        let bound = passes.iter().map(|pass| BoundPass::new(gpu, &mut store, pass).unwrap().unwrap()).collect();
        Self { gpu: gpu.clone(), store, bound }
    }

    /// Fills a product of the frame in work.
    pub fn put<T>(&self, product: Product<T>, data: &[u8]) {
        self.put_use(product.now(), data);
    }

    /// Fills a product of the frame before.
    pub fn put_before<T>(&self, product: Product<T>, data: &[u8]) {
        self.put_use(product.before(""), data);
    }

    fn put_use(&self, of: Use, data: &[u8]) {
        let Use { product, which, .. } = of;
        if let Some(buffer) = self.store.buffer(product, which, PLACE) {
            let whole = data.len() & !3;
            self.gpu.queue.write_buffer(buffer, 0, &data[..whole]);
            if whole < data.len() {
                let mut tail = [0; 4];
                tail[..data.len() - whole].copy_from_slice(&data[whole..]);
                self.gpu.queue.write_buffer(buffer, whole as u64, &tail);
            }
            return;
        }
        let texture = self.store.texture(product, which, PLACE).unwrap();
        let size = texture.size();
        let row = size.width * texel_bytes(product);
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row), rows_per_image: None };
        self.gpu.queue.write_texture(texture.as_image_copy(), data, layout, size);
    }

    /// All of them, one after the other.
    pub fn run(&mut self, varying: Varying) {
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        self.vary(varying);
        {
            let mut pass = encoder.begin_compute_pass(&Default::default());
            (0..self.bound.len()).for_each(|index| self.record(index, &mut pass));
        }
        self.gpu.submit([encoder.finish()]);
    }

    pub fn vary(&mut self, varying: Varying) {
        let Self { gpu, store, bound } = self;
        bound.iter_mut().for_each(|pass| pass.vary(gpu, store, &varying));
    }

    pub fn record(&self, index: usize, pass: &mut wgpu::ComputePass<'_>) {
        self.bound[index].record(pass, PLACE.slot);
    }

    /// A product of the frame in work, without what pads its buffer. Waits for the GPU.
    pub fn get<T>(&self, product: Product<T>) -> Vec<u8> {
        let bytes = product.info.bytes(self.store.sizes()) as usize;
        if let Some(buffer) = self.store.buffer(product.info, Which::Now, PLACE) {
            return read_buffer(&self.gpu, buffer)[..bytes].to_vec();
        }
        let texture = self.store.texture(product.info, Which::Now, PLACE).unwrap();
        let size = texture.size();
        let texel = texel_bytes(product.info);
        let row = (size.width * texel).next_multiple_of(256);
        let back = self.gpu.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: u64::from(row * size.height),
            usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
            mapped_at_creation: false,
        });
        let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(row), rows_per_image: None };
        let info = wgpu::TexelCopyBufferInfo { buffer: &back, layout };
        encoder.copy_texture_to_buffer(texture.as_image_copy(), info, size);
        let bytes = mapped(&self.gpu, encoder, &back);
        bytes.chunks_exact(row as usize).flat_map(|r| r[..(size.width * texel) as usize].to_vec()).collect()
    }
}

fn texel_bytes(info: &Info) -> u32 {
    if info.memory == Memory::HalfTexture { 8 } else { 4 }
}
