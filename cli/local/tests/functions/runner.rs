//! Tests of the runner with real processes: their environment, and the results of invocations, errors and
//! crashes.

use bytes::Bytes;
use hitctl_engine::SpecValue;
use hitctl_local::lambda::{InvokeError, RESERVED_LIMIT};
use serde_json::json;

use crate::harness::{FunctionTestEnv, wait_until};

fn text(payload: &Bytes) -> &str {
    str::from_utf8(payload).unwrap()
}

/// Returns the error of an invocation, without its request id.
fn error(invocation: &hitctl_local::lambda::Invocation) -> serde_json::Value {
    assert_eq!(invocation.function_error.as_deref(), Some("Unhandled"), "{}", text(&invocation.payload));
    let text = text(&invocation.payload).replace(&invocation.request_id, "ID");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn invocation_returns_result_and_logs_as_lambda() {
    let env = FunctionTestEnv::new();
    env.deploy(|_| {}).await;
    let cold = env.invoke(r#"{"hello":"do=print"}"#).await;
    assert_eq!((text(&cold.payload), cold.function_error.clone()), ("null", None));
    assert!(cold.init_ms.unwrap() > 0.0 && cold.duration_ms > 0.0 && cold.max_memory_mb > 0);
    let warm = env.invoke("{}").await;
    assert_eq!((text(&warm.payload), warm.init_ms), ("{}", None));

    let log = env.log().join("\n").replace(&cold.request_id, "COLD").replace(&warm.request_id, "WARM");
    let steady: String = log
        .lines()
        .map(|line| line.split("\tDuration").next().unwrap_or_default().to_owned() + "\n")
        .collect();
    insta::assert_snapshot!(steady, @r"
    INIT_START Runtime Version: provided:al2023.local	Runtime Version ARN: arn:aws:lambda:eu-central-1::runtime:local
    START RequestId: COLD Version: $LATEST
    to stdout
    to stderr
    END RequestId: COLD
    REPORT RequestId: COLD
    START RequestId: WARM Version: $LATEST
    END RequestId: WARM
    REPORT RequestId: WARM
    ");
    assert!(cold.log_tail.starts_with("START RequestId: "), "{}", cold.log_tail);
    assert!(cold.log_tail.contains("to stdout\nto stderr\nEND"), "{}", cold.log_tail);
    assert!(cold.log_tail.contains("Init Duration: "), "{}", cold.log_tail);
    assert!(!warm.log_tail.contains("Init Duration: "), "{}", warm.log_tail);
}

#[tokio::test]
async fn environment_has_only_lambda_and_spec_variables() {
    let env = FunctionTestEnv::new();
    env.deploy(|spec| {
        spec.environment.insert("MINE".to_owned(), SpecValue::Literal("yes \"quoted\"".to_owned()));
        spec.environment.insert("AWS_REGION".to_owned(), SpecValue::Literal("mars".to_owned()));
    })
    .await;
    let response = env.invoke(r#""do=env""#).await;
    let mut variables: serde_json::Value = serde_json::from_str(text(&response.payload)).unwrap();
    let task_root = variables["LAMBDA_TASK_ROOT"].clone();
    assert_eq!(variables["cwd"], task_root);
    assert!(variables["AWS_LAMBDA_RUNTIME_API"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert!(variables["AWS_LAMBDA_LOG_STREAM_NAME"].as_str().unwrap().starts_with("local/[$LATEST]"));
    for name in [
        "cwd",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_LAMBDA_LOG_STREAM_NAME",
    ] {
        variables.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(
        variables,
        json!({
            "_HANDLER": "bootstrap",
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            "AWS_ENDPOINT_URL_CLOUDFRONT": "http://127.0.0.1:9",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            "AWS_LAMBDA_FUNCTION_NAME": "f",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_FORMAT": "JSON",
            "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/f",
            "AWS_LAMBDA_LOG_LEVEL": "INFO",
            "AWS_REGION": "eu-central-1",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_SESSION_TOKEN": "local",
            "DYNAMODB_ENDPOINT": "http://127.0.0.1:9",
            "LANG": "en_US.UTF-8",
            "MINE": "yes \"quoted\"",
            "PATH": "/usr/local/bin:/usr/bin:/bin:/opt/bin",
            "TZ": ":UTC",
        })
    );
}

#[tokio::test]
async fn dynamodb_endpoint_of_spec_is_kept() {
    let env = FunctionTestEnv::new();
    env.deploy(|spec| {
        let name = "AWS_ENDPOINT_URL_DYNAMODB".to_owned();
        spec.environment.insert(name, SpecValue::Literal("http://127.0.0.1:1".to_owned()));
    })
    .await;
    let response = env.invoke(r#""do=env""#).await;
    assert!(!text(&response.payload).contains("\"DYNAMODB_ENDPOINT\""), "{}", text(&response.payload));
}

#[tokio::test]
async fn event_has_headers_of_lambda() {
    let env = FunctionTestEnv::new();
    env.deploy(|_| {}).await;
    let response = env.invoke(r#""do=headers""#).await;
    let headers = text(&response.payload);
    assert!(headers.contains(&response.request_id), "{headers}");
    assert!(headers.contains("arn:aws:lambda:eu-central-1:000000000000:function:f"), "{headers}");
    for name in ["lambda-runtime-deadline-ms", "Root=1-", "application/json"] {
        assert!(headers.contains(name), "{name} in {headers}");
    }
}

#[tokio::test]
async fn sequential_invocations_reuse_one_process() {
    let env = FunctionTestEnv::new();
    env.deploy(|_| {}).await;
    let first = env.invoke(r#""do=pid""#).await.payload;
    for _ in 0..20 {
        assert_eq!(env.invoke(r#""do=pid""#).await.payload, first);
    }
    assert_eq!(env.runner.idle_processes("f"), 1);
}

#[tokio::test]
async fn reservation_limits_concurrency_exactly() {
    let env = FunctionTestEnv::new();
    env.deploy(|spec| spec.reserved_concurrency = Some(2)).await;
    let calls = (0..8).map(|_| env.runner.invoke("f", Bytes::from_static(br#""do=sleep:400""#)));
    let (mut served, mut refused) = (0, 0);
    for result in futures::future::join_all(calls).await {
        match result {
            Ok(invocation) => {
                assert_eq!(text(&invocation.payload), "\"slept\"");
                served += 1;
            }
            Err(error) => {
                assert_eq!(error, InvokeError::TooManyRequests { reason: RESERVED_LIMIT });
                refused += 1;
            }
        }
    }
    assert_eq!((served, refused), (2, 6));
    // The concurrency is free as soon as the result has arrived.
    for _ in 0..50 {
        env.invoke("{}").await;
    }
    env.deploy(|spec| spec.reserved_concurrency = Some(0)).await;
    assert!(env.runner.invoke("f", Bytes::from_static(b"{}")).await.is_err());
    assert_eq!(env.runner.idle_processes("f"), 2, "a change of the reservation alone keeps the processes");
}

#[tokio::test]
async fn account_concurrency_limits_unreserved_functions() {
    let env = FunctionTestEnv::with_concurrency(1);
    env.deploy(|_| {}).await;
    let call = || env.runner.invoke("f", Bytes::from_static(br#""do=sleep:300""#));
    let (first, second) = tokio::join!(call(), call());
    assert!(first.is_ok());
    assert_eq!(
        second.err(),
        Some(InvokeError::TooManyRequests { reason: "ConcurrentInvocationLimitExceeded" })
    );
}

#[tokio::test]
async fn invocation_over_timeout_is_killed() {
    let env = FunctionTestEnv::new();
    env.deploy(|spec| spec.timeout_s = 1).await;
    let timed_out = env.invoke(r#""do=sleep:60000""#).await;
    let expected = json!({"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: ID Error: Task timed out after 1.00 seconds"});
    assert_eq!(error(&timed_out), expected);
    assert!(timed_out.duration_ms >= 1000.0 && timed_out.duration_ms < 3000.0, "{}", timed_out.duration_ms);
    assert!(timed_out.log_tail.contains("Task timed out after 1.00 seconds"), "{}", timed_out.log_tail);
    assert!(timed_out.log_tail.contains("Status: timeout"), "{}", timed_out.log_tail);
    assert_eq!(text(&env.invoke("1").await.payload), "1");
}

#[tokio::test]
async fn crashes_and_errors_are_reported_as_by_lambda() {
    let env = FunctionTestEnv::new();
    env.deploy(|_| {}).await;
    let message = |message: &str| json!({"errorType": "Runtime.ExitError", "errorMessage": format!("RequestId: ID Error: {message}")});
    let crash = env.invoke(r#""do=crash:3""#).await;
    assert_eq!(error(&crash), message("Runtime exited with error: exit status 3"));
    assert!(crash.log_tail.contains("Error Type: Runtime.ExitError"), "{}", crash.log_tail);
    let crash = env.invoke(r#""do=crash:0""#).await;
    assert_eq!(error(&crash), message("Runtime exited without providing a reason"));
    let crash = env.invoke(r#""do=abort""#).await;
    assert_eq!(error(&crash), message("Runtime exited with error: signal: aborted"));
    let failed = env.invoke(r#""do=error""#).await;
    assert_eq!(error(&failed), json!({"errorType": "My.Error", "errorMessage": "requested error"}));
    assert!(failed.log_tail.contains("Error Type: My.Error"), "{}", failed.log_tail);
    assert_eq!(text(&env.invoke("1").await.payload), "1");
}

#[tokio::test]
async fn response_of_exiting_process_is_delivered() {
    let env = FunctionTestEnv::new();
    env.deploy(|_| {}).await;
    for _ in 0..10 {
        let response = env.invoke(r#""do=last""#).await;
        assert_eq!((text(&response.payload), response.function_error), (r#""do=last""#, None));
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn invocation_over_memory_limit_is_killed() {
    let env = FunctionTestEnv::new();
    env.deploy(|spec| spec.memory_mb = 64).await;
    let killed = env.invoke(r#""do=eat:100""#).await;
    let message = "RequestId: ID Error: Runtime exited with error: signal: killed";
    assert_eq!(error(&killed), json!({"errorType": "Runtime.ExitError", "errorMessage": message}));
    assert_eq!(killed.max_memory_mb, 64);
    assert!(killed.log_tail.contains("Max Memory Used: 64 MB"), "{}", killed.log_tail);
    assert_eq!(text(&env.invoke("1").await.payload), "1");
}

#[tokio::test]
async fn invocation_with_failing_start_reports_cause() {
    let env = FunctionTestEnv::new();
    let init = |how: &str| {
        let how = SpecValue::Literal(how.to_owned());
        move |spec: &mut hitctl_resources::FunctionSpec| drop(spec.environment.insert("INIT".to_owned(), how))
    };
    env.deploy(init("crash")).await;
    let crash = env.invoke("{}").await;
    let message = "RequestId: ID Error: Runtime exited with error: exit status 7";
    assert_eq!(error(&crash), json!({"errorType": "Runtime.ExitError", "errorMessage": message}));
    env.deploy(init("error")).await;
    let failed = env.invoke("{}").await;
    assert_eq!(error(&failed), json!({"errorType": "Init.Bad", "errorMessage": "failed to initialize"}));
    assert!(env.log().iter().any(|line| line.contains("Phase: init\tStatus: error")));
}

#[tokio::test]
async fn program_that_cannot_run_is_function_error() {
    let env = FunctionTestEnv::new();
    let spec = env.program_spec(b"#!/no/such/interpreter\n");
    env.runner.put("f", &spec).await.unwrap();
    let failed = error(&env.invoke("{}").await);
    assert_eq!(failed["errorType"], "Runtime.InvalidEntrypoint");
    assert!(failed["errorMessage"].as_str().unwrap().contains("No such file"), "{failed}");
    let fault = env.runner.put("f", &env.program_spec(b"neither")).await.unwrap_err();
    assert_eq!(fault.code, "bad_zip");
}

#[tokio::test]
async fn payload_over_lambda_limit_is_refused() {
    let env = FunctionTestEnv::new();
    env.deploy(|_| {}).await;
    let limit = 6 * 1024 * 1024;
    let result = env.runner.invoke("f", Bytes::from(vec![b'1'; limit + 1])).await;
    assert_eq!(result.err(), Some(InvokeError::PayloadTooLarge));
    let largest = Bytes::from(vec![b'1'; limit]);
    assert_eq!(env.runner.invoke("f", largest.clone()).await.unwrap().payload, largest);
    let large = env.invoke(&format!(r#""do=large:{}""#, limit + 101)).await;
    assert_eq!(error(&large)["errorType"], "Function.ResponseSizeTooLarge");
    // The process received the error response, and continues.
    assert_eq!(text(&env.invoke("1").await.payload), "1");
    assert!(env.log().iter().any(|line| line == "response rejected: too large"));
    assert_eq!(env.runner.invoke("g", Bytes::new()).await.err(), Some(InvokeError::NoSuchFunction));
}

#[tokio::test(flavor = "multi_thread")]
async fn function_changes_under_load_lose_no_invocation() {
    let env = FunctionTestEnv::new();
    let build = |number: u32| {
        move |spec: &mut hitctl_resources::FunctionSpec| {
            drop(spec.environment.insert("BUILD".to_owned(), SpecValue::Literal(number.to_string())));
        }
    };
    env.deploy(build(0)).await;
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let runner = env.runner.clone();
            tokio::spawn(async move {
                let mut builds = Vec::new();
                while builds.last().is_none_or(|last| last != "\"5\"") {
                    let response = runner.invoke("f", Bytes::from_static(br#""do=build""#)).await.unwrap();
                    assert_eq!(response.function_error, None, "{}", text(&response.payload));
                    builds.push(text(&response.payload).to_owned());
                }
                builds
            })
        })
        .collect();
    for number in 1..=5 {
        env.deploy(build(number)).await;
        assert_eq!(env.invoke(r#""do=build""#).await.payload, format!("\"{number}\""));
    }
    for caller in callers {
        let builds = caller.await.unwrap();
        assert!(builds.is_sorted(), "an old version after a new one: {builds:?}");
    }
}

#[tokio::test]
async fn delete_lets_running_invocation_finish_and_refuses_new_ones() {
    let env = FunctionTestEnv::new();
    env.deploy(|_| {}).await;
    let pid: u32 = text(&env.invoke(r#""do=pid""#).await.payload).parse().unwrap();
    let running = env.runner.clone();
    let running =
        tokio::spawn(async move { running.invoke("f", Bytes::from_static(br#""do=sleep:300""#)).await });
    wait_until(|| env.runner.idle_processes("f") == 0).await;
    env.runner.delete("f").await;
    assert_eq!(env.runner.invoke("f", Bytes::new()).await.err(), Some(InvokeError::NoSuchFunction));
    assert_eq!(text(&running.await.unwrap().unwrap().payload), "\"slept\"");
    env.runner.stop().await;
    assert!(!alive(pid));
}

#[tokio::test]
async fn stop_ends_every_process_after_its_invocation() {
    let env = FunctionTestEnv::new();
    env.deploy(|_| {}).await;
    let pid: u32 = text(&env.invoke(r#""do=pid""#).await.payload).parse().unwrap();
    let runner = env.runner.clone();
    let running =
        tokio::spawn(async move { runner.invoke("f", Bytes::from_static(br#""do=sleep:300""#)).await });
    wait_until(|| env.runner.idle_processes("f") == 0).await;
    env.runner.stop().await;
    assert_eq!(text(&running.await.unwrap().unwrap().payload), "\"slept\"");
    assert_eq!(env.runner.invoke("f", Bytes::new()).await.err(), Some(InvokeError::Stopping));
    assert!(!alive(pid));
}

#[tokio::test]
async fn invocation_continues_after_caller_is_dropped() {
    let env = FunctionTestEnv::new();
    env.deploy(|spec| spec.reserved_concurrency = Some(1)).await;
    env.invoke("{}").await;
    {
        let mut call = Box::pin(env.runner.invoke("f", Bytes::from_static(br#""do=sleep:800""#)));
        assert!(futures::poll!(&mut call).is_pending());
    }
    assert!(
        env.runner.invoke("f", Bytes::new()).await.is_err(),
        "the dropped invocation still uses the concurrency"
    );
    wait_until(|| env.runner.idle_processes("f") > 0).await;
    assert_eq!(env.log().iter().filter(|line| line.starts_with("REPORT")).count(), 2);
}

fn alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
