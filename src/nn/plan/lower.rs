//! Which kernels run, in which order: nodes to calls, with activations and sums fused into the call before them.

use super::super::graph::{
    Activation, Arithmetic, Conv, Graph, GraphError, Interpolation, Op, PerChannel, Shape, ValueId,
};
use super::{Precision, SecondUse};
use crate::units::Extent;

/// What a call computes.
#[derive(Clone, Debug)]
pub(in super::super) enum Work<'a> {
    Conv(&'a Conv),
    Resize(Interpolation),
    DepthToSpace,
    Combine,
    /// Scale and shift of each channel; None is 1 and 0.
    Affine {
        scale: Option<&'a [f32]>,
        shift: Option<&'a [f32]>,
    },
    /// The same picture elsewhere, or in the other precision.
    Copy,
}

impl Work<'_> {
    /// Whether the kernel ends in an activation.
    fn activates(&self) -> bool {
        matches!(self, Self::Conv(_) | Self::Combine | Self::Affine { .. })
    }
}

#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    pub name: String,
    pub work: Work<'a>,
    pub source: ValueId,
    pub second: Option<(ValueId, SecondUse)>,
    pub activation: Option<Activation>,
    pub target: ValueId,
}

#[derive(Clone, Debug)]
pub(super) enum Item<'a> {
    Call(Call<'a>),
    /// The parts are wanted side by side as `target`.
    Concat {
        name: String,
        parts: Vec<ValueId>,
        target: ValueId,
    },
}

/// Calls in order. Values are the graph's, and a few more made here.
pub(super) struct Lowered<'a> {
    pub items: Vec<Item<'a>>,
    /// Of each value.
    pub shapes: Vec<Shape>,
    /// Made by a call that nothing else reads.
    pub painted: ValueId,
    /// Made by no call, like the image.
    pub canvas: Option<ValueId>,
}

pub(super) fn lower(graph: &Graph, extent: Extent, precision: Precision) -> Result<Lowered<'_>, GraphError> {
    let mut shapes = graph.shapes(extent)?;
    let mut uses = graph.uses();
    let mut items: Vec<Item<'_>> = Vec::new();
    // The item that makes each value; None for the image.
    let mut maker: Vec<Option<usize>> = vec![None; shapes.len()];

    for (index, node) in graph.nodes().iter().enumerate() {
        let target = ValueId(index + 1);
        let Some(&first) = node.inputs.first() else { continue };
        let call = |work, second, activation| {
            Item::Call(Call { name: node.name.clone(), work, source: first, second, activation, target })
        };
        let item = match &node.op {
            Op::Conv(conv) => call(Work::Conv(conv), None, None),
            Op::Activate(activation) => {
                if let Some(made_by) = maker[first.0]
                    && uses[first.0] == 1
                    && let Item::Call(before) = &mut items[made_by]
                    && fuse_activation(before, *activation)
                {
                    before.target = target;
                    maker[target.0] = Some(made_by);
                    continue;
                }
                call(Work::Affine { scale: None, shift: None }, None, Some(*activation))
            }
            Op::Scale(PerChannel::Constant(v)) => call(Work::Affine { scale: Some(v), shift: None }, None, None),
            Op::Shift(PerChannel::Constant(v)) => call(Work::Affine { scale: None, shift: Some(v) }, None, None),
            Op::Scale(_) | Op::Shift(_) => return Err(GraphError::Unfolded),
            Op::Combine(arithmetic) => {
                let second = node.inputs[1];
                if *arithmetic == Arithmetic::Add
                    && let Some(made_by) = fuse_sum(&mut items, &maker, &uses, [first, second])
                {
                    if let Item::Call(before) = &mut items[made_by] {
                        before.target = target;
                    }
                    maker[target.0] = Some(made_by);
                    continue;
                }
                call(Work::Combine, Some((second, SecondUse::BeforeActivation(*arithmetic))), None)
            }
            // Made outside.
            Op::Canvas { .. } => continue,
            Op::Concat => Item::Concat { name: node.name.clone(), parts: node.inputs.clone(), target },
            Op::Resize(interpolation) => call(Work::Resize(*interpolation), None, None),
            Op::DepthToSpace => call(Work::DepthToSpace, None, None),
        };
        maker[target.0] = Some(items.len());
        items.push(item);
    }

    let (painted, canvas) = (graph.output(), graph.canvas());
    let mut lowered = Lowered { items, shapes: std::mem::take(&mut shapes), painted, canvas };
    for (value, name) in [(Some(ValueId::IMAGE), "image"), (canvas, "canvas")] {
        if let Some(value) = value {
            lowered.own_input(value, name, &mut uses, precision);
        }
    }
    lowered.own_painted(&uses, precision);
    Ok(lowered)
}

/// Makes `call` end in `activation`, if it can.
fn fuse_activation(call: &mut Call<'_>, activation: Activation) -> bool {
    if !call.work.activates() || call.activation.is_some() {
        return false;
    }
    // Without an activation so far, a sum after it is the same as one before it.
    if let Some((_, how @ SecondUse::AddAfterActivation)) = &mut call.second {
        *how = SecondUse::BeforeActivation(Arithmetic::Add);
    }
    call.activation = Some(activation);
    true
}

/// Makes the convolution that yields one of the operands, when nothing else reads it, add the other. Returns its item.
fn fuse_sum(items: &mut [Item<'_>], maker: &[Option<usize>], uses: &[usize], operands: [ValueId; 2]) -> Option<usize> {
    for (value, other) in [(operands[1], operands[0]), (operands[0], operands[1])] {
        let Some(made_by) = maker[value.0] else { continue };
        // The other must be there when the convolution runs.
        if uses[value.0] != 1 || maker[other.0].is_some_and(|m| m >= made_by) {
            continue;
        }
        if let Item::Call(call @ Call { work: Work::Conv(_), second: None, .. }) = &mut items[made_by] {
            call.second = Some((other, SecondUse::AddAfterActivation));
            return Some(made_by);
        }
    }
    None
}

impl Lowered<'_> {
    fn add_value(&mut self, like: ValueId) -> ValueId {
        self.shapes.push(self.shapes[like.0]);
        ValueId(self.shapes.len() - 1)
    }

    /// What comes from outside is float32. With another precision only one plain reader takes it as it is; else a copy is
    /// made.
    fn own_input(&mut self, input: ValueId, name: &str, uses: &mut Vec<usize>, precision: Precision) {
        let plain = |item: &Item<'_>| match item {
            Item::Call(c) => c.source == input && c.second.is_none() && c.target != self.painted,
            // A copy into the joined picture, which converts.
            Item::Concat { parts, .. } => parts.contains(&input),
        };
        let as_it_is = uses[input.0] == 1 && self.items.iter().any(plain);
        if precision == Precision::F32 || as_it_is || uses[input.0] == 0 {
            return;
        }
        let copy = self.add_value(input);
        let replace = |value: &mut ValueId| {
            if *value == input {
                *value = copy;
            }
        };
        for item in &mut self.items {
            match item {
                Item::Call(call) => {
                    replace(&mut call.source);
                    if let Some((second, _)) = &mut call.second {
                        replace(second);
                    }
                }
                Item::Concat { parts, .. } => parts.iter_mut().for_each(replace),
            }
        }
        replace(&mut self.painted);
        uses.push(uses[input.0]);
        self.items.insert(0, Item::Call(Call::copy(name.to_owned(), input, copy)));
    }

    /// The painting is float32 and lies in a buffer of its own: a copy, unless a call can write it there.
    fn own_painted(&mut self, uses: &[usize], precision: Precision) {
        let direct = uses[self.painted.0] == 1
            && self.items.iter().any(|item| {
                matches!(item, Item::Call(c) if c.target == self.painted
                    && (precision == Precision::F32 || c.source != ValueId::IMAGE))
            });
        if !direct {
            let copy = self.add_value(self.painted);
            self.items.push(Item::Call(Call::copy("painted".to_owned(), self.painted, copy)));
            self.painted = copy;
        }
    }
}

impl Call<'_> {
    pub fn copy(name: String, source: ValueId, target: ValueId) -> Self {
        Self { name, work: Work::Copy, source, second: None, activation: None, target }
    }

    pub fn work_is_copy(&self) -> bool {
        matches!(self.work, Work::Copy)
    }
}
