//! What is asked to be invalidated, read from its XML and judged as `CloudFront` does.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

/// The most paths in progress in a distribution ("Quotas on invalidations" in the developer guide).
pub(super) const MOST_PATHS: usize = 3_000;
/// The longest path, in characters.
const MAX_PATH: usize = 4_000;

/// A batch that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) caller_reference: String,
    pub(super) paths: Vec<String>,
}

/// Why a batch is none: a code of `CloudFront`, and words.
pub(super) type Bad = (&'static str, String);

impl Batch {
    /// Reads `InvalidationBatch`.
    pub(super) fn parse(xml: &[u8]) -> Result<Self, Bad> {
        if xml.iter().all(u8::is_ascii_whitespace) {
            return Err(("MissingBody", "This operation requires a body.".to_owned()));
        }
        let malformed = || ("MalformedInput", "The request is no well-formed XML.".to_owned());
        let text = std::str::from_utf8(xml).map_err(|_| malformed())?;
        let mut found = Self { caller_reference: String::new(), paths: Vec::new() };
        let mut quantity = String::new();
        let (mut reader, mut within, mut value) = (Reader::from_str(text), Vec::new(), String::new());
        loop {
            match reader.read_event().map_err(|_| malformed())? {
                Event::Start(tag) => {
                    within.push(tag.local_name().as_ref().to_owned());
                    value.clear();
                }
                Event::Text(part) => value.push_str(&part),
                Event::CData(part) => value.push_str(&part),
                Event::GeneralRef(name) => {
                    let letter = name.resolve_char_ref().map_err(|_| malformed())?;
                    match (letter, resolve_predefined_entity(&name)) {
                        (Some(letter), _) => value.push(letter),
                        (None, Some(text)) => value.push_str(text),
                        (None, None) => return Err(malformed()),
                    }
                }
                Event::End(_) => {
                    let path: Vec<&str> = within.iter().map(String::as_str).collect();
                    match path.as_slice() {
                        ["InvalidationBatch", "CallerReference"] => found.caller_reference.clone_from(&value),
                        ["InvalidationBatch", "Paths", "Quantity"] => quantity.clone_from(&value),
                        ["InvalidationBatch", "Paths", "Items", "Path"] => found.paths.push(value.clone()),
                        _ => {}
                    }
                    within.pop();
                    value.clear();
                }
                Event::Eof => break,
                _ => {}
            }
        }
        if !within.is_empty() {
            return Err(malformed());
        }
        found.judge(&quantity)
    }

    fn judge(self, quantity: &str) -> Result<Self, Bad> {
        let invalid = |why: &str| Err(("InvalidArgument", why.to_owned()));
        if self.caller_reference.trim().is_empty() {
            return invalid("The parameter CallerReference is required.");
        }
        if quantity.trim().parse() != Ok(self.paths.len()) {
            let why = "The value of Quantity and the number of items do not match.";
            return Err(("InconsistentQuantities", why.to_owned()));
        }
        if self.paths.is_empty() {
            return invalid("Your request contains no invalidation paths.");
        }
        if self.paths.len() > MOST_PATHS {
            let why = "Your request contains too many invalidation paths.";
            return Err(("BatchTooLarge", why.to_owned()));
        }
        let good = |path: &String| {
            let star = path.find('*');
            path.starts_with('/')
                && path.chars().count() <= MAX_PATH
                && star.is_none_or(|at| at + 1 == path.len())
                && path.bytes().all(|b| b.is_ascii_graphic())
        };
        if !self.paths.iter().all(good) {
            return invalid("Your request contains one or more invalid invalidation paths.");
        }
        Ok(self)
    }
}
