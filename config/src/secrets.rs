//! Keeps the values of environment variables out of every excerpt, even where the file is broken or the key misspelt.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::problem::Source;

/// Hides the values of variables, and what may have been meant to be variables, in the tables of functions.
pub(crate) fn hide(root: &DeTable<'_>, source: &mut Source<'_>) {
    let mut spans = Vec::new();
    collect(root, &mut spans);
    if let Some(DeValue::Table(envs)) = get(root, "env") {
        for overlay in envs.values() {
            if let DeValue::Table(overlay) = overlay.get_ref() {
                collect(overlay, &mut spans);
            }
        }
    }
    for span in spans {
        source.hide(span);
    }
}

/// Hides what follows a `=` wherever a line or its table speaks of an environment: the tables of a file with broken syntax
/// cannot be relied on.
pub(crate) fn hide_by_line(text: &str, source: &mut Source<'_>) {
    let mut inside = false;
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let speaks = line.to_ascii_lowercase().contains("env");
        if line.trim_start().starts_with('[') {
            inside = speaks;
        } else if inside || speaks {
            let value = line.find('=').map_or(0, |index| index + 1);
            let value = value + line[value..].len() - line[value..].trim_start().len();
            source.hide(start + value..start + line.len());
        }
        start += line.len();
    }
}

fn get<'t, 'i>(table: &'t DeTable<'i>, name: &str) -> Option<&'t DeValue<'i>> {
    table.iter().find(|(key, _)| *key.get_ref() == name).map(|(_, value)| value.get_ref())
}

fn collect(table: &DeTable<'_>, spans: &mut Vec<Range<usize>>) {
    let Some(DeValue::Table(function)) = get(table, "function") else {
        return;
    };
    for (name, value) in function {
        match value.get_ref() {
            DeValue::Table(variables) => spans.extend(variables.values().map(toml::Spanned::span)),
            DeValue::String(_) | DeValue::Array(_) if *name.get_ref() == "environment" => {
                spans.push(value.span());
            }
            _ => {}
        }
    }
}
