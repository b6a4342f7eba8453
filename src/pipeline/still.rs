//! One picture for whoever asks for it: asked for where the chain is, waited for on another thread.

use std::sync::mpsc;

use super::PipelineError;
use super::gpu::Coming;

/// A picture that is on its way. Waiting for it needs no pipeline: do so on a thread that may wait.
pub struct PendingPicture(Way);

enum Way {
    Gpu(Coming),
    Cpu(mpsc::Receiver<Result<image::RgbaImage, PipelineError>>),
}

impl PendingPicture {
    pub(super) fn from_gpu(coming: Coming) -> Self {
        Self(Way::Gpu(coming))
    }

    pub(super) fn from_cpu(receiver: mpsc::Receiver<Result<image::RgbaImage, PipelineError>>) -> Self {
        Self(Way::Cpu(receiver))
    }

    /// The picture as sRGB bytes with alpha 255. Blocks until it is there.
    ///
    /// # Errors
    /// When the GPU was lost, or the pipeline went away before it was drawn.
    pub fn wait(self) -> Result<image::RgbaImage, PipelineError> {
        match self.0 {
            Way::Gpu(coming) => coming.wait(),
            Way::Cpu(receiver) => {
                let gone = || PipelineError::Read("what paints changed meanwhile".to_owned());
                receiver.recv().unwrap_or_else(|_| Err(gone()))
            }
        }
    }
}

impl std::fmt::Debug for PendingPicture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PendingPicture")
    }
}
