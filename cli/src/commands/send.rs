//! `hitctl send`: sends views to the queue.

mod lines;

use std::path::PathBuf;
use std::time::Instant;

use futures::StreamExt as _;
use hit_counter::trigger::EventOptions;
use hitctl_cloud::{SendMessageEntry, SqsQueue, unique_id};
use hitctl_config::contract::MAX_COUNT;
use hitctl_config::names;
use hitctl_counts::fields;
use hitctl_engine::{Event, Fault};
use hitctl_report::{Exit, Failure, RejectedLine, SendView, phases, plural};
use hitctl_stack::address;
use jiff::Timestamp;

use self::lines::{HitLine, HitParser};
use crate::deployment::context::{RunContext, with_progress};
use crate::deployment::ingest;
use crate::elapsed::millis;
use crate::flags::id_argument;
use crate::session::Session;

/// Send views to the queue
///
/// A file has one view per line: a path or URL, or a JSON object {"path","ts","n","ip","ua","id"} where only the path is
/// required. Lines that begin with # are comments. A line may also be a message of other senders: {"hits":[..]}, a record
/// of CloudFront or S3, or an event of EventBridge. The function's own rules check each line before anything is sent.
/// Invalid lines are reported with their numbers, and the others are sent.
///
/// Each message has an ID: its own, or PREFIX-LINE. With `counter.exact = true` an ID counts once, so sending the same file
/// again with the same --id-prefix counts nothing twice.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("input").required(true).args(["path", "file"]))]
#[command(
    after_help = "Examples:\n  hitctl send --path /\n  hitctl send --path / --count 500\n  hitctl send --file hits.ndjson --id-prefix monday\n  hitctl send --file -"
)]
pub struct Args {
    /// Path to count
    #[arg(long, value_name = "PATH", conflicts_with = "file")]
    pub path: Option<String>,
    /// Number of views
    #[arg(long, value_name = "N", requires = "path", default_value_t = 1, value_parser = parse_hit_count)]
    pub count: u64,
    /// Time of the views, such as 2026-09-20T10:00:00Z [default: now]
    #[arg(long, value_name = "TIME", requires = "path")]
    pub ts: Option<String>,
    /// File with one view per line, or `-` for stdin
    #[arg(long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Prefix of the message IDs [default: a new one for each run]
    #[arg(long, value_name = "PREFIX", value_parser = parse_prefix)]
    pub id_prefix: Option<String>,
}

/// The maximum size of a file in bytes.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;
/// The maximum number of concurrent calls to SQS.
const CONCURRENT_CALLS: usize = 8;
/// The number of sent messages between two progress notes.
const MESSAGES_PER_NOTE: u64 = 500;
/// The maximum number of invalid lines that are shown. With `--json`, all are shown.
const MAX_SHOWN_LINES: usize = 20;

/// Parses the number of views of a message.
fn parse_hit_count(text: &str) -> Result<u64, String> {
    let hits = fields::parse_count_argument(text).ok().filter(|hits| *hits > 0);
    hits.ok_or_else(|| format!("expected a whole number from 1 to {MAX_COUNT}"))
}

/// The maximum length of an ID prefix in characters. The line number is added to the prefix, and the result must be a
/// valid ID.
const MAX_PREFIX_CHARS: usize = 80;

/// Parses an ID prefix.
fn parse_prefix(text: &str) -> Result<String, String> {
    if text.len() > MAX_PREFIX_CHARS {
        return Err(format!("expected at most {MAX_PREFIX_CHARS} characters"));
    }
    id_argument(text)
}

/// Sends the views.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let config = session.load_for_writing("send views to").await?;
    if !config.app.queue.enabled {
        return Err(ingest::disabled("no_queue", &config, "has no queue", "queue.enabled"));
    }
    let prefix = args.id_prefix.clone().unwrap_or_else(unique_id);
    let app = &config.app;
    let keep_query = &app.counter.keep_query;
    let sources = EventOptions {
        event_key: app.events.key.clone(),
        event_amount: app.events.amount.clone(),
        site_bucket: app.cloudfront.site_bucket.clone(),
        log_bucket: app.cloudfront.log_bucket.clone(),
    };
    let parser = HitParser { prefix: &prefix, keep_query, now: Timestamp::now(), sources: &sources };
    let (hits, refused) = match (&args.path, &args.file) {
        (Some(path), _) => {
            let hit = parser.hit(1, path, args.ts.as_deref(), args.count);
            (
                vec![hit.map_err(|why| {
                    Failure::usage(format!("expected a path that can be counted, found {path:?}: {why}"))
                })?],
                Vec::new(),
            )
        }
        (None, Some(file)) => parser.parse_file(&ingest::read_content(session, file, MAX_FILE_BYTES)?),
        (None, None) => return Err(Failure::usage("expected one of --path PATH or --file FILE")),
    };
    if hits.is_empty() && refused.is_empty() {
        return Err(
            Failure::usage("the file contains no views").hinted("write one view per line, such as `/about`")
        );
    }
    for line in refused.iter().take(MAX_SHOWN_LINES) {
        session.console.warn(&format!("line {}: {}", line.line, line.why));
    }
    if refused.len() > MAX_SHOWN_LINES {
        session.console.warn(&plural((refused.len() - MAX_SHOWN_LINES) as u64, "more invalid line"));
    }
    let started = Instant::now();
    let mut view = SendView {
        env: config.env.clone(),
        queue: names::queue(&config.app.app, &config.env),
        refused,
        id_prefix: prefix.clone(),
        window_s: config.app.queue.window_s,
        ..SendView::default()
    };
    if !hits.is_empty() {
        with_progress(session, &config, async |run| send(run, &hits, &mut view).await).await?;
    }
    view.took_ms = millis(started);
    let exit = view.exit();
    session.console.result(&view);
    Ok(exit)
}

async fn send(run: RunContext<'_>, hits: &[HitLine], view: &mut SendView) -> Result<(), Failure> {
    let RunContext { session, sink, .. } = run;
    let cloud = ingest::open(run, &address::queue()).await?;
    let queue = cloud.queue(&view.queue)?;
    queue.url().await?;
    let entries: Vec<SendMessageEntry> =
        hits.iter().map(|hit| SendMessageEntry { body: hit.body(), ..SendMessageEntry::default() }).collect();
    let started = Instant::now();
    let detail = format!("sending {}", plural(entries.len() as u64, "message"));
    sink.send(Event::PhaseStarted { phase: phases::SEND, detail });
    let fault = send_batches(run, &queue, &entries, hits, view).await;
    let ok = fault.is_none() && !session.stop.is_cancelled();
    sink.send(Event::PhaseEnded { phase: phases::SEND, ok, took_ms: millis(started) });
    let hint = format!(
        "send the same views again with `--id-prefix {}`; with `counter.exact = true`, no message counts twice; {} of {} messages were sent",
        view.id_prefix,
        view.messages,
        entries.len()
    );
    if let Some(fault) = fault {
        let failure = Failure::from(fault);
        return Err(if view.messages == 0 { failure } else { failure.hinted(hint).with_exit(Exit::Partial) });
    }
    if session.stop.is_cancelled() && view.messages + (view.failed.len() as u64) < entries.len() as u64 {
        return Err(Failure::interrupted("interrupted; the rest was not sent").hinted(hint));
    }
    Ok(())
}

/// Sends the batches with limited concurrency. Starts no further batch after an interrupt, or after all messages of a
/// batch failed. In the latter case, returns the fault.
async fn send_batches(
    run: RunContext<'_>,
    queue: &SqsQueue,
    entries: &[SendMessageEntry],
    hits: &[HitLine],
    view: &mut SendView,
) -> Option<Fault> {
    let stop = &run.session.stop;
    // Cancelled by an interrupt, or when all messages of a batch failed.
    let stop_sending = stop.child_token();
    let mut start = 0;
    let batches = SendMessageEntry::batches(entries).into_iter().map(|batch| {
        let first_index = start;
        start += batch.len();
        (first_index, batch)
    });
    let batches: Vec<_> = batches.collect();
    let mut sending = futures::stream::iter(batches)
        .take_while(|_| std::future::ready(!stop_sending.is_cancelled()))
        .map(|(first_index, batch)| async move { (first_index, queue.send(batch, stop).await) })
        .buffer_unordered(CONCURRENT_CALLS);
    let (mut failed_batch, mut last_note) = (None, 0);
    while let Some((first_index, results)) = sending.next().await {
        if let Some(Err(fault)) = results.iter().find(|result| result.is_err())
            && results.iter().all(Result::is_err)
        {
            stop_sending.cancel();
            failed_batch.get_or_insert(fault.clone());
            continue;
        }
        for (hit, result) in hits[first_index..].iter().zip(results) {
            match result {
                Ok(()) => {
                    view.messages += 1;
                    view.hits = view.hits.saturating_add(hit.n);
                }
                Err(fault) => view.failed.push(RejectedLine { line: hit.line, why: fault.message }),
            }
        }
        if view.messages / MESSAGES_PER_NOTE > last_note {
            last_note = view.messages / MESSAGES_PER_NOTE;
            run.note(phases::SEND, format!("{} of {} messages", view.messages, entries.len()));
        }
    }
    failed_batch
}
