//! The check that ends a deploy: the live URL answers with the new build, and the function reads its table. What fails is asked
//! once more by a direct call of the function, whose error says more than the HTTP API's.

mod diagnosis;

use std::time::Duration;

use hitctl_cloud::{Cloud, Web, is_loopback};
use hitctl_config::contract::HEADER_BUILD;
use hitctl_config::names;
use hitctl_report::{Exit, Failure, phases};
use hitctl_resources::Place;

use self::diagnosis::Unexpected;
use super::context::DeployContext;
use crate::events::read_event;
use crate::session::Session;

/// How long one request may take: on AWS the first one starts the function.
const ATTEMPT: Duration = Duration::from_secs(5);
/// More than any answer here.
const MAX_BODY: usize = 64 * 1024;
/// Requests that read the table and count nothing, of the counter and of the reader where there is one: a wrong endpoint or a
/// missing permission shows here.
const READS: &[&str] = &["/counter?path=/&ro=1", "/v1/count?path=/"];

/// For how long the live URL is asked again where it does not answer, and how often.
fn patience(place: &Place) -> (Duration, Duration) {
    match &place.endpoint {
        // A new API's name has to spread, and each question is throttled and paid for.
        None if place.has_versions => (Duration::from_mins(1), Duration::from_millis(300)),
        None => (Duration::from_secs(10), Duration::from_millis(50)),
        // An emulator may be busy with others.
        Some(_) => (Duration::from_secs(30), Duration::from_millis(50)),
    }
}

/// Checks that the build answers and reads its table; says why where it cannot be asked.
pub(crate) async fn look(
    DeployContext { session, config, cloud, sink, .. }: &DeployContext<'_>,
    url: Option<&str>,
    build: &str,
) -> Result<(), Failure> {
    let function = names::function(&config.app.app, &config.env);
    let place = cloud.place();
    let detail = match (url, place.endpoint.as_deref()) {
        (Some(url), Some(endpoint)) if is_elsewhere(url, endpoint) => {
            session.console.talk(&format!("not asking {url}: the emulator at {endpoint} does not serve it"));
            return Ok(());
        }
        (Some(url), _) => format!("asking {url}/healthz"),
        // Not every emulator runs functions.
        (None, Some(_)) => return Ok(()),
        (None, None) => format!("calling function {function}"),
    };
    let target = Target { cloud: *cloud, function: &function, url, build };
    sink.phase(phases::SMOKE, detail, check(session, target)).await
}

/// The deployment to check.
#[derive(Clone, Copy)]
struct Target<'a> {
    /// The cloud that it is deployed to.
    cloud: &'a dyn Cloud,
    /// The name of the function.
    function: &'a str,
    /// The URL, without a trailing slash; `None` where the function has none.
    url: Option<&'a str>,
    /// The id of the build that must answer.
    build: &'a str,
}

/// Whether a URL leads to AWS itself although what was deployed is in an emulator.
fn is_elsewhere(url: &str, endpoint: &str) -> bool {
    is_loopback(endpoint) && !is_loopback(url)
}

/// Checks until the build answers and reads its table; the failure says what answered instead, and the probable cause.
async fn check(session: &Session, target: Target<'_>) -> Result<(), Failure> {
    let Some(url) = target.url else { return call(target).await };
    let web = Web::new(&session.env)?;
    let (budget, pause) = patience(target.cloud.place());
    let deadline = tokio::time::Instant::now() + budget;
    // A request that was answered well is not sent again: the HTTP API may let only one through each second.
    let mut passed = 0;
    loop {
        let Err(unexpected) = ask(&web, url, target.build, &mut passed).await else { return Ok(()) };
        let stopped = session.stop.is_cancelled();
        if tokio::time::Instant::now() >= deadline || stopped {
            return Err(failure(target, &unexpected, stopped).await);
        }
        tokio::select! {
            () = wait(pause) => {}
            () = session.stop.cancelled() => {}
        }
    }
}

/// Sends each request that has not passed yet, in order, up to the first that fails.
async fn ask(web: &Web, url: &str, build: &str, passed: &mut usize) -> Result<(), Unexpected> {
    let is_build = |answered: Option<&str>| match answered {
        Some(answered) if answered == build => None,
        Some(answered) => Some(format!("build {answered} answered instead of {build}")),
        None => Some("something answered 200, but not the counter".to_owned()),
    };
    for n in *passed..=READS.len() {
        match n.checked_sub(1).and_then(|read| READS.get(read)) {
            None => get(web, format!("{url}/healthz"), is_build).await?,
            Some(read) => get(web, format!("{url}{read}"), |_| None).await?,
        }
        *passed = n + 1;
    }
    Ok(())
}

/// Sends one request; `wrong` says what is wrong with the build that a 200 names.
async fn get(
    web: &Web,
    url: String,
    wrong: impl Fn(Option<&str>) -> Option<String>,
) -> Result<(), Unexpected> {
    let asked = tokio::time::timeout(ATTEMPT, web.ask(&url, HEADER_BUILD, MAX_BODY)).await;
    let (what, status, body) = match asked {
        Ok(Ok((answer, body))) => {
            let what = match answer.status {
                200 => wrong(answer.header.as_deref()),
                status => Some(format!("the answer was HTTP {status}")),
            };
            let Some(what) = what else { return Ok(()) };
            (what, Some(answer.status), String::from_utf8_lossy(&body).into_owned())
        }
        Ok(Err(why)) => (why, None, String::new()),
        Err(_) => (format!("no answer within {} s", ATTEMPT.as_secs()), None, String::new()),
    };
    Err(Unexpected { url, what, status, body })
}

/// Checks a function without a URL: calls it directly.
async fn call(target: Target<'_>) -> Result<(), Failure> {
    let invoked = target.cloud.invoke(target.function, &read_event()).await;
    match &invoked {
        Ok(answer) if answer.function_error.is_none() && answer.payload["statusCode"] == 200 => Ok(()),
        _ => {
            let diagnosis = diagnosis::of_call(target.function, &invoked);
            Err(failed(format!("function {} does not answer as it should", target.function), diagnosis))
        }
    }
}

/// Explains an unexpected response. Errors of a server are the HTTP API's or the function's: the function is asked itself.
async fn failure(target: Target<'_>, unexpected: &Unexpected, stopped: bool) -> Failure {
    let is_of_server = unexpected.status.is_some_and(|status| status >= 500 || status == 429);
    let diagnosis = if is_of_server && !stopped {
        let invoked = target.cloud.invoke(target.function, &read_event()).await;
        diagnosis::of_response(target.function, unexpected, &invoked)
    } else {
        diagnosis::Diagnosis::unknown(unexpected.what.clone())
    };
    failed(format!("{} does not answer as it should", unexpected.url), diagnosis)
}

fn failed(message: String, diagnosis: diagnosis::Diagnosis) -> Failure {
    let hint = diagnosis.hint.unwrap_or_else(|| {
        "`hitctl logs` shows what the function says, `hitctl status` what is deployed".to_owned()
    });
    Failure::new("smoke", message).caused_by(diagnosis.cause).hinted(hint).exits(Exit::Smoke)
}

#[expect(
    clippy::disallowed_methods,
    reason = "asking again is not a driver's wait: nothing is being changed"
)]
async fn wait(pause: Duration) {
    tokio::time::sleep(pause).await;
}
