//! What Lambda's own report of an invocation says, in either of its formats. Pure.

use hitctl_stack::memory::Call;
use serde_json::Value as Json;

/// The figures of the report at the end of a log tail; none where there is no report.
pub(super) fn call(log: &str) -> Call {
    log.lines().rev().find_map(|line| text(line).or_else(|| json(line))).unwrap_or_default()
}

/// `REPORT RequestId: ..<TAB>Duration: 1.23 ms<TAB>Billed Duration: 2 ms<TAB>..<TAB>Init Duration: 30.00 ms`
fn text(line: &str) -> Option<Call> {
    let fields = line.strip_prefix("REPORT ")?;
    let field = |name: &str| {
        let value = fields.split('\t').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix(':'))?;
        number(value.trim().strip_suffix("ms")?.trim().parse().ok()?)
    };
    Some(Call {
        init_ms: field("Init Duration"),
        duration_ms: field("Duration"),
        billed_ms: field("Billed Duration"),
    })
}

/// `{"type":"platform.report","record":{"metrics":{"durationMs":1.23,"billedDurationMs":2,"initDurationMs":30.0}}}`
fn json(line: &str) -> Option<Call> {
    let line: Json = serde_json::from_str(line).ok()?;
    (line.get("type")?.as_str()? == "platform.report").then_some(())?;
    let metrics = line.pointer("/record/metrics")?;
    let field = |name: &str| number(metrics.get(name)?.as_f64()?);
    Some(Call {
        init_ms: field("initDurationMs"),
        duration_ms: field("durationMs"),
        billed_ms: field("billedDurationMs"),
    })
}

/// A time.
fn number(value: f64) -> Option<f64> {
    (value.is_finite() && value >= 0.0).then_some(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_formats_are_read() {
        let cold = "START RequestId: 8f Version: 1\nEND RequestId: 8f\nREPORT RequestId: 8f\tDuration: 61.23 ms\t\
                    Billed Duration: 92 ms\tMemory Size: 128 MB\tMax Memory Used: 18 MB\tInit Duration: 30.10 ms\t\n";
        let seen = Call { init_ms: Some(30.1), duration_ms: Some(61.23), billed_ms: Some(92.0) };
        assert_eq!(call(cold), seen);
        let warm = "REPORT RequestId: 8f\tDuration: 1.23 ms\tBilled Duration: 2 ms\tMemory Size: 128 MB";
        assert_eq!(call(warm), Call { init_ms: None, duration_ms: Some(1.23), billed_ms: Some(2.0) });
        let json = r#"{"time":"2026-09-20T10:00:00Z","type":"platform.start","record":{"requestId":"8f"}}
{"level":"INFO","message":"REPORT me"}
{"time":"2026-09-20T10:00:00Z","type":"platform.report","record":{"requestId":"8f","metrics":{"durationMs":61.23,"billedDurationMs":92,"memorySizeMB":128,"initDurationMs":30.1}}}
"#;
        assert_eq!(call(json), seen);
    }

    #[test]
    fn what_is_not_said_is_not_known() {
        for nothing in [
            "",
            "REPORT",
            "REPORT RequestId: 8f",
            "{\"type\":\"platform.report\"}",
            "Duration: 1 ms",
            "REPORT \tDuration: NaN ms",
        ] {
            assert_eq!(call(nothing), Call::default(), "{nothing}");
        }
    }

    proptest! {
        #[test]
        fn no_log_is_too_strange(log in ".{0,200}", tail in "(REPORT )?[\\PC\t]{0,100}") {
            let found = call(&format!("{log}\n{tail}"));
            for value in [found.init_ms, found.duration_ms, found.billed_ms].into_iter().flatten() {
                prop_assert!(value.is_finite() && value >= 0.0);
            }
        }
    }
}
