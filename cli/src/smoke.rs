//! The look at the live URL that ends a deploy: it asks `/healthz` until the new build answers.

use std::time::Duration;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio_util::sync::CancellationToken;

use hitctl_config::contract::HEADER_BUILD;

use crate::report::{Exit, Failure};

/// How long the new build may take to answer, in all.
const BUDGET: Duration = Duration::from_secs(10);
/// How long one question may take.
const ATTEMPT: Duration = Duration::from_secs(3);
/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_millis(50);
/// More than `/healthz` ever answers.
const MAX_BODY: usize = 64 * 1024;

/// Asks until the build answers; the failure says what answered instead.
pub(crate) async fn check(url: &str, build: &str, stop: &CancellationToken) -> Result<(), Failure> {
    let client = Client::builder(TokioExecutor::new()).build_http();
    let deadline = tokio::time::Instant::now() + BUDGET;
    loop {
        let seen = match tokio::time::timeout(ATTEMPT, ask(&client, url)).await {
            Ok(Ok((200, answered))) if answered.as_deref() == Some(build) => return Ok(()),
            Ok(Ok((200, Some(answered)))) => format!("build {answered} answered instead of {build}"),
            Ok(Ok((200, None))) => "something answered 200, but not the counter".to_owned(),
            Ok(Ok((status, _))) => format!("the answer was HTTP {status}"),
            Ok(Err(why)) => why,
            Err(_) => format!("no answer within {} s", ATTEMPT.as_secs()),
        };
        if tokio::time::Instant::now() >= deadline || stop.is_cancelled() {
            return Err(Failure::new("smoke", format!("{url}/healthz does not answer as it should"))
                .caused_by(seen)
                .hinted("`hitctl logs` shows what the function says, `hitctl status` what is deployed")
                .exits(Exit::Smoke));
        }
        tokio::select! {
            () = pause() => {}
            () = stop.cancelled() => {}
        }
    }
}

/// One question: the status, and the build that answered.
async fn ask(
    client: &Client<HttpConnector, Empty<bytes::Bytes>>,
    url: &str,
) -> Result<(u16, Option<String>), String> {
    let request =
        Request::get(format!("{url}/healthz")).body(Empty::new()).map_err(|error| error.to_string())?;
    let answer = client.request(request).await.map_err(|error| error.to_string())?;
    let status = answer.status().as_u16();
    let build = answer.headers().get(HEADER_BUILD).and_then(|value| value.to_str().ok()).map(str::to_owned);
    Limited::new(answer.into_body(), MAX_BODY).collect().await.map_err(|error| error.to_string())?;
    Ok((status, build))
}

#[expect(
    clippy::disallowed_methods,
    reason = "asking again is not a driver's wait: nothing is being changed"
)]
async fn pause() {
    tokio::time::sleep(PAUSE).await;
}
