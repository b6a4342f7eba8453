//! One line per frame, for spreadsheets and scripts: RFC 4180, a full stop in numbers, an empty field where nothing was
//! measured. Columns are a contract: new ones come after the old ones.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use crate::metrics::{FrameCost, Stage};
use crate::units::CaptureClock;

/// Writes the header and one line for each of `costs`, in their order. Times are milliseconds; `captured_ms` and
/// `presented_ms` count from the first frame's capture.
///
/// # Errors
/// When `out` takes no more.
pub fn write<'a>(costs: impl IntoIterator<Item = &'a FrameCost>, out: &mut impl Write) -> io::Result<()> {
    write!(out, "frame,captured_ms,presented_ms,clock,total_ms,work_ms,overrun_ms,bound_by,interval_ms,skipped")?;
    for stage in Stage::ALL {
        write!(out, ",{}_ms", stage.name())?;
    }
    out.write_all(b"\r\n")?;
    let mut origin = None;
    for cost in costs {
        let origin = *origin.get_or_insert(cost.stamp.captured);
        let clock = match cost.stamp.clock {
            CaptureClock::Driver => "driver",
            CaptureClock::Dequeue => "dequeue",
            CaptureClock::Schedule => "schedule",
        };
        write!(
            out,
            "{},{:.3},{:.3},{clock},{:.3},{:.3},{:.3},{}",
            cost.stamp.id.0,
            signed_ms(cost.stamp.captured, origin),
            signed_ms(cost.presented, origin),
            ms(cost.total),
            ms(cost.work()),
            cost.overrun,
            cost.bottleneck.map_or("", |unit| unit.id()),
        )?;
        match &cost.gap {
            Some(gap) => write!(out, ",{:.3},{}", ms(gap.presented), gap.skipped)?,
            None => write!(out, ",,")?,
        }
        for stage in Stage::ALL {
            match cost.stage(stage) {
                Some(duration) => write!(out, ",{:.3}", ms(duration))?,
                None => write!(out, ",")?,
            }
        }
        out.write_all(b"\r\n")?;
    }
    Ok(())
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

/// Frames of another source can have been captured before the first one here.
fn signed_ms(at: Instant, origin: Instant) -> f64 {
    ms(at.saturating_duration_since(origin)) - ms(origin.saturating_duration_since(at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::samples;

    #[test]
    fn a_line_for_each_frame_and_as_many_fields_in_each() {
        let costs = samples::costs(Instant::now(), 3);
        let mut text = Vec::new();
        write(&costs, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 4);
        assert!(lines.iter().all(|l| l.matches(',').count() == 9 + Stage::COUNT), "{text}");
        assert!(lines[0].starts_with("frame,captured_ms,presented_ms,clock,total_ms"));
        assert!(lines[1].starts_with("0,0.000,21.000,driver,21.000,"), "{}", lines[1]);
        assert!(lines[2].starts_with("1,33.000,54.000,driver,"), "{}", lines[2]);
        // The rows of a line add up to its total.
        let fields: Vec<&str> = lines[3].split(',').collect();
        let rows: f64 = fields[10..].iter().filter_map(|f| f.parse::<f64>().ok()).sum();
        assert!((rows - fields[4].parse::<f64>().unwrap()).abs() < 0.01);
        assert_eq!(fields[10 + Stage::Compose as usize], "", "not measured is empty, not zero");
    }

    #[test]
    fn nothing_is_a_header() {
        let mut text = Vec::new();
        write([], &mut text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap().lines().count(), 1);
    }
}
