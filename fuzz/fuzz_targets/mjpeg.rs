//! Whatever a camera sends as a frame of MJPEG, it is decoded or refused, with the standard's tables where it brings none.
#![no_main]

use impasto::source::camera::MjpegDecoder;
use impasto::units::Extent;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let extent = Extent::new(64, 48);
    let mut rgb = vec![0; 64 * 48 * 3];
    let _ = MjpegDecoder::default().decode(data, extent, &mut rgb);
});
