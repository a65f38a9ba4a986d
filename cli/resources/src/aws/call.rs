//! Sends one call to an AWS service, with retries. Drivers send all their calls through this module.

use std::ops::Deref;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use hitctl_engine::{DriverContext, Fault, FaultKind, RetryPolicy};

use crate::aws::fault::{ApiOperation, ErrorRule, NOT_FOUND, ToFault};
use crate::aws::resource::Resource;

/// The default time limit for retries after throttling, conflicts and lost responses.
const DEFAULT_BUDGET: Duration = Duration::from_mins(1);

/// The resource that a driver works on. Adds the name and the error rules of the resource to the driver's calls.
pub struct CallContext<'a> {
    cx: &'a DriverContext,
    /// The name of the resource.
    pub name: &'a str,
    /// The kind and the name, for errors: `table hits-test`.
    object: String,
    rules: &'static [ErrorRule],
}

impl<'a> CallContext<'a> {
    /// Creates a context for the resource of kind `R` with that name.
    pub fn of<R: Resource>(cx: &'a DriverContext, name: &'a str) -> Self {
        Self { cx, name, object: format!("{} {name}", R::NOUN), rules: R::RULES }
    }

    /// Creates a call on the resource. The errors of the call begin with "failed to VERB NOUN NAME".
    pub fn call(&self, verb: &'static str, operation: &'static str) -> ApiCall<'a> {
        self.call_on(verb, &self.object, operation)
    }

    /// Creates a call on a part of the resource, which errors name as `object`.
    pub fn call_on(
        &self,
        verb: &'static str,
        object: impl Into<String>,
        operation: &'static str,
    ) -> ApiCall<'a> {
        ApiCall::new(self.cx, ApiOperation::new(verb, object, operation).with_rules(self.rules))
    }
}

impl Deref for CallContext<'_> {
    type Target = DriverContext;

    fn deref(&self) -> &DriverContext {
        self.cx
    }
}

/// A call with its retries. Errors that the [table of errors](super::fault) classifies as transient are
/// retried, for one minute by default.
#[derive(Clone)]
pub struct ApiCall<'a> {
    /// `None` for a single attempt.
    cx: Option<&'a DriverContext>,
    operation: ApiOperation,
    policy: RetryPolicy,
    progress: Option<&'a str>,
    none_on: &'a [&'a str],
    /// An error code, and a text that the error message must contain.
    none_on_message: Option<(&'a str, &'a str)>,
    retry_on: &'a [&'a str],
}

impl<'a> ApiCall<'a> {
    /// Creates a call that is retried for one minute. [`ApiCall::find`] returns `None` if the resource does
    /// not exist.
    pub fn new(cx: &'a DriverContext, operation: ApiOperation) -> Self {
        let policy = RetryPolicy::with_budget(DEFAULT_BUDGET);
        Self {
            cx: Some(cx),
            operation,
            policy,
            progress: None,
            none_on: NOT_FOUND,
            none_on_message: None,
            retry_on: &[],
        }
    }

    /// Limits the call to one attempt, for a caller that retries several calls together.
    #[must_use]
    pub fn once(self) -> Self {
        Self { cx: None, ..self }
    }

    /// Returns the operation, which errors name.
    pub fn operation(&self) -> &ApiOperation {
        &self.operation
    }

    /// Limits the time for retries.
    #[must_use]
    pub fn for_at_most(self, limit: Duration) -> Self {
        Self { policy: RetryPolicy::with_budget(limit), ..self }
    }

    /// Sets the retry policy, and the text that is shown as progress during retries.
    #[must_use]
    pub fn retrying(self, policy: &RetryPolicy, progress: &'a str) -> Self {
        Self { policy: *policy, progress: Some(progress), ..self }
    }

    /// Sets the error codes on which [`ApiCall::find`] returns `None`. They replace the "not found" codes.
    #[must_use]
    pub fn none_on(self, codes: &'a [&'a str]) -> Self {
        Self { none_on: codes, ..self }
    }

    /// Makes [`ApiCall::find`] return `None` only on errors that have this code and whose message contains
    /// `text`, such as "already exist". An empty code matches any code.
    #[must_use]
    pub fn none_on_message(self, code: &'a str, text: &'a str) -> Self {
        Self { none_on: &[], none_on_message: Some((code, text)), ..self }
    }

    /// Makes errors with these codes transient for this call.
    #[must_use]
    pub fn retry_on(self, codes: &'a [&'a str]) -> Self {
        Self { retry_on: codes, ..self }
    }

    /// Sends the call until `accept` returns a value or a fault that is not transient. `accept` receives the
    /// result of [`ApiCall::find`]: the response or `None`.
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
        let ApiOperation { verb, object, .. } = &self.operation;
        let attempt = || async { accept(self.response(send().await)?) };
        let Some(cx) = self.cx else { return Box::pin(attempt()).await };
        let progress = self.progress.map_or_else(|| format!("waiting to {verb} {object}"), str::to_owned);
        Box::pin(cx.retry(&self.policy, &progress, attempt)).await
    }

    fn response<T, E>(&self, result: Result<T, SdkError<E, HttpResponse>>) -> Result<Option<T>, Fault>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let error = match result {
            Ok(response) => return Ok(Some(response)),
            Err(error) => error,
        };
        let is_one_of = |codes: &[&str]| codes.iter().any(|code| error.has_code(code));
        let is_message = |(code, text): (&str, &str)| {
            (code.is_empty() || error.has_code(code)) && error.message_contains(text)
        };
        if is_one_of(self.retry_on) {
            return Err(Fault { kind: FaultKind::Transient, ..error.to_fault(&self.operation) });
        }
        if is_one_of(self.none_on) || self.none_on_message.is_some_and(is_message) {
            return Ok(None);
        }
        Err(error.to_fault(&self.operation))
    }

    /// Sends the call. Returns `None` if the resource does not exist. [`ApiCall::none_on`] and
    /// [`ApiCall::none_on_message`] set other errors for `None`.
    pub async fn find<T, E, F, Fut>(self, send: F) -> Result<Option<T>, Fault>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.until(send, Ok).await
    }

    /// Sends the call and returns the response.
    pub async fn send<T, E, F, Fut>(self, send: F) -> Result<T, Fault>
    where
        F: Fn() -> Fut + Send + Sync,
        Fut: Future<Output = Result<T, SdkError<E, HttpResponse>>> + Send,
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let message = format!("failed to {} {}", self.operation.verb, self.operation.object);
        let found = self.none_on(&[]).find(send).await?;
        found.ok_or_else(|| Fault::fatal("no_answer", message))
    }

    /// Sends the call for every page of a list for which the SDK has no paginator. `items` returns the items of
    /// a page and the token of the next page. Returns `None` in the same cases as [`ApiCall::find`].
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
            let (page_items, token) = items(page);
            found.extend(page_items.unwrap_or_default());
            next = token.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok(Some(found));
            }
        }
    }
}
