//! Protobuf's wire format, walked without building anything: a message is a list of fields, and a list of fields is what
//! any part of it can be put together from again.

use super::Obstacle;

/// A field of a message.
#[derive(Clone, Copy, Debug)]
pub struct Field<'a> {
    pub number: u64,
    /// Of a number; 0 for others.
    pub value: u64,
    /// Of a text, of bytes, or of a message; empty for others.
    pub bytes: &'a [u8],
    /// The field as it stands in the message, its key included.
    pub whole: &'a [u8],
}

/// The fields of a message, in order. After an error there are no more.
pub fn fields(message: &[u8]) -> impl Iterator<Item = Result<Field<'_>, Obstacle>> {
    let mut rest = Some(message);
    std::iter::from_fn(move || {
        let begin = rest.take().filter(|rest| !rest.is_empty())?;
        let mut bytes = begin;
        let field = field(&mut bytes).map(|field| {
            rest = Some(bytes);
            Field { whole: &begin[..begin.len() - bytes.len()], ..field }
        });
        Some(field.ok_or(Obstacle::Damaged("it is not laid out as ONNX files are")))
    })
}

fn field<'a>(bytes: &mut &'a [u8]) -> Option<Field<'a>> {
    let key = varint(bytes)?;
    let (mut value, mut length) = (0, 0);
    match key & 7 {
        0 => value = varint(bytes)?,
        1 => length = 8,
        2 => length = usize::try_from(varint(bytes)?).ok()?,
        5 => length = 4,
        _ => return None,
    }
    let (inner, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    let number = key >> 3;
    (number > 0).then_some(Field { number, value, bytes: if key & 7 == 2 { inner } else { &[] }, whole: &[] })
}

/// Seven bits a byte, lowest first, until a byte without its top bit.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
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

/// Appends a number.
pub fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Appends a field of bytes.
pub fn put_bytes(out: &mut Vec<u8>, number: u64, bytes: &[u8]) {
    put_varint(out, number << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
