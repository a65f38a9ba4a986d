//! What went wrong, for people and for scripts, and the exit codes that say it.
//!
//! One place renders every error of the program; nothing here decides whether something is an error.

use std::error::Error;
use std::ops::{Deref, DerefMut};

use hitctl_engine::{Cause, Code, Fault, FaultKind, Finding, Outcome, SurveyError};
use serde::{Serialize, Serializer};

use super::style::{Style, Tone};
use super::text;

/// How the program ends. Scripts rely on these numbers: see [`EXIT_CODES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// An error.
    #[default]
    Error = 1,
    /// There are changes, or drift; only with `--detailed-exitcode`.
    Changes = 2,
    /// A confirmation is needed, or was declined.
    Confirm = 3,
    /// No credentials that work.
    Credentials = 4,
    /// Some changes are made and some are not: run again.
    Partial = 5,
    /// All changes are made, but the live URL does not answer as it should.
    Smoke = 6,
    /// Another deploy holds the lease.
    Locked = 7,
    /// The command line or the configuration is wrong.
    Usage = 64,
    /// Interrupted by the user.
    Interrupted = 130,
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(code: Exit) -> Self {
        Self::from(code.code())
    }
}

/// The text of `hitctl help exit-codes`.
pub const EXIT_CODES: &str = "\
Exit codes

    0  done, or nothing to do
    1  error
    2  there are changes, or drift; only with --detailed-exitcode
    3  a confirmation is needed, or was declined; without a terminal, pass --yes
    4  no credentials that work
    5  partly applied: run the same command again, it continues where it stopped
    6  applied, but the live URL does not answer as it should
    7  another deploy holds the lease
   64  the command line or the configuration is wrong
  130  interrupted

With --json an error is one object on stdout:

  {\"v\":1,\"error\":{\"code\":..,\"message\":..,\"cause\":..,\"hint\":..,\"request_id\":..}}
";

/// An error at the edge of the program: a [`Fault`], ready to be shown, and how the program ends with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong. Boxed, since every command returns it.
    fault: Box<Fault>,
    /// How the program ends.
    pub exit: Exit,
    /// Further failures: several things can fail at once, and all are shown.
    pub more: Vec<Failure>,
}

impl Deref for Failure {
    type Target = Fault;

    fn deref(&self) -> &Fault {
        &self.fault
    }
}

impl DerefMut for Failure {
    fn deref_mut(&mut self) -> &mut Fault {
        &mut self.fault
    }
}

impl Failure {
    /// A failure that ends the program with 1.
    pub fn new(code: impl Into<Code>, message: impl Into<String>) -> Self {
        Fault::fatal(code, message).into()
    }

    /// A mistake on the command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Fault::usage(message).into()
    }

    /// Mistakes in the configuration, one a line.
    pub fn config(message: impl Into<String>) -> Self {
        Fault::config(message).into()
    }

    /// `--confirm` names something else than what is about to be lost.
    pub fn wrong_confirmation(expected: &str, found: &str) -> Self {
        Self::new("confirmation_needed", format!("expected --confirm {expected}, found {found:?}"))
            .hinted("check which one is meant; nothing was changed")
            .exits(Exit::Confirm)
    }

    /// The program was told to stop.
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self::new("interrupted", message).exits(Exit::Interrupted)
    }

    /// Several failures as one; it ends the program as the first does. `None` when there are none.
    pub fn several(failures: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut failures = failures.into_iter();
        let mut first = failures.next()?;
        first.more.extend(failures);
        Some(first)
    }

    /// What forbids a plan.
    pub fn findings(findings: &[Finding]) -> Self {
        let one = |finding: &Finding| {
            let mut failure =
                Self::new(finding.code.clone(), format!("{}: {}", finding.address, finding.message));
            failure.hint.clone_from(&finding.hint);
            failure
        };
        Self::several(findings.iter().map(one))
            .unwrap_or_else(|| Self::new("plan", "the plan must not be applied"))
    }

    /// The resources that could not be read.
    pub fn unread(error: &SurveyError) -> Self {
        let failure = Self::several(error.faults.values().map(Self::from));
        match (failure, error.interrupted) {
            (Some(failure), true) => failure.exits(Exit::Interrupted),
            (Some(failure), false) => failure,
            (None, true) => Self::interrupted("interrupted; nothing was changed"),
            (None, false) => Self::new("not_read", "failed to read what is deployed"),
        }
    }

    /// What failed while a plan was carried out, with `hint` for those that have none of their own; `None` when the
    /// whole plan was. It ends the program with 5 when something was done, and with 130 when it was interrupted.
    pub fn outcome(outcome: &Outcome, hint: &str) -> Option<Self> {
        if outcome.is_ok() {
            return None;
        }
        let one = |failed: &hitctl_engine::Failure| {
            let failure = Self::from(&failed.fault);
            if failure.hint.is_some() { failure } else { failure.hinted(hint) }
        };
        let failure = Self::several(outcome.failed.iter().map(one)).unwrap_or_else(|| {
            let left = super::format::plural(outcome.skipped.len() as u64, "change");
            Self::interrupted(format!("interrupted, with {left} not made")).hinted(hint)
        });
        let exit = match failure.exit {
            _ if outcome.interrupted => Exit::Interrupted,
            _ if !outcome.done.is_empty() => Exit::Partial,
            exit => exit,
        };
        Some(failure.exits(exit))
    }

    /// Adds what the service or the system said.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(Cause::new(cause));
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Ends the program another way.
    #[must_use]
    pub fn exits(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Ends the program as partly applied in place of with an error, if something was done.
    #[must_use]
    pub fn partial_if(mut self, has_done: bool) -> Self {
        if has_done && self.exit == Exit::Error {
            self.exit = Exit::Partial;
        }
        self
    }

    /// This one and all that failed besides.
    pub fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(
            self.more.iter().flat_map(|failure| Box::new(failure.all()) as Box<dyn Iterator<Item = _>>),
        )
    }

    /// What can be said under several errors at once, in two parts: the cause, and the hint.
    fn shared(&self) -> (&str, Option<&str>, Option<&str>) {
        (&self.code, self.cause.as_deref(), self.hint.as_deref())
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        let exit = match fault.kind {
            FaultKind::Credentials => Exit::Credentials,
            FaultKind::Busy => Exit::Locked,
            FaultKind::Usage => Exit::Usage,
            FaultKind::Transient | FaultKind::NotFound | FaultKind::NotOurs | FaultKind::Fatal => Exit::Error,
        };
        Self { fault: Box::new(fault), exit, more: Vec::new() }
    }
}

impl From<&Fault> for Failure {
    fn from(fault: &Fault) -> Self {
        fault.clone().into()
    }
}

impl Serialize for Failure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Fields<'a> {
            code: &'a str,
            message: &'a str,
            cause: Option<&'a str>,
            hint: Option<&'a str>,
            request_id: Option<&'a str>,
        }
        let Fault { code, message, cause, hint, request_id, .. } = &**self;
        let (cause, hint, request_id) = (cause.as_deref(), hint.as_deref(), request_id.as_deref());
        Fields { code, message, cause, hint, request_id }.serialize(serializer)
    }
}

/// The JSON of a failure: the first is `error`; all of them are `errors` when there are several.
pub(crate) fn json(failure: &Failure) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        v: u8,
        error: &'a Failure,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        errors: Vec<&'a Failure>,
    }
    let errors = if failure.more.is_empty() { Vec::new() } else { failure.all().collect() };
    // Strings only: this cannot fail.
    serde_json::to_string(&Object { v: 1, error: failure, errors }).unwrap_or_default()
}

/// A failure as text. Those with one cause and one hint stand together, and say them once.
pub(crate) fn human(failure: &Failure, style: Style) -> String {
    let mut groups: Vec<Vec<&Failure>> = Vec::new();
    for failure in failure.all() {
        match groups.iter_mut().find(|group| group[0].shared() == failure.shared()) {
            Some(group) => group.push(failure),
            None => groups.push(vec![failure]),
        }
    }
    groups.iter().map(|group| render_group(group, style)).collect::<Vec<_>>().join("\n")
}

fn render_group(group: &[&Failure], style: Style) -> String {
    let mut out = String::new();
    let mut line = |head: &str, tone: Tone, indent: usize, body: &str| {
        let head = format!("{:indent$}{}", "", style.paint(tone, head));
        out.push_str(&text::headed(&head, &text::clean_lines(body), indent + 2, style));
        out.push('\n');
    };
    for failure in group {
        line("error:", Tone::Bad, 0, &failure.message);
    }
    let cause = group[0].cause.as_deref();
    // A cause that names the request already needs no help.
    let is_named = |id: &str| cause.is_some_and(|cause| cause.contains(id));
    let ids = group.iter().filter_map(|failure| failure.request_id.as_deref());
    let ids: Vec<&str> = ids.filter(|id| !is_named(id)).collect();
    let requests = match ids.as_slice() {
        [] => String::new(),
        [id] => format!("request {id}"),
        ids => format!("requests {}", ids.join(", ")),
    };
    match (cause, requests.as_str()) {
        (None, "") => {}
        (Some(cause), "") => line("caused by:", Tone::Dim, 2, cause),
        (Some(cause), requests) => line("caused by:", Tone::Dim, 2, &format!("{cause} ({requests})")),
        (None, requests) => line("in:", Tone::Dim, 2, requests),
    }
    if let Some(hint) = &group[0].hint {
        out.push('\n');
        let head = style.paint(Tone::Link, "hint:");
        out.push_str(&text::headed(&head, &text::clean_lines(hint), 6, style));
        out.push('\n');
    }
    out
}

#[cfg(test)]
#[path = "failure_tests.rs"]
mod tests;
