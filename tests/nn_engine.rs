//! Whole networks on the adapter, against the CPU kernels and ONNX Runtime.

#[path = "nn_support/mod.rs"]
mod support;

use impasto::gpu::Gpu;
use impasto::kernels::nn::graph::{self, Inputs};
use impasto::nn::gpu::{EngineError, GpuStudent};
use impasto::nn::graph::Graph;
use impasto::nn::ort::{OrtOptions, OrtRuntime, OrtStudent};
use impasto::nn::plan::{Plan, Precision};
use impasto::units::Extent;
use proptest::prelude::*;
use support::*;

/// One run, as a frame would: image in, all steps in one pass, painting out. Planar.
fn paint(gpu: &Gpu, student: &GpuStudent, planar: &[f32]) -> Vec<f32> {
    gpu.queue.write_buffer(student.input(), 0, bytemuck::cast_slice(&packed_image(planar)));
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    student.record(&mut encoder.begin_compute_pass(&Default::default()));
    planar_of(&bytemuck::pod_collect_to_vec::<u8, [f32; 4]>(&read(gpu, encoder, student.output())))
}

fn paint_once(gpu: &Gpu, network: &Graph, extent: Extent, precision: Precision, planar: &[f32]) -> Vec<f32> {
    let plan = Plan::new(network, extent, precision).unwrap();
    paint(gpu, &GpuStudent::new(gpu, &plan).unwrap(), planar)
}

#[test]
fn tiny_paints_what_its_definition_paints() {
    let Some(gpu) = gpu() else { return };
    let network = Graph::from_onnx(TINY).unwrap().fold(&[0.25, 0.75]).unwrap();
    for extent in [Extent::new(80, 48), Extent::new(16, 16), Extent::new(48, 144)] {
        let image = planar_image(extent, 3);
        let expected = graph::run(&network, extent, Inputs { image: &image, ..Inputs::default() }).unwrap().data;
        let found = paint_once(gpu, &network, extent, Precision::F32, &image);
        // The contract between engines is 1e-3; sums in another order stay far below.
        let difference = max_difference(&found, &expected);
        assert!(difference <= 1e-4, "{difference} at {extent}");
        if gpu.caps.f16 {
            let found = paint_once(gpu, &network, extent, Precision::F16, &image);
            let psnr = psnr_db(&found, &expected);
            println!("tiny at {extent}: float32 differs by {difference:e}, float16 by {psnr:.1} dB");
            assert!(psnr >= 45.0, "{psnr} dB at {extent}");
        }
    }
}

#[test]
fn awkward_networks_paint_what_their_definition_paints() {
    let Some(gpu) = gpu() else { return };
    let config = ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(seed in 0..1000u64, w in 1..20u32, h in 1..20u32)| {
        let extent = Extent::new(2 * w, 2 * h);
        let network = awkward(seed);
        let image = planar_image(extent, seed);
        let expected = graph::run(&network, extent, Inputs { image: &image, ..Inputs::default() }).unwrap().data;
        let found = paint_once(gpu, &network, extent, Precision::F32, &image);
        prop_assert!(max_difference(&found, &expected) <= 1e-4);
        if gpu.caps.f16 {
            let found = paint_once(gpu, &network, extent, Precision::F16, &image);
            prop_assert!(psnr_db(&found, &expected) >= 45.0);
        }
    });
}

/// ONNX Runtime, or None with a printed line; with IMPASTO_ORT_LIB set its lack is a failure.
fn runtime() -> Option<OrtRuntime> {
    match OrtRuntime::find(None) {
        Ok(runtime) => Some(runtime),
        Err(e) => {
            assert!(std::env::var_os("IMPASTO_ORT_LIB").is_none(), "IMPASTO_ORT_LIB is set: {e}");
            eprintln!("skipped: {e}");
            None
        }
    }
}

fn paint_with_ort(runtime: &OrtRuntime, onnx: &[u8], style: &[f32], extent: Extent, planar: &[f32]) -> Vec<f32> {
    let mut student = OrtStudent::from_onnx(runtime, onnx, style, extent, OrtOptions::default()).unwrap();
    let mut painted = vec![0.0; planar.len()];
    student.run(planar, &mut painted).unwrap();
    painted
}

/// The file as it is, with a style as input, is the truth; the folded file, the CPU kernels and the GPU must agree with it.
#[test]
fn tiny_paints_what_onnx_runtime_paints() {
    let Some(runtime) = runtime() else { return };
    let network = Graph::from_onnx(TINY).unwrap();
    for (style, extent) in [([1.0, 0.0], Extent::new(80, 48)), ([0.4, 0.6], Extent::new(48, 112))] {
        let image = planar_image(extent, 11);
        let truth = paint_with_ort(&runtime, TINY, &style, extent, &image);
        let folded = network.fold(&style).unwrap();
        let reference =
            graph::run(&network, extent, Inputs { image: &image, style: &style, ..Inputs::default() }).unwrap().data;
        assert!(max_difference(&reference, &truth) <= 1e-4, "reference");
        let written = paint_with_ort(&runtime, &network.to_onnx(), &style, extent, &image);
        assert!(max_difference(&written, &truth) <= 1e-4, "written again, with its style");
        let written = paint_with_ort(&runtime, &folded.to_onnx(), &[], extent, &image);
        assert!(max_difference(&written, &truth) <= 1e-4, "written again, folded");
        let Some(gpu) = gpu() else { return };
        let painted = paint_once(gpu, &folded, extent, Precision::F32, &image);
        let difference = max_difference(&painted, &truth);
        println!("tiny at {extent}: differs from ONNX Runtime by {difference:e}");
        assert!(difference <= 1e-3, "{difference}");
    }
}

/// Every operator and attribute that is written means to ONNX Runtime what it means here.
#[test]
fn awkward_networks_mean_the_same_to_onnx_runtime() {
    let Some(runtime) = runtime() else { return };
    for seed in 0..4 {
        let (network, extent) = (awkward(seed), Extent::new(34, 18));
        let image = planar_image(extent, seed);
        let reference = graph::run(&network, extent, Inputs { image: &image, ..Inputs::default() }).unwrap().data;
        let truth = paint_with_ort(&runtime, &network.to_onnx(), &[], extent, &image);
        assert!(max_difference(&reference, &truth) <= 1e-4);
        assert_eq!(Graph::from_onnx(&network.to_onnx()).unwrap().to_onnx(), network.to_onnx());
    }
}

#[test]
fn another_style_is_an_upload() {
    let Some(gpu) = gpu() else { return };
    let network = Graph::from_onnx(TINY).unwrap();
    let extent = Extent::new(48, 32);
    let image = planar_image(extent, 5);
    let plan = |style: &[f32]| Plan::new(&network.fold(style).unwrap(), extent, Precision::F32).unwrap();
    let (first, second) = (plan(&[1.0, 0.0]), plan(&[0.0, 1.0]));
    let student = GpuStudent::new(gpu, &first).unwrap();
    let painted = paint(gpu, &student, &image);
    student.load_weights(gpu, &second).unwrap();
    let other = paint(gpu, &student, &image);
    let fresh = paint(gpu, &GpuStudent::new(gpu, &second).unwrap(), &image);
    assert_eq!(max_difference(&other, &fresh), 0.0);
    assert!(max_difference(&other, &painted) > 1e-3);

    let elsewhere = Plan::new(&network.fold(&[1.0, 0.0]).unwrap(), Extent::new(32, 48), Precision::F32).unwrap();
    assert!(matches!(student.load_weights(gpu, &elsewhere), Err(EngineError::OtherStructure)));
}

/// What one frame leaves in memory must not show in the next.
#[test]
fn a_frame_does_not_depend_on_the_one_before() {
    let Some(gpu) = gpu() else { return };
    let extent = Extent::new(38, 22);
    let student = GpuStudent::new(gpu, &Plan::new(&awkward(4), extent, Precision::F32).unwrap()).unwrap();
    let image = planar_image(extent, 1);
    let first = paint(gpu, &student, &image);
    paint(gpu, &student, &planar_image(extent, 2));
    assert_eq!(paint(gpu, &student, &image), first);
}

#[test]
fn a_profile_has_a_time_for_every_step() {
    let Some(gpu) = gpu() else { return };
    let network = Graph::from_onnx(TINY).unwrap().fold(&[1.0, 0.0]).unwrap();
    let plan = Plan::new(&network, Extent::new(64, 48), Precision::F32).unwrap();
    let student = GpuStudent::new(gpu, &plan).unwrap();
    match student.profile(gpu, 3).unwrap() {
        None => eprintln!("skipped: {} has no time stamps", gpu.caps.name),
        Some(profile) => {
            assert_eq!(profile.steps().len(), plan.steps().len());
            assert!(profile.whole() > std::time::Duration::ZERO);
            assert!(profile.to_string().lines().count() > plan.steps().len());
        }
    }
}

/// Prints what every step of a network costs here: `MODEL=FILE.onnx SIZE=320x192 cargo test --test nn_engine -- --ignored
/// --nocapture speed`.
#[test]
#[ignore = "measures, asserts nothing"]
fn speed_of_a_model() {
    let (Some(gpu), Some(model)) = (gpu(), std::env::var_os("MODEL")) else {
        eprintln!("skipped: set MODEL and have a GPU");
        return;
    };
    let extent: Extent = std::env::var("SIZE").map_or(Extent::new(320, 192), |size| size.parse().unwrap());
    let network = Graph::from_onnx(&std::fs::read(model).unwrap()).unwrap();
    let mut style = vec![0.0; network.style_len()];
    style.iter_mut().take(1).for_each(|v| *v = 1.0);
    let network = network.fold(&style).unwrap();
    for precision in [Precision::F32, Precision::F16] {
        let started = std::time::Instant::now();
        let plan = Plan::new(&network, extent, precision).unwrap();
        let planned = started.elapsed();
        println!("{plan}planned in {planned:?}");
        let student = GpuStudent::new(gpu, &plan).unwrap();
        println!("made in {:?}, {} pipelines", started.elapsed() - planned, student.pipelines());
        println!("{}", student.profile(gpu, 15).unwrap().unwrap());
    }
}

/// The networks that ship, in their first and last style and a mixture, agree on all engines.
#[test]
fn shipped_networks_agree_on_all_engines() {
    let Some(gpu) = gpu() else { return };
    let Some(runtime) = runtime() else { return };
    let packs = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/models")).unwrap();
    let files =
        packs.filter_map(|pack| std::fs::read_dir(pack.unwrap().path()).ok()).flatten().map(|f| f.unwrap().path());
    let extent = Extent::new(160, 96);
    for file in files.filter(|f| f.extension().is_some_and(|e| e == "onnx")) {
        let bytes = std::fs::read(&file).unwrap();
        let network = Graph::from_onnx(&bytes).unwrap();
        let styles = network.style_len();
        let mut first = vec![0.0; styles];
        let mut last = first.clone();
        if styles > 0 {
            first[0] = 1.0;
            last[styles - 1] = 1.0;
        }
        let mixture: Vec<f32> = first.iter().zip(&last).map(|(a, b)| 0.5 * (a + b)).collect();
        // A gradient with noise on it: flat and busy at once.
        let noise = planar_image(extent, 21);
        let image: Vec<f32> = noise.iter().zip(0..).map(|(v, i)| 0.3 * v + 0.7 * (i % 160) as f32 / 160.0).collect();
        for style in [first, last, mixture] {
            let truth = paint_with_ort(&runtime, &bytes, &style, extent, &image);
            let folded = network.fold(&style).unwrap();
            let painted = paint_once(gpu, &folded, extent, Precision::F32, &image);
            let difference = max_difference(&painted, &truth);
            let half = gpu.caps.f16.then(|| paint_once(gpu, &folded, extent, Precision::F16, &image));
            let psnr = half.map_or(f64::INFINITY, |half| psnr_db(&half, &truth));
            println!("{}: float32 differs by {difference:e}, float16 by {psnr:.1} dB", file.display());
            assert!(difference <= 1e-3, "{}: {difference}", file.display());
            assert!(psnr >= 45.0, "{}: {psnr} dB", file.display());
        }
    }
}
