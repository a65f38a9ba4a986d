//! Compares the configured CloudFront distribution with its state in CloudFront. It only reads.

use hitctl_cloud::{Cloud, Distribution, DistributionState, NO_CLOUDFRONT, NO_DISTRIBUTION};
use hitctl_config::{ExposeMode, LoadedConfig};
use hitctl_engine::{Fault, FaultCause, FaultKind, Finding, Severity};
use hitctl_report::{DistributionRow, Failure};

/// The finding code for an `allow_origins` that does not contain the site.
const ORIGINS: &str = "allow_origins";
/// The finding code for a distribution that could not be read.
const UNREAD: &str = "distribution_unread";

/// The configured distribution and its problems.
pub(crate) struct CheckedDistribution {
    /// The row that `status` shows.
    pub(crate) row: DistributionRow,
    /// The problems, the most severe first.
    pub(crate) problems: Vec<Problem>,
}

/// A problem with the distribution.
pub(crate) struct Problem {
    code: &'static str,
    /// Whether the problem must stop a deploy.
    pub(crate) is_error: bool,
    /// A lower-case sentence fragment.
    pub(crate) message: String,
    /// The error that AWS returned.
    cause: Option<FaultCause>,
    /// An imperative sentence.
    pub(crate) hint: Option<String>,
}

impl Problem {
    fn warning(code: &'static str, message: String, hint: &str) -> Self {
        Self { code, is_error: false, message, cause: None, hint: Some(hint.to_owned()) }
    }
}

/// Reads the configured distribution and compares it with the configuration. Returns `None` if none is configured.
pub(crate) async fn check(
    config: &LoadedConfig,
    cloud: &dyn Cloud,
) -> Result<Option<CheckedDistribution>, Failure> {
    let Some(id) = &config.app.cloudfront.distribution_id else { return Ok(None) };
    let mut row = DistributionRow { id: id.clone(), ..DistributionRow::default() };
    if !cloud.has_distributions() {
        return Ok(Some(CheckedDistribution { row, problems: Vec::new() }));
    }
    let read = match cloud.distribution(id) {
        Ok(distribution) => distribution.read().await,
        Err(fault) => Err(fault),
    };
    let mut problems = match read {
        Ok(state) => {
            let problems = compare(config, cloud, id, &state);
            row.present = Some(true);
            row.enabled = Some(state.enabled);
            row.domain = Some(state.domain);
            row.aliases = state.aliases;
            problems
        }
        Err(fault) if fault.kind == FaultKind::Credentials => return Err(fault.into()),
        Err(fault) => {
            if fault.code == NO_DISTRIBUTION {
                row.present = Some(false);
            }
            vec![unread(fault, &cloud.location().account)]
        }
    };
    for problem in &mut problems {
        problem.is_error |= config.app.strict;
    }
    row.problems = problems.iter().map(|problem| problem.message.clone()).collect();
    Ok(Some(CheckedDistribution { row, problems }))
}

/// Checks the distribution before a deploy. A distribution that does not exist is an error; other problems are
/// findings.
pub(crate) async fn findings(config: &LoadedConfig, cloud: &dyn Cloud) -> Result<Vec<Finding>, Failure> {
    let Some(checked) = check(config, cloud).await? else { return Ok(Vec::new()) };
    let mut findings = Vec::new();
    for Problem { code, is_error, message, cause, hint } in checked.problems {
        if is_error {
            let mut failure = Failure::new(code, message);
            if config.app.strict && code != NO_DISTRIBUTION {
                failure = failure
                    .caused_by("`strict = true` in hitctl.toml makes this an error; nothing was changed");
            } else if let Some(cause) = cause {
                failure = failure.caused_by(cause);
            }
            return Err(match hint {
                Some(hint) => failure.hinted(hint),
                None => failure,
            });
        }
        let address = Distribution::address();
        let code = code.into();
        findings.push(Finding { severity: Severity::Warning, code, address, message, hint });
    }
    Ok(findings)
}

/// Returns the problem for a distribution that could not be read. It stops a deploy only if the distribution does not
/// exist.
fn unread(fault: Fault, account: &str) -> Problem {
    let is_error = fault.code == NO_DISTRIBUTION;
    let Fault { code, message, cause, hint, .. } = fault;
    if is_error {
        let message = message.replace("this account", &format!("account {account}"));
        return Problem { code: NO_DISTRIBUTION, is_error, message, cause, hint };
    }
    let code = if code == NO_CLOUDFRONT { NO_CLOUDFRONT } else { UNREAD };
    Problem { code, is_error, message: format!("the distribution was not checked: {message}"), cause, hint }
}

/// Compares the state of the distribution with the configuration.
fn compare(config: &LoadedConfig, cloud: &dyn Cloud, id: &str, state: &DistributionState) -> Vec<Problem> {
    let mut problems = Vec::new();
    let granted_arn = cloud.location().as_location().distribution_arn(id);
    if state.arn != granted_arn {
        problems.push(Problem::warning(
            "distribution_account",
            format!(
                "the distribution has the ARN {}, but the function may invalidate only {granted_arn}",
                state.arn
            ),
            "correct `distribution_id` in [cloudfront]",
        ));
    }
    if !state.enabled {
        problems.push(Problem::warning(
            "distribution_disabled",
            format!("the distribution {id} is disabled and serves no requests"),
            "enable it in CloudFront, or correct `distribution_id` in [cloudfront]",
        ));
    }
    if config.app.http.expose != ExposeMode::None {
        problems.extend(missing_origins(&config.app.http.allow_origins, state));
    }
    problems
}

/// Returns a problem if `allow_origins` does not contain all names under which the distribution serves the site.
///
/// The distribution's own domain name is checked only if there is no alias: otherwise visitors do not use it.
fn missing_origins(allowed: &[String], state: &DistributionState) -> Option<Problem> {
    if allowed.iter().any(|origin| origin == "*") {
        return None;
    }
    let hosts: Vec<&str> =
        allowed.iter().filter_map(|origin| Some(host(origin.split_once("://")?.1))).collect();
    let names =
        if state.aliases.is_empty() { std::slice::from_ref(&state.domain) } else { &state.aliases[..] };
    let missing: Vec<&String> = names.iter().filter(|name| !is_covered(name, &hosts)).collect();
    if missing.is_empty() {
        return None;
    }
    let added = missing.iter().map(|name| {
        // `allow_origins` accepts no wildcard, so `www` is an example for the hosts of a wildcard alias.
        format!(
            "https://{}",
            name.strip_prefix("*.").map_or_else(|| (*name).clone(), |rest| format!("www.{rest}"))
        )
    });
    let line: Vec<String> =
        allowed.iter().cloned().chain(added).map(|origin| format!("\"{origin}\"")).collect();
    let missing: Vec<&str> = missing.into_iter().map(String::as_str).collect();
    Some(Problem::warning(
        ORIGINS,
        format!("`allow_origins` rejects views from {}", missing.join(", ")),
        &format!("to count them, set `allow_origins = [{}]` in [http]", line.join(", ")),
    ))
}

/// Returns the host of an authority such as `example.com:8443`, without the port.
fn host(authority: &str) -> &str {
    let port = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()));
    port.map_or(authority, |(host, _)| host)
}

/// Whether one of the `hosts` is `name`, or matches it if `name` is a wildcard such as `*.example.com`.
fn is_covered(name: &str, hosts: &[&str]) -> bool {
    match name.strip_prefix('*') {
        Some(suffix) => hosts.iter().any(|host| host.len() > suffix.len() && host.ends_with(suffix)),
        None => hosts.iter().any(|host| host.eq_ignore_ascii_case(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem_text(allowed: &[&str], aliases: &[&str]) -> Option<String> {
        let owned = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        let state = DistributionState {
            domain: "d111.cloudfront.net".to_owned(),
            aliases: owned(aliases),
            ..DistributionState::default()
        };
        missing_origins(&owned(allowed), &state)
            .map(|problem| format!("{}; {}", problem.message, problem.hint.unwrap()))
    }

    #[test]
    fn missing_origins_of_distribution_are_added_to_line_to_set() {
        insta::assert_snapshot!(
            problem_text(&["https://example.com"], &["example.com", "www.example.com"]).unwrap(),
            @r#"`allow_origins` rejects views from www.example.com; to count them, set `allow_origins = ["https://example.com", "https://www.example.com"]` in [http]"#
        );
        insta::assert_snapshot!(
            problem_text(&["https://other.example:8443"], &[]).unwrap(),
            @r#"`allow_origins` rejects views from d111.cloudfront.net; to count them, set `allow_origins = ["https://other.example:8443", "https://d111.cloudfront.net"]` in [http]"#
        );
        insta::assert_snapshot!(
            problem_text(&["https://other.example"], &["*.example.com"]).unwrap(),
            @r#"`allow_origins` rejects views from *.example.com; to count them, set `allow_origins = ["https://other.example", "https://www.example.com"]` in [http]"#
        );
    }

    #[test]
    fn missing_origins_with_all_origins_allowed_is_none() {
        assert_eq!(problem_text(&["*"], &["www.example.com"]), None);
        assert_eq!(problem_text(&["https://www.example.com"], &["www.example.com"]), None);
        assert_eq!(problem_text(&["https://www.example.com:8443"], &["WWW.example.com"]), None);
        assert_eq!(problem_text(&["https://d111.cloudfront.net"], &[]), None);
        assert_eq!(problem_text(&["https://blog.example.com"], &["*.example.com"]), None);
    }
}
