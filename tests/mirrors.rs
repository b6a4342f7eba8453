//! Rust structs that are written to buffers have the layout of their WGSL originals. No GPU.

use impasto::assert_mirror;
use impasto::kernels::ingest::YuvToRgb;
use impasto::pipeline::motion::{self, CarryLayout, PyramidLayout, SearchLayout};
use impasto::pipeline::stability::{self, CompareLayout, GatherLayout};
use impasto::pipeline::stages::{self, GainLayout, PrepareLayout, RawLayout, StabiliseLayout};
use impasto::pipeline::{PICTURE, PictureLayout};

#[test]
fn ingest() {
    for shader in [stages::YUV422, stages::YUV420, stages::RGB, stages::GRAY] {
        assert_mirror!(shader, YuvToRgb { u, luma, v, _pad0, offset, _pad1 });
        assert_mirror!(shader, RawLayout { width, height, stride_bytes, chroma_bytes, color });
    }
    assert_mirror!(stages::PREPARE, PrepareLayout { origin, step, width, height });
}

#[test]
fn compose() {
    assert_mirror!(stages::STABILISE, StabiliseLayout { width, height, blend });
    assert_mirror!(stages::GAIN, GainLayout { width, height });
}

#[test]
fn motion() {
    assert_mirror!(motion::PYRAMID, PyramidLayout { width, height });
    assert_mirror!(
        motion::SEARCH,
        SearchLayout {
            width,
            height,
            level_at,
            columns,
            rows,
            field_at,
            parent_columns,
            parent_rows,
            parent_at,
            radius,
            finest
        }
    );
    assert_mirror!(motion::CARRY, CarryLayout { width, height, columns, rows });
}

#[test]
fn stability() {
    assert_mirror!(stability::COMPARE, CompareLayout { width, height });
    assert_mirror!(stability::GATHER, GatherLayout { width, height });
}

#[test]
fn present() {
    assert_mirror!(PICTURE, PictureLayout { scale, shift, crop_scale, crop_shift, strength, split_px });
}

/// The check itself can fail.
#[test]
fn differences_are_told() {
    use impasto::gpu::mirror::check;
    let told = |size, fields: &[(&str, usize)]| check(&stages::GAIN, "GainLayout", size, fields).unwrap_err();
    assert!(told(8, &[("width", 0), ("height", 8)]).contains("'height' is at 8 in Rust, at 4 in WGSL"));
    assert!(told(8, &[("width", 0)]).contains("'height' is missing in Rust"));
    assert!(told(8, &[("width", 0), ("height", 4), ("depth", 8)]).contains("'depth' is missing in WGSL"));
    assert!(told(12, &[("width", 0), ("height", 4)]).contains("12 bytes in Rust, 8 in WGSL"));
    assert!(check(&stages::GAIN, "Nothing", 0, &[]).unwrap_err().contains("no struct Nothing"));
}
