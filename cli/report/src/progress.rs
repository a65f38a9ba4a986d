//! Passes events to the progress display. The display runs on its own thread, so that a slow terminal does not block
//! the senders and texts are not mixed.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hitctl_engine::{Event, EventSink};

/// Displays progress. `at` is the time since the start of the progress.
pub(crate) trait ProgressDisplay: Send {
    /// Shows an event.
    fn event(&mut self, event: &Event, at: Duration);
    /// Updates the display. Called every [`TICK`] if [`ProgressDisplay::wants_ticks`] returns true.
    fn tick(&mut self, _at: Duration) {}
    /// Whether to call [`ProgressDisplay::tick`].
    fn wants_ticks(&self) -> bool {
        false
    }
    /// Shows a rendered text that is not an event, such as a warning. The text consists of whole lines.
    fn show_text(&mut self, text: &str);
    /// Ends the display and clears its temporary lines.
    fn finish(&mut self, _at: Duration) {}
}

/// The interval at which a display is redrawn.
pub(crate) const TICK: Duration = Duration::from_millis(100);

enum DisplayMessage {
    Event(Event, Instant),
    Text(String),
    End,
}

struct RunningDisplay {
    sender: Sender<DisplayMessage>,
    thread: JoinHandle<()>,
}

/// The running display of a console, if there is one.
#[derive(Clone, Default)]
pub(crate) struct DisplaySlot(Arc<Mutex<Option<RunningDisplay>>>);

impl DisplaySlot {
    fn with_slot<T>(&self, f: impl FnOnce(&mut Option<RunningDisplay>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows a text through the running display. Returns `false` if there is none.
    pub(crate) fn show_text(&self, text: &str) -> bool {
        self.with_slot(|slot| {
            slot.as_ref().is_some_and(|run| run.sender.send(DisplayMessage::Text(text.to_owned())).is_ok())
        })
    }

    /// Ends the running display, if any, and waits until it has shown everything.
    pub(crate) fn end(&self) {
        // Remove the display first, so that no text is sent to it after its end.
        if let Some(run) = self.with_slot(Option::take) {
            // Both calls fail only if the thread has panicked.
            drop(run.sender.send(DisplayMessage::End));
            drop(run.thread.join());
        }
    }
}

/// The progress display of one command. It ends when it is finished or dropped, or when the console shows a
/// result.
#[must_use = "progress that is dropped at once shows nothing"]
pub struct Progress {
    sink: EventSink,
    slot: DisplaySlot,
}

impl Progress {
    /// Returns a display that shows nothing.
    pub(crate) fn none() -> Self {
        Self { sink: EventSink::none(), slot: DisplaySlot::default() }
    }

    /// Starts a display, after ending the running one. Shows nothing if the thread cannot be started.
    pub(crate) fn start(display: impl ProgressDisplay + 'static, slot: &DisplaySlot) -> Self {
        slot.end();
        let (sender, receiver) = mpsc::channel();
        let started = Instant::now();
        let spawned = std::thread::Builder::new()
            .name("report".to_owned())
            .spawn(move || run_display(Box::new(display), &receiver, started));
        let Ok(thread) = spawned else { return Self::none() };
        let events = sender.clone();
        // Sending fails after the end of the display. Such events are discarded.
        let sink =
            EventSink::new(move |event| drop(events.send(DisplayMessage::Event(event, Instant::now()))));
        slot.with_slot(|slot| *slot = Some(RunningDisplay { sender, thread }));
        Self { sink, slot: slot.clone() }
    }

    /// Returns the sink for the engine's events.
    pub fn sink(&self) -> EventSink {
        self.sink.clone()
    }

    /// Ends the display. Temporary lines are cleared; printed lines remain.
    pub fn finish(self) {
        drop(self);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.slot.end();
    }
}

fn run_display(mut display: Box<dyn ProgressDisplay>, receiver: &Receiver<DisplayMessage>, started: Instant) {
    loop {
        let message = if display.wants_ticks() {
            match receiver.recv_timeout(TICK) {
                Err(RecvTimeoutError::Timeout) => {
                    display.tick(started.elapsed());
                    continue;
                }
                other => other.ok(),
            }
        } else {
            receiver.recv().ok()
        };
        match message {
            Some(DisplayMessage::Event(event, at)) => {
                display.event(&event, at.saturating_duration_since(started));
            }
            Some(DisplayMessage::Text(text)) => display.show_text(&text),
            Some(DisplayMessage::End) | None => break,
        }
    }
    display.finish(started.elapsed());
}

#[cfg(test)]
pub(crate) mod replay {
    //! Replays recorded runs for the tests of all displays.

    use super::*;

    #[derive(serde::Deserialize)]
    struct RecordedEvent {
        at_ms: u64,
        event: Event,
    }

    /// A first deploy to the local cloud, with a wait, a failure, a skip and an interrupt.
    pub(crate) const DEPLOY: &str = include_str!("../tests/data/deploy.events.ndjson");
    /// A run with nothing to do.
    pub(crate) const QUICK: &str = include_str!("../tests/data/quick.events.ndjson");

    /// Sends recorded events to a display with their recorded times, and ticks between them, without waiting. Stops
    /// before `until`.
    pub(crate) fn replay(recorded: &str, display: &mut dyn ProgressDisplay, until: Option<Duration>) {
        let until = until.unwrap_or(Duration::MAX);
        let mut last_tick = Duration::ZERO;
        for line in recorded.lines() {
            let RecordedEvent { at_ms, event } = serde_json::from_str(line).unwrap();
            let at = Duration::from_millis(at_ms);
            while display.wants_ticks() && last_tick + TICK <= at.min(until) {
                last_tick += TICK;
                display.tick(last_tick);
            }
            if at >= until {
                return;
            }
            display.event(&event, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct RecordingDisplay(Arc<Mutex<Vec<String>>>);

    impl ProgressDisplay for RecordingDisplay {
        fn event(&mut self, event: &Event, _: Duration) {
            self.0.lock().unwrap().push(format!("{event:?}"));
        }
        fn show_text(&mut self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }
        fn finish(&mut self, _: Duration) {
            self.0.lock().unwrap().push("end".to_owned());
        }
    }

    #[test]
    fn events_before_end_are_shown_and_later_ones_dropped() {
        let (display, slot) = (RecordingDisplay::default(), DisplaySlot::default());
        let progress = Progress::start(display.clone(), &slot);
        let sink = progress.sink();
        sink.send(Event::Interrupted { in_flight: vec![] });
        assert!(slot.show_text("hello"));
        progress.finish();
        assert!(!slot.show_text("too late"));
        sink.send(Event::Interrupted { in_flight: vec![] });
        assert_eq!(*display.0.lock().unwrap(), ["Interrupted { in_flight: [] }", "hello", "end"]);
    }

    #[test]
    fn second_display_ends_first_display() {
        let (first, second, slot) =
            (RecordingDisplay::default(), RecordingDisplay::default(), DisplaySlot::default());
        let first_progress = Progress::start(first.clone(), &slot);
        let second_progress = Progress::start(second.clone(), &slot);
        first_progress.sink().send(Event::Interrupted { in_flight: vec![] });
        second_progress.finish();
        assert_eq!((first.0.lock().unwrap().len(), second.0.lock().unwrap().len()), (1, 1));
    }
}
