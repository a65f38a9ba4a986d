//! Account quotas: a new account allows no reserved concurrency, and the write units of a table are limited.

use hitctl_emulators::{Emulator, InjectedFault};

use super::recorded_env::{RecordedAwsEnv, hit};
use crate::support::artifact;

/// The concurrency quota of a new account.
const NEW_ACCOUNT_QUOTA: u32 = 10;
const INCREASE_COMMAND: &str = "aws service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 \
                   --desired-value 1000 --region eu-central-1";
const NOT_RESERVABLE: &str = "the account's quota does not allow reserved concurrency 1: of 10 concurrent executions, 10 are \
                     unreserved, and 10 must stay unreserved";

#[test]
fn new_account_deploys_without_reservation_and_shows_quota_command() {
    let emulator = Emulator::new_ministack_with_concurrency(NEW_ACCOUNT_QUOTA);
    let mut aws_env = RecordedAwsEnv::new(&emulator, "quota", "strict = true\n");
    let zip = artifact();

    let refused = aws_env.run(&["deploy", "--artifact", &zip]);
    assert_eq!(refused.code, 1, "{refused:?}");
    assert_eq!(aws_env.proxy.write_names(), Vec::<String>::new(), "it is refused before anything is created");
    for part in [NOT_RESERVABLE, INCREASE_COMMAND, "`strict = true`", "nothing was changed"] {
        assert!(refused.stderr.contains(part), "{part:?} is not in {refused:?}");
    }
    let doctor = aws_env.run(&["doctor"]);
    assert_ne!(doctor.code, 0, "{doctor:?}");
    assert!(doctor.stdout.contains(INCREASE_COMMAND) && doctor.stdout.contains("deploys fail"), "{doctor:?}");

    aws_env.env.configure("");
    let doctor = aws_env.ok(&["doctor"]);
    assert!(
        doctor.stdout.contains(INCREASE_COMMAND) && doctor.stdout.contains("deploys reserve no concurrency"),
        "{doctor:?}"
    );
    let deployed = aws_env.ok(&["deploy", "--artifact", &zip]);
    assert!(!aws_env.proxy.call_names().contains(&"lambda:PutFunctionConcurrency".to_owned()));
    let shown = deployed.stdout.clone() + &deployed.stderr;
    assert_eq!(shown.matches(INCREASE_COMMAND).count(), 1, "one warning, with the command: {deployed:?}");
    assert!(shown.contains("does not allow reserved concurrency"), "{deployed:?}");

    // A reservation that the quota forbids is not drift. Each plan and deploy warns again.
    assert_eq!(aws_env.run(&["status", "--detailed-exitcode"]).code, 0);
    let plan = aws_env.run(&["plan", "--json", "--detailed-exitcode", "--artifact", &zip]);
    assert_eq!(plan.code, 0, "{plan:?}");
    assert!(plan.json()["warnings"].to_string().contains(INCREASE_COMMAND), "{plan:?}");
    let url = aws_env.deploy().expect("an API has a URL");
    assert_eq!(hit(&url, "/counter?path=/").json()["hits"], 1);
}

#[test]
fn denied_quota_read_does_not_stop_deploy() {
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "noquota", "");
    let denied = |aws_env: &RecordedAwsEnv| {
        aws_env.proxy.reset();
        aws_env.proxy.set_fault_rule(|call| {
            let message = "User is not authorized to perform: lambda:GetAccountSettings";
            call.has_name("lambda:GetAccountSettings")
                .then(|| InjectedFault::service_error(403, "AccessDeniedException", message))
        });
    };
    denied(&aws_env);
    let doctor = aws_env.run_with_rules(&["doctor"]);
    let row = doctor.stdout.lines().find(|line| line.starts_with("  warn  reserved concurrency "));
    let reason = "not checked: failed to read the concurrency quota of the account: lambda:GetAccountSettings is not allowed";
    assert!(doctor.code == 0 && row.is_some_and(|row| row.ends_with(reason)), "{doctor:?}");
    denied(&aws_env);
    let deployed = aws_env.run_with_rules(&["deploy", "--artifact", &artifact()]);
    assert_eq!(deployed.code, 0, "{deployed:?}");
    assert!(
        aws_env.proxy.call_names().contains(&"lambda:PutFunctionConcurrency".to_owned()),
        "the reservation is tried"
    );
    assert_eq!(aws_env.run(&["status", "--detailed-exitcode"]).code, 0);
}

#[test]
fn max_write_units_above_quota_is_refused_before_anything_is_created() {
    let mut aws_env =
        RecordedAwsEnv::new(Emulator::ministack(), "tablequota", "table.max_write_units = 50000\n");
    let zip = artifact();
    for command in ["plan", "deploy"] {
        let refused = aws_env.run(&[command, "--artifact", &zip]);
        assert_eq!(refused.code, 1, "{refused:?}");
        assert_eq!(aws_env.proxy.write_names(), Vec::<String>::new());
        for part in ["`max_write_units`: expected at most 40000, found 50000", "Service Quotas"] {
            assert!(refused.stderr.contains(part), "{part:?} is not in {refused:?}");
        }
    }
    let plan_with = |aws_env: &mut RecordedAwsEnv, fault: fn() -> InjectedFault| {
        aws_env.proxy.reset();
        aws_env.proxy.set_fault_rule(move |call| call.has_name("dynamodb:DescribeLimits").then(fault));
        aws_env.run_with_rules(&["plan", "--artifact", &artifact()])
    };
    let raised = plan_with(&mut aws_env, || InjectedFault::Response {
        status: 200,
        content_type: "application/x-amz-json-1.0".to_owned(),
        body: r#"{"TableMaxWriteCapacityUnits":60000}"#.to_owned(),
    });
    assert_eq!(raised.code, 0, "the account's quota may be raised: {raised:?}");
    let denied = plan_with(&mut aws_env, || {
        InjectedFault::service_error(
            403,
            "AccessDeniedException",
            "User is not authorized to perform: dynamodb:DescribeLimits",
        )
    });
    assert!(denied.code == 1 && denied.stderr.contains("AWS's default"), "{denied:?}");

    aws_env.env.configure("table.max_write_units = 40000\n");
    aws_env.ok(&["plan", "--artifact", &zip]);
    assert!(
        !aws_env.proxy.call_names().contains(&"dynamodb:DescribeLimits".to_owned()),
        "the quota is not read for a value within AWS's default"
    );
}
