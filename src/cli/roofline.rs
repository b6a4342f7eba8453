//! `impasto bench --roofline`: how far each part of a network is from what the device can do at best.

use std::path::Path;

use super::{BenchArgs, CliError, Common, print, print_json};
use crate::effect::{Gallery, models_dirs};
use crate::gpu::Gpu;
use crate::metrics::roofline::{Ceiling, Part, Roofline};
use crate::nn::cpu::{CpuOptions, CpuStudent};
use crate::nn::engines::{Engine, EngineWish};
use crate::nn::gpu::GpuStudent;
use crate::nn::graph::Graph;
use crate::nn::plan::{Plan, Precision};
use crate::nn::roofline::{on_cpu, on_gpu};
use crate::output::write_whole;
use crate::runtime::ResolvedEffect;
use crate::terminal::say;
use crate::units::Extent;

/// What is printed as JSON.
#[derive(serde::Serialize)]
struct Document {
    schema: &'static str,
    effect: String,
    variant: String,
    student: Extent,
    engines: Vec<Roofline>,
}

pub fn run(args: &BenchArgs, common: &Common) -> Result<(), CliError> {
    let wish = args.paint.engine.unwrap_or_default();
    let wanted = |engine| wish == EngineWish::Auto || wish == EngineWish::Only(engine);
    if !wanted(Engine::Wgpu) && !wanted(Engine::Cpu) {
        return Err(format!("{wish} does not tell what its parts take; choose --engine wgpu or --engine cpu").into());
    }
    let (gallery, faults) = Gallery::load(&models_dirs(common.models.as_deref()));
    let effect = match &args.paint.effect {
        Some(name) => gallery.find(name)?,
        None => gallery.effects().first().cloned().ok_or_else(|| {
            faults.into_iter().last().map_or_else(|| CliError::from("no effects were found"), CliError::from)
        })?,
    };
    let variant = effect.variant(args.paint.variant.as_deref())?.clone();
    let student = args.paint.size.unwrap_or_else(|| variant.extent_for(args.picture));
    let name = effect.name.clone();
    let network = Graph::from_onnx(&variant.read()?)?;
    let network = ResolvedEffect::new(effect, args.paint.blend.as_ref(), &gallery)?.fold(&network, &variant)?;

    let mut engines = Vec::new();
    if wanted(Engine::Cpu) {
        engines.push(on_cpu(&mut CpuStudent::new(&network, student, CpuOptions::default())?)?);
    }
    if wanted(Engine::Wgpu) {
        let gpu = Gpu::headless_as(&args.paint.gpu(None, None))?;
        let precision = if gpu.caps.f16 && !gpu.caps.software { Precision::F16 } else { Precision::F32 };
        match on_gpu(&gpu, &GpuStudent::new(&gpu, &Plan::new(&network, student, precision)?)?)? {
            Some(roofline) => engines.push(roofline),
            None => say(format_args!("{} has no time stamps, so that its parts cannot be timed", gpu.caps.name)),
        }
    }
    let document =
        Document { schema: "impasto.roofline/1", effect: name, variant: variant.id.clone(), student, engines };
    if let Some(path) = &args.plot {
        plot(&document, path)?;
    }
    if args.json { print_json(&document) } else { print(&table(&document)) }
}

fn describe(ceiling: &Ceiling) -> String {
    let mut text = format!(
        "copies {:.1} GB/s (through {:.1} MB again and again), multiply-adds {:.0} GFLOP/s",
        ceiling.bytes_per_s / 1e9,
        ceiling.working_set_bytes as f64 / 1e6,
        ceiling.flop_per_s / 1e9
    );
    if let Some(half) = ceiling.half_flop_per_s {
        text.push_str(&format!(", {:.0} in float16", half / 1e9));
    }
    if let Some(dispatch) = ceiling.dispatch_s {
        text.push_str(&format!(", a dispatch {:.1} µs", dispatch * 1e6));
    }
    text
}

fn table(document: &Document) -> String {
    let Document { effect, variant, student, engines, .. } = document;
    let mut text = format!("{effect} {variant} at {student}\n");
    for engine in engines {
        text.push_str(&format!("\n{} on {}: {}\n", engine.engine, engine.device, describe(&engine.ceiling)));
        text.push_str(&format!(
            "    {:<30}{:<16}{:>9}{:>9}{:>9}{:>9}{:>12}  {}\n",
            "part", "kernel", "MFLOP", "KiB", "ms", "floor ms", "time/floor", "bound by"
        ));
        let mut line = |name: &str, kernel: &str, (flop, bytes): (u64, u64), seconds: f64, floor: f64, bound: &str| {
            text.push_str(&format!(
                "    {name:<30}{kernel:<16}{:>9.2}{:>9}{:>9.3}{:>9.3}{:>12.1}  {bound}\n",
                flop as f64 / 1e6,
                bytes.div_ceil(1024),
                seconds * 1e3,
                floor * 1e3,
                seconds / floor
            ));
        };
        for Part { name, kernel, flop, bytes, seconds, floor_s, bound } in &engine.parts {
            line(name, kernel, (*flop, *bytes), *seconds, *floor_s, bound.name());
        }
        line("the whole network", "", engine.work(), engine.whole_s, engine.floor_s(), "");
    }
    text
}

/// Width and height of the picture of one engine, and its margins, in points.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const MARGIN: f64 = 60.0;

/// The roofs and the parts under them, both axes logarithmic, as SVG.
fn plot(document: &Document, path: &Path) -> Result<(), CliError> {
    let count = document.engines.len().max(1) as f64;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
        HEIGHT * count
    );
    for (number, engine) in document.engines.iter().enumerate() {
        text.push_str(&format!("<g transform=\"translate(0 {})\">\n", HEIGHT * number as f64));
        chart(engine, &format!("{} {} at {}", document.effect, document.variant, document.student), &mut text);
        text.push_str("</g>\n");
    }
    text.push_str("</svg>\n");
    Ok(write_whole(path, text.as_bytes())?)
}

/// Powers of ten that hold all of `values`.
fn decades(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|value| value.is_finite() && *value > 0.0)
        .fold((f64::MAX, f64::MIN), |(low, high), value| (low.min(value.log10()), high.max(value.log10())));
    if low > high { (0.0, 1.0) } else { (low.floor(), high.ceil().max(low.floor() + 1.0)) }
}

fn chart(engine: &Roofline, title: &str, text: &mut String) {
    let roof = engine.ceiling.flop_rate(engine.half);
    let drawn = || engine.parts.iter().filter(|part| part.flop > 0);
    let intensity = |part: &Part| part.flop as f64 / part.bytes.max(1) as f64;
    let speed = |part: &Part| part.flop as f64 / part.seconds;
    let ridge = roof / engine.ceiling.bytes_per_s;
    let (left, right) = decades(drawn().map(intensity).chain([ridge]));
    let (low, high) = decades(drawn().map(speed).chain([roof]));
    let x = |value: f64| MARGIN + (value.log10() - left) / (right - left) * (WIDTH - 2.0 * MARGIN);
    let y = |value: f64| HEIGHT - MARGIN - (value.log10() - low) / (high - low) * (HEIGHT - 2.0 * MARGIN);
    text.push_str(&format!(
        "<text x=\"{MARGIN}\" y=\"24\" font-size=\"14\">{}</text>\n",
        escaped(&format!(
            "{title}, {} on {}: {:.1} times its floor",
            engine.engine,
            engine.device,
            engine.over_floor()
        ))
    ));
    let line = |text: &mut String, from: (f64, f64), to: (f64, f64), colour: &str| {
        text.push_str(&format!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\"/>\n",
            from.0, from.1, to.0, to.1
        ));
    };
    let label = |text: &mut String, at: (f64, f64), anchor: &str, words: &str| {
        text.push_str(&format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>\n",
            at.0,
            at.1,
            escaped(words)
        ));
    };
    let whole = |from: f64, to: f64| (from as i32..=to as i32).map(|power| 10f64.powi(power));
    for power in whole(left, right) {
        line(text, (x(power), y(10f64.powf(low))), (x(power), y(10f64.powf(high))), "#e4e4e4");
        label(text, (x(power), HEIGHT - MARGIN + 16.0), "middle", &format!("{power}"));
    }
    for power in whole(low, high) {
        line(text, (x(10f64.powf(left)), y(power)), (x(10f64.powf(right)), y(power)), "#e4e4e4");
        label(text, (MARGIN - 6.0, y(power) + 4.0), "end", &format!("{}", power / 1e9));
    }
    label(text, (WIDTH / 2.0, HEIGHT - 16.0), "middle", "operations for each byte moved");
    label(text, (MARGIN, MARGIN - 10.0), "end", "GFLOP/s");
    // Under both roofs.
    let begin = 10f64.powf(left).max(10f64.powf(low) / engine.ceiling.bytes_per_s);
    line(text, (x(begin), y(begin * engine.ceiling.bytes_per_s)), (x(ridge), y(roof)), "#b03020");
    line(text, (x(ridge), y(roof)), (x(10f64.powf(right)), y(roof)), "#b03020");
    for part in drawn() {
        // The area goes by the time that the part takes.
        let radius = 2.0 + 22.0 * (part.seconds / engine.whole_s).clamp(0.0, 1.0).sqrt();
        text.push_str(&format!(
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius:.1}\" fill=\"#2060a0\" fill-opacity=\"0.45\"><title>{}</title></circle>\n",
            x(intensity(part)),
            y(speed(part)),
            escaped(&format!("{}: {:.3} ms, {:.1} times its floor", part.name, part.seconds * 1e3, part.over_floor()))
        ));
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
