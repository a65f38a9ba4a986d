//! Calls the function by Lambda's Invoke, and reads how long it took from the end of its log.

use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::config::Builder;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LogType;
use aws_types::SdkConfig;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hitctl_engine::{Cx, Fault, FaultKind, Sink, Wait};
use hitctl_resources::aws::fault::{Doing, ToFault as _};
use hitctl_stack::address;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::web::CONNECT;
use crate::cloud::Answer;

/// What a call may take on top of the function's own time: the start of the runtime, and the way.
const AROUND: Duration = Duration::from_secs(30);
/// How long a busy function is asked again: with one invocation at a time, another may be running.
const BUSY: Duration = Duration::from_secs(10);

/// Calls the function and waits for its answer. It counts, so that it is not sent twice: only a call that was turned away
/// unread is sent again.
pub(super) async fn invoke(
    config: &SdkConfig,
    function: &str,
    alias: Option<&str>,
    timeout_s: u32,
    event: &Json,
) -> Result<Answer, Fault> {
    let within = Duration::from_secs(u64::from(timeout_s)) + AROUND;
    let bounds = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(within)
        .operation_timeout(within)
        .build();
    let config = Builder::from(config).retry_config(RetryConfig::disabled()).timeout_config(bounds).build();
    let client = aws_sdk_lambda::Client::from_conf(config);
    let doing = Doing::new("call", format!("function {function}"), "lambda:Invoke");
    let payload = event.to_string().into_bytes();
    let send = |alias: Option<&str>| {
        let call = client.invoke().function_name(function).set_qualifier(alias.map(str::to_owned));
        call.log_type(LogType::Tail).payload(Blob::new(payload.clone())).send()
    };
    let cx = Cx::new(address::counter(), Sink::none(), CancellationToken::new());
    let begun = Instant::now();
    let output = cx
        .wait(
            &Wait::up_to(BUSY).each_within(within + AROUND),
            "waiting for the function to be free",
            || async {
                let answer = match send(alias).await {
                    // Deployed without versions: there is no alias.
                    Err(error) if alias.is_some() && error.is("ResourceNotFoundException") => {
                        send(None).await
                    }
                    other => other,
                };
                answer.map_err(|error| {
                    let fault = error.fault(&doing);
                    match fault.code.as_str() {
                        "TooManyRequestsException" => Fault { message: busy(function), ..fault },
                        "ResourceNotFoundException" => settled(fault).hinted("run `hitctl deploy` first"),
                        _ => settled(fault),
                    }
                })
            },
        )
        .await?;
    let measured = begun.elapsed().as_secs_f64() * 1_000.0;
    let tail = output.log_result().and_then(|log| BASE64_STANDARD.decode(log).ok()).unwrap_or_default();
    let log_tail = String::from_utf8_lossy(&tail).into_owned();
    let payload = output.payload().map(Blob::as_ref).unwrap_or_default();
    Ok(Answer {
        payload: json(payload),
        function_error: output.function_error().map(str::to_owned),
        duration_ms: duration(&log_tail).unwrap_or(measured),
        log_tail,
    })
}

/// Where the code of a function can be fetched.
pub(super) async fn code(config: &SdkConfig, function: &str) -> Result<String, Fault> {
    let doing = Doing::new("read", format!("function {function}"), "lambda:GetFunction");
    let client = aws_sdk_lambda::Client::new(config);
    let answer =
        client.get_function().function_name(function).send().await.map_err(|error| error.fault(&doing))?;
    let location = answer.code().and_then(|code| code.location());
    location.map(str::to_owned).ok_or_else(|| {
        Fault::fatal("no_code_url", format!("Lambda does not say where the code of function {function} is"))
    })
}

fn busy(function: &str) -> String {
    format!("failed to call function {function}: as many invocations as it may have are running")
}

/// A fault that is not tried again: the function may have run.
fn settled(fault: Fault) -> Fault {
    let kind = if fault.kind == FaultKind::Transient { FaultKind::Fatal } else { fault.kind };
    Fault { kind, ..fault }
}

/// An answer as JSON; text where it is none.
fn json(payload: &[u8]) -> Json {
    if payload.is_empty() {
        return Json::Null;
    }
    serde_json::from_slice(payload).unwrap_or_else(|_| String::from_utf8_lossy(payload).into_owned().into())
}

/// The milliseconds that the report at the end of a log tail names, in either of Lambda's formats.
fn duration(log: &str) -> Option<f64> {
    log.lines().rev().find_map(|line| {
        if let Some(report) = line.strip_prefix("REPORT ") {
            let parts = report.split('\t').find_map(|part| part.trim().strip_prefix("Duration:"));
            return parts?.trim().trim_end_matches("ms").trim().parse().ok();
        }
        let line: Json = serde_json::from_str(line).ok()?;
        let report = line.get("type").and_then(Json::as_str) == Some("platform.report");
        report.then(|| line.pointer("/record/metrics/durationMs").and_then(Json::as_f64)).flatten()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_duration_is_that_of_the_report() {
        let text = "START RequestId: 8f Version: 1\nhello\nEND RequestId: 8f\n\
                    REPORT RequestId: 8f\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\t\n";
        assert_eq!(duration(text), Some(1.23));
        let json = r#"{"time":"2026-09-20T10:00:00Z","type":"platform.start","record":{"requestId":"8f"}}
{"level":"INFO","message":"REPORT me"}
{"time":"2026-09-20T10:00:00Z","type":"platform.report","record":{"requestId":"8f","metrics":{"durationMs":4.5,"billedDurationMs":5}}}
"#;
        assert_eq!(duration(json), Some(4.5));
        for none in
            ["", "REPORT", "REPORT RequestId: 8f\tBilled Duration: 2 ms", "{\"type\":\"platform.report\"}"]
        {
            assert_eq!(duration(none), None, "{none}");
        }
    }

    #[test]
    fn an_answer_that_is_no_json_is_text() {
        assert_eq!(json(br#"{"a":1}"#), serde_json::json!({"a": 1}));
        assert_eq!(json(b"hello"), serde_json::json!("hello"));
        assert_eq!(json(b""), Json::Null);
    }
}
