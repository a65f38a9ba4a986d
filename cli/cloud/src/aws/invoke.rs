//! Calls a function by Lambda's `Invoke`, and reads its duration from the log tail.

use std::time::{Duration, Instant};

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_lambda::config::Builder;
use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::LogType;
use aws_types::SdkConfig;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hitctl_engine::{DriverContext, EventSink, Fault, FaultKind, RetryPolicy};
use hitctl_resources::aws::fault::{ApiOperation, ToFault as _};
use hitctl_stack::address;
use serde_json::Value as Json;
use tokio_util::sync::CancellationToken;

use super::web::CONNECT_TIMEOUT;
use crate::cloud::InvokeResult;

/// The time that a call may take in addition to the function's timeout, for the start of the runtime and the
/// network.
const CALL_OVERHEAD: Duration = Duration::from_secs(30);
/// How long a throttled invocation is retried. With a reserved concurrency of 1, another invocation may be
/// running.
const THROTTLE_RETRY_TIME: Duration = Duration::from_secs(10);

/// Calls the function and waits for its response. An invocation may count a view, so it is retried only if
/// Lambda rejected it before it ran the function.
pub(super) async fn invoke(
    config: &SdkConfig,
    function: &str,
    alias: Option<&str>,
    timeout_s: u32,
    event: &Json,
) -> Result<InvokeResult, Fault> {
    let time_limit = Duration::from_secs(u64::from(timeout_s)) + CALL_OVERHEAD;
    let timeout_config = TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(time_limit)
        .operation_timeout(time_limit)
        .build();
    let config =
        Builder::from(config).retry_config(RetryConfig::disabled()).timeout_config(timeout_config).build();
    let client = aws_sdk_lambda::Client::from_conf(config);
    let operation = ApiOperation::new("call", format!("function {function}"), "lambda:Invoke");
    let payload = event.to_string().into_bytes();
    let send = |alias: Option<&str>| {
        let call = client.invoke().function_name(function).set_qualifier(alias.map(str::to_owned));
        call.log_type(LogType::Tail).payload(Blob::new(payload.clone())).send()
    };
    let cx = DriverContext::new(address::counter(), EventSink::none(), CancellationToken::new());
    let started = Instant::now();
    let output = cx
        .retry(
            &RetryPolicy::with_budget(THROTTLE_RETRY_TIME).with_attempt_timeout(time_limit + CALL_OVERHEAD),
            "waiting until the function has free concurrency",
            || async {
                let response = match send(alias).await {
                    // The function was deployed without versions and has no alias.
                    Err(error) if alias.is_some() && error.has_code("ResourceNotFoundException") => {
                        send(None).await
                    }
                    result => result,
                };
                response.map_err(|error| {
                    let fault = error.to_fault(&operation);
                    match fault.code.as_str() {
                        "TooManyRequestsException" => Fault { message: throttled_message(function), ..fault },
                        "ResourceNotFoundException" => {
                            not_retryable(fault).hinted("run `hitctl deploy` first")
                        }
                        _ => not_retryable(fault),
                    }
                })
            },
        )
        .await?;
    let measured_ms = started.elapsed().as_secs_f64() * 1_000.0;
    let tail = output.log_result().and_then(|log| BASE64_STANDARD.decode(log).ok()).unwrap_or_default();
    let log_tail = String::from_utf8_lossy(&tail).into_owned();
    let payload = output.payload().map(Blob::as_ref).unwrap_or_default();
    Ok(InvokeResult {
        payload: parse_payload(payload),
        function_error: output.function_error().map(str::to_owned),
        duration_ms: reported_duration(&log_tail).unwrap_or(measured_ms),
        log_tail,
    })
}

/// Returns the presigned URL of a function's code package.
pub(super) async fn code_url(config: &SdkConfig, function: &str) -> Result<String, Fault> {
    let operation = ApiOperation::new("read", format!("function {function}"), "lambda:GetFunction");
    let client = aws_sdk_lambda::Client::new(config);
    let response = client
        .get_function()
        .function_name(function)
        .send()
        .await
        .map_err(|error| error.to_fault(&operation))?;
    let location = response.code().and_then(|code| code.location());
    location.map(str::to_owned).ok_or_else(|| {
        Fault::fatal("no_code_url", format!("Lambda returned no code location for function {function}"))
    })
}

fn throttled_message(function: &str) -> String {
    format!("failed to call function {function}: its concurrency limit is reached")
}

/// Makes a transient fault fatal: the function may have run, so the call must not be repeated.
fn not_retryable(fault: Fault) -> Fault {
    let kind = if fault.kind == FaultKind::Transient { FaultKind::Fatal } else { fault.kind };
    Fault { kind, ..fault }
}

/// Parses a response payload as JSON. A payload that is not JSON becomes a JSON string.
fn parse_payload(payload: &[u8]) -> Json {
    if payload.is_empty() {
        return Json::Null;
    }
    serde_json::from_slice(payload).unwrap_or_else(|_| String::from_utf8_lossy(payload).into_owned().into())
}

/// Returns the duration in milliseconds from the report at the end of a log tail. Reads both log formats of
/// Lambda, text and JSON.
fn reported_duration(log: &str) -> Option<f64> {
    log.lines().rev().find_map(|line| {
        if let Some(report) = line.strip_prefix("REPORT ") {
            let duration_part = report.split('\t').find_map(|part| part.trim().strip_prefix("Duration:"));
            return duration_part?.trim().trim_end_matches("ms").trim().parse().ok();
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
    fn reported_duration_reads_text_and_json_reports() {
        let text = "START RequestId: 8f Version: 1\nhello\nEND RequestId: 8f\n\
                    REPORT RequestId: 8f\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB\t\n";
        assert_eq!(reported_duration(text), Some(1.23));
        let json_log = r#"{"time":"2026-09-20T10:00:00Z","type":"platform.start","record":{"requestId":"8f"}}
{"level":"INFO","message":"REPORT me"}
{"time":"2026-09-20T10:00:00Z","type":"platform.report","record":{"requestId":"8f","metrics":{"durationMs":4.5,"billedDurationMs":5}}}
"#;
        assert_eq!(reported_duration(json_log), Some(4.5));
        for none in
            ["", "REPORT", "REPORT RequestId: 8f\tBilled Duration: 2 ms", "{\"type\":\"platform.report\"}"]
        {
            assert_eq!(reported_duration(none), None, "{none}");
        }
    }

    #[test]
    fn payload_that_is_not_json_becomes_string() {
        assert_eq!(parse_payload(br#"{"a":1}"#), serde_json::json!({"a": 1}));
        assert_eq!(parse_payload(b"hello"), serde_json::json!("hello"));
        assert_eq!(parse_payload(b""), Json::Null);
    }
}
