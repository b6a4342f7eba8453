//! `impasto effects` and `impasto cameras`.

use super::{CliError, Common, ListArgs, print, print_json};
use crate::effect::{Gallery, models_dirs};
use crate::source::{CameraListing, cameras as list_cameras};
use crate::terminal::say;

pub fn effects(args: &ListArgs, common: &Common) -> Result<(), CliError> {
    let (gallery, faults) = Gallery::load(&models_dirs(common.models.as_deref()));
    for fault in &faults {
        say(fault);
    }
    if gallery.is_empty() && common.models.is_some() {
        // The reason was printed above; a folder that was named and holds nothing is a failure.
        return Err(faults.into_iter().last().map_or_else(|| "no effects were found".into(), CliError::from));
    }
    if args.json {
        return print_json(&gallery.listing());
    }
    let mut text = String::new();
    for effect in gallery.effects() {
        text.push_str(&format!("{:<18}{}", effect.name, effect.title));
        if !effect.artist.is_empty() {
            text.push_str(&format!(", {}", effect.artist));
        }
        text.push_str(&format!(" ({})\n", effect.kind.name()));
        for v in effect.variants() {
            text.push_str(&format!(
                "    {:<4}{}x{}  {:.0} MMAC  {} parameters  {} KiB\n",
                v.id,
                v.width,
                v.height,
                v.mmac,
                v.params,
                v.bytes.div_ceil(1024)
            ));
        }
    }
    print(&text)
}

#[derive(serde::Serialize)]
struct Cameras {
    schema: &'static str,
    cameras: Vec<CameraListing>,
}

pub fn cameras(args: &ListArgs) -> Result<(), CliError> {
    let cameras = list_cameras().map_err(|e| e.fault())?;
    if args.json {
        return print_json(&Cameras { schema: "impasto.cameras/1", cameras });
    }
    if cameras.is_empty() {
        return print(
            "No camera was found. `impasto --source demo` shows the demo scene, `--source FILE` a picture or clip.\n",
        );
    }
    let mut text = String::new();
    for camera in &cameras {
        text.push_str(&format!("camera:{}  {}  ({})\n", camera.index, camera.name, camera.place));
        if let Some(trouble) = &camera.trouble {
            text.push_str(&format!("    {trouble}\n"));
        }
        if let Some(preferred) = &camera.preferred {
            text.push_str(&format!("    takes {preferred} when nothing else is asked for\n"));
        }
        for same in camera.modes.chunk_by(|a, b| a.coding == b.coding && a.extent == b.extent) {
            let rates: Vec<_> = same.iter().map(|mode| format!("{}", (mode.fps() * 100.0).round() / 100.0)).collect();
            text.push_str(&format!("    {} {} at {} fps\n", same[0].coding.name(), same[0].extent, rates.join(", ")));
        }
    }
    print(&text)
}
