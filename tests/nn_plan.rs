//! Plans without a GPU: run by the CPU kernels they agree with the network, and they look as expected.

#[path = "nn_support/mod.rs"]
mod support;

use impasto::kernels::nn::graph::{self, Inputs};
use impasto::kernels::nn::run_plan;
use impasto::nn::graph::{Graph, GraphError, Op, Pads, ValueId};
use impasto::nn::plan::{Bank, Plan, PlanError, Precision, StepParams};
use impasto::units::Extent;
use proptest::prelude::*;
use support::*;

fn tiny() -> Graph {
    Graph::from_onnx(TINY).unwrap().fold(&[0.25, 0.75]).unwrap()
}

fn check(network: &Graph, extent: Extent, precision: Precision, tolerance: f32) -> Plan {
    let plan = Plan::new(network, extent, precision).unwrap();
    for step in plan.steps() {
        assert!(step.source != step.target && step.second != Some(step.target), "{plan}");
    }
    let image = planar_image(extent, 7);
    let expected = graph::run(network, extent, Inputs { image: &image, ..Inputs::default() }).unwrap();
    let found = planar_of(&run_plan(&plan, &packed_image(&image), None));
    let difference = max_difference(&found, &expected.data);
    assert!(difference <= tolerance, "{difference} at {extent}\n{plan}");
    plan
}

#[test]
fn a_plan_computes_what_the_network_does() {
    // Sums of hundreds of numbers about 1, in another order.
    for extent in [Extent::new(48, 32), Extent::new(16, 80)] {
        check(&tiny(), extent, Precision::F32, 1e-5);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn awkward_networks_are_planned_right(seed in 0..1000u64, w in 1..9u32, h in 1..9u32) {
        let network = awkward(seed);
        check(&network, Extent::new(2 * w, 2 * h), Precision::F32, 1e-4);
        // The reference keeps pictures in float32, so only weights are rounded here, to 11 bits.
        check(&network, Extent::new(2 * w, 2 * h), Precision::F16, 2e-2);
    }
}

#[test]
fn a_network_of_nothing_copies() {
    let nothing = Graph::new(Vec::new(), ValueId::IMAGE, 0).unwrap();
    for precision in [Precision::F32, Precision::F16] {
        check(&nothing, Extent::new(5, 3), precision, 0.0);
    }
    let mut b = Builder::default();
    let output = b.push(conv(3, 3, 3, 1, false, Pads::all(1), 1), &[ValueId::IMAGE]);
    let one = b.finish(output);
    assert_eq!(check(&one, Extent::new(1, 1), Precision::F32, 1e-6).steps().len(), 1);
    check(&one, Extent::new(5, 3), Precision::F16, 1e-3);
}

/// Activations and sums are fused, concatenations cost nothing, and memory is shared.
#[test]
fn tiny_needs_no_more_steps_than_it_has_convolutions_and_resizes() {
    let network = tiny();
    let plan = Plan::new(&network, Extent::new(64, 48), Precision::F32).unwrap();
    let kept =
        network.nodes().iter().filter(|n| matches!(n.op, Op::Conv(_) | Op::Resize(_) | Op::DepthToSpace)).count();
    assert_eq!(plan.steps().len(), kept, "{plan}");
    assert_eq!(plan.steps()[0].source, Bank::Image);
    assert_eq!(plan.steps()[kept - 1].target, Bank::Painted);
    let macs: u64 = plan.steps().iter().map(|s| s.macs).sum();
    assert_eq!(macs as f64 / 1e6, network.mmac(Extent::new(64, 48)).unwrap());
}

/// The whole table, so that a change of what is planned shows in review. `UPDATE_SNAPSHOTS=1` writes it anew.
#[test]
fn tiny_looks_like_this() {
    let plan = Plan::new(&tiny(), Extent::new(64, 48), Precision::F32).unwrap();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tiny_plan.txt");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(path, plan.to_string()).unwrap();
    }
    assert_eq!(plan.to_string(), std::fs::read_to_string(path).unwrap());
}

#[test]
fn styles_share_a_structure() {
    let network = Graph::from_onnx(TINY).unwrap();
    let plan = |style: &[f32], extent| Plan::new(&network.fold(style).unwrap(), extent, Precision::F32).unwrap();
    let (a, b) = (plan(&[1.0, 0.0], Extent::new(64, 48)), plan(&[0.0, 1.0], Extent::new(64, 48)));
    assert!(a.same_structure(&b) && a.weights() != b.weights());
    assert!(!a.same_structure(&plan(&[1.0, 0.0], Extent::new(48, 64))));
    assert_eq!(
        Plan::new(&network, Extent::new(64, 48), Precision::F32).unwrap_err(),
        PlanError::Graph(GraphError::Unfolded)
    );
    assert!(matches!(Plan::new(&tiny(), Extent::new(16384, 16384), Precision::F32), Err(PlanError::Memory { .. })));
}

#[test]
fn step_params_are_laid_out_as_in_the_shaders() {
    for shader in impasto::nn::SHADERS {
        impasto::assert_mirror!(
            *shader,
            StepParams {
                source_width,
                source_height,
                result_width,
                result_height,
                source_base,
                second_base,
                result_base,
                weight_base,
                source_groups,
                result_groups,
                bias_base,
                channel_offset,
                pad_left,
                pad_top,
                second_use,
                activation,
                low,
                high,
                channels,
                unused
            }
        );
    }
}
