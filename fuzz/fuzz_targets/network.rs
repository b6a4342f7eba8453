//! Whatever an ONNX file holds, it is read into a graph that can be planned, or refused.
#![no_main]

use impasto::nn::Graph;
use impasto::nn::plan::{Plan, Precision};
use impasto::units::Extent;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(graph) = Graph::from_onnx(data) else { return };
    let graph = graph.row(0).and_then(|row| graph.fold_row(&row).ok()).unwrap_or(graph);
    for (width, height) in [(64, 48), (17, 33)] {
        let _ = Plan::new(&graph, Extent::new(width, height), Precision::F16);
    }
});
