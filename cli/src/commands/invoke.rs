//! `hitctl invoke`: the deployed function itself, without the API in front of it.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use hitctl_config::{Loaded, names};
use hitctl_engine::Sink;
use hitctl_resources::{FunctionSpec, Spec as _};
use serde_json::Value as Json;

use crate::cloud::{self, Access, Cloud, Drive};
use crate::commands::steps;
use crate::report::{Exit, Failure, InvokeView};
use crate::session::Session;
use crate::stack::Code;

/// The largest event that Lambda takes in a synchronous call.
const MAX_EVENT_BYTES: u64 = 6 * 1024 * 1024;

/// What a generated event says of its browser: that of a person, so that it counts, and of hitctl.
const AGENT: &str = "Mozilla/5.0 (hitctl; invoke) Gecko";
/// Where it comes from: nobody's address.
const ADDRESS: &str = "127.0.0.1";

/// Call the deployed function itself (not the URL) with a generated event, and print its answer, how long it took, and
/// what it logged
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl invoke --path /\n  hitctl invoke --path / --read-only\n  hitctl invoke --payload event.json"
)]
pub struct Args {
    /// Count this path, as a page would by GET /counter?path=PATH
    #[arg(long, value_name = "PATH", required_unless_present = "payload", conflicts_with = "payload")]
    pub path: Option<String>,
    /// Only read the count
    #[arg(long, requires = "path")]
    pub read_only: bool,
    /// Send this JSON file as the event; - reads it from stdin
    #[arg(long, value_name = "FILE")]
    pub payload: Option<PathBuf>,
}

/// Invokes.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let loaded = session.load()?;
    let event = match (&args.path, &args.payload) {
        (Some(path), _) => event(path, args.read_only),
        (None, Some(file)) => payload(session, file)?,
        (None, None) => return Err(Failure::usage("--path or --payload is needed")),
    };
    let progress = session.console.progress();
    let answer = async {
        let sink = progress.sink();
        // Nothing is started for a function that is not there.
        let mut cloud = cloud::open(session, &loaded, Access::Read, &sink).await?;
        if !cloud.is_running() {
            deployed(session, &loaded, &*cloud, &sink).await?;
            cloud = cloud::open(session, &loaded, Access::Write, &sink).await?;
        }
        let function = names::function(&loaded.app.app, &loaded.env);
        Ok::<_, Failure>(cloud.invoke(&function, &event).await?)
    }
    .await;
    progress.finish();
    let answer = answer?;
    let view = InvokeView::new(&answer.payload, answer.function_error, answer.duration_ms, answer.log_tail);
    let failed = view.is_failure();
    session.console.result(&view);
    Ok(if failed { Exit::Error } else { Exit::Done })
}

/// Whether there is a function to call.
async fn deployed(session: &Session, loaded: &Loaded, cloud: &dyn Cloud, sink: &Sink) -> Result<(), Failure> {
    let code = Code { sha256: String::new(), arch: loaded.app.function.arch };
    let graph = steps::design(loaded, cloud.place(), &code)?;
    let live = steps::survey(session, &graph, &cloud.drivers(Drive::default()), sink).await?;
    if live.live(&FunctionSpec::address("counter")).is_some() {
        return Ok(());
    }
    let env = &loaded.env;
    Err(Failure::new("not_deployed", format!("there is no function in env {env}"))
        .hinted(format!("run `hitctl deploy --env {env}` first")))
}

/// The event that the HTTP API would send for `GET /counter?path=PATH`.
fn event(path: &str, read_only: bool) -> Json {
    let query = format!("path={}{}", encode(path), if read_only { "&ro=1" } else { "" });
    serde_json::json!({
        "version": "2.0",
        "routeKey": "ANY /counter",
        "rawPath": "/counter",
        "rawQueryString": query,
        "headers": { "user-agent": AGENT },
        "requestContext": {
            "http": { "method": "GET", "path": "/counter", "protocol": "HTTP/1.1", "sourceIp": ADDRESS, "userAgent": AGENT },
            "routeKey": "ANY /counter",
            "stage": "$default",
        },
        "isBase64Encoded": false,
    })
}

/// Percent-encodes everything but the unreserved characters of RFC 3986.
fn encode(text: &str) -> String {
    use std::fmt::Write as _;
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _infallible = write!(out, "%{byte:02X}");
        }
        out
    })
}

/// Reads the event that the user gave.
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
        return Err(Failure::usage(format!("{shown} is larger than the 6 MB that Lambda takes")));
    }
    serde_json::from_slice(&bytes)
        .map_err(|error| Failure::usage(format!("{shown} is not JSON")).caused_by(error))
}
