//! The GPU: which one, what it can do, and how WGSL becomes something to dispatch.
//!
//! `Gpu` is the adapter and device with their capabilities, found once (`choice` says which of several); nothing else in the program asks an adapter what
//! it can do. `shader` holds the WGSL sources, `kernel` turns one into a pipeline whose resources are bound by the names
//! that the WGSL gives them, `mirror` compares Rust structs with WGSL ones, `timestamps` measures passes without ever
//! waiting for the answer, `clock` brings the GPU's time to the CPU's, `belt` has buffers go round between the two, `ceiling` measures what the device can do at best, `upload`
//! brings bytes over on one, `waiter` is the thread that waits for what was submitted, `work` counts what was recorded. Knows nothing of networks, pictures or windows.

mod belt;
pub mod ceiling;
mod choice;
mod clock;
mod device;
mod kernel;
pub mod mirror;
mod shader;
mod timestamps;
mod upload;
mod waiter;
mod work;

pub use belt::{Belt, Ticket};
pub use choice::{Adapter, GpuChoice, GpuKind, adapters};
pub use clock::{Calibration, GpuClock};
pub use device::{Gpu, GpuCaps, GpuError, GpuRequest};
pub use kernel::Kernel;
pub use shader::Shader;
pub(crate) use shader::shader;
pub use timestamps::{Measure, Measured, Timestamps};
pub use upload::Uploader;
pub use waiter::{Done, Waiter};
pub use work::{GpuWork, WorkCounts};
