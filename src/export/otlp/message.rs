//! Figures as an OTLP message: `ExportMetricsServiceRequest` of opentelemetry-proto in its JSON encoding (protobuf's own, with
//! 64-bit integers as strings). Durations are delta histograms: an interval's message is complete in itself, so that nothing
//! needs an identity that would outlive it. Names under `hw.`, `system.` and `process.` are those of the semantic conventions.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::figures::{BOUNDS_S, Figures, Histogram, Key};
use crate::metrics::Stage;
use crate::system::Power;

/// One field of the message, as it is shown before anybody agrees to sending it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    pub name: &'static str,
    pub unit: &'static str,
    pub what: &'static str,
}

const fn field(name: &'static str, unit: &'static str, what: &'static str) -> Field {
    Field { name, unit, what }
}

/// All metrics that are ever sent. A test holds the message to it.
pub const METRICS: [Field; 10] = [
    field("impasto.frame.stage.duration", "s", "Histogram of the time that frames spent in each stage"),
    field("impasto.frame.duration", "s", "Histogram of the time from a frame's capture to its display"),
    field("impasto.frames", "{frame}", "Frames captured, processed, presented and dropped"),
    field("hw.temperature", "Cel", "Temperature of the GPU, the CPU or the mainboard"),
    field("hw.battery.charge", "1", "Charge of the battery, while the machine runs on it"),
    field("hw.host.power", "W", "Power that the machine draws from its battery"),
    field("hw.power", "W", "Power that the GPU draws"),
    field("hw.gpu.utilization", "1", "Share of the time that the GPU is at work, for any program"),
    field("system.cpu.utilization", "1", "Share of all processors' time that is used, by any program"),
    field("process.memory.usage", "By", "Memory that this program uses"),
];

/// All attributes that are ever sent, of metrics and of the program as a whole.
pub const ATTRIBUTES: [Field; 13] = [
    field("impasto.stage", "", "Name of the stage: capture, wait, upload, prepare, infer, compose, interface, present"),
    field("impasto.effect", "", "Name of an effect in an installed pack; custom for a style or network of your own"),
    field("impasto.variant", "", "Size of the network: s, m, l"),
    field("impasto.engine", "", "What ran the network: wgpu, ort, none"),
    field("impasto.device.class", "", "Kind of device it ran on: discrete, integrated, virtual, cpu, other"),
    field("impasto.frame.state", "", "What became of frames: captured, processed, presented, dropped"),
    field("hw.id", "", "Which part a reading is of: gpu, cpu, mainboard, battery, machine; no serial number"),
    field("hw.type", "", "Kind of that part: gpu"),
    field("hw.battery.state", "", "discharging"),
    field("service.name", "", "impasto"),
    field("service.version", "", "The program's version"),
    field("os.type", "", "linux, darwin or windows"),
    field("host.arch", "", "amd64, arm64, …"),
];

const DELTA: u8 = 1;
const CUMULATIVE: u8 = 2;

/// The whole message.
pub fn encode(figures: &Figures) -> Value {
    let mut metrics = Vec::new();
    let span = Span { since: nanos(figures.since), until: nanos(figures.until) };

    let stages: Vec<Value> = figures
        .series
        .iter()
        .flat_map(|series| Stage::ALL.map(|stage| (series, stage)))
        .filter(|(series, stage)| series.stages[*stage as usize].count > 0)
        .map(|(series, stage)| {
            let mut attributes = key(&series.key);
            attributes.push(attribute("impasto.stage", stage.name()));
            span.histogram(&series.stages[stage as usize], attributes)
        })
        .collect();
    let totals: Vec<Value> = figures.series.iter().map(|s| span.histogram(&s.total, key(&s.key))).collect();
    for (name, points) in [(METRICS[0], stages), (METRICS[1], totals)] {
        push(
            &mut metrics,
            name,
            points,
            |points| json!({ "histogram": { "aggregationTemporality": DELTA, "dataPoints": points } }),
        );
    }

    let frames = &figures.frames;
    let counts = [
        ("captured", frames.captured),
        ("processed", frames.processed),
        ("presented", frames.presented),
        ("dropped", frames.dropped),
    ];
    let counts = counts.map(|(state, n)| span.integer(n, vec![attribute("impasto.frame.state", state)])).to_vec();
    push(
        &mut metrics,
        METRICS[2],
        counts,
        |points| json!({ "sum": { "aggregationTemporality": DELTA, "isMonotonic": true, "dataPoints": points } }),
    );

    let reading = &figures.reading;
    let id = |id: &str| vec![attribute("hw.id", id)];
    let part = |of: &str| {
        id(match of {
            "GPU" => "gpu",
            "CPU" => "cpu",
            _ => "mainboard",
        })
    };
    let battery = match reading.power {
        Some(Power::Battery { percent }) => percent,
        _ => None,
    };
    let of_gpu = reading.watts_of == Some("GPU");
    let charging = |percent: f32| {
        let mut attributes = id("battery");
        attributes.push(attribute("hw.battery.state", "discharging"));
        span.number(f64::from(percent) / 100.0, attributes)
    };
    let gpu_power = |watts: f32| {
        let mut attributes = id("gpu");
        attributes.push(attribute("hw.type", "gpu"));
        span.number(f64::from(watts), attributes)
    };
    let gauges: [(Field, Option<Value>); 6] = [
        (
            METRICS[3],
            reading.temperature_c.map(|c| span.number(f64::from(c), part(reading.temperature_of.unwrap_or_default()))),
        ),
        (METRICS[4], battery.map(charging)),
        (METRICS[5], reading.watts.filter(|_| !of_gpu).map(|w| span.number(f64::from(w), id("machine")))),
        (METRICS[6], reading.watts.filter(|_| of_gpu).map(gpu_power)),
        (METRICS[7], reading.gpu_load.map(|load| span.number(f64::from(load), id("gpu")))),
        (METRICS[8], reading.cpu_load.map(|load| span.number(f64::from(load), Vec::new()))),
    ];
    for (name, point) in gauges {
        push(&mut metrics, name, point.into_iter().collect(), |points| json!({ "gauge": { "dataPoints": points } }));
    }
    let memory = reading.memory_bytes.map(|bytes| span.integer(bytes, Vec::new()));
    push(
        &mut metrics,
        METRICS[9],
        memory.into_iter().collect(),
        |points| json!({ "sum": { "aggregationTemporality": CUMULATIVE, "isMonotonic": false, "dataPoints": points } }),
    );

    let version = env!("CARGO_PKG_VERSION");
    let resource =
        [("service.name", "impasto"), ("service.version", version), ("os.type", os_type()), ("host.arch", host_arch())];
    json!({ "resourceMetrics": [{
        "resource": { "attributes": resource.map(|(name, value)| attribute(name, value)) },
        "scopeMetrics": [{ "scope": { "name": "impasto", "version": version }, "metrics": metrics }],
    }] })
}

fn push(metrics: &mut Vec<Value>, field: Field, points: Vec<Value>, data: impl FnOnce(Vec<Value>) -> Value) {
    if points.is_empty() {
        return;
    }
    let mut metric = json!({ "name": field.name, "unit": field.unit, "description": field.what });
    if let (Value::Object(metric), Value::Object(data)) = (&mut metric, data(points)) {
        metric.extend(data);
    }
    metrics.push(metric);
}

/// The interval of a message, nanoseconds since 1970.
struct Span {
    since: String,
    until: String,
}

impl Span {
    fn histogram(&self, h: &Histogram, attributes: Vec<Value>) -> Value {
        json!({
            "attributes": attributes, "startTimeUnixNano": self.since, "timeUnixNano": self.until,
            "count": h.count.to_string(), "sum": h.sum_s, "min": h.min_s, "max": h.max_s,
            "explicitBounds": BOUNDS_S, "bucketCounts": h.buckets.map(|n| n.to_string()),
        })
    }

    fn integer(&self, n: u64, attributes: Vec<Value>) -> Value {
        json!({
            "attributes": attributes, "startTimeUnixNano": self.since, "timeUnixNano": self.until,
            "asInt": i64::try_from(n).unwrap_or(i64::MAX).to_string(),
        })
    }

    fn number(&self, value: f64, attributes: Vec<Value>) -> Value {
        json!({ "attributes": attributes, "timeUnixNano": self.until, "asDouble": value })
    }
}

fn key(key: &Key) -> Vec<Value> {
    [
        ("impasto.effect", &key.effect),
        ("impasto.variant", &key.variant),
        ("impasto.engine", &key.engine),
        ("impasto.device.class", &key.device_class),
    ]
    .map(|(name, value)| attribute(name, value))
    .to_vec()
}

fn attribute(name: &str, value: &str) -> Value {
    json!({ "key": name, "value": { "stringValue": value } })
}

fn nanos(at: SystemTime) -> String {
    at.duration_since(SystemTime::UNIX_EPOCH).map(|d| d.as_nanos()).unwrap_or(0).to_string()
}

/// As the semantic conventions spell it.
fn os_type() -> &'static str {
    match std::env::consts::OS {
        "macos" => "darwin",
        other => other,
    }
}

fn host_arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;
    use std::time::{Duration, Instant};

    use serde::Deserialize;

    use super::*;
    use crate::export::samples;
    use crate::metrics::Counts;
    use crate::system::Reading;

    /// The messages of opentelemetry-proto's metrics.proto and common.proto as far as they may occur here, in protobuf's JSON.
    /// What is not in the definition is an error.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub struct Request {
        pub resource_metrics: Vec<ResourceMetrics>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub struct ResourceMetrics {
        pub resource: Resource,
        pub scope_metrics: Vec<ScopeMetrics>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Resource {
        pub attributes: Vec<KeyValue>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct ScopeMetrics {
        #[allow(dead_code, reason = "its shape is checked by reading it")]
        pub scope: Scope,
        pub metrics: Vec<Metric>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "its shape is checked by reading it")]
    pub struct Scope {
        pub name: String,
        pub version: String,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct Metric {
        pub name: String,
        pub unit: String,
        #[allow(dead_code, reason = "its shape is checked by reading it")]
        pub description: String,
        pub histogram: Option<Data>,
        pub sum: Option<Data>,
        pub gauge: Option<Data>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub struct Data {
        pub data_points: Vec<Point>,
        pub aggregation_temporality: Option<u8>,
        pub is_monotonic: Option<bool>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub struct Point {
        pub attributes: Vec<KeyValue>,
        pub start_time_unix_nano: Option<String>,
        pub time_unix_nano: String,
        pub count: Option<String>,
        pub sum: Option<f64>,
        pub min: Option<f64>,
        pub max: Option<f64>,
        pub explicit_bounds: Option<Vec<f64>>,
        pub bucket_counts: Option<Vec<String>>,
        pub as_int: Option<String>,
        pub as_double: Option<f64>,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub struct KeyValue {
        pub key: String,
        pub value: AnyValue,
    }
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    pub struct AnyValue {
        pub string_value: String,
    }

    /// An interval in which everything was measured.
    pub fn figures() -> Figures {
        let key = Key {
            effect: "ink".to_owned(),
            variant: "m".to_owned(),
            engine: "wgpu".to_owned(),
            device_class: "discrete".to_owned(),
        };
        let since = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_381_509);
        let mut figures = Figures::new(key, since);
        samples::costs(Instant::now(), 5).iter().for_each(|cost| figures.record(cost));
        let mut ended = figures.take(since + Duration::from_secs(10));
        ended.frames = Counts { captured: 6, processed: 5, presented: 5, dropped: 1, ..Counts::default() };
        ended.reading = Reading {
            temperature_c: Some(61.5),
            temperature_of: Some("GPU"),
            power: Some(Power::Battery { percent: Some(50.0) }),
            watts: Some(21.0),
            watts_of: Some("whole machine"),
            cpu_load: Some(0.25),
            gpu_load: Some(0.75),
            memory_bytes: Some(1 << 30),
            ..Reading::default()
        };
        ended
    }

    fn decode(figures: &Figures) -> Vec<Metric> {
        let request: Request = serde_json::from_value(encode(figures)).unwrap();
        request.resource_metrics.into_iter().flat_map(|r| r.scope_metrics).flat_map(|s| s.metrics).collect()
    }

    #[test]
    fn the_message_is_what_the_definitions_say() {
        let metrics = decode(&figures());
        let find = |name: &str| metrics.iter().find(|m| m.name == name).unwrap();
        let stages = find("impasto.frame.stage.duration").histogram.as_ref().unwrap();
        assert_eq!(stages.aggregation_temporality, Some(DELTA));
        assert_eq!(stages.data_points.len(), 4, "capture, wait, upload, infer");
        let infer = stages
            .data_points
            .iter()
            .find(|p| p.attributes.iter().any(|a| a.key == "impasto.stage" && a.value.string_value == "infer"))
            .unwrap();
        assert_eq!((infer.count.as_deref(), infer.min, infer.max), (Some("5"), Some(0.012), Some(0.012)));
        assert!((infer.sum.unwrap() - 0.06).abs() < 1e-9);
        let counts: u64 = infer.bucket_counts.iter().flatten().map(|n| n.parse::<u64>().unwrap()).sum();
        assert_eq!(counts, 5);
        assert_eq!(infer.bucket_counts.as_ref().unwrap().len(), infer.explicit_bounds.as_ref().unwrap().len() + 1);
        assert_eq!(infer.time_unix_nano, "1795381519000000000");
        assert_eq!(infer.start_time_unix_nano.as_deref(), Some("1795381509000000000"));
        let frames = find("impasto.frames").sum.as_ref().unwrap();
        assert_eq!((frames.is_monotonic, frames.data_points[3].as_int.as_deref()), (Some(true), Some("1")));
        let battery = &find("hw.battery.charge").gauge.as_ref().unwrap().data_points[0];
        assert_eq!((battery.as_double, find("hw.battery.charge").unit.as_str()), (Some(0.5), "1"));
        assert_eq!(find("hw.temperature").gauge.as_ref().unwrap().data_points[0].as_double, Some(61.5));
    }

    #[test]
    fn nothing_is_sent_that_was_not_shown() {
        let mut gpu = figures();
        gpu.reading.watts_of = Some("GPU");
        let (mut names, mut attributes) = (BTreeSet::new(), BTreeSet::new());
        for figures in [figures(), gpu] {
            let request: Request = serde_json::from_value(encode(&figures)).unwrap();
            for resource in request.resource_metrics {
                attributes.extend(resource.resource.attributes.into_iter().map(|a| a.key));
                for metric in resource.scope_metrics.into_iter().flat_map(|s| s.metrics) {
                    let shown = METRICS.iter().find(|f| f.name == metric.name).unwrap();
                    assert_eq!(metric.unit, shown.unit);
                    names.insert(metric.name);
                    let data = metric.histogram.or(metric.sum).or(metric.gauge).unwrap();
                    attributes.extend(data.data_points.into_iter().flat_map(|p| p.attributes).map(|a| a.key));
                }
            }
        }
        assert_eq!(names, METRICS.iter().map(|f| f.name.to_owned()).collect());
        assert_eq!(attributes, ATTRIBUTES.iter().map(|f| f.name.to_owned()).collect());
    }

    #[test]
    fn what_was_not_measured_is_not_sent() {
        let empty = Figures::new(Key::default(), SystemTime::UNIX_EPOCH).take(SystemTime::UNIX_EPOCH);
        let names: Vec<String> = decode(&empty).into_iter().map(|m| m.name).collect();
        assert_eq!(names, ["impasto.frames"]);
    }
}
