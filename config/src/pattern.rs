//! Reads a pattern of `EventBridge`: a table whose leaves are lists of what may match. What `EventBridge` would refuse is a
//! problem at its place in the file.

use std::ops::Range;

use toml::Value;
use toml::de::{DeTable, DeValue};

use crate::check::{Written, integer, sanitize, type_of, wrong_type};
use crate::event_pattern::{Pattern, Refusal, Step};
use crate::keys::Kind;
use crate::problem::Problem;

/// Reads the pattern that `name` holds.
pub(crate) fn read(name: &str, written: &Written<'_>) -> Result<Value, Vec<Problem>> {
    let DeValue::Table(table) = written.get_ref() else {
        return Err(vec![wrong_type(Kind::Pattern, name, written.get_ref()).of(written.span())]);
    };
    let mut wrong = Vec::new();
    if table.is_empty() {
        wrong.push(empty(name).of(written.span()));
    }
    let value = fields(table, &mut wrong);
    // Of a pattern without the form of one there is no more to say.
    if wrong.is_empty()
        && let Some(refusal) = refused(&value)
    {
        wrong.push(Problem::new("bad_pattern", refusal.message).of(place(written, &refusal.at)));
    }
    if wrong.is_empty() { Ok(Value::Table(value)) } else { Err(wrong) }
}

/// What `EventBridge` says to the pattern, if it does not take it.
fn refused(pattern: &toml::Table) -> Option<Refusal> {
    let json = serde_json::to_value(pattern).ok()?;
    Pattern::parse(&json).err()
}

/// Where in the file a step into the pattern leads: as far as it can be followed.
fn place(written: &Written<'_>, at: &[Step]) -> Range<usize> {
    let inner = match (at.first(), written.get_ref()) {
        (Some(Step::Field(name)), DeValue::Table(table)) => {
            table.iter().find(|(field, _)| field.get_ref() == name).map(|(_, value)| value)
        }
        (Some(Step::Index(index)), DeValue::Array(items)) => items.get(*index),
        _ => None,
    };
    inner.map_or_else(|| written.span(), |inner| place(inner, &at[1..]))
}

fn empty(shown: &str) -> Problem {
    Problem::new("bad_value", format!("`{shown}` is empty, and would match nothing"))
}

fn fields(table: &DeTable<'_>, wrong: &mut Vec<Problem>) -> toml::Table {
    let mut read = toml::Table::new();
    for (field, written) in table {
        let shown = sanitize(field.get_ref());
        let value = match written.get_ref() {
            DeValue::Table(inner) if !inner.is_empty() => Value::Table(fields(inner, wrong)),
            DeValue::Array(items) if !items.is_empty() => {
                Value::Array(items.iter().filter_map(|item| leaf(item, wrong)).collect())
            }
            DeValue::Table(_) | DeValue::Array(_) => {
                wrong.push(empty(&shown).of(written.span()));
                continue;
            }
            found => {
                let message =
                    format!("`{shown}`: expected a list of what may match, found {}", type_of(found));
                let help = |text| format!("write it in brackets: `[{}]`", Value::String(sanitize(text)));
                let problem = Problem::new("wrong_type", message).maybe_help(found.as_str().map(help));
                wrong.push(problem.of(written.span()));
                continue;
            }
        };
        read.insert(field.get_ref().to_string(), value);
    }
    read
}

/// Anything that JSON can say.
fn leaf(written: &Written<'_>, wrong: &mut Vec<Problem>) -> Option<Value> {
    let value = match written.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Integer(number) => match integer(number) {
            Some(number) => Value::Integer(number),
            None => return fail(written, wrong, "an integer that is too large"),
        },
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Float(number),
            _ => return fail(written, wrong, "a number that JSON cannot say"),
        },
        DeValue::Datetime(_) => return fail(written, wrong, "a date or time, which JSON cannot say"),
        DeValue::Array(items) => Value::Array(items.iter().filter_map(|item| leaf(item, wrong)).collect()),
        DeValue::Table(inner) => {
            let pairs = inner
                .iter()
                .filter_map(|(name, value)| Some((name.get_ref().to_string(), leaf(value, wrong)?)));
            Value::Table(pairs.collect())
        }
    };
    Some(value)
}

fn fail(written: &Written<'_>, wrong: &mut Vec<Problem>, found: &str) -> Option<Value> {
    wrong.push(Problem::new("wrong_type", format!("a pattern cannot match {found}")).of(written.span()));
    None
}
