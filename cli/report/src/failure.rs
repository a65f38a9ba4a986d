//! Renders errors as text and JSON, and defines the exit statuses. It must not decide what counts as an error.

use std::error::Error;
use std::ops::{Deref, DerefMut};

use hitctl_engine::{ApplyOutcome, Fault, FaultCause, FaultCode, FaultKind, Finding, SurveyError};
use serde::{Serialize, Serializer};

use super::style::{TextStyle, Tone};
use super::text;

/// The exit status. Scripts rely on these numbers: see [`EXIT_CODES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exit {
    /// Success, also if nothing had to be done.
    Done = 0,
    /// Any other error.
    #[default]
    Error = 1,
    /// There are changes or drift. Used only with `--detailed-exitcode`.
    Changes = 2,
    /// A confirmation is needed, or was declined.
    Confirm = 3,
    /// No valid credentials.
    Credentials = 4,
    /// Only some of the changes were made. Running the command again continues.
    Partial = 5,
    /// All changes were made, but the smoke test of the live URL failed.
    Smoke = 6,
    /// Another deploy holds the lease.
    Locked = 7,
    /// The command line or the configuration is invalid.
    Usage = 64,
    /// Interrupted by the user.
    Interrupted = 130,
}

impl Exit {
    /// Returns the exit code.
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

    0  success, or nothing to do
    1  error
    2  changes or drift found; only with --detailed-exitcode
    3  confirmation required or declined; without a terminal, pass --yes
    4  no valid credentials
    5  partly applied; run the same command again to continue
    6  applied, but the smoke test of the live URL failed
    7  another deploy holds the lease
   64  invalid command line or configuration
  130  interrupted

With --json, an error is one object on stdout:

  {\"v\":1,\"error\":{\"code\":..,\"message\":..,\"cause\":..,\"hint\":..,\"request_id\":..}}
";

/// A [`Fault`] that ends the program, with its exit status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The fault. It is boxed because every command returns a failure.
    fault: Box<Fault>,
    /// The exit status.
    pub exit: Exit,
    /// The other failures, if several operations failed at once. All failures are shown.
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
    /// Returns a failure with exit status 1.
    pub fn new(code: impl Into<FaultCode>, message: impl Into<String>) -> Self {
        Fault::fatal(code, message).into()
    }

    /// Returns a failure for an invalid command line.
    pub fn usage(message: impl Into<String>) -> Self {
        Fault::usage(message).into()
    }

    /// Returns a failure for an invalid configuration. The message has one error per line.
    pub fn config(message: impl Into<String>) -> Self {
        Fault::config(message).into()
    }

    /// Returns a failure for a `--confirm` with a wrong name.
    pub fn wrong_confirmation(expected: &str, found: &str) -> Self {
        Self::new("confirmation_needed", format!("expected --confirm {expected}, found {found:?}"))
            .hinted("check the name; nothing was changed")
            .with_exit(Exit::Confirm)
    }

    /// Returns a failure for a run that the user interrupted.
    pub fn interrupted(message: impl Into<String>) -> Self {
        Self::new("interrupted", message).with_exit(Exit::Interrupted)
    }

    /// Combines several failures into one with the exit status of the first. Returns `None` if there are no failures.
    pub fn combine(failures: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut failures = failures.into_iter();
        let mut first = failures.next()?;
        first.more.extend(failures);
        Some(first)
    }

    /// Returns a failure for findings that prevent a plan from being applied.
    pub fn from_findings(findings: &[Finding]) -> Self {
        let to_failure = |finding: &Finding| {
            let mut failure =
                Self::new(finding.code.clone(), format!("{}: {}", finding.address, finding.message));
            failure.hint.clone_from(&finding.hint);
            failure
        };
        Self::combine(findings.iter().map(to_failure))
            .unwrap_or_else(|| Self::new("plan", "the plan cannot be applied"))
    }

    /// Returns a failure for the resources that could not be read.
    pub fn from_survey(error: &SurveyError) -> Self {
        let failure = Self::combine(error.faults.values().map(Self::from));
        match (failure, error.interrupted) {
            (Some(failure), true) => failure.with_exit(Exit::Interrupted),
            (Some(failure), false) => failure,
            (None, true) => Self::interrupted("interrupted; nothing was changed"),
            (None, false) => Self::new(
                "not_read",
                "internal error: failed to read the deployed resources; please report it",
            ),
        }
    }

    /// Returns a failure for the outcome of a plan, or `None` if all changes were made. Failures without a hint get
    /// `hint`. The exit status is 130 if the run was interrupted, and 5 if some changes were made.
    pub fn from_outcome(outcome: &ApplyOutcome, hint: &str) -> Option<Self> {
        if outcome.is_ok() {
            return None;
        }
        let to_failure = |failed: &hitctl_engine::FailedChange| {
            let failure = Self::from(&failed.fault);
            if failure.hint.is_some() { failure } else { failure.hinted(hint) }
        };
        let failure = Self::combine(outcome.failed.iter().map(to_failure)).unwrap_or_else(|| {
            let skipped = super::format::plural(outcome.skipped.len() as u64, "change");
            Self::interrupted(format!("interrupted; {skipped} not applied")).hinted(hint)
        });
        let exit = match failure.exit {
            _ if outcome.interrupted => Exit::Interrupted,
            _ if !outcome.done.is_empty() => Exit::Partial,
            exit => exit,
        };
        Some(failure.with_exit(exit))
    }

    /// Sets the cause, such as the error of a service or the operating system.
    #[must_use]
    pub fn caused_by(mut self, cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.cause = Some(FaultCause::new(cause));
        self
    }

    /// Sets the hint.
    #[must_use]
    pub fn hinted(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the exit status.
    #[must_use]
    pub fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// Changes the exit status from `Error` to `Partial` if some changes were made.
    #[must_use]
    pub fn partial_if(mut self, has_changes: bool) -> Self {
        if has_changes && self.exit == Exit::Error {
            self.exit = Exit::Partial;
        }
        self
    }

    /// Iterates over this failure and all failures in `more`.
    pub fn all(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(
            self.more.iter().flat_map(|failure| Box::new(failure.all()) as Box<dyn Iterator<Item = _>>),
        )
    }

    /// Returns the code, cause and hint. Failures that share all three are rendered as a group.
    fn group_key(&self) -> (&str, Option<&str>, Option<&str>) {
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

/// Returns the JSON of a failure. `error` is the first failure. If there are several, `errors` lists all.
pub(crate) fn to_json(failure: &Failure) -> String {
    #[derive(Serialize)]
    struct Object<'a> {
        v: u8,
        error: &'a Failure,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        errors: Vec<&'a Failure>,
    }
    let errors = if failure.more.is_empty() { Vec::new() } else { failure.all().collect() };
    // All fields are strings, so this cannot fail.
    serde_json::to_string(&Object { v: 1, error: failure, errors }).unwrap_or_default()
}

/// Returns the text of a failure. Failures with the same code, cause and hint form a group, which shows the cause and
/// the hint once.
pub(crate) fn to_text(failure: &Failure, style: TextStyle) -> String {
    let mut groups: Vec<Vec<&Failure>> = Vec::new();
    for failure in failure.all() {
        match groups.iter_mut().find(|group| group[0].group_key() == failure.group_key()) {
            Some(group) => group.push(failure),
            None => groups.push(vec![failure]),
        }
    }
    groups.iter().map(|group| render_group(group, style)).collect::<Vec<_>>().join("\n")
}

fn render_group(group: &[&Failure], style: TextStyle) -> String {
    let mut out = String::new();
    let mut line = |head: &str, tone: Tone, indent: usize, body: &str| {
        let head = format!("{:indent$}{}", "", style.paint(tone, head));
        out.push_str(&text::wrap_after_head(&head, &text::clean_lines(body), indent + 2, style));
        out.push('\n');
    };
    for failure in group {
        line("error:", Tone::Bad, 0, &failure.message);
    }
    let cause = group[0].cause.as_deref();
    // A request ID that the cause contains is not shown again.
    let is_in_cause = |id: &str| cause.is_some_and(|cause| cause.contains(id));
    let ids = group.iter().filter_map(|failure| failure.request_id.as_deref());
    let ids: Vec<&str> = ids.filter(|id| !is_in_cause(id)).collect();
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
        out.push_str(&text::wrap_after_head(&head, &text::clean_lines(hint), 6, style));
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests;
