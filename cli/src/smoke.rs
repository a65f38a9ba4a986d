//! The look at the live URL that ends a deploy: it asks `/healthz` until the new build answers.

use std::time::Duration;

use hitctl_config::contract::HEADER_BUILD;

use crate::aws::http::Web;
use crate::aws::session::is_loopback;
use crate::report::{Exit, Failure};
use crate::session::Session;
use crate::stack::Place;

/// How long one question may take: on AWS the first one starts the function.
const ATTEMPT: Duration = Duration::from_secs(5);
/// More than `/healthz` ever answers.
const MAX_BODY: usize = 64 * 1024;

/// How long the new build may take to answer, in all, and how long to wait before asking again.
struct Patience {
    budget: Duration,
    pause: Duration,
}

impl Patience {
    fn of(place: &Place) -> Self {
        match &place.endpoint {
            // A new API's name has to spread, and each question is throttled and paid for.
            None if place.has_versions => {
                Self { budget: Duration::from_mins(1), pause: Duration::from_millis(300) }
            }
            None => Self { budget: Duration::from_secs(10), pause: Duration::from_millis(50) },
            // An emulator may be busy with others.
            Some(_) => Self { budget: Duration::from_secs(30), pause: Duration::from_millis(50) },
        }
    }
}

/// Whether a URL leads to AWS itself although what was deployed is in an emulator.
pub(crate) fn is_elsewhere(url: &str, endpoint: &str) -> bool {
    is_loopback(endpoint) && !is_loopback(url)
}

/// Asks until the build answers; the failure says what answered instead.
pub(crate) async fn check(session: &Session, place: &Place, url: &str, build: &str) -> Result<(), Failure> {
    let web = Web::new(&session.env)?;
    let Patience { budget, pause } = Patience::of(place);
    let deadline = tokio::time::Instant::now() + budget;
    let healthz = format!("{url}/healthz");
    loop {
        let seen = match tokio::time::timeout(ATTEMPT, web.get(&healthz, HEADER_BUILD, MAX_BODY)).await {
            Ok(Ok(answer)) => match (answer.status, answer.header) {
                (200, Some(answered)) if answered == build => return Ok(()),
                (200, Some(answered)) => format!("build {answered} answered instead of {build}"),
                (200, None) => "something answered 200, but not the counter".to_owned(),
                (status, _) => format!("the answer was HTTP {status}"),
            },
            Ok(Err(why)) => why,
            Err(_) => format!("no answer within {} s", ATTEMPT.as_secs()),
        };
        if tokio::time::Instant::now() >= deadline || session.stop.is_cancelled() {
            return Err(Failure::new("smoke", format!("{healthz} does not answer as it should"))
                .caused_by(seen)
                .hinted("`hitctl logs` shows what the function says, `hitctl status` what is deployed")
                .exits(Exit::Smoke));
        }
        tokio::select! {
            () = wait(pause) => {}
            () = session.stop.cancelled() => {}
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "asking again is not a driver's wait: nothing is being changed"
)]
async fn wait(pause: Duration) {
    tokio::time::sleep(pause).await;
}
