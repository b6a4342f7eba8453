//! From a [`Graph`] back to an ONNX file, for ONNX Runtime: height and width free, all numbers float32.

use std::sync::Arc;

use super::graph::{Activation, Graph, Interpolation, Op, PerChannel, ValueId};
use super::onnx::{
    self, AttributeProto, DimensionProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TensorTypeProto, TypeProto, ValueInfoProto, attribute_type, data_type,
};

const OPSET: i64 = 17;
/// The version of the file format that goes with the operator set.
const IR_VERSION: i64 = 8;

impl Graph {
    /// The network as the bytes of an `.onnx` file: input `image` `[1, 3, height, width]`, where it takes one also `canvas`
    /// `[1, C, half_height, half_width]`, while no style is fixed also `style` `[1, K]`, output `painted`.
    pub fn to_onnx(&self) -> Vec<u8> {
        self.write(false)
    }

    /// As [`Self::to_onnx`], with the style's row (see [`super::style`]) as the input: `style` `[1, T]`. `None` for a network
    /// that has no single style table.
    pub fn to_onnx_by_row(&self) -> Option<Vec<u8>> {
        self.row_len().map(|_| self.write(true))
    }

    fn write(&self, by_row: bool) -> Vec<u8> {
        let mut file = Exporter { by_row, ..Exporter::default() };
        for (index, node) in self.nodes().iter().enumerate() {
            if let Op::Canvas { .. } = node.op {
                continue;
            }
            let output = self.value_name(ValueId(index + 1));
            let mut inputs: Vec<String> = node.inputs.iter().map(|v| self.value_name(*v)).collect();
            let mut attributes = Vec::new();
            match &node.op {
                Op::Conv(conv) => {
                    let (o, i, k) = (conv.out_channels, conv.in_channels / conv.groups, conv.kernel);
                    inputs.push(file.floats(&output, "weight", &[o, i, k, k], &conv.weight));
                    inputs.push(file.floats(&output, "bias", &[o], &conv.bias));
                    let p = conv.pads;
                    attributes = vec![
                        ints("kernel_shape", &[k, k]),
                        ints("strides", &[conv.stride, conv.stride]),
                        ints("pads", &[p.top, p.left, p.bottom, p.right]),
                        int("group", conv.groups as i64),
                    ];
                }
                Op::Activate(Activation::Clip { min, max }) if *min != 0.0 || *max != f32::INFINITY => {
                    for (part, value) in [("min", *min), ("max", *max)] {
                        let bounded = value.is_finite();
                        inputs.push(if bounded { file.floats(&output, part, &[], &[value]) } else { String::new() });
                    }
                }
                Op::Scale(values) | Op::Shift(values) => {
                    inputs.push(file.per_channel(&output, values, self.style_len()))
                }
                Op::Resize(interpolation) => {
                    inputs.push(String::new());
                    inputs.push(file.floats(&output, "scales", &[4], &[1.0, 1.0, 2.0, 2.0]));
                    attributes = match interpolation {
                        Interpolation::Linear => {
                            vec![text("mode", "linear"), text("coordinate_transformation_mode", "half_pixel")]
                        }
                        Interpolation::Nearest => vec![
                            text("mode", "nearest"),
                            text("coordinate_transformation_mode", "asymmetric"),
                            text("nearest_mode", "floor"),
                        ],
                    };
                }
                Op::Concat => attributes.push(int("axis", 1)),
                Op::DepthToSpace => attributes = vec![int("blocksize", 2), text("mode", "CRD")],
                Op::Activate(_) | Op::Combine(_) | Op::Canvas { .. } => {}
            }
            file.node(node.op.onnx_name(), inputs, output, attributes);
        }
        let mut input = vec![value_info("image", &[Side::Fixed(3), Side::Free("height"), Side::Free("width")])];
        if let Some(canvas) = self.canvas() {
            let sides = [Side::Fixed(self.channels(canvas)), Side::Free("half_height"), Side::Free("half_width")];
            input.push(value_info("canvas", &sides));
        }
        let style_len = if by_row { self.row_len().unwrap_or(0) } else { self.style_len() };
        if style_len > 0 {
            input.push(value_info("style", &[Side::Fixed(style_len)]));
        }
        if self.output() == ValueId::IMAGE {
            file.node("Identity", vec!["image".to_owned()], "painted".to_owned(), Vec::new());
        }
        onnx::encode(&ModelProto {
            ir_version: IR_VERSION,
            producer_name: "impasto".to_owned(),
            opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
            graph: Some(GraphProto {
                name: "impasto student".to_owned(),
                node: file.nodes,
                initializer: file.constants,
                input,
                output: vec![value_info("painted", &[Side::Fixed(3), Side::Free("height"), Side::Free("width")])],
            }),
        })
    }

    fn value_name(&self, value: ValueId) -> String {
        match value {
            ValueId::IMAGE => "image".to_owned(),
            v if Some(v) == self.canvas() => "canvas".to_owned(),
            v if v == self.output() => "painted".to_owned(),
            ValueId(index) => format!("v{index}"),
        }
    }
}

#[derive(Default)]
struct Exporter {
    nodes: Vec<NodeProto>,
    constants: Vec<TensorProto>,
    /// The style comes in as the product of its weights and the table.
    by_row: bool,
    /// Tables that are written already, by address.
    tables: Vec<(Arc<[f32]>, String)>,
}

impl Exporter {
    fn node(&mut self, op: &str, input: Vec<String>, output: String, attribute: Vec<AttributeProto>) {
        self.nodes.push(NodeProto {
            name: output.clone(),
            op_type: op.to_owned(),
            input,
            output: vec![output],
            attribute,
            ..Default::default()
        });
    }

    fn constant(&mut self, name: String, data_type: i32, dims: &[usize], raw_data: Vec<u8>) -> String {
        let dims = dims.iter().map(|d| *d as i64).collect();
        self.constants.push(TensorProto { name: name.clone(), data_type, dims, raw_data, ..Default::default() });
        name
    }

    fn floats(&mut self, owner: &str, part: &str, dims: &[usize], values: &[f32]) -> String {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(format!("{owner}.{part}"), data_type::FLOAT, dims, bytes)
    }

    fn ints(&mut self, owner: &str, part: &str, values: &[usize]) -> String {
        let bytes = values.iter().flat_map(|v| (*v as i64).to_le_bytes()).collect();
        self.constant(format!("{owner}.{part}"), data_type::INT64, &[values.len()], bytes)
    }

    /// The name of a value `[1, C, 1, 1]`.
    fn per_channel(&mut self, owner: &str, values: &PerChannel, style_len: usize) -> String {
        match values {
            PerChannel::Constant(values) => self.floats(owner, "constant", &[1, values.len(), 1, 1], values),
            PerChannel::Styled { table, columns, first_column, channels } => {
                let row = if self.by_row { Some("style".to_owned()) } else { None };
                let known = self.tables.iter().find(|(t, _)| Arc::ptr_eq(t, table)).map(|(_, row)| row.clone());
                let row = row.or(known).unwrap_or_else(|| {
                    let row = format!("style_row{}", self.tables.len());
                    let data = self.floats(&row, "table", &[style_len, *columns], table);
                    self.node("MatMul", vec!["style".to_owned(), data], row.clone(), Vec::new());
                    self.tables.push((table.clone(), row.clone()));
                    row
                });
                let start = self.ints(owner, "start", &[*first_column]);
                let end = self.ints(owner, "end", &[first_column + channels]);
                let axis = self.ints(owner, "axis", &[1]);
                let (flat, made) = (format!("{owner}.flat"), format!("{owner}.style"));
                self.node("Slice", vec![row, start, end, axis], flat.clone(), Vec::new());
                let shape = self.ints(owner, "shape", &[1, *channels, 1, 1]);
                self.node("Reshape", vec![flat, shape], made.clone(), Vec::new());
                made
            }
        }
    }
}

fn int(name: &str, i: i64) -> AttributeProto {
    AttributeProto { name: name.to_owned(), i, r#type: attribute_type::INT, ..Default::default() }
}

fn ints(name: &str, values: &[usize]) -> AttributeProto {
    let ints = values.iter().map(|v| *v as i64).collect();
    AttributeProto { name: name.to_owned(), ints, r#type: attribute_type::INTS, ..Default::default() }
}

fn text(name: &str, value: &str) -> AttributeProto {
    let s = value.as_bytes().to_vec();
    AttributeProto { name: name.to_owned(), s, r#type: attribute_type::STRING, ..Default::default() }
}

enum Side {
    Fixed(usize),
    Free(&'static str),
}

/// A float32 input or output whose first side is 1.
fn value_info(name: &str, sides: &[Side]) -> ValueInfoProto {
    let fixed = |n: usize| DimensionProto { dim_value: Some(n as i64), ..Default::default() };
    let rest = sides.iter().map(|side| match side {
        Side::Fixed(n) => fixed(*n),
        Side::Free(name) => DimensionProto { dim_value: None, dim_param: (*name).to_owned() },
    });
    ValueInfoProto {
        name: name.to_owned(),
        r#type: Some(TypeProto {
            tensor_type: Some(TensorTypeProto {
                elem_type: data_type::FLOAT,
                shape: Some(TensorShapeProto { dim: std::iter::once(fixed(1)).chain(rest).collect() }),
            }),
        }),
    }
}
