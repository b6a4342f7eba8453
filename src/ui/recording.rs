//! That something is being recorded, kept, served or sent: always to be seen, whatever else is hidden.

use egui::{Align2, RichText, Ui, vec2};

use super::{View, style};

/// What is kept of the last seconds; a red dot, how long, how large, and what was left out; where the picture is served; which camera it is sent to: at the
/// upper right.
pub fn show(ui: &mut Ui, view: &View<'_>) {
    let mut said = Vec::new();
    if let Some(replay) = view.replay {
        said.push(format!("keeps the last {:.0} s  {}", replay.length.as_secs_f32(), megabytes(replay.bytes)));
    }
    if let Some(recording) = view.recording {
        let seconds = recording.length.as_secs();
        let mut line = format!("REC {}:{:02}  {}", seconds / 60, seconds % 60, megabytes(recording.bytes));
        if recording.dropped > 0 {
            line.push_str(&format!("  {} left out", recording.dropped));
        }
        said.push(line);
    }
    if let Some((address, clients)) = view.serving {
        let look = if clients == 1 { "1 looks".to_owned() } else { format!("{clients} look") };
        said.push(format!("http://{address}  {look}"));
    }
    if let Some((path, state)) = view.sent {
        let fares = if state.connected { "camera" } else { "is away; looked for" };
        said.push(format!("{}  {fares}", path.display()));
    }
    if said.is_empty() {
        return;
    }
    egui::Area::new(egui::Id::unique("recording"))
        .anchor(Align2::RIGHT_TOP, vec2(-12.0, 12.0))
        .order(egui::Order::Foreground)
        .interactable(false)
        .show(ui.ctx(), |ui| {
            style::opaque_card().inner_margin(egui::Margin::symmetric(12, 6)).show(ui, |ui| {
                for line in said {
                    ui.horizontal(|ui| {
                        let (dot, _) = ui.allocate_exact_size(vec2(10.0, 10.0), egui::Sense::hover());
                        ui.painter().circle_filled(dot.center(), 5.0, style::BAD);
                        ui.label(RichText::new(line).font(style::strong(13.0)));
                    });
                }
            });
        });
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
