//! Events for programs: one JSON object a line, `{"v":1,"at_ms":n,"event":..}`.

use std::time::Duration;

use hitctl_engine::Event;
use serde::Serialize;

use super::progress::Consumer;
use super::term::Shared;

/// Writes events as NDJSON.
pub(crate) struct JsonLines {
    out: Shared,
}

impl JsonLines {
    pub(crate) fn new(out: Shared) -> Self {
        Self { out }
    }
}

impl Consumer for JsonLines {
    fn event(&mut self, event: &Event, at: Duration) {
        #[derive(Serialize)]
        struct Line<'a> {
            v: u8,
            at_ms: u128,
            #[serde(flatten)]
            event: &'a Event,
        }
        if let Ok(mut line) = serde_json::to_string(&Line { v: 1, at_ms: at.as_millis(), event }) {
            line.push('\n');
            // A reader of events that went away is no reason to stop the work.
            drop(self.out.write(line.as_bytes()));
        }
    }

    fn say(&mut self, text: &str) {
        drop(self.out.write(text.as_bytes()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::progress::replay::{DEPLOY, QUICK, replay};
    use super::super::term::tests::Captured;
    use super::*;

    #[test]
    fn a_recorded_run_comes_out_as_it_went_in() {
        let out = Captured::default();
        replay(QUICK, &mut JsonLines::new(out.shared()), None);
        insta::assert_snapshot!(out.text(), @r#"
        {"v":1,"at_ms":0,"event":"phase_started","phase":"survey","detail":"reading what is deployed"}
        {"v":1,"at_ms":31,"event":"phase_ended","phase":"survey","ok":true,"took_ms":31}
        {"v":1,"at_ms":33,"event":"phase_started","phase":"smoke","detail":"asking http://127.0.0.1:8700/healthz"}
        {"v":1,"at_ms":41,"event":"phase_ended","phase":"smoke","ok":true,"took_ms":8}
        "#);
    }

    #[test]
    fn of_a_recorded_deploy_nothing_is_left_out_and_nothing_added() {
        let out = Captured::default();
        replay(DEPLOY, &mut JsonLines::new(out.shared()), None);
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
