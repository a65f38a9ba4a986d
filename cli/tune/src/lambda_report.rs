//! Parses the report that Lambda logs for each invocation, in its text and its JSON format.

use hitctl_stack::memory::InvocationTiming;
use serde_json::Value as Json;

/// Returns the timing from the last report in a log tail. All its fields are `None` if there is no report.
pub(super) fn parse_timing(log: &str) -> InvocationTiming {
    log.lines().rev().find_map(|line| parse_text(line).or_else(|| parse_json(line))).unwrap_or_default()
}

/// Parses `REPORT RequestId: ..<TAB>Duration: 1.23 ms<TAB>Billed Duration: 2 ms<TAB>..<TAB>Init Duration: 30.00 ms`.
fn parse_text(line: &str) -> Option<InvocationTiming> {
    let fields = line.strip_prefix("REPORT ")?;
    let field = |name: &str| {
        let value = fields.split('\t').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix(':'))?;
        valid_duration(value.trim().strip_suffix("ms")?.trim().parse().ok()?)
    };
    Some(InvocationTiming {
        init_ms: field("Init Duration"),
        duration_ms: field("Duration"),
        billed_ms: field("Billed Duration"),
    })
}

/// Parses `{"type":"platform.report","record":{"metrics":{"durationMs":1.23,"billedDurationMs":2,"initDurationMs":30.0}}}`.
fn parse_json(line: &str) -> Option<InvocationTiming> {
    let line: Json = serde_json::from_str(line).ok()?;
    (line.get("type")?.as_str()? == "platform.report").then_some(())?;
    let metrics = line.pointer("/record/metrics")?;
    let field = |name: &str| valid_duration(metrics.get(name)?.as_f64()?);
    Some(InvocationTiming {
        init_ms: field("initDurationMs"),
        duration_ms: field("durationMs"),
        billed_ms: field("billedDurationMs"),
    })
}

/// Returns a duration if it is finite and not negative.
fn valid_duration(value: f64) -> Option<f64> {
    (value.is_finite() && value >= 0.0).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parse_timing_reads_text_and_json() {
        let cold = "START RequestId: 8f Version: 1\nEND RequestId: 8f\nREPORT RequestId: 8f\tDuration: 61.23 ms\t\
                    Billed Duration: 92 ms\tMemory Size: 128 MB\tMax Memory Used: 18 MB\tInit Duration: 30.10 ms\t\n";
        let expected =
            InvocationTiming { init_ms: Some(30.1), duration_ms: Some(61.23), billed_ms: Some(92.0) };
        assert_eq!(parse_timing(cold), expected);
        let warm = "REPORT RequestId: 8f\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB";
        assert_eq!(
            parse_timing(warm),
            InvocationTiming { init_ms: None, duration_ms: Some(1.23), billed_ms: Some(2.0) }
        );
        let json_log = r#"{"time":"2026-09-20T10:00:00Z","type":"platform.start","record":{"requestId":"8f"}}
{"level":"INFO","message":"REPORT me"}
{"time":"2026-09-20T10:00:00Z","type":"platform.report","record":{"requestId":"8f","metrics":{"durationMs":61.23,"billedDurationMs":92,"memorySizeMB":128,"initDurationMs":30.1}}}
"#;
        assert_eq!(parse_timing(json_log), expected);
    }

    #[test]
    fn parse_timing_without_report_is_empty() {
        for nothing in [
            "",
            "REPORT",
            "REPORT RequestId: 8f",
            "{\"type\":\"platform.report\"}",
            "Duration: 1 ms",
            "REPORT \tDuration: NaN ms",
        ] {
            assert_eq!(parse_timing(nothing), InvocationTiming::default(), "{nothing}");
        }
    }

    proptest! {
        #[test]
        fn parse_timing_accepts_any_log(log in ".{0,200}", tail in "(REPORT )?[\\PC\t]{0,100}") {
            let timing = parse_timing(&format!("{log}\n{tail}"));
            for value in [timing.init_ms, timing.duration_ms, timing.billed_ms].into_iter().flatten() {
                prop_assert!(value.is_finite() && value >= 0.0);
            }
        }
    }
}
