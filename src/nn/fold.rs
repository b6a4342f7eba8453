//! Fixing a style and folding constants into the convolutions around them.
//!
//! A convolution is linear, so `scale · (W x + b) + shift` is a convolution with weights `scale · W` and bias
//! `scale · b + shift`. The other way round, `W (scale · x)` is one with weights `W · scale`, whatever the padding, since a
//! scaled zero is zero. `W (x + shift)` is one with bias `b + Σ W shift` only where there is no padding: the zeros around
//! the picture are not shifted. What cannot be folded exactly stays a node of its own.

use std::sync::Arc;

use super::graph::{Conv, Graph, GraphError, Node, Op, PerChannel, ValueId};

impl Graph {
    /// The network for one style, or for a mixture: `style` has one weight for each of the network's styles (K of them,
    /// none when it takes no style). The result has only `image` as input.
    ///
    /// # Errors
    /// When `style` has another length than K or is not finite.
    pub fn fold(&self, style: &[f32]) -> Result<Graph, GraphError> {
        if style.len() != self.style_len() {
            return Err(GraphError::StyleLength { found: style.len(), expected: self.style_len() });
        }
        if let Some(index) = style.iter().position(|v| !v.is_finite()) {
            return Err(GraphError::StyleValue { index, value: style[index] });
        }
        self.folded(|values| values.at(style))
    }

    /// With every scale and shift fixed to what `at` says.
    pub(super) fn folded(&self, at: impl Fn(&PerChannel) -> Arc<[f32]>) -> Result<Graph, GraphError> {
        let mut nodes = self.nodes().to_vec();
        for node in &mut nodes {
            if let Op::Scale(values) | Op::Shift(values) = &mut node.op {
                *values = PerChannel::Constant(at(values));
            }
        }
        let mut uses = self.uses();
        let output = fold_what_follows(&mut nodes, &mut uses, self.output());
        fold_what_precedes(&mut nodes, &uses);
        Graph::new(nodes, output, 0)
    }
}

/// Folds scales and shifts into the convolution before them. Nodes that became needless stay in the list, unused.
/// Returns the value that is the output now.
fn fold_what_follows(nodes: &mut [Node], uses: &mut [usize], output: ValueId) -> ValueId {
    let mut now: Vec<ValueId> = (0..uses.len()).map(ValueId).collect();
    for index in 0..nodes.len() {
        let (before, rest) = nodes.split_at_mut(index);
        let node = &mut rest[0];
        for input in &mut node.inputs {
            *input = now[input.0];
        }
        let (Op::Scale(PerChannel::Constant(_)) | Op::Shift(PerChannel::Constant(_))) = &node.op else { continue };
        let input = node.inputs[0];
        let Some(Op::Conv(conv)) = input.0.checked_sub(1).map(|i| &mut before[i].op) else { continue };
        if uses[input.0] != 1 {
            continue;
        }
        match &node.op {
            Op::Scale(PerChannel::Constant(scale)) => scale_outputs(conv, scale),
            Op::Shift(PerChannel::Constant(shift)) => {
                conv.bias = conv.bias.iter().zip(shift.iter()).map(|(b, s)| b + s).collect();
            }
            _ => continue,
        }
        now[index + 1] = input;
        uses[input.0] = uses[index + 1];
    }
    now[output.0]
}

/// Folds scales, and where nothing is padded shifts, into the convolution after them.
fn fold_what_precedes(nodes: &mut [Node], uses: &[usize]) {
    for index in 0..nodes.len() {
        let (before, rest) = nodes.split_at_mut(index);
        let node = &mut rest[0];
        let Op::Conv(conv) = &mut node.op else { continue };
        while let Some(producer) = node.inputs[0].0.checked_sub(1).map(|i| &before[i]) {
            if uses[node.inputs[0].0] != 1 {
                break;
            }
            match &producer.op {
                Op::Scale(PerChannel::Constant(scale)) => scale_inputs(conv, scale),
                Op::Shift(PerChannel::Constant(shift)) if conv.pads.is_zero() => shift_inputs(conv, shift),
                _ => break,
            }
            node.inputs[0] = producer.inputs[0];
        }
    }
}

fn scale_outputs(conv: &mut Conv, scale: &[f32]) {
    let row = conv.weight.len() / conv.out_channels;
    conv.weight = conv.weight.iter().enumerate().map(|(i, w)| w * scale[i / row]).collect();
    conv.bias = conv.bias.iter().zip(scale).map(|(b, s)| b * s).collect();
}

/// The input channel of weight `index`.
fn input_channel(conv: &Conv, index: usize) -> usize {
    let tap = index / (conv.kernel * conv.kernel);
    if conv.is_depthwise() { tap } else { tap % conv.in_channels }
}

fn scale_inputs(conv: &mut Conv, scale: &[f32]) {
    let weight: Arc<[f32]> = conv.weight.iter().enumerate().map(|(i, w)| w * scale[input_channel(conv, i)]).collect();
    conv.weight = weight;
}

fn shift_inputs(conv: &mut Conv, shift: &[f32]) {
    let row = conv.weight.len() / conv.out_channels;
    let bias: Arc<[f32]> = (0..conv.out_channels)
        .map(|o| {
            let taps =
                (o * row..(o + 1) * row).map(|i| f64::from(conv.weight[i]) * f64::from(shift[input_channel(conv, i)]));
            (f64::from(conv.bias[o]) + taps.sum::<f64>()) as f32
        })
        .collect();
    conv.bias = bias;
}
