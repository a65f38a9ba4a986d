//! The results of `deploy` and `destroy`: completed, failed and skipped changes, and the next command.

use std::fmt::Write as _;

use hitctl_engine::{Action, Address, ApplyOutcome, CompletedChange, SkippedChange};
use serde::Serialize;

use super::plan::PlanView;
use crate::failure::Failure;
use crate::render::CommandView;
use crate::style::{TextStyle, Tone};
use crate::{format, progress_text, text};

/// The result of a deploy, complete or partial.
#[derive(Clone, Debug, Serialize)]
pub struct DeployView {
    #[serde(flatten)]
    plan: PlanView,
    #[serde(flatten)]
    applied: AppliedChanges,
    /// The command to run next.
    pub next: String,
}

/// The result of a destroy, complete or partial.
#[derive(Clone, Debug, Serialize)]
pub struct DestroyView {
    #[serde(flatten)]
    plan: PlanView,
    #[serde(flatten)]
    applied: AppliedChanges,
    /// The resources that still exist.
    left: Vec<RetainedResource>,
    /// The command to run next.
    pub next: Option<String>,
}

/// A resource that `destroy` does not remove.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RetainedResource {
    /// The address of the resource.
    pub address: String,
    /// The name in the cloud.
    pub name: String,
    /// The reason why it is not removed.
    pub why: String,
}

/// The result of each change.
#[derive(Clone, Debug, Serialize)]
struct AppliedChanges {
    done: Vec<CompletedChange>,
    failed: Vec<FailedChangeRow>,
    skipped: Vec<SkippedChange>,
    interrupted: bool,
}

#[derive(Clone, Debug, Serialize)]
struct FailedChangeRow {
    address: Address,
    name: String,
    action: Action,
    error: Failure,
}

impl From<&ApplyOutcome> for AppliedChanges {
    fn from(outcome: &ApplyOutcome) -> Self {
        let to_row = |failed: &hitctl_engine::FailedChange| FailedChangeRow {
            address: failed.address.clone(),
            name: failed.name.clone(),
            action: failed.action,
            error: Failure::from(&failed.fault),
        };
        Self {
            done: outcome.done.clone(),
            failed: outcome.failed.iter().map(to_row).collect(),
            skipped: outcome.skipped.clone(),
            interrupted: outcome.interrupted,
        }
    }
}

impl AppliedChanges {
    fn is_ok(&self) -> bool {
        self.failed.is_empty() && self.skipped.is_empty() && !self.interrupted
    }

    fn has_created(&self) -> bool {
        self.done.iter().any(|done| matches!(done.action, Action::Create | Action::Replace))
    }

    /// Returns a line such as `Deployed environment prod (..): 2 created in 3.2s.`, or `unchanged_text` if no change was
    /// necessary.
    fn summary(&self, verb: &str, unchanged_text: String, plan: &PlanView, style: TextStyle) -> String {
        let head = if self.done.is_empty() {
            unchanged_text
        } else {
            let (verb, took) = (style.paint(Tone::Good, verb), format::took(plan.took_ms));
            format!("{verb} {}: {} in {took}.", plan.target_description(), self.action_counts())
        };
        text::wrap(&head, 2, style) + "\n"
    }

    fn action_counts(&self) -> String {
        let count = |action: Action| {
            let n = self.done.iter().filter(|done| done.action == action).count();
            (n > 0).then(|| format!("{n} {}", action.past_participle()))
        };
        let actions = [Action::Create, Action::Update, Action::Replace, Action::Delete];
        let parts: Vec<String> = actions.into_iter().filter_map(count).collect();
        if parts.is_empty() { "nothing changed".to_owned() } else { parts.join(", ") }
    }

    /// Renders the list of all changes with their results. On a terminal, the progress has already listed those that are
    /// done.
    fn render_rows(&self, plan: &PlanView, style: TextStyle) -> String {
        let mut out = String::new();
        let mut push = |verb: &str, tone: Tone, address: &Address, note: &str, took_ms: Option<u64>| {
            let name = &text::clean(plan.name_of(address));
            let (tone, subject) = (Some(tone), address.as_str());
            let line = progress_text::ProgressLine { verb, tone, subject, name, note, took_ms };
            for line in line.render("  ", style) {
                let _ = writeln!(out, "{line}");
            }
        };
        for done in self.done.iter().filter(|_| !style.tty) {
            push(
                done.action.past_participle(),
                progress_text::action_tone(done.action),
                &done.address,
                "",
                Some(done.took_ms),
            );
        }
        for failed in &self.failed {
            push("failed", Tone::Bad, &failed.address, &text::clean(&failed.error.message), None);
        }
        for skipped in &self.skipped {
            let why = progress_text::skip_reason(skipped.because.as_ref());
            push("skipped", Tone::Warn, &skipped.address, &why, None);
        }
        out
    }

    /// Renders the result of a command that did not complete.
    fn render_incomplete(&self, plan: &PlanView, style: TextStyle) -> String {
        let [done, failed, skipped] = [self.done.len(), self.failed.len(), self.skipped.len()];
        let head = if self.interrupted { "Interrupted" } else { "Partly applied" };
        let head = style.paint(Tone::Warn, head);
        let counts = [(done, "done"), (failed, "failed"), (skipped, "skipped")];
        let counts = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
        let counts = counts.collect::<Vec<_>>().join(", ");
        let line = format!("{head}, {}: {counts}.", plan.target_description());
        let mut out = text::wrap(&line, 2, style);
        let _ = write!(out, "\n\n{}", self.render_rows(plan, style));
        out
    }
}

impl DeployView {
    /// Returns the view of a deploy from its plan and outcome.
    pub fn new(plan: PlanView, outcome: &ApplyOutcome) -> Self {
        // After a deploy, the user adds the snippet to the pages. A function without a URL has no snippet.
        let next = match plan.outputs.get("url") {
            Some(_) => format!("hitctl snippet --env {}", plan.env),
            None => format!("hitctl status --env {}", plan.env),
        };
        Self { plan, applied: outcome.into(), next }
    }

    /// Returns the base URL, if there is one.
    pub fn url(&self) -> Option<&str> {
        self.plan.outputs.get("url").map(String::as_str)
    }
}

impl CommandView for DeployView {
    fn render(&self, style: TextStyle) -> String {
        let plan = &self.plan;
        if !self.applied.is_ok() {
            return self.applied.render_incomplete(plan, style);
        }
        let mut out = plan.warnings_text(style);
        let unchanged_text = "Nothing to change.".to_owned();
        out.push_str(&self.applied.summary("Deployed", unchanged_text, plan, style));
        if let Some(estimate) = plan.estimate.as_ref().filter(|_| self.applied.has_created()) {
            let _ = writeln!(out, "{}", text::wrap_after_head("Cost:", &estimate.summary(), 2, style));
        }
        out.push('\n');
        let outputs = &plan.outputs;
        // Show the URL first, because most users need it.
        let url_first =
            outputs.get_key_value("url").into_iter().chain(outputs.iter().filter(|(name, _)| *name != "url"));
        let mut facts: Vec<(&str, String, Tone)> = url_first
            .map(|(name, value)| {
                let tone = if name == "url" { Tone::Link } else { Tone::Strong };
                (name.as_str(), text::clean(value).into_owned(), tone)
            })
            .collect();
        facts.push(("next", text::clean(&self.next).into_owned(), Tone::Link));
        let name_width = facts.iter().map(|(name, ..)| text::width(name)).max().unwrap_or(0);
        for (name, value, tone) in facts {
            // Users copy the values, so they are never truncated.
            let _ = writeln!(
                out,
                "  {}  {}",
                text::pad(&text::clean(name), name_width),
                style.paint(tone, value)
            );
        }
        out
    }
}

impl DestroyView {
    /// Returns the view of a destroy from its plan, its outcome and the resources that still exist.
    pub fn new(plan: PlanView, outcome: &ApplyOutcome, left: Vec<RetainedResource>) -> Self {
        Self { plan, applied: outcome.into(), left, next: None }
    }
}

impl CommandView for DestroyView {
    fn render(&self, style: TextStyle) -> String {
        let plan = &self.plan;
        let mut out = if self.applied.is_ok() {
            let unchanged_text = format!("Nothing to remove in {}.", plan.target_description());
            self.applied.summary("Destroyed", unchanged_text, plan, style)
        } else {
            self.applied.render_incomplete(plan, style)
        };
        if !self.left.is_empty() {
            out.push_str("\nRemaining:\n");
        }
        for resource in &self.left {
            let (name, why) = (text::clean(&resource.name), text::clean(&resource.why));
            let address = text::clean(&resource.address);
            let head = format!("  {address}  {} ", style.paint(Tone::Strong, name));
            let _ = writeln!(out, "{}", text::wrap_after_head(&head, &format!("({why})"), 4, style));
        }
        if let Some(next) = &self.next {
            let _ = writeln!(out, "\n  next  {}", style.paint(Tone::Link, text::clean(next)));
        }
        out
    }
}

#[cfg(test)]
mod tests;
