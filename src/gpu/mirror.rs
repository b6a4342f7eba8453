//! Rust copies of WGSL structs, compared with what naga says about the originals. No GPU needed.
//!
//! A `#[repr(C)]` struct that is written to a uniform or storage buffer must have the shader's names, offsets and size.
//! Every such struct has a test that calls [`assert_mirror!`](crate::assert_mirror).

use super::Shader;

/// Compares one Rust struct with the WGSL struct `name`: each field's offset by name, no field missing, and the size.
/// Rust fields whose names begin with an underscore are padding and need no counterpart.
///
/// # Errors
/// What differs, in words.
pub fn check(shader: &Shader, name: &str, size_bytes: usize, fields: &[(&str, usize)]) -> Result<(), String> {
    let wgsl = shader.wgsl();
    let module = naga::front::wgsl::parse_str(&wgsl).map_err(|e| e.emit_to_string(&wgsl))?;
    let (members, span) = module
        .types
        .iter()
        .find_map(|(_, t)| match &t.inner {
            naga::TypeInner::Struct { members, span } if t.name.as_deref() == Some(name) => Some((members, *span)),
            _ => None,
        })
        .ok_or_else(|| format!("{} has no struct {name}", shader.name))?;
    let mut wrong = Vec::new();
    for member in members {
        let member_name = member.name.as_deref().unwrap_or_default();
        match fields.iter().find(|(field, _)| *field == member_name) {
            None => wrong.push(format!("'{member_name}' is missing in Rust")),
            Some((_, offset)) if *offset != member.offset as usize => {
                wrong.push(format!("'{member_name}' is at {offset} in Rust, at {} in WGSL", member.offset));
            }
            Some(_) => {}
        }
    }
    for (field, _) in fields.iter().filter(|(field, _)| !field.starts_with('_')) {
        if !members.iter().any(|m| m.name.as_deref() == Some(field)) {
            wrong.push(format!("'{field}' is missing in WGSL"));
        }
    }
    if size_bytes != span as usize {
        wrong.push(format!("{size_bytes} bytes in Rust, {span} in WGSL"));
    }
    if wrong.is_empty() { Ok(()) } else { Err(format!("{} struct {name}: {}", shader.name, wrong.join("; "))) }
}

/// `assert_mirror!(SHADER, RawLayout { width, height, stride_bytes })`: panics unless the Rust struct, all of whose fields are
/// listed, has the layout of the WGSL struct of the same name. For tests.
#[macro_export]
macro_rules! assert_mirror {
    ($shader:expr, $rust:ident { $($field:ident),* $(,)? }) => {{
        // Names every field, so that one added in Rust cannot be forgotten here.
        let _ = |whole: $rust| { let $rust { $($field: _),* } = whole; };
        let fields = [$((stringify!($field), ::std::mem::offset_of!($rust, $field))),*];
        if let Err(wrong) =
            $crate::gpu::mirror::check(&$shader, stringify!($rust), ::std::mem::size_of::<$rust>(), &fields)
        {
            panic!("{wrong}");
        }
    }};
}
