//! `hitctl dlq`: what could not be counted.

mod letter;
mod redrive;

use std::collections::BTreeMap;

use hitctl_cloud::{Access, Cloud, Message, Queue};
use hitctl_config::{Loaded, names};
use hitctl_engine::Sink;
use hitctl_report::{DeadLetterRow, DeadLettersView, Exit, Failure, PurgeView};
use hitctl_stack::address;
use jiff::{SignedDuration, Timestamp};

use self::letter::{Form, Letter};
use crate::deployment::context::RunContext;
use crate::deployment::ingest;
use crate::session::Session;

/// What to do with dead letters.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Show dead letters, and why they are there
    List(List),
    /// Send dead letters round again, after what was wrong is mended
    Redrive(redrive::Redrive),
    /// Delete every dead letter
    Purge(Purge),
}

/// Show dead letters, and why they are there
///
/// Nothing is taken away: they are received, which hides them from others for a moment and counts as one more time, and shown
/// to others again. A queue has many servers, and says only about how many messages it holds.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl dlq list\n  hitctl dlq list --limit 500 --json")]
pub struct List {
    /// Show no more than this
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub limit: u32,
}

/// Delete every dead letter
///
/// The hits in them are lost: the environment's name is asked for, and --yes does not answer it.
#[derive(Debug, clap::Args)]
pub struct Purge {
    /// Confirm the loss without a question: the name of the environment
    #[arg(long, value_name = "NAME")]
    pub confirm: Option<String>,
}

/// For how long letters that are looked at are hidden from others, in seconds: as long as it takes to go through that many,
/// fifty a second. Whoever looks shows them again before that; after one who was killed they show up by themselves.
fn hidden_s(letters: u64) -> i32 {
    i32::try_from(30 + letters / 50).unwrap_or(i32::MAX).min(MOST_HIDDEN_S)
}

/// SQS hides nothing for longer than twelve hours.
const MOST_HIDDEN_S: i32 = 43_200;

/// How far back the log is searched for the reasons.
const REASONS: SignedDuration = SignedDuration::from_hours(3 * 24);

/// Does it.
pub async fn run(session: &mut Session, command: Command) -> Result<Exit, Failure> {
    let loaded = match command {
        Command::List(_) => session.load()?,
        Command::Redrive(_) => session.load_for_writing("redrive dead letters of").await?,
        Command::Purge(_) => session.load_for_writing("delete the dead letters of").await?,
    };
    if !loaded.app.has_dead_letters() {
        let lacks = "has no dead letters: it has no queue and no events";
        return Err(ingest::disabled("no_queue", &loaded, lacks, "queue.enabled"));
    }
    match command {
        Command::List(args) => list(session, &loaded, &args).await,
        Command::Redrive(args) => redrive::run(session, &loaded, args).await,
        Command::Purge(args) => purge(session, &loaded, &args).await,
    }
}

/// The queue of dead letters, which is there.
async fn dead_letters(loaded: &Loaded, cloud: &dyn Cloud) -> Result<Queue, Failure> {
    let queue = cloud.queue(&names::dead_letter_queue(&loaded.app.app, &loaded.env))?;
    queue.url().await?;
    Ok(queue)
}

async fn list(session: &Session, loaded: &Loaded, args: &List) -> Result<Exit, Failure> {
    let run = RunContext { session, config: loaded, sink: &Sink::none() };
    let cloud = run.cloud(Access::Read).await?;
    let queue = dead_letters(loaded, &*cloud).await?;
    let limit = args.limit as usize;
    let mut seen: BTreeMap<String, Message> = BTreeMap::new();
    let looked = look(session, &queue, limit, &mut seen).await;
    let seen: Vec<Message> = seen.into_values().collect();
    // Whatever happened: nobody has to wait for what was only looked at.
    let released = queue.release(&seen).await;
    looked?;
    released?;
    if session.stop.is_cancelled() {
        return Err(Failure::interrupted("interrupted; nothing was taken away"));
    }
    let about = queue.depth().await?.all().max(seen.len() as u64);
    let read = |message: Message| {
        let letter = Letter::read(&message);
        (message, letter)
    };
    let mut letters: Vec<(Message, Letter)> = seen.into_iter().map(read).collect();
    letters.sort_by_key(|(message, _)| message.sent_ms);
    letters.truncate(limit);
    let reasons = reasons(session, loaded, &*cloud, &letters).await;
    let rows = letters.into_iter().map(|(message, letter)| {
        let why = letter.why.or_else(|| reasons.get(&message.id).cloned());
        DeadLetterRow {
            why: why.unwrap_or_else(|| format!("received {}", letter::times(message.received))),
            kind: letter.form.word().to_owned(),
            body: letter.body,
            received: message.received,
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
        about,
        env: loaded.env.clone(),
    };
    session.console.result(&view);
    Ok(Exit::Done)
}

/// Receives until there are enough, nothing comes any more, or only what was seen already does.
async fn look(
    session: &Session,
    queue: &Queue,
    limit: usize,
    seen: &mut BTreeMap<String, Message>,
) -> Result<(), Failure> {
    while seen.len() < limit && !session.stop.is_cancelled() {
        let before = seen.len();
        let came = queue.receive(hidden_s(limit as u64)).await?;
        seen.extend(came.into_iter().map(|message| (message.id.clone(), message)));
        if seen.len() == before {
            break;
        }
    }
    Ok(())
}

/// What the function said about these messages, as far as its log has it.
async fn reasons(
    session: &Session,
    loaded: &Loaded,
    cloud: &dyn Cloud,
    letters: &[(Message, Letter)],
) -> BTreeMap<String, String> {
    if !letters.iter().any(|(_, letter)| letter.form == Form::Message) {
        return BTreeMap::new();
    }
    let since = Timestamp::now().saturating_sub(REASONS).unwrap_or(Timestamp::UNIX_EPOCH).as_millisecond();
    let group = names::log_group(&loaded.app.app, &loaded.env);
    match cloud.lines(&group, since, letter::NAMED).await {
        Ok(lines) => letter::refusals(&lines).into_iter().collect(),
        Err(fault) => {
            session.console.warn(&format!("the log does not say why: {}", fault.message));
            BTreeMap::new()
        }
    }
}

async fn purge(session: &Session, loaded: &Loaded, args: &Purge) -> Result<Exit, Failure> {
    let run = RunContext { session, config: loaded, sink: &Sink::none() };
    let cloud = ingest::open(run, &address::dead_letter_queue()).await?;
    let queue = dead_letters(loaded, &*cloud).await?;
    let purged = queue.depth().await?.all();
    if purged > 0 {
        let (name, env) = (queue.name(), &loaded.env);
        let warning = match purged {
            1 => format!("This deletes the dead letter in {name}; the hits in it are lost."),
            n => format!("This deletes about {n} dead letters in {name}; the hits in them are lost."),
        };
        session.console.confirm_loss(&warning, env, args.confirm.as_deref()).await?;
        queue.purge().await?;
    }
    session.console.result(&PurgeView { env: loaded.env.clone(), queue: queue.name().to_owned(), purged });
    Ok(Exit::Done)
}
