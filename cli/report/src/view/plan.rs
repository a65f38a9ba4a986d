//! A plan: every change, field by field, old -> new, and why.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hitctl_engine::{Action, Address, FieldDiff, Plan, Summary, Why};
use hitctl_stack::cost::Estimate;
use serde::Serialize;
use serde_json::Value as Json;

use crate::render::View;
use crate::style::{Style, Tone};
use crate::{format, progress_text, text};

/// What stands for a value that is not known yet.
const UNKNOWN: &str = "(known after deploy)";
/// Values are cut to so many columns where nobody says how wide the terminal is.
const LONGEST_VALUE: usize = 72;

/// What is to be done, or was done, to each resource.
#[derive(Clone, Debug, Serialize)]
pub struct PlanView {
    command: String,
    pub(super) env: String,
    target: String,
    /// The AWS account.
    pub account: Option<String>,
    /// Its region.
    pub region: Option<String>,
    changes: Vec<ChangeRow>,
    summary: Summary,
    /// What the deployed app offers: `url`, `function`, `table`.
    pub outputs: BTreeMap<String, String>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// What is lost for good.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<Loss>,
    /// What it will cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<Estimate>,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    #[serde(skip)]
    brief: bool,
}

/// Something that a plan loses for good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loss {
    /// The address of the resource.
    pub address: String,
    /// The loss: a lower-case fragment.
    pub loss: String,
    /// The confirmation that it needs.
    pub confirm: Confirmation,
}

/// The confirmation that the user gives before a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Confirmation {
    /// Yes, or `--yes`.
    Yes,
    /// The name of the environment, typed or given with `--confirm`.
    Name,
}

/// One resource of a plan.
#[derive(Clone, Debug, Serialize)]
struct ChangeRow {
    address: Address,
    kind: String,
    name: String,
    action: Action,
    fields: Vec<FieldDiff>,
    why: String,
    /// It is kept against what is wanted, and the user should see that.
    #[serde(skip)]
    notable: bool,
}

impl PlanView {
    /// The view of a plan. `command` is `plan`, `deploy` or `destroy`; `target` is `aws` or `local`.
    pub fn new(command: &str, env: &str, target: &str, plan: &Plan) -> Self {
        let row = |change: &hitctl_engine::Change| ChangeRow {
            address: change.address().clone(),
            kind: change.kind().to_owned(),
            name: change.name().to_owned(),
            action: change.action,
            fields: change.fields.clone(),
            why: change.why.to_string(),
            notable: change.action != Action::Keep || change.why != Why::AsWanted,
        };
        Self {
            command: command.to_owned(),
            env: env.to_owned(),
            target: target.to_owned(),
            account: None,
            region: None,
            changes: plan.changes.iter().map(row).collect(),
            summary: plan.summary(),
            outputs: BTreeMap::new(),
            warnings: Vec::new(),
            losses: Vec::new(),
            estimate: None,
            took_ms: 0,
            brief: false,
        }
    }

    /// Leaves out the fields of what is made anew or removed, for a plan that is carried out at once.
    #[must_use]
    pub fn brief(self) -> Self {
        Self { brief: true, ..self }
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.changes.iter().all(|change| change.action == Action::Keep)
    }

    pub(super) fn name_of(&self, address: &Address) -> &str {
        self.changes.iter().find(|row| row.address == *address).map_or("", |row| &row.name)
    }

    /// Where it is, in words: `env prod (AWS account 123456789012, eu-central-1)`.
    pub(super) fn whereabouts(&self) -> String {
        let env = text::clean(&self.env);
        match (&self.account, &self.region) {
            _ if self.target == "local" => format!("env {env} (this machine)"),
            (Some(account), Some(region)) => {
                format!("env {env} (AWS account {}, {})", text::clean(account), text::clean(region))
            }
            _ => format!("env {env}"),
        }
    }

    pub(super) fn warnings_text(&self, style: Style) -> String {
        self.warnings.iter().fold(String::new(), |mut out, warning| {
            let head = style.paint(Tone::Warn, "warning:");
            let _ = writeln!(out, "{}", text::headed(&head, &text::clean_lines(warning), 2, style));
            out
        })
    }

    /// Renders the losses, and how a deploy asks for them.
    fn losses_text(&self, style: Style) -> String {
        let mut out = String::new();
        let head = style.paint(Tone::Warn, "cannot be undone:");
        for Loss { address, loss, .. } in &self.losses {
            let body = text::clean_lines(&format!("{address}: {loss}"));
            let _ = writeln!(out, "{}", text::headed(&head, &body, 2, style));
        }
        if self.command == "plan" && !self.losses.is_empty() {
            let env = text::clean(&self.env);
            let asks = if self.losses.iter().any(|loss| loss.confirm == Confirmation::Name) {
                format!(
                    "`hitctl deploy` asks for the name of the environment first; `--confirm {env}` answers it"
                )
            } else {
                "`hitctl deploy` asks first; `--yes` answers it".to_owned()
            };
            let _ = writeln!(out, "{}", text::wrap(&asks, 2, style));
        }
        out
    }

    fn total(&self) -> String {
        let Summary { create, update, replace, delete, .. } = self.summary;
        let replace = if replace == 0 { String::new() } else { format!("{replace} to replace, ") };
        format!("Plan: {create} to create, {update} to update, {replace}{delete} to delete.")
    }
}

impl View for PlanView {
    fn render(&self, style: Style) -> String {
        let mut out = String::new();
        let mut changes: Vec<&ChangeRow> = self.changes.iter().filter(|row| row.notable).collect();
        let wide = changes.iter().map(|row| text::width(row.address.as_str())).max().unwrap_or(0);
        // What stays comes last, under what is done.
        changes.sort_by_key(|row| row.action == Action::Keep);
        for row in &changes {
            row.render(&mut out, wide, self.brief, style);
        }
        let kept = (self.changes.len() - changes.len()) as u64;
        if kept > 0 && !changes.is_empty() {
            let line = format!("    {} as wanted", format::plural(kept, "resource"));
            let _ = writeln!(out, "{}", style.paint(Tone::Dim, line));
        }
        if !changes.is_empty() {
            out.push('\n');
        }
        out.push_str(&self.warnings_text(style));
        out.push_str(&self.losses_text(style));
        if self.is_empty() {
            let _ = writeln!(out, "Nothing to change.");
        } else {
            let _ = writeln!(out, "{}", text::wrap(&style.paint(Tone::Strong, self.total()), 6, style));
        }
        if let Some(estimate) = &self.estimate {
            let _ = writeln!(out, "{}", text::headed("Cost:", &estimate.in_full(), 6, style));
        }
        out
    }
}

impl ChangeRow {
    fn render(&self, out: &mut String, wide: usize, brief: bool, style: Style) {
        let tone = progress_text::tone(self.action);
        let head =
            style.paint(tone, format!("{} {:<7}", progress_text::sign(self.action, style), self.action));
        let name = text::clean(&self.name);
        let why = format!("({})", text::clean(&self.why));
        // sign, verb, address, name and why on one line where they fit.
        let first = 2 + 9 + 1 + wide + 2;
        if first + text::width(&name) + 2 + text::width(&why) <= style.columns() {
            let address = text::pad(self.address.as_str(), wide);
            let _ = writeln!(out, "  {head} {address}  {name}  {}", style.paint(Tone::Dim, why));
        } else {
            let address = text::truncate(self.address.as_str(), style.columns().saturating_sub(12), style);
            let _ = writeln!(out, "  {head} {address}");
            let name = text::truncate(&name, style.columns().saturating_sub(6), style);
            let _ = writeln!(out, "      {name}");
            let _ = writeln!(out, "{}", style.paint(Tone::Dim, text::headed("     ", &why, 7, style)));
        }
        if brief && matches!(self.action, Action::Create | Action::Delete) {
            return;
        }
        let names = self.fields.iter().map(|diff| text::width(&text::clean(&diff.field))).max().unwrap_or(0);
        for diff in &self.fields {
            field(out, diff, names.min(30), self.action == Action::Create, style);
        }
    }
}

/// One field: `name: value` of what is made, `name: old -> new` of what is changed; on two lines where one is too short.
fn field(out: &mut String, diff: &FieldDiff, names: usize, create: bool, style: Style) {
    const INDENT: usize = 6;
    let room = style.width.map_or(usize::MAX, |_| style.columns().saturating_sub(INDENT));
    let name = text::pad(&text::truncate(&text::clean(&diff.field), room.min(60), style), names);
    let left = room.saturating_sub(text::width(&name) + 2).min(2 * LONGEST_VALUE);
    let (old, new) = (value(&diff.old, usize::MAX, style), value(&diff.new, usize::MAX, style));
    let arrow = if style.unicode && style.color { style.paint(Tone::Dim, "->") } else { "->".to_owned() };
    let one_line = if create { text::width(&new) } else { text::width(&old) + 4 + text::width(&new) };
    if one_line <= left {
        let change = if create { new } else { format!("{old} {arrow} {new}") };
        let _ = writeln!(out, "{:INDENT$}{name}  {change}", "");
        return;
    }
    // Each side on a line of its own, cut where it still does not fit.
    let short = |side: &Json| value(side, room.saturating_sub(5).min(LONGEST_VALUE), style);
    let _ = writeln!(out, "{:INDENT$}{}", "", name.trim_end());
    if !create {
        let _ = writeln!(out, "{:INDENT$}     {}", "", short(&diff.old));
    }
    let mark = if create { "  ".to_owned() } else { arrow };
    let _ = writeln!(out, "{:INDENT$}  {mark} {}", "", short(&diff.new));
}

/// A value on one line; what is not known yet stands without quotes.
fn value(json: &Json, columns: usize, style: Style) -> String {
    if json.as_str() == Some(UNKNOWN) {
        return UNKNOWN.to_owned();
    }
    format::value(json, columns, style).replace(&format!("\"{UNKNOWN}\""), UNKNOWN)
}

#[cfg(test)]
#[path = "plan_tests.rs"]
pub(super) mod tests;
