//! What became of a deploy or a destroy: what was done, what failed, what was not tried, and what to do next.

use std::fmt::Write as _;

use hitctl_engine::{Action, Address, Done, Outcome, Skipped};
use serde::Serialize;

use super::plan::PlanView;
use crate::failure::Failure;
use crate::render::View;
use crate::style::{Style, Tone};
use crate::{format, progress_text, text};

/// A deploy that was carried out, or a part of it.
#[derive(Clone, Debug, Serialize)]
pub struct DeployView {
    #[serde(flatten)]
    plan: PlanView,
    #[serde(flatten)]
    applied: Applied,
    /// The command to run next.
    pub next: String,
}

/// A destroy that was carried out, or a part of it.
#[derive(Clone, Debug, Serialize)]
pub struct DestroyView {
    #[serde(flatten)]
    plan: PlanView,
    #[serde(flatten)]
    applied: Applied,
    left: Vec<Left>,
    /// The command to run next.
    pub next: Option<String>,
}

/// Something that a destroy leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// What: an address, or any other thing.
    pub address: String,
    /// What it is called.
    pub name: String,
    /// Why it is left.
    pub why: String,
}

/// What became of each change.
#[derive(Clone, Debug, Serialize)]
struct Applied {
    done: Vec<Done>,
    failed: Vec<FailedRow>,
    skipped: Vec<Skipped>,
    interrupted: bool,
}

#[derive(Clone, Debug, Serialize)]
struct FailedRow {
    address: Address,
    name: String,
    action: Action,
    error: Failure,
}

impl From<&Outcome> for Applied {
    fn from(outcome: &Outcome) -> Self {
        let failed = |failed: &hitctl_engine::Failure| FailedRow {
            address: failed.address.clone(),
            name: failed.name.clone(),
            action: failed.action,
            error: Failure::from(&failed.fault),
        };
        Self {
            done: outcome.done.clone(),
            failed: outcome.failed.iter().map(failed).collect(),
            skipped: outcome.skipped.clone(),
            interrupted: outcome.interrupted,
        }
    }
}

impl Applied {
    fn is_ok(&self) -> bool {
        self.failed.is_empty() && self.skipped.is_empty() && !self.interrupted
    }

    fn has_created(&self) -> bool {
        self.done.iter().any(|done| matches!(done.action, Action::Create | Action::Replace))
    }

    /// `Deployed env prod (..): 2 created in 3.2s.`, or what is said where nothing had to be done.
    fn summary(&self, verb: &str, idle: String, plan: &PlanView, style: Style) -> String {
        let head = if self.done.is_empty() {
            idle
        } else {
            let (verb, took) = (style.paint(Tone::Good, verb), format::took(plan.took_ms));
            format!("{verb} {}: {} in {took}.", plan.whereabouts(), self.total())
        };
        text::wrap(&head, 2, style) + "\n"
    }

    fn total(&self) -> String {
        let count = |action: Action| {
            let n = self.done.iter().filter(|done| done.action == action).count();
            (n > 0).then(|| format!("{n} {}", action.done()))
        };
        let actions = [Action::Create, Action::Update, Action::Replace, Action::Delete];
        let parts: Vec<String> = actions.into_iter().filter_map(count).collect();
        if parts.is_empty() { "nothing changed".to_owned() } else { parts.join(", ") }
    }

    /// The list of what was done and what was not.
    fn rows(&self, plan: &PlanView, style: Style) -> String {
        let mut out = String::new();
        let mut push = |verb: &str, tone: Tone, address: &Address, note: &str, took_ms: Option<u64>| {
            let name = &text::clean(plan.name_of(address));
            let (tone, subject) = (Some(tone), address.as_str());
            let line = progress_text::Line { verb, tone, subject, name, note, took_ms };
            for line in line.render("  ", style) {
                let _ = writeln!(out, "{line}");
            }
        };
        for done in &self.done {
            push(done.action.done(), progress_text::tone(done.action), &done.address, "", Some(done.took_ms));
        }
        for failed in &self.failed {
            push("failed", Tone::Bad, &failed.address, &text::clean(&failed.error.message), None);
        }
        for skipped in &self.skipped {
            let why = progress_text::skipped_because(skipped.because.as_ref());
            push("skipped", Tone::Warn, &skipped.address, &why, None);
        }
        out
    }

    /// The text of a run that did not do everything.
    fn unfinished(&self, plan: &PlanView, style: Style) -> String {
        let [done, failed, skipped] = [self.done.len(), self.failed.len(), self.skipped.len()];
        let head = if self.interrupted { "Interrupted" } else { "Partly done" };
        let head = style.paint(Tone::Warn, head);
        let line =
            format!("{head}, {}: {done} done, {failed} failed, {skipped} not tried.", plan.whereabouts());
        let mut out = text::wrap(&line, 2, style);
        let _ = write!(out, "\n\n{}", self.rows(plan, style));
        out
    }
}

impl DeployView {
    /// The view of a deploy: its plan and what became of it.
    pub fn new(plan: PlanView, outcome: &Outcome) -> Self {
        // What this is all about: hits, which pages send. Without a URL, a look.
        let next = match plan.outputs.get("url") {
            Some(_) => format!("hitctl snippet --env {}", plan.env),
            None => format!("hitctl status --env {}", plan.env),
        };
        Self { plan, applied: outcome.into(), next }
    }
}

impl View for DeployView {
    fn render(&self, style: Style) -> String {
        let plan = &self.plan;
        if !self.applied.is_ok() {
            return self.applied.unfinished(plan, style);
        }
        let mut out = plan.warnings_text(style);
        let idle = "Nothing to change.".to_owned();
        out.push_str(&self.applied.summary("Deployed", idle, plan, style));
        if let Some(estimate) = plan.estimate.as_ref().filter(|_| self.applied.has_created()) {
            let _ = writeln!(out, "{}", text::headed("Cost:", &estimate.brief(), 2, style));
        }
        out.push('\n');
        let outputs = &plan.outputs;
        // The URL first: it is what this is all about.
        let url_first =
            outputs.get_key_value("url").into_iter().chain(outputs.iter().filter(|(name, _)| *name != "url"));
        let mut facts: Vec<(&str, String, Tone)> = url_first
            .map(|(name, value)| {
                let tone = if name == "url" { Tone::Link } else { Tone::Strong };
                (name.as_str(), text::clean(value).into_owned(), tone)
            })
            .collect();
        facts.push(("next", text::clean(&self.next).into_owned(), Tone::Link));
        let wide = facts.iter().map(|(name, ..)| text::width(name)).max().unwrap_or(0);
        for (name, value, tone) in facts {
            // Never cut: these are for copying.
            let _ = writeln!(out, "  {}  {}", text::pad(&text::clean(name), wide), style.paint(tone, value));
        }
        out
    }
}

impl DestroyView {
    /// The view of a destroy: its plan, what became of it, and what is left.
    pub fn new(plan: PlanView, outcome: &Outcome, left: Vec<Left>) -> Self {
        Self { plan, applied: outcome.into(), left, next: None }
    }
}

impl View for DestroyView {
    fn render(&self, style: Style) -> String {
        let plan = &self.plan;
        let mut out = if self.applied.is_ok() {
            let idle = format!("Nothing to remove in {}.", plan.whereabouts());
            self.applied.summary("Destroyed", idle, plan, style)
        } else {
            self.applied.unfinished(plan, style)
        };
        if !self.left.is_empty() {
            out.push_str("\nLeft:\n");
        }
        for left in &self.left {
            let (name, why) = (text::clean(&left.name), text::clean(&left.why));
            let address = text::clean(&left.address);
            let head = format!("  {address}  {} ", style.paint(Tone::Strong, name));
            let _ = writeln!(out, "{}", text::headed(&head, &format!("({why})"), 4, style));
        }
        if let Some(next) = &self.next {
            let _ = writeln!(out, "\n  next  {}", style.paint(Tone::Link, text::clean(next)));
        }
        out
    }
}

#[cfg(test)]
#[path = "applied_tests.rs"]
mod tests;
