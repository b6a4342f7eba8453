//! Styles as points: what a style comes to, apart from the network that it is used in.
//!
//! A network of many styles multiplies its style vector `[K]` with a table `[K][T]`; all that it does with the style is in
//! the product, a *row* of T numbers: the scales and shifts of every channel, one after the other. A row of the table is a
//! style, a mean of two rows lies between two styles, and a row that came from elsewhere (a user's own painting) is as good
//! as one of the table's. A network with several tables has no single row; [`Graph::fold`] serves it all the same.

use std::sync::Arc;

use super::graph::{Graph, GraphError, Op, PerChannel};

/// T numbers: the scales and shifts of all channels for one style.
pub type StyleRow = Arc<[f32]>;

/// The row `share` of the way from `from` to `to`; both have the same length. `share` 0 gives `from`, 1 gives `to`.
pub fn between(from: &[f32], to: &[f32], share: f32) -> StyleRow {
    let share = f64::from(share.clamp(0.0, 1.0));
    from.iter().zip(to).map(|(a, b)| ((1.0 - share) * f64::from(*a) + share * f64::from(*b)) as f32).collect()
}

impl Graph {
    /// The style table and its width T, when the network has exactly one.
    fn style_table(&self) -> Option<(&Arc<[f32]>, usize)> {
        let mut only: Option<(&Arc<[f32]>, usize)> = None;
        for node in self.nodes() {
            if let Op::Scale(PerChannel::Styled { table, columns, .. })
            | Op::Shift(PerChannel::Styled { table, columns, .. }) = &node.op
            {
                match only {
                    Some((known, width)) if !Arc::ptr_eq(known, table) || width != *columns => return None,
                    _ => only = Some((table, *columns)),
                }
            }
        }
        only
    }

    /// Length T of a row; `None` for a network without a style, or with several tables.
    pub fn row_len(&self) -> Option<usize> {
        self.style_table().map(|(_, columns)| columns)
    }

    /// The row of the network's own style number `style`; `None` when there is no such style, or no single table.
    pub fn row(&self, style: usize) -> Option<StyleRow> {
        let (table, columns) = self.style_table()?;
        let start = style.checked_mul(columns)?;
        table.get(start..start.checked_add(columns)?).map(Arc::from)
    }

    /// The network with the style that `row` is. The result has only `image` as input.
    ///
    /// # Errors
    /// When the network has not one table of the row's length, or a number of the row is not finite.
    pub fn fold_row(&self, row: &[f32]) -> Result<Graph, GraphError> {
        self.check_row(row)?;
        self.folded(|values| match values {
            PerChannel::Styled { first_column, channels, .. } => {
                // Columns were checked against the table's width when the graph was made.
                Arc::from(&row[*first_column..first_column + channels])
            }
            PerChannel::Constant(values) => values.clone(),
        })
    }

    fn check_row(&self, row: &[f32]) -> Result<(), GraphError> {
        let expected = self.row_len().unwrap_or(0);
        if row.len() != expected || expected == 0 {
            return Err(GraphError::RowLength { found: row.len(), expected });
        }
        match row.iter().position(|v| !v.is_finite()) {
            Some(index) => Err(GraphError::StyleValue { index, value: row[index] }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TINY: &[u8] = include_bytes!("../../tests/data/tiny.onnx");

    #[test]
    fn a_row_is_the_style_that_it_came_from() {
        let graph = Graph::from_onnx(TINY).unwrap();
        assert_eq!(graph.style_len(), 2);
        let (first, second) = (graph.row(0).unwrap(), graph.row(1).unwrap());
        assert_eq!(Some(first.len()), graph.row_len());
        assert_eq!(graph.row(2), None);
        assert_eq!(graph.fold_row(&first).unwrap(), graph.fold(&[1.0, 0.0]).unwrap());
        assert_eq!(graph.fold_row(&between(&first, &second, 1.0)).unwrap(), graph.fold(&[0.0, 1.0]).unwrap());
        // In between, up to the rounding of the row.
        let (by_row, by_weights) =
            (graph.fold_row(&between(&first, &second, 0.25)).unwrap(), graph.fold(&[0.75, 0.25]).unwrap());
        for (a, b) in by_row.nodes().iter().zip(by_weights.nodes()) {
            if let (Op::Conv(a), Op::Conv(b)) = (&a.op, &b.op) {
                let far = a.weight.iter().zip(b.weight.iter()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(far < 1e-5, "{far}");
            }
        }
    }

    #[test]
    fn rows_that_do_not_fit_are_refused() {
        let graph = Graph::from_onnx(TINY).unwrap();
        let mut row = graph.row(0).unwrap().to_vec();
        row[3] = f32::NAN;
        assert!(matches!(graph.fold_row(&row), Err(GraphError::StyleValue { index: 3, .. })));
        row.pop();
        let expected = graph.row_len().unwrap();
        assert_eq!(graph.fold_row(&row).unwrap_err(), GraphError::RowLength { found: expected - 1, expected });
        // A network whose style is fixed has none to give.
        let folded = graph.fold(&[1.0, 0.0]).unwrap();
        assert_eq!((folded.row_len(), folded.row(0)), (None, None));
        assert!(matches!(folded.fold_row(&[]), Err(GraphError::RowLength { .. })));
    }
}
