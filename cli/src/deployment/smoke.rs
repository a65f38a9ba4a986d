//! The smoke test of a deploy: the live URL must respond with the new build, and the function must read its table.
//! After a server error, the function is also invoked directly, because its own error is more precise than the HTTP
//! API's.

mod diagnosis;

use std::time::Duration;

use hitctl_cloud::{Cloud, WebClient, is_loopback};
use hitctl_config::contract::HEADER_BUILD;
use hitctl_config::names;
use hitctl_report::{Exit, Failure, phases};
use hitctl_resources::CloudLocation;

use self::diagnosis::Unexpected;
use super::context::CloudContext;
use crate::events::read_event;
use crate::session::Session;

/// The timeout of one request. On AWS, the first request also starts the function.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The maximum size of a response in bytes. Every expected response is smaller.
const MAX_BODY: usize = 64 * 1024;
/// Requests that read the table and count nothing. The first goes to the counter, the second to the reader if there is
/// one. They reveal a wrong endpoint or a missing permission.
const READ_REQUESTS: &[&str] = &["/counter?path=/&ro=1", "/v1/count?path=/"];

/// Returns how long the requests are retried, and the pause between two attempts.
fn retry_timing(location: &CloudLocation) -> (Duration, Duration) {
    match &location.endpoint {
        // The DNS name of a new API has to propagate, and each request is throttled and billed.
        None if location.has_versions => (Duration::from_mins(1), Duration::from_millis(300)),
        None => (Duration::from_secs(10), Duration::from_millis(50)),
        // An emulator may be busy with other requests.
        Some(_) => (Duration::from_secs(30), Duration::from_millis(50)),
    }
}

/// Checks that the new build responds and reads its table. Skips the check, with a message, if an emulator does not
/// serve the URL.
pub(crate) async fn run(
    CloudContext { session, config, cloud, sink, .. }: &CloudContext<'_>,
    url: Option<&str>,
    build: &str,
) -> Result<(), Failure> {
    let function = names::function(&config.app.app, &config.env);
    let location = cloud.location();
    let detail = match (url, location.endpoint.as_deref()) {
        (Some(url), Some(endpoint)) if is_elsewhere(url, endpoint) => {
            session.console.message(&format!(
                "skipping the check of {url}: the emulator at {endpoint} does not serve it"
            ));
            return Ok(());
        }
        (Some(url), _) => format!("requesting {url}/healthz"),
        // Some emulators do not run functions.
        (None, Some(_)) => return Ok(()),
        (None, None) => format!("invoking function {function}"),
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
    /// The URL without a trailing slash, or `None` if the function has no URL.
    url: Option<&'a str>,
    /// The ID of the build that must respond.
    build: &'a str,
}

/// Whether the URL is not on this machine although the emulator is.
fn is_elsewhere(url: &str, endpoint: &str) -> bool {
    is_loopback(endpoint) && !is_loopback(url)
}

/// Retries until the build responds and reads its table. The failure contains the unexpected response and its probable
/// cause.
async fn check(session: &Session, target: Target<'_>) -> Result<(), Failure> {
    let Some(url) = target.url else { return invoke_directly(target).await };
    let web = WebClient::new(&session.env)?;
    let (time_limit, pause) = retry_timing(target.cloud.location());
    let deadline = tokio::time::Instant::now() + time_limit;
    // A successful request is not repeated: the HTTP API may allow only one per second.
    let mut passed = 0;
    loop {
        let Err(unexpected) = send_requests(&web, url, target.build, &mut passed).await else {
            return Ok(());
        };
        let interrupted = session.stop.is_cancelled();
        if tokio::time::Instant::now() >= deadline || interrupted {
            return Err(failure(target, &unexpected, interrupted).await);
        }
        tokio::select! {
            () = wait(pause) => {}
            () = session.stop.cancelled() => {}
        }
    }
}

/// Sends the requests in order until one fails: first `/healthz`, then [`READ_REQUESTS`]. `passed` is the number of
/// requests that have succeeded; they are not sent again.
async fn send_requests(
    web: &WebClient,
    url: &str,
    build: &str,
    passed: &mut usize,
) -> Result<(), Unexpected> {
    let check_build = |found: Option<&str>| match found {
        Some(found) if found == build => None,
        Some(found) => Some(format!("expected build {build}, found {found}")),
        None => Some("the response is not from the counter".to_owned()),
    };
    for n in *passed..=READ_REQUESTS.len() {
        // Request 0 is `/healthz`; the others are the read requests.
        match n.checked_sub(1).and_then(|index| READ_REQUESTS.get(index)) {
            None => get(web, format!("{url}/healthz"), check_build).await?,
            Some(read) => get(web, format!("{url}{read}"), |_| None).await?,
        }
        *passed = n + 1;
    }
    Ok(())
}

/// Sends one request. `problem` checks the build header of a response with status 200, and describes the problem if
/// there is one.
async fn get(
    web: &WebClient,
    url: String,
    problem: impl Fn(Option<&str>) -> Option<String>,
) -> Result<(), Unexpected> {
    let result = tokio::time::timeout(REQUEST_TIMEOUT, web.get(&url, HEADER_BUILD, MAX_BODY)).await;
    let (what, status, body) = match result {
        Ok(Ok((response, body))) => {
            let what = match response.status {
                200 => problem(response.header.as_deref()),
                status => Some(format!("the response was HTTP {status}")),
            };
            let Some(what) = what else { return Ok(()) };
            (what, Some(response.status), String::from_utf8_lossy(&body).into_owned())
        }
        Ok(Err(error)) => (error, None, String::new()),
        Err(_) => (format!("no response within {} s", REQUEST_TIMEOUT.as_secs()), None, String::new()),
    };
    Err(Unexpected { url, what, status, body })
}

/// Checks a function that has no URL: invokes it directly.
async fn invoke_directly(target: Target<'_>) -> Result<(), Failure> {
    let invoked = target.cloud.invoke(target.function, &read_event()).await;
    match &invoked {
        Ok(response) if response.function_error.is_none() && response.payload["statusCode"] == 200 => Ok(()),
        _ => {
            let diagnosis = diagnosis::of_call(target.function, &invoked);
            Err(failed(format!("the smoke test of function {} failed", target.function), diagnosis))
        }
    }
}

/// Explains an unexpected response. After a server error of the HTTP API or the function, invokes the function
/// directly.
async fn failure(target: Target<'_>, unexpected: &Unexpected, interrupted: bool) -> Failure {
    let is_server_error = unexpected.status.is_some_and(|status| status >= 500 || status == 429);
    let diagnosis = if is_server_error && !interrupted {
        let invoked = target.cloud.invoke(target.function, &read_event()).await;
        diagnosis::of_response(target.function, unexpected, &invoked)
    } else {
        diagnosis::Diagnosis::unknown(unexpected.what.clone())
    };
    failed(format!("the smoke test of {} failed", unexpected.url), diagnosis)
}

fn failed(message: String, diagnosis: diagnosis::Diagnosis) -> Failure {
    let hint = diagnosis.hint.unwrap_or_else(|| {
        "run `hitctl logs` for the log of the function, or `hitctl status` for the deployed resources"
            .to_owned()
    });
    Failure::new("smoke", message).caused_by(diagnosis.cause).hinted(hint).with_exit(Exit::Smoke)
}

#[expect(clippy::disallowed_methods, reason = "this retries a read-only check, which is no driver's wait")]
async fn wait(pause: Duration) {
    tokio::time::sleep(pause).await;
}
