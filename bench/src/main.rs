//! `load`: asks one URL on this machine many times over keep-alive connections, and reports what came back and how fast.
//!
//! It shares the machine with what it measures, so it is one thread and parses no more of HTTP than it needs. It asks
//! loopback addresses only, and always ends: every request and the whole run are bounded in time.

mod connection;
mod report;
mod run;
mod target;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use target::Target;

/// Asks one URL on this machine many times and reports hits per second and latencies
#[derive(Debug, Parser)]
#[command(name = "load", version)]
struct Args {
    /// What to ask, by GET: http://127.0.0.1:PORT/path?query
    #[arg(long, value_parser = Target::parse, required_unless_present = "queue")]
    url: Option<Target>,
    /// A queue to send to instead, ten messages a call: http://127.0.0.1:PORT/ACCOUNT/NAME
    #[arg(long, conflicts_with = "url")]
    queue: Option<String>,
    /// Count on so many paths in turn; the URL's query has path=/ in it
    #[arg(long, default_value_t = 0)]
    paths: u16,
    /// Connections, each with one request in flight
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    /// Requests that are measured
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    requests: u32,
    /// Requests before the measured ones, over the same connections
    #[arg(long, default_value_t = 0)]
    warmup: u32,
    /// Seconds after which the run ends, with whatever was measured until then
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Seconds that one request may take
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut stderr = std::io::stderr();
    match measure(&args) {
        // Nothing useful can be done when stderr is closed.
        Err(error) => {
            writeln!(stderr, "error: {error}").ok();
            ExitCode::FAILURE
        }
        Ok(clean) if clean => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(2),
    }
}

/// What is asked: the URL or the queue.
fn target(args: &Args) -> Result<Target, String> {
    match (&args.url, &args.queue) {
        (_, Some(queue)) => Target::queue(queue, args.paths),
        (Some(url), None) => Ok(url.clone().spread(args.paths)),
        (None, None) => Err("--url or --queue is needed".to_owned()),
    }
}

/// Runs the load and prints it. `false` when a request failed or the run was cut short: such figures are not to be trusted.
fn measure(args: &Args) -> std::io::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let plan = run::Plan {
        target: target(args).map_err(std::io::Error::other)?,
        concurrency: args.concurrency,
        limit: Duration::from_secs(args.seconds),
        timeout: Duration::from_secs(args.timeout),
    };
    let (samples, report) = runtime.block_on(async {
        let mut connections = run::connections(&plan);
        if args.warmup > 0 {
            run::load(&plan, &mut connections, args.warmup).await;
        }
        let samples = run::load(&plan, &mut connections, args.requests).await;
        let report = report::Report::of(&samples, args.concurrency);
        (samples, report)
    });
    let mut out = std::io::stdout();
    if args.json {
        serde_json::to_writer(&mut out, &report)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{report}")?;
    }
    Ok(samples.errors.is_empty() && samples.latencies.len() == args.requests as usize)
}
