//! One call of a service, with its retries: everything that a driver sends goes through here.

use std::ops::Deref;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use hitctl_engine::{Cx, Fault, FaultKind, Wait};

use crate::aws::fault::{Doing, ErrorRule, NOT_FOUND, ToFault};
use crate::aws::resource::Resource;

/// How long throttles, conflicts and lost answers are borne when nothing else is said.
const PATIENCE: Duration = Duration::from_mins(1);

/// A resource, for the calls of its driver: its name, and how errors name it and are classified.
pub struct CallContext<'a> {
    cx: &'a Cx,
    /// The name of the resource.
    pub name: &'a str,
    what: String,
    rules: &'static [ErrorRule],
}

impl<'a> CallContext<'a> {
    /// A context for the resource of that kind and name.
    pub fn of<R: Resource>(cx: &'a Cx, name: &'a str) -> Self {
        Self { cx, name, what: format!("{} {name}", R::NOUN), rules: R::RULES }
    }

    /// A call on the resource. Errors say "failed to VERB NOUN NAME".
    pub fn call(&self, verb: &'static str, operation: &'static str) -> Call<'a> {
        self.call_on(verb, &self.what, operation)
    }

    /// A call on something that belongs to the resource, called `what` in errors.
    pub fn call_on(&self, verb: &'static str, what: impl Into<String>, operation: &'static str) -> Call<'a> {
        Call::new(self.cx, Doing::new(verb, what, operation).with_rules(self.rules))
    }
}

impl Deref for CallContext<'_> {
    type Target = Cx;

    fn deref(&self) -> &Cx {
        self.cx
    }
}

/// A call with its retries. Errors that the [table of errors](super::fault) classifies as transient are retried, for a minute unless
/// something else is set.
#[derive(Clone)]
pub struct Call<'a> {
    /// `None` for a single attempt.
    cx: Option<&'a Cx>,
    doing: Doing,
    policy: Wait,
    progress: Option<&'a str>,
    none_on: &'a [&'a str],
    none_on_message: Option<(&'a str, &'a str)>,
    retry_on: &'a [&'a str],
}

impl<'a> Call<'a> {
    /// A call that is retried for a minute. [`Call::find`] returns `None` if the resource does not exist.
    pub fn new(cx: &'a Cx, doing: Doing) -> Self {
        let policy = Wait::up_to(PATIENCE);
        Self {
            cx: Some(cx),
            doing,
            policy,
            progress: None,
            none_on: NOT_FOUND,
            none_on_message: None,
            retry_on: &[],
        }
    }

    /// Makes one attempt, for a caller that retries several calls together.
    #[must_use]
    pub fn once(self) -> Self {
        Self { cx: None, ..self }
    }

    /// Returns what errors of the call say.
    pub fn doing(&self) -> &Doing {
        &self.doing
    }

    /// Retries for at most that long.
    #[must_use]
    pub fn for_at_most(self, limit: Duration) -> Self {
        Self { policy: Wait::up_to(limit), ..self }
    }

    /// Retries by that policy, with that progress text.
    #[must_use]
    pub fn retrying(self, policy: &Wait, progress: &'a str) -> Self {
        Self { policy: *policy, progress: Some(progress), ..self }
    }

    /// Sets the error codes on which [`Call::find`] returns `None`, in place of those that mean "not found".
    #[must_use]
    pub fn none_on(self, codes: &'a [&'a str]) -> Self {
        Self { none_on: codes, ..self }
    }

    /// Makes [`Call::find`] return `None` only on the error with that code whose message has that text, such as "already exist". Any code
    /// matches an empty one.
    #[must_use]
    pub fn none_on_message(self, code: &'a str, text: &'a str) -> Self {
        Self { none_on: &[], none_on_message: Some((code, text)), ..self }
    }

    /// Adds error codes that are retried in this call.
    #[must_use]
    pub fn retry_on(self, codes: &'a [&'a str]) -> Self {
        Self { retry_on: codes, ..self }
    }

    /// Makes the call until `accept` returns something else than a transient fault. It gets the response, or `None` as [`Call::find`].
    pub async fn until<T, U, E, F, Fut>(
        self,
        send: F,
        accept: impl Fn(Option<T>) -> Result<U, Fault> + Send + Sync,
    ) -> Result<U, Fault>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let Doing { verb, what, .. } = &self.doing;
        let attempt = || async { accept(self.response(send().await)?) };
        let Some(cx) = self.cx else { return Box::pin(attempt()).await };
        let progress = self.progress.map_or_else(|| format!("waiting to {verb} {what}"), str::to_owned);
        Box::pin(cx.wait(&self.policy, &progress, attempt)).await
    }

    fn response<T, E>(&self, sent: Result<T, SdkError<E, HttpResponse>>) -> Result<Option<T>, Fault>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let error = match sent {
            Ok(response) => return Ok(Some(response)),
            Err(error) => error,
        };
        let is_one_of = |codes: &[&str]| codes.iter().any(|code| error.is(code));
        let is_message = |(code, text): (&str, &str)| (code.is_empty() || error.is(code)) && error.says(text);
        if is_one_of(self.retry_on) {
            return Err(Fault { kind: FaultKind::Transient, ..error.fault(&self.doing) });
        }
        if is_one_of(self.none_on) || self.none_on_message.is_some_and(is_message) {
            return Ok(None);
        }
        Err(error.fault(&self.doing))
    }

    /// Makes the call. Returns `None` if the resource does not exist, or on the errors that were set in its place.
    pub async fn find<T, E, F, Fut>(self, send: F) -> Result<Option<T>, Fault>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.until(send, Ok).await
    }

    /// Makes the call.
    pub async fn send<T, E, F, Fut>(self, send: F) -> Result<T, Fault>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let message = format!("failed to {} {}", self.doing.verb, self.doing.what);
        let found = self.none_on(&[]).find(send).await?;
        found.ok_or_else(|| Fault::fatal("no_answer", message))
    }

    /// Makes the call for every page of a list that the SDK has no paginator for. `items` returns the items of a page and the token of the
    /// next one. Returns `None` as [`Call::find`].
    pub async fn pages<T, I, E, F, Fut>(
        self,
        send: F,
        items: impl Fn(T) -> (Option<Vec<I>>, Option<String>),
    ) -> Result<Option<Vec<I>>, Fault>
    where
        F: Fn(Option<String>) -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let (mut found, mut next) = (Vec::new(), None);
        loop {
            let Some(page) = self.clone().find(|| send(next.clone())).await? else { return Ok(None) };
            let (some, token) = items(page);
            found.extend(some.unwrap_or_default());
            next = token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(Some(found));
            }
        }
    }
}
