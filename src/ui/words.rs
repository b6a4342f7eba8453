//! Words as pixels, for pictures that no window shows: the interface's own fonts, drawn without a GPU.

use egui::epaint::TextOptions;
use egui::epaint::text::Fonts;
use image::{GrayImage, Luma};

use super::style;

/// Draws single lines of text.
pub struct Words {
    fonts: Fonts,
}

impl Default for Words {
    fn default() -> Self {
        Self { fonts: Fonts::new(TextOptions::default(), style::fonts()) }
    }
}

impl Words {
    /// One line of `text`, `size` pixels high letters: a mask that is 255 where there is ink, as large as the line needs;
    /// empty for empty text.
    pub fn line(&mut self, text: &str, size: f32) -> GrayImage {
        let mut view = self.fonts.with_pixels_per_point(1.0);
        let galley = view.layout_no_wrap(text.to_owned(), style::words(size), egui::Color32::WHITE);
        let atlas = view.image();
        let bounds = galley.rect.size().ceil();
        let mut mask = GrayImage::new(bounds.x as u32, if text.is_empty() { 0 } else { bounds.y as u32 });
        for row in &galley.rows {
            for glyph in row.glyphs.iter().filter(|g| !g.uv_rect.is_nothing()) {
                let at = row.pos + glyph.pos.to_vec2() + glyph.uv_rect.offset;
                let (left, top) = (at.x.round() as i64, at.y.round() as i64);
                let [min, max] = [glyph.uv_rect.min, glyph.uv_rect.max];
                for y in min[1]..max[1] {
                    for x in min[0]..max[0] {
                        let ink = atlas[(usize::from(x), usize::from(y))].a();
                        let (px, py) = (left + i64::from(x - min[0]), top + i64::from(y - min[1]));
                        if let (Ok(px), Ok(py)) = (u32::try_from(px), u32::try_from(py))
                            && let Some(Luma([value])) = mask.get_pixel_mut_checked(px, py)
                        {
                            *value = (*value).max(ink);
                        }
                    }
                }
            }
        }
        mask
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_ink_and_longer_text_is_wider() {
        let mut words = Words::default();
        let (short, long) = (words.line("Öl", 16.0), words.line("Öl auf Leinwand", 16.0));
        assert!(long.width() > 2 * short.width() && short.height() >= 16);
        for line in [&short, &long] {
            let ink = line.pixels().filter(|p| p.0[0] > 128).count();
            assert!(ink > 10 && ink * 2 < line.len(), "{ink} of {}", line.len());
        }
        assert!(words.line("", 16.0).is_empty());
    }
}
