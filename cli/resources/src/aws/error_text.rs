//! Describes SDK errors for users. The text of an SDK error only names a layer ("dispatch failure"), and its
//! debug format is for programmers. Users need the cause at the end of the error chain.

use std::error::Error;

/// Messages that the layers of the SDK and its HTTP client add to the error chain. They do not name the cause.
const LAYERS: &[&str] = &[
    "dispatch failure",
    "service error",
    "response error",
    "failed to construct request",
    "request has timed out",
    "timeout",
    "timed out",
    "user error",
    "io error",
    "other",
    "tcp connect error",
    "unhandled error",
    "connection error",
];

/// The maximum length of a description, in characters. An error may quote everything that a server sent instead
/// of a valid response.
const MAX_CHARS: usize = 400;

/// Describes an error by the informative messages in its chain, outermost first. Repetitions are omitted.
pub fn describe_error(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut timed_out = false;
    let mut next = Some(error);
    while let Some(error) = next {
        let text = plain_text(&error.to_string());
        timed_out |= matches!(text.as_str(), "timeout" | "timed out" | "request has timed out");
        let is_uninformative = text.is_empty() || is_layer(&text);
        // Many errors repeat the text of their cause.
        if !is_uninformative && !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = match error.downcast_ref::<std::io::Error>() {
            // `source` of an I/O error skips the wrapped error and returns the source of that error.
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    let text = match parts.as_slice() {
        [] if timed_out => "the request timed out".to_owned(),
        [] => "unknown cause".to_owned(),
        _ => parts.join(": "),
    };
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text,
    }
}

fn is_layer(text: &str) -> bool {
    LAYERS.contains(&text) || text.starts_with("client error (")
}

/// Returns the text of one error. Replaces known texts of libraries by texts for users.
fn plain_text(text: &str) -> String {
    const TIMEOUTS: &[(&str, &str)] = &[
        ("HTTP connect timeout occurred after ", "no connection within "),
        ("HTTP read timeout occurred after ", "no response within "),
        ("operation attempt timeout (single attempt) occurred after ", "no response within "),
        ("operation timeout (all attempts including retries) occurred after ", "no response within "),
    ];
    let timeout = TIMEOUTS.iter().find_map(|(library_text, plain_text)| {
        Some(format!("{plain_text}{}", text.strip_prefix(library_text)?))
    });
    timeout.unwrap_or_else(|| match text {
        "connection closed before message completed" => {
            "the connection was closed before a response arrived".to_owned()
        }
        _ if text.starts_with("invalid HTTP ") => format!("the response is not HTTP ({text})"),
        _ => text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::io;

    use super::*;

    /// An error with a text and a cause.
    #[derive(Debug)]
    struct Layer(&'static str, Option<Box<dyn Error + Send + Sync>>);

    impl fmt::Display for Layer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Layer {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1.as_deref().map(|cause| cause as &(dyn Error + 'static))
        }
    }

    fn chain(texts: &[&'static str]) -> Layer {
        let (last, outer) = texts.split_last().unwrap();
        outer.iter().rev().fold(Layer(last, None), |cause, text| Layer(text, Some(Box::new(cause))))
    }

    #[test]
    fn layer_messages_are_omitted() {
        let text = |messages: &[&'static str]| describe_error(&chain(messages));
        assert_eq!(
            text(&[
                "dispatch failure",
                "io error",
                "client error (Connect)",
                "tcp connect error",
                "Connection refused"
            ]),
            "Connection refused"
        );
        assert_eq!(
            text(&["dispatch failure", "timeout", "HTTP connect timeout occurred after 3.1s", "timed out"]),
            "no connection within 3.1s"
        );
        assert_eq!(
            text(&["request has timed out", "operation attempt timeout (single attempt) occurred after 60s"]),
            "no response within 60s"
        );
        assert_eq!(text(&["request has timed out", "timed out"]), "the request timed out");
        assert_eq!(text(&["dispatch failure", "other"]), "unknown cause");
        assert_eq!(text(&["a: b", "b", "c"]), "a: b: c");
    }

    #[test]
    fn error_inside_io_error_is_included() {
        let io = io::Error::other(chain(&["invalid peer certificate: UnknownIssuer"]));
        let error = Layer("dispatch failure", Some(Box::new(io)));
        assert_eq!(describe_error(&error), "invalid peer certificate: UnknownIssuer");
    }

    #[test]
    fn long_text_is_truncated() {
        let error = chain(&[Box::leak("x".repeat(5_000).into_boxed_str())]);
        assert_eq!(describe_error(&error).len(), MAX_CHARS + 2);
    }
}
