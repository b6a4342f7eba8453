//! The products of one pipeline on the GPU: buffers and textures, each with its copies.

use crate::gpu::Gpu;
use crate::pipeline::product::{Copies, Info, Memory, Place, Product, Sizes, Which};
use crate::units::Extent;

/// Format of every texture of the chain: coded R'G'B', or gains, in eight bits a channel.
pub(super) const PICTURE_FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba8Unorm;
/// Of what eight bits are too coarse for.
const HALF_FORMAT: wgpu::TextureFormat = wgpu::TextureFormat::Rgba16Float;

/// Made as passes ask for them, once.
#[derive(Debug)]
pub struct GpuStore {
    gpu: Gpu,
    sizes: Sizes,
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    info: &'static Info,
    copies: Vec<Resource>,
}

/// One copy of a product.
#[derive(Clone, Debug)]
enum Resource {
    Buffer(wgpu::Buffer),
    Texture(wgpu::Texture, wgpu::TextureView),
}

impl GpuStore {
    /// Holds nothing yet.
    pub fn new(gpu: &Gpu, sizes: Sizes) -> Self {
        Self { gpu: gpu.clone(), sizes, held: Vec::new() }
    }

    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// This product lies in a buffer that somebody else made.
    pub fn adopt<T>(&mut self, product: Product<T>, buffer: &wgpu::Buffer) {
        self.held.push(Held { info: product.info, copies: vec![Resource::Buffer(buffer.clone())] });
    }

    /// Makes a product, unless it is there. Something is wrong with the device when that fails, which an error scope tells.
    pub fn make(&mut self, info: &'static Info) {
        if info.memory == Memory::Target || self.held.iter().any(|held| held.info == info) {
            return;
        }
        let copies = match info.copies {
            Copies::One => 1,
            Copies::PerFrame => 2,
            Copies::PerTrip => self.sizes.trips,
        };
        let copies = (0..copies).map(|_| self.resource(info)).collect();
        self.held.push(Held { info, copies });
    }

    fn resource(&self, info: &Info) -> Resource {
        let device = &self.gpu.device;
        match info.memory {
            Memory::Texture | Memory::HalfTexture => {
                let Extent { width, height } = self.sizes.extent(info.count);
                let texture = device.create_texture(&wgpu::TextureDescriptor {
                    label: Some(info.name),
                    size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
                    mip_level_count: 1,
                    sample_count: 1,
                    dimension: wgpu::TextureDimension::D2,
                    format: if info.memory == Memory::Texture { PICTURE_FORMAT } else { HALF_FORMAT },
                    usage: wgpu::TextureUsages::STORAGE_BINDING
                        | wgpu::TextureUsages::TEXTURE_BINDING
                        | wgpu::TextureUsages::COPY_SRC
                        | wgpu::TextureUsages::COPY_DST,
                    view_formats: &[],
                });
                let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
                Resource::Texture(texture, view)
            }
            Memory::Buffer(_) | Memory::Target => Resource::Buffer(device.create_buffer(&wgpu::BufferDescriptor {
                label: Some(info.name),
                size: info.bytes(&self.sizes).next_multiple_of(4).max(16),
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            })),
        }
    }

    fn find(&self, info: &Info, which: Which, place: Place) -> Option<&Resource> {
        let held = self.held.iter().find(|held| held.info == info)?;
        held.copies.get(place.index(info, which))
    }

    /// The buffer of a product. `None` where it was not made, or is a texture.
    pub fn buffer(&self, info: &Info, which: Which, place: Place) -> Option<&wgpu::Buffer> {
        match self.find(info, which, place) {
            Some(Resource::Buffer(buffer)) => Some(buffer),
            _ => None,
        }
    }

    /// The texture of a product. `None` where it was not made, or is a buffer.
    pub fn texture(&self, info: &Info, which: Which, place: Place) -> Option<&wgpu::Texture> {
        match self.find(info, which, place) {
            Some(Resource::Texture(texture, _)) => Some(texture),
            _ => None,
        }
    }

    /// A view of the texture of a product. `None` where it was not made, or is a buffer.
    pub fn view(&self, info: &Info, which: Which, place: Place) -> Option<&wgpu::TextureView> {
        match self.find(info, which, place) {
            Some(Resource::Texture(_, view)) => Some(view),
            _ => None,
        }
    }

    /// What a shader binds. `None` where it was not made.
    pub(super) fn binding(&self, info: &Info, which: Which, place: Place) -> Option<wgpu::BindingResource<'_>> {
        match self.find(info, which, place)? {
            Resource::Buffer(buffer) => Some(buffer.as_entire_binding()),
            Resource::Texture(_, view) => Some(wgpu::BindingResource::TextureView(view)),
        }
    }
}
