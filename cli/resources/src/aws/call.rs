//! One call of a service, with its retries: everything that a driver sends goes through here.

use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use hitctl_engine::{Cx, Fault, FaultKind, Wait};

use crate::aws::fault::{Doing, ToFault};

/// How long throttles, conflicts and lost answers are borne when nothing else is said.
const PATIENCE: Duration = Duration::from_mins(1);

/// A call to be made, and what its errors mean here. What the [table of faults](super::fault) calls transient is tried
/// again until the patience is spent.
pub struct Call<'a> {
    cx: &'a Cx,
    doing: Doing,
    patience: Duration,
    absent: &'a [&'a str],
    again: &'a [&'a str],
}

impl<'a> Call<'a> {
    /// A call for that purpose.
    pub fn new(cx: &'a Cx, doing: Doing) -> Self {
        Self { cx, doing, patience: PATIENCE, absent: &[], again: &[] }
    }

    /// Bears it for that long.
    #[must_use]
    pub fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The error codes that are an answer too: [`Call::find`] gives `None`.
    #[must_use]
    pub fn absent_on(mut self, codes: &'a [&'a str]) -> Self {
        self.absent = codes;
        self
    }

    /// Error codes that pass here, though they do not elsewhere.
    #[must_use]
    pub fn again_on(mut self, codes: &'a [&'a str]) -> Self {
        self.again = codes;
        self
    }

    /// Makes the call; each of the [codes that are an answer](Self::absent_on) is `None`.
    pub async fn find<T, E, F, Fut>(self, send: F) -> Result<Option<T>, Fault>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let (doing, absent, again, send) = (&self.doing, self.absent, self.again, &send);
        let attempt = move || async move {
            match send().await {
                Ok(answer) => Ok(Some(answer)),
                Err(error) if absent.iter().any(|code| error.is(code)) => Ok(None),
                Err(error) if again.iter().any(|code| error.is(code)) => {
                    Err(Fault { kind: FaultKind::Transient, ..error.fault(doing) })
                }
                Err(error) => Err(error.fault(doing)),
            }
        };
        let what = format!("waiting to {} {}", doing.verb, doing.what);
        self.cx.wait(&Wait::up_to(self.patience), &what, attempt).await
    }

    /// Makes the call.
    pub async fn send<T, E, F, Fut>(self, send: F) -> Result<T, Fault>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let message = format!("failed to {} {}", self.doing.verb, self.doing.what);
        let found = Self { absent: &[], ..self }.find(send).await?;
        found.ok_or_else(|| Fault::fatal("no_answer", message))
    }
}
