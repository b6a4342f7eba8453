//! Rust structs that are written to buffers have the layout of their WGSL originals. No GPU.

use impasto::assert_mirror;
use impasto::gpu::ceiling::{self, MultiplyAddParams};
use impasto::kernels::ingest::YuvToRgb;
use impasto::pipeline::PictureLayout;
use impasto::pipeline::pass::canvas::{self, CanvasLayout};
use impasto::pipeline::pass::carry::{self, CarryLayout};
use impasto::pipeline::pass::drift::{self, DriftLayout};
use impasto::pipeline::pass::gain::{self, GainLayout};
use impasto::pipeline::pass::ingest::{self, RawLayout};
use impasto::pipeline::pass::picture;
use impasto::pipeline::pass::prepare::{self, PrepareLayout};
use impasto::pipeline::pass::pyramid::{self, PyramidLayout};
use impasto::pipeline::pass::relief::{self, FlowLayout, TensorLayout};
use impasto::pipeline::pass::search::{self, SearchLayout};
use impasto::pipeline::pass::stabilise::{self, StabiliseLayout};
use impasto::pipeline::pass::stability::{self, CompareLayout, GatherLayout};

#[test]
fn the_frame() {
    for shader in [ingest::YUV422, ingest::YUV420, ingest::RGB, ingest::GRAY] {
        assert_mirror!(shader, YuvToRgb { u, luma, v, _pad0, offset, _pad1 });
        assert_mirror!(shader, RawLayout { width, height, stride_bytes, chroma_bytes, color });
    }
    assert_mirror!(prepare::SHADER, PrepareLayout { origin, step, width, height });
}

#[test]
fn the_ceiling() {
    for shader in &ceiling::SHADERS[..2] {
        assert_mirror!(*shader, MultiplyAddParams { rounds, scale, shift });
    }
}

#[test]
fn the_canvas() {
    assert_mirror!(canvas::SHADER, CanvasLayout { width, height, groups, step, strength });
}

#[test]
fn the_painting() {
    assert_mirror!(stabilise::SHADER, StabiliseLayout { width, height, blend });
    assert_mirror!(gain::SHADER, GainLayout { width, height });
}

#[test]
fn motion() {
    assert_mirror!(pyramid::SHADER, PyramidLayout { width, height });
    assert_mirror!(
        search::SHADER,
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
    assert_mirror!(carry::SHADER, CarryLayout { width, height, columns, rows });
}

#[test]
fn how_steady() {
    assert_mirror!(stability::COMPARE_SHADER, CompareLayout { width, height });
    assert_mirror!(stability::GATHER_SHADER, GatherLayout { width, height });
}

#[test]
fn the_drift() {
    assert_mirror!(drift::SHADER, DriftLayout { width, height, columns, rows, blocks_across, blocks_down, follows });
}

#[test]
fn the_relief() {
    assert_mirror!(relief::TENSOR_SHADER, TensorLayout { width, height, columns, rows });
    assert_mirror!(relief::FLOW_SHADER, FlowLayout { waves, columns, rows, step, swirl, follows, _pad });
}

#[test]
fn the_window() {
    assert_mirror!(
        picture::SHADER,
        PictureLayout {
            scale,
            shift,
            crop_scale,
            crop_shift,
            bristles_scale,
            paper_scale,
            hand,
            drift_scale,
            strength,
            split_px,
            parts,
            thickness,
            gloss,
            pigment,
            drag,
            length,
            paper,
            rim,
            tooth,
            press,
            ripple,
            _pad
        }
    );
}

/// The check itself can fail.
#[test]
fn differences_are_told() {
    use impasto::gpu::mirror::check;
    let told = |size, fields: &[(&str, usize)]| check(&gain::SHADER, "GainLayout", size, fields).unwrap_err();
    assert!(told(8, &[("width", 0), ("height", 8)]).contains("'height' is at 8 in Rust, at 4 in WGSL"));
    assert!(told(8, &[("width", 0)]).contains("'height' is missing in Rust"));
    assert!(told(8, &[("width", 0), ("height", 4), ("depth", 8)]).contains("'depth' is missing in WGSL"));
    assert!(told(12, &[("width", 0), ("height", 4)]).contains("12 bytes in Rust, 8 in WGSL"));
    assert!(check(&gain::SHADER, "Nothing", 0, &[]).unwrap_err().contains("no struct Nothing"));
}
