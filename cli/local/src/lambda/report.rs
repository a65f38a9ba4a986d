//! Lambda's own texts: platform lines in the log, and the payloads of errors that the function did not return.

use std::fmt::Write as _;
use std::process::ExitStatus;
use std::time::Duration;

use hitctl_platform::exit_signal;

/// Returns an error as the payload of a response.
pub(super) fn error_payload(error_type: &str, message: &str) -> Vec<u8> {
    serde_json::json!({ "errorType": error_type, "errorMessage": message }).to_string().into_bytes()
}

/// Describes the exit of a process in the words of Lambda's runtime interface.
pub(super) fn exit_message(status: Option<ExitStatus>) -> String {
    match status.map(|status| (status.code(), exit_signal(status))) {
        Some((Some(0), _)) => "Runtime exited without providing a reason".to_owned(),
        Some((Some(code), _)) => format!("Runtime exited with error: exit status {code}"),
        Some((None, Some(signal))) => format!("Runtime exited with error: signal: {}", signal_name(signal)),
        _ => KILLED_MESSAGE.to_owned(),
    }
}

/// The message for a function that used too much memory.
pub(super) const KILLED_MESSAGE: &str = "Runtime exited with error: signal: killed";

/// Returns the name of a signal as Go prints it: Lambda's runtime interface is written in Go.
fn signal_name(signal: i32) -> String {
    match signal {
        2 => "interrupt".to_owned(),
        4 => "illegal instruction".to_owned(),
        6 => "aborted".to_owned(),
        7 => "bus error".to_owned(),
        8 => "floating point exception".to_owned(),
        9 => "killed".to_owned(),
        11 => "segmentation fault".to_owned(),
        13 => "broken pipe".to_owned(),
        15 => "terminated".to_owned(),
        other => format!("signal {other}"),
    }
}

/// Converts a duration to milliseconds, with fractions.
pub(super) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// The content of a REPORT line.
pub(super) struct ReportLine<'a> {
    pub(super) request_id: &'a str,
    pub(super) duration: Duration,
    pub(super) init: Option<Duration>,
    pub(super) memory_mb: u32,
    pub(super) max_memory_mb: u32,
    /// `None` for success; otherwise `timeout` or `error`, and the type of the error.
    pub(super) status: Option<(&'a str, Option<&'a str>)>,
}

impl ReportLine<'_> {
    /// Formats the line. A custom runtime is also billed for its initialization.
    pub(super) fn line(&self) -> String {
        let billed = (self.duration + self.init.unwrap_or_default()).as_micros().div_ceil(1000);
        let mut line = format!(
            "REPORT RequestId: {}\tDuration: {:.2} ms\tBilled Duration: {billed} ms\tMemory Size: {} MB\tMax Memory Used: {} MB\t",
            self.request_id,
            ms(self.duration),
            self.memory_mb,
            self.max_memory_mb
        );
        // Writing to a `String` cannot fail.
        if let Some(init) = self.init {
            let _ = write!(line, "Init Duration: {:.2} ms\t", ms(init));
        }
        if let Some((status, error)) = self.status {
            let _ = write!(line, "Status: {status}");
            if let Some(error) = error {
                let _ = write!(line, "\tError Type: {error}");
            }
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;

    use super::*;

    fn report(init: Option<Duration>, status: Option<(&str, Option<&str>)>) -> String {
        let duration = Duration::from_micros(1_230);
        ReportLine { request_id: "id", duration, init, memory_mb: 128, max_memory_mb: 12, status }.line()
    }

    #[test]
    fn report_line_has_format_of_lambda() {
        insta::assert_snapshot!(report(None, None).replace('\t', "|"), @"REPORT RequestId: id|Duration: 1.23 ms|Billed Duration: 2 ms|Memory Size: 128 MB|Max Memory Used: 12 MB|");
        let cold = report(Some(Duration::from_millis(30)), Some(("error", Some("Runtime.ExitError"))));
        insta::assert_snapshot!(cold.replace('\t', "|"), @"REPORT RequestId: id|Duration: 1.23 ms|Billed Duration: 32 ms|Memory Size: 128 MB|Max Memory Used: 12 MB|Init Duration: 30.00 ms|Status: error|Error Type: Runtime.ExitError");
    }

    #[test]
    fn exit_message_uses_words_of_lambda() {
        assert_eq!(
            exit_message(Some(ExitStatus::from_raw(1 << 8))),
            "Runtime exited with error: exit status 1"
        );
        assert_eq!(exit_message(Some(ExitStatus::from_raw(0))), "Runtime exited without providing a reason");
        assert_eq!(
            exit_message(Some(ExitStatus::from_raw(11))),
            "Runtime exited with error: signal: segmentation fault"
        );
        assert_eq!(exit_message(Some(ExitStatus::from_raw(9))), KILLED_MESSAGE);
    }
}
