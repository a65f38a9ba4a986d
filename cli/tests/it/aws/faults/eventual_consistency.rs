//! Eventual consistency: new resources are not visible everywhere at once, and responses are lost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hitctl_emulators::{Emulator, InjectedFault, RecordedCall};

use super::{apis, assert_converged, count, destroy_all, succeeds_with_faults};
use crate::aws::recorded_env::RecordedAwsEnv;
use crate::support::artifact;

/// The simulated time until a new IAM role is visible to Lambda.
const ROLE_PROPAGATION: Duration = Duration::from_secs(12);

#[test]
fn role_that_lambda_does_not_see_yet_is_waited_for() {
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "spreading", "");
    let mut first = None;
    succeeds_with_faults(&mut aws_env, &["deploy", "--artifact", &artifact()], move |call| {
        if !call.has_name("lambda:CreateFunction") {
            return None;
        }
        let first: &mut Instant = first.get_or_insert_with(Instant::now);
        let message = "The role defined for the function cannot be assumed by Lambda.";
        (first.elapsed() < ROLE_PROPAGATION)
            .then(|| InjectedFault::service_error(400, "InvalidParameterValueException", message))
    });
    assert!(
        count(&aws_env, "lambda:CreateFunction") >= 5,
        "the call is retried at short intervals: {:?}",
        aws_env.proxy.call_names()
    );
    assert_converged(&mut aws_env, "spreading");
    destroy_all(&mut aws_env, "spreading");
}

/// Operations that read a resource, each with the operation that creates the resource.
const READS: [(&str, &str); 9] = [
    ("iam:GetRole", "iam:CreateRole"),
    ("lambda:GetFunction", "lambda:CreateFunction"),
    ("lambda:GetFunctionConfiguration", "lambda:CreateFunction"),
    ("lambda:GetPolicy", "lambda:AddPermission"),
    ("dynamodb:DescribeTable", "dynamodb:CreateTable"),
    ("dynamodb:ListTagsOfResource", "dynamodb:CreateTable"),
    ("logs:DescribeLogGroups", "logs:CreateLogGroup"),
    ("logs:ListTagsForResource", "logs:CreateLogGroup"),
    ("apigateway:GetApis", "apigateway:CreateApi"),
];

/// Returns the response of a service for a missing resource.
fn missing(call: &RecordedCall) -> InjectedFault {
    let json = |body: &str| InjectedFault::Response {
        status: 200,
        content_type: "application/json".to_owned(),
        body: body.to_owned(),
    };
    match (call.service.as_str(), call.operation.as_str()) {
        ("iam", _) => InjectedFault::service_error(404, "NoSuchEntity", "The role cannot be found."),
        ("dynamodb", "ListTagsOfResource") => json(r#"{"Tags":[]}"#),
        ("logs", "ListTagsForResource") => json(r#"{"tags":{}}"#),
        ("logs", "DescribeLogGroups") => json(r#"{"logGroups":[]}"#),
        ("apigateway", _) => json(r#"{"items":[]}"#),
        ("lambda", _) => {
            InjectedFault::service_error(404, "ResourceNotFoundException", "The resource does not exist.")
        }
        _ => InjectedFault::service_error(400, "ResourceNotFoundException", "Requested resource not found"),
    }
}

/// Hides new resources from the first `reads` reads after their creation. With `exists`, existing resources are hidden
/// from the first reads too.
fn stale(reads: u32, exists: bool) -> impl FnMut(&RecordedCall) -> Option<InjectedFault> + Send + 'static {
    let mut pending: BTreeMap<&str, u32> =
        READS.iter().filter(|_| exists).map(|(read, _)| (*read, reads)).collect();
    move |call| {
        // A repeated creation does not hide the resource again.
        for (read, _) in READS.iter().filter(|(_, create)| call.has_name(create)) {
            pending.entry(read).or_insert(reads);
        }
        let pending = pending.get_mut(call.to_string().as_str())?;
        let is_stale = *pending > 0;
        *pending = pending.saturating_sub(1);
        is_stale.then(|| missing(call))
    }
}

#[test]
fn stale_reads_cause_no_duplicates() {
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "lagging", "");
    let deploy = ["deploy", "--artifact", &artifact()];
    succeeds_with_faults(&mut aws_env, &deploy, stale(2, false));
    assert_converged(&mut aws_env, "lagging");
    destroy_all(&mut aws_env, "lagging");
    drop(aws_env);

    // Responses to creating calls are lost too, so that only another read shows the result. The list of APIs is not
    // stale here: otherwise a run could not find out whether its API was created.
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "lagging", "");
    let (mut lagging, mut lost) = (stale(2, false), BTreeMap::<String, u32>::new());
    succeeds_with_faults(&mut aws_env, &deploy, move |call| {
        let attempts = lost.entry(call.to_string()).or_default();
        *attempts += 1;
        if call.operation.starts_with("Create") && *attempts == 1 {
            // Lets the rule hide the resource that this call creates.
            lagging(call);
            return Some(InjectedFault::DropResponse);
        }
        if call.service == "apigateway" { None } else { lagging(call) }
    });
    assert_converged(&mut aws_env, "lagging");

    // The next run does not see the existing resources at first.
    succeeds_with_faults(&mut aws_env, &deploy, stale(1, true));
    assert_eq!(apis("lagging"), 1);
    assert_converged(&mut aws_env, "lagging");
    destroy_all(&mut aws_env, "lagging");
}
