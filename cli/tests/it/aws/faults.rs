//! Faults between the program and AWS: transient ones are retried, and permanent ones are reported with a hint.

mod deleted;
mod event_sources;
mod eventual_consistency;
mod permanent_errors;

use std::collections::BTreeMap;

use hitctl_emulators::{Emulator, InjectedFault, RecordedCall};

use super::recorded_env::{RecordedAwsEnv, remaining_resources, sdk_config};
use crate::support::{CommandOutput, artifact};

/// The command that deletes everything, counts included.
const DESTROY_ALL: [&str; 6] = ["destroy", "--delete-data", "--confirm", "test", "--export", "all.ndjson"];

/// Runs a command while `rule` injects faults into its calls.
fn run_with_faults(
    aws_env: &mut RecordedAwsEnv,
    args: &[&str],
    rule: impl FnMut(&RecordedCall) -> Option<InjectedFault> + Send + 'static,
) -> CommandOutput {
    aws_env.proxy.reset();
    aws_env.proxy.set_fault_rule(rule);
    let output = aws_env.run_with_rules(args);
    aws_env.proxy.clear_fault_rule();
    output
}

/// Runs a command like [`run_with_faults`] and asserts that it succeeds.
fn succeeds_with_faults(
    aws_env: &mut RecordedAwsEnv,
    args: &[&str],
    rule: impl FnMut(&RecordedCall) -> Option<InjectedFault> + Send + 'static,
) -> CommandOutput {
    let output = run_with_faults(aws_env, args, rule);
    assert_eq!(output.code, 0, "{args:?}: {output:?}\n{:?}", aws_env.proxy.call_names());
    output
}

/// Returns how often a call was made.
fn count(aws_env: &RecordedAwsEnv, name: &str) -> usize {
    aws_env.proxy.calls().iter().filter(|call| call.has_name(name)).count()
}

/// Returns the number of HTTP APIs of an app in the emulator.
fn apis(app: &str) -> usize {
    let listing = async {
        let client = aws_sdk_apigatewayv2::Client::new(&sdk_config(Emulator::ministack()));
        client.get_apis().send().await.unwrap().items.unwrap_or_default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let base = format!("{app}-test");
    runtime.block_on(listing).iter().filter(|api| api.name().is_some_and(|name| name.contains(&base))).count()
}

/// Asserts that no change is left and that there is only one API.
fn assert_converged(aws_env: &mut RecordedAwsEnv, app: &str) {
    let plan = aws_env.run(&["plan", "--detailed-exitcode", "--artifact", &artifact()]);
    assert_eq!(plan.code, 0, "{plan:?}");
    assert_eq!(apis(app), 1);
}

/// Destroys everything and asserts that nothing remains.
fn destroy_all(aws_env: &mut RecordedAwsEnv, app: &str) {
    aws_env.ok(&DESTROY_ALL);
    assert_eq!(remaining_resources(Emulator::ministack(), app), Vec::<String>::new());
}

/// Returns the throttling error of a service.
fn throttled(call: &RecordedCall) -> InjectedFault {
    match call.service.as_str() {
        "lambda" | "apigateway" => {
            InjectedFault::service_error(429, "TooManyRequestsException", "Too Many Requests")
        }
        "iam" | "sts" => InjectedFault::service_error(400, "Throttling", "Rate exceeded"),
        _ => InjectedFault::service_error(400, "ThrottlingException", "Rate exceeded"),
    }
}

/// Throttles every second call of each operation, beginning with the first.
fn storm() -> impl FnMut(&RecordedCall) -> Option<InjectedFault> + Send + 'static {
    let mut attempts: BTreeMap<String, u32> = BTreeMap::new();
    move |call| {
        let attempts = attempts.entry(call.to_string()).or_default();
        *attempts += 1;
        (*attempts % 2 == 1).then(|| throttled(call))
    }
}

#[test]
fn throttled_calls_are_retried() {
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "storm", "");
    succeeds_with_faults(&mut aws_env, &["deploy", "--artifact", &artifact()], storm());
    for (name, resources) in [
        ("sts:GetCallerIdentity", 1),
        ("apigateway:CreateApi", 1),
        ("iam:CreateRole", 2),
        ("lambda:CreateFunction", 2),
    ] {
        let calls = count(&aws_env, name);
        assert_eq!(
            calls,
            2 * resources,
            "{name} was throttled once per resource: {:?}",
            aws_env.proxy.call_names()
        );
    }
    assert_converged(&mut aws_env, "storm");
    succeeds_with_faults(&mut aws_env, &DESTROY_ALL, storm());
    assert_eq!(remaining_resources(Emulator::ministack(), "storm"), Vec::<String>::new());
}

/// Fails the first call of each operation with the error that another change is in progress.
fn busy() -> impl FnMut(&RecordedCall) -> Option<InjectedFault> + Send + 'static {
    let mut attempts: BTreeMap<String, u32> = BTreeMap::new();
    move |call| {
        let (code, message) = match (call.service.as_str(), call.operation.as_str()) {
            ("lambda", "UpdateFunctionConfiguration" | "UpdateFunctionCode" | "PublishVersion") => (
                "ResourceConflictException",
                "The operation cannot be performed at this time. An update is in progress for resource: f",
            ),
            ("apigateway", _) if call.is_write() => {
                ("ConflictException", "Unable to complete operation due to concurrent modification.")
            }
            ("dynamodb", "UpdateTable") => {
                ("ResourceInUseException", "Attempt to change a resource which is still in use")
            }
            ("iam", "PutRolePolicy" | "DeleteRole") => (
                "ConcurrentModification",
                "The request was rejected because multiple requests to change this object were submitted.",
            ),
            _ => return None,
        };
        let attempts = attempts.entry(call.to_string()).or_default();
        *attempts += 1;
        let status = if call.service == "dynamodb" { 400 } else { 409 };
        (*attempts == 1).then(|| InjectedFault::service_error(status, code, message))
    }
}

#[test]
fn change_in_progress_is_waited_for() {
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), "inprogress", "");
    succeeds_with_faults(&mut aws_env, &["deploy", "--artifact", &artifact()], busy());
    assert_converged(&mut aws_env, "inprogress");

    let build = aws_env.build(1);
    aws_env.env.configure(
        "function.memory_mb = 256\nhttp.burst = 40\nhttp.allow_origins = [\"https://a.example\"]\n\
         table.max_write_units = 40\n",
    );
    succeeds_with_faults(&mut aws_env, &["deploy", "--artifact", &build], busy());
    for name in [
        "lambda:UpdateFunctionConfiguration",
        "lambda:UpdateFunctionCode",
        "lambda:PublishVersion",
        "apigateway:UpdateApi",
        "apigateway:UpdateStage",
        "dynamodb:UpdateTable",
    ] {
        assert!(count(&aws_env, name) > 1, "{name} is retried: {:?}", aws_env.proxy.call_names());
    }
    let plan = aws_env.run(&["plan", "--detailed-exitcode", "--artifact", &build]);
    assert_eq!((plan.code, apis("inprogress")), (0, 1), "{plan:?}");

    succeeds_with_faults(&mut aws_env, &DESTROY_ALL, busy());
    assert_eq!(remaining_resources(Emulator::ministack(), "inprogress"), Vec::<String>::new());
}
