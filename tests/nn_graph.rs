//! Reading, folding and writing networks.

use std::sync::Arc;

use impasto::kernels::nn::graph::{Inputs, Planar};
use impasto::nn::graph::{
    Activation, Arithmetic, Conv, Graph, GraphError, Interpolation, Node, Op, Pads, PerChannel, ValueId,
};
use impasto::nn::onnx;
use impasto::nn::plan::{Plan, Precision};
use impasto::units::Extent;
use proptest::prelude::*;

const TINY: &[u8] = include_bytes!("data/tiny.onnx");

fn run(graph: &Graph, extent: Extent, image: &[f32], style: &[f32]) -> Result<Planar, GraphError> {
    impasto::kernels::nn::graph::run(graph, extent, Inputs { image, style, canvas: None })
}

fn image(extent: Extent) -> Vec<f32> {
    (0..3 * extent.pixels()).map(|i| ((i * 7919) % 1009) as f32 / 1008.0).collect()
}

fn max_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn tiny_is_read_with_its_sizes() {
    let graph = Graph::from_onnx(TINY).unwrap();
    assert_eq!(graph.style_len(), 2);
    let folded = graph.fold(&[1.0, 0.0]).unwrap();
    assert_eq!(folded.style_len(), 0);
    assert!(folded.nodes().iter().all(|n| !matches!(n.op, Op::Scale(_) | Op::Shift(_))), "everything folds");
    assert!(folded.mmac(Extent::new(64, 48)).unwrap() > 1.0);
    assert!(folded.params() < graph.params());
    assert!(matches!(folded.shapes(Extent::new(60, 48)), Err(GraphError::Extent { .. })));
}

#[test]
fn folding_a_style_does_not_change_the_painting() {
    let graph = Graph::from_onnx(TINY).unwrap();
    let extent = Extent::new(48, 32);
    let image = image(extent);
    let mut paintings = Vec::new();
    for style in [[1.0, 0.0], [0.0, 1.0], [0.3, 0.7]] {
        let whole = run(&graph, extent, &image, &style).unwrap();
        let folded = run(&graph.fold(&style).unwrap(), extent, &image, &[]).unwrap();
        // Weights times scale round differently from sums times scale; values before the sigmoid are about 1.
        assert!(max_difference(&whole.data, &folded.data) < 1e-5);
        paintings.push(whole.data);
    }
    assert!(max_difference(&paintings[0], &paintings[1]) > 1e-3, "styles differ");
}

#[test]
fn a_written_graph_is_read_back_the_same() {
    let graph = Graph::from_onnx(TINY).unwrap();
    for graph in [graph.clone(), graph.fold(&[0.5, 0.5]).unwrap()] {
        let mut back = Graph::from_onnx(&graph.to_onnx()).unwrap();
        assert_eq!(back.nodes().len(), graph.nodes().len());
        let extent = Extent::new(32, 16);
        let style = vec![0.5; graph.style_len()];
        let image = image(extent);
        assert_eq!(run(&graph, extent, &image, &style).unwrap(), run(&back, extent, &image, &style).unwrap());
        back = Graph::from_onnx(&back.to_onnx()).unwrap();
        assert_eq!(back.style_len(), graph.style_len());
    }
}

#[test]
fn a_wrong_style_is_refused() {
    let graph = Graph::from_onnx(TINY).unwrap();
    assert_eq!(graph.fold(&[1.0]), Err(GraphError::StyleLength { found: 1, expected: 2 }));
    assert!(matches!(graph.fold(&[f32::NAN, 1.0]), Err(GraphError::StyleValue { index: 0, .. })));
}

fn numbers(count: usize, seed: usize) -> Arc<[f32]> {
    (0..count).map(|i| (((i + seed) * 2654435761usize % 1000) as f32 / 1000.0 - 0.5) * 0.8).collect()
}

fn conv(in_channels: usize, out_channels: usize, kernel: usize, pads: Pads) -> Op {
    Op::Conv(Conv {
        weight: numbers(out_channels * in_channels * kernel * kernel, 3),
        bias: numbers(out_channels, 5),
        out_channels,
        in_channels,
        groups: 1,
        kernel,
        stride: 1,
        pads,
    })
}

fn node(op: Op, inputs: &[usize]) -> Node {
    Node { name: op.onnx_name().to_lowercase(), op, inputs: inputs.iter().map(|i| ValueId(*i)).collect() }
}

/// Mean and deviation around a padded convolution: the shift in front of it must stay, all else folds.
#[test]
fn padding_keeps_a_shift_from_folding() {
    let constant = |seed| PerChannel::Constant(numbers(3, seed));
    let network = |kernel, pads| {
        let nodes = vec![
            node(Op::Shift(constant(1)), &[0]),
            node(Op::Scale(constant(2)), &[1]),
            node(conv(3, 3, kernel, pads), &[2]),
            node(Op::Scale(constant(3)), &[3]),
            node(Op::Shift(constant(4)), &[4]),
        ];
        Graph::new(nodes, ValueId(5), 0).unwrap()
    };
    let extent = Extent::new(7, 5);
    let image = image(extent);
    for (kernel, pads, left) in [(3, Pads::all(1), 2), (1, Pads::all(0), 1)] {
        let graph = network(kernel, pads);
        let folded = graph.fold(&[]).unwrap();
        assert_eq!(folded.nodes().len(), left, "{:?}", folded.nodes());
        let (a, b) = (run(&graph, extent, &image, &[]).unwrap(), run(&folded, extent, &image, &[]).unwrap());
        assert!(max_difference(&a.data, &b.data) < 1e-5);
    }
}

/// A value that something else reads too must not be changed by folding.
#[test]
fn a_shared_value_is_left_alone() {
    let nodes = vec![
        node(conv(3, 3, 1, Pads::default()), &[0]),
        node(Op::Scale(PerChannel::Constant(numbers(3, 9))), &[1]),
        node(Op::Combine(Arithmetic::Add), &[1, 2]),
    ];
    let graph = Graph::new(nodes, ValueId(3), 0).unwrap();
    let folded = graph.fold(&[]).unwrap();
    assert_eq!(folded, graph);
}

#[test]
fn what_does_not_fit_is_named() {
    let wrong = |op: Op, inputs: &[usize]| Graph::new(vec![node(op, inputs)], ValueId(1), 0).unwrap_err().to_string();
    assert!(wrong(conv(4, 3, 1, Pads::default()), &[0]).contains("4 channels"));
    assert!(wrong(conv(3, 3, 3, Pads::all(3)), &[0]).contains("padding"));
    assert!(wrong(Op::DepthToSpace, &[0]).contains("multiple of 4"));
    assert!(wrong(Op::Activate(Activation::Clip { min: 1.0, max: 0.0 }), &[0]).contains("limits"));
    assert!(wrong(Op::Resize(Interpolation::Nearest), &[1]).contains("comes later"));
    assert!(wrong(Op::Combine(Arithmetic::Add), &[0]).contains("1 picture inputs"));
    assert!(wrong(conv(3, 4, 1, Pads::default()), &[0]).contains("4 channels and must have 3"));
}

/// The file of `tiny` after a change.
fn changed(change: impl FnOnce(&mut onnx::GraphProto)) -> Result<Graph, GraphError> {
    let mut model = onnx::decode(TINY).unwrap();
    change(model.graph.as_mut().unwrap());
    Graph::from_onnx(&onnx::encode(&model))
}

#[test]
fn what_a_file_may_not_hold_is_named() {
    fn node<'a>(graph: &'a mut onnx::GraphProto, op: &str) -> &'a mut onnx::NodeProto {
        graph.node.iter_mut().find(|n| n.op_type == op).unwrap()
    }
    fn attribute<'a>(graph: &'a mut onnx::GraphProto, op: &str, name: &str) -> &'a mut onnx::AttributeProto {
        node(graph, op).attribute.iter_mut().find(|a| a.name == name).unwrap()
    }
    assert!(changed(|_| ()).is_ok());
    type Change = fn(&mut onnx::GraphProto);
    let cases: &[(Change, &str)] = &[
        (|g| node(g, "Conv").op_type = "LSTM".to_owned(), "'stem.conv' (LSTM) cannot be run: the operator"),
        (|g| node(g, "Conv").domain = "com.example".to_owned(), "domain 'com.example'"),
        (|g| node(g, "Conv").input.truncate(1), "weights are not constant"),
        (|g| node(g, "Conv").input[0] = "nowhere".to_owned(), "'nowhere' is made by no node before it"),
        (|g| node(g, "Conv").output[0] = "image".to_owned(), "'image' is defined twice"),
        (|g| node(g, "Conv").output.clear(), "0 outputs"),
        (|g| attribute(g, "Conv", "strides").ints = vec![3, 3], "stride of 3"),
        (|g| attribute(g, "Conv", "strides").ints = vec![1, 2], "must be square"),
        (|g| attribute(g, "Conv", "pads").ints = vec![0, 0, 1, i64::MAX], "attribute 'pads'"),
        (|g| attribute(g, "Conv", "pads").ints = vec![0, 0, 1, -1], "attribute 'pads'"),
        (|g| attribute(g, "Conv", "pads").r#type = 1, "'pads' has the wrong type"),
        (|g| attribute(g, "Conv", "group").i = -1, "groups is out of range"),
        (|g| attribute(g, "Conv", "group").i = 2, "2 groups"),
        (|g| attribute(g, "Resize", "mode").s = b"cubic".to_vec(), "mode cubic"),
        (|g| attribute(g, "DepthToSpace", "mode").s = b"DCR".to_vec(), "mode CRD"),
        (|g| attribute(g, "Concat", "axis").i = 2, "axis 1"),
        (|g| node(g, "Cast").attribute[0].i = 7, "to float32"),
        (|g| g.initializer[0].data_location = 1, "lies in another file"),
        (|g| g.initializer[0].data_type = 11, "is of type 11"),
        (|g| g.initializer[3].dims = vec![i64::MAX, i64::MAX, 9, 9], "larger than memory"),
        (|g| g.initializer[3].dims[0] = -8, "a side of -8"),
        (|g| g.initializer[3].dims[0] += 1, "its shape [9, 3, 3, 3] needs 243"),
        (|g| g.initializer[3].raw_data[..2].copy_from_slice(&[0, 0x7c]), "holds inf"),
        (|g| g.initializer[3].dims = vec![1 << 40, 0, 3, 3], "needs 0"),
        (|g| g.input.clear(), "no input 'image'"),
        (|g| g.input[0].name = "picture".to_owned(), "an input 'picture'"),
        (|g| g.output.clear(), "0 outputs"),
        (|g| g.output[0].name = "style_row".to_owned(), "not a picture"),
        (|g| g.node = vec![onnx::NodeProto::default(); 5000], "number of nodes is 5000"),
        (|g| g.node.reverse(), "made by no node before it"),
    ];
    for (change, told) in cases {
        let error = changed(*change).expect_err(told).to_string();
        assert!(error.contains(told), "'{error}' does not tell '{told}'");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_are_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
        prop_assert!(Graph::from_onnx(&bytes).is_err());
    }

    #[test]
    fn a_cut_file_is_an_error(length in 0..TINY.len() - 1) {
        prop_assert!(Graph::from_onnx(&TINY[..length]).is_err());
    }

    /// Most flips change a weight or a name; none may panic, here or when the graph is used.
    #[test]
    fn flipped_bits_do_no_harm(flips in proptest::collection::vec((0..TINY.len(), 0..8u8), 1..8), head in any::<bool>()) {
        let mut bytes = TINY.to_vec();
        for (at, bit) in flips {
            // The structure is in a small part of the file, mostly before and after the weights.
            let at = if head { at % 4000 } else { TINY.len() - 1 - at % 22000 };
            bytes[at] ^= 1 << bit;
        }
        if let Ok(graph) = Graph::from_onnx(&bytes)
            && let Ok(folded) = graph.fold(&vec![0.5; graph.style_len()])
        {
            let _ = folded.mmac(Extent::new(32, 16));
            let _ = folded.to_onnx();
            let _ = Plan::new(&folded, Extent::new(32, 16), Precision::F32);
        }
    }
}
