//! In an account: a copy of the deployed function, asked only what does not count, and deleted whatever happens.

use std::fmt::Write as _;

use hitctl_cloud::{Access, Cloud, DriverOptions};
use hitctl_config::{Loaded, names};
use hitctl_engine::Fault;
use hitctl_report::{Exit, Failure, phases};
use hitctl_resources::FunctionSpec;
use hitctl_stack::cost;
use hitctl_stack::memory::Figures;
use hitctl_tune as tune;
use hitctl_tune::{Asks, Copy, Scratch};
use tokio_util::sync::CancellationToken;

use super::{Args, Measured};
use crate::deployment::build::package;
use crate::deployment::context::{RunContext, with_progress};
use crate::deployment::lock::DeployLock;
use crate::session::Session;

/// How many processes are started for a size, and how often each is asked after its first answer.
const STARTS: u32 = 3;
const WARM_CALLS: u32 = 10;

/// Measures there.
pub(super) async fn measure(
    session: &Session,
    loaded: &Loaded,
    args: Args,
    sizes: &[u32],
) -> Result<Measured, Failure> {
    if args.function.artifact.is_some() {
        return Err(Failure::usage(
            "--artifact is for this machine: in an account, what is deployed is measured",
        )
        .hinted("run `hitctl deploy` first, or measure with `--env local`"));
    }
    let (cloud, of) = with_progress(session, loaded, open).await?;
    let starts = args.starts.unwrap_or(STARTS);
    let question = announce(session, loaded, &of, sizes, starts);
    session.console.agree(&question, session.global.yes).await?;

    let measuring = async |run: RunContext<'_>| {
        let lock = DeployLock::hold(&run.in_cloud(&*cloud), "tune", args.lock).await?;
        let copies = Measuring { run, cloud: &*cloud, of: &of, starts, hits: args.hits };
        let measuring = Box::pin(copies.measure(sizes, lock.stop()));
        let rows = run.sink.phase(phases::MEASURE, "measuring a copy of the function", measuring).await;
        let lost = lock.end(None).await;
        match (rows, lost) {
            (Ok(rows), None) => Ok(rows),
            (Ok(_), Some(failure)) | (Err(failure), _) => Err(failure),
        }
    };
    let rows = with_progress(session, loaded, measuring).await?;
    let mut notes =
        vec!["reported by Lambda for a copy of the deployed function, which is deleted again".to_owned()];
    if rows.iter().any(|row| row.warm_ms.is_none() || row.init_ms.is_none()) {
        notes.push("what stands as - was not reported; nothing was put in its place".to_owned());
    }
    Ok(Measured { asks: Asks::Reading, rows, notes })
}

/// Opens the account, and looks at what is deployed.
async fn open(run: RunContext<'_>) -> Result<(Box<dyn Cloud>, FunctionSpec), Failure> {
    let RunContext { session, config: loaded, sink } = run;
    let cloud = run.open(Access::Read).await?;
    let env = &loaded.env;
    let deployed = tune::deployed(&*cloud, loaded, sink, &session.stop).await?;
    let of = deployed.ok_or_else(|| {
        Failure::new("not_deployed", format!("there is no function in env {env}"))
            .hinted(format!("run `hitctl deploy --env {env}` first, or measure with `--env local`"))
    })?;
    // Refused before anything is asked or said.
    Copy::new(&*cloud, loaded, cloud.drivers(DriverOptions::default()), sink, &session.stop)?;
    Ok((cloud, of))
}

/// Says what will be done, what it takes and what it costs; gives back the question.
fn announce(session: &Session, loaded: &Loaded, of: &FunctionSpec, sizes: &[u32], starts: u32) -> String {
    let function = names::function(&loaded.app.app, &loaded.env);
    let calls = starts * (1 + WARM_CALLS);
    let timeout_ms = f64::from(of.timeout_s) * 1_000.0;
    let most: f64 = sizes.iter().map(|size| cost::invocations(of.arch, *size, calls, timeout_ms)).sum();
    let count = u32::try_from(sizes.len()).unwrap_or(u32::MAX).saturating_mul(calls);
    let changes = u32::try_from(sizes.len()).unwrap_or(u32::MAX).saturating_mul(starts);
    let mut text = format!(
        "makes {function}-tune, a copy of {function} with the same role, code and environment, and deletes it again; \
         asks it {count} times for {}, which reads the table and counts nothing",
        Asks::Reading.words()
    );
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "\ntakes some minutes: {changes} changes of its configuration, one after another, each of which is waited for\n\
         costs at most {most:.2} USD, if each invocation took the whole timeout of {} s",
        of.timeout_s
    );
    session.console.talk(&text);
    format!("Measure {} in {}?", function, loaded.env)
}

/// What a run has at hand.
struct Measuring<'a> {
    run: RunContext<'a>,
    cloud: &'a dyn Cloud,
    of: &'a FunctionSpec,
    starts: u32,
    hits: u64,
}

impl Measuring<'_> {
    /// Makes the copy, measures it, and deletes it: also when anything fails, and after an interrupt.
    async fn measure(&self, sizes: &[u32], stop: &CancellationToken) -> Result<Vec<Figures>, Failure> {
        let RunContext { session, config: loaded, sink } = self.run;
        let dir = Scratch::new(&session.cache_dir()?.join("tune")).map_err(|error| {
            Failure::new("tune_io", "failed to prepare a directory for the function's code")
                .caused_by(error)
                .hinted("set XDG_CACHE_HOME to a directory that can be written")
        })?;
        let name = names::function(&loaded.app.app, &loaded.env);
        let artifact = tune::code(self.cloud, &session.env, &name, self.of, dir.path()).await?;
        let drivers =
            self.cloud.drivers(DriverOptions { code: Some(package(&artifact)), ..DriverOptions::default() });
        let mut copy = Copy::new(self.cloud, loaded, drivers, sink, stop)?;
        // Whoever made it is no more: the lease is ours.
        if copy.remove().await? {
            session.console.talk(&format!("removed {}, which an earlier run left behind", copy.name()));
        }
        let rows = self.rows(&mut copy, sizes, stop).await;
        let removed = copy.remove().await;
        match (rows, removed) {
            (Ok(rows), Ok(_)) => Ok(rows),
            (Err(failure), Ok(_)) => Err(failure),
            (Ok(_), Err(fault)) => Err(left(&copy, fault)),
            (Err(failure), Err(fault)) => {
                let left = left(&copy, fault);
                Err(Failure::several([failure.clone(), left]).unwrap_or(failure))
            }
        }
    }

    async fn rows(
        &self,
        copy: &mut Copy<'_>,
        sizes: &[u32],
        stop: &CancellationToken,
    ) -> Result<Vec<Figures>, Failure> {
        let mut rows = Vec::new();
        for size in sizes {
            let mut seen = Vec::new();
            for start in 1..=self.starts {
                self.run.note(phases::MEASURE, format!("{size} MB, start {start} of {}", self.starts));
                going(stop)?;
                copy.renew(self.of, *size).await?;
                going(stop)?;
                seen.push(copy.ask(WARM_CALLS).await?);
            }
            rows.push(Figures::of(Some(*size), &seen, &self.run.config.app, self.hits));
        }
        going(stop)?;
        Ok(rows)
    }
}

fn going(stop: &CancellationToken) -> Result<(), Failure> {
    if stop.is_cancelled() { Err(Failure::interrupted("interrupted; the copy is deleted")) } else { Ok(()) }
}

/// The copy is still there, and costs nothing until it is called.
fn left(copy: &Copy<'_>, fault: Fault) -> Failure {
    let name = copy.name();
    let mut failure = Failure::from(fault).exits(Exit::Partial);
    failure.message = format!("{name}, the copy that was measured, is still there: {}", failure.message);
    failure.hinted("run the command again: it removes it first; so does `hitctl destroy`")
}
