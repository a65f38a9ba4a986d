//! Writes progress for programs: one JSON object per line, `{"v":1,"at_ms":n,"event":..}`.

use std::time::Duration;

use hitctl_engine::Event;
use serde::Serialize;

use super::progress::ProgressDisplay;
use super::term::SharedStream;

/// Writes events as NDJSON.
pub(crate) struct NdjsonProgress {
    out: SharedStream,
}

impl NdjsonProgress {
    pub(crate) fn new(out: SharedStream) -> Self {
        Self { out }
    }
}

impl ProgressDisplay for NdjsonProgress {
    fn event(&mut self, event: &Event, at: Duration) {
        #[derive(Serialize)]
        struct EventLine<'a> {
            v: u8,
            at_ms: u128,
            #[serde(flatten)]
            event: &'a Event,
        }
        if let Ok(mut line) = serde_json::to_string(&EventLine { v: 1, at_ms: at.as_millis(), event }) {
            line.push('\n');
            // A closed stream must not stop the run.
            drop(self.out.write(line.as_bytes()));
        }
    }

    fn show_text(&mut self, text: &str) {
        drop(self.out.write(text.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::progress::replay::{DEPLOY, QUICK, replay};
    use super::super::term::tests::CapturedStream;
    use super::*;

    #[test]
    fn recorded_run_is_written_as_ndjson() {
        let out = CapturedStream::default();
        replay(QUICK, &mut NdjsonProgress::new(out.shared()), None);
        insta::assert_snapshot!(out.text(), @r#"
        {"v":1,"at_ms":0,"event":"phase_started","phase":"survey","detail":"reading the deployed resources"}
        {"v":1,"at_ms":31,"event":"phase_ended","phase":"survey","ok":true,"took_ms":31}
        {"v":1,"at_ms":33,"event":"phase_started","phase":"smoke","detail":"requesting http://127.0.0.1:8700/healthz"}
        {"v":1,"at_ms":41,"event":"phase_ended","phase":"smoke","ok":true,"took_ms":8}
        "#);
    }

    #[test]
    fn recorded_deploy_is_written_with_all_events() {
        let out = CapturedStream::default();
        replay(DEPLOY, &mut NdjsonProgress::new(out.shared()), None);
        let text = out.text();
        let mut written = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        for line in DEPLOY.lines() {
            let recorded: serde_json::Value = serde_json::from_str(line).unwrap();
            let mut line = written.next().unwrap();
            let fields = line.as_object_mut().unwrap();
            assert_eq!(fields.remove("v").unwrap(), 1);
            assert_eq!(fields.remove("at_ms"), recorded.get("at_ms").cloned());
            assert_eq!(line, recorded["event"]);
        }
        assert_eq!(written.next(), None);
    }
}
