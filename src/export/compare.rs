//! Two runs side by side: what changed beyond noise.
//!
//! Each run brings figures of some twenty stretches of itself ([`super::blocks`]). For each figure the ratio B / A is that of
//! the geometric means over the stretches, and its confidence interval Welch's, of the logarithms: the two runs need neither
//! equal spread nor equal length (B. L. Welch, Biometrika 34, 1947). A change is one *beyond noise* when the interval, at
//! 99 % because several figures are looked at, leaves out 1, and the ratio is further from 1 than a threshold, which stands
//! for what varies from start to start and no run shows of itself. Pure.

use serde::{Deserialize, Serialize};

use super::Block;

/// Changes smaller than this share are noise whatever the intervals say: runs of one program differ by it from start to start.
pub const THRESHOLD: f64 = 0.03;
/// Fewer stretches than this have no spread worth the name.
const LEAST_BLOCKS: usize = 4;
/// The upper half-percent point of the normal distribution: intervals of 99 %.
const Z: f64 = 2.575_829_303_548_901;

/// A report as far as comparing needs it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Run {
    pub schema: String,
    pub version: String,
    pub effect: String,
    pub variant: String,
    pub engine: String,
    pub device: String,
    pub width: u32,
    pub height: u32,
    pub source: String,
    pub source_extent: Size,
    pub paced: bool,
    pub blocks: Vec<Block>,
    pub total_ms: Mean,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Mean {
    pub mean: f64,
}

impl Run {
    /// # Errors
    /// When `text` is not a report of this program.
    pub fn parse(text: &str) -> Result<Self, String> {
        let run: Self = serde_json::from_str(text).map_err(|e| format!("it is no report: {e}"))?;
        let known = run.schema.strip_prefix("impasto.bench/").is_some_and(|v| v == "1");
        if !known {
            return Err(format!("its schema is '{}', not {}", run.schema, crate::metrics::SCHEMA));
        }
        Ok(run)
    }

    /// In what `self` and `other` did not measure the same thing. Versions may differ: to compare them is the point.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let size = |w: u32, h: u32| format!("{w}x{h}");
        let pairs = [
            ("effect", self.effect.clone(), other.effect.clone()),
            ("variant", self.variant.clone(), other.variant.clone()),
            ("engine", self.engine.clone(), other.engine.clone()),
            ("device", self.device.clone(), other.device.clone()),
            ("size", size(self.width, self.height), size(other.width, other.height)),
            ("source", self.source.clone(), other.source.clone()),
            (
                "picture",
                size(self.source_extent.width, self.source_extent.height),
                size(other.source_extent.width, other.source_extent.height),
            ),
            ("paced", self.paced.to_string(), other.paced.to_string()),
        ];
        pairs.into_iter().filter(|(_, a, b)| a != b).map(|(what, a, b)| format!("{what} {a} against {b}")).collect()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Faster,
    Slower,
    /// Within noise.
    Same,
    /// A run does not say how much it varies.
    Unknown,
}

impl Verdict {
    pub fn words(self) -> &'static str {
        match self {
            Self::Faster => "faster",
            Self::Slower => "SLOWER",
            Self::Same => "within noise",
            Self::Unknown => "cannot be told",
        }
    }
}

/// One figure of both runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    pub name: String,
    /// `ms` or `frames/s`.
    pub unit: &'static str,
    pub a: f64,
    pub b: f64,
    /// B / A, and the 99 % interval of it; `null` where a run has too few stretches.
    pub ratio: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
    pub verdict: Verdict,
    /// Counts for the verdict of the whole; the others explain it.
    pub decides: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    pub schema: &'static str,
    pub threshold: f64,
    pub confidence: f64,
    /// In what the runs did not measure the same thing.
    pub differences: Vec<String>,
    pub changes: Vec<Change>,
    /// Slower if any deciding figure is; else faster if any is.
    pub verdict: Verdict,
}

/// Compares all figures that both runs have. `threshold` is a share, as [`THRESHOLD`].
pub fn compare(a: &Run, b: &Run, threshold: f64) -> Comparison {
    let mut changes = Vec::new();
    let mut add = |name: &str, unit, decides, of: &dyn Fn(&Block) -> Option<f64>| {
        let values = |run: &Run| run.blocks.iter().map(of).collect::<Option<Vec<f64>>>().filter(|v| !v.is_empty());
        if let (Some(va), Some(vb)) = (values(a), values(b)) {
            changes.push(change(name, unit, decides, &va, &vb, threshold));
        }
    };
    add("rate", "frames/s", true, &|block| Some(block.fps));
    add("total", "ms", true, &|block| Some(block.total_ms));
    add("work", "ms", true, &|block| Some(block.work_ms));
    // The 95th of few frames is not that of many.
    let length = |run: &Run| run.blocks.first().map_or(0, |block| block.frames);
    if length(a) == length(b) {
        add("total p95", "ms", false, &|block| Some(block.total_p95_ms));
    }
    for stage in crate::metrics::Stage::ALL {
        add(stage.name(), "ms", false, &|block| {
            block.stages.iter().find(|s| s.name == stage.name()).map(|s| s.mean_ms)
        });
    }
    if a.blocks.is_empty() || b.blocks.is_empty() {
        let unknown = Change {
            name: "total".to_owned(),
            unit: "ms",
            a: a.total_ms.mean,
            b: b.total_ms.mean,
            ratio: None,
            low: None,
            high: None,
            verdict: Verdict::Unknown,
            decides: true,
        };
        changes.push(unknown);
    }
    let says = |verdict| changes.iter().any(|c: &Change| c.decides && c.verdict == verdict);
    let verdict = [Verdict::Slower, Verdict::Unknown, Verdict::Faster].into_iter().find(|v| says(*v));
    Comparison {
        schema: "impasto.compare/1",
        threshold,
        confidence: 0.99,
        differences: a.differences(b),
        verdict: verdict.unwrap_or(Verdict::Same),
        changes,
    }
}

fn change(name: &str, unit: &'static str, decides: bool, a: &[f64], b: &[f64], threshold: f64) -> Change {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let interval = ratio(a, b);
    let verdict = match interval {
        // What no stretch spent any time in did not change.
        _ if a.iter().chain(b).all(|v| *v == 0.0) => Verdict::Same,
        None => Verdict::Unknown,
        Some((ratio, low, high)) => {
            let far = ratio > 1.0 + threshold || ratio < 1.0 / (1.0 + threshold);
            let more = if unit == "ms" { Verdict::Slower } else { Verdict::Faster };
            let less = if unit == "ms" { Verdict::Faster } else { Verdict::Slower };
            match () {
                () if far && low > 1.0 => more,
                () if far && high < 1.0 => less,
                () => Verdict::Same,
            }
        }
    };
    Change {
        name: name.to_owned(),
        unit,
        a: mean(a),
        b: mean(b),
        ratio: interval.map(|i| i.0),
        low: interval.map(|i| i.1),
        high: interval.map(|i| i.2),
        verdict,
        decides,
    }
}

/// B / A with its 99 % interval; `None` with too few stretches or a figure that is not positive.
fn ratio(a: &[f64], b: &[f64]) -> Option<(f64, f64, f64)> {
    let (mean_a, variance_a) = log_moments(a)?;
    let (mean_b, variance_b) = log_moments(b)?;
    let (na, nb) = (a.len() as f64, b.len() as f64);
    let (ea, eb) = (variance_a / na, variance_b / nb);
    let error = (ea + eb).sqrt();
    let difference = mean_b - mean_a;
    if error == 0.0 {
        let ratio = difference.exp();
        return Some((ratio, ratio, ratio));
    }
    // Welch and Satterthwaite.
    let freedom = (ea + eb).powi(2) / (ea.powi(2) / (na - 1.0) + eb.powi(2) / (nb - 1.0));
    let reach = t_quantile(freedom) * error;
    Some((difference.exp(), (difference - reach).exp(), (difference + reach).exp()))
}

/// Mean and unbiased variance of the logarithms.
fn log_moments(values: &[f64]) -> Option<(f64, f64)> {
    if values.len() < LEAST_BLOCKS || values.iter().any(|v| !v.is_finite() || *v <= 0.0) {
        return None;
    }
    let n = values.len() as f64;
    let mean = values.iter().map(|v| v.ln()).sum::<f64>() / n;
    let variance = values.iter().map(|v| (v.ln() - mean).powi(2)).sum::<f64>() / (n - 1.0);
    Some((mean, variance))
}

/// The point that Student's t with `freedom` degrees of freedom exceeds in half a percent of all cases: Fisher and Cornish's
/// expansion around the normal one (Abramowitz and Stegun 26.7.5), within 1 % from 3 degrees on.
fn t_quantile(freedom: f64) -> f64 {
    let z = Z;
    let terms = [
        (z.powi(3) + z) / 4.0,
        (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / 96.0,
        (3.0 * z.powi(7) + 19.0 * z.powi(5) + 17.0 * z.powi(3) - 15.0 * z) / 384.0,
        (79.0 * z.powi(9) + 776.0 * z.powi(7) + 1482.0 * z.powi(5) - 1920.0 * z.powi(3) - 945.0 * z) / 92160.0,
    ];
    terms.iter().zip(1..).fold(z, |sum, (term, power)| sum + term / freedom.powi(power))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::export::blocks::StageMean;

    fn run(totals: &[f64]) -> Run {
        let block = |&ms: &f64| Block {
            frames: 10,
            fps: 1000.0 / ms,
            total_ms: ms,
            total_p95_ms: ms * 1.2,
            work_ms: ms * 0.9,
            stages: vec![StageMean { name: "infer".to_owned(), mean_ms: ms * 0.8 }],
        };
        let blocks: Vec<Block> = totals.iter().map(block).collect();
        Run { schema: "impasto.bench/1".to_owned(), blocks, ..Run::default() }
    }

    /// Twenty figures around `mean`, within `spread` of it, from a fixed series.
    fn around(mean: f64, spread: f64, seed: u64) -> Vec<f64> {
        let mut state = seed;
        (0..20)
            .map(|_| {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                mean * (1.0 + spread * ((state >> 33) as f64 / (1u64 << 31) as f64 * 2.0 - 1.0))
            })
            .collect()
    }

    #[test]
    fn the_t_distribution_is_the_books() {
        for (freedom, book) in [(3.0, 5.841), (4.0, 4.604), (5.0, 4.032), (10.0, 3.169), (30.0, 2.750), (1e9, 2.576)] {
            assert!((t_quantile(freedom) / book - 1.0).abs() < 0.011, "{freedom}: {}", t_quantile(freedom));
        }
    }

    #[test]
    fn a_clear_change_is_seen_and_noise_is_not() {
        let a = run(&around(20.0, 0.05, 1));
        let slower = compare(&a, &run(&around(23.0, 0.05, 2)), THRESHOLD);
        assert_eq!(slower.verdict, Verdict::Slower);
        let total = slower.changes.iter().find(|c| c.name == "total").unwrap();
        assert!((total.ratio.unwrap() - 1.15).abs() < 0.03 && total.low.unwrap() > 1.0, "{total:?}");
        assert!(slower.changes.iter().any(|c| c.name == "infer" && c.verdict == Verdict::Slower && !c.decides));
        let rate = slower.changes.iter().find(|c| c.name == "rate").unwrap();
        assert_eq!(rate.verdict, Verdict::Slower, "fewer frames a second are slower");
        assert_eq!(compare(&a, &run(&around(18.0, 0.05, 3)), THRESHOLD).verdict, Verdict::Faster);
        assert_eq!(compare(&a, &run(&around(20.2, 0.05, 4)), THRESHOLD).verdict, Verdict::Same);
        assert_eq!(compare(&a, &run(&around(21.5, 0.9, 5)), THRESHOLD).verdict, Verdict::Same, "wide spread");
        assert_eq!(compare(&a, &a, THRESHOLD).verdict, Verdict::Same);
    }

    #[test]
    fn a_certain_but_tiny_change_is_noise() {
        let (a, b) = (run(&[20.0; 20]), run(&[20.4; 20]));
        assert_eq!(compare(&a, &b, THRESHOLD).verdict, Verdict::Same);
        assert_eq!(compare(&a, &b, 0.01).verdict, Verdict::Slower);
    }

    #[test]
    fn a_run_that_does_not_say_how_it_varies_cannot_be_judged() {
        let a = run(&around(20.0, 0.05, 1));
        for short in [run(&[]), run(&[40.0, 41.0])] {
            assert_eq!(compare(&a, &short, THRESHOLD).verdict, Verdict::Unknown);
        }
    }

    #[test]
    fn other_subjects_are_named() {
        let a = Run { effect: "ink".to_owned(), device: "X".to_owned(), version: "1".to_owned(), ..run(&[]) };
        let b = Run { effect: "oil".to_owned(), version: "2".to_owned(), width: 640, ..a.clone() };
        assert_eq!(a.differences(&b), ["effect ink against oil", "size 0x0 against 640x0"]);
        assert!(a.differences(&Run { version: "3".to_owned(), ..a.clone() }).is_empty());
    }

    #[test]
    fn what_is_no_report_is_said() {
        assert!(Run::parse("{}").unwrap_err().contains("schema"));
        assert!(Run::parse("nothing").unwrap_err().contains("no report"));
        assert!(Run::parse(r#"{"schema":"impasto.bench/2"}"#).is_err());
    }

    proptest! {
        /// Whoever compares in the other order gets the other answer.
        #[test]
        fn the_order_turns_the_answer_round(
            a in prop::collection::vec(1.0f64..100.0, 4..30),
            b in prop::collection::vec(1.0f64..100.0, 4..30),
        ) {
            let (there, back) = (ratio(&a, &b).unwrap(), ratio(&b, &a).unwrap());
            prop_assert!((there.0 * back.0 - 1.0).abs() < 1e-9);
            prop_assert!((there.1 * back.2 - 1.0).abs() < 1e-9);
            prop_assert!(there.1 <= there.0 && there.0 <= there.2);
            let turn = |v| match v { Verdict::Faster => Verdict::Slower, Verdict::Slower => Verdict::Faster, same => same };
            let verdict = |a: &[f64], b: &[f64]| change("x", "ms", true, a, b, THRESHOLD).verdict;
            prop_assert_eq!(verdict(&a, &b), turn(verdict(&b, &a)));
        }
    }
}
