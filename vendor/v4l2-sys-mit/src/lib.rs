#![allow(clippy::all)]
#![allow(deref_nullptr)]
#![allow(non_camel_case_types)]
#![allow(non_snake_case)]
#![allow(non_upper_case_globals)]

#[cfg(not(target_pointer_width = "64"))]
compile_error!("bindings.rs was generated for 64-bit Linux; run bindgen on wrapper.h for this target");

include!("bindings.rs");
