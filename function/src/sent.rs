//! What a page says in the body of `POST /v1/hit`, whether the function is asked or the queue holds it.

use hitctl_config::contract::MAX_BODY_BYTES;
use serde::Deserialize;

/// The body of `/v1/hit`.
#[derive(Deserialize)]
struct Body {
    /// The page: a path, a URL, a plain string.
    p: String,
    /// Where the visitor came from. Accepted, so that pages may send it, and not kept.
    #[serde(default, rename = "r")]
    _referrer: serde::de::IgnoredAny,
    /// 1 where a program drives the browser.
    #[serde(default)]
    b: u8,
    /// 1 where the visitor asks not to be followed.
    #[serde(default)]
    g: u8,
}

/// What a page says in the body of `/v1/hit`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The page: a path, a URL, a plain string.
    pub path: String,
    /// A program drives the browser, by its own word.
    pub automated: bool,
    /// The visitor asks not to be followed, by the browser's word: a queue hands over no header that says so.
    pub opted_out: bool,
}

impl Sent {
    /// Reads a body. The error is a message for the page's author, and never repeats what was sent.
    pub fn read(body: &[u8]) -> Result<Self, String> {
        if body.len() > MAX_BODY_BYTES {
            return Err("the request's body is over 2048 bytes".to_owned());
        }
        let body = body.trim_ascii();
        // serde would read a list as the fields in their order.
        if body.first() != Some(&b'{') {
            return Err(format!("the body is no JSON object; {BODY_HELP}"));
        }
        let body: Body = serde_json::from_slice(body)
            .map_err(|error| format!("the body is not understood: {error}; {BODY_HELP}"))?;
        Ok(Self { path: body.p, automated: body.b != 0, opted_out: body.g != 0 })
    }
}

const BODY_HELP: &str = "send a JSON object such as {\"p\":\"/about\"}";
