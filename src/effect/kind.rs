//! What an effect does to a picture, for lists and for filtering.

/// The manner of an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    /// Repaints the picture in the manner of a certain painting.
    Painting,
    /// Flat colours and ink lines, as in an animated film.
    Toon,
    Ink,
    Pencil,
    Watercolour,
    /// Thick strokes that follow the forms.
    Oil,
    /// Halftone, linocut and other ways of printing.
    Print,
    /// Stained glass.
    Glass,
    /// A network that the user brought, of which nothing is known.
    Custom,
}

impl EffectKind {
    pub const ALL: [Self; 9] = [
        Self::Painting,
        Self::Toon,
        Self::Ink,
        Self::Pencil,
        Self::Watercolour,
        Self::Oil,
        Self::Print,
        Self::Glass,
        Self::Custom,
    ];

    /// Its effects together, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Painting => "Paintings",
            Self::Toon => "Toon",
            Self::Ink => "Ink",
            Self::Pencil => "Pencil",
            Self::Watercolour => "Watercolour",
            Self::Oil => "Oil",
            Self::Print => "Print",
            Self::Glass => "Glass",
            Self::Custom => "Your own",
        }
    }

    /// As written in `pack.toml` and in lists.
    pub fn name(self) -> &'static str {
        match self {
            Self::Painting => "painting",
            Self::Toon => "toon",
            Self::Ink => "ink",
            Self::Pencil => "pencil",
            Self::Watercolour => "watercolour",
            Self::Oil => "oil",
            Self::Print => "print",
            Self::Glass => "glass",
            Self::Custom => "custom",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_written_as_it_is_named() {
        for kind in EffectKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
    }
}
