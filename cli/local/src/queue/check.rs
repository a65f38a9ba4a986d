//! SQS's limits on queue settings, messages and message attributes.

use hitctl_engine::Fault;
use hitctl_resources::QueueSpec;

use super::error::{MAX_BYTES, SqsError};
use super::message::{MessageAttributeValue, NewMessage};

const MAX_ATTRIBUTES: usize = 10;
/// The maximum length of an attribute's name, in bytes.
const MAX_ATTRIBUTE_NAME: usize = 256;
/// The maximum delay, in seconds.
const MAX_DELAY_S: i64 = 900;

/// Checks a queue's name and settings against SQS's limits: a visibility timeout of at most 12 hours, and a retention
/// period of 60 seconds to 14 days.
pub(super) fn queue_settings(name: &str, spec: &QueueSpec) -> Result<(), Fault> {
    let invalid = |reason: String| {
        Err(Fault::fatal("invalid_request", format!("the spec of queue {name} is not valid"))
            .caused_by(reason))
    };
    if !is_valid_name(name) {
        return invalid("expected a name of 1 to 80 letters, digits, hyphens and underscores".to_owned());
    }
    if spec.visibility_timeout_s > 43_200 {
        return invalid(format!(
            "visibility_timeout_s: expected at most 43200, found {}",
            spec.visibility_timeout_s
        ));
    }
    if !(60..=1_209_600).contains(&spec.retention_s) {
        return invalid(format!("retention_s: expected 60 to 1209600, found {}", spec.retention_s));
    }
    match &spec.redrive {
        Some(redrive) if !(1..=1000).contains(&redrive.max_receive_count) => {
            invalid(format!("max_receive_count: expected 1 to 1000, found {}", redrive.max_receive_count))
        }
        Some(redrive) if redrive.dead_letter_arn.get().is_none() => {
            invalid("dead_letter_arn: expected a value, found an unresolved reference".to_owned())
        }
        _ => Ok(()),
    }
}

/// Returns whether a queue name or batch entry id is valid: 1 to 80 letters, digits, hyphens and underscores.
pub(super) fn is_valid_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=80).contains(&name.len()) && name.bytes().all(plain)
}

/// Checks a message against SQS's limits.
pub(crate) fn message(message: &NewMessage) -> Result<(), SqsError> {
    if message.body.is_empty() {
        return Err(SqsError::MissingParameter("MessageBody".to_owned()));
    }
    if !has_only_xml_chars(&message.body) {
        return Err(SqsError::InvalidContents);
    }
    let count = message.attributes.len();
    if count > MAX_ATTRIBUTES {
        return Err(SqsError::InvalidParameter(format!(
            "Number of message attributes [{count}] exceeds the allowed maximum [{MAX_ATTRIBUTES}]."
        )));
    }
    message.attributes.iter().try_for_each(|(name, value)| attribute(name, value))?;
    delay(i64::from(message.delay_s))?;
    if size(message) > MAX_BYTES {
        return Err(SqsError::InvalidParameter(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {MAX_BYTES} bytes."
        )));
    }
    Ok(())
}

/// Checks a delay, in seconds.
pub(super) fn delay(seconds: i64) -> Result<(), SqsError> {
    if (0..=MAX_DELAY_S).contains(&seconds) {
        return Ok(());
    }
    Err(SqsError::InvalidParameter(format!(
        "Value {seconds} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= {MAX_DELAY_S}."
    )))
}

/// Returns the size that counts against the limit, in bytes: the body and the attributes' names, types and values.
pub(super) fn size(message: &NewMessage) -> usize {
    let attributes = message.attributes.iter().map(|(name, value)| {
        name.len() + value.data_type.len() + value.bytes().map_or(0, |bytes| bytes.len())
    });
    message.body.len() + attributes.sum::<usize>()
}

fn attribute(name: &str, value: &MessageAttributeValue) -> Result<(), SqsError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    let lower = name.to_ascii_lowercase();
    if name.is_empty()
        || name.len() > MAX_ATTRIBUTE_NAME
        || !name.bytes().all(plain)
        || name.starts_with('.')
        || name.ends_with('.')
        || name.contains("..")
        || lower.starts_with("aws.")
        || lower.starts_with("amazon.")
    {
        return Err(SqsError::InvalidParameter(format!(
            "The message attribute name '{name}' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen \
             (-), and period (.) characters."
        )));
    }
    let kind = value.data_type.split('.').next().unwrap_or_default();
    let fits = match kind {
        "String" | "Number" => value.string_value.is_some() && value.binary_value.is_none(),
        "Binary" => value.binary_value.is_some() && value.string_value.is_none(),
        _ => {
            return Err(SqsError::InvalidParameter(format!(
                "The type of message attribute '{name}' is invalid. You must use only the following supported type prefixes: \
                 Binary, Number, String."
            )));
        }
    };
    let bytes = value.bytes().filter(|bytes| fits && !bytes.is_empty());
    let Some(bytes) = bytes else {
        return Err(SqsError::InvalidParameter(format!(
            "Message (user) attribute '{name}' must contain a non-empty message attribute value of its type '{kind}'."
        )));
    };
    let text = String::from_utf8_lossy(&bytes);
    if kind == "Number" && text.trim().parse::<f64>().is_err() {
        return Err(SqsError::InvalidParameter(format!(
            "Can't cast the value of message (user) attribute '{name}' to a number."
        )));
    }
    if kind != "Binary" && !has_only_xml_chars(&text) {
        return Err(SqsError::InvalidContents);
    }
    Ok(())
}

/// Returns whether a text has only characters that XML 1.0 allows.
fn has_only_xml_chars(text: &str) -> bool {
    // A Rust `char` is never a surrogate.
    text.chars().all(|c| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(body: &str) -> NewMessage {
        NewMessage { body: body.to_owned(), ..NewMessage::default() }
    }

    #[test]
    fn body_with_invalid_xml_characters_is_rejected() {
        for body in ["a\tb\nc\rd", "ü", "\u{fffd}", "\u{10ffff}", " "] {
            message(&text(body)).unwrap();
        }
        for body in ["a\0", "\u{1f}", "\u{b}", "\u{ffff}", "\u{fffe}"] {
            assert_eq!(message(&text(body)).unwrap_err(), SqsError::InvalidContents, "{body:?}");
        }
        assert_eq!(message(&text("")).unwrap_err().name_and_code().1, "MissingParameter");
    }

    #[test]
    fn message_size_limit_includes_attributes() {
        message(&text(&"x".repeat(MAX_BYTES))).unwrap();
        assert!(
            message(&text(&"x".repeat(MAX_BYTES + 1)))
                .unwrap_err()
                .to_string()
                .contains("shorter than 1048576")
        );
        let mut long_message = text(&"x".repeat(MAX_BYTES - 10));
        long_message.attributes.insert("ab".to_owned(), MessageAttributeValue::text("cd"));
        message(&long_message).unwrap();
        long_message.attributes.insert("ab".to_owned(), MessageAttributeValue::text("cde"));
        message(&long_message).unwrap_err();
    }

    #[test]
    fn attributes_are_checked_by_name_type_and_value() {
        let check_attribute = |name: &str, kind: &str, value: &str| {
            let value =
                MessageAttributeValue { data_type: kind.to_owned(), ..MessageAttributeValue::text(value) };
            let attributes = [(name.to_owned(), value)].into();
            message(&NewMessage { attributes, ..text("x") })
        };
        for (name, kind, value) in
            [("ip", "String", "::1"), ("n.a-b_c", "Number.int", "-1.5e3"), ("a", "String.x", "y")]
        {
            check_attribute(name, kind, value).unwrap();
        }
        for (name, kind, value) in [
            ("", "String", "x"),
            (".a", "String", "x"),
            ("a..b", "String", "x"),
            ("AWS.x", "String", "x"),
            ("a b", "String", "x"),
            ("a", "Text", "x"),
            ("a", "String", ""),
            ("a", "Number", "one"),
            ("a", "Binary", "x"),
            ("a", "String", "\0"),
        ] {
            check_attribute(name, kind, value).unwrap_err();
        }
    }
}
