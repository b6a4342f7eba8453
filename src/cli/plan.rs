//! `impasto plan`: the passes that a frame goes through, without any device.

use super::{CliError, Common, PlanArgs, print, print_json};
use crate::effect::{Gallery, models_dirs};
use crate::frame::{FrameShape, PixelFormat};
use crate::nn::graph::Graph;
use crate::pipeline::list::Route;
use crate::pipeline::listing::{Listing, listings};
use crate::pipeline::product::Sizes;
use crate::units::Extent;

/// What is printed as JSON.
#[derive(serde::Serialize)]
struct Plan {
    effect: String,
    variant: String,
    picture: Extent,
    student: Extent,
    lists: Vec<Listing>,
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
    // A network that cannot be read takes none, and what is wrong with it is told where it is painted with.
    let graph = variant.read().ok().and_then(|bytes| Graph::from_onnx(&bytes).ok());
    let canvas_channels = graph.and_then(|g| g.canvas().map(|canvas| g.channels(canvas) as u32)).unwrap_or(0);
    let lists = [Route::InPlace, Route::RoundTrip].into_iter().flat_map(|route| {
        let trips = if route == Route::RoundTrip { crate::pipeline::TRIPS } else { 0 };
        listings(route, &Sizes { canvas_channels, ..Sizes::new(shape, Some(student), trips) })
    });
    let plan = Plan {
        effect: effect.name.clone(),
        variant: variant.id.clone(),
        picture: args.picture,
        student,
        lists: lists.collect(),
    };
    if args.json { print_json(&plan) } else { print(&table(&plan)) }
}

fn table(plan: &Plan) -> String {
    let Plan { effect, variant, picture, student, lists } = plan;
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
    text
}
