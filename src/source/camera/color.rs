//! What a V4L2 driver's three colour numbers mean for us. Pure.

use crate::frame::{ColorSpec, YuvMatrix, YuvRange};

// From linux/videodev2.h (the same values on every platform), "Colorspaces" in the kernel's userspace API documentation.
const COLORSPACE_SMPTE240M: u32 = 2;
const COLORSPACE_REC709: u32 = 3;
const COLORSPACE_JPEG: u32 = 7;
const COLORSPACE_BT2020: u32 = 10;
const COLORSPACE_DCI_P3: u32 = 12;
const ENCODING_DEFAULT: u32 = 0;
const ENCODING_709: u32 = 2;
const ENCODING_XV709: u32 = 4;
const ENCODING_BT2020: u32 = 6;
const ENCODING_BT2020_CONST_LUM: u32 = 7;
const ENCODING_SMPTE240M: u32 = 8;
const QUANTIZATION_DEFAULT: u32 = 0;
const QUANTIZATION_FULL: u32 = 1;

/// `colorspace`, `ycbcr_enc` and `quantization` of a `v4l2_pix_format`, defaults resolved as the kernel's
/// `V4L2_MAP_YCBCR_ENC_DEFAULT` and `V4L2_MAP_QUANTIZATION_DEFAULT` do. Matrices that we lack become the nearest one: those of
/// BT.2020 and SMPTE 240M are close to BT.709's.
pub fn color_spec(colorspace: u32, encoding: u32, quantization: u32) -> ColorSpec {
    let encoding_709 = match encoding {
        ENCODING_DEFAULT => {
            matches!(colorspace, COLORSPACE_REC709 | COLORSPACE_DCI_P3 | COLORSPACE_BT2020 | COLORSPACE_SMPTE240M)
        }
        other => matches!(
            other,
            ENCODING_709 | ENCODING_XV709 | ENCODING_BT2020 | ENCODING_BT2020_CONST_LUM | ENCODING_SMPTE240M
        ),
    };
    let full = match quantization {
        QUANTIZATION_DEFAULT => colorspace == COLORSPACE_JPEG,
        other => other == QUANTIZATION_FULL,
    };
    ColorSpec {
        matrix: if encoding_709 { YuvMatrix::Bt709 } else { YuvMatrix::Bt601 },
        range: if full { YuvRange::Full } else { YuvRange::Limited },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webcams_as_they_report_themselves() {
        let spec = |c, e, q| {
            let s = color_spec(c, e, q);
            (s.matrix, s.range)
        };
        // sRGB with everything else default is what uvcvideo reports for YUYV.
        assert_eq!(spec(8, 0, 0), (YuvMatrix::Bt601, YuvRange::Limited));
        assert_eq!(spec(7, 0, 0), (YuvMatrix::Bt601, YuvRange::Full));
        assert_eq!(spec(3, 0, 0), (YuvMatrix::Bt709, YuvRange::Limited));
        assert_eq!(spec(8, 2, 1), (YuvMatrix::Bt709, YuvRange::Full));
        assert_eq!(spec(3, 1, 2), (YuvMatrix::Bt601, YuvRange::Limited));
        // Numbers that no kernel knows yet.
        assert_eq!(spec(999, 999, 999), (YuvMatrix::Bt601, YuvRange::Limited));
    }
}
