//! A trace for Perfetto (ui.perfetto.dev) and chrome://tracing: the JSON of Chrome's *Trace Event Format*.
//!
//! Each piece of work is a slice (`X`) on the track of whoever did it. Slices of one track must not overlap, or viewers
//! throw them away: where two frames were worked on at once, the track has a second line. Each frame is an asynchronous
//! slice (`b`, `e`) from capture to display, and arrows (`s`, `t`, `f`) lead through its pieces. Counters (`C`) carry the
//! rate, the work against the budget and whatever the caller adds, such as the rung that painted; hitches are instants
//! (`i`). Only pieces whose place in time was measured are drawn.

use std::io::{self, Write};
use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};

use crate::metrics::{FrameCost, Hitch, Stage, Subject, Track};
use crate::units::Budget;

const PROCESS: u32 = 1;
/// Lines that one track can spread over; more frames at once than that were never under way.
const MOST_LINES: usize = 8;

/// What one run has to show beside its frames.
pub struct Context<'a> {
    pub subject: &'a Subject,
    pub budget: Budget,
    pub hitches: Vec<&'a Hitch>,
    /// Further counters: name, moment, value. Each name is a track; its values in order of time.
    pub counters: Vec<(&'static str, Instant, f64)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Lane {
    Camera,
    Network,
    Picture,
    Gpu,
}

impl Lane {
    const ALL: [Self; 4] = [Self::Camera, Self::Picture, Self::Network, Self::Gpu];

    fn of(stage: Stage, track: Track) -> Self {
        match (track, stage) {
            (Track::Gpu, _) => Self::Gpu,
            (_, Stage::Capture) => Self::Camera,
            (_, Stage::Prepare | Stage::Infer) => Self::Network,
            _ => Self::Picture,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Camera => "CPU: camera, driver and decoding",
            Self::Picture => "CPU: picture and window",
            Self::Network => "CPU: network",
            Self::Gpu => "GPU",
        }
    }
}

#[derive(Serialize)]
struct Event<'a> {
    name: &'a str,
    ph: &'static str,
    pid: u32,
    tid: u32,
    /// Microseconds.
    ts: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cat: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    /// Of an arrow: it ends in the slice around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'static str>,
    /// Of an instant: how much of the picture it crosses.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
    #[serde(skip_serializing_if = "Value::is_null")]
    args: Value,
}

impl<'a> Event<'a> {
    fn new(ph: &'static str, name: &'a str, tid: u32, ts: f64) -> Self {
        let args = Value::Null;
        Self { name, ph, pid: PROCESS, tid, ts, dur: None, cat: None, id: None, bp: None, s: None, args }
    }
}

/// Writes one JSON object with everything.
///
/// # Errors
/// When `out` takes no more.
pub fn write(costs: &[FrameCost], context: &Context<'_>, out: &mut impl Write) -> io::Result<()> {
    let origin = costs.iter().map(|c| c.stamp.captured).min().unwrap_or_else(Instant::now);
    let subject = context.subject;
    let mut events = Events { out, first: true };
    let other = json!({
        "program": "Impasto", "version": env!("CARGO_PKG_VERSION"), "effect": subject.effect, "variant": subject.variant,
        "engine": subject.engine, "device": subject.device, "student": format!("{}x{}", subject.width, subject.height),
        "budget_ms": context.budget.ms(),
    });
    events.out.write_all(b"{\"displayTimeUnit\":\"ms\",\"otherData\":")?;
    serde_json::to_writer(&mut *events.out, &other)?;
    events.out.write_all(b",\"traceEvents\":[\n")?;

    let (slices, lines) = lay_out(costs, origin);
    events.metadata("process_name", 0, json!({ "name": "Impasto" }))?;
    for (i, lane) in Lane::ALL.into_iter().enumerate() {
        for line in 0..lines[i] {
            let name = if line == 0 { lane.name().to_owned() } else { format!("{} ({})", lane.name(), line + 1) };
            let tid = tid(i, line);
            events.metadata("thread_name", tid, json!({ "name": name }))?;
            events.metadata("thread_sort_index", tid, json!({ "sort_index": tid }))?;
        }
    }
    for cost in costs {
        events.frame(cost, origin)?;
    }
    for slice in &slices {
        events.put(&Event {
            dur: Some(slice.end - slice.begin),
            cat: Some(if slice.gpu { "gpu" } else { "cpu" }),
            args: json!({ "frame": slice.frame }),
            ..Event::new("X", slice.stage.name(), slice.tid, slice.begin)
        })?;
    }
    arrows(&slices, &mut events)?;
    for cost in costs {
        let at = micros(cost.presented, origin);
        if let Some(gap) = cost.gap.filter(|gap| !gap.presented.is_zero()) {
            events.counter("fps", at, json!({ "fps": 1.0 / gap.presented.as_secs_f64() }))?;
        }
        let work = cost.work().as_secs_f64() * 1e3;
        events.counter("budget", at, json!({ "work_ms": work, "budget_ms": context.budget.ms() }))?;
    }
    for (name, at, value) in &context.counters {
        events.counter(name, micros(*at, origin), json!({ *name: value }))?;
    }
    for hitch in &context.hitches {
        let name = format!("hitch: {}", hitch.cause.name());
        events.put(&Event {
            s: Some("p"),
            cat: Some("hitch"),
            args: json!({
                "frame": hitch.cost.stamp.id.0,
                "took_ms": hitch.took.as_secs_f64() * 1e3,
                "median_ms": hitch.median.as_secs_f64() * 1e3,
                "throttled": hitch.throttled,
            }),
            ..Event::new("i", &name, tid(0, 0), micros(hitch.at, origin))
        })?;
    }
    events.out.write_all(b"\n]}\n")
}

/// A piece of work on its line.
struct Slice {
    frame: u64,
    stage: Stage,
    gpu: bool,
    tid: u32,
    begin: f64,
    end: f64,
}

/// All pieces of known place, in order of time, each on a line where nothing else is then; and how many lines each lane has.
fn lay_out(costs: &[FrameCost], origin: Instant) -> (Vec<Slice>, [usize; Lane::ALL.len()]) {
    let mut pieces: Vec<(f64, f64, &FrameCost, Stage, Track)> = costs
        .iter()
        .flat_map(|cost| {
            let captured = micros(cost.stamp.captured, origin);
            cost.pieces.iter().filter_map(move |piece| {
                let mark = piece.mark()?;
                let at = |offset: std::time::Duration| captured + offset.as_secs_f64() * 1e6;
                Some((at(mark.begin), at(mark.end), cost, piece.stage, piece.track))
            })
        })
        .collect();
    pieces.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut free = [[f64::NEG_INFINITY; MOST_LINES]; Lane::ALL.len()];
    let mut lines = [1; Lane::ALL.len()];
    let mut slices = Vec::with_capacity(pieces.len());
    for (begin, end, cost, stage, track) in pieces {
        let lane = Lane::of(stage, track);
        let i = Lane::ALL.iter().position(|l| *l == lane).unwrap_or(0);
        // Times in the file have thousandths of a microsecond: what touches must not seem to overlap.
        let Some(line) = (0..MOST_LINES).find(|&line| free[i][line] <= begin + 0.0005) else { continue };
        free[i][line] = end;
        lines[i] = lines[i].max(line + 1);
        let (frame, gpu) = (cost.stamp.id.0, track == Track::Gpu);
        slices.push(Slice { frame, stage, gpu, tid: tid(i, line), begin, end });
    }
    (slices, lines)
}

fn tid(lane: usize, line: usize) -> u32 {
    (1 + lane * MOST_LINES + line) as u32
}

/// From each piece of a frame to its next one.
fn arrows(slices: &[Slice], events: &mut Events<'_, impl Write>) -> io::Result<()> {
    let mut by_frame: Vec<&Slice> = slices.iter().collect();
    by_frame.sort_by_key(|s| s.frame);
    for frame in by_frame.chunk_by(|a, b| a.frame == b.frame).filter(|f| f.len() > 1) {
        for (i, slice) in frame.iter().enumerate() {
            let (ph, bp) = match i {
                0 => ("s", None),
                i if i + 1 == frame.len() => ("f", Some("e")),
                _ => ("t", None),
            };
            let arrow = Event::new(ph, "frame", slice.tid, slice.begin);
            events.put(&Event { cat: Some("runtime"), id: Some(slice.frame), bp, ..arrow })?;
        }
    }
    Ok(())
}

/// Microseconds since the trace's beginning; before it, negative.
fn micros(at: Instant, origin: Instant) -> f64 {
    let after = at.saturating_duration_since(origin).as_secs_f64();
    let before = origin.saturating_duration_since(at).as_secs_f64();
    ((after - before) * 1e9).round() / 1e3
}

struct Events<'w, W: Write> {
    out: &'w mut W,
    first: bool,
}

impl<W: Write> Events<'_, W> {
    fn put(&mut self, event: &Event<'_>) -> io::Result<()> {
        if !std::mem::replace(&mut self.first, false) {
            self.out.write_all(b",\n")?;
        }
        Ok(serde_json::to_writer(&mut *self.out, event)?)
    }

    fn metadata(&mut self, name: &str, tid: u32, args: Value) -> io::Result<()> {
        self.put(&Event { args, ..Event::new("M", name, tid, 0.0) })
    }

    fn counter(&mut self, name: &str, at: f64, args: Value) -> io::Result<()> {
        self.put(&Event { args, ..Event::new("C", name, 0, at) })
    }

    /// One name for all frames, so that viewers lay them into one group.
    fn frame(&mut self, cost: &FrameCost, origin: Instant) -> io::Result<()> {
        let id = Some(cost.stamp.id.0);
        let begin = Event::new("b", "frame", tid(0, 0), micros(cost.stamp.captured, origin));
        let stages: serde_json::Map<String, Value> = Stage::ALL
            .into_iter()
            .filter_map(|s| Some((format!("{}_ms", s.name()), json!(cost.stage(s)?.as_secs_f64() * 1e3))))
            .collect();
        let args = json!({
            "frame": cost.stamp.id.0, "total_ms": cost.total.as_secs_f64() * 1e3, "overrun_ms": cost.overrun,
            "bound_by": cost.bottleneck.map(|unit| unit.name()), "stages": stages,
        });
        self.put(&Event { cat: Some("frame"), id, args, ..begin })?;
        let end = Event::new("e", "frame", tid(0, 0), micros(cost.stamp.captured + cost.total, origin));
        self.put(&Event { cat: Some("frame"), id, ..end })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::export::samples;

    fn trace(costs: &[FrameCost]) -> Value {
        let subject = Subject { effect: "wood \"cut\"".to_owned(), ..Subject::default() };
        let counters = vec![("rung", costs.first().map_or_else(Instant::now, |c| c.presented), 2.0)];
        let context = Context { subject: &subject, budget: Budget::default(), hitches: Vec::new(), counters };
        let mut text = Vec::new();
        write(costs, &context, &mut text).unwrap();
        serde_json::from_slice(&text).unwrap()
    }

    /// What the format's document asks of each kind of event.
    fn check(trace: &Value) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        let mut lines: HashMap<u64, Vec<(f64, f64)>> = HashMap::new();
        for event in trace["traceEvents"].as_array().unwrap() {
            let ph = event["ph"].as_str().unwrap();
            *counts.entry(ph.to_owned()).or_insert(0) += 1;
            assert!(
                event["name"].is_string() && event["pid"].is_u64() && event["tid"].is_u64() && event["ts"].is_number()
            );
            match ph {
                "X" => {
                    let (ts, dur) = (event["ts"].as_f64().unwrap(), event["dur"].as_f64().unwrap());
                    assert!(dur >= 0.0);
                    lines.entry(event["tid"].as_u64().unwrap()).or_default().push((ts, ts + dur));
                }
                "b" | "e" | "s" | "t" | "f" => assert!(event["id"].is_u64() && event["cat"].is_string()),
                "C" => assert!(event["args"].as_object().unwrap().values().all(Value::is_number)),
                "M" => assert!(event["args"].is_object()),
                "i" => assert!(matches!(event["s"].as_str(), Some("g" | "p" | "t"))),
                other => panic!("unknown kind {other}"),
            }
        }
        for (tid, mut slices) in lines {
            slices.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(slices.windows(2).all(|w| w[0].1 <= w[1].0 + 0.001), "slices of track {tid} overlap");
        }
        counts
    }

    #[test]
    fn a_steady_chain_has_all_kinds_of_events() {
        let costs = samples::costs(Instant::now(), 10);
        let trace = trace(&costs);
        let counts = check(&trace);
        assert_eq!((counts["X"], counts["b"], counts["e"]), (30, 10, 10));
        assert_eq!((counts["s"], counts["t"], counts["f"]), (10, 10, 10));
        assert_eq!(counts["C"], 9 + 10 + 1);
        assert_eq!(trace["otherData"]["effect"], "wood \"cut\"");
        let gpu = trace["traceEvents"].as_array().unwrap().iter().find(|e| e["cat"] == "gpu").unwrap();
        assert_eq!(
            (gpu["name"].as_str(), gpu["ts"].as_f64(), gpu["dur"].as_f64()),
            (Some("infer"), Some(7e3), Some(12e3))
        );
    }

    #[test]
    fn frames_under_way_at_once_get_lines_of_their_own() {
        let t0 = Instant::now();
        let costs: Vec<_> = (0..12).map(|id| samples::cost(t0, id, 90)).collect();
        let trace = trace(&costs);
        assert_eq!(check(&trace)["X"], 36);
        let names: Vec<_> =
            trace["traceEvents"].as_array().unwrap().iter().filter_map(|e| e["args"]["name"].as_str()).collect();
        assert!(names.contains(&"GPU (3)"), "{names:?}");
    }

    #[test]
    fn nothing_is_a_trace_too() {
        check(&trace(&[]));
    }
}
