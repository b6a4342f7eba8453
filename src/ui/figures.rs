//! Numbers to text: always the same width, a dash for what was not measured.

use std::fmt::Write as _;
use std::time::Duration;

/// What stands for a figure that was not measured.
pub const DASH: &str = "–";

/// A buffer that figures are written into, kept from frame to frame.
#[derive(Debug, Default)]
pub struct Text {
    buffer: String,
}

impl Text {
    /// Writes over the buffer.
    pub fn format(&mut self, arguments: std::fmt::Arguments<'_>) -> &str {
        self.buffer.clear();
        // A String accepts everything that is written into it.
        let _ = self.buffer.write_fmt(arguments);
        &self.buffer
    }

    /// Milliseconds to three significant digits or so.
    pub fn ms(&mut self, ms: Option<f64>) -> &str {
        match ms {
            None => DASH,
            Some(ms) if ms < 9.995 => self.format(format_args!("{ms:.2}")),
            Some(ms) if ms < 999.95 => self.format(format_args!("{ms:.1}")),
            Some(ms) => self.format(format_args!("{ms:.0}")),
        }
    }

    /// A figure with so many digits after the point, and its unit.
    pub fn unit(&mut self, value: Option<f64>, digits: usize, unit: &str) -> &str {
        match value {
            None => DASH,
            Some(value) => self.format(format_args!("{value:.digits$}{unit}")),
        }
    }

    /// With its sign, plus as well; a true minus, as wide as the plus.
    pub fn signed(&mut self, value: Option<f64>, unit: &str) -> &str {
        match value {
            None => DASH,
            Some(value) => {
                let sign = if value < 0.0 { '\u{2212}' } else { '+' };
                self.format(format_args!("{sign}{:.1}{unit}", value.abs()))
            }
        }
    }

    /// How long ago, coarsely.
    pub fn ago(&mut self, ago: Duration) -> &str {
        match ago.as_secs_f64() {
            s if s < 9.95 => self.format(format_args!("{s:.1} s ago")),
            s if s < 99.5 => self.format(format_args!("{s:.0} s ago")),
            s => self.format(format_args!("{:.0} min ago", s / 60.0)),
        }
    }

    /// Frames per second with one digit after the point.
    pub fn fps(&mut self, fps: Option<f64>) -> &str {
        match fps {
            None => DASH,
            Some(fps) => self.format(format_args!("{fps:.1}")),
        }
    }
}

/// A share as whole percent, but never 0 % or 100 % unless it is exactly that.
pub fn percent(share: f64) -> f64 {
    let percent = (share * 100.0).round();
    if share > 0.0 && percent < 1.0 {
        1.0
    } else if share < 1.0 && percent >= 100.0 {
        99.0
    } else {
        percent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_keep_their_digits() {
        let mut text = Text::default();
        let cases =
            [(None, "–"), (Some(0.0), "0.00"), (Some(9.994), "9.99"), (Some(9.996), "10.0"), (Some(33.333), "33.3")];
        for (ms, said) in cases {
            assert_eq!(text.ms(ms), said);
        }
        assert_eq!(text.ms(Some(12345.6)), "12346");
        assert_eq!(text.fps(Some(29.97)), "30.0");
        assert_eq!(text.fps(None), DASH);
    }

    #[test]
    fn hardly_any_is_not_none() {
        assert_eq!(percent(0.0), 0.0);
        assert_eq!(percent(0.001), 1.0);
        assert_eq!(percent(0.996), 99.0);
        assert_eq!(percent(1.0), 100.0);
    }
}
