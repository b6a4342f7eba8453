//! Where figures are sent: an HTTP address as the user types it.

use std::fmt;

use ureq::http::Uri;

/// The base address of an OTLP/HTTP receiver, for example `http://localhost:4318`. Without a path, metrics go to
/// `/v1/metrics` under it, as the OpenTelemetry exporters' base address is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `host:port` as typed.
    authority: String,
    /// Begins with `/`; empty when none was typed.
    path: String,
}

impl Endpoint {
    /// # Errors
    /// What is wrong with `text`, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let wrong = |what: &str| format!("'{text}' {what}; write an address like http://localhost:4318");
        if text.len() > 2000 || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(wrong("is not an address"));
        }
        if text.starts_with("https://") {
            return Err(format!(
                "'{text}' is encrypted, which this program does not speak; send to an OpenTelemetry collector on this \
                 machine or network, which can forward it: http://localhost:4318"
            ));
        }
        let rest = text.strip_prefix("http://").ok_or_else(|| wrong("does not begin with http://"))?;
        // A fragment is dropped while parsing, and a user name would be stored and sent readable.
        if rest.contains('#') {
            return Err(wrong("has more after its path"));
        }
        let uri: Uri = text.parse().map_err(|_| wrong("is not an address"))?;
        let authority = uri.authority().ok_or_else(|| wrong("names no host"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("holds a user name, which would be stored and sent readable"));
        }
        if uri.query().is_some() {
            return Err(wrong("has more after its path"));
        }
        if authority.host().is_empty() {
            return Err(wrong("names no host"));
        }
        // A port that is no number, or too large a one, is none to the parser.
        let typed = authority.as_str().len() > authority.host().len();
        if typed && authority.port_u16().is_none_or(|port| port == 0) {
            return Err(wrong("has no valid port"));
        }
        Ok(Self { authority: authority.to_string(), path: uri.path().trim_end_matches('/').to_owned() })
    }

    /// The address that metrics are posted to.
    pub fn metrics_url(&self) -> String {
        let path = if self.path.is_empty() { "/v1/metrics" } else { &self.path };
        format!("http://{}{path}", self.authority)
    }
}

/// As it was typed.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.path)
    }
}

impl std::str::FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_address_gets_the_path_of_metrics() {
        let url = |text: &str| Endpoint::parse(text).unwrap().metrics_url();
        assert_eq!(url("http://localhost:4318"), "http://localhost:4318/v1/metrics");
        assert_eq!(url(" http://localhost:4318/ "), "http://localhost:4318/v1/metrics");
        assert_eq!(url("http://[::1]:4318"), "http://[::1]:4318/v1/metrics");
        assert_eq!(url("http://[::1]"), "http://[::1]/v1/metrics");
        assert_eq!(url("http://box/otlp/v1/metrics"), "http://box/otlp/v1/metrics");
    }

    #[test]
    fn what_is_no_address_says_what_would_be() {
        for text in [
            "",
            "localhost:4318",
            "https://x",
            "ftp://x",
            "http://",
            "http://:80",
            "http://a:b@c",
            "http://x:0",
            "http://x:99999",
            "http://x:y",
            "http://a b",
            "http://x?y",
            "http://a:b:c",
            "http://x/\r\nHost: y",
        ] {
            let said = Endpoint::parse(text).unwrap_err();
            assert!(said.contains("http://localhost:4318"), "{text:?}: {said}");
        }
    }
}
