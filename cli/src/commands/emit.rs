//! `hitctl emit`: puts events on the event bus.

mod entries;

use std::path::PathBuf;
use std::time::Instant;

use hitctl_cloud::BusEvent;
use hitctl_engine::Event;
use hitctl_report::{EmitView, Exit, FailedEvent, Failure, phases, plural};
use hitctl_stack::address;
use serde_json::Value as Json;

use crate::deployment::context::{RunContext, with_progress};
use crate::deployment::ingest;
use crate::elapsed::millis;
use crate::session::Session;

/// Put events on the event bus
///
/// The file contains the JSON list of entries of EventBridge's `PutEvents`, with `Detail` as an object or as text. All
/// events are checked before any is sent.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("input").required(true).args(["file", "detail"]))]
#[command(
    after_help = "Examples:\n  hitctl emit --file events.json\n  hitctl emit --source cli --detail-type move --detail '{\"path\":\"/\"}'\n  hitctl invoke --event eventbridge --print"
)]
pub struct Args {
    /// JSON list of events, or `-` for stdin
    #[arg(long, value_name = "FILE", conflicts_with = "detail")]
    pub file: Option<PathBuf>,
    /// Detail of a single event: a JSON object
    #[arg(long, value_name = "JSON", requires_all = ["source", "detail_type"])]
    pub detail: Option<String>,
    /// Source of the event
    #[arg(long, value_name = "SOURCE", requires = "detail")]
    pub source: Option<String>,
    /// Detail type of the event
    #[arg(long, value_name = "TYPE", requires = "detail")]
    pub detail_type: Option<String>,
}

/// The maximum size of a file in bytes.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Puts events on the bus.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let config = session.load_for_writing("send events to").await?;
    if !config.app.events.enabled {
        return Err(ingest::disabled("no_events", &config, "does not accept events", "events.enabled"));
    }
    let bus = &config.app.events.bus;
    let events = match (&args.detail, &args.source, &args.detail_type, &args.file) {
        (Some(detail), Some(source), Some(detail_type), _) => {
            vec![entries::from_args(source, detail_type, detail, bus).map_err(Failure::usage)?]
        }
        (.., Some(file)) => entries::parse(&ingest::read_content(session, file, MAX_FILE_BYTES)?, bus)
            .map_err(|errors| {
                Failure::usage(format!("invalid events in {}:\n{}", file.display(), errors.join("\n")))
                    .hinted("see `hitctl help emit` for the format; nothing was sent")
            })?,
        _ => return Err(Failure::usage("expected one of --file FILE or --detail JSON")),
    };
    if events.is_empty() {
        return Err(Failure::usage("the file contains no events"));
    }
    let unmatched = entries::unmatched(&events, &Json::Object(config.app.events.pattern.clone()));
    if let Some(first) = unmatched.first() {
        let subject = match unmatched.len() {
            1 => format!("event {first} does"),
            n => format!("{n} events, of which the first is event {first}, do"),
        };
        session.console.warn(&format!("{subject} not match `events.pattern` and will not be counted"));
    }
    let view = with_progress(session, &config, async |run| put(run, &events).await).await?;
    let exit = match (view.failed.is_empty(), view.events) {
        (true, _) => Exit::Done,
        (false, 0) => Exit::Error,
        (false, _) => Exit::Partial,
    };
    session.console.result(&view);
    Ok(exit)
}

async fn put(run: RunContext<'_>, events: &[BusEvent]) -> Result<EmitView, Failure> {
    let RunContext { session, config, sink } = run;
    let started = Instant::now();
    let cloud = ingest::open(run, &address::event_rule()).await?;
    let name = &config.app.events.bus;
    let bus = cloud.bus(name)?;
    let mut view = EmitView { env: config.env.clone(), bus: name.clone(), ..EmitView::default() };
    let detail = format!("sending {}", plural(events.len() as u64, "event"));
    sink.send(Event::PhaseStarted { phase: phases::SEND, detail });
    let mut index = 0;
    let mut fault = None;
    for batch in BusEvent::batches(events) {
        if session.stop.is_cancelled() {
            break;
        }
        let results = bus.put_events(batch, &session.stop).await;
        let all_failed = results.iter().all(Result::is_err);
        for result in results {
            match result {
                Ok(id) => {
                    view.events += 1;
                    view.ids.push(id);
                }
                Err(error) => {
                    let (code, message) = (error.code.to_string(), error.message.clone());
                    view.failed.push(FailedEvent { index, code, message });
                    fault = Some(error);
                }
            }
            index += 1;
        }
        if all_failed {
            break;
        }
        run.note(phases::SEND, format!("{} of {} events", view.events, events.len()));
    }
    let ok = index == events.len() && view.failed.is_empty();
    view.took_ms = millis(started);
    sink.send(Event::PhaseEnded { phase: phases::SEND, ok, took_ms: view.took_ms });
    let hint =
        format!("send the remaining events again; {} of {} events were sent", view.events, events.len());
    if index < events.len() && session.stop.is_cancelled() {
        return Err(Failure::interrupted("interrupted; the rest was not sent").hinted(hint));
    }
    match fault {
        Some(fault) if view.events == 0 => Err(Failure::from(fault)),
        Some(fault) if index < events.len() => {
            Err(Failure::from(fault).hinted(hint).with_exit(Exit::Partial))
        }
        _ => Ok(view),
    }
}
