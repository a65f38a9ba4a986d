//! Parses and validates the XML of an invalidation batch, as `CloudFront` does.

use quick_xml::Reader;
use quick_xml::escape::resolve_predefined_entity;
use quick_xml::events::Event;

/// The maximum number of paths in progress in a distribution ("Quotas on invalidations" in the developer guide).
pub(super) const MAX_PATHS: usize = 3_000;
/// The maximum length of a path, in characters.
const MAX_PATH_CHARS: usize = 4_000;

/// A valid invalidation batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct InvalidationBatch {
    pub(super) caller_reference: String,
    pub(super) paths: Vec<String>,
}

/// The error of an invalid batch: `CloudFront`'s code and a message.
pub(super) type BatchError = (&'static str, String);

impl InvalidationBatch {
    /// Parses the `InvalidationBatch` element of a request.
    pub(super) fn parse(xml: &[u8]) -> Result<Self, BatchError> {
        if xml.iter().all(u8::is_ascii_whitespace) {
            return Err(("MissingBody", "This operation requires a body.".to_owned()));
        }
        let malformed = || ("MalformedInput", "The request is not well-formed XML.".to_owned());
        let text = std::str::from_utf8(xml).map_err(|_| malformed())?;
        let mut batch = Self { caller_reference: String::new(), paths: Vec::new() };
        let mut quantity = String::new();
        let (mut reader, mut open_elements, mut value) = (Reader::from_str(text), Vec::new(), String::new());
        loop {
            match reader.read_event().map_err(|_| malformed())? {
                Event::Start(tag) => {
                    open_elements.push(tag.local_name().as_ref().to_owned());
                    value.clear();
                }
                Event::Text(part) => value.push_str(&part),
                Event::CData(part) => value.push_str(&part),
                Event::GeneralRef(name) => {
                    let character = name.resolve_char_ref().map_err(|_| malformed())?;
                    match (character, resolve_predefined_entity(&name)) {
                        (Some(character), _) => value.push(character),
                        (None, Some(text)) => value.push_str(text),
                        (None, None) => return Err(malformed()),
                    }
                }
                Event::End(_) => {
                    let path: Vec<&str> = open_elements.iter().map(String::as_str).collect();
                    match path.as_slice() {
                        ["InvalidationBatch", "CallerReference"] => batch.caller_reference.clone_from(&value),
                        ["InvalidationBatch", "Paths", "Quantity"] => quantity.clone_from(&value),
                        ["InvalidationBatch", "Paths", "Items", "Path"] => batch.paths.push(value.clone()),
                        _ => {}
                    }
                    open_elements.pop();
                    value.clear();
                }
                Event::Eof => break,
                _ => {}
            }
        }
        if !open_elements.is_empty() {
            return Err(malformed());
        }
        batch.validate(&quantity)
    }

    fn validate(self, quantity: &str) -> Result<Self, BatchError> {
        let invalid = |message: &str| Err(("InvalidArgument", message.to_owned()));
        if self.caller_reference.trim().is_empty() {
            return invalid("The parameter CallerReference is required.");
        }
        if quantity.trim().parse() != Ok(self.paths.len()) {
            let message = "The value of Quantity and the number of items do not match.";
            return Err(("InconsistentQuantities", message.to_owned()));
        }
        if self.paths.is_empty() {
            return invalid("Your request contains no invalidation paths.");
        }
        if self.paths.len() > MAX_PATHS {
            let message = "Your request contains too many invalidation paths.";
            return Err(("BatchTooLarge", message.to_owned()));
        }
        let is_valid = |path: &String| {
            // Only the last character may be a wildcard.
            let wildcard = path.find('*');
            path.starts_with('/')
                && path.chars().count() <= MAX_PATH_CHARS
                && wildcard.is_none_or(|index| index + 1 == path.len())
                && path.bytes().all(|b| b.is_ascii_graphic())
        };
        if !self.paths.iter().all(is_valid) {
            return invalid("Your request contains one or more invalid invalidation paths.");
        }
        Ok(self)
    }
}
