//! `hitctl dlq redrive`: sends each dead letter back to its source, and deletes it only after it was accepted there. A
//! run that is killed in between leaves both copies. They have the same id, so that with `counter.exact = true` they
//! count once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hitctl_cloud::{Cloud, ReceivedMessage, SendMessageEntry, SqsQueue};
use hitctl_config::{LoadedConfig, names};
use hitctl_engine::{Event, Fault};
use hitctl_report::{Exit, FailedRedrive, Failure, RedriveView, phases, plural};
use hitctl_stack::address;
use serde_json::Value as Json;

use super::dead_letter::DeadLetter;
use super::{MAX_HIDDEN_S, hidden_s, open_queue};
use crate::deployment::context::{RunContext, with_progress};
use crate::deployment::ingest;
use crate::elapsed::millis;
use crate::flags::duration;
use crate::session::Session;

/// Redrive dead letters after fixing the cause
///
/// Messages go back to the queue of views. Events go there too, or to the function if there is no queue. Each dead letter
/// is deleted only after it was accepted. It keeps its ID, so with `counter.exact = true` it counts once, even if the
/// command is killed and repeated.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl dlq redrive\n  hitctl dlq redrive --id 059f36b4-87a3-44ab-83d2-661975830a7d"
)]
pub struct Redrive {
    /// Only these IDs, as `dlq list` shows them
    #[arg(long = "id", value_name = "ID", num_args = 1..)]
    pub ids: Vec<String>,
    /// How long received dead letters are hidden from other consumers [default: 30s, or more for many]
    #[arg(long, value_name = "TIME", value_parser = hide)]
    pub hide: Option<Duration>,
}

/// Parses a visibility timeout. SQS takes whole seconds, up to twelve hours.
fn hide(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    let most = Duration::from_secs(u64::from(MAX_HIDDEN_S.unsigned_abs()));
    let fits = (Duration::from_secs(1)..=most).contains(&time);
    if fits { Ok(time) } else { Err(format!("expected a duration from 1s to 12h, found {text:?}")) }
}

/// Redrives the dead letters of one env.
struct Redriver<'a> {
    run: RunContext<'a>,
    cloud: &'a dyn Cloud,
    dlq: &'a SqsQueue,
    /// The queue of hits, if the env has one.
    hits: Option<SqsQueue>,
    function: String,
    /// The visibility timeout of received dead letters in seconds.
    hide_s: i32,
}

/// Redrives the dead letters.
pub(super) async fn run(session: &Session, loaded: &LoadedConfig, args: Redrive) -> Result<Exit, Failure> {
    let view = with_progress(session, loaded, async |run| redrive(run, args).await).await?;
    let exit = view.exit();
    session.console.result(&view);
    Ok(exit)
}

async fn redrive(run: RunContext<'_>, args: Redrive) -> Result<RedriveView, Failure> {
    let RunContext { session, config: loaded, sink } = run;
    let started = Instant::now();
    let (app, env) = (&loaded.app.app, &loaded.env);
    let cloud = ingest::open(run, &address::dead_letter_queue()).await?;
    let dlq = open_queue(loaded, &*cloud).await?;
    let hits = loaded.app.queue.enabled.then(|| cloud.queue(&names::queue(app, env))).transpose()?;
    if let Some(hits) = &hits {
        hits.url().await?;
    }
    let hide_s = match args.hide {
        Some(hide) => i32::try_from(hide.as_secs()).unwrap_or(MAX_HIDDEN_S),
        None => hidden_s(dlq.depth().await?.total()),
    };
    let function = names::function(app, env);
    let redriver = Redriver { run, cloud: &*cloud, dlq: &dlq, hits, function, hide_s };
    let detail = format!("redriving the dead letters of {}", dlq.name());
    sink.send(Event::PhaseStarted { phase: phases::SEND, detail });
    let mut view = RedriveView { env: env.clone(), queue: dlq.name().to_owned(), ..RedriveView::default() };
    let mut held = Vec::new();
    let done = redriver.all(args.ids.into_iter().collect(), &mut view, &mut held).await;
    // Messages that stay become visible again, whatever happened.
    let released = dlq.release(&held).await;
    view.took_ms = millis(started);
    let ok = done.is_ok() && view.exit() == Exit::Done;
    sink.send(Event::PhaseEnded { phase: phases::SEND, ok, took_ms: view.took_ms });
    let moved = view.to_queue + view.to_function;
    let hint = format!("run the command again for the rest; {moved} redriven so far");
    let partly = |failure: Failure| {
        if moved > 0 { failure.hinted(hint.clone()).partial_if(true) } else { failure }
    };
    done.map_err(|fault| partly(Failure::from(fault)))?;
    released.map_err(|fault| partly(Failure::from(fault)))?;
    if session.stop.is_cancelled() {
        return Err(Failure::interrupted("interrupted; the rest was not redriven").hinted(hint.clone()));
    }
    if moved == 0 && view.failed.is_empty() {
        view.hidden = dlq.depth().await?.in_flight;
    }
    Ok(view)
}

impl Redriver<'_> {
    /// Redrives all dead letters, or those in `wanted`. Received messages that stay on the queue are added to `held`.
    async fn all(
        &self,
        mut wanted: BTreeSet<String>,
        view: &mut RedriveView,
        held: &mut Vec<ReceivedMessage>,
    ) -> Result<(), Fault> {
        let picks = !wanted.is_empty();
        let mut seen = BTreeSet::new();
        while !self.run.session.stop.is_cancelled() && (!picks || !wanted.is_empty()) {
            let received = self.dlq.receive(self.hide_s).await?;
            let fresh = |message: &ReceivedMessage| {
                // A message that was redriven and failed at once returns under another id, with the original id as an
                // attribute.
                let first = message.attributes.get(hitctl_config::contract::MESSAGE_ID);
                !seen.contains(&message.id) && !first.is_some_and(|id| seen.contains(id))
            };
            let (fresh, again): (Vec<_>, Vec<_>) = received.into_iter().partition(fresh);
            held.extend(again);
            if fresh.is_empty() {
                break;
            }
            seen.extend(fresh.iter().map(|message| message.id.clone()));
            let (taken, left): (Vec<_>, Vec<_>) =
                fresh.into_iter().partition(|message| !picks || wanted.remove(&message.id));
            held.extend(left);
            self.redrive_batch(taken, view, held).await?;
            self.run.note(phases::SEND, plural(view.to_queue + view.to_function, "dead letter"));
        }
        view.missing = wanted.into_iter().collect();
        Ok(())
    }

    /// Redrives a batch of dead letters. Each is deleted after it was accepted.
    async fn redrive_batch(
        &self,
        messages: Vec<ReceivedMessage>,
        view: &mut RedriveView,
        held: &mut Vec<ReceivedMessage>,
    ) -> Result<(), Fault> {
        let dead_letters: Vec<DeadLetter> = messages.iter().map(DeadLetter::read).collect();
        let mut results = Vec::new();
        if let Some(hits) = &self.hits {
            let entries: Vec<SendMessageEntry> = dead_letters.iter().map(DeadLetter::to_entry).collect();
            for batch in SendMessageEntry::batches(&entries) {
                results.extend(hits.send(batch, &self.run.session.stop).await);
            }
        } else {
            for (message, dead_letter) in messages.iter().zip(&dead_letters) {
                results.push(self.call(message, dead_letter).await);
            }
        }
        let taken = messages.iter().zip(&results).filter(|(_, result)| result.is_ok());
        let taken: Vec<&ReceivedMessage> = taken.map(|(message, _)| message).collect();
        let undeleted = match self.dlq.delete(&taken).await {
            Ok(undeleted) => undeleted,
            Err(fault) => {
                held.extend(messages);
                return Err(fault);
            }
        };
        *(if self.hits.is_some() { &mut view.to_queue } else { &mut view.to_function }) += taken.len() as u64;
        for (message, result) in messages.into_iter().zip(results) {
            match result {
                Ok(()) if undeleted.contains(&message.id) => {
                    let reason = "redriven, but failed to delete it from the dead-letter queue".to_owned();
                    view.failed.push(FailedRedrive { id: message.id, why: reason });
                }
                Ok(()) => {}
                Err(fault) => {
                    view.failed.push(FailedRedrive { id: message.id.clone(), why: fault.message });
                    held.push(message);
                }
            }
        }
        Ok(())
    }

    /// Invokes the function with a dead letter.
    async fn call(&self, message: &ReceivedMessage, dead_letter: &DeadLetter) -> Result<(), Fault> {
        let response = self.cloud.invoke(&self.function, &dead_letter.to_event(&message.id)).await?;
        let refused =
            response.payload["batchItemFailures"].as_array().is_some_and(|failed| !failed.is_empty());
        if response.function_error.is_none() && !refused {
            return Ok(());
        }
        let error_message = response.payload["errorMessage"].as_str().map(str::to_owned);
        let reason = error_message.unwrap_or_else(|| match &response.payload {
            Json::Null => "the function failed".to_owned(),
            _ => "the function rejected it again; see `hitctl logs`".to_owned(),
        });
        Err(Fault::fatal("function_error", reason))
    }
}
