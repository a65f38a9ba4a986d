//! `hitctl dlq redrive`: each letter goes where it came from, and is deleted only after it was taken there. Killed anywhere in
//! between it is there twice; both carry one id, so that with `counter.exact = true` they count once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use hitctl_cloud::{Cloud, Entry, Message, Queue};
use hitctl_config::{Loaded, names};
use hitctl_engine::{Event, Fault};
use hitctl_report::{Exit, Failure, RedriveView, Stuck, phases, plural};
use hitctl_stack::address;
use serde_json::Value as Json;

use super::letter::Letter;
use super::{MOST_HIDDEN_S, dead_letters, hidden_s};
use crate::deployment::context::{RunContext, with_progress};
use crate::deployment::ingest;
use crate::elapsed::millis;
use crate::flags::duration;
use crate::session::Session;

/// Send dead letters round again, after what was wrong is mended
///
/// A message goes back onto the queue of hits; an event goes there too, or to the function itself where there is no queue. Each
/// is deleted here only after it was taken there. A run that was killed is repeated: a letter that went both ways keeps its id,
/// so that it counts once with `counter.exact = true`. What it had in hand is hidden for a while, and shows up again by itself.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl dlq redrive\n  hitctl dlq redrive --id 059f36b4-87a3-44ab-83d2-661975830a7d"
)]
pub struct Redrive {
    /// Only these, by the ids that `dlq list` shows
    #[arg(long = "id", value_name = "ID", num_args = 1..)]
    pub ids: Vec<String>,
    /// For so long others do not see what is in hand, such as 10s [default: 30s, or more for many]
    #[arg(long, value_name = "TIME", value_parser = hide)]
    pub hide: Option<Duration>,
}

/// SQS takes whole seconds, up to twelve hours.
fn hide(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    let most = Duration::from_secs(u64::from(MOST_HIDDEN_S.unsigned_abs()));
    let fits = (Duration::from_secs(1)..=most).contains(&time);
    if fits { Ok(time) } else { Err("it is not from 1s to 12h".to_owned()) }
}

/// Where letters go.
struct Way<'a> {
    run: RunContext<'a>,
    cloud: &'a dyn Cloud,
    dead: &'a Queue,
    /// The queue of hits, where there is one.
    hits: Option<Queue>,
    function: String,
    /// For how long what is in hand is hidden, in seconds.
    hide_s: i32,
}

/// Redrives.
pub(super) async fn run(session: &Session, loaded: &Loaded, args: Redrive) -> Result<Exit, Failure> {
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
    let dead = dead_letters(loaded, &*cloud).await?;
    let hits = loaded.app.queue.enabled.then(|| cloud.queue(&names::queue(app, env))).transpose()?;
    if let Some(hits) = &hits {
        hits.url().await?;
    }
    let hide_s = match args.hide {
        Some(hide) => i32::try_from(hide.as_secs()).unwrap_or(MOST_HIDDEN_S),
        None => hidden_s(dead.depth().await?.all()),
    };
    let function = names::function(app, env);
    let way = Way { run, cloud: &*cloud, dead: &dead, hits, function, hide_s };
    let detail = format!("redriving the letters of {}", dead.name());
    sink.send(Event::PhaseStarted { phase: phases::SEND, detail });
    let mut view = RedriveView { env: env.clone(), queue: dead.name().to_owned(), ..RedriveView::default() };
    let mut held = Vec::new();
    let done = way.all(args.ids.into_iter().collect(), &mut view, &mut held).await;
    // What stays is shown to others again, whatever happened.
    let released = dead.release(&held).await;
    view.took_ms = millis(started);
    let ok = done.is_ok() && view.exit() == Exit::Done;
    sink.send(Event::PhaseEnded { phase: phases::SEND, ok, took_ms: view.took_ms });
    let moved = view.to_queue + view.to_function;
    let hint = format!("{moved} went round again; run the command again for the rest");
    let partly = |failure: Failure| {
        if moved > 0 { failure.hinted(hint.clone()).partial_if(true) } else { failure }
    };
    done.map_err(|fault| partly(Failure::from(fault)))?;
    released.map_err(|fault| partly(Failure::from(fault)))?;
    if session.stop.is_cancelled() {
        return Err(Failure::interrupted("interrupted; the rest stays where it is").hinted(hint.clone()));
    }
    if moved == 0 && view.failed.is_empty() {
        view.hidden = dead.depth().await?.in_flight;
    }
    Ok(view)
}

impl Way<'_> {
    /// Redrives what there is, or what is `wanted`; `held` is what was received and stays.
    async fn all(
        &self,
        mut wanted: BTreeSet<String>,
        view: &mut RedriveView,
        held: &mut Vec<Message>,
    ) -> Result<(), Fault> {
        let picks = !wanted.is_empty();
        let mut seen = BTreeSet::new();
        while !self.run.session.stop.is_cancelled() && (!picks || !wanted.is_empty()) {
            let came = self.dead.receive(self.hide_s).await?;
            let fresh = |message: &Message| {
                // One that was sent round again and failed at once comes back by another name, with the id that it had.
                let first = message.attributes.get(hitctl_config::contract::MESSAGE_ID);
                !seen.contains(&message.id) && !first.is_some_and(|id| seen.contains(id))
            };
            let (fresh, again): (Vec<_>, Vec<_>) = came.into_iter().partition(fresh);
            held.extend(again);
            if fresh.is_empty() {
                break;
            }
            seen.extend(fresh.iter().map(|message| message.id.clone()));
            let (taken, left): (Vec<_>, Vec<_>) =
                fresh.into_iter().partition(|message| !picks || wanted.remove(&message.id));
            held.extend(left);
            self.some(taken, view, held).await?;
            self.run.note(phases::SEND, plural(view.to_queue + view.to_function, "letter"));
        }
        view.missing = wanted.into_iter().collect();
        Ok(())
    }

    /// Redrives some letters: each is deleted after it was taken.
    async fn some(
        &self,
        messages: Vec<Message>,
        view: &mut RedriveView,
        held: &mut Vec<Message>,
    ) -> Result<(), Fault> {
        let letters: Vec<Letter> = messages.iter().map(Letter::read).collect();
        let mut became = Vec::new();
        if let Some(hits) = &self.hits {
            let entries: Vec<Entry> = letters.iter().map(Letter::entry).collect();
            for batch in Entry::batches(&entries) {
                became.extend(hits.send(batch, &self.run.session.stop).await);
            }
        } else {
            for (message, letter) in messages.iter().zip(&letters) {
                became.push(self.call(message, letter).await);
            }
        }
        let taken = messages.iter().zip(&became).filter(|(_, became)| became.is_ok());
        let taken: Vec<&Message> = taken.map(|(message, _)| message).collect();
        let undeleted = match self.dead.delete(&taken).await {
            Ok(undeleted) => undeleted,
            Err(fault) => {
                held.extend(messages);
                return Err(fault);
            }
        };
        *(if self.hits.is_some() { &mut view.to_queue } else { &mut view.to_function }) += taken.len() as u64;
        for (message, became) in messages.into_iter().zip(became) {
            match became {
                Ok(()) if undeleted.contains(&message.id) => {
                    let why = "it went round again, but could not be deleted here".to_owned();
                    view.failed.push(Stuck { id: message.id, why });
                }
                Ok(()) => {}
                Err(fault) => {
                    view.failed.push(Stuck { id: message.id.clone(), why: fault.message });
                    held.push(message);
                }
            }
        }
        Ok(())
    }

    /// Gives a letter to the function itself.
    async fn call(&self, message: &Message, letter: &Letter) -> Result<(), Fault> {
        let answer = self.cloud.invoke(&self.function, &letter.event(&message.id)).await?;
        let refused = answer.payload["batchItemFailures"].as_array().is_some_and(|failed| !failed.is_empty());
        if answer.function_error.is_none() && !refused {
            return Ok(());
        }
        let said = answer.payload["errorMessage"].as_str().map(str::to_owned);
        let why = said.unwrap_or_else(|| match &answer.payload {
            Json::Null => "the function failed".to_owned(),
            _ => "the function refused it again: see `hitctl logs`".to_owned(),
        });
        Err(Fault::fatal("function_error", why))
    }
}
