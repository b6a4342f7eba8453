//! Pictures of effects as textures of the interface: those of the packs, and live ones while the wall is open.
//!
//! They outlive a GPU that was lost: what is on it is made anew from what is kept here.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use egui::{ColorImage, TextureHandle, TextureOptions};

use crate::ui::{EffectEntry, Picture};

/// Pixels that a pack's picture has on the GPU at most, each side; larger ones are reduced.
const LARGEST: u32 = 192;
/// A pack's picture of more pixels than this, each side, is not read.
const LIMIT: u32 = 4096;

/// A picture as read from a pack, by the effect's name.
pub(super) type Read = (String, Arc<ColorImage>);

#[derive(Default)]
pub(super) struct Pictures {
    cells: Vec<Cell>,
    shown: Vec<Option<Picture>>,
}

#[derive(Default)]
struct Cell {
    name: String,
    own: Option<Arc<ColorImage>>,
    live: Option<Arc<ColorImage>>,
    texture: Option<TextureHandle>,
    /// The texture is not what should be seen.
    stale: bool,
}

impl Pictures {
    /// These effects are there now. What is known of them stays. Returns whose pictures are still to be read, and where they are.
    pub fn set_effects(&mut self, effects: &[EffectEntry]) -> Vec<(String, PathBuf)> {
        let mut known = std::mem::take(&mut self.cells);
        let mut cell = |effect: &EffectEntry| {
            let before = known.iter().position(|cell| cell.name == effect.name).map(|at| known.swap_remove(at));
            before.unwrap_or_else(|| Cell { name: effect.name.clone(), ..Cell::default() })
        };
        self.cells = effects.iter().map(&mut cell).collect();
        let unread = |(cell, effect): (&Cell, &EffectEntry)| {
            let path = effect.thumbnail.clone().filter(|_| cell.own.is_none())?;
            Some((cell.name.clone(), path))
        };
        self.cells.iter().zip(effects).filter_map(unread).collect()
    }

    /// Pictures were read.
    pub fn set_own(&mut self, read: Vec<Read>) {
        for (name, picture) in read {
            if let Some(cell) = self.cells.iter_mut().find(|cell| cell.name == name) {
                cell.stale |= cell.live.is_none();
                cell.own = Some(picture);
            }
        }
    }

    /// What the camera sees now, painted in that effect.
    pub fn set_live(&mut self, name: &str, picture: ColorImage) {
        if let Some(cell) = self.cells.iter_mut().find(|cell| cell.name == name) {
            cell.live = Some(Arc::new(picture));
            cell.stale = true;
        }
    }

    /// The wall is closed: the packs' own pictures again.
    pub fn end_live(&mut self) {
        for cell in &mut self.cells {
            cell.stale |= cell.live.take().is_some();
        }
    }

    /// Nothing of what was sent is there any more: another GPU, another context.
    pub fn forget_textures(&mut self) {
        for cell in &mut self.cells {
            cell.texture = None;
        }
    }

    /// Sends what changed, and returns the picture of each effect.
    pub fn shown(&mut self, context: &egui::Context) -> &[Option<Picture>] {
        self.shown.clear();
        for cell in &mut self.cells {
            let wanted = cell.live.as_ref().or(cell.own.as_ref());
            let Some(image) = wanted else {
                self.shown.push(None);
                continue;
            };
            match &mut cell.texture {
                Some(texture) if cell.stale => texture.set(image.clone(), TextureOptions::LINEAR),
                Some(_) => {}
                none => *none = Some(context.load_texture(&cell.name, image.clone(), TextureOptions::LINEAR)),
            }
            cell.stale = false;
            let aspect = image.size[0] as f32 / image.size[1].max(1) as f32;
            let picture = |t: &TextureHandle| Picture { texture: t.id(), aspect, live: cell.live.is_some() };
            self.shown.push(cell.texture.as_ref().map(picture));
        }
        &self.shown
    }
}

/// Reads packs' pictures. What cannot be read is left out with a line in the log.
pub(super) fn read(wanted: Vec<(String, PathBuf)>) -> Vec<Read> {
    let one = |(name, path): (String, PathBuf)| match read_one(&path) {
        Ok(picture) => Some((name, Arc::new(picture))),
        Err(error) => {
            log::info!("the picture {} of {name} cannot be read: {error}", path.display());
            None
        }
    };
    wanted.into_iter().filter_map(one).collect()
}

fn read_one(path: &Path) -> Result<ColorImage, image::ImageError> {
    let mut reader = image::ImageReader::open(path)?.with_guessed_format()?;
    let mut limits = image::Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(LIMIT), Some(LIMIT));
    reader.limits(limits);
    let picture = reader.decode()?;
    let picture =
        if picture.width().max(picture.height()) > LARGEST { picture.thumbnail(LARGEST, LARGEST) } else { picture };
    let rgb = picture.into_rgb8();
    Ok(ColorImage::from_rgb([rgb.width() as usize, rgb.height() as usize], rgb.as_raw()))
}
