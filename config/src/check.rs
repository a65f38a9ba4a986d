//! Checks the type, range and format of a single value. Does not look at other keys.

use std::fmt::Display;
use std::ops::Range;

use toml::Spanned;
use toml::Value;
use toml::de::{DeArray, DeInteger, DeValue};

use crate::display::is_unsafe_to_show;
use crate::keys::ValueKind;
use crate::problem::ConfigProblem;
use crate::string_format::StringFormat;
use crate::suggest::nearest;

/// A value in the file, with its span.
pub(crate) type SpannedValue<'i> = Spanned<DeValue<'i>>;

/// Checks and converts the value of the key `name`. The modules `environment` and `pattern` check values that are
/// tables.
pub(crate) fn check_value(
    kind: ValueKind,
    name: &str,
    value_in_file: &SpannedValue<'_>,
) -> Result<Value, Vec<ConfigProblem>> {
    let problem_at = |problem: ConfigProblem| vec![problem.with_span(value_in_file.span())];
    let in_bounds =
        |number: &DeInteger<'_>, min, max| parse_integer(number).filter(|n| (min..=max).contains(n));
    let checked = match (kind, value_in_file.get_ref()) {
        (ValueKind::Bool, DeValue::Boolean(value)) => Some(Value::Boolean(*value)),
        (
            ValueKind::Integer { min, max } | ValueKind::IntegerOrNone { min, max },
            DeValue::Integer(number),
        ) => in_bounds(number, min, max).map(Value::Integer),
        (ValueKind::IntegerOrNone { .. }, DeValue::String(word)) if word == "none" => {
            Some(Value::String(word.to_string()))
        }
        (ValueKind::IntegerOneOf(allowed), DeValue::Integer(number)) => {
            parse_integer(number).filter(|n| allowed.contains(n)).map(Value::Integer)
        }
        (ValueKind::PositiveNumber { max }, DeValue::Integer(number)) => {
            in_bounds(number, 1, max).map(Value::Integer)
        }
        (ValueKind::PositiveNumber { max }, DeValue::Float(number)) => {
            let number = number.as_str().parse::<f64>().ok();
            number.filter(|n| *n > 0.0 && *n <= to_float(max)).map(Value::Float)
        }
        (ValueKind::OneOf(words), DeValue::String(word)) if words.contains(&&**word) => {
            Some(Value::String(word.to_string()))
        }
        (ValueKind::OneOf(words), DeValue::String(word)) => {
            return Err(problem_at(unknown_word(name, word, words)));
        }
        (ValueKind::Text(format), DeValue::String(text)) => {
            return check_text(format, name, text).map(Value::String).map_err(problem_at);
        }
        (ValueKind::TextList { format, max }, DeValue::Array(items)) => {
            return check_text_list(format, max, name, items, value_in_file.span());
        }
        (_, found) => return Err(problem_at(wrong_type(kind, name, found))),
    };
    checked.ok_or_else(|| problem_at(out_of_range(kind, name, value_in_file.get_ref())))
}

/// Returns the name of a value's type for messages.
pub(crate) fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// Returns the name of the type that a key accepts, for messages.
fn expected_type(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Bool => "a boolean",
        ValueKind::Integer { .. } | ValueKind::IntegerOneOf(_) => "an integer",
        ValueKind::IntegerOrNone { .. } => "an integer or \"none\"",
        ValueKind::PositiveNumber { .. } => "a number",
        ValueKind::OneOf(_) | ValueKind::Text(_) => "a string",
        ValueKind::TextList { .. } => "an array of strings",
        ValueKind::EnvVariables | ValueKind::EventPattern => "a table",
    }
}

/// Returns the problem for a value of the wrong type.
pub(crate) fn wrong_type(kind: ValueKind, name: &str, found: &DeValue<'_>) -> ConfigProblem {
    let help = match (kind, found) {
        (ValueKind::Text(_), DeValue::Integer(number)) => {
            Some(format!("write it in quotes: `{name} = \"{number}\"`"))
        }
        (ValueKind::TextList { .. }, DeValue::String(text)) => {
            Some(format!("write it in brackets: `{name} = [{}]`", Value::String(text.to_string())))
        }
        (ValueKind::OneOf(_) | ValueKind::Text(_) | ValueKind::EnvVariables | ValueKind::EventPattern, _) => {
            None
        }
        (_, DeValue::String(text)) if text.parse::<f64>().is_ok() || ["true", "false"].contains(&&**text) => {
            Some(format!("write it without quotes: `{name} = {text}`"))
        }
        _ => None,
    };
    let expected =
        if let ValueKind::OneOf(words) = kind { quoted(words) } else { expected_type(kind).to_owned() };
    ConfigProblem::new("wrong_type", format!("`{name}`: expected {expected}, found {}", type_name(found)))
        .with_optional_help(help)
}

/// Returns the problem for a number outside the accepted range.
fn out_of_range(kind: ValueKind, name: &str, found: &DeValue<'_>) -> ConfigProblem {
    let mut nearest = None;
    let range = match kind {
        ValueKind::Integer { min, max } => {
            format!("an integer from {} to {}", with_separators(min), with_separators(max))
        }
        ValueKind::IntegerOrNone { min, max } => {
            format!("an integer from {} to {} or \"none\"", with_separators(min), with_separators(max))
        }
        ValueKind::IntegerOneOf(allowed) => {
            let number = if let DeValue::Integer(number) = found { parse_integer(number) } else { None };
            nearest = number.and_then(|n| allowed.iter().min_by_key(|candidate| candidate.abs_diff(n)));
            format!("one of {}", allowed.iter().map(i64::to_string).collect::<Vec<_>>().join(", "))
        }
        ValueKind::PositiveNumber { max } => format!("a number above 0 and at most {}", with_separators(max)),
        _ => expected_type(kind).to_owned(),
    };
    let found = match found {
        DeValue::Integer(number) => sanitize(&number.to_string()),
        DeValue::Float(number) => sanitize(number.as_str()),
        other => type_name(other).to_owned(),
    };
    ConfigProblem::new("out_of_range", format!("`{name}`: expected {range}, found {found}"))
        .with_optional_help(nearest.map(|nearest| format!("use {nearest}, the nearest accepted value")))
}

fn unknown_word(name: &str, word: &str, words: &[&str]) -> ConfigProblem {
    let suggestion =
        nearest(word, words.iter().copied()).map(|nearest_word| format!("did you mean \"{nearest_word}\"?"));
    let message = format!("`{name}`: expected {}, found \"{}\"", quoted(words), sanitize(word));
    ConfigProblem::new("unknown_value", message).with_optional_help(suggestion)
}

/// Returns the words in quotes, as alternatives: `"a", "b" or "c"`.
fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

/// Checks a string against a format.
pub(crate) fn check_text(format: &StringFormat, name: &str, text: &str) -> Result<String, ConfigProblem> {
    if format.matches(text) {
        return Ok(text.to_owned());
    }
    let suggestion = format.suggest(text).map(|guess| format!("did you mean \"{guess}\"?"));
    Err(ConfigProblem::new(
        "bad_value",
        format!("`{name}`: expected {}, found \"{}\"", format.description, sanitize(text)),
    )
    .with_optional_help(suggestion))
}

fn check_text_list(
    format: &StringFormat,
    max: usize,
    name: &str,
    items: &DeArray<'_>,
    span: Range<usize>,
) -> Result<Value, Vec<ConfigProblem>> {
    let mut valid: Vec<Value> = Vec::new();
    let mut problems: Vec<ConfigProblem> = Vec::new();
    for item in items {
        let checked = match item.get_ref() {
            DeValue::String(text) => check_text(format, name, text),
            found => {
                let found = type_name(found);
                Err(ConfigProblem::new("wrong_type", format!("`{name}`: expected strings, found {found}")))
            }
        };
        match checked {
            Ok(text) if valid.iter().any(|other| other.as_str() == Some(&text)) => {
                let message = format!("`{name}`: expected distinct values, found \"{text}\" twice");
                problems.push(ConfigProblem::new("duplicate", message).with_span(item.span()));
            }
            Ok(text) => valid.push(Value::String(text)),
            Err(problem) => problems.push(problem.with_span(item.span())),
        }
        // The list is invalid anyway, so checking the rest would only take time.
        if valid.len() > max {
            let message = format!("`{name}`: expected at most {max} values, found {}", items.len());
            problems.push(ConfigProblem::new("out_of_range", message).with_span(span));
            break;
        }
    }
    if problems.is_empty() { Ok(Value::Array(valid)) } else { Err(problems) }
}

/// Parses an integer; `None` if it does not fit into 64 bits.
pub(crate) fn parse_integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// Converts a bound to a float. All bounds fit into 32 bits, which a float represents exactly.
fn to_float(number: i64) -> f64 {
    i32::try_from(number).map_or(f64::MAX, f64::from)
}

/// Formats a non-negative integer with separators: 10,240.
pub(crate) fn with_separators(number: impl Display + Copy) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// Makes a user's text safe to show: truncates it, and replaces control, reordering and invisible characters.
pub(crate) fn sanitize(text: &str) -> String {
    const MAX_CHARS: usize = 60;
    let mut sanitized: String =
        text.chars().take(MAX_CHARS).map(|c| if is_unsafe_to_show(c) { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        sanitized.push_str("..");
    }
    sanitized
}
