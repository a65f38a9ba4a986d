//! Checks one value against what its key takes: type, range, shape. Looks at no other key.

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
/// A problem and its span.
pub(crate) type Wrong = (Problem, Range<usize>);

/// Reads the value of the key called `name`. Kinds that are tables have readers of their own.
pub(crate) fn value(kind: Kind, name: &str, written: &Written<'_>) -> Result<Value, Vec<Wrong>> {
    let wrong = |problem: Problem| vec![(problem, written.span())];
    match (kind, written.get_ref()) {
        (Kind::Bool, DeValue::Boolean(value)) => Ok(Value::Boolean(*value)),
        (Kind::Integer { min, max } | Kind::IntegerOrNone { min, max }, DeValue::Integer(number)) => {
            integer(number).filter(|n| (min..=max).contains(n)).map(Value::Integer).ok_or_else(|| {
                wrong(out_of_range(name, &format!("from {} to {}", grouped(min), grouped(max)), kind))
            })
        }
        (Kind::IntegerOrNone { .. }, DeValue::String(word)) if word == "none" => {
            Ok(Value::String(word.to_string()))
        }
        (Kind::IntegerOf(allowed), DeValue::Integer(number)) => {
            let number = integer(number);
            number
                .filter(|n| allowed.contains(n))
                .map(Value::Integer)
                .ok_or_else(|| wrong(not_one_of(name, number, allowed)))
        }
        (Kind::Positive { max }, DeValue::Integer(number)) => {
            let within = integer(number).filter(|n| (1..=max).contains(n));
            within.map(Value::Integer).ok_or_else(|| wrong(not_positive(name, max)))
        }
        (Kind::Positive { max }, DeValue::Float(number)) => {
            let number = number.as_str().parse::<f64>().ok().filter(|n| *n > 0.0 && *n <= as_float(max));
            number.map(Value::Float).ok_or_else(|| wrong(not_positive(name, max)))
        }
        (Kind::Word(words), DeValue::String(word)) if words.contains(&&**word) => {
            Ok(Value::String(word.to_string()))
        }
        (Kind::Word(words), DeValue::String(word)) => Err(wrong(unknown_word(name, word, words))),
        (Kind::Text(shape), DeValue::String(text)) => {
            text_of(shape, name, text).map(Value::String).map_err(wrong)
        }
        (Kind::Texts { shape, max }, DeValue::Array(items)) => {
            texts(shape, max, name, items, &written.span())
        }
        (_, found) => Err(wrong(wrong_type(kind, name, found))),
    }
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
        (
            Kind::Bool
            | Kind::Integer { .. }
            | Kind::IntegerOf(_)
            | Kind::IntegerOrNone { .. }
            | Kind::Positive { .. },
            DeValue::String(text),
        ) if text.parse::<f64>().is_ok() || *text == "true" || *text == "false" => {
            Some(format!("write it without quotes: `{name} = {text}`"))
        }
        (Kind::Text(_), DeValue::Integer(number)) => {
            Some(format!("write it in quotes: `{name} = \"{number}\"`"))
        }
        (Kind::Word(_), DeValue::Boolean(_) | DeValue::Integer(_)) => Some(takes(kind)),
        (Kind::Texts { .. }, DeValue::String(text)) => {
            Some(format!("write it in brackets: `{name} = [{}]`", Value::String(text.to_string())))
        }
        _ => None,
    };
    Problem::new("wrong_type", format!("`{name}`: expected {}, found {}", expected(kind), type_of(found)))
        .maybe_help(help)
}

/// What a kind takes, in words.
fn takes(kind: Kind) -> String {
    match kind {
        Kind::Word(words) => format!("one of {}", quoted(words)),
        _ => expected(kind).to_owned(),
    }
}

fn out_of_range(name: &str, range: &str, kind: Kind) -> Problem {
    let or_none = if matches!(kind, Kind::IntegerOrNone { .. }) { ", or \"none\"" } else { "" };
    Problem::new("out_of_range", format!("`{name}` must be {range}{or_none}"))
}

fn not_positive(name: &str, max: i64) -> Problem {
    Problem::new("out_of_range", format!("`{name}` must be above 0 and at most {}", grouped(max)))
}

fn not_one_of(name: &str, number: Option<i64>, allowed: &[i64]) -> Problem {
    let list: Vec<String> = allowed.iter().map(i64::to_string).collect();
    let closest = number.and_then(|n| allowed.iter().min_by_key(|candidate| candidate.abs_diff(n)));
    Problem::new("out_of_range", format!("`{name}` must be one of {}", list.join(", ")))
        .maybe_help(closest.map(|closest| format!("the nearest is {closest}")))
}

fn unknown_word(name: &str, word: &str, words: &[&str]) -> Problem {
    let meant = nearest(word, words.iter().copied()).map(|near| format!("; did you mean \"{near}\"?"));
    let message = format!("`{name}` has no \"{}\"{}", tame(word), meant.unwrap_or_default());
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
    Err(Problem::new("bad_value", format!("`{name}`: expected {}, found \"{}\"", shape.what, tame(text)))
        .maybe_help(meant))
}

fn texts(
    shape: &Shape,
    max: usize,
    name: &str,
    items: &DeArray<'_>,
    span: &Range<usize>,
) -> Result<Value, Vec<Wrong>> {
    let mut good: Vec<Value> = Vec::new();
    let mut wrong: Vec<Wrong> = Vec::new();
    for item in items {
        let DeValue::String(text) = item.get_ref() else {
            let found = type_of(item.get_ref());
            wrong.push((
                Problem::new("wrong_type", format!("`{name}`: expected strings, found {found}")),
                item.span(),
            ));
            continue;
        };
        match text_of(shape, name, text) {
            Ok(text) if good.iter().any(|other| other.as_str() == Some(&text)) => {
                wrong.push((
                    Problem::new("duplicate", format!("`{name}` lists \"{text}\" twice")),
                    item.span(),
                ));
            }
            Ok(text) => good.push(Value::String(text)),
            Err(problem) => wrong.push((problem, item.span())),
        }
        // Enough to see that this is no list of ours; a longer one is not worth the time.
        if good.len() > max {
            break;
        }
    }
    if good.len() > max {
        wrong.push((
            Problem::new("out_of_range", format!("`{name}` takes at most {max} entries")),
            span.clone(),
        ));
    }
    if wrong.is_empty() { Ok(Value::Array(good)) } else { Err(wrong) }
}

fn integer(number: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(number.as_str(), number.radix()).ok()
}

/// Bounds are small enough to be exact.
fn as_float(number: i64) -> f64 {
    i32::try_from(number).map_or(f64::MAX, f64::from)
}

/// A number with separators: 10,240.
pub(crate) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if number < 0 { format!("-{text}") } else { text }
}

/// A user's text, fit to be shown: short, and without control, reordering and invisible characters.
pub(crate) fn tame(text: &str) -> String {
    const MOST: usize = 60;
    let mut shown: String =
        text.chars().take(MOST).map(|c| if is_unsafe_to_show(c) { '\u{fffd}' } else { c }).collect();
    if text.chars().nth(MOST).is_some() {
        shown.push_str("..");
    }
    shown
}
