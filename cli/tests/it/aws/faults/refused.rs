//! What no patience mends: it ends the run, at once, and says what to do.

use hitctl_emulators::{Call, Emulator, Fault};
use jiff::SignedDuration;

use super::{converged, count, gone, under};
use crate::aws::scene::Scene;
use crate::support::artifact;

/// From which call of a first deploy on: who is asking, the looks, and what is made then.
const EXPIRES_AT: [usize; 5] = [1, 5, 12, 16, 22];

#[test]
fn credentials_that_expire_half_way_are_renewed_and_the_next_run_goes_on() {
    for at in EXPIRES_AT {
        let app = format!("expired{at}");
        let mut scene = Scene::new(Emulator::ministack(), &app, "");
        let ran = under(&mut scene, &["deploy", "--artifact", &artifact()], move |call| {
            let message = "The security token included in the request is expired";
            (call.n >= at).then(|| Fault::status(403, "ExpiredTokenException", message))
        });
        assert!(matches!(ran.code, 4 | 5), "from call {at} on: {ran:?}");
        assert!(ran.stderr.contains("expired") && ran.stderr.contains("hint"), "{ran:?}");
        scene.ok(&["deploy", "--artifact", &artifact()]);
        converged(&mut scene, &app);
        gone(&mut scene, &app);
    }
}

#[test]
fn a_clock_that_is_off_is_said_to_be() {
    let mut scene = Scene::new(Emulator::ministack(), "clock", "");
    let deploy = ["deploy", "--artifact", &artifact()];
    for (seconds, way) in [(1220, "slow"), (-1220, "fast")] {
        scene.wire.skew(SignedDuration::from_secs(seconds));
        let ran = under(&mut scene, &deploy, |call| {
            (call.service == "sts").then(|| {
                let message = "Signature expired: 20260101T100000Z is now earlier than 20260101T101500Z";
                Fault::status(403, "SignatureDoesNotMatch", message)
            })
        });
        assert_eq!(ran.code, 4, "{ran:?}");
        assert!(ran.stderr.contains(&format!("this machine's clock is 20 minutes {way}")), "{ran:?}");
        let ran = under(&mut scene, &deploy, |call| {
            (call.service == "dynamodb").then(|| {
                let message = "Signature expired: 20260101T100000Z is now earlier than 20260101T101500Z";
                Fault::status(400, "InvalidSignatureException", message)
            })
        });
        assert_eq!(ran.code, 4, "{ran:?}");
        assert!(ran.stderr.contains(&format!("off by 20 min ({way})")), "{ran:?}");
        let ran = under(&mut scene, &deploy, |call| {
            (call.service == "iam").then(|| Fault::status(403, "RequestTimeTooSkewed", "The time differs."))
        });
        assert_eq!(ran.code, 4, "{ran:?}");
        assert!(ran.stderr.contains(&format!("off by 20 min ({way})")), "{ran:?}");
    }
    // The clock alone is no reason to fail.
    scene.ok(&deploy);
    gone(&mut scene, "clock");
}

/// The service of an operation.
fn service(operation: &str) -> &str {
    operation.split(':').next().unwrap()
}

/// The first thing that each service is asked to make, and the action that allows it.
const FIRST: [(&str, &str); 5] = [
    ("iam:CreateRole", "iam:CreateRole"),
    ("dynamodb:CreateTable", "dynamodb:CreateTable"),
    ("logs:CreateLogGroup", "logs:CreateLogGroup"),
    ("lambda:CreateFunction", "lambda:CreateFunction"),
    ("apigateway:CreateApi", "apigateway:POST"),
];

/// How many resources a first deploy begins with that operation at once: the roles of both functions.
fn at_once(operation: &str) -> usize {
    if operation == "iam:CreateRole" { 2 } else { 1 }
}

#[test]
fn an_action_that_is_not_allowed_is_named() {
    for (operation, action) in FIRST {
        let app = format!("denied-{}", service(operation));
        let mut scene = Scene::new(Emulator::ministack(), &app, "");
        let ran = under(&mut scene, &["deploy", "--artifact", &artifact()], move |call: &Call| {
            let (status, code) = match call.service.as_str() {
                "iam" => (403, "AccessDenied"),
                "lambda" | "apigateway" => (403, "AccessDeniedException"),
                _ => (400, "AccessDeniedException"),
            };
            let message = format!(
                "User: arn:aws:iam::123456789012:user/me is not authorized to perform: {action} on resource: it \
                 because no identity-based policy allows the {action} action"
            );
            call.is(operation).then(|| Fault::status(status, code, &message))
        });
        assert!(matches!(ran.code, 1 | 5), "{operation}: {ran:?}");
        assert!(ran.stderr.contains(&format!("{action} is not allowed")), "{operation}: {ran:?}");
        assert!(ran.stderr.contains("`hitctl policy deployer`"), "{operation}: {ran:?}");
        assert_eq!(count(&scene, operation), at_once(operation), "nobody asks twice for what is not allowed");
        scene.ok(&["deploy", "--artifact", &artifact()]);
        converged(&mut scene, &app);
        gone(&mut scene, &app);
    }
}

/// Limits of an account, which no retry lifts.
const LIMITS: [(&str, &str, &str); 5] = [
    ("dynamodb:CreateTable", "LimitExceededException", "Subscriber limit exceeded: too many tables"),
    ("iam:CreateRole", "LimitExceeded", "Cannot exceed quota for RolesPerAccount: 1000"),
    ("logs:CreateLogGroup", "LimitExceededException", "Resource limit exceeded."),
    ("lambda:CreateFunction", "CodeStorageExceededException", "Code storage limit exceeded."),
    ("apigateway:CreateApi", "LimitExceededException", "Maximum number of APIs has been reached."),
];

#[test]
fn a_limit_of_the_account_is_not_tried_for_minutes() {
    for (operation, code, message) in LIMITS {
        let app = format!("limit-{}", service(operation));
        let mut scene = Scene::new(Emulator::ministack(), &app, "");
        let ran = under(&mut scene, &["deploy", "--artifact", &artifact()], move |call| {
            call.is(operation).then(|| Fault::status(400, code, message))
        });
        assert!(matches!(ran.code, 1 | 5), "{operation}: {ran:?}");
        assert!(ran.stderr.contains("Service Quotas"), "{operation}: {ran:?}");
        assert!(ran.stderr.contains(message), "{operation}: {ran:?}");
        assert_eq!(count(&scene, operation), at_once(operation), "{operation}: {ran:?}");
        scene.ok(&["deploy", "--artifact", &artifact()]);
        converged(&mut scene, &app);
        gone(&mut scene, &app);
    }
}
