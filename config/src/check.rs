//! Checks one value against what its key takes: type, range, shape. Looks at no other key.

use std::fmt::Display;
use std::ops::Range;

use toml::Spanned;
use toml::Value;
use toml::de::{DeArray, DeInteger, DeValue};

use crate::display::is_unsafe_to_show;
use crate::keys::Kind;
use crate::problem::Problem;
use crate::shape::Shape;
use crate::suggest::nearest;

/// A value as it stands in the file.
pub(crate) type Written<'i> = Spanned<DeValue<'i>>;

/// Reads the value of the key called `name`. Kinds that are tables have readers of their own.
pub(crate) fn value(kind: Kind, name: &str, written: &Written<'_>) -> Result<Value, Vec<Problem>> {
    let wrong = |problem: Problem| vec![problem.of(written.span())];
    let within = |number: &DeInteger<'_>, min, max| integer(number).filter(|n| (min..=max).contains(n));
    let in_range = match (kind, written.get_ref()) {
        (Kind::Bool, DeValue::Boolean(value)) => Some(Value::Boolean(*value)),
        (Kind::Integer { min, max } | Kind::IntegerOrNone { min, max }, DeValue::Integer(number)) => {
            within(number, min, max).map(Value::Integer)
        }
        (Kind::IntegerOrNone { .. }, DeValue::String(word)) if word == "none" => {
            Some(Value::String(word.to_string()))
        }
        (Kind::IntegerOf(allowed), DeValue::Integer(number)) => {
            integer(number).filter(|n| allowed.contains(n)).map(Value::Integer)
        }
        (Kind::Positive { max }, DeValue::Integer(number)) => within(number, 1, max).map(Value::Integer),
        (Kind::Positive { max }, DeValue::Float(number)) => {
            let number = number.as_str().parse::<f64>().ok();
            number.filter(|n| *n > 0.0 && *n <= as_float(max)).map(Value::Float)
        }
        (Kind::Word(words), DeValue::String(word)) if words.contains(&&**word) => {
            Some(Value::String(word.to_string()))
        }
        (Kind::Word(words), DeValue::String(word)) => return Err(wrong(unknown_word(name, word, words))),
        (Kind::Text(shape), DeValue::String(text)) => {
            return text_of(shape, name, text).map(Value::String).map_err(wrong);
        }
        (Kind::Texts { shape, max }, DeValue::Array(items)) => {
            return texts(shape, max, name, items, written.span());
        }
        (_, found) => return Err(wrong(wrong_type(kind, name, found))),
    };
    in_range.ok_or_else(|| wrong(out_of_range(kind, name, written.get_ref())))
}

/// The words for a value's type.
pub(crate) fn type_of(value: &DeValue<'_>) -> &'static str {
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

/// The words for what a kind takes.
fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "a boolean",
        Kind::Integer { .. } | Kind::IntegerOf(_) => "an integer",
        Kind::IntegerOrNone { .. } => "an integer or \"none\"",
        Kind::Positive { .. } => "a number",
        Kind::Word(_) | Kind::Text(_) => "a string",
        Kind::Texts { .. } => "an array of strings",
        Kind::Variables | Kind::Pattern => "a table",
    }
}

/// A value of another type than the key takes.
pub(crate) fn wrong_type(kind: Kind, name: &str, found: &DeValue<'_>) -> Problem {
    let help = match (kind, found) {
        (Kind::Text(_), DeValue::Integer(number)) => {
            Some(format!("write it in quotes: `{name} = \"{number}\"`"))
        }
        (Kind::Word(words), DeValue::Boolean(_) | DeValue::Integer(_)) => {
            Some(format!("one of {}", quoted(words)))
        }
        (Kind::Texts { .. }, DeValue::String(text)) => {
            Some(format!("write it in brackets: `{name} = [{}]`", Value::String(text.to_string())))
        }
        (Kind::Word(_) | Kind::Text(_) | Kind::Variables | Kind::Pattern, _) => None,
        (_, DeValue::String(text)) if text.parse::<f64>().is_ok() || ["true", "false"].contains(&&**text) => {
            Some(format!("write it without quotes: `{name} = {text}`"))
        }
        _ => None,
    };
    Problem::new("wrong_type", format!("`{name}`: expected {}, found {}", expected(kind), type_of(found)))
        .maybe_help(help)
}

/// A number that the key does not take.
fn out_of_range(kind: Kind, name: &str, found: &DeValue<'_>) -> Problem {
    let mut nearest = None;
    let range = match kind {
        Kind::Integer { min, max } => format!("from {} to {}", grouped(min), grouped(max)),
        Kind::IntegerOrNone { min, max } => {
            format!("from {} to {}, or \"none\"", grouped(min), grouped(max))
        }
        Kind::IntegerOf(allowed) => {
            let number = if let DeValue::Integer(number) = found { integer(number) } else { None };
            nearest = number.and_then(|n| allowed.iter().min_by_key(|candidate| candidate.abs_diff(n)));
            format!("one of {}", allowed.iter().map(i64::to_string).collect::<Vec<_>>().join(", "))
        }
        Kind::Positive { max } => format!("above 0 and at most {}", grouped(max)),
        _ => expected(kind).to_owned(),
    };
    Problem::new("out_of_range", format!("`{name}` must be {range}"))
        .maybe_help(nearest.map(|nearest| format!("the nearest is {nearest}")))
}

fn unknown_word(name: &str, word: &str, words: &[&str]) -> Problem {
    let meant = nearest(word, words.iter().copied()).map(|near| format!("; did you mean \"{near}\"?"));
    let message = format!("`{name}` has no \"{}\"{}", sanitize(word), meant.unwrap_or_default());
    Problem::new("unknown_value", message).help(format!("one of {}", quoted(words)))
}

fn quoted(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    words.join(", ")
}

/// Checks a string against a shape.
pub(crate) fn text_of(shape: &Shape, name: &str, text: &str) -> Result<String, Problem> {
    if shape.fits(text) {
        return Ok(text.to_owned());
    }
    let meant = shape.suggest(text).map(|guess| format!("did you mean \"{guess}\"?"));
    Err(Problem::new("bad_value", format!("`{name}`: expected {}, found \"{}\"", shape.what, sanitize(text)))
        .maybe_help(meant))
}

fn texts(
    shape: &Shape,
    max: usize,
    name: &str,
    items: &DeArray<'_>,
    span: Range<usize>,
) -> Result<Value, Vec<Problem>> {
    let mut good: Vec<Value> = Vec::new();
    let mut wrong: Vec<Problem> = Vec::new();
    for item in items {
        let read = match item.get_ref() {
            DeValue::String(text) => text_of(shape, name, text),
            found => {
                let found = type_of(found);
                Err(Problem::new("wrong_type", format!("`{name}`: expected strings, found {found}")))
            }
        };
        match read {
            Ok(text) if good.iter().any(|other| other.as_str() == Some(&text)) => {
                let message = format!("`{name}` lists \"{text}\" twice");
                wrong.push(Problem::new("duplicate", message).of(item.span()));
            }
            Ok(text) => good.push(Value::String(text)),
            Err(problem) => wrong.push(problem.of(item.span())),
        }
        // Enough to see that this is no list of ours; a longer one is not worth the time.
        if good.len() > max {
            let message = format!("`{name}` takes at most {max} entries");
            wrong.push(Problem::new("out_of_range", message).of(span));
            break;
        }
    }
    if wrong.is_empty() { Ok(Value::Array(good)) } else { Err(wrong) }
}

/// A whole number, if it is not too large.
pub(crate) fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// Bounds are small enough to be exact.
fn as_float(number: i64) -> f64 {
    i32::try_from(number).map_or(f64::MAX, f64::from)
}

/// A whole number from 0 on, with separators: 10,240.
pub(crate) fn grouped(number: impl Display + Copy) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

/// A user's text, fit to be shown: short, and without control, reordering and invisible characters.
pub(crate) fn sanitize(text: &str) -> String {
    const MOST: usize = 60;
    let mut shown: String =
        text.chars().take(MOST).map(|c| if is_unsafe_to_show(c) { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push_str("..");
    }
    shown
}
