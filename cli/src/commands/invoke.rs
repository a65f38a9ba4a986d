//! `hitctl invoke`: invokes the deployed function directly, without its HTTP API.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use hitctl_cloud::{AccessMode, unique_id};
use hitctl_config::{AppConfig, DeployTarget, LoadedConfig, Location, names};
use hitctl_report::{EventView, Exit, Failure, InvokeView};
use hitctl_stack::address;
use jiff::Timestamp;
use serde_json::Value as Json;

use crate::deployment::context::{RunContext, with_progress};
use crate::deployment::ingest;
use crate::events::{self, EventGenerator};
use crate::session::Session;

/// The maximum size of an event in a synchronous Lambda invocation, in bytes.
const MAX_EVENT_BYTES: u64 = 6 * 1024 * 1024;
/// The account in a printed event if the configuration has none. It is from the examples of the AWS documentation.
const EXAMPLE_ACCOUNT: &str = "123456789012";
/// The region in a printed event if the configuration has none.
const EXAMPLE_REGION: &str = "us-east-1";

/// Invoke the function with a generated event
///
/// Invokes the function directly instead of requesting the URL, and prints response, duration and log.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("input").required(true).multiple(true).args(["path", "event", "payload"]))]
#[command(
    after_help = "Examples:\n  hitctl invoke --path /\n  hitctl invoke --path / --read-only\n  hitctl invoke --event sqs --path / --count 25\n  hitctl invoke --event eventbridge --print\n  hitctl invoke --payload event.json"
)]
pub struct Args {
    /// Path to count; without --event, the event is GET /counter?path=PATH [default: / with --event]
    #[arg(long, value_name = "PATH", conflicts_with = "payload")]
    pub path: Option<String>,
    /// Read the count without counting
    #[arg(long, requires = "path", conflicts_with = "event")]
    pub read_only: bool,
    /// Service whose event invokes the function
    #[arg(long, value_enum, value_name = "KIND", conflicts_with = "payload")]
    pub event: Option<EventKind>,
    /// Number of messages in the batch of `--event sqs`
    #[arg(long, value_name = "N", requires = "event", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: Option<u32>,
    /// Invoke the reader, the function for reads
    #[arg(long, conflicts_with = "read_only")]
    pub reader: bool,
    /// Print the event without invoking
    #[arg(long, conflicts_with = "payload")]
    pub print: bool,
    /// JSON file to send as the event, or - for stdin
    #[arg(long, value_name = "FILE")]
    pub payload: Option<PathBuf>,
}

/// The service that invokes the function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum EventKind {
    /// The HTTP API
    Http,
    /// SQS: a batch of messages
    Sqs,
    /// EventBridge: an event that matches `events.pattern`
    Eventbridge,
    /// CloudFront: a viewer request
    Cloudfront,
    /// S3 through EventBridge: a new object in `cloudfront.site_bucket`
    S3,
}

/// Invokes the function, or prints the event.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let config =
        if args.print { session.load()? } else { session.load_for_writing("invoke the function of").await? };
    if args.reader {
        check_reader(&config, &args)?;
    }
    if args.count.is_some() && args.event != Some(EventKind::Sqs) {
        return Err(Failure::usage("`--count` requires `--event sqs`"));
    }
    if args.print {
        let AppConfig { account, region, .. } = &config.app;
        let (account, region) = match config.target {
            DeployTarget::Local => (hitctl_local::ACCOUNT, hitctl_local::REGION),
            DeployTarget::Aws => {
                (account.as_deref().unwrap_or(EXAMPLE_ACCOUNT), region.as_deref().unwrap_or(EXAMPLE_REGION))
            }
        };
        let location = Location { partition: names::partition_name(region), region, account };
        let event = generate(session, &config, &args, location)?;
        session.console.result(&EventView { event });
        return Ok(Exit::Done);
    }
    // Report errors in the event before connecting to the cloud.
    let user_event = args.payload.as_deref().map(|file| payload(session, file)).transpose()?;
    if user_event.is_none() && args.event == Some(EventKind::S3) {
        site_bucket(&config)?;
    }
    let invoking = async |run: RunContext<'_>| {
        // Start the local cloud only if the function is deployed.
        let mut cloud = run.cloud(AccessMode::Read).await?;
        if !cloud.is_running() {
            ingest::check_deployed(&run.in_cloud(&*cloud), &address::counter()).await?;
            cloud = run.cloud(AccessMode::Write).await?;
        }
        let (app, env) = (&config.app.app, &config.env);
        let function = if args.reader { names::reader(app, env) } else { names::function(app, env) };
        let event = match user_event {
            Some(event) => event,
            None => generate(run.session, &config, &args, cloud.location().as_location())?,
        };
        Ok::<_, Failure>(cloud.invoke(&function, &event).await?)
    };
    let response = with_progress(session, &config, invoking).await?;
    let view =
        InvokeView::new(&response.payload, response.function_error, response.duration_ms, response.log_tail);
    let failed = view.is_failure();
    session.console.result(&view);
    Ok(if failed { Exit::Error } else { Exit::Done })
}

/// Generates the event that the flags describe. Warns if the rule of the event bus would not deliver it.
fn generate(
    session: &Session,
    config: &LoadedConfig,
    args: &Args,
    location: Location<'_>,
) -> Result<Json, Failure> {
    let path = args.path.as_deref().unwrap_or("/");
    let generator = EventGenerator {
        app: &config.app,
        env: &config.env,
        location,
        path,
        now: Timestamp::now(),
        unique: unique_id(),
    };
    Ok(match args.event {
        None | Some(EventKind::Http) if args.reader => events::http_for_reader(path),
        None | Some(EventKind::Http) => events::http(path, args.read_only),
        Some(EventKind::Sqs) => generator.sqs(args.count.unwrap_or(1)),
        Some(EventKind::Cloudfront) => generator.cloudfront(),
        Some(EventKind::S3) => generator.s3(site_bucket(config)?),
        Some(EventKind::Eventbridge) => {
            let event = generator.eventbridge();
            if !generator.matches_pattern(&event) {
                session.console.warn(
                    "the generated event does not match `events.pattern`, so the rule would not deliver it; pass a matching \
                     event with `--payload FILE`",
                );
            }
            event
        }
    })
}

/// Fails if there is no reader, or if the reader does not handle the requested kind of event.
fn check_reader(config: &LoadedConfig, args: &Args) -> Result<(), Failure> {
    if !config.app.has_reader() {
        return Err(Failure::usage(format!(
            "environment {} has no reader: one function handles all requests",
            config.env
        ))
        .hinted("omit `--reader`"));
    }
    if args.event.is_some_and(|event| event != EventKind::Http) {
        return Err(Failure::usage("`--reader` requires HTTP events: the counter handles all others"));
    }
    Ok(())
}

fn site_bucket(config: &LoadedConfig) -> Result<&str, Failure> {
    config.app.cloudfront.site_bucket.as_deref().ok_or_else(|| {
        Failure::usage(format!("environment {} has no site bucket", config.env))
            .hinted("set `cloudfront.site_bucket = \"my-site\"` in hitctl.toml")
    })
}

/// Reads the event from the user's file or stdin.
fn payload(session: &mut Session, file: &Path) -> Result<Json, Failure> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        session.console.read_input(MAX_EVENT_BYTES, &mut bytes)
    } else {
        std::fs::File::open(session.cwd.join(file))
            .and_then(|opened| opened.take(MAX_EVENT_BYTES + 1).read_to_end(&mut bytes))
            .map(drop)
    };
    let shown = if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() };
    read.map_err(|error| Failure::usage(format!("failed to read the event from {shown}")).caused_by(error))?;
    if bytes.len() as u64 > MAX_EVENT_BYTES {
        return Err(Failure::usage(format!("{shown} is larger than 6 MB, the maximum size of an event")));
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::usage(format!("failed to parse {shown} as JSON")).caused_by(error))
}
