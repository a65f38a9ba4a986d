//! The body of `POST /v1/hit`, sent to the function directly or through the queue.

use hitctl_config::contract::MAX_BODY_BYTES;
use serde::Deserialize;

/// The JSON form of the body.
#[derive(Deserialize)]
struct HitBodyJson {
    /// The page: a path, a URL or a plain string.
    p: String,
    /// The referrer. Accepted, so that pages may send it, but not stored.
    #[serde(default, rename = "r")]
    _referrer: serde::de::IgnoredAny,
    /// 1 if a program controls the browser.
    #[serde(default)]
    b: u8,
    /// 1 if the visitor opted out of tracking.
    #[serde(default)]
    g: u8,
}

/// The parsed body of `/v1/hit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HitBody {
    /// The page: a path, a URL or a plain string.
    pub path: String,
    /// Whether a program controls the browser, as reported by the browser.
    pub automated: bool,
    /// Whether the visitor opted out of tracking, as reported by the browser. The body contains this, because a
    /// queue does not pass on the request headers.
    pub opted_out: bool,
}

impl HitBody {
    /// Parses a body. The error is a message for the author of the page and never quotes the body.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        if body.len() > MAX_BODY_BYTES {
            return Err("the request body exceeds 2048 bytes".to_owned());
        }
        let body = body.trim_ascii();
        // serde would accept a list as the values of the fields in order.
        if body.first() != Some(&b'{') {
            return Err(format!("the body is not a JSON object; {BODY_HELP}"));
        }
        let body: HitBodyJson = serde_json::from_slice(body)
            .map_err(|error| format!("failed to parse the body: {error}; {BODY_HELP}"))?;
        Ok(Self { path: body.p, automated: body.b != 0, opted_out: body.g != 0 })
    }
}

const BODY_HELP: &str = "send a JSON object such as {\"p\":\"/about\"}";
