//! One call of a service, with its retries: everything that a driver sends goes through here.

use std::ops::Deref;
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use hitctl_engine::{Cx, Fault, FaultKind, Wait};

use crate::aws::fault::{Doing, ErrorRule, ToFault};
use crate::aws::resource::Resource;

/// How long throttles, conflicts and lost answers are borne when nothing else is said.
const PATIENCE: Duration = Duration::from_mins(1);

/// The codes of what does not exist. Each service has one or two of them.
pub(crate) const NOT_FOUND: &[&str] = &[
    "ResourceNotFoundException",
    "NotFoundException",
    "NoSuchEntity",
    "TableNotFoundException",
    "QueueDoesNotExist",
    "AWS.SimpleQueueService.NonExistentQueue",
];

/// A resource by its name, with the surroundings of the calls on it.
pub struct CallContext<'a> {
    cx: &'a Cx,
    /// The name of the resource.
    pub name: &'a str,
    what: String,
    rules: &'static [ErrorRule],
}

impl<'a> CallContext<'a> {
    /// The context of calls on the resource of that kind and name.
    pub fn of<R: Resource>(cx: &'a Cx, name: &'a str) -> Self {
        Self { cx, name, what: format!("{} {name}", R::NOUN), rules: R::RULES }
    }

    /// A call on the resource, for that purpose.
    pub fn call(&self, verb: &'static str, operation: &'static str) -> Call<'a> {
        self.call_on(verb, &self.what, operation)
    }

    /// A call on something else that belongs to the resource.
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

/// A call to be made, and what its errors mean here. What the [table of faults](super::fault) calls transient is tried
/// again until the patience is spent.
#[derive(Clone)]
pub struct Call<'a> {
    /// `None` for one attempt, which the caller repeats.
    cx: Option<&'a Cx>,
    doing: Doing,
    policy: Wait,
    waiting: Option<&'a str>,
    absent: &'a [&'a str],
    exists: Option<(&'a str, &'a str)>,
    again: &'a [&'a str],
}

impl<'a> Call<'a> {
    /// A call for that purpose.
    pub fn new(cx: &'a Cx, doing: Doing) -> Self {
        let policy = Wait::up_to(PATIENCE);
        Self { cx: Some(cx), doing, policy, waiting: None, absent: NOT_FOUND, exists: None, again: &[] }
    }

    /// Makes it once, inside of something that is tried again as a whole.
    #[must_use]
    pub fn once(self) -> Self {
        Self { cx: None, ..self }
    }

    /// What the call is for.
    pub fn doing(&self) -> &Doing {
        &self.doing
    }

    /// Bears it for that long.
    #[must_use]
    pub fn patient(self, patience: Duration) -> Self {
        Self { policy: Wait::up_to(patience), ..self }
    }

    /// Tries again by that policy. `waiting` says what is going on meanwhile.
    #[must_use]
    pub fn waiting(self, policy: &Wait, waiting: &'a str) -> Self {
        Self { policy: *policy, waiting: Some(waiting), ..self }
    }

    /// The error codes that are an answer too, in place of those of what does not exist: [`Call::find`] gives `None`.
    #[must_use]
    pub fn absent_on(self, absent: &'a [&'a str]) -> Self {
        Self { absent, ..self }
    }

    /// The error of what exists already is an answer too, and no other one: [`Call::find`] gives `None`. It is told by its
    /// code, unless that is empty, and by a text in its message.
    #[must_use]
    pub fn absent_if(self, code: &'a str, text: &'a str) -> Self {
        Self { absent: &[], exists: Some((code, text)), ..self }
    }

    /// Error codes that pass here, though they do not elsewhere.
    #[must_use]
    pub fn again_on(self, again: &'a [&'a str]) -> Self {
        Self { again, ..self }
    }

    /// Makes the call until `accept` takes the answer; each of the [codes that are an answer](Self::absent_on) is `None`.
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
        let attempt = || async { accept(self.answer(send().await)?) };
        let Some(cx) = self.cx else { return Box::pin(attempt()).await };
        let waiting = self.waiting.map_or_else(|| format!("waiting to {verb} {what}"), str::to_owned);
        Box::pin(cx.wait(&self.policy, &waiting, attempt)).await
    }

    fn answer<T, E>(&self, answer: Result<T, SdkError<E, HttpResponse>>) -> Result<Option<T>, Fault>
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let error = match answer {
            Ok(answer) => return Ok(Some(answer)),
            Err(error) => error,
        };
        let is_one_of = |codes: &[&str]| codes.iter().any(|code| error.is(code));
        let exists = |(code, text): (&str, &str)| (code.is_empty() || error.is(code)) && error.says(text);
        if is_one_of(self.again) {
            return Err(Fault { kind: FaultKind::Transient, ..error.fault(&self.doing) });
        }
        if is_one_of(self.absent) || self.exists.is_some_and(exists) {
            return Ok(None);
        }
        Err(error.fault(&self.doing))
    }

    /// Makes the call; each of the [codes that are an answer](Self::absent_on) is `None`.
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
        let found = self.absent_on(&[]).find(send).await?;
        found.ok_or_else(|| Fault::fatal("no_answer", message))
    }

    /// Makes the call for every page of a list that the SDK has no paginator for; `items` takes the items and the token of the
    /// next page out of a page. `None` as in [`Call::find`].
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
