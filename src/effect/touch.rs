//! How the user wants an effect's paint, over what the effect itself says. Remembered for each effect.

/// Factors of what the effect says, and another hand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Touch {
    /// How thick its relief of paint or paper is, 0..=2; 0 is flat.
    pub thickness: f32,
    /// How wide its strokes are, 0.25..=4.
    pub brush: f32,
    /// How much its network heeds the canvas, 0..=1.5.
    pub boldness: f32,
    /// Strokes lie elsewhere for each.
    pub hand: u32,
}

impl Default for Touch {
    /// As the effect says.
    fn default() -> Self {
        Self { thickness: 1.0, brush: 1.0, boldness: 1.0, hand: 0 }
    }
}

impl Touch {
    /// In percent, least and most.
    pub const THICKNESS: [u16; 2] = [0, 200];
    pub const BRUSH: [u16; 2] = [25, 400];
    pub const BOLDNESS: [u16; 2] = [0, 150];
    /// Hands that there are.
    pub const HANDS: u32 = 1000;

    /// Brought into range; what is not a number is as the effect says.
    pub fn checked(self) -> Self {
        let within = |value: f32, [least, most]: [u16; 2]| {
            if value.is_nan() { 1.0 } else { value.clamp(f32::from(least) / 100.0, f32::from(most) / 100.0) }
        };
        Self {
            thickness: within(self.thickness, Self::THICKNESS),
            brush: within(self.brush, Self::BRUSH),
            boldness: within(self.boldness, Self::BOLDNESS),
            hand: self.hand % Self::HANDS,
        }
    }

    /// The same paint by another hand.
    pub fn next_hand(self) -> Self {
        Self { hand: (self.hand + 1) % Self::HANDS, ..self }
    }

    /// What of it a network with a canvas heeds. The rest is laid on where the picture is shown.
    pub fn on_canvas(self) -> Self {
        Self { thickness: 1.0, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_values_are_brought_in() {
        let odd = Touch { thickness: f32::NAN, brush: 0.0, boldness: f32::INFINITY, hand: Touch::HANDS };
        assert_eq!(odd.checked(), Touch { thickness: 1.0, brush: 0.25, boldness: 1.5, hand: 0 });
        assert_eq!(Touch::default().checked(), Touch::default());
        assert_eq!(Touch { hand: Touch::HANDS - 1, ..Touch::default() }.next_hand(), Touch::default());
    }
}
