//! `impasto doctor`: what this machine has, what would be chosen, and why.

use std::sync::Arc;

use super::{CliError, Common, DoctorArgs, print, print_json};
use crate::autotune::{Cache, Timing, Timings};
use crate::clock::Clock;
use crate::effect::models_dirs;
use crate::export::crash;
use crate::gpu::{Adapter, Gpu, GpuCaps, adapters};
use crate::nn::cpu::kernels::Isa;
use crate::nn::engines::{Choice, Engine, EngineWish, Entry, Facts, choose, registry};
use crate::nn::ort::{OrtInfo, OrtRuntime};
use crate::output::virtual_camera;
use crate::pipeline::ChainWish;
use crate::runtime::{Catalog, PipelineFactory, network};
use crate::source::{CameraListing, cameras};
use crate::terminal::say;
use crate::units::Budget;

#[derive(serde::Serialize)]
struct Doctor {
    schema: &'static str,
    version: &'static str,
    system: System,
    /// Every adapter that the graphics drivers offer, whether opened or not.
    adapters: Vec<Adapter>,
    /// The one that is opened.
    gpu: Option<GpuCaps>,
    gpu_trouble: Option<String>,
    onnx_runtime: Option<OrtInfo>,
    onnx_runtime_trouble: Option<String>,
    cameras: Vec<CameraListing>,
    camera_trouble: Option<String>,
    /// What the picture can be sent to, for video calls.
    virtual_cameras: Vec<std::path::PathBuf>,
    models: Models,
    /// Every engine, and why one cannot be had.
    engines: Vec<Entry>,
    /// `null` when the engine that was asked for cannot run.
    choice: Option<Choice>,
    /// What does everything around the network: `gpu` or `cpu`.
    chain: &'static str,
    /// What each engine takes for each network, as far as it was timed.
    timings: Vec<Timing>,
    choice_trouble: Option<String>,
    /// Reports of earlier runs that broke down, oldest first.
    crash_reports: Vec<std::path::PathBuf>,
    /// Whether a picture can be painted here at all.
    healthy: bool,
}

#[derive(serde::Serialize)]
struct System {
    os: &'static str,
    arch: &'static str,
    cores: usize,
    ffmpeg: bool,
}

#[derive(serde::Serialize)]
struct Models {
    folders: Vec<std::path::PathBuf>,
    effects: usize,
    trouble: Vec<String>,
}

pub fn run(args: &DoctorArgs, common: &Common) -> Result<(), CliError> {
    let adapters = adapters(&Gpu::instance(None));
    let gpu = Gpu::headless_as(&args.paint.gpu(None, None));
    let cameras = cameras();
    let folders = models_dirs(common.models.as_deref());
    let catalog = match Cache::of_user() {
        Some(cache) => Catalog::timing(folders.clone(), cache),
        None => Catalog::new(folders.clone()),
    };
    let found = catalog.found();
    let (gallery, faults, ort) = (&found.gallery, &found.faults, catalog.ort());
    let timed = gpu.as_ref().ok().and_then(|gpu| timings(gpu, &catalog, args.retime));
    let caps = gpu.as_ref().ok().map(|g| g.caps.as_ref().clone());
    let facts = Facts { gpu: caps.as_ref(), isa: Isa::best().name(), ort: ort.map(OrtRuntime::info) };
    let engines = registry(facts);
    let choice = choose(args.paint.engine.unwrap_or_default(), facts);
    let measured =
        timed.as_ref().filter(|_| args.paint.engine.unwrap_or_default() == EngineWish::Auto).and_then(|timed| {
            let networks: Vec<_> = gallery.effects().first()?.variants().iter().map(network).collect();
            timed.choose(&networks, Budget::default())
        });
    let choice = measured.map_or(choice, Ok);
    let on_gpu = choice.as_ref().is_ok_and(|choice| choice.engine == Engine::Wgpu);
    let software = caps.as_ref().is_some_and(|caps| caps.software);
    let chain = args.paint.chain.unwrap_or_default().choose(software, on_gpu);
    let doctor = Doctor {
        timings: timed.map(|t| t.timings).unwrap_or_default(),
        schema: "impasto.doctor/1",
        version: env!("CARGO_PKG_VERSION"),
        system: System {
            os: std::env::consts::OS,
            arch: std::env::consts::ARCH,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            ffmpeg: std::process::Command::new("ffmpeg").arg("-version").output().is_ok_and(|o| o.status.success()),
        },
        adapters,
        crash_reports: crash::folder().map(|folder| crash::reports(&folder)).unwrap_or_default(),
        healthy: caps.is_some() && choice.is_ok() && !gallery.is_empty(),
        gpu: caps,
        gpu_trouble: gpu.err().map(|e| e.to_string()),
        onnx_runtime: ort.ok().map(|o| o.info().clone()),
        onnx_runtime_trouble: ort.err().map(ToString::to_string),
        camera_trouble: cameras.as_ref().err().map(ToString::to_string),
        cameras: cameras.unwrap_or_default(),
        virtual_cameras: virtual_camera::devices(),
        models: Models {
            folders,
            effects: gallery.effects().len(),
            trouble: faults.iter().map(ToString::to_string).chain(catalog.canvas_trouble()).collect(),
        },
        engines,
        chain: chain.name(),
        choice: choice.as_ref().ok().cloned(),
        choice_trouble: choice.err().map(|e| e.to_string()),
    };
    if args.json { print_json(&doctor) } else { print(&describe(&doctor)) }
}

fn describe(doctor: &Doctor) -> String {
    let mut text = format!(
        "Impasto {} on {} {}, {} cores{}\n\n",
        doctor.version,
        doctor.system.os,
        doctor.system.arch,
        doctor.system.cores,
        if doctor.system.ffmpeg { ", ffmpeg" } else { ", no ffmpeg (only needed for clips other than GIF and Y4M)" }
    );
    text.push_str("Graphics adapters\n");
    for a in &doctor.adapters {
        text.push_str(&format!("    {} ({}, {})  {}\n", a.name, a.backend, a.kind, a.driver));
    }
    match (&doctor.gpu, &doctor.gpu_trouble) {
        (Some(gpu), _) => {
            let yes = |on: bool| if on { "yes" } else { "no" };
            text.push_str(&format!(
                "  opened: {} ({}); 16-bit floats {}, time stamps {}{}\n",
                gpu.name,
                gpu.backend,
                yes(gpu.f16),
                yes(gpu.timestamps),
                if gpu.software { "; runs on the CPU" } else { "" }
            ));
        }
        (None, trouble) => text.push_str(&format!("  none: {}\n", trouble.as_deref().unwrap_or("unknown"))),
    }
    text.push_str("\nONNX Runtime\n");
    match (&doctor.onnx_runtime, &doctor.onnx_runtime_trouble) {
        (Some(ort), _) => {
            text.push_str(&format!("    {} with {}  ({})\n", ort.version, ort.providers.join(", "), ort.path.display()))
        }
        (None, trouble) => text.push_str(&format!("    none: {}\n", trouble.as_deref().unwrap_or("unknown"))),
    }
    text.push_str("\nEngines\n");
    for Entry { engine, needs, runs_on, trouble } in &doctor.engines {
        match (runs_on, trouble) {
            (Some(on), _) => text.push_str(&format!("    {:<14}{on}\n", engine.to_string())),
            (None, trouble) => {
                // The library's absence is told once, above.
                let why = match trouble.as_deref() {
                    Some(why) if doctor.onnx_runtime_trouble.as_deref() != Some(why) => {
                        format!("{why}; it needs {needs}")
                    }
                    _ => format!("needs {needs}"),
                };
                text.push_str(&format!("    {:<14}not here: {why}\n", engine.to_string()));
            }
        }
    }
    text.push_str("\nCameras\n");
    for camera in &doctor.cameras {
        let mode = camera.preferred.as_ref().map_or_else(|| "no usable mode".to_owned(), ToString::to_string);
        text.push_str(&format!("    camera:{}  {}  {mode}\n", camera.index, camera.name));
        if let Some(trouble) = &camera.trouble {
            text.push_str(&format!("        {trouble}\n"));
        }
    }
    if doctor.cameras.is_empty() {
        let trouble = doctor.camera_trouble.as_deref().unwrap_or("the demo scene is shown instead");
        text.push_str(&format!("    none: {trouble}\n"));
    }
    text.push_str("\nVirtual cameras, to be seen in video calls\n");
    for path in &doctor.virtual_cameras {
        text.push_str(&format!("    {}  --virtual-camera={0}\n", path.display()));
    }
    if doctor.virtual_cameras.is_empty() {
        let remedy = if cfg!(target_os = "linux") { virtual_camera::INSTALL } else { "use --serve and OBS" };
        text.push_str(&format!("    none: {remedy}\n"));
    }
    text.push_str(&format!("\nEffects\n    {} found in ", doctor.models.effects));
    let folders: Vec<_> = doctor.models.folders.iter().map(|f| f.display().to_string()).collect();
    text.push_str(&format!("{}\n", if folders.is_empty() { "no folder".to_owned() } else { folders.join(", ") }));
    for trouble in &doctor.models.trouble {
        text.push_str(&format!("    {trouble}\n"));
    }
    if !doctor.crash_reports.is_empty() {
        text.push_str("\nReports of crashes\n");
        for report in &doctor.crash_reports {
            text.push_str(&format!("    {}\n", report.display()));
        }
    }
    text.push_str("\nTimings, milliseconds a picture\n");
    for t in &doctor.timings {
        let size = format!("{}x{}", t.width, t.height);
        let ms = t.ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1}"));
        let line = format!(
            "    {:<14}{:<18}{:<9}{:>8}  {}",
            t.engine.to_string(),
            t.network,
            size,
            ms,
            t.note.as_deref().unwrap_or_default()
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    if doctor.timings.is_empty() {
        text.push_str("    none\n");
    }
    text.push_str("\nChosen\n");
    match (&doctor.choice, &doctor.choice_trouble) {
        (Some(choice), _) => {
            let place = match doctor.chain {
                "cpu" => "the processor, which shows a finished picture",
                _ => "the graphics adapter",
            };
            text.push_str(&format!("    {}: {}\n", choice.engine, choice.why));
            text.push_str(&format!("    {} chain: everything around the network runs on {place}\n", doctor.chain));
        }
        (None, trouble) => text.push_str(&format!("    nothing: {}\n", trouble.as_deref().unwrap_or("unknown"))),
    }
    text
}

/// What was timed on this machine, now or before.
fn timings(gpu: &Gpu, catalog: &Arc<Catalog>, again: bool) -> Option<Timings> {
    // Nothing is shown, so the format is any.
    let format = wgpu::TextureFormat::Rgba8Unorm;
    let (catalog, waker) = (catalog.clone(), Arc::new(|| {}));
    let factory = PipelineFactory {
        gpu: gpu.clone(),
        catalog: catalog.clone(),
        format,
        chain: ChainWish::Auto,
        waker,
        clock: Clock::default(),
    };
    if again {
        factory.forget_timings();
    }
    let told = |t: &Timing| say(format_args!("timing {} {} ...", t.engine, t.network));
    factory.autotune(None, false, &|| false, &told);
    catalog.timings(|| factory.machine())
}
