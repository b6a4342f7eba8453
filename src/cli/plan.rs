//! `impasto plan`: the passes that a frame goes through, without any device.

use super::{CliError, Common, PlanArgs, print, print_json};
use crate::effect::{Gallery, models_dirs};
use crate::frame::{FrameShape, PixelFormat};
use crate::nn::cpu::{CpuOptions, device};
use crate::nn::graph::Graph;
use crate::nn::plan::fused::{FusedPlan, Fusing};
use crate::nn::plan::{Plan as GpuPlan, Precision};
use crate::pipeline::list::Route;
use crate::pipeline::listing::{Listing, listings};
use crate::pipeline::product::Sizes;
use crate::runtime::ResolvedEffect;
use crate::terminal::counted;
use crate::units::Extent;

/// What is printed as JSON.
#[derive(serde::Serialize)]
struct Plan {
    effect: String,
    variant: String,
    picture: Extent,
    student: Extent,
    lists: Vec<Listing>,
    /// `null` where the network cannot be read.
    network: Option<Network>,
}

/// What paints, on each of our engines.
#[derive(serde::Serialize)]
struct Network {
    gpu: OnGpu,
    cpu: OnCpu,
    /// Both plans for people.
    #[serde(skip)]
    text: String,
}

#[derive(serde::Serialize)]
struct OnGpu {
    precision: Precision,
    macs: u64,
    bytes: u64,
    arena_bytes: u64,
    weight_bytes: u64,
    dispatches: Vec<Dispatch>,
}

#[derive(serde::Serialize)]
struct Dispatch {
    name: String,
    kernel: &'static str,
    channels: [usize; 2],
    source: Extent,
    target: Extent,
    macs: u64,
    /// Pictures and weights once each.
    bytes: u64,
}

#[derive(serde::Serialize)]
struct OnCpu {
    instructions: &'static str,
    threads: usize,
    macs: u64,
    bytes: u64,
    bytes_unfused: u64,
    blocks: Vec<Block>,
}

#[derive(serde::Serialize)]
struct Block {
    name: String,
    stages: Vec<String>,
    target: Extent,
    tile: [u32; 2],
    macs: u64,
    /// Of them, those that are done twice.
    halo_macs: u64,
    /// In, out, and the weights.
    bytes: u64,
    bytes_unfused: u64,
}

pub fn run(args: &PlanArgs, common: &Common) -> Result<(), CliError> {
    let (gallery, faults) = Gallery::load(&models_dirs(common.models.as_deref()));
    let effect = match &args.effect {
        Some(name) => gallery.find(name)?,
        None => gallery.effects().first().cloned().ok_or_else(|| {
            faults.into_iter().last().map_or_else(|| CliError::from("no effects were found"), CliError::from)
        })?,
    };
    let variant = effect.variant(args.variant.as_deref())?;
    let student = args.size.unwrap_or_else(|| variant.extent_for(args.picture));
    let shape = FrameShape::packed(PixelFormat::Yuyv, args.picture);
    // What is wrong with a network that cannot be read is told where it is painted with.
    let graph = variant.read().ok().and_then(|bytes| Graph::from_onnx(&bytes).ok());
    let canvas_channels = graph.as_ref().and_then(|g| g.canvas().map(|canvas| g.channels(canvas) as u32)).unwrap_or(0);
    let lists = [Route::InPlace, Route::RoundTrip].into_iter().flat_map(|route| {
        let trips = if route == Route::RoundTrip { crate::pipeline::TRIPS } else { 0 };
        listings(route, &Sizes { canvas_channels, ..Sizes::new(shape, Some(student), trips) })
    });
    let network = match &graph {
        Some(graph) => Some(network(&ResolvedEffect::plain(effect.clone()).fold(graph, variant)?, student)?),
        None => None,
    };
    let plan = Plan {
        effect: effect.name.clone(),
        variant: variant.id.clone(),
        picture: args.picture,
        student,
        lists: lists.collect(),
        network,
    };
    if args.json { print_json(&plan) } else { print(&table(&plan)) }
}

/// Both plans of a network: in float16 on the GPU, and for this processor.
fn network(graph: &Graph, student: Extent) -> Result<Network, CliError> {
    let on_gpu = GpuPlan::new(graph, student, Precision::F16)?;
    let options = CpuOptions::default();
    let threads = options.threads.get();
    let on_cpu = FusedPlan::new(graph, student, &device(options.isa, threads), Fusing::Cheapest)?;
    let text = format!(
        "\nThe network on the GPU, {} dispatches\n{on_gpu}\nThe network on the processor ({}, {}), fused into blocks that are \
         worked through tile by tile\n{on_cpu}",
        on_gpu.steps().len(),
        options.isa.name(),
        counted(threads as u64, "thread")
    );
    let dispatches = on_gpu.steps().iter().map(|step| Dispatch {
        name: step.name.clone(),
        kernel: step.kernel.name(),
        channels: [step.source_shape.channels, step.target_shape.channels],
        source: step.source_shape.extent,
        target: step.target_shape.extent,
        macs: step.macs,
        bytes: step.bytes,
    });
    let blocks = on_cpu.blocks().iter().map(|block| {
        let stages = &on_cpu.stages()[block.stages.clone()];
        Block {
            name: block.name.clone(),
            stages: stages.iter().map(|stage| stage.name.clone()).collect(),
            target: stages.last().map_or(Extent::default(), |stage| on_cpu.shape(stage.target).extent),
            tile: [block.tile.width, block.tile.rows],
            macs: block.cost.macs,
            halo_macs: block.cost.macs - block.cost.macs_once,
            bytes: block.cost.bytes,
            bytes_unfused: block.unfused.bytes,
        }
    });
    Ok(Network {
        gpu: OnGpu {
            precision: on_gpu.precision(),
            macs: on_gpu.steps().iter().map(|step| step.macs).sum(),
            bytes: on_gpu.steps().iter().map(|step| step.bytes).sum(),
            arena_bytes: on_gpu.arena_bytes(),
            weight_bytes: on_gpu.weight_bytes(),
            dispatches: dispatches.collect(),
        },
        cpu: OnCpu {
            instructions: options.isa.name(),
            threads,
            macs: on_cpu.blocks().iter().map(|block| block.cost.macs).sum(),
            bytes: on_cpu.blocks().iter().map(|block| block.cost.bytes).sum(),
            bytes_unfused: on_cpu.blocks().iter().map(|block| block.unfused.bytes).sum(),
            blocks: blocks.collect(),
        },
        text,
    })
}

fn table(plan: &Plan) -> String {
    let Plan { effect, variant, picture, student, lists, network } = plan;
    let mut text = format!("{effect} {variant}, painted at {student} from a picture of {picture} (yuyv)\n");
    for list in lists {
        let dispatches: usize = list.passes.iter().map(|pass| pass.dispatches).sum();
        let bytes: u64 = list.passes.iter().map(|pass| pass.bytes).sum();
        text.push_str(&format!(
            "\n{}: {}\n    {} passes, {dispatches} dispatches, {} KiB\n",
            list.route,
            list.of,
            list.passes.len(),
            bytes.div_ceil(1024)
        ));
        for pass in &list.passes {
            let names = |of: &[String]| if of.is_empty() { "-".to_owned() } else { of.join(", ") };
            text.push_str(&format!(
                "    {:<9}{:<19}{:>7} KiB  {} -> {}\n",
                pass.stage,
                pass.name,
                pass.bytes.div_ceil(1024),
                names(&pass.reads),
                names(&pass.writes)
            ));
        }
    }
    if let Some(network) = network {
        text.push_str(&network.text);
    }
    text
}
