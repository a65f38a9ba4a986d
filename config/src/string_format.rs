//! The formats of string settings: a regular expression, a description and a function that suggests a correction.
//!
//! The JSON Schema publishes the same expression that the loader applies, so the two cannot differ. Only the format is
//! checked, never whether the named object exists.

use regex_lite::Regex;

use crate::partitions;

/// The format of a string.
#[derive(Debug)]
pub(crate) struct StringFormat {
    /// The text that follows "expected" in an error message.
    pub(crate) description: &'static str,
    /// A regular expression for the whole string, in the common subset of JSON Schema and `regex-lite`.
    pub(crate) pattern: &'static str,
    /// The maximum length, in characters.
    pub(crate) max: usize,
    /// Guesses the intended string. The guess is suggested only if it matches the format.
    guess: fn(&str) -> String,
}

impl StringFormat {
    /// Whether `text` matches the format.
    pub(crate) fn matches(&self, text: &str) -> bool {
        text.chars().count() <= self.max
            && Regex::new(self.pattern).is_ok_and(|pattern| pattern.is_match(text))
    }

    /// Suggests a correction of a wrong `text`.
    pub(crate) fn suggest(&self, text: &str) -> Option<String> {
        let guess = (self.guess)(text);
        (guess != text && self.matches(&guess)).then_some(guess)
    }
}

/// The name of an app.
pub(crate) static APP: StringFormat = StringFormat {
    description: "a name of at most 40 lower-case letters, digits and single hyphens that begins with a letter",
    pattern: "^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
    max: 40,
    guess: to_name,
};

/// The name of an env.
pub(crate) static ENV: StringFormat = StringFormat {
    description: "a name of at most 30 lower-case letters, digits and single hyphens that begins with a letter",
    pattern: "^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
    max: 30,
    guess: to_name,
};

/// The declaration of an env: a name, or a prefix that ends with `*`.
pub(crate) static DECLARED_ENV: StringFormat = StringFormat {
    description: "a name of at most 30 lower-case letters, digits and single hyphens that begins with a letter, or a prefix that ends \
           with `*`, as in `[env.\"pr-*\"]`",
    pattern: "^[a-z][a-z0-9]*(-[a-z0-9]+)*(-?[*])?$",
    max: 30,
    guess: |text| format!("{}-*", to_name(text)),
};

/// An AWS region code.
pub(crate) static REGION: StringFormat = StringFormat {
    description: "the code of an AWS region, such as `eu-central-1`",
    pattern: partitions::REGION_PATTERN,
    max: 32,
    guess: |text| text.trim().to_lowercase().replace(['_', ' '], "-"),
};

/// An AWS account id.
pub(crate) static ACCOUNT: StringFormat = StringFormat {
    description: "an AWS account ID of twelve digits",
    pattern: "^[0-9]{12}$",
    max: 12,
    guess: |text| text.chars().filter(char::is_ascii_digit).collect(),
};

/// The id of a `CloudFront` distribution.
pub(crate) static DISTRIBUTION: StringFormat = StringFormat {
    description: "the ID of a CloudFront distribution, such as `E123ABC`",
    pattern: "^E[A-Z0-9]{5,31}$",
    max: 32,
    guess: |text| text.trim().rsplit('/').next().unwrap_or_default().to_uppercase(),
};

/// A web origin exactly as browsers send it. Any other form would never match a request.
pub(crate) static ORIGIN: StringFormat = StringFormat {
    description: "`*`, or an origin without a path or final slash, such as `https://example.com`",
    pattern: r"^(\*|[a-z][a-z0-9+.-]*://([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?)$",
    max: 253,
    guess: to_origin,
};

/// An HTTP method.
pub(crate) static METHOD: StringFormat = StringFormat {
    description: "`*` or one of `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS`",
    pattern: r"^(\*|GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$",
    max: 7,
    guess: |text| text.trim().to_uppercase(),
};

/// The name of a query parameter.
pub(crate) static PARAMETER: StringFormat = StringFormat {
    description: "the name of a query parameter: letters, digits, `.`, `_`, `-` and `~`",
    pattern: "^[A-Za-z0-9._~-]+$",
    max: 64,
    guess: |text| text.trim_matches(|c: char| "?&= ".contains(c)).to_owned(),
};

/// The name of an event bus.
pub(crate) static BUS: StringFormat = StringFormat {
    description: "the name of an event bus: letters, digits, `.`, `_`, `-` and `/`",
    pattern: "^[A-Za-z0-9._/-]+$",
    max: 256,
    guess: |text| text.trim().rsplit(":event-bus/").next().unwrap_or_default().to_owned(),
};

/// The path that an event counts for: a fixed name, or a JSON pointer to a field of the event. A name cannot begin with
/// `/`, because such a text is a pointer.
pub(crate) static EVENT_KEY: StringFormat = StringFormat {
    description: "a name that contains no control characters and does not begin with `!`, or a JSON pointer such as `/detail/page`",
    pattern: r"^[^!\x00-\x1f][^\x00-\x1f]*$",
    max: 512,
    guess: |text| text.trim().trim_start_matches('!').to_owned(),
};

/// A JSON pointer (RFC 6901).
pub(crate) static POINTER: StringFormat = StringFormat {
    description: "a JSON pointer such as `/detail/n`",
    pattern: r"^(/([^~/\x00-\x1f]|~[01])+)+$",
    max: 512,
    guess: |text| format!("/{}", text.trim().trim_start_matches(['$', '.', '/']).replace('.', "/")),
};

/// The name of an S3 bucket.
pub(crate) static BUCKET: StringFormat = StringFormat {
    description: "the name of an S3 bucket: 3 to 63 lower-case letters, digits, `.` and `-`",
    pattern: "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
    max: 63,
    guess: |text| {
        let text = text.trim().trim_start_matches("s3://");
        let text = text.rsplit(":::").next().unwrap_or_default();
        text.split('/').next().unwrap_or_default().to_lowercase()
    },
};

/// A path that can be invalidated in a distribution.
pub(crate) static INVALIDATION: StringFormat = StringFormat {
    description: "a path that begins with `/`, is percent-encoded and has `*` only at its end, such as `/*`",
    pattern: "^/([A-Za-z0-9._~!$&'()+,;=:@/?-]|%[0-9A-Fa-f]{2})*[*]?$",
    max: 4000,
    guess: |text| format!("/{}", text.trim().trim_start_matches('/')),
};

/// Checks a path against CloudFront's rules for invalidations, which also apply to `cloudfront.invalidate`.
///
/// # Errors
///
/// Returns the expected format and, if possible, a suggestion.
pub fn check_invalidation_path(path: &str) -> Result<(), String> {
    if INVALIDATION.matches(path) {
        return Ok(());
    }
    let suggestion = INVALIDATION
        .suggest(path)
        .map(|suggestion| format!("; did you mean `{suggestion}`?"))
        .unwrap_or_default();
    Err(format!("expected {}{suggestion}", INVALIDATION.description))
}

/// The name of an environment variable of a function.
pub(crate) static VARIABLE: StringFormat = StringFormat {
    description: "the name of an environment variable: a letter, and then one or more letters, digits and underscores",
    pattern: "^[A-Za-z][A-Za-z0-9_]+$",
    max: 256,
    guess: |text| text.trim().replace(['-', '.', ' '], "_"),
};

fn to_name(text: &str) -> String {
    let mut name = String::new();
    for c in text.trim().to_lowercase().chars() {
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            name.push(c);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.trim_end_matches('-').trim_start_matches(|first: char| !first.is_ascii_lowercase()).to_owned()
}

fn to_origin(text: &str) -> String {
    let text = text.trim();
    let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    without_default_port(&format!("{scheme}://{host}").to_lowercase()).to_owned()
}

/// Removes a port that the origin's scheme implies, because browsers omit it.
pub(crate) fn without_default_port(origin: &str) -> &str {
    let implied = if origin.starts_with("https://") { ":443" } else { ":80" };
    if origin.starts_with("http") { origin.strip_suffix(implied).unwrap_or(origin) } else { origin }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_match_valid_text_and_suggest_corrections() {
        type Expected = Result<(), Option<&'static str>>;
        let table: &[(&StringFormat, &str, Expected)] = &[
            (&APP, "hits", Ok(())),
            (&APP, "my-2nd-app", Ok(())),
            (&APP, "My App!", Err(Some("my-app"))),
            (&APP, "2fast", Err(Some("fast"))),
            (&APP, "", Err(None)),
            (&APP, "a--b", Err(Some("a-b"))),
            (&REGION, "us-gov-west-1", Ok(())),
            (&REGION, "eusc-de-east-1", Ok(())),
            (&REGION, "EU_CENTRAL_1", Err(Some("eu-central-1"))),
            (&REGION, "frankfurt", Err(None)),
            (&REGION, "xx-east-1", Err(None)),
            (&REGION, "eu-isoe-west-1", Ok(())),
            (&ACCOUNT, "012345678901", Ok(())),
            (&ACCOUNT, "0123-4567-8901", Err(Some("012345678901"))),
            (&ACCOUNT, "1234", Err(None)),
            (&DISTRIBUTION, "E2EXAMPLE", Ok(())),
            (&DISTRIBUTION, "arn:aws:cloudfront::1:distribution/e2example", Err(Some("E2EXAMPLE"))),
            (&ORIGIN, "*", Ok(())),
            (&ORIGIN, "https://example.com", Ok(())),
            (&ORIGIN, "http://localhost:8080", Ok(())),
            (&ORIGIN, "http://[::1]:8080", Ok(())),
            (&ORIGIN, "https://example.com/", Err(Some("https://example.com"))),
            (&ORIGIN, "https://Example.com/blog", Err(Some("https://example.com"))),
            (&ORIGIN, "example.com", Err(Some("https://example.com"))),
            (&ORIGIN, "https://*.example.com", Err(None)),
            (&METHOD, "get", Err(Some("GET"))),
            (&METHOD, "TRACE", Err(None)),
            (&PARAMETER, "?page=", Err(Some("page"))),
            (&VARIABLE, "MY-KEY", Err(Some("MY_KEY"))),
            (&VARIABLE, "A", Err(None)),
        ];
        for (format, text, expected) in table {
            let got = if format.matches(text) { Ok(()) } else { Err(format.suggest(text)) };
            assert_eq!(
                got,
                expected.map_err(|guess| guess.map(str::to_owned)),
                "{text:?} as {}",
                format.description
            );
        }
    }

    #[test]
    fn region_format_matches_every_known_region() {
        assert!(partitions::REGIONS.iter().all(|region| REGION.matches(region)));
    }

    #[test]
    fn default_port_of_origin_is_removed() {
        assert_eq!(without_default_port("https://a.example:443"), "https://a.example");
        assert_eq!(without_default_port("https://a.example:80"), "https://a.example:80");
        assert_eq!(without_default_port("http://a.example:80"), "http://a.example");
    }
}
