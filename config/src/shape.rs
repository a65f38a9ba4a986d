//! The shapes of strings: a pattern that the JSON Schema publishes and the loader applies, so that the two cannot differ,
//! what it is in words, and a guess at what was meant. Only the form is judged here, never whether the thing exists.

use regex_lite::Regex;

use crate::partitions;

/// What a string must look like.
#[derive(Debug)]
pub(crate) struct Shape {
    /// Fit for "expected {}".
    pub(crate) what: &'static str,
    /// A regular expression over the whole string, in the dialect that JSON Schema and `regex-lite` share.
    pub(crate) pattern: &'static str,
    /// The longest it may be, in characters.
    pub(crate) max: usize,
    /// What a wrong string was probably meant to be. Taken as a suggestion only if it has the shape.
    guess: fn(&str) -> String,
}

impl Shape {
    /// Whether `text` has the shape.
    pub(crate) fn fits(&self, text: &str) -> bool {
        text.chars().count() <= self.max
            && Regex::new(self.pattern).is_ok_and(|pattern| pattern.is_match(text))
    }

    /// What a wrong `text` was probably meant to be.
    pub(crate) fn suggest(&self, text: &str) -> Option<String> {
        let guess = (self.guess)(text);
        (guess != text && self.fits(&guess)).then_some(guess)
    }
}

/// The name of an app.
pub(crate) static APP: Shape = Shape {
    what: "a name of lower-case letters, digits and single hyphens, beginning with a letter, at most 40 long",
    pattern: "^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
    max: 40,
    guess: as_name,
};

/// The name of an env. Names that end as resources do would let two envs want one name.
pub(crate) static ENV: Shape = Shape {
    what: "a name of lower-case letters, digits and single hyphens, beginning with a letter, at most 30 long",
    pattern: "^[a-z][a-z0-9]*(-[a-z0-9]+)*$",
    max: 30,
    guess: as_name,
};

/// The declaration of an env: its name, or the beginning of many names.
pub(crate) static DECLARED_ENV: Shape = Shape {
    what: "a name of lower-case letters, digits and single hyphens, beginning with a letter, at most 30 long; with `*` at its \
           end it declares every env that begins so, as in `[env.\"pr-*\"]`",
    pattern: "^[a-z][a-z0-9]*(-[a-z0-9]+)*(-?[*])?$",
    max: 30,
    guess: |text| format!("{}-*", as_name(text)),
};

/// The code of an AWS region.
pub(crate) static REGION: Shape = Shape {
    what: "the code of an AWS region, such as `eu-central-1`",
    pattern: partitions::REGION_PATTERN,
    max: 32,
    guess: |text| text.trim().to_lowercase().replace(['_', ' '], "-"),
};

/// The number of an AWS account.
pub(crate) static ACCOUNT: Shape = Shape {
    what: "the twelve digits of an AWS account",
    pattern: "^[0-9]{12}$",
    max: 12,
    guess: |text| text.chars().filter(char::is_ascii_digit).collect(),
};

/// The id of a distribution.
pub(crate) static DISTRIBUTION: Shape = Shape {
    what: "the id of a CloudFront distribution, such as `E123ABC`",
    pattern: "^E[A-Z0-9]{5,31}$",
    max: 32,
    guess: |text| text.trim().rsplit('/').next().unwrap_or_default().to_uppercase(),
};

/// A web origin, exactly as browsers send it; anything else never matches.
pub(crate) static ORIGIN: Shape = Shape {
    what: "`*`, or an origin just as browsers send it, such as `https://example.com`: no path, and no slash at the end",
    pattern: r"^(\*|[a-z][a-z0-9+.-]*://([a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?)$",
    max: 253,
    guess: as_origin,
};

/// An HTTP method.
pub(crate) static METHOD: Shape = Shape {
    what: "`*` or one of `GET`, `HEAD`, `POST`, `PUT`, `PATCH`, `DELETE`, `OPTIONS`",
    pattern: r"^(\*|GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)$",
    max: 7,
    guess: |text| text.trim().to_uppercase(),
};

/// The name of a query parameter.
pub(crate) static PARAMETER: Shape = Shape {
    what: "the name of a query parameter: letters, digits, `.`, `_`, `-` and `~`",
    pattern: "^[A-Za-z0-9._~-]+$",
    max: 64,
    guess: |text| text.trim_matches(|c: char| "?&= ".contains(c)).to_owned(),
};

/// The name of an event bus.
pub(crate) static BUS: Shape = Shape {
    what: "the name of an event bus: letters, digits, `.`, `_`, `-` and `/`",
    pattern: "^[A-Za-z0-9._/-]+$",
    max: 256,
    guess: |text| text.trim().rsplit(":event-bus/").next().unwrap_or_default().to_owned(),
};

/// What an event counts under.
pub(crate) static EVENT_KEY: Shape = Shape {
    what: "a name without control characters and not beginning with `!`, or a JSON pointer, such as `/detail/page`",
    pattern: r"^[^!\x00-\x1f][^\x00-\x1f]*$",
    max: 512,
    guess: |text| text.trim().trim_start_matches('!').to_owned(),
};

/// A JSON pointer (RFC 6901).
pub(crate) static POINTER: Shape = Shape {
    what: "a JSON pointer, such as `/detail/n`",
    pattern: r"^(/([^~/\x00-\x1f]|~[01])+)+$",
    max: 512,
    guess: |text| format!("/{}", text.trim().trim_start_matches(['$', '.', '/']).replace('.', "/")),
};

/// The name of a bucket.
pub(crate) static BUCKET: Shape = Shape {
    what: "the name of an S3 bucket: 3 to 63 lower-case letters, digits, `.` and `-`",
    pattern: "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$",
    max: 63,
    guess: |text| {
        let text = text.trim().trim_start_matches("s3://");
        let text = text.rsplit(":::").next().unwrap_or_default();
        text.split('/').next().unwrap_or_default().to_lowercase()
    },
};

/// A path of a distribution that can be invalidated.
pub(crate) static INVALIDATION: Shape = Shape {
    what: "a path that begins with `/`, percent-encoded, with `*` at its end at most, such as `/*`",
    pattern: "^/([A-Za-z0-9._~!$&'()+,;=:@/?-]|%[0-9A-Fa-f]{2})*[*]?$",
    max: 4000,
    guess: |text| format!("/{}", text.trim().trim_start_matches('/')),
};

/// Checks a path against CloudFront's rules for invalidations, which are also those of `cloudfront.invalidate`.
///
/// # Errors
///
/// Says what was expected, and what was probably meant.
pub fn check_invalidation_path(path: &str) -> Result<(), String> {
    if INVALIDATION.fits(path) {
        return Ok(());
    }
    let meant =
        INVALIDATION.suggest(path).map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
    Err(format!("expected {}{meant}", INVALIDATION.what))
}

/// The name of an environment variable of a function.
pub(crate) static VARIABLE: Shape = Shape {
    what: "the name of an environment variable: a letter, then letters, digits and underscores, at least two in all",
    pattern: "^[A-Za-z][A-Za-z0-9_]+$",
    max: 256,
    guess: |text| text.trim().replace(['-', '.', ' '], "_"),
};

fn as_name(text: &str) -> String {
    let mut name = String::new();
    for letter in text.trim().to_lowercase().chars() {
        if letter.is_ascii_lowercase() || letter.is_ascii_digit() {
            name.push(letter);
        } else if !name.is_empty() && !name.ends_with('-') {
            name.push('-');
        }
    }
    name.trim_end_matches('-').trim_start_matches(|first: char| !first.is_ascii_lowercase()).to_owned()
}

fn as_origin(text: &str) -> String {
    let text = text.trim();
    let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    without_default_port(&format!("{scheme}://{host}").to_lowercase()).to_owned()
}

/// An origin without the port that its scheme implies, which browsers leave out.
pub(crate) fn without_default_port(origin: &str) -> &str {
    let implied = if origin.starts_with("https://") { ":443" } else { ":80" };
    if origin.starts_with("http") { origin.strip_suffix(implied).unwrap_or(origin) } else { origin }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_take_what_they_should_and_guess_what_was_meant() {
        type Expected = Result<(), Option<&'static str>>;
        let table: &[(&Shape, &str, Expected)] = &[
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
        for (shape, text, expected) in table {
            let got = if shape.fits(text) { Ok(()) } else { Err(shape.suggest(text)) };
            assert_eq!(got, expected.map_err(|guess| guess.map(str::to_owned)), "{text:?} as {}", shape.what);
        }
    }

    #[test]
    fn every_known_region_has_the_shape() {
        assert!(partitions::REGIONS.iter().all(|region| REGION.fits(region)));
    }

    #[test]
    fn a_port_that_the_scheme_implies_is_dropped() {
        assert_eq!(without_default_port("https://a.example:443"), "https://a.example");
        assert_eq!(without_default_port("https://a.example:80"), "https://a.example:80");
        assert_eq!(without_default_port("http://a.example:80"), "http://a.example");
    }
}
