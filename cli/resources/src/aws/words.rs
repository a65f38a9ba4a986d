//! Puts errors of the SDK into words. Their own texts name layers ("dispatch failure") and their debug form is for
//! programmers: what a user needs is the cause at the bottom.

use std::error::Error;

/// Messages that layers of the SDK and its HTTP client give every error. They do not name the cause.
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

/// The longest text; what a server sent instead of an answer may be in it.
const MAX_CHARS: usize = 400;

/// Describes an error in words: the causes that carry information, outermost first, each once.
pub fn error_in_words(error: &(dyn Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut timed_out = false;
    let mut next = Some(error);
    while let Some(error) = next {
        let text = plain(&error.to_string());
        timed_out |= matches!(text.as_str(), "timeout" | "timed out" | "request has timed out");
        let says_nothing = text.is_empty() || is_layer(&text);
        // Many wrap a cause and say it again.
        if !says_nothing && !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = match error.downcast_ref::<std::io::Error>() {
            // Its `source` skips the error that it is made of.
            Some(io) => io.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    let words = match parts.as_slice() {
        [] if timed_out => "no answer in time".to_owned(),
        [] => "no cause is known".to_owned(),
        _ => parts.join(": "),
    };
    match words.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}..", &words[..end]),
        None => words,
    }
}

fn is_layer(text: &str) -> bool {
    LAYERS.contains(&text) || text.starts_with("client error (")
}

/// The words of one error, in ours where theirs are those of a library.
fn plain(text: &str) -> String {
    const BOUNDS: &[(&str, &str)] = &[
        ("HTTP connect timeout occurred after ", "no connection within "),
        ("HTTP read timeout occurred after ", "no answer within "),
        ("operation attempt timeout (single attempt) occurred after ", "no answer within "),
        ("operation timeout (all attempts including retries) occurred after ", "no answer within "),
    ];
    let bound =
        BOUNDS.iter().find_map(|(theirs, ours)| Some(format!("{ours}{}", text.strip_prefix(theirs)?)));
    bound.unwrap_or_else(|| match text {
        "connection closed before message completed" => {
            "the connection was closed before an answer came".to_owned()
        }
        _ if text.starts_with("invalid HTTP ") => format!("the answer is not HTTP ({text})"),
        _ => text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::fmt;
    use std::io;

    use super::*;

    /// An error that says something, and has a cause.
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
        let (last, rest) = texts.split_last().unwrap();
        rest.iter().rev().fold(Layer(last, None), |cause, text| Layer(text, Some(Box::new(cause))))
    }

    #[test]
    fn names_of_layers_are_left_out() {
        let words = |texts: &[&'static str]| error_in_words(&chain(texts));
        assert_eq!(
            words(&[
                "dispatch failure",
                "io error",
                "client error (Connect)",
                "tcp connect error",
                "Connection refused"
            ]),
            "Connection refused"
        );
        assert_eq!(
            words(&["dispatch failure", "timeout", "HTTP connect timeout occurred after 3.1s", "timed out"]),
            "no connection within 3.1s"
        );
        assert_eq!(
            words(&[
                "request has timed out",
                "operation attempt timeout (single attempt) occurred after 60s"
            ]),
            "no answer within 60s"
        );
        assert_eq!(words(&["request has timed out", "timed out"]), "no answer in time");
        assert_eq!(words(&["dispatch failure", "other"]), "no cause is known");
        assert_eq!(words(&["a: b", "b", "c"]), "a: b: c");
    }

    #[test]
    fn error_inside_an_io_error_is_not_skipped() {
        let io = io::Error::other(chain(&["invalid peer certificate: UnknownIssuer"]));
        let error = Layer("dispatch failure", Some(Box::new(io)));
        assert_eq!(error_in_words(&error), "invalid peer certificate: UnknownIssuer");
    }

    #[test]
    fn long_text_of_a_server_is_cut() {
        let error = chain(&[Box::leak("x".repeat(5_000).into_boxed_str())]);
        assert_eq!(error_in_words(&error).len(), MAX_CHARS + 2);
    }
}
