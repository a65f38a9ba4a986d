//! `tune` in an account: it measures a copy of the function that counts nothing, and always deletes the copy.

use hitctl::Interrupts;
use hitctl_emulators::{Emulator, InjectedFault};
use serde_json::{Value as Json, json};

use super::recorded_env::{KillSwitch, RecordedAwsEnv, hit, remaining_resources};
use crate::support::CommandOutput;

/// A measurement of one memory size with two starts.
const SHORT: [&str; 7] = ["tune", "--yes", "--json", "--memory", "128", "--starts", "2"];

fn deployed_env(app: &str) -> RecordedAwsEnv {
    let mut aws_env = RecordedAwsEnv::new(Emulator::ministack(), app, "");
    let url = aws_env.deploy().expect("an API has a URL");
    assert_eq!(hit(&url, "/counter?path=/").json()["hits"], 1);
    aws_env
}

/// Lists the copies of the function that exist.
fn copies(aws_env: &RecordedAwsEnv) -> Vec<String> {
    let all = remaining_resources(Emulator::ministack(), &aws_env.env.app);
    all.into_iter().filter(|name| name.contains("-tune")).collect()
}

/// Returns all counts, which a measurement must not change.
fn counts(aws_env: &mut RecordedAwsEnv) -> Json {
    aws_env.ok(&["counts", "list", "--json"]).json()["counts"].clone()
}

fn wipe(aws_env: &mut RecordedAwsEnv) {
    let file = aws_env.env.base.path().join("wiped.ndjson").display().to_string();
    aws_env.ok(&["destroy", "--delete-data", "--confirm", "test", "--export", &file]);
    assert_eq!(remaining_resources(Emulator::ministack(), &aws_env.env.app), [""; 0], "nothing is orphaned");
}

/// Runs `tune` and kills it at the given operation, so that it cannot clean up.
fn run_killed_at(aws_env: &RecordedAwsEnv, operation: &'static str) {
    aws_env.proxy.reset();
    let kill_switch = KillSwitch::default();
    let fault = {
        let kill_switch = kill_switch.clone();
        InjectedFault::hook_before(move || kill_switch.kill())
    };
    aws_env.proxy.set_fault_rule(move |call| (call.operation == operation).then(|| fault.clone()));
    let output = kill_switch.run(&aws_env.proxy, aws_env.env.command(&SHORT));
    assert_eq!(output.status.code(), None, "{output:?}");
    aws_env.proxy.reset();
}

#[test]
fn unreported_figures_are_null_and_nothing_is_counted() {
    let mut aws_env = deployed_env("tuned");
    let before = counts(&mut aws_env);
    let output = aws_env.ok(&SHORT);
    let json = output.json();
    assert_eq!((&json["command"], &json["target"]), (&json!("tune"), &json!("aws")));
    assert_eq!(json["request"], "GET /counter?path=/&ro=1");
    // The emulator's log tail has no report line, so no figures are shown.
    let size = &json["sizes"][0];
    assert_eq!(
        (&size["memory_mb"], &size["starts"], &size["limited"]),
        (&json!(128), &json!(2), &json!(true))
    );
    for figure in ["init_ms", "first_answer_ms", "warm_ms", "warm_p95_ms", "compute_month_usd", "month_usd"] {
        assert_eq!(size[figure], Json::Null, "{figure}: {json}");
    }
    assert_eq!((&json["recommendation"]["memory_mb"], &json["next"]), (&Json::Null, &Json::Null));
    assert!(json["notes"].to_string().contains("was not reported by Lambda"), "{json}");
    for expected in
        ["creates tuned-test-tune, a copy of tuned-test", "sends it 22 requests", "costs at most 0.00 USD"]
    {
        assert!(output.stderr.contains(expected), "{expected}: {output:?}");
    }
    assert_eq!(copies(&aws_env), [""; 0]);
    assert_eq!(counts(&mut aws_env), before, "the measurement counts no hit and adds no path");

    // A configuration change ends the running processes, so the next invocation starts a new one.
    aws_env.run(&SHORT);
    let calls = aws_env.proxy.call_names();
    let count = |name: &str| calls.iter().filter(|call| *call == name).count();
    let operations = [
        "lambda:CreateFunction",
        "lambda:UpdateFunctionConfiguration",
        "lambda:Invoke",
        "lambda:DeleteFunction",
    ];
    assert_eq!(operations.map(count), [1, 1, 22, 1], "{calls:?}");
    let unknown =
        |call: &&String| !hitctl_stack::policy::OPERATIONS.iter().any(|known| known.operation == **call);
    let unknown: Vec<_> = calls.iter().filter(unknown).collect();
    assert!(unknown.is_empty(), "the deployer's policy does not have {unknown:?}");
    wipe(&mut aws_env);
}

#[test]
fn measurement_in_account_needs_confirmation() {
    let mut aws_env = deployed_env("tuneasks");
    let output = aws_env.run(&["tune", "--no-input", "--memory", "128"]);
    assert_eq!(output.code, 3, "{output:?}");
    assert_eq!(aws_env.proxy.write_names(), [""; 0]);
    assert!(output.stderr.contains("costs at most"), "{output:?}");
    let output = aws_env.run(&["tune", "--yes", "--artifact", "function.zip"]);
    assert_eq!(output.code, 64, "{output:?}");
    wipe(&mut aws_env);
    let output = aws_env.run(&SHORT);
    assert_eq!((output.code, &output.json()["error"]["code"]), (1, &json!("not_deployed")), "{output:?}");
}

#[test]
fn copy_is_deleted_after_failure_and_interrupt() {
    let mut aws_env = deployed_env("tunestops");
    // Neither call is retried: it may have been executed.
    for operation in ["Invoke", "UpdateFunctionConfiguration"] {
        aws_env.proxy.reset();
        aws_env.proxy.set_fault_rule(move |call| {
            (call.operation == operation)
                .then(|| InjectedFault::service_error(400, "InvalidParameterValueException", "injected"))
        });
        let output = aws_env.run_with_rules(&SHORT);
        assert_eq!(output.code, 1, "{operation}: {output:?}");
        assert!(output.json()["error"]["cause"].to_string().contains("injected"), "{output:?}");
        assert_eq!(copies(&aws_env), [""; 0], "{operation}");
    }
    let interrupted = |operation: &'static str| -> CommandOutput {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        aws_env.proxy.reset();
        let mut sent = false;
        aws_env.proxy.set_fault_rule(move |call| {
            if call.operation == operation && !sent {
                sent = true;
                sender.send(()).unwrap();
            }
            None
        });
        aws_env.env.run_with(&SHORT, |process| process.interrupts = Interrupts::Channel(receiver))
    };
    for operation in ["CreateFunction", "Invoke", "UpdateFunctionConfiguration"] {
        let output = interrupted(operation);
        assert_eq!(output.code, 130, "{operation}: {output:?}");
        assert_eq!(copies(&aws_env), [""; 0], "{operation}");
    }
    wipe(&mut aws_env);
}

/// Returns the number of resources of the app in a list of deployments.
fn resources(listed: &Json) -> u64 {
    let rows = listed["deployments"].as_array().unwrap();
    let row = rows.iter().find(|row| row["app"] == "tunekill");
    row.unwrap_or_else(|| panic!("{listed}"))["resources"].as_u64().unwrap()
}

#[test]
fn copy_of_killed_run_is_removed_by_next_tune_or_gc() {
    let mut aws_env = deployed_env("tunekill");
    run_killed_at(&aws_env, "Invoke");
    assert_eq!(copies(&aws_env).len(), 1, "a killed run cannot clean up");
    let output = aws_env.ok(&[&SHORT[..], &["--lock-timeout", "3m"]].concat());
    assert!(
        output.stderr.contains("removed tunekill-test-tune, left over from an earlier run"),
        "{output:?}"
    );
    assert_eq!(copies(&aws_env), [""; 0]);

    let before = resources(&aws_env.ok(&["status", "--all", "--json"]).json());
    run_killed_at(&aws_env, "Invoke");
    assert_eq!(copies(&aws_env).len(), 1);
    // The copy is found by its name in the current env, and by its tags if the configuration does not contain the env.
    let text = std::fs::read_to_string(aws_env.env.base.path().join("hitctl.toml")).unwrap();
    aws_env.env.base.write("hitctl.toml", &text.replace("tunekill", "tunenew"));
    let listed = aws_env.ok(&["gc", "--json"]).json();
    assert_eq!(resources(&listed), before + 1, "the deployed resources and the copy: {listed}");
    let file = aws_env.env.base.path().join("gone.ndjson").display().to_string();
    aws_env.ok(&[
        "gc",
        "tunekill/test",
        "--delete-data",
        "--confirm",
        "test",
        "--export",
        &file,
        "--lock-timeout",
        "3m",
    ]);
    assert_eq!(remaining_resources(Emulator::ministack(), "tunekill"), [""; 0]);
}
