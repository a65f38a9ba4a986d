//! `hitctl dlq`: lists, redrives and purges dead letters.

mod dead_letter;
mod redrive;

use std::collections::BTreeMap;

use hitctl_cloud::{AccessMode, Cloud, ReceivedMessage, SqsQueue};
use hitctl_config::{LoadedConfig, names};
use hitctl_engine::EventSink;
use hitctl_report::{DeadLetterRow, DeadLettersView, Exit, Failure, PurgeView};
use hitctl_stack::address;
use jiff::{SignedDuration, Timestamp};

use self::dead_letter::{DeadLetter, DeadLetterKind};
use crate::deployment::context::RunContext;
use crate::deployment::ingest;
use crate::session::Session;

/// Subcommands of `dlq`.
#[derive(Debug, clap::Subcommand)]
#[expect(missing_docs, reason = "the help texts are the comments of the argument types")]
pub enum Command {
    List(List),
    Redrive(redrive::Redrive),
    Purge(Purge),
}

/// List dead letters and their causes
///
/// Nothing is deleted. The messages are received, which hides them from other consumers for a moment and increases their receive
/// count by one. The number of messages in a queue is SQS's approximation.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl dlq list\n  hitctl dlq list --limit 500 --json")]
pub struct List {
    /// Maximum number of dead letters to show
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
}

/// Delete all dead letters
///
/// The views in them are lost, so the command asks for the name of the environment. --yes does not confirm it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl dlq purge\n  hitctl dlq purge --env prod --confirm prod")]
pub struct Purge {
    /// Confirm with the name of the environment
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

/// Returns the visibility timeout, in seconds, for a command that receives `dead_letters` dead letters: 30 s, plus 1
/// s per 50 dead letters. The command makes them visible again when it ends. The timeout matters only if the command
/// is killed.
fn visibility_timeout_s(dead_letters: u64) -> i32 {
    i32::try_from(30 + dead_letters / 50).unwrap_or(i32::MAX).min(MAX_VISIBILITY_TIMEOUT_S)
}

/// The maximum visibility timeout of SQS: twelve hours.
const MAX_VISIBILITY_TIMEOUT_S: i32 = 43_200;

/// The age up to which log lines are searched for the reasons of dead letters.
const REASONS_PERIOD: SignedDuration = SignedDuration::from_hours(3 * 24);

/// Runs a subcommand of `dlq`.
pub async fn run(session: &mut Session, command: Command) -> Result<Exit, Failure> {
    let config = match command {
        Command::List(_) => session.load()?,
        Command::Redrive(_) => session.load_for_writing("redrive the dead letters of").await?,
        Command::Purge(_) => session.load_for_writing("delete the dead letters of").await?,
    };
    if !config.app.has_dead_letter_queue() {
        let problem = "has no dead-letter queue: its queue and its events are disabled";
        return Err(ingest::disabled("no_queue", &config, problem, "queue.enabled"));
    }
    match command {
        Command::List(args) => list(session, &config, &args).await,
        Command::Redrive(args) => redrive::run(session, &config, args).await,
        Command::Purge(args) => purge(session, &config, &args).await,
    }
}

/// Returns the dead-letter queue. Fails if it does not exist.
async fn open_queue(config: &LoadedConfig, cloud: &dyn Cloud) -> Result<SqsQueue, Failure> {
    let queue = cloud.queue(&names::dead_letter_queue(&config.app.app, &config.env))?;
    queue.url().await?;
    Ok(queue)
}

async fn list(session: &Session, config: &LoadedConfig, args: &List) -> Result<Exit, Failure> {
    let run = RunContext { session, config, sink: &EventSink::none() };
    let cloud = run.cloud(AccessMode::Read).await?;
    let queue = open_queue(config, &*cloud).await?;
    let limit = args.limit as usize;
    let mut seen: BTreeMap<String, ReceivedMessage> = BTreeMap::new();
    let result = receive_messages(session, &queue, limit, &mut seen).await;
    let seen: Vec<ReceivedMessage> = seen.into_values().collect();
    // Make the messages visible again, even after an error. Other commands can then read them without waiting.
    let released = queue.release(&seen).await;
    result?;
    released?;
    if session.stop.is_cancelled() {
        return Err(Failure::interrupted("interrupted; nothing was deleted"));
    }
    let approximate_total = queue.depth().await?.total().max(seen.len() as u64);
    let parse = |message: ReceivedMessage| {
        let dead_letter = DeadLetter::read(&message);
        (message, dead_letter)
    };
    let mut dead_letters: Vec<(ReceivedMessage, DeadLetter)> = seen.into_iter().map(parse).collect();
    dead_letters.sort_by_key(|(message, _)| message.sent_ms);
    dead_letters.truncate(limit);
    let reasons = reasons(session, config, &*cloud, &dead_letters).await;
    let rows = dead_letters.into_iter().map(|(message, dead_letter)| {
        let why = dead_letter.reason.or_else(|| reasons.get(&message.id).cloned());
        DeadLetterRow {
            why: why.unwrap_or_else(|| format!("received {}", dead_letter::times(message.receive_count))),
            kind: dead_letter.kind.name().to_owned(),
            body: dead_letter.body,
            received: message.receive_count,
            sent: message
                .sent_ms
                .and_then(|ms| Timestamp::from_millisecond(ms).ok())
                .map(|at| at.to_string()),
            id: message.id,
        }
    });
    let view = DeadLettersView {
        messages: rows.collect(),
        queue: queue.name().to_owned(),
        about: approximate_total,
        env: config.env.clone(),
    };
    session.console.result(&view);
    Ok(Exit::Done)
}

/// Receives messages into `seen` until it has `limit` entries, or until a call returns no new message.
async fn receive_messages(
    session: &Session,
    queue: &SqsQueue,
    limit: usize,
    seen: &mut BTreeMap<String, ReceivedMessage>,
) -> Result<(), Failure> {
    while seen.len() < limit && !session.stop.is_cancelled() {
        let previous_len = seen.len();
        let received = queue.receive(visibility_timeout_s(limit as u64)).await?;
        seen.extend(received.into_iter().map(|message| (message.id.clone(), message)));
        if seen.len() == previous_len {
            break;
        }
    }
    Ok(())
}

/// Returns the reasons why the function refused these messages, by message ID, as far as its log contains them.
async fn reasons(
    session: &Session,
    config: &LoadedConfig,
    cloud: &dyn Cloud,
    dead_letters: &[(ReceivedMessage, DeadLetter)],
) -> BTreeMap<String, String> {
    if !dead_letters.iter().any(|(_, dead_letter)| dead_letter.kind == DeadLetterKind::Message) {
        return BTreeMap::new();
    }
    let since =
        Timestamp::now().saturating_sub(REASONS_PERIOD).unwrap_or(Timestamp::UNIX_EPOCH).as_millisecond();
    let group = names::log_group(&config.app.app, &config.env);
    match cloud.search_logs(&group, since, dead_letter::MESSAGE_ID_FIELD).await {
        Ok(lines) => dead_letter::refusal_reasons(&lines).into_iter().collect(),
        Err(fault) => {
            session.console.warn(&format!("failed to find the causes in the log: {}", fault.message));
            BTreeMap::new()
        }
    }
}

async fn purge(session: &Session, config: &LoadedConfig, args: &Purge) -> Result<Exit, Failure> {
    let run = RunContext { session, config, sink: &EventSink::none() };
    let cloud = ingest::open(run, &address::dead_letter_queue()).await?;
    let queue = open_queue(config, &*cloud).await?;
    let total = queue.depth().await?.total();
    if total > 0 {
        let (name, env) = (queue.name(), &config.env);
        let warning = match total {
            1 => format!("This deletes the dead letter in {name}; the views in it are lost."),
            n => format!("This deletes about {n} dead letters in {name}; the views in them are lost."),
        };
        session.console.confirm_loss(&warning, env, args.confirm.as_deref()).await?;
        queue.purge().await?;
    }
    session.console.result(&PurgeView {
        env: config.env.clone(),
        queue: queue.name().to_owned(),
        purged: total,
    });
    Ok(Exit::Done)
}
