//! `hitctl dlq redrive`: sends each dead letter to the queue or the function, then deletes it from the dead-letter
//! queue. If the command is killed in between, both copies remain. They have the same ID, so with
//! `counter.exact = true` they count once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hitctl_cloud::{Cloud, ReceivedMessage, SendMessageEntry, SqsQueue};
use hitctl_config::{LoadedConfig, names};
use hitctl_engine::{Event, Fault};
use hitctl_report::{Exit, FailedRedrive, Failure, RedriveView, phases, plural};
use hitctl_stack::address;
use serde_json::Value as Json;

use super::dead_letter::DeadLetter;
use super::{MAX_VISIBILITY_TIMEOUT_S, open_queue, visibility_timeout_s};
use crate::deployment::context::{RunContext, with_progress};
use crate::deployment::ingest;
use crate::elapsed::millis;
use crate::flags::duration;
use crate::session::Session;

/// Redrive dead letters after fixing the cause
///
/// Dead letters go back to the queue, or to the function if the environment has no queue. Each dead letter is deleted
/// only after it was accepted. It keeps its ID, so with `counter.exact = true` it counts once, even if the command is
/// killed and repeated.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl dlq redrive\n  hitctl dlq redrive --id 059f36b4-87a3-44ab-83d2-661975830a7d"
)]
pub struct Redrive {
    /// Only these IDs, as `dlq list` shows them
    #[arg(long = "id", value_name = "ID", num_args = 1..)]
    pub ids: Vec<String>,
    /// Visibility timeout of the dead letters during the command [default: 30s plus 1s per 50 dead letters]
    #[arg(long, value_name = "TIME", value_parser = parse_visibility_timeout)]
    pub hide: Option<Duration>,
}

/// Parses a visibility timeout. SQS accepts whole seconds up to twelve hours.
fn parse_visibility_timeout(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    let max = Duration::from_secs(u64::from(MAX_VISIBILITY_TIMEOUT_S.unsigned_abs()));
    let fits = (Duration::from_secs(1)..=max).contains(&time);
    if fits { Ok(time) } else { Err(format!("expected a duration from 1s to 12h, found {text:?}")) }
}

/// Redrives the dead letters of an environment.
struct Redriver<'a> {
    run: RunContext<'a>,
    cloud: &'a dyn Cloud,
    dlq: &'a SqsQueue,
    /// The queue of views, if the environment has one.
    hits: Option<SqsQueue>,
    function: String,
    /// The visibility timeout of received dead letters, in seconds.
    visibility_timeout_s: i32,
}

/// Redrives the dead letters and prints the result.
pub(super) async fn run(session: &Session, config: &LoadedConfig, args: Redrive) -> Result<Exit, Failure> {
    let view = with_progress(session, config, async |run| redrive(run, args).await).await?;
    let exit = view.exit();
    session.console.result(&view);
    Ok(exit)
}

async fn redrive(run: RunContext<'_>, args: Redrive) -> Result<RedriveView, Failure> {
    let RunContext { session, config, sink } = run;
    let started = Instant::now();
    let (app, env) = (&config.app.app, &config.env);
    let cloud = ingest::open(run, &address::dead_letter_queue()).await?;
    let dlq = open_queue(config, &*cloud).await?;
    let hits = config.app.queue.enabled.then(|| cloud.queue(&names::queue(app, env))).transpose()?;
    if let Some(hits) = &hits {
        hits.url().await?;
    }
    let visibility_timeout_s = match args.hide {
        Some(timeout) => i32::try_from(timeout.as_secs()).unwrap_or(MAX_VISIBILITY_TIMEOUT_S),
        None => visibility_timeout_s(dlq.depth().await?.total()),
    };
    let function = names::function(app, env);
    let redriver = Redriver { run, cloud: &*cloud, dlq: &dlq, hits, function, visibility_timeout_s };
    let detail = format!("redriving the dead letters of {}", dlq.name());
    sink.send(Event::PhaseStarted { phase: phases::SEND, detail });
    let mut view = RedriveView { env: env.clone(), queue: dlq.name().to_owned(), ..RedriveView::default() };
    let mut remaining = Vec::new();
    let outcome = redriver.redrive_all(args.ids.into_iter().collect(), &mut view, &mut remaining).await;
    // Make the remaining messages visible again, even after an error.
    let released = dlq.release(&remaining).await;
    view.took_ms = millis(started);
    let ok = outcome.is_ok() && view.exit() == Exit::Done;
    sink.send(Event::PhaseEnded { phase: phases::SEND, ok, took_ms: view.took_ms });
    let moved = view.to_queue + view.to_function;
    let hint = format!("run the command again for the rest; {moved} redriven so far");
    let mark_partial = |failure: Failure| {
        if moved > 0 { failure.hinted(hint.clone()).partial_if(true) } else { failure }
    };
    outcome.map_err(|fault| mark_partial(Failure::from(fault)))?;
    released.map_err(|fault| mark_partial(Failure::from(fault)))?;
    if session.stop.is_cancelled() {
        return Err(Failure::interrupted("interrupted; the rest was not redriven").hinted(hint.clone()));
    }
    if moved == 0 && view.failed.is_empty() {
        view.hidden = dlq.depth().await?.in_flight;
    }
    Ok(view)
}

impl Redriver<'_> {
    /// Redrives all dead letters, or only those with an ID in `wanted`. Received messages that remain in the
    /// dead-letter queue are added to `remaining`.
    async fn redrive_all(
        &self,
        mut wanted: BTreeSet<String>,
        view: &mut RedriveView,
        remaining: &mut Vec<ReceivedMessage>,
    ) -> Result<(), Fault> {
        let only_wanted = !wanted.is_empty();
        let mut seen = BTreeSet::new();
        while !self.run.session.stop.is_cancelled() && (!only_wanted || !wanted.is_empty()) {
            let received = self.dlq.receive(self.visibility_timeout_s).await?;
            let is_new = |message: &ReceivedMessage| {
                // A message that was redriven and failed again at once has another ID. The original ID is an attribute.
                let original_id = message.attributes.get(hitctl_config::contract::MESSAGE_ID);
                !seen.contains(&message.id) && !original_id.is_some_and(|id| seen.contains(id))
            };
            let (new, repeated): (Vec<_>, Vec<_>) = received.into_iter().partition(is_new);
            remaining.extend(repeated);
            if new.is_empty() {
                break;
            }
            seen.extend(new.iter().map(|message| message.id.clone()));
            let (selected, others): (Vec<_>, Vec<_>) =
                new.into_iter().partition(|message| !only_wanted || wanted.remove(&message.id));
            remaining.extend(others);
            self.redrive_batch(selected, view, remaining).await?;
            self.run.note(phases::SEND, plural(view.to_queue + view.to_function, "dead letter"));
        }
        view.missing = wanted.into_iter().collect();
        Ok(())
    }

    /// Sends a batch of dead letters, and deletes those that were accepted. The others are added to `remaining`.
    async fn redrive_batch(
        &self,
        messages: Vec<ReceivedMessage>,
        view: &mut RedriveView,
        remaining: &mut Vec<ReceivedMessage>,
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
                results.push(self.invoke_function(message, dead_letter).await);
            }
        }
        let accepted = messages.iter().zip(&results).filter(|(_, result)| result.is_ok());
        let accepted: Vec<&ReceivedMessage> = accepted.map(|(message, _)| message).collect();
        let undeleted = match self.dlq.delete(&accepted).await {
            Ok(undeleted) => undeleted,
            Err(fault) => {
                remaining.extend(messages);
                return Err(fault);
            }
        };
        *(if self.hits.is_some() { &mut view.to_queue } else { &mut view.to_function }) +=
            accepted.len() as u64;
        for (message, result) in messages.into_iter().zip(results) {
            match result {
                Ok(()) if undeleted.contains(&message.id) => {
                    let reason =
                        "failed to delete the message from the dead-letter queue after it was redriven"
                            .to_owned();
                    view.failed.push(FailedRedrive { id: message.id, why: reason });
                }
                Ok(()) => {}
                Err(fault) => {
                    view.failed.push(FailedRedrive { id: message.id.clone(), why: fault.message });
                    remaining.push(message);
                }
            }
        }
        Ok(())
    }

    /// Invokes the function with a dead letter.
    async fn invoke_function(
        &self,
        message: &ReceivedMessage,
        dead_letter: &DeadLetter,
    ) -> Result<(), Fault> {
        let response = self.cloud.invoke(&self.function, &dead_letter.to_event(&message.id)).await?;
        let refused =
            response.payload["batchItemFailures"].as_array().is_some_and(|failed| !failed.is_empty());
        if response.function_error.is_none() && !refused {
            return Ok(());
        }
        let error_message = response.payload["errorMessage"].as_str().map(str::to_owned);
        let reason = error_message.unwrap_or_else(|| match &response.payload {
            Json::Null => "the function failed".to_owned(),
            _ => "the function rejected the dead letter again; run `hitctl logs` to see the cause".to_owned(),
        });
        Err(Fault::fatal("function_error", reason))
    }
}
