//! Normalises paths: turns the path, URL or string that a client sends into the key under which the page is
//! counted. HTTP, queues, events, logs and imports all use this module, so that each page has one key. It must
//! not know where a path comes from.

use std::borrow::Cow;
use std::fmt;

use hitctl_config::contract::{MAX_KEY_BYTES, RESERVED_PREFIX};

use crate::encoding::{percent_decoded, upper_hex};

/// The key under which hits are counted: a normalised path, or a plain string. It has 1 to [`MAX_KEY_BYTES`]
/// bytes, contains no control characters and is not reserved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageKey(String);

impl PageKey {
    /// Returns the key as it is stored in the table.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the key as an owned string.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for PageKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The reason why a path cannot be counted. Displays as a lower-case sentence fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// The path begins with `!`, which marks the counter's own items.
    Reserved,
    /// The path contains NUL or another control character, plain or percent-encoded.
    Control,
    /// The path contains a backslash, plain or percent-encoded. Browsers treat it as a slash, servers do not.
    Backslash,
    /// The percent-decoded bytes are not UTF-8.
    Encoding,
    /// The host of the URL is missing or malformed.
    Host,
    /// The path is longer than [`MAX_KEY_BYTES`] after normalising.
    TooLong {
        /// The length after normalising, in bytes.
        bytes: usize,
    },
}

impl PathError {
    /// Returns the error code of the HTTP response.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLong { .. } => "path_too_long",
            _ => "bad_path",
        }
    }
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reserved => write!(f, "the path begins with `{RESERVED_PREFIX}`, which is reserved"),
            Self::Control => f.write_str("the path contains a control character"),
            Self::Backslash => f.write_str("the path contains a backslash"),
            Self::Encoding => f.write_str("the path is not UTF-8"),
            Self::Host => f.write_str("the URL has no valid host"),
            Self::TooLong { bytes } => {
                write!(f, "the path has {bytes} bytes after normalising; the limit is {MAX_KEY_BYTES}")
            }
        }
    }
}

impl std::error::Error for PathError {}

/// Returns the key of a page, given the string that a client sent for it.
///
/// A path (a string that begins with `/`) and the path of an `http` or `https` URL are normalised. The empty
/// string becomes `/`. Any other string is used as the key unchanged. Normalising a key again changes nothing.
pub fn normalise(raw: &str) -> Result<PageKey, PathError> {
    normalise_keeping(raw, &[])
}

/// Returns the key of a page like [`normalise`], but keeps the query parameters in `keep`: they are appended to
/// the path in the order of `keep`. All other parameters are removed.
pub fn normalise_keeping(raw: &str, keep: &[String]) -> Result<PageKey, PathError> {
    if raw.starts_with(RESERVED_PREFIX) {
        return Err(PathError::Reserved);
    }
    let key = match path_of_url(raw)? {
        Some(path) => normalise_path(path, keep)?,
        None if raw.is_empty() || raw.starts_with('/') => normalise_path(raw, keep)?,
        None if raw.chars().any(char::is_control) => return Err(PathError::Control),
        None => raw.to_owned(),
    };
    if key.len() > MAX_KEY_BYTES {
        return Err(PathError::TooLong { bytes: key.len() });
    }
    Ok(PageKey(key))
}

/// Returns the part of a URL after its host, or `None` if `raw` is not an `http` or `https` URL.
fn path_of_url(raw: &str) -> Result<Option<&str>, PathError> {
    let rest = ["https://", "http://"].into_iter().find_map(|scheme| {
        let head = raw.get(..scheme.len())?;
        head.eq_ignore_ascii_case(scheme).then(|| &raw[scheme.len()..])
    });
    let Some(rest) = rest else { return Ok(None) };
    let end = rest.find(['/', '?', '#', '\\']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let has_host = host.chars().next().is_some_and(|first| first != ':');
    let is_valid = host.chars().all(|c| c.is_alphanumeric() || "-._:[]%".contains(c));
    if has_host && is_valid { Ok(Some(path)) } else { Err(PathError::Host) }
}

fn normalise_path(raw: &str, keep: &[String]) -> Result<String, PathError> {
    let raw = &raw[..raw.find('#').unwrap_or(raw.len())];
    let (path, query) = raw.split_once('?').unwrap_or((raw, ""));
    let (canonical, decoded) = recode(path, is_encoded_in_paths);
    check_decoded(&decoded)?;
    let mut key = resolve_segments(&canonical);
    for name in keep {
        for pair in query.split('&') {
            let (pair_name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (_, decoded_name) = recode(&pair_name.replace('+', "%20"), |byte| !is_unreserved(byte));
            if decoded_name != name.as_bytes() {
                continue;
            }
            let (value, decoded) = recode(&value.replace('+', "%20"), |byte| !is_unreserved(byte));
            check_decoded(&decoded)?;
            let (name, _) = recode(name, |byte| !is_unreserved(byte));
            key.extend([if key.contains('?') { "&" } else { "?" }, &name, "=", &value]);
        }
    }
    Ok(key)
}

/// Rejects decoded bytes that no path may contain.
fn check_decoded(decoded: &[u8]) -> Result<(), PathError> {
    let decoded = std::str::from_utf8(decoded).map_err(|_| PathError::Encoding)?;
    if decoded.chars().any(char::is_control) {
        return Err(PathError::Control);
    }
    if decoded.contains('\\') {
        return Err(PathError::Backslash);
    }
    Ok(())
}

/// Returns the path with each byte in its canonical spelling, and the decoded bytes.
///
/// `%XX` is decoded if the byte is unreserved; otherwise its digits become upper case. Bytes for which
/// `is_encoded` returns true are encoded, so that `/café` and `/caf%C3%A9` are one page. A `%` without two digits
/// becomes `%25`.
fn recode(path: &str, is_encoded: impl Fn(u8) -> bool) -> (String, Vec<u8>) {
    let mut canonical = String::with_capacity(path.len());
    let mut decoded = Vec::with_capacity(path.len());
    for (value, spelling) in percent_decoded(path) {
        let plain = match spelling {
            [byte] => *byte != b'%' && !is_encoded(*byte),
            _ => is_unreserved(value),
        };
        decoded.push(value);
        push_byte(&mut canonical, value, plain);
    }
    (canonical, decoded)
}

/// Collapses `//`, resolves dot segments, and removes a trailing `index.html`, `index.htm` or `/`.
fn resolve_segments(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    while matches!(segments.last(), Some(&("index.html" | "index.htm"))) {
        segments.pop();
    }
    if segments.is_empty() {
        return "/".to_owned();
    }
    let mut out = String::with_capacity(path.len());
    for segment in segments {
        out.push('/');
        out.push_str(segment);
    }
    out
}

/// Returns a path with its characters outside ASCII decoded, as people write it: `/caf%C3%A9` becomes `/café`. Both
/// have the same key. A key that is not a path is returned unchanged.
pub fn readable(key: &str) -> Cow<'_, str> {
    if !key.starts_with('/') || !key.contains('%') {
        return key.into();
    }
    let decoded = percent_decoded(key).flat_map(|(byte, spelling)| {
        let decoded = [byte];
        let shown: &[u8] = if byte.is_ascii() { spelling } else { &decoded };
        shown.to_vec()
    });
    String::from_utf8(decoded.collect()).map_or(key.into(), Cow::Owned)
}

/// Percent-encodes a text, except letters, digits and the bytes in `kept`.
pub fn percent_encoded(text: &str, kept: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        push_byte(&mut out, byte, byte.is_ascii_alphanumeric() || kept.contains(&byte));
    }
    out
}

/// Appends a byte, percent-encoded unless `is_plain`.
fn push_byte(out: &mut String, byte: u8, is_plain: bool) {
    if is_plain {
        out.push(char::from(byte));
    } else {
        out.push('%');
        out.extend(upper_hex(byte));
    }
}

/// Returns whether a byte is one of RFC 3986's unreserved characters.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Returns whether a byte is in the URL standard's path percent-encode set.
fn is_encoded_in_paths(byte: u8) -> bool {
    !(0x21..=0x7e).contains(&byte)
        || matches!(byte, b'"' | b'#' | b'<' | b'>' | b'?' | b'^' | b'`' | b'{' | b'}')
}

#[cfg(test)]
mod tests;
