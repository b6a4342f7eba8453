//! Which display the window opens on, and at what scale: decided before winit looks, which takes the first display that is named
//! whether or not it answers, and panics on scales that make no sense.
//!
//! Knows the environment and the X server's settings; opens no window.

#[cfg(target_os = "linux")]
use std::sync::{Mutex, MutexGuard, PoisonError};

use winit::window::Window;

/// Scales that an interface can be read at; others come from mistakes in settings.
const SCALES: std::ops::RangeInclusive<f64> = 0.5..=4.0;
/// The scale that winit takes on X11 instead of all others.
#[cfg(target_os = "linux")]
const SCALE_VARIABLE: &str = "WINIT_X11_SCALE_FACTOR";

/// The nearest scale that makes sense; 1 for what is no scale at all.
pub(super) fn held(scale: f64) -> f64 {
    if scale.is_finite() && scale > 0.0 { scale.clamp(*SCALES.start(), *SCALES.end()) } else { 1.0 }
}

/// Physical pixels per logical one for `window`.
pub(super) fn scale_of(window: &Window) -> f64 {
    held(window.scale_factor())
}

/// What the interface must be enlarged by so that it appears at [`scale_of`].
pub(super) fn correction(window: &Window) -> f32 {
    let reported = window.scale_factor();
    let usable = reported.is_finite() && reported > 0.0;
    if usable { (scale_of(window) / reported) as f32 } else { 1.0 }
}

/// What has to change in the environment before the window opens: a variable and its value.
pub type Change = (&'static str, String);

/// The change that keeps winit from a scale that it panics on, if one is needed. Logs why. Asks the X server where that is what
/// the window will open on.
#[cfg(target_os = "linux")]
pub fn settle_scale() -> Option<Change> {
    let named = std::env::var_os(SCALE_VARIABLE).filter(|v| !v.is_empty());
    if let Some(named) = named {
        let named = named.to_string_lossy();
        return match read_scale(&named) {
            Scale::AsItIs => None,
            Scale::Held(scale) => {
                log::warn!("{SCALE_VARIABLE}={named}: {scale} is used; write a number from 0.5 to 4");
                Some((SCALE_VARIABLE, scale.to_string()))
            }
            Scale::Nonsense => {
                log::warn!("{SCALE_VARIABLE}={named} is no scale, and is ignored; write a number from 0.5 to 4");
                Some((SCALE_VARIABLE, x11_scale().map_or(1.0, held).to_string()))
            }
        };
    }
    if wayland_answers() {
        return None;
    }
    let scale = x11_scale()?;
    (held(scale) != scale).then(|| {
        let (dpi, used) = (scale * 96.0, held(scale));
        log::warn!("The desktop asks for {dpi:.0} dots per inch (Xft.dpi): a scale of {used} is used");
        (SCALE_VARIABLE, used.to_string())
    })
}

/// Only on X11 does winit take the desktop's word for every scale.
#[cfg(not(target_os = "linux"))]
pub fn settle_scale() -> Option<Change> {
    None
}

/// What a value of the scale variable comes to.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    AsItIs,
    Held(f64),
    Nonsense,
}

#[cfg(target_os = "linux")]
fn read_scale(text: &str) -> Scale {
    if text.eq_ignore_ascii_case("randr") {
        return Scale::AsItIs;
    }
    // Half of the world writes 1,5.
    match text.trim().replace(',', ".").parse::<f64>() {
        Ok(scale) if scale.is_finite() && scale > 0.0 => {
            let exact = held(scale) == scale && text.parse::<f64>() == Ok(scale);
            if exact { Scale::AsItIs } else { Scale::Held(held(scale)) }
        }
        _ => Scale::Nonsense,
    }
}

#[cfg(target_os = "linux")]
type X11 = (x11rb::rust_connection::RustConnection, usize);

/// The connection through which the X server is asked. It is kept until the window has one of its own: some servers start over
/// when their last client leaves, and let nobody in meanwhile.
#[cfg(target_os = "linux")]
static X11: Mutex<Option<X11>> = Mutex::new(None);

/// The connection, opened if it is not; `None` where no X server answers.
#[cfg(target_os = "linux")]
fn x11() -> MutexGuard<'static, Option<X11>> {
    // Nothing is done under the lock that could leave a connection half made.
    let mut held = X11.lock().unwrap_or_else(PoisonError::into_inner);
    if held.is_none() {
        *held = x11rb::connect(None).ok();
    }
    held
}

/// The window has a connection of its own: nothing is asked any more.
#[cfg(target_os = "linux")]
pub(super) fn end_asking() {
    *X11.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// The scale that the desktop asks for in the X server's settings, as winit reads it. `None` where there is none.
#[cfg(target_os = "linux")]
fn x11_scale() -> Option<f64> {
    use x11rb::protocol::xproto::{AtomEnum, ConnectionExt as _};
    let mut held = x11();
    let (connection, screen) = held.as_mut()?;
    let (connection, screen) = (&*connection, *screen);
    let atom = |name: String| connection.intern_atom(false, name.as_bytes()).ok()?.reply().ok().map(|r| r.atom);
    let from_settings = || {
        let selection = atom(format!("_XSETTINGS_S{screen}"))?;
        let owner = connection.get_selection_owner(selection).ok()?.reply().ok()?.owner;
        let property = atom("_XSETTINGS_SETTINGS".to_owned())?;
        let (any, most) = (u32::from(AtomEnum::ANY), 1 << 16);
        let settings = connection.get_property(false, owner, property, any, 0, most).ok()?.reply().ok()?.value;
        dpi_in_settings(&settings)
    };
    let from_resources = || {
        let database = x11rb::resource_manager::new_from_default(connection).ok()?;
        database.get_string("Xft.dpi", "")?.parse::<f64>().ok()
    };
    from_settings().or_else(from_resources).map(|dpi| dpi / 96.0)
}

/// `Xft/DPI` in the XSETTINGS format: byte order, then settings; one that is a number has its name padded to four bytes, a serial
/// number and the value, here in 1/1024 dots per inch.
#[cfg(target_os = "linux")]
fn dpi_in_settings(settings: &[u8]) -> Option<f64> {
    const NAME: &[u8] = b"\x07\x00Xft/DPI\x00";
    const NAME_BIG_ENDIAN: &[u8] = b"\x00\x07Xft/DPI\x00";
    let big_endian = settings.first().is_some_and(|order| matches!(order, 1 | b'B'));
    let name = if big_endian { NAME_BIG_ENDIAN } else { NAME };
    let at = settings.windows(name.len()).position(|w| w == name)? + name.len() + 4;
    let value: [u8; 4] = settings.get(at..at + 4)?.try_into().ok()?;
    let dpi = if big_endian { i32::from_be_bytes(value) } else { i32::from_le_bytes(value) };
    Some(f64::from(dpi) / 1024.0)
}

/// Where a window can be opened.
#[cfg(target_os = "linux")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Display {
    /// As the environment names it.
    Named,
    /// On X11, although Wayland is named too: it does not answer.
    X11 { stale: String },
    /// Nowhere. Why, for people.
    Nowhere(String),
}

/// Looks which of the displays that the environment names answer.
#[cfg(target_os = "linux")]
pub(super) fn find_display() -> Display {
    let named = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let (wayland, display) = (named("WAYLAND_DISPLAY"), named("DISPLAY"));
    choose(wayland.as_deref(), wayland_answers(), display.as_deref(), || x11().is_some())
}

#[cfg(target_os = "linux")]
fn choose(wayland: Option<&str>, wayland_answers: bool, x11: Option<&str>, x11_answers: impl Fn() -> bool) -> Display {
    if wayland_answers {
        return Display::Named;
    }
    match (wayland, x11) {
        (Some(stale), Some(_)) if x11_answers() => Display::X11 { stale: stale.to_owned() },
        (None, Some(_)) if x11_answers() => Display::Named,
        (None, None) => Display::Nowhere("neither WAYLAND_DISPLAY nor DISPLAY is set".to_owned()),
        (Some(w), None) => Display::Nowhere(format!("WAYLAND_DISPLAY={w} does not answer")),
        (None, Some(x)) => Display::Nowhere(format!("DISPLAY={x} does not answer")),
        (Some(w), Some(x)) => Display::Nowhere(format!("neither WAYLAND_DISPLAY={w} nor DISPLAY={x} answers")),
    }
}

/// Whether a Wayland compositor listens where the environment says.
#[cfg(target_os = "linux")]
fn wayland_answers() -> bool {
    let named = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty());
    if named("WAYLAND_SOCKET").is_some() {
        return true;
    }
    let Some(display) = named("WAYLAND_DISPLAY") else { return false };
    // An absolute name stands for itself.
    let socket = std::path::PathBuf::from(named("XDG_RUNTIME_DIR").unwrap_or_default()).join(display);
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn scales_that_make_no_sense_are_held() {
        let cases =
            [(0.0, 1.0), (-1.0, 1.0), (f64::NAN, 1.0), (f64::INFINITY, 1.0), (500.0, 4.0), (0.01, 0.5), (1.5, 1.5)];
        for (asked, used) in cases {
            assert_eq!(held(asked), used, "{asked}");
        }
        for (text, read) in [
            ("1.5", Scale::AsItIs),
            ("randr", Scale::AsItIs),
            ("1,5", Scale::Held(1.5)),
            ("500", Scale::Held(4.0)),
            ("0.1", Scale::Held(0.5)),
            ("0", Scale::Nonsense),
            ("-1", Scale::Nonsense),
            ("nan", Scale::Nonsense),
            ("inf", Scale::Nonsense),
            ("large", Scale::Nonsense),
        ] {
            assert_eq!(read_scale(text), read, "{text}");
        }
    }

    #[test]
    fn the_desktops_dots_per_inch_are_read() {
        let mut settings = vec![0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0];
        settings.extend(b"\x07\x00Xft/DPI\x00");
        settings.extend([9, 0, 0, 0]);
        settings.extend((144 * 1024_i32).to_le_bytes());
        assert_eq!(dpi_in_settings(&settings), Some(144.0));
        assert_eq!(dpi_in_settings(&settings[..settings.len() - 1]), None);
        assert_eq!(dpi_in_settings(b""), None);
    }

    #[test]
    fn a_stale_wayland_display_gives_way_to_x11() {
        let (answers, silent) = (|| true, || false);
        assert_eq!(choose(Some("wayland-9"), false, Some(":0"), answers), Display::X11 { stale: "wayland-9".into() });
        assert_eq!(choose(Some("wayland-0"), true, Some(":0"), answers), Display::Named);
        assert_eq!(choose(None, false, Some(":0"), answers), Display::Named);
        for (wayland, x11) in
            [(Some("wayland-9"), Some(":7")), (Some("wayland-9"), None), (None, Some(":7")), (None, None)]
        {
            let Display::Nowhere(why) = choose(wayland, false, x11, silent) else { panic!("{wayland:?} {x11:?}") };
            assert!(!why.contains('/') && why.len() > 20, "{why}");
        }
    }
}
