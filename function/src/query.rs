//! Query strings, from `rawQueryString`: payload 2.0's parsed form joins repeated parameters with commas, so that
//! `?path=/a,b` could not be told from two paths. Must not know what the parameters mean.

use std::fmt;

use crate::encoding::percent_decoded;

/// The parameters of a request, decoded, in order, repetitions kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

/// A parameter that cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadQuery {
    /// The parameter's name; empty if that itself cannot be decoded.
    pub name: String,
}

impl fmt::Display for BadQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name } = self;
        if name.is_empty() {
            return f.write_str("the query string is not percent-encoded UTF-8");
        }
        write!(f, "the parameter `{name}` is not percent-encoded UTF-8")
    }
}

impl std::error::Error for BadQuery {}

impl Query {
    /// Decodes `a=1&b=2`. `+` is a space, empty pairs are skipped, a name without `=` has an empty value.
    pub fn parse(raw: &str) -> Result<Self, BadQuery> {
        let mut pairs = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or_else(|| BadQuery { name: String::new() })?;
            let Some(value) = decode(value) else { return Err(BadQuery { name }) };
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// Every value of the parameter `name`, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Decodes a name or a value; `None` where a `%` is not followed by two hexadecimal digits or the bytes are not UTF-8.
pub(crate) fn decode(raw: &str) -> Option<String> {
    let mut out = Vec::with_capacity(raw.len());
    for (byte, spelling) in percent_decoded(raw) {
        out.push(match spelling {
            b"+" => b' ',
            b"%" => return None,
            _ => byte,
        });
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn paths(raw: &str) -> Vec<String> {
        Query::parse(raw).unwrap().all("path").map(str::to_owned).collect()
    }

    #[test]
    fn repeated_parameters_keep_their_order_and_commas() {
        assert_eq!(paths("path=/a,b&x=1&path=%2Fc"), ["/a,b", "/c"]);
        assert_eq!(paths("path"), [""]);
        assert_eq!(paths("&&path=&"), [""]);
        assert_eq!(paths("p%61th=/a"), ["/a"]);
        assert_eq!(paths("Path=/a"), Vec::<String>::new());
        assert_eq!(paths(""), Vec::<String>::new());
    }

    #[test]
    fn values_are_decoded_once() {
        assert_eq!(paths("path=/a+b"), ["/a b"]);
        assert_eq!(paths("path=/a%2Bb"), ["/a+b"]);
        assert_eq!(paths("path=/caf%25C3%25A9"), ["/caf%C3%A9"]);
        assert_eq!(paths("path=/caf%C3%A9"), ["/café"]);
        assert_eq!(paths("path=/a=b"), ["/a=b"]);
    }

    #[test]
    fn bad_encodings_are_errors_that_name_the_parameter() {
        for raw in ["path=%", "path=%4", "path=%zz", "path=%ff", "path=%c3"] {
            assert_eq!(Query::parse(raw), Err(BadQuery { name: "path".to_owned() }), "{raw}");
        }
        let why = Query::parse("a=1&%ff=2").unwrap_err();
        insta::assert_snapshot!(why, @"the query string is not percent-encoded UTF-8");
        let why = Query::parse("ro=%").unwrap_err();
        insta::assert_snapshot!(why, @"the parameter `ro` is not percent-encoded UTF-8");
    }

    proptest! {
        #[test]
        fn any_value_survives_being_encoded(value in any::<String>()) {
            let encoded: Vec<String> = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(paths(&format!("path={}", encoded.concat())), [value]);
        }

        #[test]
        fn parsing_never_panics(raw in any::<String>()) {
            drop(Query::parse(&raw));
        }
    }
}
