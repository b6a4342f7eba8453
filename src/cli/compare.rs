//! `impasto bench --compare A.json B.json`: what changed from one run to the other, beyond noise.

use std::path::Path;

use super::{CliError, print, print_json};
use crate::export::compare::{Comparison, Run, Verdict, compare};
use crate::fault::Fault;

/// B is slower: not a failure of the command, and still what a script wants to hear of.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Slower(String);

/// Compares the reports in two files. `threshold` is a share.
///
/// # Errors
/// When a file cannot be read or is no report, when the two measured different things and not `anyway`, when they do not say
/// how much they varied, and as [`Slower`] when B is slower.
pub fn run(files: &[std::path::PathBuf], threshold: f64, anyway: bool, json: bool) -> Result<(), CliError> {
    let [a, b] = files else { return Err("two reports are compared: --compare A.json B.json".into()) };
    let (run_a, run_b) = (read(a)?, read(b)?);
    let comparison = compare(&run_a, &run_b, threshold);
    if !comparison.differences.is_empty() && !anyway {
        return Err(Fault::failed(
            format!("The two runs did not measure the same thing: {}", comparison.differences.join("; ")),
            "Measure both the same way, or compare them all the same with --anyway",
        )
        .into());
    }
    if json {
        print_json(&comparison)?;
    } else {
        print(&table(&comparison, (a, &run_a), (b, &run_b)))?;
    }
    let decided = |verdict| comparison.changes.iter().filter(move |c| c.decides && c.verdict == verdict);
    match comparison.verdict {
        Verdict::Slower => {
            let what: Vec<String> =
                decided(Verdict::Slower).map(|c| format!("{} {:.2} to {:.2} {}", c.name, c.a, c.b, c.unit)).collect();
            Err(Slower(format!("slower beyond noise: {}", what.join(", "))).into())
        }
        Verdict::Unknown => Err(Fault::failed(
            "Whether anything changed beyond noise cannot be told: a run does not say how much it varied",
            "Measure at least 24 frames with `impasto bench --json`",
        )
        .into()),
        Verdict::Faster | Verdict::Same => Ok(()),
    }
}

fn read(path: &Path) -> Result<Run, CliError> {
    let wrong = |what: String| {
        Fault::failed(
            format!("{} cannot be compared: {what}", path.display()),
            "Give two files that `impasto bench --json` or `impasto --report` wrote",
        )
    };
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    Ok(Run::parse(&text).map_err(wrong)?)
}

fn table(comparison: &Comparison, a: (&Path, &Run), b: (&Path, &Run)) -> String {
    let mut text = String::new();
    for (letter, (path, run)) in [("A", a), ("B", b)] {
        text.push_str(&format!(
            "{letter}  {}: {} {} {}x{} with {} on {}, version {}, {} stretches\n",
            path.display(),
            run.effect,
            run.variant,
            run.width,
            run.height,
            run.engine,
            run.device,
            run.version,
            run.blocks.len()
        ));
    }
    for difference in &comparison.differences {
        text.push_str(&format!("!  not the same: {difference}\n"));
    }
    text.push_str(&format!("\n{:<14}{:>10}{:>10}{:>10}{:>20}  \n", "", "A", "B", "B / A", "99 % interval"));
    for change in &comparison.changes {
        let ratio = change.ratio.map_or_else(|| "-".to_owned(), |r| format!("{r:.3}"));
        let interval = match (change.low, change.high) {
            (Some(low), Some(high)) => format!("{low:.3} to {high:.3}"),
            _ => "-".to_owned(),
        };
        text.push_str(&format!(
            "{:<14}{:>10.2}{:>10.2}{ratio:>10}{interval:>20}  {}{}\n",
            format!("{}{}", change.name, if change.unit == "ms" { "" } else { " (/s)" }),
            change.a,
            change.b,
            change.verdict.words(),
            if change.decides { "" } else { " *" },
        ));
    }
    text.push_str(&format!(
        "\nMilliseconds a frame; A and B are means, B / A is the ratio of the geometric ones. * explains, and does not decide.\nChanges under {:.0} % count as noise: runs differ by that from start to start.\n{}\n",
        comparison.threshold * 100.0,
        match comparison.verdict {
            Verdict::Slower => "B is slower beyond noise.",
            Verdict::Faster => "B is faster beyond noise.",
            Verdict::Same => "Nothing changed beyond noise.",
            Verdict::Unknown => "Whether anything changed cannot be told.",
        }
    ));
    text
}
