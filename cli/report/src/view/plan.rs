//! The view of a plan: each change with its reason, and with the old and new values of its fields.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use hitctl_engine::{Action, Address, ChangeReason, FieldDiff, Plan, PlanSummary};
use hitctl_stack::cost::{CostEstimate, CostRow};
use serde::Serialize;

use super::fields;
use crate::render::CommandView;
use crate::style::{TextStyle, Tone};
use crate::table::{Cell, Column, TextTable};
use crate::{progress_text, text};

/// The planned changes of all resources.
#[derive(Clone, Debug, Serialize)]
pub struct PlanView {
    command: String,
    pub(super) env: String,
    target: String,
    /// The AWS account.
    pub account: Option<String>,
    /// The AWS region.
    pub region: Option<String>,
    changes: Vec<ChangeRow>,
    summary: PlanSummary,
    /// The outputs of the deployed app: `url`, `function`, `table`.
    pub outputs: BTreeMap<String, String>,
    /// Warnings for the user.
    pub warnings: Vec<String>,
    /// Irreversible losses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<PlannedLoss>,
    /// The estimated cost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub estimate: Option<CostEstimate>,
    /// The duration in milliseconds.
    pub took_ms: u64,
    /// Whether to omit the fields of created and deleted resources.
    #[serde(skip)]
    brief: bool,
    /// Whether to show everything: unset fields, the common tags, the IDs of statements and whole hashes.
    #[serde(skip)]
    pub verbose: bool,
}

/// An irreversible loss that a plan causes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedLoss {
    /// The address of the resource.
    pub address: String,
    /// The loss as a lower-case sentence fragment.
    pub loss: String,
    /// The confirmation that the loss requires.
    pub confirm: LossConfirmation,
}

/// A kind of confirmation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LossConfirmation {
    /// The answer yes, or `--yes`.
    Yes,
    /// The name of the environment, as an answer or with `--confirm`.
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
    /// Whether to show the row: the resource is changed, or kept for another reason than being up to date.
    #[serde(skip)]
    is_shown: bool,
    /// Whether the reason says more than the action and the fields.
    #[serde(skip)]
    has_reason: bool,
}

impl PlanView {
    /// Returns the view of a plan. `command` is `plan`, `deploy` or `destroy`; `target` is `aws` or `local`.
    pub fn new(command: &str, env: &str, target: &str, plan: &Plan) -> Self {
        let row = |change: &hitctl_engine::Change| ChangeRow {
            address: change.address().clone(),
            kind: change.kind().to_owned(),
            name: change.name().to_owned(),
            action: change.action,
            fields: change.fields.clone(),
            why: change.why.to_string(),
            has_reason: !matches!(
                change.why,
                ChangeReason::Missing | ChangeReason::NotDesired | ChangeReason::FieldsDiffer(_)
            ),
            is_shown: change.action != Action::Keep || change.why != ChangeReason::UpToDate,
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
            verbose: false,
        }
    }

    /// Omits the fields of created and deleted resources, for the preview of a plan that is applied next.
    #[must_use]
    pub fn brief(self) -> Self {
        Self { brief: true, ..self }
    }

    /// Whether the plan has no changes.
    pub fn is_empty(&self) -> bool {
        self.changes.iter().all(|change| change.action == Action::Keep)
    }

    pub(super) fn name_of(&self, address: &Address) -> &str {
        self.changes.iter().find(|row| row.address == *address).map_or("", |row| &row.name)
    }

    /// Describes the target: `environment prod (AWS account 123456789012, eu-central-1)`.
    pub(super) fn target_description(&self) -> String {
        let env = text::clean(&self.env);
        match (&self.account, &self.region) {
            _ if self.target == "local" => format!("environment {env} (this machine)"),
            (Some(account), Some(region)) => {
                format!("environment {env} (AWS account {}, {})", text::clean(account), text::clean(region))
            }
            _ => format!("environment {env}"),
        }
    }

    pub(super) fn warnings_text(&self, style: TextStyle) -> String {
        self.warnings.iter().fold(String::new(), |mut out, warning| {
            let head = style.paint(Tone::Warn, "warning:");
            let _ = writeln!(out, "{}", text::wrap_after_head(&head, &text::clean_lines(warning), 2, style));
            out
        })
    }

    /// Renders the losses. For `plan`, adds how to confirm them in a deploy.
    fn losses_text(&self, style: TextStyle) -> String {
        let mut out = String::new();
        let head = style.paint(Tone::Warn, "irreversible:");
        for PlannedLoss { address, loss, .. } in &self.losses {
            let body = text::clean_lines(&format!("{address}: {loss}"));
            let _ = writeln!(out, "{}", text::wrap_after_head(&head, &body, 2, style));
        }
        if self.command == "plan" && !self.losses.is_empty() {
            let env = text::clean(&self.env);
            let confirmation_text = if self.losses.iter().any(|loss| loss.confirm == LossConfirmation::Name) {
                format!("`hitctl deploy` asks for the environment name; `--confirm {env}` skips the question")
            } else {
                "`hitctl deploy` asks for confirmation; `--yes` skips the question".to_owned()
            };
            let _ = writeln!(out, "{}", text::wrap(&confirmation_text, 2, style));
        }
        out
    }

    /// Renders the cost of a month as a table, and with `-v` the assumptions.
    fn cost_text(&self, estimate: &CostEstimate, style: TextStyle) -> String {
        let title = format!("Cost of a month at the prices of us-east-1 of {}:", estimate.prices_as_of);
        let mut out = format!("\n{}\n", text::wrap(&title, 2, style));
        let mut table = TextTable::new([Column::text(""), Column::number(""), Column::text("").optional()]);
        for CostRow { label, amount, note } in estimate.rows() {
            table.add_row([label.into(), amount.into(), Cell::toned(note, Tone::Dim)]);
        }
        out.push_str(&table.render(2, style));
        if self.verbose {
            let _ = writeln!(out, "{}", text::wrap(&estimate.assumptions(), 0, style));
        }
        out
    }

    fn totals_line(&self) -> String {
        let PlanSummary { keep, create, update, replace, delete } = self.summary;
        let kept = self.changes.iter().filter(|row| row.is_shown && row.action == Action::Keep).count();
        let counts = [
            (create, "to create"),
            (update, "to update"),
            (replace, "to replace"),
            (delete, "to delete"),
            (kept, "kept"),
            (keep - kept, "unchanged"),
        ];
        let counts = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
        format!("Plan: {}.", counts.collect::<Vec<_>>().join(", "))
    }
}

impl CommandView for PlanView {
    fn render(&self, style: TextStyle) -> String {
        let mut out = String::new();
        let mut changes: Vec<&ChangeRow> = self.changes.iter().filter(|row| row.is_shown).collect();
        let address_width = changes.iter().map(|row| text::width(row.address.as_str())).max().unwrap_or(0);
        // Kept resources come last.
        changes.sort_by_key(|row| row.action == Action::Keep);
        for (n, row) in changes.iter().enumerate() {
            let before = out.len();
            row.render(&mut out, address_width, self.brief, self.verbose, style);
            // A resource with fields is a block of its own.
            if n > 0 && row.shows_fields(self.brief) {
                out.insert(before, '\n');
            }
        }
        if !changes.is_empty() {
            out.push('\n');
        }
        out.push_str(&self.warnings_text(style));
        out.push_str(&self.losses_text(style));
        if self.is_empty() {
            let _ = writeln!(out, "Nothing to change.");
        } else {
            let _ = writeln!(out, "{}", text::wrap(&style.paint(Tone::Strong, self.totals_line()), 6, style));
        }
        if let Some(estimate) = &self.estimate {
            out.push_str(&self.cost_text(estimate, style));
        }
        if self.command == "plan" && !self.is_empty() {
            let next = format!("hitctl deploy --env {}", text::clean(&self.env));
            let _ = writeln!(out, "\n  next  {}", style.paint(Tone::Link, next));
        }
        out
    }
}

impl ChangeRow {
    fn shows_fields(&self, brief: bool) -> bool {
        let is_hidden = brief && matches!(self.action, Action::Create | Action::Delete);
        !self.fields.is_empty() && !is_hidden
    }

    fn render(&self, out: &mut String, address_width: usize, brief: bool, verbose: bool, style: TextStyle) {
        let tone = progress_text::action_tone(self.action);
        let head =
            style.paint(tone, format!("{} {:<7}", progress_text::symbol(self.action, style), self.action));
        let name = text::clean(&self.name);
        let why = if self.has_reason { format!("({})", text::clean(&self.why)) } else { String::new() };
        // Everything is on one line if it fits. Before the name, the line has 2 spaces, the symbol and the verb (9
        // columns), a space, the address, and 2 spaces.
        let prefix_width = 2 + 9 + 1 + address_width + 2;
        if prefix_width + text::width(&name) + 2 + text::width(&why) <= style.columns() {
            let address = text::pad(self.address.as_str(), address_width);
            let line = format!("  {head} {address}  {name}  {}", style.paint(Tone::Dim, why));
            let _ = writeln!(out, "{}", line.trim_end());
        } else {
            let address = text::truncate(self.address.as_str(), style.columns().saturating_sub(12), style);
            let _ = writeln!(out, "  {head} {address}");
            let name = text::truncate(&name, style.columns().saturating_sub(6), style);
            let _ = writeln!(out, "      {name}");
            if !why.is_empty() {
                let why = text::wrap_after_head("     ", &why, 7, style);
                let _ = writeln!(out, "{}", style.paint(Tone::Dim, why));
            }
        }
        if !self.shows_fields(brief) {
            return;
        }
        fields::render(out, &self.fields, self.action == Action::Create, verbose, style);
    }
}

#[cfg(test)]
pub(super) mod tests;
