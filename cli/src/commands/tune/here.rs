//! On this machine: fresh processes of the function, under the CPU share of each size.

use hitctl_config::Loaded;
use hitctl_report::{Failure, phases};
use hitctl_stack::Code;
use hitctl_stack::memory::Figures;
use hitctl_tune::{Asks, Bench, Shares, WARM_CALLS, vcpus};

use super::{Args, Measured};
use crate::deployment::build::build;
use crate::deployment::context::{RunContext, with_progress};
use crate::deployment::design::design;
use crate::session::Session;

/// How many processes are started for a size.
const STARTS: u32 = 5;

/// Measures here.
pub(super) async fn measure(
    session: &Session,
    loaded: &Loaded,
    args: Args,
    sizes: &[u32],
) -> Result<Measured, Failure> {
    possible(sizes)?;
    let measuring = async |run: RunContext<'_>| {
        run.session.stop.run_until_cancelled(Box::pin(under(run, args, sizes))).await
    };
    let measured = with_progress(session, loaded, measuring).await;
    measured.unwrap_or_else(|| Err(Failure::interrupted("interrupted; nothing is left behind")))
}

/// Refuses what this machine cannot give.
fn possible(sizes: &[u32]) -> Result<(), Failure> {
    let there = std::thread::available_parallelism().map_or(1, usize::from);
    #[expect(clippy::cast_precision_loss, reason = "a number of processors")]
    let too_large = sizes.iter().find(|size| vcpus(**size) > there as f64);
    let Some(size) = too_large else { return Ok(()) };
    let message = format!("{size} MB have {:.2} vCPUs on Lambda, and this machine has {there}", vcpus(*size));
    Err(Failure::usage(message).hinted("leave that size out, or measure it in an account"))
}

async fn under(run: RunContext<'_>, args: Args, sizes: &[u32]) -> Result<Measured, Failure> {
    let RunContext { session, config: loaded, sink } = run;
    let artifact = build(run, args.function).await?;
    let place = hitctl_local::place();
    let code = Code { sha256: artifact.sha256.clone(), arch: artifact.arch };
    let graph = design(loaded, &place, Some(&code))?;
    let measured = async {
        let mut notes = Vec::new();
        let shares = Shares::find()
            .inspect_err(|why| {
                notes.push(format!(
                    "no CPU share can be set here ({why}), so the function ran without a limit, as under no size of Lambda's; \
                     run `hitctl tune` as root, or by `systemd-run --user --scope -p Delegate=yes hitctl tune`"
                ));
            })
            .ok();
        let mut bench = Bench::open(&session.cache_dir()?.join("tune"), &graph, &artifact)?;
        // Not counted: the first start reads the files from the disk.
        bench.start(loaded.app.function.memory_mb, None, 0).await?;
        let starts = args.starts.unwrap_or(STARTS);
        let mut rows = Vec::new();
        if let Some(shares) = &shares {
            for size in sizes {
                let share = shares.of(*size).map_err(|error| {
                    Failure::new("no_share", format!("failed to set the CPU share of {size} MB"))
                        .caused_by(error)
                })?;
                let mut seen = Vec::new();
                for start in 1..=starts {
                    run.note(phases::MEASURE, format!("{size} MB, start {start} of {starts}"));
                    seen.push(bench.start(*size, Some(&share), WARM_CALLS).await?);
                }
                rows.push(Figures::of(Some(*size), &seen, &loaded.app, args.hits));
            }
            notes.push(
                    "measured on this machine, under the CPU share of each size from the first instruction on; Lambda lends a \
                     starting function more"
                        .to_owned(),
                );
        } else {
            let mut seen = Vec::new();
            for start in 1..=starts {
                run.note(phases::MEASURE, format!("without a limit, start {start} of {starts}"));
                seen.push(bench.start(loaded.app.function.memory_mb, None, WARM_CALLS).await?);
            }
            rows.push(Figures::of(None, &seen, &loaded.app, args.hits));
        }
        if let Some(why) = &bench.uncounted {
            notes.push(format!(
                "the function did not count what it was asked (`{why}`): a hit that it counts takes longer"
            ));
        }
        Ok(Measured { asks: Asks::Counting, rows, notes })
    };
    sink.phase(phases::MEASURE, "measuring the function on this machine", measured).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_machine_gives_more_processors_than_it_has() {
        assert_eq!(possible(&[128, 1769]), Ok(()));
        let there = std::thread::available_parallelism().map_or(1, usize::from);
        let size = u32::try_from((there + 1) * 1_769).unwrap();
        let refused = possible(&[128, size]).unwrap_err();
        assert!(refused.message.starts_with(&format!("{size} MB have ")), "{refused:?}");
    }
}
