//! Several pictures on one: a strip as from a photo booth, and an original beside its painting.

use image::{GenericImage as _, Rgba, RgbaImage};

/// The paper between pictures and around a strip.
const PAPER: Rgba<u8> = Rgba([250, 249, 246, 255]);

/// The pictures under each other on paper, in order. Pictures narrower than the widest are centred.
pub fn strip(pictures: &[RgbaImage]) -> RgbaImage {
    let widest = pictures.iter().map(RgbaImage::width).max().unwrap_or(1);
    let margin = (widest / 24).max(2);
    let height = pictures.iter().map(|picture| picture.height() + margin).sum::<u32>() + margin;
    let mut paper = RgbaImage::from_pixel(widest + 2 * margin, height, PAPER);
    let mut top = margin;
    for picture in pictures {
        let left = margin + (widest - picture.width()) / 2;
        copy(&mut paper, picture, left, top);
        top += picture.height() + margin;
    }
    paper
}

/// Two pictures side by side, with a line of paper between them.
pub fn beside(left: &RgbaImage, right: &RgbaImage) -> RgbaImage {
    let gap = (left.width() / 160).max(2);
    let height = left.height().max(right.height());
    let mut paper = RgbaImage::from_pixel(left.width() + gap + right.width(), height, PAPER);
    copy(&mut paper, left, 0, 0);
    copy(&mut paper, right, left.width() + gap, 0);
    paper
}

fn copy(paper: &mut RgbaImage, picture: &RgbaImage, left: u32, top: u32) {
    paper.copy_from(picture, left, top).expect("the paper was made large enough for it");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_lie_on_paper_whole() {
        let red = RgbaImage::from_pixel(48, 36, Rgba([200, 0, 0, 255]));
        let blue = RgbaImage::from_pixel(24, 36, Rgba([0, 0, 200, 255]));
        let strip = strip(&[red.clone(), blue.clone()]);
        assert_eq!(strip.dimensions(), (52, 78));
        let count = |picture: &RgbaImage, color: [u8; 4]| picture.pixels().filter(|p| p.0 == color).count();
        assert_eq!(count(&strip, [200, 0, 0, 255]), 48 * 36);
        assert_eq!(count(&strip, [0, 0, 200, 255]), 24 * 36);
        assert_eq!(*strip.get_pixel(26, 60), Rgba([0, 0, 200, 255]));
        let both = beside(&red, &blue);
        assert_eq!(both.dimensions(), (74, 36));
        assert_eq!(count(&both, [200, 0, 0, 255]) + count(&both, [0, 0, 200, 255]), 72 * 36);
        assert_eq!(*both.get_pixel(49, 5), PAPER);
    }
}
