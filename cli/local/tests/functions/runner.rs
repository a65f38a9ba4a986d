//! The runner with real processes: what they are given, and how each way of ending is told.

use bytes::Bytes;
use hitctl_engine::Value;
use hitctl_local::lambda::{InvokeError, RESERVED_LIMIT};
use serde_json::json;

use crate::harness::{Cloud, until};

fn text(payload: &Bytes) -> &str {
    str::from_utf8(payload).unwrap()
}

/// The error of an invocation, without its request id.
fn error(invocation: &hitctl_local::lambda::Invocation) -> serde_json::Value {
    assert_eq!(invocation.function_error.as_deref(), Some("Unhandled"), "{}", text(&invocation.payload));
    let text = text(&invocation.payload).replace(&invocation.request_id, "ID");
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn an_invocation_answers_and_is_logged_as_by_lambda() {
    let cloud = Cloud::new();
    cloud.deploy(|_| {}).await;
    let cold = cloud.invoke(r#"{"hello":"do=print"}"#).await;
    assert_eq!((text(&cold.payload), cold.function_error.clone()), ("null", None));
    assert!(cold.init_ms.unwrap() > 0.0 && cold.duration_ms > 0.0 && cold.max_memory_mb > 0);
    let warm = cloud.invoke("{}").await;
    assert_eq!((text(&warm.payload), warm.init_ms), ("{}", None));

    let log = cloud.log().join("\n").replace(&cold.request_id, "COLD").replace(&warm.request_id, "WARM");
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
async fn the_environment_is_lambdas_and_nothing_else() {
    let cloud = Cloud::new();
    cloud
        .deploy(|spec| {
            spec.environment.insert("MINE".to_owned(), Value::Literal("yes \"quoted\"".to_owned()));
            spec.environment.insert("AWS_REGION".to_owned(), Value::Literal("mars".to_owned()));
        })
        .await;
    let answer = cloud.invoke(r#""do=env""#).await;
    let mut all: serde_json::Value = serde_json::from_str(text(&answer.payload)).unwrap();
    let task_root = all["LAMBDA_TASK_ROOT"].clone();
    assert_eq!(all["cwd"], task_root);
    assert!(all["AWS_LAMBDA_RUNTIME_API"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert!(all["AWS_LAMBDA_LOG_STREAM_NAME"].as_str().unwrap().starts_with("local/[$LATEST]"));
    for name in [
        "cwd",
        "LAMBDA_TASK_ROOT",
        "LAMBDA_RUNTIME_DIR",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_LAMBDA_LOG_STREAM_NAME",
    ] {
        all.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(
        all,
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
async fn a_table_of_the_functions_own_choice_wins() {
    let cloud = Cloud::new();
    cloud
        .deploy(|spec| {
            let name = "AWS_ENDPOINT_URL_DYNAMODB".to_owned();
            spec.environment.insert(name, Value::Literal("http://127.0.0.1:1".to_owned()));
        })
        .await;
    let answer = cloud.invoke(r#""do=env""#).await;
    assert!(!text(&answer.payload).contains("\"DYNAMODB_ENDPOINT\""), "{}", text(&answer.payload));
}

#[tokio::test]
async fn the_event_comes_with_lambdas_headers() {
    let cloud = Cloud::new();
    cloud.deploy(|_| {}).await;
    let answer = cloud.invoke(r#""do=headers""#).await;
    let all = text(&answer.payload);
    assert!(all.contains(&answer.request_id), "{all}");
    assert!(all.contains("arn:aws:lambda:eu-central-1:000000000000:function:f"), "{all}");
    for name in ["lambda-runtime-deadline-ms", "Root=1-", "application/json"] {
        assert!(all.contains(name), "{name} in {all}");
    }
}

#[tokio::test]
async fn one_process_serves_one_after_the_other() {
    let cloud = Cloud::new();
    cloud.deploy(|_| {}).await;
    let first = cloud.invoke(r#""do=pid""#).await.payload;
    for _ in 0..20 {
        assert_eq!(cloud.invoke(r#""do=pid""#).await.payload, first);
    }
    assert_eq!(cloud.runner.idle_processes("f"), 1);
}

#[tokio::test]
async fn a_reservation_is_exact() {
    let cloud = Cloud::new();
    cloud.deploy(|spec| spec.reserved_concurrency = Some(2)).await;
    let calls = (0..8).map(|_| cloud.runner.invoke("f", Bytes::from_static(br#""do=sleep:400""#)));
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
    // The places are free as soon as the answer is there.
    for _ in 0..50 {
        cloud.invoke("{}").await;
    }
    cloud.deploy(|spec| spec.reserved_concurrency = Some(0)).await;
    assert!(cloud.runner.invoke("f", Bytes::from_static(b"{}")).await.is_err());
    assert_eq!(cloud.runner.idle_processes("f"), 2, "a change of the reservation alone keeps the processes");
}

#[tokio::test]
async fn the_accounts_pool_is_bounded_too() {
    let cloud = Cloud::with_concurrency(1);
    cloud.deploy(|_| {}).await;
    let call = || cloud.runner.invoke("f", Bytes::from_static(br#""do=sleep:300""#));
    let (first, second) = tokio::join!(call(), call());
    assert!(first.is_ok());
    assert_eq!(
        second.err(),
        Some(InvokeError::TooManyRequests { reason: "ConcurrentInvocationLimitExceeded" })
    );
}

#[tokio::test]
async fn what_takes_too_long_is_killed() {
    let cloud = Cloud::new();
    cloud.deploy(|spec| spec.timeout_s = 1).await;
    let slow = cloud.invoke(r#""do=sleep:60000""#).await;
    let expected = json!({"errorType": "Sandbox.Timedout", "errorMessage": "RequestId: ID Error: Task timed out after 1.00 seconds"});
    assert_eq!(error(&slow), expected);
    assert!(slow.duration_ms >= 1000.0 && slow.duration_ms < 3000.0, "{}", slow.duration_ms);
    assert!(slow.log_tail.contains("Task timed out after 1.00 seconds"), "{}", slow.log_tail);
    assert!(slow.log_tail.contains("Status: timeout"), "{}", slow.log_tail);
    assert_eq!(text(&cloud.invoke("1").await.payload), "1");
}

#[tokio::test]
async fn crashes_and_errors_are_told_as_by_lambda() {
    let cloud = Cloud::new();
    cloud.deploy(|_| {}).await;
    let message = |words: &str| json!({"errorType": "Runtime.ExitError", "errorMessage": format!("RequestId: ID Error: {words}")});
    let crash = cloud.invoke(r#""do=crash:3""#).await;
    assert_eq!(error(&crash), message("Runtime exited with error: exit status 3"));
    assert!(crash.log_tail.contains("Error Type: Runtime.ExitError"), "{}", crash.log_tail);
    let crash = cloud.invoke(r#""do=crash:0""#).await;
    assert_eq!(error(&crash), message("Runtime exited without providing a reason"));
    let crash = cloud.invoke(r#""do=abort""#).await;
    assert_eq!(error(&crash), message("Runtime exited with error: signal: aborted"));
    let told = cloud.invoke(r#""do=error""#).await;
    assert_eq!(error(&told), json!({"errorType": "My.Error", "errorMessage": "as told"}));
    assert!(told.log_tail.contains("Error Type: My.Error"), "{}", told.log_tail);
    assert_eq!(text(&cloud.invoke("1").await.payload), "1");
}

#[tokio::test]
async fn an_answer_counts_even_when_its_process_ends_at_once() {
    let cloud = Cloud::new();
    cloud.deploy(|_| {}).await;
    for _ in 0..10 {
        let answer = cloud.invoke(r#""do=last""#).await;
        assert_eq!((text(&answer.payload), answer.function_error), (r#""do=last""#, None));
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn what_takes_too_much_memory_is_killed() {
    let cloud = Cloud::new();
    cloud.deploy(|spec| spec.memory_mb = 64).await;
    let killed = cloud.invoke(r#""do=eat:100""#).await;
    let words = "RequestId: ID Error: Runtime exited with error: signal: killed";
    assert_eq!(error(&killed), json!({"errorType": "Runtime.ExitError", "errorMessage": words}));
    assert_eq!(killed.max_memory_mb, 64);
    assert!(killed.log_tail.contains("Max Memory Used: 64 MB"), "{}", killed.log_tail);
    assert_eq!(text(&cloud.invoke("1").await.payload), "1");
}

#[tokio::test]
async fn a_failing_start_is_reported() {
    let cloud = Cloud::new();
    let init = |how: &str| {
        let how = Value::Literal(how.to_owned());
        move |spec: &mut hitctl_resources::FunctionSpec| drop(spec.environment.insert("INIT".to_owned(), how))
    };
    cloud.deploy(init("crash")).await;
    let crash = cloud.invoke("{}").await;
    let words = "RequestId: ID Error: Runtime exited with error: exit status 7";
    assert_eq!(error(&crash), json!({"errorType": "Runtime.ExitError", "errorMessage": words}));
    cloud.deploy(init("error")).await;
    let told = cloud.invoke("{}").await;
    assert_eq!(error(&told), json!({"errorType": "Init.Bad", "errorMessage": "no luck"}));
    assert!(cloud.log().iter().any(|line| line.contains("Phase: init\tStatus: error")));
}

#[tokio::test]
async fn a_program_that_cannot_run_is_a_function_error() {
    let cloud = Cloud::new();
    let spec = cloud.program(b"#!/no/such/interpreter\n");
    cloud.runner.put("f", &spec).await.unwrap();
    let failed = error(&cloud.invoke("{}").await);
    assert_eq!(failed["errorType"], "Runtime.InvalidEntrypoint");
    assert!(failed["errorMessage"].as_str().unwrap().contains("No such file"), "{failed}");
    let fault = cloud.runner.put("f", &cloud.program(b"neither")).await.unwrap_err();
    assert_eq!(fault.code, "bad_zip");
}

#[tokio::test]
async fn payloads_have_lambdas_limits() {
    let cloud = Cloud::new();
    cloud.deploy(|_| {}).await;
    let limit = 6 * 1024 * 1024;
    let result = cloud.runner.invoke("f", Bytes::from(vec![b'1'; limit + 1])).await;
    assert_eq!(result.err(), Some(InvokeError::PayloadTooLarge));
    let largest = Bytes::from(vec![b'1'; limit]);
    assert_eq!(cloud.runner.invoke("f", largest.clone()).await.unwrap().payload, largest);
    let large = cloud.invoke(&format!(r#""do=large:{}""#, limit + 101)).await;
    assert_eq!(error(&large)["errorType"], "Function.ResponseSizeTooLarge");
    // Its process was told, and goes on.
    assert_eq!(text(&cloud.invoke("1").await.payload), "1");
    assert!(cloud.log().iter().any(|line| line == "told that it is too large"));
    assert_eq!(cloud.runner.invoke("g", Bytes::new()).await.err(), Some(InvokeError::NoSuchFunction));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_under_load_loses_no_invocation() {
    let cloud = Cloud::new();
    let build = |number: u32| {
        move |spec: &mut hitctl_resources::FunctionSpec| {
            drop(spec.environment.insert("BUILD".to_owned(), Value::Literal(number.to_string())));
        }
    };
    cloud.deploy(build(0)).await;
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let runner = cloud.runner.clone();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while seen.last().is_none_or(|last| last != "\"5\"") {
                    let answer = runner.invoke("f", Bytes::from_static(br#""do=build""#)).await.unwrap();
                    assert_eq!(answer.function_error, None, "{}", text(&answer.payload));
                    seen.push(text(&answer.payload).to_owned());
                }
                seen
            })
        })
        .collect();
    for number in 1..=5 {
        cloud.deploy(build(number)).await;
        assert_eq!(cloud.invoke(r#""do=build""#).await.payload, format!("\"{number}\""));
    }
    for caller in callers {
        let seen = caller.await.unwrap();
        assert!(seen.is_sorted(), "an old version after a new one: {seen:?}");
    }
}

#[tokio::test]
async fn deleting_lets_what_runs_finish_and_refuses_the_rest() {
    let cloud = Cloud::new();
    cloud.deploy(|_| {}).await;
    let pid: u32 = text(&cloud.invoke(r#""do=pid""#).await.payload).parse().unwrap();
    let running = cloud.runner.clone();
    let running =
        tokio::spawn(async move { running.invoke("f", Bytes::from_static(br#""do=sleep:300""#)).await });
    until(|| cloud.runner.idle_processes("f") == 0).await;
    cloud.runner.delete("f").await;
    assert_eq!(cloud.runner.invoke("f", Bytes::new()).await.err(), Some(InvokeError::NoSuchFunction));
    assert_eq!(text(&running.await.unwrap().unwrap().payload), "\"slept\"");
    cloud.runner.stop().await;
    assert!(!alive(pid));
}

#[tokio::test]
async fn stopping_ends_every_process_after_its_answer() {
    let cloud = Cloud::new();
    cloud.deploy(|_| {}).await;
    let pid: u32 = text(&cloud.invoke(r#""do=pid""#).await.payload).parse().unwrap();
    let runner = cloud.runner.clone();
    let running =
        tokio::spawn(async move { runner.invoke("f", Bytes::from_static(br#""do=sleep:300""#)).await });
    until(|| cloud.runner.idle_processes("f") == 0).await;
    cloud.runner.stop().await;
    assert_eq!(text(&running.await.unwrap().unwrap().payload), "\"slept\"");
    assert_eq!(cloud.runner.invoke("f", Bytes::new()).await.err(), Some(InvokeError::Stopping));
    assert!(!alive(pid));
}

#[tokio::test]
async fn an_invocation_goes_on_when_its_caller_does_not() {
    let cloud = Cloud::new();
    cloud.deploy(|spec| spec.reserved_concurrency = Some(1)).await;
    cloud.invoke("{}").await;
    {
        let mut call = Box::pin(cloud.runner.invoke("f", Bytes::from_static(br#""do=sleep:800""#)));
        assert!(futures::poll!(&mut call).is_pending());
    }
    assert!(cloud.runner.invoke("f", Bytes::new()).await.is_err(), "its place is still taken");
    until(|| cloud.runner.idle_processes("f") > 0).await;
    assert_eq!(cloud.log().iter().filter(|line| line.starts_with("REPORT")).count(), 2);
}

fn alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
