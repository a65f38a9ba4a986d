//! Renders the fields of a planned change as lines for people. A permission is shown as "allow ACTIONS on RESOURCES",
//! and a long list has one line per item.

use std::fmt::Write as _;

use hitctl_config::names::{TAG_APP, TAG_ENV, TAG_MANAGED};
use hitctl_engine::FieldDiff;
use serde_json::Value as Json;

use crate::style::{TextStyle, Tone};
use crate::text;

/// The indent of a field.
const INDENT: usize = 6;
/// The indent of a nested line relative to its parent.
const NESTED: usize = 2;
/// The maximum width of the column of names.
const MAX_NAME_WIDTH: usize = 44;
/// The maximum width of a value on the line of its name. A longer list has one line per item.
const MAX_INLINE_WIDTH: usize = 100;
/// The beginning of a line with a resource of a permission.
const ON: &str = "on ";
/// The number of characters to which a hash is shortened.
const HASH_CHARS: usize = 12;

/// Renders the fields of a created resource (`name  value`), or of a changed one (`name  old -> new`).
///
/// Without `verbose`, hashes are shortened. A created resource is then shown without its unset fields, and without
/// the tags that every resource has.
pub(super) fn render(out: &mut String, fields: &[FieldDiff], create: bool, verbose: bool, style: TextStyle) {
    let shorten = |json: &Json| if verbose { json.clone() } else { shortened(json) };
    let shown: Vec<FieldDiff> = fields
        .iter()
        .map(|diff| FieldDiff { old: shorten(&diff.old), new: shorten(&diff.new), ..diff.clone() })
        .map(|diff| if create && !verbose { without_common_tags(diff) } else { diff })
        .filter(|diff| verbose || !create || !is_unset(&diff.new))
        .collect();
    let name_width = shown.iter().map(|diff| text::width(&text::clean(&diff.field))).max().unwrap_or(0);
    let columns = style.columns().saturating_sub(INDENT + NESTED);
    for diff in &shown {
        let name = text::clean(&diff.field);
        let name = text::truncate(&name, style.columns().saturating_sub(INDENT), style);
        let name = text::pad(&name, name_width.min(MAX_NAME_WIDTH));
        let (old, new) = (inline(&diff.old), inline(&diff.new));
        let change = match (old, new) {
            (_, Some(new)) if create => Some(new),
            (Some(old), Some(new)) if !create => {
                Some(format!("{old} {} {new}", style.paint(Tone::Dim, "->")))
            }
            _ => None,
        };
        let available = style.columns().saturating_sub(INDENT + text::width(&name) + 2).min(MAX_INLINE_WIDTH);
        if let Some(change) = change.filter(|change| text::width(change) <= available) {
            let _ = writeln!(out, "{:INDENT$}{name}  {change}", "");
            continue;
        }
        let _ = writeln!(out, "{:INDENT$}{}", "", name.trim_end());
        if create {
            for line in lines(&diff.new, columns) {
                line.render(out, Sign::None, style);
            }
        } else {
            render_difference(out, diff, columns, style);
        }
    }
}

/// Renders the removed items, the added items and the number of unchanged items.
fn render_difference(out: &mut String, diff: &FieldDiff, columns: usize, style: TextStyle) {
    let items = |json: &Json| match json {
        Json::Array(items) => items.clone(),
        Json::Null => Vec::new(),
        other => vec![other.clone()],
    };
    let (old, new) = (items(&diff.old), items(&diff.new));
    let mut unchanged = 0;
    for (sign, side, other) in [(Sign::Removed, &old, &new), (Sign::Added, &new, &old)] {
        for item in side {
            if other.contains(item) {
                unchanged += u64::from(sign == Sign::Added);
                continue;
            }
            for (n, line) in lines(item, columns).into_iter().enumerate() {
                line.render(out, if n == 0 { sign } else { sign.continued() }, style);
            }
        }
    }
    if unchanged > 0 {
        let line = Line { depth: 0, text: format!("{unchanged} unchanged") };
        line.render(out, Sign::None, style);
    }
}

/// The mark in front of a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    None,
    Added,
    Removed,
    /// A later line of an added item, without the `+`.
    AddedContinued,
    /// A later line of a removed item, without the `-`.
    RemovedContinued,
}

impl Sign {
    fn continued(self) -> Self {
        match self {
            Self::None => Self::None,
            Self::Added | Self::AddedContinued => Self::AddedContinued,
            Self::Removed | Self::RemovedContinued => Self::RemovedContinued,
        }
    }
}

/// One line of a value.
struct Line {
    /// The depth of nesting.
    depth: usize,
    text: String,
}

impl Line {
    fn render(&self, out: &mut String, sign: Sign, style: TextStyle) {
        let (mark, tone) = match sign {
            Sign::None => ("", None),
            Sign::Added => ("+ ", Some(Tone::Good)),
            Sign::Removed => ("- ", Some(Tone::Bad)),
            Sign::AddedContinued => ("  ", Some(Tone::Good)),
            Sign::RemovedContinued => ("  ", Some(Tone::Bad)),
        };
        let indent = INDENT + NESTED + NESTED * self.depth;
        let hanging = if self.text.starts_with(ON) { ON.len() } else { NESTED };
        let later_indent = indent + mark.len() + hanging;
        let body = format!(
            "{:indent$}{mark}{}",
            "",
            text::wrap_value(&self.text, indent + mark.len(), later_indent, style)
        );
        let _ = writeln!(out, "{}", tone.map_or(body.clone(), |tone| style.paint(tone, body)));
    }
}

/// Returns a value on one line, or `None` if it has nested values.
fn inline(json: &Json) -> Option<String> {
    match json {
        Json::Array(items) if !items.is_empty() => {
            let scalars: Option<Vec<String>> = items.iter().map(scalar).collect();
            Some(scalars?.join(", "))
        }
        other => scalar(other),
    }
}

/// Returns a scalar value or an empty list or object as text. `None` if it has nested values.
fn scalar(json: &Json) -> Option<String> {
    match json {
        Json::Null => Some("(none)".to_owned()),
        Json::String(text) if text.is_empty() || text.trim() != text => Some(json.to_string()),
        Json::String(text) if is_fingerprint(text) => Some(format!("(secret {text})")),
        Json::String(text) => Some(text::clean(text).into_owned()),
        Json::Number(number) => Some(number.to_string().trim_end_matches(".0").to_owned()),
        Json::Bool(flag) => Some(flag.to_string()),
        Json::Array(items) if items.is_empty() => Some("(empty)".to_owned()),
        Json::Object(fields) if fields.is_empty() => Some("(empty)".to_owned()),
        Json::Array(_) | Json::Object(_) => None,
    }
}

/// Whether a text stands for a secret: `#` and eight hex digits, which change with the secret.
fn is_fingerprint(text: &str) -> bool {
    text.strip_prefix('#')
        .is_some_and(|hex| hex.len() == 8 && hex.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// Returns the lines of a value. A list that does not fit into one line of `columns` is shown item by item.
fn lines(json: &Json, columns: usize) -> Vec<Line> {
    let nested = |json: &Json| {
        let deeper = |line: Line| Line { depth: line.depth + 1, ..line };
        lines(json, columns.saturating_sub(NESTED)).into_iter().map(deeper).collect::<Vec<_>>()
    };
    match json {
        Json::Array(items) => items.iter().flat_map(|item| lines(item, columns)).collect(),
        Json::Object(fields) => {
            if let Some(lines) = permission_lines(fields) {
                return lines;
            }
            let name_width = fields
                .iter()
                .filter(|(_, value)| inline(value).is_some())
                .map(|(name, _)| text::width(&text::clean(name)))
                .max()
                .unwrap_or(0);
            let line = |(name, value): (&String, &Json)| {
                let name = text::clean(name);
                let fits = |text: &String| !value.is_array() || name_width + 2 + text::width(text) <= columns;
                if let Some(value) = inline(value).filter(fits) {
                    return vec![Line {
                        depth: 0,
                        text: format!("{}  {value}", text::pad(&name, name_width)),
                    }];
                }
                let name = Line { depth: 0, text: name.into_owned() };
                std::iter::once(name).chain(nested(value)).collect()
            };
            fields.iter().flat_map(line).collect()
        }
        other => vec![Line { depth: 0, text: scalar(other).unwrap_or_default() }],
    }
}

/// Returns the lines of a policy statement: the allowed actions, and below them each resource. `None` if the object is
/// not a statement.
fn permission_lines(fields: &serde_json::Map<String, Json>) -> Option<Vec<Line>> {
    let strings =
        |name: &str| -> Option<Vec<String>> { fields.get(name)?.as_array()?.iter().map(scalar).collect() };
    let (actions, resources) = (strings("actions")?, strings("resources")?);
    let sid = fields.get("sid").and_then(Json::as_str).map(|sid| format!("  ({})", text::clean(sid)));
    let head = Line { depth: 0, text: format!("allow {}{}", actions.join(", "), sid.unwrap_or_default()) };
    let resource_lines = resources.iter().map(|resource| Line { depth: 1, text: format!("{ON}{resource}") });
    Some(std::iter::once(head).chain(resource_lines).collect())
}

/// Returns a value for a plan without `-v`: with shortened hashes, and without the IDs of statements.
fn shortened(json: &Json) -> Json {
    match json {
        Json::String(text) if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Json::from(&text[..HASH_CHARS])
        }
        Json::Array(items) => items.iter().map(shortened).collect(),
        Json::Object(fields) => {
            let is_shown = |name: &str| name != "sid" || !fields.contains_key("actions");
            let shown = fields.iter().filter(|(name, _)| is_shown(name));
            shown.map(|(name, value)| (name.clone(), shortened(value))).collect()
        }
        other => other.clone(),
    }
}

/// Removes the tags that every resource has.
fn without_common_tags(diff: FieldDiff) -> FieldDiff {
    match &diff.new {
        Json::Object(tags) if diff.field == "tags" => {
            let is_common = |name: &str| [TAG_APP, TAG_ENV, TAG_MANAGED].contains(&name);
            let other_tags: serde_json::Map<_, _> = tags
                .iter()
                .filter(|(name, _)| !is_common(name))
                .map(|(name, tag)| (name.clone(), tag.clone()))
                .collect();
            let new = if other_tags.is_empty() { Json::Null } else { other_tags.into() };
            FieldDiff { new, ..diff }
        }
        _ => diff,
    }
}

fn is_unset(json: &Json) -> bool {
    match json {
        Json::Null => true,
        Json::Array(items) => items.is_empty(),
        Json::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::test_styles::{NARROW, WIDE, fits};

    fn rendered(fields: &[(&str, Json, Json)], create: bool, verbose: bool, style: TextStyle) -> String {
        let diff = |(field, old, new): &(&str, Json, Json)| FieldDiff {
            field: (*field).to_owned(),
            old: old.clone(),
            new: new.clone(),
            unknown: false,
        };
        let mut out = String::new();
        render(&mut out, &fields.iter().map(diff).collect::<Vec<_>>(), create, verbose, style);
        out
    }

    fn statement(actions: &[&str], resource: &str) -> Json {
        json!({"sid": "Logs", "actions": actions, "resources": [resource]})
    }

    const LOGS: &str = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/hits-test:*";

    fn created() -> Vec<(&'static str, Json, Json)> {
        vec![
            (
                "code_sha256",
                Json::Null,
                json!("2881e78de6aebd9b0bce412639cbc340c6653405ce0e03a6f9df06d9bf355dce"),
            ),
            ("cors", Json::Null, json!({"allow_origins": ["*"], "max_age_s": 3600, "expose_headers": []})),
            ("environment", Json::Null, json!({"API_TOKEN": "#88fdb179", "HITCTL_BOTS": "ignore"})),
            ("reserved_concurrency", Json::Null, Json::Null),
            ("routes", Json::Null, json!(["GET /counter", "\u{1b}[2J"])),
            (
                "statements",
                Json::Null,
                json!([statement(&["logs:CreateLogStream", "logs:PutLogEvents"], LOGS)]),
            ),
            (
                "tags",
                Json::Null,
                json!({"hitctl:app": "hits", "hitctl:env": "test", "hitctl:managed": "true"}),
            ),
            ("throttle", Json::Null, json!({"burst": 20, "rate_per_second": 10.0})),
        ]
    }

    #[test]
    fn created_resource_shows_whole_values() {
        insta::assert_snapshot!(rendered(&created(), true, false, WIDE), @r"
        code_sha256  2881e78de6ae
        cors
          allow_origins   *
          expose_headers  (empty)
          max_age_s       3600
        environment
          API_TOKEN    (secret #88fdb179)
          HITCTL_BOTS  ignore
        routes       GET /counter, \u{1b}[2J
        statements
          allow logs:CreateLogStream, logs:PutLogEvents
            on arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/hits-test:*
        throttle
          burst            20
          rate_per_second  10
        ");
        let narrow = rendered(&created(), true, false, NARROW);
        assert!(fits(&narrow, NARROW), "{narrow}");
        insta::assert_snapshot!(narrow, @r"
        code_sha256  2881e78de6ae
        cors
          allow_origins   *
          expose_headers  (empty)
          max_age_s       3600
        environment
          API_TOKEN    (secret #88fdb179)
          HITCTL_BOTS  ignore
        routes
          GET /counter
          \u{1b}[2J
        statements
          allow logs:CreateLogStream,
            logs:PutLogEvents
            on arn:aws:logs:eu-central-1:
               123456789012:log-group:/
               aws/lambda/hits-test:*
        throttle
          burst            20
          rate_per_second  10
        ");
    }

    #[test]
    fn created_resource_with_verbose_shows_hashes_ids_and_tags() {
        insta::assert_snapshot!(rendered(&created(), true, true, WIDE), @r"
        code_sha256           2881e78de6aebd9b0bce412639cbc340c6653405ce0e03a6f9df06d9bf355dce
        cors
          allow_origins   *
          expose_headers  (empty)
          max_age_s       3600
        environment
          API_TOKEN    (secret #88fdb179)
          HITCTL_BOTS  ignore
        reserved_concurrency  (none)
        routes                GET /counter, \u{1b}[2J
        statements
          allow logs:CreateLogStream, logs:PutLogEvents  (Logs)
            on arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/hits-test:*
        tags
          hitctl:app      hits
          hitctl:env      test
          hitctl:managed  true
        throttle
          burst            20
          rate_per_second  10
        ");
    }

    #[test]
    fn changed_list_shows_removed_and_added_items() {
        let fields = [
            ("cors.allow_origins", json!(["https://a.example", "https://b.example"]), json!(["*"])),
            ("memory_mb", json!(128), json!(256)),
            ("reserved_concurrency", Json::Null, json!(1)),
            (
                "statements",
                json!([
                    statement(&["logs:PutLogEvents"], LOGS),
                    statement(&["sqs:SendMessage"], "arn:aws:sqs:::a")
                ]),
                json!([
                    statement(&["logs:PutLogEvents"], LOGS),
                    statement(&["sqs:SendMessage"], "arn:aws:sqs:::b")
                ]),
            ),
        ];
        insta::assert_snapshot!(rendered(&fields, false, false, WIDE), @"
        cors.allow_origins    https://a.example, https://b.example -> *
        memory_mb             128 -> 256
        reserved_concurrency  (none) -> 1
        statements
          - allow sqs:SendMessage
              on arn:aws:sqs:::a
          + allow sqs:SendMessage
              on arn:aws:sqs:::b
          1 unchanged
        ");
        let narrow = rendered(&fields, false, false, NARROW);
        assert!(fits(&narrow, NARROW), "{narrow}");
        insta::assert_snapshot!(narrow, @"
        cors.allow_origins
          - https://a.example
          - https://b.example
          + *
        memory_mb             128 -> 256
        reserved_concurrency  (none) -> 1
        statements
          - allow sqs:SendMessage
              on arn:aws:sqs:::a
          + allow sqs:SendMessage
              on arn:aws:sqs:::b
          1 unchanged
        ");
    }
}
