//! The ONNX file format, as far as a student needs it: protobuf messages, read and written.
//!
//! Field numbers are those of `onnx.proto` (Apache-2.0, <https://github.com/onnx/onnx/blob/main/onnx/onnx.proto>); fields
//! that no student uses are left out, and skipped when a file has them. Knows nothing of what a node means: [`super::graph`]
//! does. A file is not trusted: [`decode`] bounds what it allocates by the limits below before it builds anything.

use prost::Message as _;

use super::graph::GraphError;

/// Largest file that is read. The largest student is a few megabytes.
pub const MAX_FILE_BYTES: usize = 64 << 20;
/// Most messages and strings in a file: nodes, attributes, tensors, names. A student has a few thousand. An empty one takes
/// two bytes in the file and hundreds in memory, so the size of the file alone bounds nothing.
pub const MAX_MESSAGES: usize = 200_000;

/// `TensorProto.DataType`, the ones that a student may hold.
pub mod data_type {
    pub const FLOAT: i32 = 1;
    pub const INT32: i32 = 6;
    pub const INT64: i32 = 7;
    pub const FLOAT16: i32 = 10;
}

/// `AttributeProto.AttributeType`, the ones that a student may hold.
pub mod attribute_type {
    pub const FLOAT: i32 = 1;
    pub const INT: i32 = 2;
    pub const STRING: i32 = 3;
    pub const INTS: i32 = 7;
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ModelProto {
    #[prost(int64, tag = "1")]
    pub ir_version: i64,
    #[prost(string, tag = "2")]
    pub producer_name: String,
    #[prost(message, optional, tag = "7")]
    pub graph: Option<GraphProto>,
    #[prost(message, repeated, tag = "8")]
    pub opset_import: Vec<OperatorSetIdProto>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct OperatorSetIdProto {
    #[prost(string, tag = "1")]
    pub domain: String,
    #[prost(int64, tag = "2")]
    pub version: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct GraphProto {
    #[prost(message, repeated, tag = "1")]
    pub node: Vec<NodeProto>,
    #[prost(string, tag = "2")]
    pub name: String,
    #[prost(message, repeated, tag = "5")]
    pub initializer: Vec<TensorProto>,
    #[prost(message, repeated, tag = "11")]
    pub input: Vec<ValueInfoProto>,
    #[prost(message, repeated, tag = "12")]
    pub output: Vec<ValueInfoProto>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct NodeProto {
    #[prost(string, repeated, tag = "1")]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = "2")]
    pub output: Vec<String>,
    #[prost(string, tag = "3")]
    pub name: String,
    #[prost(string, tag = "4")]
    pub op_type: String,
    #[prost(message, repeated, tag = "5")]
    pub attribute: Vec<AttributeProto>,
    #[prost(string, tag = "7")]
    pub domain: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct AttributeProto {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(float, tag = "2")]
    pub f: f32,
    #[prost(int64, tag = "3")]
    pub i: i64,
    #[prost(bytes = "vec", tag = "4")]
    pub s: Vec<u8>,
    #[prost(int64, repeated, packed = "false", tag = "8")]
    pub ints: Vec<i64>,
    #[prost(int32, tag = "20")]
    pub r#type: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorProto {
    #[prost(int64, repeated, packed = "false", tag = "1")]
    pub dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    pub data_type: i32,
    #[prost(float, repeated, tag = "4")]
    pub float_data: Vec<f32>,
    /// Also holds the bits of float16 values.
    #[prost(int32, repeated, tag = "5")]
    pub int32_data: Vec<i32>,
    #[prost(int64, repeated, tag = "7")]
    pub int64_data: Vec<i64>,
    #[prost(string, tag = "8")]
    pub name: String,
    #[prost(bytes = "vec", tag = "9")]
    pub raw_data: Vec<u8>,
    /// 1: the values lie in another file.
    #[prost(int32, tag = "14")]
    pub data_location: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct ValueInfoProto {
    #[prost(string, tag = "1")]
    pub name: String,
    #[prost(message, optional, tag = "2")]
    pub r#type: Option<TypeProto>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct TypeProto {
    #[prost(message, optional, tag = "1")]
    pub tensor_type: Option<TensorTypeProto>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorTypeProto {
    #[prost(int32, tag = "1")]
    pub elem_type: i32,
    #[prost(message, optional, tag = "2")]
    pub shape: Option<TensorShapeProto>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub struct TensorShapeProto {
    #[prost(message, repeated, tag = "1")]
    pub dim: Vec<DimensionProto>,
}

/// A length, or a name for a length that may differ from run to run.
#[derive(Clone, PartialEq, prost::Message)]
pub struct DimensionProto {
    #[prost(int64, optional, tag = "1")]
    pub dim_value: Option<i64>,
    #[prost(string, tag = "2")]
    pub dim_param: String,
}

/// Reads a file.
///
/// # Errors
/// When it is larger than the limits or is not a protobuf of this shape.
pub fn decode(bytes: &[u8]) -> Result<ModelProto, GraphError> {
    if bytes.len() > MAX_FILE_BYTES {
        return Err(GraphError::TooLarge { what: "file size in bytes", found: bytes.len(), limit: MAX_FILE_BYTES });
    }
    let mut left = MAX_MESSAGES;
    count_messages(bytes, Level::Model, &mut left)?;
    ModelProto::decode(bytes).map_err(|e| GraphError::NotOnnx(e.to_string()))
}

/// Writes a file.
pub fn encode(model: &ModelProto) -> Vec<u8> {
    model.encode_to_vec()
}

/// The messages that hold messages or lists of strings.
#[derive(Clone, Copy)]
enum Level {
    Model,
    Graph,
    Node,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    Leaf,
}

impl Level {
    /// What the length-delimited field `tag` of a message of this kind holds; None for plain bytes and packed numbers.
    fn field(self, tag: u64) -> Option<Level> {
        Some(match (self, tag) {
            (Level::Model, 7) => Level::Graph,
            (Level::Model, 8) | (Level::Graph, 5) | (Level::Node, 1 | 2 | 5) | (Level::Shape, 1) => Level::Leaf,
            (Level::Graph, 1) => Level::Node,
            (Level::Graph, 11 | 12) => Level::ValueInfo,
            (Level::ValueInfo, 2) => Level::Type,
            (Level::Type, 1) => Level::TensorType,
            (Level::TensorType, 2) => Level::Shape,
            _ => return None,
        })
    }
}

/// Walks the wire format without building anything, and takes one off `left` for every message and listed string.
fn count_messages(mut bytes: &[u8], level: Level, left: &mut usize) -> Result<(), GraphError> {
    let cut = || GraphError::NotOnnx("the file is cut short".to_owned());
    while !bytes.is_empty() {
        let key = varint(&mut bytes).ok_or_else(cut)?;
        let skip = match key & 7 {
            0 => varint(&mut bytes).map(|_| 0).ok_or_else(cut)?,
            1 => 8,
            5 => 4,
            2 => usize::try_from(varint(&mut bytes).ok_or_else(cut)?).map_err(|_| cut())?,
            other => return Err(GraphError::NotOnnx(format!("wire type {other} is not in use"))),
        };
        let (field, rest) = bytes.split_at_checked(skip).ok_or_else(cut)?;
        bytes = rest;
        if key & 7 == 2
            && let Some(inner) = level.field(key >> 3)
        {
            *left = left.checked_sub(1).ok_or(GraphError::TooLarge {
                what: "number of nodes, tensors and names",
                found: MAX_MESSAGES + 1,
                limit: MAX_MESSAGES,
            })?;
            if !matches!(inner, Level::Leaf) {
                count_messages(field, inner, left)?;
            }
        }
    }
    Ok(())
}

/// Seven bits a byte, lowest first, until a byte without its top bit.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_empty_messages_is_refused_before_they_are_built() {
        // Field 1 of the graph, length 0, a million times.
        let nodes = [0x0a, 0x00].repeat(1_000_000);
        let mut file = vec![0x3a];
        prost::encoding::encode_varint(nodes.len() as u64, &mut file);
        file.extend(nodes);
        assert!(matches!(decode(&file), Err(GraphError::TooLarge { .. })));
    }

    #[test]
    fn what_is_written_is_read() {
        let model = ModelProto {
            ir_version: 8,
            graph: Some(GraphProto {
                node: vec![NodeProto {
                    op_type: "Relu".to_owned(),
                    input: vec!["image".to_owned()],
                    output: vec!["painted".to_owned()],
                    attribute: vec![AttributeProto { name: "x".to_owned(), ints: vec![-1, 2], ..Default::default() }],
                    ..Default::default()
                }],
                ..Default::default()
            }),
            ..Default::default()
        };
        assert_eq!(decode(&encode(&model)).unwrap(), model);
    }
}
