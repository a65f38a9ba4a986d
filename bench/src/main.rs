//! `load`: sends many requests to a URL on this machine over keep-alive connections, and reports the statuses and latencies.
//!
//! It shares the machine with the server that it measures, so it uses one thread and parses only the necessary parts of HTTP. It
//! sends requests to loopback addresses only. Every request and the whole run have a timeout.

mod connection;
mod report;
mod run;
mod target;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use target::LoadTarget;

/// Send many requests to one URL on this machine, and report hits per second and latencies
#[derive(Debug, Parser)]
#[command(name = "load", version)]
struct Args {
    /// URL to send GET requests to: http://127.0.0.1:PORT/path?query
    #[arg(long, value_parser = LoadTarget::parse, required_unless_present = "queue")]
    url: Option<LoadTarget>,
    /// Queue to send messages to instead, ten per call: http://127.0.0.1:PORT/ACCOUNT/NAME
    #[arg(long, conflicts_with = "url")]
    queue: Option<String>,
    /// Number of paths to rotate over; the query of the URL must contain path=/
    #[arg(long, default_value_t = 0)]
    paths: u16,
    /// Number of connections, each with one request in flight
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    /// Number of requests to measure
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    requests: u32,
    /// Number of requests before the measured ones, over the same connections
    #[arg(long, default_value_t = 0)]
    warmup: u32,
    /// Maximum duration of the run, in seconds
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    /// Timeout of one request, in seconds
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
        Ok(complete) if complete => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(2),
    }
}

/// Returns the target of the requests: the URL or the queue.
fn parse_target_args(args: &Args) -> Result<LoadTarget, String> {
    match (&args.url, &args.queue) {
        (_, Some(queue)) => LoadTarget::queue(queue, args.paths),
        (Some(url), None) => Ok(url.clone().with_paths(args.paths)),
        (None, None) => Err("expected --url or --queue".to_owned()),
    }
}

/// Runs the load and prints the report. Returns `false` if a request failed or the time limit ended the run: then the
/// figures are not reliable.
fn measure(args: &Args) -> std::io::Result<bool> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let plan = run::LoadPlan {
        target: parse_target_args(args).map_err(std::io::Error::other)?,
        concurrency: args.concurrency,
        limit: Duration::from_secs(args.seconds),
        timeout: Duration::from_secs(args.timeout),
    };
    let (samples, report) = runtime.block_on(async {
        let mut connections = run::connections(&plan);
        if args.warmup > 0 {
            run::run_load(&plan, &mut connections, args.warmup).await;
        }
        let samples = run::run_load(&plan, &mut connections, args.requests).await;
        let report = report::LoadReport::from_samples(&samples, args.concurrency);
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
