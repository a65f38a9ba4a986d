//! Parses query strings from `rawQueryString`. The parameters that payload format 2.0 has already parsed are not
//! used: repeated parameters are joined with commas, so that `?path=/a,b` would look like two paths. Must not
//! know the meaning of parameters.

use std::fmt;

use crate::encoding::percent_decoded;

/// The decoded parameters of a request, in order and with repetitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryParams(Vec<(String, String)>);

/// A parameter that cannot be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryError {
    /// The name of the parameter; empty if the name itself cannot be decoded.
    pub name: String,
}

impl fmt::Display for QueryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name } = self;
        if name.is_empty() {
            return f.write_str("the query string is not percent-encoded UTF-8");
        }
        write!(f, "the parameter `{name}` is not percent-encoded UTF-8")
    }
}

impl std::error::Error for QueryError {}

impl QueryParams {
    /// Decodes `a=1&b=2`. A `+` is a space, empty pairs are skipped, and a name without `=` has an empty
    /// value.
    pub fn parse(raw: &str) -> Result<Self, QueryError> {
        let mut pairs = Vec::new();
        for pair in raw.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let name = decode(name).ok_or_else(|| QueryError { name: String::new() })?;
            let Some(value) = decode(value) else { return Err(QueryError { name }) };
            pairs.push((name, value));
        }
        Ok(Self(pairs))
    }

    /// Returns all values of the parameter `name`, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Decodes a name or a value; `None` if a `%` is not followed by two hexadecimal digits, or the bytes are not
/// UTF-8.
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
        QueryParams::parse(raw).unwrap().all("path").map(str::to_owned).collect()
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
    fn invalid_encoding_is_an_error_that_names_the_parameter() {
        for raw in ["path=%", "path=%4", "path=%zz", "path=%ff", "path=%c3"] {
            assert_eq!(QueryParams::parse(raw), Err(QueryError { name: "path".to_owned() }), "{raw}");
        }
        let why = QueryParams::parse("a=1&%ff=2").unwrap_err();
        insta::assert_snapshot!(why, @"the query string is not percent-encoded UTF-8");
        let why = QueryParams::parse("ro=%").unwrap_err();
        insta::assert_snapshot!(why, @"the parameter `ro` is not percent-encoded UTF-8");
    }

    proptest! {
        #[test]
        fn any_encoded_value_is_decoded_unchanged(value in any::<String>()) {
            let encoded: Vec<String> = value.bytes().map(|byte| format!("%{byte:02x}")).collect();
            prop_assert_eq!(paths(&format!("path={}", encoded.concat())), [value]);
        }

        #[test]
        fn parsing_never_panics(raw in any::<String>()) {
            drop(QueryParams::parse(&raw));
        }
    }
}
