//! `hitctl tune`: measures the speed and the cost of each memory size. On this machine, it limits the CPU of local
//! processes. On AWS, it invokes a copy of the function and then deletes the copy.

mod account;
mod local;

use std::collections::BTreeSet;
use std::time::Instant;

use hitctl_config::{DeployTarget, LoadedConfig};
use hitctl_report::{Exit, Failure, TuneView};
use hitctl_stack::cost::PRICES_AS_OF;
use hitctl_stack::memory::{MemoryAdvice, MemoryFigures};
use hitctl_tune::MeasuringRequest;

use crate::deployment::build::FunctionArgs;
use crate::deployment::lock::LockArgs;
use crate::elapsed::millis;
use crate::session::Session;

/// Measure memory sizes and recommend one
///
/// Measures cold start, first response and warm latency of the function at several memory sizes, with their cost.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  hitctl tune --env local\n  hitctl tune --env prod --memory 128,256 --hits 5000000"
)]
pub struct Args {
    /// Memory sizes to measure, in MB
    #[arg(
        long,
        value_name = "MB,..",
        value_delimiter = ',',
        default_value = "128,256,512,1024,1769",
        value_parser = clap::value_parser!(u32).range(128..=10_240)
    )]
    pub memory: Vec<u32>,
    /// Views per month, for the cost
    #[arg(long, value_name = "N", default_value = "1000000")]
    pub hits: u64,
    /// Recommend the cheapest size whose first response takes at most this many milliseconds
    #[arg(long, value_name = "MS", default_value = "100", value_parser = clap::value_parser!(u32).range(1..))]
    pub within: u32,
    /// Number of processes per size [default: 5 on this machine, 3 on AWS]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=20))]
    pub starts: Option<u32>,
    /// The executable to measure, only on this machine.
    #[command(flatten)]
    pub function: FunctionArgs,
    /// How long to wait for another deploy.
    #[command(flatten)]
    pub lock: LockArgs,
}

/// The results of a measurement.
struct Measured {
    request_kind: MeasuringRequest,
    rows: Vec<MemoryFigures>,
    notes: Vec<String>,
}

/// Measures the memory sizes and recommends one.
pub async fn run(session: &mut Session, args: Args) -> Result<Exit, Failure> {
    let started = Instant::now();
    let config = session.load_for_writing("measure").await?;
    let sizes: Vec<u32> = args.memory.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let (hits, within_ms) = (args.hits, args.within);
    let Measured { request_kind, rows, notes } = match config.target {
        DeployTarget::Local => Box::pin(local::measure(session, &config, args, &sizes)).await?,
        DeployTarget::Aws => Box::pin(account::measure(session, &config, args, &sizes)).await?,
    };
    let recommendation = MemoryAdvice::recommend(&rows, within_ms);
    session.console.result(&TuneView {
        command: "tune",
        next: next(&config, &recommendation),
        env: config.env.clone(),
        target: config.target.to_string(),
        request: request_kind.description(),
        hits,
        within_ms,
        prices_as_of: PRICES_AS_OF,
        sizes: rows,
        recommendation,
        configured_mb: config.app.function.memory_mb,
        notes,
        took_ms: millis(started),
    });
    Ok(Exit::Done)
}

/// Returns the next step for a recommendation.
fn next(config: &LoadedConfig, advice: &MemoryAdvice) -> Option<String> {
    let memory = advice.memory_mb?;
    Some(if memory == config.app.function.memory_mb {
        format!("nothing to change: `memory_mb` is already {memory}")
    } else {
        format!(
            "set `memory_mb = {memory}` under [function] in hitctl.toml, then run `hitctl deploy --env {}`",
            config.env
        )
    })
}
