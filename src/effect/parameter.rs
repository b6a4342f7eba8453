//! The values of an effect that the user may turn, with their ranges and units: what a settings panel, a command line and
//! a settings file need to agree on.

/// What the numbers of a [`Parameter`] count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Hundredths of the whole.
    Percent,
}

impl Unit {
    /// As written behind a number.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Percent => " %",
        }
    }
}

/// One value that can be turned. `minimum <= default <= maximum`.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct Parameter {
    /// For settings files and the command line: lower case, no spaces.
    pub name: &'static str,
    /// For people.
    pub title: &'static str,
    /// What turning it does, in one sentence.
    pub help: &'static str,
    pub unit: Unit,
    pub minimum: f32,
    pub maximum: f32,
    pub default: f32,
    /// The smallest change that is worth offering.
    pub step: f32,
}

impl Parameter {
    /// Brings a value from outside into the range; what is not a number becomes the default.
    pub fn checked(&self, value: f32) -> f32 {
        if value.is_nan() { self.default } else { value.clamp(self.minimum, self.maximum) }
    }
}

/// What every effect offers.
pub const PARAMETERS: &[Parameter] = &[
    Parameter {
        name: "strength",
        title: "Strength",
        help: "How much of the painting is mixed into the camera's picture",
        unit: Unit::Percent,
        minimum: 0.0,
        maximum: 100.0,
        default: 100.0,
        step: 1.0,
    },
    Parameter {
        name: "steadiness",
        title: "Steadiness",
        help: "How much of the previous painting is kept where the picture does not move",
        unit: Unit::Percent,
        minimum: 0.0,
        maximum: 100.0,
        default: 50.0,
        step: 1.0,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_lie_in_their_ranges_and_odd_values_are_brought_in() {
        for p in PARAMETERS {
            assert!(p.minimum <= p.default && p.default <= p.maximum && p.step > 0.0, "{}", p.name);
            assert_eq!(p.checked(f32::NAN), p.default);
            assert_eq!(p.checked(f32::INFINITY), p.maximum);
            assert_eq!(p.checked(p.minimum - 1.0), p.minimum);
        }
    }
}
