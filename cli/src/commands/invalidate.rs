//! `hitctl invalidate`: requests a CloudFront invalidation, as the function does after views.

use std::time::{Duration, Instant};

use hitctl_cloud::{AccessMode, Distribution, MAX_INVALIDATION_PATHS, unique_id};
use hitctl_config::{check_invalidation_path, names};
use hitctl_report::{Exit, Failure, InvalidateView, phases, plural};

use crate::deployment::context::{RunContext, with_progress};
use crate::elapsed::millis;
use crate::flags::duration;
use crate::session::Session;

/// Invalidate paths of the distribution
///
/// Requests an invalidation of these paths of `distribution_id`, as the function does after views. CloudFront bills each
/// path, with or without `*`, as one. The first 1,000 a month are free per account.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl invalidate --env prod\n  hitctl invalidate / '/blog/*' --wait --env prod"
)]
pub struct Args {
    /// Paths to invalidate, such as / or '/blog/*' [default: `cloudfront.invalidate`]
    #[arg(value_name = "PATH", value_parser = parse_path)]
    pub paths: Vec<String>,
    /// Wait until the invalidation is completed, at most this long [default with --wait: 10m]
    #[arg(
        long,
        value_name = "DURATION",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "10m",
        value_parser = duration
    )]
    pub wait: Option<Duration>,
}

/// Parses a path and checks it against CloudFront's rules.
fn parse_path(text: &str) -> Result<String, String> {
    check_invalidation_path(text).map(|()| text.to_owned())
}

/// Requests an invalidation.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let config = session.load_for_writing("invalidate the distribution of").await?;
    let Some(id) = config.app.cloudfront.distribution_id.clone() else {
        let env = &config.env;
        return Err(Failure::new(
            "no_distribution_id",
            format!("environment {env} has no CloudFront distribution"),
        )
        .hinted("set `distribution_id` under [cloudfront] in hitctl.toml")
        .with_exit(Exit::Usage));
    };
    let paths =
        if args.paths.is_empty() { config.app.cloudfront.invalidate.clone() } else { args.paths.clone() };
    if paths.len() > MAX_INVALIDATION_PATHS {
        let message = format!("expected at most {MAX_INVALIDATION_PATHS} paths, found {}", paths.len());
        return Err(Failure::usage(message).hinted("use a path that ends with `*`, such as `/*`"));
    }
    let invalidating = async |run: RunContext<'_>| invalidate(run, &id, paths, args.wait).await;
    session.console.result(&with_progress(session, &config, invalidating).await?);
    Ok(Exit::Done)
}

async fn invalidate(
    run: RunContext<'_>,
    id: &str,
    paths: Vec<String>,
    wait: Option<Duration>,
) -> Result<InvalidateView, Failure> {
    let started = Instant::now();
    let config = run.config;
    let cloud = run.open_and_announce(AccessMode::Write).await?;
    let distribution = cloud.distribution(id)?;
    let driver_context = run.driver_context(Distribution::address());
    // A unique reference makes each run of the command a new invalidation; only the retries of one call share it. The
    // function uses one reference per time window instead, so that CloudFront creates at most one invalidation in it.
    let reference = format!("hitctl-{}-{}", names::function(&config.app.app, &config.env), unique_id());
    let detail = format!("invalidating {}", plural(paths.len() as u64, "path"));
    let request = async {
        let created = distribution.invalidate(&paths, &reference, &driver_context).await?;
        match wait {
            Some(max_wait) => distribution.wait_until_completed(created, max_wait, &driver_context).await,
            None => Ok(created),
        }
    };
    let created = run.sink.phase(phases::SEND, detail, request).await?;
    Ok(InvalidateView {
        env: config.env.clone(),
        distribution: id.to_owned(),
        id: created.id,
        status: created.status,
        paths,
        caller_reference: reference,
        took_ms: millis(started),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_path_applies_rules_of_cloudfront() {
        for good in ["/", "/*", "/a%20b", "/blog/*", "/a?x=1&y=2"] {
            assert_eq!(parse_path(good).as_deref(), Ok(good));
        }
        for bad in ["", "*", "/*/a", "/a b", "/ä", "/100%", "/a#b", "/%zz"] {
            assert!(parse_path(bad).is_err(), "{bad}");
        }
        assert!(parse_path(&format!("/{}", "a".repeat(4_000))).is_err(), "at most 4,000 characters");
        assert!(parse_path("blog/*").unwrap_err().ends_with("did you mean `/blog/*`?"));
    }
}
