//! The operators between the style and what each channel is scaled and shifted by: all of them only choose columns of the
//! product of the style and a table.

use super::{Attributes, Meaning};

pub(super) fn matmul(inputs: &[Option<Meaning>], style_len: usize) -> Result<Meaning, String> {
    match inputs {
        [Some(Meaning::Style), Some(Meaning::Floats { dims, data })] => match **dims {
            [rows, columns] if rows == style_len => {
                Ok(Meaning::Row { table: data.clone(), columns, first: 0, len: columns, per_channel: false })
            }
            _ => Err(format!("its table has the shape {dims:?} for {style_len} styles")),
        },
        _ => Err("only the style can be multiplied, with a constant table".to_owned()),
    }
}

pub(super) fn split(
    attributes: &Attributes<'_>,
    inputs: &[Option<Meaning>],
    parts: usize,
) -> Result<Vec<Meaning>, String> {
    let Some(Some(Meaning::Row { table, columns, first, len, per_channel: false })) = inputs.first() else {
        return Err("only the style's row can be split".to_owned());
    };
    if !matches!(attributes.int("axis", 0)?, 1 | -1) {
        return Err("only axis 1 can be split".to_owned());
    }
    let sizes: Vec<usize> = match inputs.get(1) {
        Some(Some(Meaning::Ints(sizes))) if sizes.len() == parts => {
            sizes.iter().map(|s| usize::try_from(*s).ok()).collect::<Option<_>>().ok_or("it has a negative size")?
        }
        None | Some(None) if parts > 0 && len.is_multiple_of(parts) => vec![len / parts; parts],
        _ => return Err(format!("its sizes do not make {parts} parts")),
    };
    let total = sizes.iter().try_fold(0usize, |n, s| n.checked_add(*s));
    if total != Some(*len) {
        return Err(format!("its sizes do not add up to {len}"));
    }
    let mut at = *first;
    Ok(sizes
        .into_iter()
        .map(|len| {
            let part = Meaning::Row { table: table.clone(), columns: *columns, first: at, len, per_channel: false };
            at += len;
            part
        })
        .collect())
}

pub(super) fn slice(inputs: &[Option<Meaning>]) -> Result<Meaning, String> {
    let Some(Some(Meaning::Row { table, columns, first, len, per_channel: false })) = inputs.first() else {
        return Err("only the style's row can be sliced".to_owned());
    };
    let one = |index: usize| match inputs.get(index) {
        Some(Some(Meaning::Ints(values))) if values.len() == 1 => Ok(Some(values[0])),
        None | Some(None) => Ok(None),
        _ => Err(format!("its input {index} is not one constant integer")),
    };
    let (start, end, axis, step) = (one(1)?, one(2)?, one(3)?, one(4)?);
    let (Some(start), Some(end)) = (start, end) else {
        return Err("it has no start or no end".to_owned());
    };
    if !matches!(axis, Some(1 | -1)) || !matches!(step, None | Some(1)) {
        return Err("only axis 1 can be sliced, in steps of 1".to_owned());
    }
    let length = *len as i64;
    let place = |at: i64| (if at < 0 { at.saturating_add(length) } else { at }).clamp(0, length) as usize;
    let (start, end) = (place(start), place(end));
    Ok(Meaning::Row {
        table: table.clone(),
        columns: *columns,
        first: first + start,
        len: end.saturating_sub(start),
        per_channel: false,
    })
}

pub(super) fn reshape(attributes: &Attributes<'_>, inputs: &[Option<Meaning>]) -> Result<Meaning, String> {
    let (Some(Some(Meaning::Row { table, columns, first, len, .. })), Some(Some(Meaning::Ints(shape)))) =
        (inputs.first(), inputs.get(1))
    else {
        return Err("only the style's row can be reshaped, to a constant shape".to_owned());
    };
    if attributes.int("allowzero", 0)? != 0 {
        return Err("the attribute 'allowzero' is not possible".to_owned());
    }
    let fits = |value: i64, wanted: usize, zero_ok: bool| {
        value == -1 || (value == 0 && zero_ok) || usize::try_from(value) == Ok(wanted)
    };
    let guesses = shape.iter().filter(|d| **d == -1).count();
    let per_channel = match **shape {
        [n, c, h, w] if fits(n, 1, true) && fits(c, *len, true) && fits(h, 1, false) && fits(w, 1, false) => true,
        [n, c] if fits(n, 1, true) && fits(c, *len, true) => false,
        _ => return Err(format!("[1, {len}] can only become [1, {len}, 1, 1]")),
    };
    if guesses > 1 {
        return Err("its shape has more than one unknown".to_owned());
    }
    Ok(Meaning::Row { table: table.clone(), columns: *columns, first: *first, len: *len, per_channel })
}
