//! What was made is not seen everywhere at once, and what was asked is not answered.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hitctl_emulators::{Call, Emulator, Fault};

use super::{apis, bears, converged, count, gone};
use crate::aws::scene::Scene;
use crate::support::artifact;

/// What IAM takes to be seen by Lambda.
const SPREADING: Duration = Duration::from_secs(12);

#[test]
fn a_role_that_lambda_does_not_see_yet_is_waited_for() {
    let mut scene = Scene::new(Emulator::ministack(), "spreading", "");
    let mut first = None;
    bears(&mut scene, &["deploy", "--artifact", &artifact()], move |call| {
        if !call.is("lambda:CreateFunction") {
            return None;
        }
        let first: &mut Instant = first.get_or_insert_with(Instant::now);
        let message = "The role defined for the function cannot be assumed by Lambda.";
        (first.elapsed() < SPREADING).then(|| Fault::status(400, "InvalidParameterValueException", message))
    });
    assert!(count(&scene, "lambda:CreateFunction") >= 5, "it is asked densely: {:?}", scene.wire.names());
    converged(&mut scene, "spreading");
    gone(&mut scene, "spreading");
}

/// A read and the call that makes what it shows.
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

/// What a service says of what is not there.
fn unseen(call: &Call) -> Fault {
    let json = |body: &str| Fault::Answer {
        status: 200,
        content_type: "application/json".to_owned(),
        body: body.to_owned(),
    };
    match (call.service.as_str(), call.operation.as_str()) {
        ("iam", _) => Fault::status(404, "NoSuchEntity", "The role cannot be found."),
        ("dynamodb", "ListTagsOfResource") => json(r#"{"Tags":[]}"#),
        ("logs", "ListTagsForResource") => json(r#"{"tags":{}}"#),
        ("logs", "DescribeLogGroups") => json(r#"{"logGroups":[]}"#),
        ("apigateway", _) => json(r#"{"items":[]}"#),
        ("lambda", _) => Fault::status(404, "ResourceNotFoundException", "The resource does not exist."),
        _ => Fault::status(400, "ResourceNotFoundException", "Requested resource not found"),
    }
}

/// The first reads after what they show was made do not show it; `made`: it was, before.
fn stale(reads: u32, made: bool) -> impl FnMut(&Call) -> Option<Fault> + Send + 'static {
    let mut left: BTreeMap<&str, u32> =
        READS.iter().filter(|_| made).map(|(read, _)| (*read, reads)).collect();
    move |call| {
        // A call that is made again makes nothing: what there is is seen later, not never.
        for (read, _) in READS.iter().filter(|(_, create)| call.is(create)) {
            left.entry(read).or_insert(reads);
        }
        let left = left.get_mut(call.to_string().as_str())?;
        let is_stale = *left > 0;
        *left = left.saturating_sub(1);
        is_stale.then(|| unseen(call))
    }
}

#[test]
fn reads_that_lag_behind_writes_lead_nobody_astray() {
    let mut scene = Scene::new(Emulator::ministack(), "lagging", "");
    let deploy = ["deploy", "--artifact", &artifact()];
    bears(&mut scene, &deploy, stale(2, false));
    converged(&mut scene, "lagging");
    gone(&mut scene, "lagging");
    drop(scene);

    // The answers to the calls that make things are lost too, of which only another look says that they were done. Where the
    // list of APIs lags as well nobody could know: it does not here.
    let mut scene = Scene::new(Emulator::ministack(), "lagging", "");
    let (mut lagging, mut lost) = (stale(2, false), BTreeMap::<String, u32>::new());
    bears(&mut scene, &deploy, move |call| {
        let asked = lost.entry(call.to_string()).or_default();
        *asked += 1;
        if call.operation.starts_with("Create") && *asked == 1 {
            lagging(call);
            return Some(Fault::LostAnswer);
        }
        if call.service == "apigateway" { None } else { lagging(call) }
    });
    converged(&mut scene, "lagging");

    // The next run sees nothing at first of what is there.
    bears(&mut scene, &deploy, stale(1, true));
    assert_eq!(apis("lagging"), 1);
    converged(&mut scene, "lagging");
    gone(&mut scene, "lagging");
}
