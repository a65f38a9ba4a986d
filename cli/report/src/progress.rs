//! Events on their way to whoever shows them: one thread per run owns the display, so that no sender ever blocks on a
//! terminal and no two texts mix.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hitctl_engine::{Event, Sink};

/// Shows what happens. `at` is the time since the progress began.
pub(crate) trait Consumer: Send {
    /// Something happened.
    fn event(&mut self, event: &Event, at: Duration);
    /// Some time has passed; called only while [`Consumer::ticks`].
    fn tick(&mut self, _at: Duration) {}
    /// Whether it wants to be told of time passing.
    fn ticks(&self) -> bool {
        false
    }
    /// Shows a finished text (lines with their ends) that is no event, such as a warning.
    fn say(&mut self, text: &str);
    /// Nothing more will happen: leave the terminal tidy.
    fn finish(&mut self, _at: Duration) {}
}

/// How often moving things move.
pub(crate) const TICK: Duration = Duration::from_millis(100);

enum Message {
    Event(Event, Instant),
    Say(String),
    End,
}

struct Running {
    sender: Sender<Message>,
    thread: JoinHandle<()>,
}

/// Where the running display of a console is kept, if there is one.
#[derive(Clone, Default)]
pub(crate) struct Slot(Arc<Mutex<Option<Running>>>);

impl Slot {
    fn with<T>(&self, f: impl FnOnce(&mut Option<Running>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Shows a text through the running display; `false` when there is none.
    pub(crate) fn say(&self, text: &str) -> bool {
        self.with(|slot| {
            slot.as_ref().is_some_and(|run| run.sender.send(Message::Say(text.to_owned())).is_ok())
        })
    }

    /// Ends the running display, if any, and waits until it has shown everything.
    pub(crate) fn end(&self) {
        // Taken out first, so that nobody else sends to it after its end.
        if let Some(run) = self.with(Option::take) {
            // Both fail only when the thread has panicked, and then there is nothing left to tidy.
            drop(run.sender.send(Message::End));
            drop(run.thread.join());
        }
    }
}

/// The display of one run. It ends when it is finished, dropped, or when the console shows a result.
#[must_use = "progress that is dropped at once shows nothing"]
pub struct Progress {
    sink: Sink,
    slot: Slot,
}

impl Progress {
    /// A display that shows nothing.
    pub(crate) fn none() -> Self {
        Self { sink: Sink::none(), slot: Slot::default() }
    }

    /// Starts a display. When the system has no thread to spare, nothing is shown.
    pub(crate) fn start(consumer: impl Consumer + 'static, slot: &Slot) -> Self {
        slot.end();
        let (sender, receiver) = mpsc::channel();
        let started = Instant::now();
        let spawned = std::thread::Builder::new()
            .name("report".to_owned())
            .spawn(move || show(Box::new(consumer), &receiver, started));
        let Ok(thread) = spawned else { return Self::none() };
        let events = sender.clone();
        // Once the display has ended, nobody listens: events are for showing only.
        let sink = Sink::new(move |event| drop(events.send(Message::Event(event, Instant::now()))));
        slot.with(|slot| *slot = Some(Running { sender, thread }));
        Self { sink, slot: slot.clone() }
    }

    /// Where the engine sends its events.
    pub fn sink(&self) -> Sink {
        self.sink.clone()
    }

    /// Ends the display: what moves is cleared, what is done stays as text.
    pub fn finish(self) {
        drop(self);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.slot.end();
    }
}

fn show(mut consumer: Box<dyn Consumer>, receiver: &Receiver<Message>, started: Instant) {
    loop {
        let message = if consumer.ticks() {
            match receiver.recv_timeout(TICK) {
                Err(RecvTimeoutError::Timeout) => {
                    consumer.tick(started.elapsed());
                    continue;
                }
                other => other.ok(),
            }
        } else {
            receiver.recv().ok()
        };
        match message {
            Some(Message::Event(event, at)) => consumer.event(&event, at.saturating_duration_since(started)),
            Some(Message::Say(text)) => consumer.say(&text),
            Some(Message::End) | None => break,
        }
    }
    consumer.finish(started.elapsed());
}

#[cfg(test)]
pub(crate) mod replay {
    //! The recorded run that every display is tested with.

    use super::*;

    #[derive(serde::Deserialize)]
    struct Recorded {
        at_ms: u64,
        event: Event,
    }

    /// A first deploy to the local cloud, with a wait, a failure, a skip and an interrupt.
    pub(crate) const DEPLOY: &str = include_str!("../tests/data/deploy.events.ndjson");
    /// A run with nothing to do.
    pub(crate) const QUICK: &str = include_str!("../tests/data/quick.events.ndjson");

    /// Sends recorded events at their times, and ticks in between, without waiting. Stops before `until`.
    pub(crate) fn replay(recorded: &str, consumer: &mut dyn Consumer, until: Option<Duration>) {
        let until = until.unwrap_or(Duration::MAX);
        let mut ticked = Duration::ZERO;
        for line in recorded.lines() {
            let Recorded { at_ms, event } = serde_json::from_str(line).unwrap();
            let at = Duration::from_millis(at_ms);
            while consumer.ticks() && ticked + TICK <= at.min(until) {
                ticked += TICK;
                consumer.tick(ticked);
            }
            if at >= until {
                return;
            }
            consumer.event(&event, at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Notes(Arc<Mutex<Vec<String>>>);

    impl Consumer for Notes {
        fn event(&mut self, event: &Event, _: Duration) {
            self.0.lock().unwrap().push(format!("{event:?}"));
        }
        fn say(&mut self, text: &str) {
            self.0.lock().unwrap().push(text.to_owned());
        }
        fn finish(&mut self, _: Duration) {
            self.0.lock().unwrap().push("end".to_owned());
        }
    }

    #[test]
    fn everything_sent_before_the_end_is_shown_and_nothing_after() {
        let (notes, slot) = (Notes::default(), Slot::default());
        let progress = Progress::start(notes.clone(), &slot);
        let sink = progress.sink();
        sink.send(Event::Interrupted { in_flight: vec![] });
        assert!(slot.say("hello"));
        progress.finish();
        assert!(!slot.say("too late"));
        sink.send(Event::Interrupted { in_flight: vec![] });
        assert_eq!(*notes.0.lock().unwrap(), ["Interrupted { in_flight: [] }", "hello", "end"]);
    }

    #[test]
    fn a_second_display_ends_the_first() {
        let (first, second, slot) = (Notes::default(), Notes::default(), Slot::default());
        let one = Progress::start(first.clone(), &slot);
        let two = Progress::start(second.clone(), &slot);
        one.sink().send(Event::Interrupted { in_flight: vec![] });
        two.finish();
        assert_eq!((first.0.lock().unwrap().len(), second.0.lock().unwrap().len()), (1, 1));
    }
}
