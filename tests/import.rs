//! Networks of other makers: what is read of their files, what is refused and with which words, and what `impasto import`
//! makes of them.

mod cli_support;

use std::path::{Path, PathBuf};

use cli_support::command;
use impasto::nn::adapt::{Channels, Foreign, Manner, Obstacle, Range, Sizes};
use impasto::nn::onnx::{
    AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, attribute_type, encode,
};
use impasto::nn::ort::OrtRuntime;
use proptest::prelude::*;

/// Of the network that a test wants.
#[derive(Clone)]
struct Wish {
    range: Range,
    /// Height, width and channels come in that order.
    pixels: bool,
    elem_type: i32,
    opset: i64,
    size: Option<[i64; 2]>,
    /// Only sides that are multiples of this.
    multiple: i64,
    names: [&'static str; 2],
}

impl Default for Wish {
    fn default() -> Self {
        Self {
            range: Range::Unit,
            pixels: false,
            elem_type: 1,
            opset: 13,
            size: None,
            multiple: 1,
            names: ["input.1", "137"],
        }
    }
}

fn ints(name: &str, values: &[i64]) -> AttributeProto {
    AttributeProto { name: name.into(), ints: values.to_vec(), r#type: attribute_type::INTS, ..Default::default() }
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.into(), i, r#type: attribute_type::INT, ..Default::default() }
}

fn text(name: &str, value: &str) -> AttributeProto {
    let s = value.as_bytes().to_vec();
    AttributeProto { name: name.into(), s, r#type: attribute_type::STRING, ..Default::default() }
}

fn value(name: &str, elem_type: i32, dims: &[i64]) -> ValueInfoProto {
    let dim = |(at, v): (usize, &i64)| match v {
        0 => DimensionProto { dim_value: None, dim_param: format!("{name} {at}") },
        v => DimensionProto { dim_value: Some(*v), dim_param: String::new() },
    };
    let shape = TensorShapeProto { dim: dims.iter().enumerate().map(dim).collect() };
    let tensor_type = Some(TensorTypeProto { elem_type, shape: Some(shape) });
    ValueInfoProto { name: name.into(), r#type: Some(TypeProto { tensor_type }) }
}

fn model(graph: GraphProto, opset: i64) -> Vec<u8> {
    let ir_version = if opset < 11 { 5 } else { 8 };
    let set = OperatorSetIdProto { domain: String::new(), version: opset };
    encode(&ModelProto { ir_version, graph: Some(graph), opset_import: vec![set], ..Default::default() })
}

/// A small painter: more contrast, warmer colours, softened; with InstanceNormalization and a reflecting Pad, as networks for
/// styles have them.
fn network(wish: &Wish) -> Vec<u8> {
    let mut graph = GraphProto { name: "painter".into(), ..Default::default() };
    let mut last = wish.names[0].to_owned();
    fn push(graph: &mut GraphProto, last: &mut String, op: &str, more: &[&str], attribute: Vec<AttributeProto>) {
        let output = format!("v{}", graph.node.len());
        let input = std::iter::once(last.clone()).chain(more.iter().map(|m| (*m).to_owned())).collect();
        let (op_type, name) = (op.to_owned(), output.clone());
        graph.node.push(NodeProto {
            input,
            output: vec![output.clone()],
            name,
            op_type,
            attribute,
            domain: String::new(),
        });
        *last = output;
    }
    let floats = |name: &str, dims: &[i64], float_data: Vec<f32>| TensorProto {
        dims: dims.to_vec(),
        data_type: 1,
        float_data,
        name: name.into(),
        ..Default::default()
    };
    let whole = |name: &str, int64_data: Vec<i64>| TensorProto {
        dims: vec![int64_data.len() as i64],
        data_type: 7,
        int64_data,
        name: name.into(),
        ..Default::default()
    };
    let to_unit = wish.range.to_unit();
    let diagonal = |by: [f32; 3]| (0..9).map(|at| if at % 4 == 0 { by[at / 4] } else { 0.0 }).collect::<Vec<_>>();
    graph.initializer.extend([
        floats("in", &[3, 3, 1, 1], diagonal(to_unit.map(|(factor, _)| factor))),
        floats("in offsets", &[3], to_unit.map(|(_, offset)| offset).to_vec()),
        floats("out", &[3, 3, 1, 1], diagonal(to_unit.map(|(factor, _)| 1.0 / factor))),
        floats("out offsets", &[3], to_unit.map(|(factor, offset)| -offset / factor).to_vec()),
        floats("soft", &[3, 1, 3, 3], vec![1.0 / 9.0; 27]),
        floats("scale", &[3], vec![0.24, 0.2, 0.18]),
        floats("middle", &[3], vec![0.55, 0.5, 0.45]),
    ]);
    if wish.elem_type != 1 {
        push(&mut graph, &mut last, "Cast", &[], vec![int("to", 1)]);
    }
    if wish.pixels {
        push(&mut graph, &mut last, "Transpose", &[], vec![ints("perm", &[0, 3, 1, 2])]);
    }
    push(&mut graph, &mut last, "Conv", &["in", "in offsets"], vec![ints("kernel_shape", &[1, 1])]);
    push(&mut graph, &mut last, "InstanceNormalization", &["scale", "middle"], Vec::new());
    if wish.opset >= 11 {
        graph.initializer.push(whole("pads", vec![0, 0, 1, 1, 0, 0, 1, 1]));
        push(&mut graph, &mut last, "Pad", &["pads"], vec![text("mode", "reflect")]);
    } else {
        let attributes = vec![text("mode", "reflect"), ints("pads", &[0, 0, 1, 1, 0, 0, 1, 1])];
        push(&mut graph, &mut last, "Pad", &[], attributes);
    }
    push(&mut graph, &mut last, "Conv", &["soft"], vec![ints("kernel_shape", &[3, 3]), int("group", 3)]);
    if wish.multiple > 1 {
        let by = wish.multiple;
        graph.initializer.push(floats("scales", &[4], vec![1.0, 1.0, by as f32, by as f32]));
        push(
            &mut graph,
            &mut last,
            "AveragePool",
            &[],
            vec![ints("kernel_shape", &[by, by]), ints("strides", &[by, by])],
        );
        push(&mut graph, &mut last, "Resize", &["", "scales"], vec![text("mode", "nearest")]);
    }
    push(&mut graph, &mut last, "Conv", &["out", "out offsets"], vec![ints("kernel_shape", &[1, 1])]);
    if let Some([height, width]) = wish.size.filter(|_| wish.names[0] == "fixed") {
        graph
            .initializer
            .extend([whole("flat", vec![1, 3 * height * width]), whole("back", vec![1, 3, height, width])]);
        push(&mut graph, &mut last, "Reshape", &["flat"], Vec::new());
        push(&mut graph, &mut last, "Reshape", &["back"], Vec::new());
    }
    if wish.pixels {
        push(&mut graph, &mut last, "Transpose", &[], vec![ints("perm", &[0, 2, 3, 1])]);
    }
    if wish.elem_type != 1 {
        push(&mut graph, &mut last, "Cast", &[], vec![int("to", i64::from(wish.elem_type))]);
    }
    graph.node.last_mut().unwrap().output[0] = wish.names[1].to_owned();
    let [height, width] = wish.size.unwrap_or([0, 0]);
    let dims = if wish.pixels { [1, height, width, 3] } else { [1, 3, height, width] };
    graph.input.push(value(wish.names[0], wish.elem_type, &dims));
    graph.output.push(value(wish.names[1], wish.elem_type, &dims));
    model(graph, wish.opset)
}

fn read(bytes: &[u8]) -> Result<Foreign, Obstacle> {
    Foreign::read(bytes, Path::new("/nowhere"))
}

#[test]
fn what_is_no_network_is_named() {
    let name = |bytes: &[u8]| read(bytes).unwrap_err();
    assert_eq!(name(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"), Obstacle::LfsPointer);
    assert_eq!(name(b"\n<!DOCTYPE html><html>"), Obstacle::WebPage);
    assert_eq!(name(b""), Obstacle::Empty);
    assert!(matches!(name(b"PK\x03\x04rest"), Obstacle::OtherFormat(_)));
    assert!(matches!(name(b"\x1c\0\0\0TFL3"), Obstacle::OtherFormat(_)));
    let whole = network(&Wish::default());
    assert!(matches!(name(&whole[..whole.len() / 2]), Obstacle::Damaged(_)));
    let port = |name: &str, dims: &[i64]| value(name, 1, dims);
    let with = |input: Vec<ValueInfoProto>, output: Vec<ValueInfoProto>| {
        let node = NodeProto { op_type: "Relu".into(), ..Default::default() };
        model(GraphProto { node: vec![node], input, output, ..Default::default() }, 13)
    };
    let photo = || vec![port("x", &[1, 3, 224, 224])];
    assert!(matches!(name(&with(photo(), vec![port("logits", &[1, 1000])])), Obstacle::NoPicture(_)));
    let noise = vec![port("sample", &[1, 4, 64, 64]), port("timestep", &[1])];
    assert!(matches!(name(&with(noise, photo())), Obstacle::Diffusion(_)));
    let two = vec![port("content", &[1, 3, 0, 0]), port("style", &[1, 3, 0, 0])];
    assert!(matches!(name(&with(two, photo())), Obstacle::ManyInputs(_)));
    assert!(matches!(name(&with(vec![port("grey", &[1, 1, 0, 0])], photo())), Obstacle::NotThree(_)));
    let doubles = vec![value("x", 11, &[1, 3, 0, 0])];
    assert_eq!(name(&with(doubles, photo())), Obstacle::NumberType(11));
}

/// A tensor whose numbers lie in another file.
fn with_weights_in(location: &str, offset: &str) -> Vec<u8> {
    let mut model = ModelProto { ir_version: 8, ..Default::default() };
    model.opset_import.push(OperatorSetIdProto { domain: String::new(), version: 13 });
    let mut bytes = encode(&model);
    let field = |number: u8, inner: &[u8]| [&[number << 3 | 2, inner.len() as u8][..], inner].concat();
    let entry = |key: &str, value: &str| field(13, &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat());
    let tensor = [
        &[0x08, 12, 0x10, 1][..],
        &field(8, b"w"),
        &entry("location", location),
        &entry("offset", offset),
        &entry("length", "48"),
        &[0x70, 1],
    ]
    .concat();
    let node = field(1, &[field(1, b"x"), field(1, b"w"), field(2, b"y"), field(4, b"Mul")].concat());
    let port = |name: &str, number: u8| {
        let mut info = Vec::new();
        prost::Message::encode(&value(name, 1, &[1, 3, 0, 0]), &mut info).unwrap();
        field(number, &info)
    };
    let graph = [node, field(5, &tensor), port("x", 11), port("y", 12)].concat();
    bytes.extend([0x3a, (graph.len() & 0x7f) as u8 | 0x80, (graph.len() >> 7) as u8]);
    bytes.extend(graph);
    bytes
}

#[test]
fn weights_in_a_second_file_are_taken_from_its_folder_alone() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("in");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(inside.join("w.data"), [7; 64]).unwrap();
    std::fs::write(folder.path().join("secret"), [8; 64]).unwrap();
    let read = |location: &str, offset: &str| Foreign::read(&with_weights_in(location, offset), &inside);
    let foreign = read("w.data", "16").unwrap();
    let wrapped = foreign.wrap(&Manner::OWN, Sizes::MultiplesOf(4), false).unwrap();
    assert!(wrapped.windows(48).any(|part| part == [7; 48]), "the weights are in it now");
    assert_eq!(read("w.data", "17").unwrap_err(), Obstacle::WeightsElsewhere("w.data".into()));
    assert_eq!(read("none.data", "0").unwrap_err(), Obstacle::WeightsMissing("none.data".into()));
    for outside in ["../secret", "/etc/passwd", ""] {
        assert_eq!(read(outside, "0").unwrap_err(), Obstacle::WeightsOutside(outside.into()), "{outside}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.path().join("secret"), inside.join("link.data")).unwrap();
        assert_eq!(read("link.data", "0").unwrap_err(), Obstacle::WeightsOutside("link.data".into()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    /// Any bytes are safe to give, and so is any file with some bytes changed.
    #[test]
    fn no_file_brings_the_reader_down(
        noise in proptest::collection::vec(any::<u8>(), 0..300),
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 0..12),
        cut in any::<proptest::sample::Index>(),
        pixels: bool,
    ) {
        let _ = read(&noise);
        let mut file = network(&Wish { pixels, ..Wish::default() });
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Ok(foreign) = read(&file) {
            let manner = Manner { channels: Channels::Bgr, input: Range::Bytes, output: Range::Signed };
            foreign.wrap(&manner, Sizes::MultiplesOf(8), false).unwrap();
        }
        let _ = read(&file[..cut.index(file.len())]);
    }
}

/// ONNX Runtime's library; `None`, and a printed line, where there is none. With IMPASTO_ORT_LIB set its lack is a failure.
fn library() -> Option<PathBuf> {
    match OrtRuntime::find(None) {
        Ok(runtime) => Some(runtime.info().path.clone()),
        Err(error) => {
            assert!(std::env::var_os("IMPASTO_ORT_LIB").is_none(), "{error}");
            println!("skipped: {error}");
            None
        }
    }
}

struct Run {
    success: bool,
    stdout: String,
    stderr: String,
}

fn impasto(library: &Path, args: &[&str]) -> Run {
    let output = command().env("IMPASTO_ORT_LIB", library).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Run { success: output.status.success(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
}

fn import(library: &Path, folder: &Path, name: &str, bytes: &[u8], more: &[&str]) -> Run {
    let file = folder.join(format!("{name}.onnx"));
    std::fs::write(&file, bytes).unwrap();
    let packs = folder.join("packs");
    let mut args = vec!["import", file.to_str().unwrap(), "--models", packs.to_str().unwrap()];
    args.extend(more);
    impasto(library, &args)
}

/// Every contract that such networks have: found out, and painted with afterwards.
#[test]
fn networks_of_common_contracts_become_effects() {
    let Some(library) = library() else { return };
    let folder = tempfile::tempdir().unwrap();
    let plain = Wish::default();
    let bytes = Wish { range: Range::Bytes, ..plain.clone() };
    let cases = [
        ("unit", plain.clone(), "takes 0..1 and gives 0..1", "multiples of 4"),
        ("bytes", bytes.clone(), "takes 0..255 and gives 0..255", "multiples of 4"),
        (
            "signed",
            Wish { range: Range::Signed, opset: 21, ..plain.clone() },
            "takes -1..1 and gives -1..1",
            "any size",
        ),
        ("pixels", Wish { pixels: true, ..bytes.clone() }, "takes 0..255 and gives 0..255", "any size"),
        ("half", Wish { elem_type: 10, ..plain.clone() }, "takes 0..1 and gives 0..1", "any size"),
        ("uint8", Wish { elem_type: 2, pixels: true, ..bytes.clone() }, "takes 0..255 and gives 0..255", "any size"),
        ("old", Wish { opset: 7, size: Some([720, 720]), ..bytes.clone() }, "takes 0..255", "multiples of 4"),
        ("sixteen", Wish { multiple: 16, ..bytes.clone() }, "takes 0..255", "multiples of 16"),
        (
            "fixed",
            Wish { size: Some([96, 128]), names: ["fixed", "y"], ..plain.clone() },
            "takes 0..1",
            "128x96, smaller",
        ),
        ("same-names", Wish { names: ["image", "painted"], ..bytes.clone() }, "takes 0..255", "any size"),
    ];
    for (name, wish, manner, sizes) in cases {
        let run = import(&library, folder.path(), name, &network(&wish), &[]);
        assert!(run.success, "{name}: {}", run.stderr);
        assert!(run.stdout.contains(manner) && run.stdout.contains(sizes), "{name}: {}", run.stdout);
    }
    let packs = folder.path().join("packs");
    let (packs, out) = (packs.to_str().unwrap(), folder.path().join("painted.png"));
    for name in ["uint8", "fixed", "old", "sixteen"] {
        let photo = concat!(env!("CARGO_MANIFEST_DIR"), "/models/gallery/oil.jpg");
        let run = impasto(
            &library,
            &["render", photo, out.to_str().unwrap(), "--models", packs, "--effect", name, "--force"],
        );
        assert!(run.success, "{name}: {}", run.stderr);
        let (painted, photo) = (image::open(&out).unwrap().into_rgb8(), image::open(photo).unwrap().into_rgb8());
        assert_eq!(painted.dimensions(), photo.dimensions(), "{name}");
        let mean = |image: &image::RgbImage| image.iter().map(|v| f64::from(*v)).sum::<f64>() / image.len() as f64;
        assert!((30.0..225.0).contains(&mean(&painted)), "{name}: {}", mean(&painted));
    }
    // A file is painted with as it is, too: brought under our contract for once.
    let file = folder.path().join("pixels.onnx");
    let (file, photo) = (file.to_str().unwrap(), concat!(env!("CARGO_MANIFEST_DIR"), "/models/gallery/oil.jpg"));
    let run = impasto(&library, &["render", photo, out.to_str().unwrap(), "--effect", file, "--force"]);
    assert!(run.success, "{}", run.stderr);
    let painted = image::open(&out).unwrap().into_rgb8();
    let white = painted.iter().filter(|v| **v == 255).count();
    assert!(white < painted.len() / 4, "{white} of {} numbers are white", painted.len());
    // Given, not found out.
    let more = ["--name", "told", "--input-range", "0..1", "--output-range", "0..1", "--channels", "bgr"];
    let run = import(&library, folder.path(), "unit", &network(&plain), &more);
    assert!(run.success && run.stdout.contains("blue first (as you said)"), "{}{}", run.stdout, run.stderr);
    // Nothing is replaced unasked.
    let again = import(&library, folder.path(), "unit", &network(&plain), &[]);
    assert!(!again.success && again.stderr.contains("--force"), "{}", again.stderr);
    assert!(import(&library, folder.path(), "unit", &network(&plain), &["--force"]).success);
}

/// What asks for terabytes, what gives no numbers, what no runtime knows: a sentence, and nothing left behind.
#[test]
fn what_cannot_paint_is_refused_and_leaves_nothing() {
    let Some(library) = library() else { return };
    let folder = tempfile::tempdir().unwrap();
    let bomb = {
        let scales = TensorProto {
            dims: vec![4],
            data_type: 1,
            float_data: vec![1.0, 1.0, 500.0, 500.0],
            name: "scales".into(),
            ..Default::default()
        };
        let node = |op: &str, input: &[&str], output: &str, attribute: Vec<AttributeProto>| NodeProto {
            input: input.iter().map(|i| (*i).to_owned()).collect(),
            output: vec![output.into()],
            name: output.into(),
            op_type: op.into(),
            attribute,
            domain: String::new(),
        };
        let graph = GraphProto {
            node: vec![
                node("Resize", &["x", "", "scales"], "huge", vec![text("mode", "nearest")]),
                node("ReduceMean", &["huge"], "mean", vec![ints("axes", &[2, 3])]),
                node("Add", &["x", "mean"], "y", Vec::new()),
            ],
            initializer: vec![scales],
            input: vec![value("x", 1, &[1, 3, 0, 0])],
            output: vec![value("y", 1, &[1, 3, 0, 0])],
            ..Default::default()
        };
        model(graph, 13)
    };
    let run = import(&library, folder.path(), "bomb", &bomb, &[]);
    assert!(!run.success && run.stderr.contains("memory"), "{}", run.stderr);
    let run = import(&library, folder.path(), "new", &network(&Wish { opset: 99, ..Wish::default() }), &[]);
    assert!(!run.success && run.stderr.contains("operator set 99"), "{}", run.stderr);
    let run = import(&library, folder.path(), "page", b"<html></html>", &[]);
    assert!(!run.success && run.stderr.contains("web page"), "{}", run.stderr);
    let left: Vec<_> = std::fs::read_dir(folder.path().join("packs")).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
}
