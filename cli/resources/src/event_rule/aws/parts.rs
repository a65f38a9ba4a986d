//! Converts between rules with their targets and specs, and checks the responses to calls that change targets.

use aws_sdk_eventbridge::operation::describe_rule::DescribeRuleOutput;
use aws_sdk_eventbridge::types::{DeadLetterConfig, RetryPolicy, RuleState, Target};
use hitctl_engine::{Fault, FaultKind};
use serde_json::Value as Json;

use crate::aws::fault::ApiOperation;
use crate::aws::number;
use crate::event_rule::spec::EventRuleSpec;
use crate::tags::Tags;

/// EventBridge's default number of retries (user guide, "Retrying event delivery").
const DEFAULT_RETRIES: u32 = 185;
/// EventBridge's default maximum age of an event, in seconds.
const DEFAULT_AGE_S: u32 = 86_400;

/// A target that a call failed to change.
pub(super) struct FailedEntry<'a> {
    pub(super) target: Option<&'a str>,
    pub(super) code: Option<&'a str>,
    pub(super) message: Option<&'a str>,
}

/// Returns an error if the response to a call lists failed entries. The call itself succeeds even if entries failed.
pub(super) fn check_failed_entries<'a>(
    operation: &ApiOperation,
    mut failed: impl Iterator<Item = FailedEntry<'a>>,
) -> Result<(), Fault> {
    let Some(FailedEntry { target, code, message }) = failed.next() else { return Ok(()) };
    let target = target.unwrap_or_default();
    let response = crate::aws::fault::ErrorResponse {
        code: Some(code.unwrap_or_default().to_owned()),
        message: message.filter(|message| !message.is_empty()).map(str::to_owned),
        ..crate::aws::fault::ErrorResponse::default()
    };
    let entry_operation =
        ApiOperation { object: format!("{} (target {target})", operation.object), ..operation.clone() };
    let fault = crate::aws::fault::fault_of(&entry_operation, &response, crate::aws::clock::now());
    // A new rule may not be visible everywhere yet.
    let is_retryable = fault.code == "ResourceNotFoundException";
    Err(if is_retryable { Fault { kind: FaultKind::Transient, ..fault } } else { fault })
}

/// Returns the target of the wanted rule.
pub(super) fn target(want: &EventRuleSpec) -> Target {
    let retries = RetryPolicy::builder()
        .maximum_retry_attempts(number(want.max_retries))
        .maximum_event_age_in_seconds(number(want.max_age_s))
        .build();
    let dead_letters = DeadLetterConfig::builder().set_arn(want.dead_letter_arn.get().cloned()).build();
    Target::builder()
        .id(EventRuleSpec::TARGET_ID)
        .arn(want.target_arn.get().map(String::as_str).unwrap_or_default())
        .retry_policy(retries)
        .dead_letter_config(dead_letters)
        .build()
        .expect("its id and its ARN are set")
}

/// Whether two specs have the same target settings.
pub(super) fn has_same_target(have: &EventRuleSpec, want: &EventRuleSpec) -> bool {
    let target = |spec: &EventRuleSpec| {
        (spec.target_arn.clone(), spec.max_retries, spec.max_age_s, spec.dead_letter_arn.clone())
    };
    target(have) == target(want)
}

/// Converts a rule and its targets to a spec. Ignores targets that do not have our id.
pub(super) fn spec(bus: &str, rule: &DescribeRuleOutput, targets: &[Target], tags: Tags) -> EventRuleSpec {
    let ours = targets.iter().find(|target| target.id() == EventRuleSpec::TARGET_ID);
    let retries = ours.and_then(Target::retry_policy);
    let number =
        |number: Option<i32>, default| number.map_or(default, |it| u32::try_from(it).unwrap_or_default());
    let dead_letters = ours.and_then(Target::dead_letter_config).and_then(DeadLetterConfig::arn);
    EventRuleSpec {
        bus: bus.to_owned(),
        pattern: pattern(rule),
        enabled: rule.state().is_none_or(|state| *state != RuleState::Disabled),
        target_arn: ours.map(arn).unwrap_or_default().into(),
        max_retries: number(retries.and_then(RetryPolicy::maximum_retry_attempts), DEFAULT_RETRIES),
        max_age_s: number(retries.and_then(RetryPolicy::maximum_event_age_in_seconds), DEFAULT_AGE_S),
        dead_letter_arn: dead_letters.unwrap_or_default().to_owned().into(),
        tags,
    }
}

/// Returns the parsed pattern, because EventBridge may escape the text differently. For a rule that also has a
/// schedule, returns a text, which differs from every wanted pattern.
fn pattern(rule: &DescribeRuleOutput) -> Json {
    let text = rule.event_pattern().unwrap_or_default();
    match rule.schedule_expression().filter(|schedule| !schedule.is_empty()) {
        Some(schedule) => Json::from(format!("{text} (and {schedule})")),
        None if text.is_empty() => Json::Null,
        None => serde_json::from_str(text).unwrap_or_else(|_| Json::from(text)),
    }
}

/// Returns the ARN of a target, with a note if the target receives a changed event or has a role.
fn arn(target: &Target) -> String {
    let mut changes = Vec::new();
    if target.input().is_some() || target.input_path().is_some() || target.input_transformer().is_some() {
        changes.push("with a different input".to_owned());
    }
    if let Some(role) = target.role_arn().filter(|role| !role.is_empty()) {
        changes.push(format!("with role {role}"));
    }
    match changes.as_slice() {
        [] => target.arn().to_owned(),
        changes => format!("{} ({})", target.arn(), changes.join(", ")),
    }
}

/// Returns the error for deleting a rule that has targets that are not ours; `None` if it has no such targets.
pub(super) fn foreign_targets_error(bus: &str, name: &str, targets: &[Target]) -> Option<Fault> {
    let others: Vec<&Target> =
        targets.iter().filter(|target| target.id() != EventRuleSpec::TARGET_ID).collect();
    if others.is_empty() {
        return None;
    }
    let ids = others.iter().map(|target| target.id()).collect::<Vec<_>>().join(" ");
    let arns = others.iter().map(|target| target.arn()).collect::<Vec<_>>().join(", ");
    let message = format!("failed to delete rule {name}: it has targets that are not managed by this app");
    Some(Fault::fatal("foreign_targets", message).caused_by(format!("the other targets are {arns}")).hinted(format!(
        "if they are not needed, remove them with `aws events remove-targets --event-bus-name {bus} --rule {name} --ids {ids}`, then run the same command again"
    )))
}

#[cfg(test)]
mod tests;
