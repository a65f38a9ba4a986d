//! Reads an `EventBridge` event pattern from the file: a table whose leaves are lists of values to match.
//!
//! Patterns that `EventBridge` would reject are reported with the location in the file.

use std::ops::Range;

use toml::Value;
use toml::de::{DeTable, DeValue};

use crate::check::{SpannedValue, parse_integer, sanitize, type_name, wrong_type};
use crate::event_pattern::{EventPattern, PatternError, PatternStep};
use crate::keys::ValueKind;
use crate::problem::ConfigProblem;

/// Reads the pattern that is the value of the key `name`.
pub(crate) fn read_pattern(
    name: &str,
    value_in_file: &SpannedValue<'_>,
) -> Result<Value, Vec<ConfigProblem>> {
    let DeValue::Table(table) = value_in_file.get_ref() else {
        return Err(vec![
            wrong_type(ValueKind::EventPattern, name, value_in_file.get_ref())
                .with_span(value_in_file.span()),
        ]);
    };
    let mut problems = Vec::new();
    if table.is_empty() {
        problems.push(no_entry_problem(name).with_span(value_in_file.span()));
    }
    let value = read_fields(table, &mut problems);
    // A pattern with a wrong structure is not checked further.
    if problems.is_empty()
        && let Some(error) = check_pattern(&value)
    {
        problems.push(
            ConfigProblem::new("bad_pattern", format!("`{name}`: {}", error.message))
                .with_span(span_of(value_in_file, &error.path)),
        );
    }
    if problems.is_empty() { Ok(Value::Table(value)) } else { Err(problems) }
}

/// Returns the reason why `EventBridge` would reject the pattern, or `None` if it is valid.
fn check_pattern(pattern: &toml::Table) -> Option<PatternError> {
    let json = serde_json::to_value(pattern).ok()?;
    EventPattern::parse(&json).err()
}

/// Returns the span of the value at `path` in the pattern, or of the innermost value on that path that the file
/// contains.
fn span_of(value: &SpannedValue<'_>, path: &[PatternStep]) -> Range<usize> {
    let child = match (path.first(), value.get_ref()) {
        (Some(PatternStep::Field(name)), DeValue::Table(table)) => {
            table.iter().find(|(field, _)| field.get_ref() == name).map(|(_, value)| value)
        }
        (Some(PatternStep::Index(index)), DeValue::Array(items)) => items.get(*index),
        _ => None,
    };
    child.map_or_else(|| value.span(), |child| span_of(child, &path[1..]))
}

fn no_entry_problem(name: &str) -> ConfigProblem {
    ConfigProblem::new("bad_value", format!("`{name}`: expected at least one entry, found none"))
}

fn read_fields(table: &DeTable<'_>, problems: &mut Vec<ConfigProblem>) -> toml::Table {
    let mut fields = toml::Table::new();
    for (field, value_in_file) in table {
        let shown_name = sanitize(field.get_ref());
        let value = match value_in_file.get_ref() {
            DeValue::Table(inner) if !inner.is_empty() => Value::Table(read_fields(inner, problems)),
            DeValue::Array(items) if !items.is_empty() => {
                Value::Array(items.iter().filter_map(|item| read_value(item, problems)).collect())
            }
            DeValue::Table(_) | DeValue::Array(_) => {
                problems.push(no_entry_problem(&shown_name).with_span(value_in_file.span()));
                continue;
            }
            other => {
                let message =
                    format!("`{shown_name}`: expected an array of values, found {}", type_name(other));
                let help = |text| format!("write it in brackets: `[{}]`", Value::String(sanitize(text)));
                let problem =
                    ConfigProblem::new("wrong_type", message).with_optional_help(other.as_str().map(help));
                problems.push(problem.with_span(value_in_file.span()));
                continue;
            }
        };
        fields.insert(field.get_ref().to_string(), value);
    }
    fields
}

/// Reads a value that JSON can represent.
fn read_value(value_in_file: &SpannedValue<'_>, problems: &mut Vec<ConfigProblem>) -> Option<Value> {
    let value = match value_in_file.get_ref() {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(value) => Value::Boolean(*value),
        DeValue::Integer(number) => match parse_integer(number) {
            Some(number) => Value::Integer(number),
            None => return unsupported(value_in_file, problems, "an integer that is too large"),
        },
        DeValue::Float(number) => match number.as_str().parse::<f64>() {
            Ok(number) if number.is_finite() => Value::Float(number),
            _ => return unsupported(value_in_file, problems, "a number that is not finite"),
        },
        DeValue::Datetime(_) => {
            return unsupported(value_in_file, problems, "a date or time");
        }
        DeValue::Array(items) => {
            Value::Array(items.iter().filter_map(|item| read_value(item, problems)).collect())
        }
        DeValue::Table(inner) => {
            let pairs = inner
                .iter()
                .filter_map(|(name, value)| Some((name.get_ref().to_string(), read_value(value, problems)?)));
            Value::Table(pairs.collect())
        }
    };
    Some(value)
}

fn unsupported(value: &SpannedValue<'_>, problems: &mut Vec<ConfigProblem>, found: &str) -> Option<Value> {
    let message = format!("`pattern`: expected a value that JSON can represent, found {found}");
    problems.push(ConfigProblem::new("wrong_type", message).with_span(value.span()));
    None
}
