//! Measures on AWS: sends requests that count nothing to a copy of the deployed function, and always deletes the copy.

use std::fmt::Write as _;

use hitctl_cloud::{AccessMode, Cloud, DriverOptions};
use hitctl_config::{LoadedConfig, names};
use hitctl_engine::Fault;
use hitctl_report::{Exit, Failure, phases};
use hitctl_resources::FunctionSpec;
use hitctl_stack::cost;
use hitctl_stack::memory::MemoryFigures;
use hitctl_tune as tune;
use hitctl_tune::{FunctionCopy, MeasuringRequest, ScratchDir};
use tokio_util::sync::CancellationToken;

use super::{Args, Measured};
use crate::deployment::build::package;
use crate::deployment::context::{RunContext, with_progress};
use crate::deployment::lock::DeployLock;
use crate::session::Session;

/// The default number of measured processes per memory size.
const STARTS: u32 = 3;
/// The number of requests to each process after its first response.
const WARM_CALLS: u32 = 10;

/// Measures the memory sizes on AWS, after the user has confirmed.
pub(super) async fn measure(
    session: &Session,
    config: &LoadedConfig,
    args: Args,
    sizes: &[u32],
) -> Result<Measured, Failure> {
    if args.function.artifact.is_some() {
        return Err(Failure::usage(
            "`--artifact` requires the local target: on AWS, hitctl measures the deployed function",
        )
        .hinted("run `hitctl deploy` first, or measure with `--env local`"));
    }
    let (cloud, function_spec) = with_progress(session, config, open).await?;
    let starts = args.starts.unwrap_or(STARTS);
    let question = announce(session, config, &function_spec, sizes, starts);
    session.console.confirm(&question, session.global.yes).await?;

    let measuring = async |run: RunContext<'_>| {
        let lock = DeployLock::hold(&run.in_cloud(&*cloud), "tune", args.lock).await?;
        let measurement = AccountMeasurement {
            run,
            cloud: &*cloud,
            function_spec: &function_spec,
            starts,
            hits: args.hits,
        };
        let measuring = Box::pin(measurement.measure(sizes, lock.stop()));
        let rows = run.sink.phase(phases::MEASURE, "measuring a copy of the function", measuring).await;
        let lease_failure = lock.release(None).await;
        match (rows, lease_failure) {
            (Ok(rows), None) => Ok(rows),
            (Ok(_), Some(failure)) | (Err(failure), _) => Err(failure),
        }
    };
    let rows = with_progress(session, config, measuring).await?;
    let mut notes =
        vec!["reported by Lambda for a copy of the deployed function; the copy is deleted".to_owned()];
    if rows.iter().any(|row| row.warm_ms.is_none() || row.init_ms.is_none()) {
        notes.push("a value shown as - was not reported by Lambda".to_owned());
    }
    Ok(Measured { request_kind: MeasuringRequest::ReadOnly, rows, notes })
}

/// Connects to the account and reads the settings of the deployed function.
async fn open(run: RunContext<'_>) -> Result<(Box<dyn Cloud>, FunctionSpec), Failure> {
    let RunContext { session, config, sink } = run;
    let cloud = run.open_and_announce(AccessMode::Read).await?;
    let env = &config.env;
    let deployed = tune::read_deployed(&*cloud, config, sink, &session.stop).await?;
    let function_spec = deployed.ok_or_else(|| {
        Failure::new("not_deployed", format!("no function is deployed in environment {env}"))
            .hinted(format!("run `hitctl deploy --env {env}` first, or measure with `--env local`"))
    })?;
    // Fail before the confirmation if no copy can be created.
    FunctionCopy::new(&*cloud, config, cloud.drivers(DriverOptions::default()), sink, &session.stop)?;
    Ok((cloud, function_spec))
}

/// Prints what the measurement does, how long it takes and what it costs. Returns the question to confirm.
fn announce(
    session: &Session,
    config: &LoadedConfig,
    function_spec: &FunctionSpec,
    sizes: &[u32],
    starts: u32,
) -> String {
    let function = names::function(&config.app.app, &config.env);
    let calls = starts * (1 + WARM_CALLS);
    let timeout_ms = f64::from(function_spec.timeout_s) * 1_000.0;
    let max_cost: f64 =
        sizes.iter().map(|size| cost::invocation_cost(function_spec.arch, *size, calls, timeout_ms)).sum();
    let requests = u32::try_from(sizes.len()).unwrap_or(u32::MAX).saturating_mul(calls);
    let changes = u32::try_from(sizes.len()).unwrap_or(u32::MAX).saturating_mul(starts);
    let mut text = format!(
        "creates {function}-tune, a copy of {function} with the same role, code and environment, and deletes it at the end\n\
         sends it {requests} requests for {}, which read the table and count nothing",
        MeasuringRequest::ReadOnly.description()
    );
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "\ntakes several minutes: changes its configuration {changes} times, and waits after each change\n\
         costs at most {max_cost:.2} USD, if every invocation runs until its timeout of {} s",
        function_spec.timeout_s
    );
    session.console.message(&text);
    format!("Measure {} in {}?", function, config.env)
}

/// A measurement in an account.
struct AccountMeasurement<'a> {
    run: RunContext<'a>,
    cloud: &'a dyn Cloud,
    function_spec: &'a FunctionSpec,
    starts: u32,
    hits: u64,
}

impl AccountMeasurement<'_> {
    /// Creates the copy, measures it, and deletes it: also after a failure or an interrupt.
    async fn measure(&self, sizes: &[u32], stop: &CancellationToken) -> Result<Vec<MemoryFigures>, Failure> {
        let RunContext { session, config, sink } = self.run;
        let dir = ScratchDir::new(&session.cache_dir()?.join("tune")).map_err(|error| {
            Failure::new("tune_io", "failed to create a temporary directory for the function's code")
                .caused_by(error)
                .hinted("set XDG_CACHE_HOME to a writable directory")
        })?;
        let name = names::function(&config.app.app, &config.env);
        let artifact =
            tune::download_code(self.cloud, &session.env, &name, self.function_spec, dir.path()).await?;
        let drivers =
            self.cloud.drivers(DriverOptions { code: Some(package(&artifact)), ..DriverOptions::default() });
        let mut copy = FunctionCopy::new(self.cloud, config, drivers, sink, stop)?;
        // An existing copy is left over from a command that ended: only the holder of the deployment lease creates one.
        if copy.delete().await? {
            session.console.message(&format!("removed {}, left over from an earlier run", copy.name()));
        }
        let rows = self.measure_sizes(&mut copy, sizes, stop).await;
        let removed = copy.delete().await;
        match (rows, removed) {
            (Ok(rows), Ok(_)) => Ok(rows),
            (Err(failure), Ok(_)) => Err(failure),
            (Ok(_), Err(fault)) => Err(not_deleted(&copy, fault)),
            (Err(failure), Err(fault)) => {
                let undeleted = not_deleted(&copy, fault);
                Err(Failure::combine([failure.clone(), undeleted]).unwrap_or(failure))
            }
        }
    }

    async fn measure_sizes(
        &self,
        copy: &mut FunctionCopy<'_>,
        sizes: &[u32],
        stop: &CancellationToken,
    ) -> Result<Vec<MemoryFigures>, Failure> {
        let mut rows = Vec::new();
        for size in sizes {
            let mut measurements = Vec::new();
            for start in 1..=self.starts {
                self.run.note(phases::MEASURE, format!("{size} MB, start {start} of {}", self.starts));
                check_interrupted(stop)?;
                copy.set_memory(self.function_spec, *size).await?;
                check_interrupted(stop)?;
                measurements.push(copy.measure(WARM_CALLS).await?);
            }
            rows.push(MemoryFigures::compute(Some(*size), &measurements, &self.run.config.app, self.hits));
        }
        check_interrupted(stop)?;
        Ok(rows)
    }
}

fn check_interrupted(stop: &CancellationToken) -> Result<(), Failure> {
    if stop.is_cancelled() { Err(Failure::interrupted("interrupted; the copy is deleted")) } else { Ok(()) }
}

/// Returns the failure for a copy that could not be deleted. The copy costs nothing unless it is invoked.
fn not_deleted(copy: &FunctionCopy<'_>, fault: Fault) -> Failure {
    let name = copy.name();
    let mut failure = Failure::from(fault).with_exit(Exit::Partial);
    failure.message = format!("the measured copy {name} still exists: {}", failure.message);
    failure.hinted("run the command again, or `hitctl destroy`, to delete it")
}
