//! Masks the values of environment variables in all excerpts, even if the file is broken or the key is misspelt.

use std::ops::Range;

use toml::de::{DeTable, DeValue};

use crate::problem::SourceText;

/// Masks the values of variables, and values that were probably meant as variables, in all `[function]` sections.
pub(crate) fn redact_variables(root: &DeTable<'_>, source: &mut SourceText<'_>) {
    let mut spans = Vec::new();
    collect_spans(root, &mut spans);
    if let Some(DeValue::Table(envs)) = get(root, "env") {
        for overlay in envs.values() {
            if let DeValue::Table(overlay) = overlay.get_ref() {
                collect_spans(overlay, &mut spans);
            }
        }
    }
    for span in spans {
        source.redact(span);
    }
}

/// Masks the text after `=` on each line that mentions `env`, and on all lines of a table whose header mentions `env`.
/// This is for files with broken syntax, whose parsed tables are unreliable.
pub(crate) fn redact_by_line(text: &str, source: &mut SourceText<'_>) {
    let mut in_env_table = false;
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        let mentions_env = line.to_ascii_lowercase().contains("env");
        if line.trim_start().starts_with('[') {
            in_env_table = mentions_env;
        } else if in_env_table || mentions_env {
            let value_start = line.find('=').map_or(0, |index| index + 1);
            let value_start =
                value_start + line[value_start..].len() - line[value_start..].trim_start().len();
            source.redact(line_start + value_start..line_start + line.len());
        }
        line_start += line.len();
    }
}

fn get<'t, 'i>(table: &'t DeTable<'i>, name: &str) -> Option<&'t DeValue<'i>> {
    table.iter().find(|(key, _)| *key.get_ref() == name).map(|(_, value)| value.get_ref())
}

fn collect_spans(table: &DeTable<'_>, spans: &mut Vec<Range<usize>>) {
    let Some(DeValue::Table(function)) = get(table, "function") else {
        return;
    };
    for (name, value) in function {
        match value.get_ref() {
            // Any table inside `[function]`, because `environment` may be misspelt.
            DeValue::Table(variables) => spans.extend(variables.values().map(toml::Spanned::span)),
            DeValue::String(_) | DeValue::Array(_) if *name.get_ref() == "environment" => {
                spans.push(value.span());
            }
            _ => {}
        }
    }
}
