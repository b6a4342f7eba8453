//! What passes read and write: typed handles, how much of each there is, how long it lives, how it lies on the GPU. On the CPU
//! a product is a slice of its elements.
//!
//! A product belongs to the frame in work. Some live on with it: of those there are two copies, one with the frame that is
//! shown and one with the frame in work, so that a pass can read what the frame before left ([`Product::before`]). That is
//! all the state there is across frames, and every list of passes shows who reads and who writes it.
//!
//! Pure: knows sizes, makes nothing.

use std::marker::PhantomData;

use crate::canvas::{CHANNELS, SIDE};
use crate::frame::FrameShape;
use crate::kernels::canvas::canvas_extent;
use crate::kernels::compose::Steady;
use crate::kernels::drift::Drift;
use crate::kernels::motion::{Fields, levels_len};
use crate::kernels::prepare::Crop;
use crate::kernels::relief::{Flow, Tensor, cells};
use crate::kernels::stability::{Block, Gathered, blocks_of};
use crate::nn::plan::channel_groups;
use crate::units::Extent;

/// All sizes that a pipeline has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sizes {
    /// The frame, as it comes.
    pub shape: FrameShape,
    /// The part of it that the student sees and the window shows.
    pub crop: Crop,
    /// The student's picture; 0x0 where nobody paints.
    pub student: Extent,
    /// Frames that may be away at once to be painted on another thread; 0 where the student paints in place.
    pub trips: usize,
    /// Channels of the canvas that the student takes in where it paints in place; 0 where it takes none.
    pub canvas_channels: u32,
}

impl Sizes {
    pub fn new(shape: FrameShape, student: Option<Extent>, trips: usize) -> Self {
        let crop = student.map_or(Crop::whole(shape.extent), |extent| Crop::fitting(shape.extent, extent));
        Self { shape, crop, student: student.unwrap_or(Extent::new(0, 0)), trips, canvas_channels: 0 }
    }

    /// Groups of four channels that the canvas has.
    pub fn canvas_groups(&self) -> u32 {
        channel_groups(self.canvas_channels as usize)
    }

    /// Elements of a product of that count.
    pub fn count(&self, count: Count) -> u64 {
        match count {
            Count::RawBytes => self.shape.min_bytes() as u64,
            Count::Levels => levels_len(self.student) as u64,
            Count::Field => Fields::new(self.student).len() as u64,
            Count::Blocks => blocks_of(self.student).pixels(),
            Count::Canvas => canvas_extent(self.student).pixels() * u64::from(self.canvas_groups()),
            Count::CanvasField => (SIDE * SIDE) as u64,
            Count::One => 1,
            Count::Frame | Count::Student | Count::Cells => self.extent(count).pixels(),
        }
    }

    /// The sides of a product that is a picture.
    pub fn extent(&self, count: Count) -> Extent {
        match count {
            Count::Frame => self.shape.extent,
            Count::Cells => cells(self.student),
            _ => self.student,
        }
    }
}

/// How many elements a product has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// The camera's bytes.
    RawBytes,
    /// One for each pixel of the frame.
    Frame,
    /// One for each pixel of the student.
    Student,
    /// One for each pixel of the motion pyramid's levels.
    Levels,
    /// One for each block of the motion field, all levels.
    Field,
    /// One for each block whose steadiness is measured.
    Blocks,
    /// One for each pixel of the canvas and four of its channels.
    Canvas,
    /// One for each place of the canvas's field.
    CanvasField,
    /// One for each cell of two by two pixels of the student.
    Cells,
    One,
}

/// How many copies there are, and so how long a product lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    /// Until it is written again.
    One,
    /// As long as its frame: the one that is shown and the one in work have a copy each.
    PerFrame,
    /// One for each frame that is away to be painted.
    PerTrip,
}

/// How a product lies on the GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// A storage buffer, so many bytes an element.
    Buffer(u32),
    /// A texture of four channels of eight bits, 0..1 (`rgba8unorm`).
    Texture,
    /// A texture of four half floats (`rgba16float`).
    HalfTexture,
    /// The target that is drawn to: a window, a file.
    Target,
}

/// What is known of a product, whatever its type.
#[derive(Debug, PartialEq, Eq)]
pub struct Info {
    pub name: &'static str,
    /// One element, for people.
    pub element: &'static str,
    pub count: Count,
    pub copies: Copies,
    pub memory: Memory,
}

impl Info {
    /// Bytes of one copy on the GPU.
    pub fn bytes(&self, sizes: &Sizes) -> u64 {
        sizes.count(self.count)
            * match self.memory {
                Memory::Buffer(bytes) => u64::from(bytes),
                Memory::Texture | Memory::Target => 4,
                Memory::HalfTexture => 8,
            }
    }
}

/// A typed handle: `T` is one element as the CPU kernels have it.
#[derive(Debug)]
pub struct Product<T> {
    pub info: &'static Info,
    element: PhantomData<fn() -> T>,
}

impl<T> Clone for Product<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Product<T> {}

impl<T> Product<T> {
    pub const fn new(info: &'static Info) -> Self {
        Self { info, element: PhantomData }
    }

    /// That of the frame in work, under its own name.
    pub const fn now(self) -> Use {
        Use { product: self.info, name: self.info.name, which: Which::Now }
    }

    /// That of the frame in work, which the shader calls `name`.
    pub const fn as_named(self, name: &'static str) -> Use {
        Use { product: self.info, name, which: Which::Now }
    }

    /// What the frame before left, which the shader calls `name`.
    pub const fn before(self, name: &'static str) -> Use {
        Use { product: self.info, name, which: Which::Before }
    }
}

/// Which copy of a product is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// That of the frame in work; with one copy, that.
    Now,
    /// That of the frame before.
    Before,
}

/// Which copy of a product is meant, by the frame in work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// Of the two frames that are kept: the one in work.
    pub slot: usize,
    /// Of the frames that are away.
    pub trip: usize,
}

impl Place {
    /// The copy's number.
    pub fn index(self, info: &Info, which: Which) -> usize {
        match (info.copies, which) {
            (Copies::One, _) => 0,
            (Copies::PerFrame, Which::Now) => self.slot,
            (Copies::PerFrame, Which::Before) => 1 - self.slot,
            (Copies::PerTrip, _) => self.trip,
        }
    }
}

/// A product as one pass reads or writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Use {
    pub product: &'static Info,
    /// What the shader calls it.
    pub name: &'static str,
    pub which: Which,
}

/// The camera's bytes, as they came.
pub const RAW: Product<u8> = Product::new(&Info {
    name: "raw",
    element: "byte",
    count: Count::RawBytes,
    copies: Copies::One,
    memory: Memory::Buffer(1),
});

/// The frame's picture: coded R'G'B' and 255.
pub const FRAME: Product<[u8; 4]> = Product::new(&Info {
    name: "frame",
    element: "R'G'B' in eight bits",
    count: Count::Frame,
    copies: Copies::PerFrame,
    memory: Memory::Texture,
});

/// What the student sees: rgb 0..1, and a fourth that is not used.
pub const IMAGE: Product<[f32; 4]> = Product::new(&Info {
    name: "image",
    element: "rgb, floats",
    count: Count::Student,
    copies: Copies::One,
    memory: Memory::Buffer(16),
});

/// The same in eight bits a channel: what is compared with the next frame's to see motion.
pub const GUIDE: Product<[u8; 4]> = Product::new(&Info {
    name: "guide",
    element: "rgb in eight bits",
    count: Count::Student,
    copies: Copies::PerFrame,
    memory: Memory::Buffer(4),
});

/// The student's newest painting, laid out as [`IMAGE`]. Stays until there is another one, so that it can be carried along.
pub const PAINTED: Product<[f32; 4]> = Product::new(&Info {
    name: "painted",
    element: "rgb, floats",
    count: Count::Student,
    copies: Copies::One,
    memory: Memory::Buffer(16),
});

/// What the canvas is sampled from: put there when the canvas is given or gets another seed, and stays.
pub const CANVAS_FIELD: Product<[i8; CHANNELS]> = Product::new(&Info {
    name: "canvas_field",
    element: "eight layers in eight bits",
    count: Count::CanvasField,
    copies: Copies::One,
    memory: Memory::Buffer(CHANNELS as u32),
});

/// What tells the student where strokes lie, of a network that takes it in: half the student's size, about -1..1.
pub const CANVAS: Product<f32> = Product::new(&Info {
    name: "canvas",
    element: "four channels, floats",
    count: Count::Canvas,
    copies: Copies::One,
    memory: Memory::Buffer(16),
});

/// Luma of the guide at a half, a quarter and an eighth of its size, 0..1020.
pub const LEVELS: Product<u32> = Product::new(&Info {
    name: "levels",
    element: "luma",
    count: Count::Levels,
    copies: Copies::PerFrame,
    memory: Memory::Buffer(4),
});

/// The guide of the frame that the newest painting was made from.
pub const KEY_GUIDE: Product<[u8; 4]> = Product::new(&Info {
    name: "key_guide",
    element: "rgb in eight bits",
    count: Count::Student,
    copies: Copies::One,
    memory: Memory::Buffer(4),
});

/// Its levels.
pub const KEY_LEVELS: Product<u32> = Product::new(&Info {
    name: "key_levels",
    element: "luma",
    count: Count::Levels,
    copies: Copies::One,
    memory: Memory::Buffer(4),
});

/// The guides of the frames that are away to be painted.
pub const AWAY_GUIDE: Product<[u8; 4]> = Product::new(&Info {
    name: "away_guide",
    element: "rgb in eight bits",
    count: Count::Student,
    copies: Copies::PerTrip,
    memory: Memory::Buffer(4),
});

/// Their levels.
pub const AWAY_LEVELS: Product<u32> = Product::new(&Info {
    name: "away_levels",
    element: "luma",
    count: Count::Levels,
    copies: Copies::PerTrip,
    memory: Memory::Buffer(4),
});

/// Where the blocks of the present frame were in the painted one, in sixteenths of a pixel of their level.
pub const FIELD: Product<[i32; 2]> = Product::new(&Info {
    name: "field",
    element: "vector",
    count: Count::Field,
    copies: Copies::One,
    memory: Memory::Buffer(8),
});

/// The newest painting moved to where things are in the present frame, laid out as [`IMAGE`].
pub const CARRIED: Product<[f32; 4]> = Product::new(&Info {
    name: "carried",
    element: "rgb, floats",
    count: Count::Student,
    copies: Copies::One,
    memory: Memory::Buffer(16),
});

/// The steadied painting, rgb, and the luma of the student's input: half floats on the GPU, floats on the CPU.
pub const STEADY: Product<Steady> = Product::new(&Info {
    name: "steady",
    element: "rgb and luma, half floats",
    count: Count::Student,
    copies: Copies::PerFrame,
    memory: Memory::Buffer(8),
});

/// The steadied painting as it is brought to full size: rgb, and the luma of the student's input as alpha.
pub const PAINTING: Product<[u8; 4]> = Product::new(&Info {
    name: "painting",
    element: "rgb and luma in eight bits",
    count: Count::Student,
    copies: Copies::PerFrame,
    memory: Memory::Texture,
});

/// How much each channel of the painting changes with luma: -2..2 as 0..255, 128 being 0.
pub const GAINS: Product<[u8; 4]> = Product::new(&Info {
    name: "gains",
    element: "three gains in eight bits",
    count: Count::Student,
    copies: Copies::PerFrame,
    memory: Memory::Texture,
});

/// Where the blocks of the present frame were in the frame before, as [`FIELD`].
pub const STEP_FIELD: Product<[i32; 2]> = Product::new(&Info {
    name: "step_field",
    element: "vector",
    count: Count::Field,
    copies: Copies::One,
    memory: Memory::Buffer(8),
});

/// How far strokes have gone from home, cell by cell.
pub const DRIFT: Product<Drift> = Product::new(&Info {
    name: "drift",
    element: "offset, share and strength, half floats",
    count: Count::Cells,
    copies: Copies::PerFrame,
    memory: Memory::HalfTexture,
});

/// How the painting changes in each cell: what strokes follow.
pub const TENSOR: Product<Tensor> = Product::new(&Info {
    name: "tensor",
    element: "four sums, floats",
    count: Count::Cells,
    copies: Copies::One,
    memory: Memory::Buffer(16),
});

/// Where strokes go.
pub const FLOW: Product<Flow> = Product::new(&Info {
    name: "flow",
    element: "direction, sharpness and fineness in eight bits",
    count: Count::Cells,
    copies: Copies::PerFrame,
    memory: Memory::Texture,
});

/// How much guide and painting changed since the frame before, block by block.
pub const BLOCKS: Product<Block> = Product::new(&Info {
    name: "blocks",
    element: "two sums",
    count: Count::Blocks,
    copies: Copies::One,
    memory: Memory::Buffer(8),
});

/// The sum over the blocks that are still.
pub const STABILITY: Product<Gathered> = Product::new(&Info {
    name: "stability",
    element: "sum and pixels",
    count: Count::One,
    copies: Copies::One,
    memory: Memory::Buffer(8),
});

/// The picture as it is shown, at the size of what shows it.
pub const COMPOSED: Product<[u8; 4]> = Product::new(&Info {
    name: "composed",
    element: "the target's pixel",
    count: Count::One,
    copies: Copies::One,
    memory: Memory::Target,
});
