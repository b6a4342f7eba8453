//! `impasto telemetry`: whether figures are sent, exactly which, and turning it on and off.

use super::{CliError, TelemetryArgs, print};
use crate::export::otlp;
use crate::fault::Fault;
use crate::settings::Settings;
use crate::terminal::say;

/// # Errors
/// When there is no folder for settings, or it cannot be written.
pub fn run(args: &TelemetryArgs) -> Result<(), CliError> {
    if args.example {
        return print(&format!("{:#}\n", otlp::encode(&otlp::example())));
    }
    let folder = crate::folders::config_folder().ok_or_else(|| {
        Fault::failed("There is no folder for settings on this system", "Name one with IMPASTO_CONFIG=FOLDER")
    })?;
    let (mut settings, fault) = Settings::load(&folder);
    if let Some(fault) = fault {
        say(fault);
    }
    let before = settings.telemetry.clone();
    if args.off {
        settings.telemetry.on = false;
    } else if let Some(endpoint) = &args.on {
        settings.telemetry.endpoint = Some(endpoint.clone());
        settings.telemetry.on = args.agree;
    }
    let mut text = if args.off { String::new() } else { otlp::disclosure() };
    if !text.is_empty() {
        text.push('\n');
    }
    match settings.telemetry.destination() {
        Some(endpoint) => text.push_str(&format!(
            "It is ON: from its next start on, a window sends to {} every {} s. Turn it off with: impasto telemetry --off\n",
            endpoint.metrics_url(),
            otlp::Telemetry::EVERY.as_secs()
        )),
        None if args.on.is_some() => {
            text.push_str("It is OFF: nothing was changed. If you agree to the above, say it once more with --agree\n");
        }
        None => text.push_str("It is OFF. Turn it on with: impasto telemetry --on http://localhost:4318 --agree\n"),
    }
    // Without agreement nothing is written, not even the address.
    if settings.telemetry != before && (args.off || args.agree) {
        settings.save(&folder)?;
    }
    print(&text)
}
