//! Errors that no retry resolves: the run ends at once with a hint.

use hitctl_emulators::{Emulator, InjectedFault, RecordedCall};
use jiff::SignedDuration;

use super::{assert_converged, count, destroy_all, run_with_faults};
use crate::aws::recorded_env::RecordedAwsEnv;
use crate::support::artifact;

/// The numbers of the calls in a first deploy at which the credentials expire: the identity check, reads, and writes.
const EXPIRES_AT: [usize; 5] = [1, 5, 12, 16, 22];

#[test]
fn expired_credentials_stop_deploy_and_next_run_completes_it() {
    for at in EXPIRES_AT {
        let app = format!("expired{at}");
        let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), &app, "");
        let output = run_with_faults(&mut aws_env, &["deploy", "--artifact", &artifact()], move |call| {
            let message = "The security token included in the request is expired";
            (call.number >= at).then(|| InjectedFault::service_error(403, "ExpiredTokenException", message))
        });
        assert!(matches!(output.code, 4 | 5), "from call {at} on: {output:?}");
        assert!(output.stderr.contains("expired") && output.stderr.contains("hint"), "{output:?}");
        aws_env.ok(&["deploy", "--artifact", &artifact()]);
        assert_converged(&mut aws_env, &app);
        destroy_all(&mut aws_env, &app);
    }
}

#[test]
fn wrong_clock_is_named_as_cause() {
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "clock", "");
    let deploy = ["deploy", "--artifact", &artifact()];
    for (seconds, direction) in [(1220, "slow"), (-1220, "fast")] {
        aws_env.proxy.set_clock_skew(SignedDuration::from_secs(seconds));
        let output = run_with_faults(&mut aws_env, &deploy, |call| {
            (call.service == "sts").then(|| {
                let message = "Signature expired: 20260101T100000Z is now earlier than 20260101T101500Z";
                InjectedFault::service_error(403, "SignatureDoesNotMatch", message)
            })
        });
        assert_eq!(output.code, 4, "{output:?}");
        assert!(output.stderr.contains(&format!("the system clock is 20 minutes {direction}")), "{output:?}");
        let output = run_with_faults(&mut aws_env, &deploy, |call| {
            (call.service == "dynamodb").then(|| {
                let message = "Signature expired: 20260101T100000Z is now earlier than 20260101T101500Z";
                InjectedFault::service_error(400, "InvalidSignatureException", message)
            })
        });
        assert_eq!(output.code, 4, "{output:?}");
        assert!(output.stderr.contains(&format!("the system clock is 20 min {direction}")), "{output:?}");
        let output = run_with_faults(&mut aws_env, &deploy, |call| {
            (call.service == "iam")
                .then(|| InjectedFault::service_error(403, "RequestTimeTooSkewed", "The time differs."))
        });
        assert_eq!(output.code, 4, "{output:?}");
        assert!(output.stderr.contains(&format!("the system clock is 20 min {direction}")), "{output:?}");
    }
    // A wrong clock alone is not an error.
    aws_env.ok(&deploy);
    destroy_all(&mut aws_env, "clock");
}

/// Returns the service of an operation.
fn service(operation: &str) -> &str {
    operation.split(':').next().unwrap()
}

/// The first creating operation of each service, and the IAM action that allows it.
const FIRST_CREATIONS: [(&str, &str); 5] = [
    ("iam:CreateRole", "iam:CreateRole"),
    ("dynamodb:CreateTable", "dynamodb:CreateTable"),
    ("logs:CreateLogGroup", "logs:CreateLogGroup"),
    ("lambda:CreateFunction", "lambda:CreateFunction"),
    ("apigateway:CreateApi", "apigateway:POST"),
];

/// Returns how many resources a first deploy creates with this operation at the same time. Both functions have a role.
fn parallel_calls(operation: &str) -> usize {
    if operation == "iam:CreateRole" { 2 } else { 1 }
}

#[test]
fn denied_action_is_named() {
    for (operation, action) in FIRST_CREATIONS {
        let app = format!("denied-{}", service(operation));
        let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), &app, "");
        let output = run_with_faults(
            &mut aws_env,
            &["deploy", "--artifact", &artifact()],
            move |call: &RecordedCall| {
                let (status, code) = match call.service.as_str() {
                    "iam" => (403, "AccessDenied"),
                    "lambda" | "apigateway" => (403, "AccessDeniedException"),
                    _ => (400, "AccessDeniedException"),
                };
                let message = format!(
                    "User: arn:aws:iam::123456789012:user/me is not authorized to perform: {action} on resource: it \
                 because no identity-based policy allows the {action} action"
                );
                call.has_name(operation).then(|| InjectedFault::service_error(status, code, &message))
            },
        );
        assert!(matches!(output.code, 1 | 5), "{operation}: {output:?}");
        assert!(output.stderr.contains(&format!("{action} is not allowed")), "{operation}: {output:?}");
        assert!(output.stderr.contains("`hitctl policy deployer`"), "{operation}: {output:?}");
        assert_eq!(count(&aws_env, operation), parallel_calls(operation), "a denied call is not retried");
        aws_env.ok(&["deploy", "--artifact", &artifact()]);
        assert_converged(&mut aws_env, &app);
        destroy_all(&mut aws_env, &app);
    }
}

/// Errors of account limits, which no retry resolves.
const LIMITS: [(&str, &str, &str); 5] = [
    ("dynamodb:CreateTable", "LimitExceededException", "Subscriber limit exceeded: too many tables"),
    ("iam:CreateRole", "LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000"),
    ("logs:CreateLogGroup", "LimitExceededException", "Resource limit exceeded."),
    ("lambda:CreateFunction", "CodeStorageExceededException", "Code storage limit exceeded."),
    ("apigateway:CreateApi", "LimitExceededException", "Maximum number of APIs has been reached."),
];

#[test]
fn account_limit_is_not_retried() {
    for (operation, code, message) in LIMITS {
        let app = format!("limit-{}", service(operation));
        let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), &app, "");
        let output = run_with_faults(&mut aws_env, &["deploy", "--artifact", &artifact()], move |call| {
            call.has_name(operation).then(|| InjectedFault::service_error(400, code, message))
        });
        assert!(matches!(output.code, 1 | 5), "{operation}: {output:?}");
        assert!(output.stderr.contains("Service Quotas"), "{operation}: {output:?}");
        assert!(output.stderr.contains(message), "{operation}: {output:?}");
        assert_eq!(count(&aws_env, operation), parallel_calls(operation), "{operation}: {output:?}");
        aws_env.ok(&["deploy", "--artifact", &artifact()]);
        assert_converged(&mut aws_env, &app);
        destroy_all(&mut aws_env, &app);
    }
}
