//! Draws a run of the governor on a made-up machine: load, work per frame, p95, and the rung that paints, over time.
//!
//! ```text
//! cargo run --example governor -- assets/governor.svg
//! ```

use std::fmt::Write as _;
use std::time::Duration;

use impasto::quality::simulator::{Machine, Piece, Run, Trace, run};
use impasto::quality::{Keep, ladder};
use impasto::system::Thermal;
use impasto::units::Budget;

const WIDTH: f32 = 960.0;
const LEFT: f32 = 150.0;
const RIGHT: f32 = 16.0;
/// Top and height of the three parts.
const LOAD: (f32, f32) = (58.0, 60.0);
const WORK: (f32, f32) = (158.0, 190.0);
const RUNG: (f32, f32) = (388.0, 190.0);
const HEIGHT: f32 = 640.0;
const TOP_MS: f32 = 80.0;
const TOP_LOAD: f32 = 4.0;

fn main() -> std::io::Result<()> {
    let Some(path) = std::env::args_os().nth(1) else {
        eprintln!("usage: cargo run --example governor -- FILE.svg");
        return Ok(());
    };
    let (machine, trace) = story();
    let run = run(&machine, &trace, Keep::Balanced, 1);
    let (counted, kept) = run.kept(&machine);
    println!(
        "{} frames, {} changes; budget kept in {:.2} % of {counted} frames",
        run.moments.len(),
        run.steps.len(),
        { 100.0 * kept as f64 / counted.max(1) as f64 }
    );
    for step in &run.steps {
        println!("{:6.1} s  {} -> {}: {}", step.at_s, machine.ladder[step.from], machine.ladder[step.to], step.reason);
    }
    std::fs::write(path, draw(&machine, &run))
}

/// A laptop that paints the middle network well, meets a busy time, a spike, a hot stretch, and peace again.
fn story() -> (Machine, Trace) {
    let ladder = ladder(&[("s".into(), 5.0), ("m".into(), 14.0), ("l".into(), 24.0)], true);
    let network_ms = ladder.iter().map(|rung| rung.cost.powf(0.97)).collect();
    let machine = Machine {
        network_ms,
        fixed_ms: 4.0,
        budget: Budget(Duration::from_micros(33_333)),
        preparing: Duration::from_millis(300),
        ladder,
    };
    let piece = |seconds, from, to, thermal| Piece { seconds, load: (from, to), thermal: Some(thermal) };
    let pieces = vec![
        piece(12.0, 1.0, 1.0, Thermal::Nominal),
        piece(18.0, 2.6, 2.6, Thermal::Nominal),
        piece(22.0, 1.0, 1.0, Thermal::Nominal),
        // Nine frames: enough for one step, and the way back is longer than the reason for it.
        piece(0.3, 3.5, 3.5, Thermal::Nominal),
        piece(13.7, 1.0, 1.0, Thermal::Nominal),
        piece(14.0, 1.0, 1.9, Thermal::Fair),
        piece(20.0, 1.9, 1.9, Thermal::Serious),
        piece(10.0, 1.5, 1.0, Thermal::Fair),
        piece(50.0, 1.0, 1.0, Thermal::Nominal),
    ];
    (machine, Trace { pieces, noise: 0.12, spikes: 0.004, spike_ms: 25.0 })
}

struct Canvas {
    svg: String,
    seconds: f32,
}

impl Canvas {
    fn x(&self, at_s: f32) -> f32 {
        LEFT + (WIDTH - LEFT - RIGHT) * at_s / self.seconds
    }

    fn line(&mut self, (x0, y0): (f32, f32), (x1, y1): (f32, f32), style: &str) {
        let _ = writeln!(self.svg, r#"<line x1="{x0:.1}" y1="{y0:.1}" x2="{x1:.1}" y2="{y1:.1}" {style}/>"#);
    }

    fn text(&mut self, x: f32, y: f32, style: &str, text: &str) {
        let _ = writeln!(self.svg, r#"<text x="{x:.1}" y="{y:.1}" {style}>{text}</text>"#);
    }

    fn path(&mut self, points: impl Iterator<Item = (f32, f32)>, style: &str) {
        self.svg.push_str("<path d=\"");
        for (i, (x, y)) in points.enumerate() {
            let _ = write!(self.svg, "{}{x:.1} {y:.1}", if i == 0 { "M" } else { "L" });
        }
        let _ = writeln!(self.svg, "\" fill=\"none\" {style}/>");
    }
}

const QUIET: &str = r##"stroke="#8a8f98" stroke-opacity="0.35""##;
const SMALL: &str = r##"font-size="12" fill="#4b5563""##;
const SMALL_RIGHT: &str = r##"font-size="12" fill="#4b5563" text-anchor="end""##;
const HEAD: &str = r##"font-size="13" font-weight="600" fill="#111827""##;

fn draw(machine: &Machine, run: &Run) -> String {
    let seconds = run.moments.last().map_or(1.0, |m| m.at_s);
    let mut canvas = Canvas { svg: String::new(), seconds };
    let _ = writeln!(
        canvas.svg,
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="system-ui, sans-serif">
<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>"##
    );
    canvas.text(
        16.0,
        28.0,
        r##"font-size="16" font-weight="600" fill="#111827""##,
        "The governor on a simulated laptop",
    );
    heat(&mut canvas, run);
    for tick in (0..=seconds as u32).step_by(20) {
        let x = canvas.x(tick as f32);
        canvas.line((x, LOAD.0), (x, RUNG.0 + RUNG.1), QUIET);
        let style = format!("{SMALL} text-anchor=\"middle\"");
        canvas.text(x, RUNG.0 + RUNG.1 + 18.0, &style, &format!("{tick} s"));
    }
    load(&mut canvas, run);
    work(&mut canvas, machine, run);
    rungs(&mut canvas, machine, run);
    canvas.text(
        16.0,
        HEIGHT - 14.0,
        SMALL,
        "Shaded: the sensors say fair (light) or serious (dark). One step at a time; down within a second, up after four.",
    );
    canvas.svg.push_str("</svg>\n");
    canvas.svg
}

fn heat(canvas: &mut Canvas, run: &Run) {
    for part in run.moments.chunk_by(|a, b| a.thermal == b.thermal) {
        let opacity = match part[0].thermal {
            Some(Thermal::Fair) => 0.12,
            Some(Thermal::Serious | Thermal::Critical) => 0.3,
            _ => continue,
        };
        let (x0, x1) = (canvas.x(part[0].at_s), canvas.x(part[part.len() - 1].at_s));
        let _ = writeln!(
            canvas.svg,
            r##"<rect x="{x0:.1}" y="{}" width="{:.1}" height="{}" fill="#e69f00" fill-opacity="{opacity}"/>"##,
            LOAD.0,
            x1 - x0,
            RUNG.0 + RUNG.1 - LOAD.0
        );
    }
}

fn load(canvas: &mut Canvas, run: &Run) {
    let y = |load: f32| LOAD.0 + LOAD.1 * (1.0 - (load / TOP_LOAD).min(1.0));
    canvas.text(16.0, LOAD.0 + 12.0, HEAD, "Load");
    canvas.text(16.0, LOAD.0 + 28.0, SMALL, "times the idle one");
    for mark in [1.0, 2.0, 4.0] {
        canvas.line((LEFT, y(mark)), (WIDTH - RIGHT, y(mark)), QUIET);
        canvas.text(LEFT - 8.0, y(mark) + 4.0, SMALL_RIGHT, &format!("{mark:.0}x"));
    }
    let points: Vec<_> = run.moments.iter().step_by(3).map(|m| (canvas.x(m.at_s), y(m.load))).collect();
    canvas.path(points.into_iter(), r##"stroke="#111827" stroke-width="1.5""##);
}

fn work(canvas: &mut Canvas, machine: &Machine, run: &Run) {
    let y = |ms: f32| WORK.0 + WORK.1 * (1.0 - (ms / TOP_MS).min(1.0));
    let budget = machine.budget.ms() as f32;
    canvas.text(16.0, WORK.0 + 12.0, HEAD, "Work per frame");
    canvas.text(16.0, WORK.0 + 28.0, SMALL, "dots: each frame");
    canvas.text(16.0, WORK.0 + 44.0, r##"font-size="12" fill="#0072b2""##, "line: p95, 1.2 s");
    canvas.text(16.0, WORK.0 + 60.0, r##"font-size="12" fill="#d55e00""##, "dashed: budget");
    for mark in [0.0, 20.0, 40.0, 60.0, 80.0] {
        canvas.line((LEFT, y(mark)), (WIDTH - RIGHT, y(mark)), QUIET);
        canvas.text(LEFT - 8.0, y(mark) + 4.0, SMALL_RIGHT, &format!("{mark:.0} ms"));
    }
    for moment in run.moments.iter().step_by(2) {
        let _ = writeln!(
            canvas.svg,
            r##"<circle cx="{:.1}" cy="{:.1}" r="1" fill="#6b7280" fill-opacity="0.45"/>"##,
            canvas.x(moment.at_s),
            y(moment.work_ms)
        );
    }
    let known = run.moments.iter().step_by(4).filter_map(|m| Some((m.at_s, m.p95_ms?)));
    let points: Vec<_> = known.map(|(at, ms)| (canvas.x(at), y(ms))).collect();
    canvas.path(points.into_iter(), r##"stroke="#0072b2" stroke-width="2""##);
    canvas.line(
        (LEFT, y(budget)),
        (WIDTH - RIGHT, y(budget)),
        r##"stroke="#d55e00" stroke-width="1.5" stroke-dasharray="6 4""##,
    );
}

fn rungs(canvas: &mut Canvas, machine: &Machine, run: &Run) {
    let rows = machine.ladder.len() as f32;
    let y = |index: usize| RUNG.0 + RUNG.1 * (index as f32 + 0.5) / rows;
    for (index, rung) in machine.ladder.iter().enumerate() {
        canvas.line((LEFT, y(index)), (WIDTH - RIGHT, y(index)), QUIET);
        let name = rung.to_string().replace(", every 2nd frame", ", every 2nd");
        canvas.text(LEFT - 8.0, y(index) + 4.0, SMALL_RIGHT, &name);
    }
    let mut points = Vec::new();
    for part in run.moments.chunk_by(|a, b| a.index == b.index) {
        points.push((canvas.x(part[0].at_s), y(part[0].index)));
        points.push((canvas.x(part[part.len() - 1].at_s), y(part[0].index)));
    }
    canvas.path(points.into_iter(), r##"stroke="#009e73" stroke-width="3" stroke-linejoin="round""##);
}
