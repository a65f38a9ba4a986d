//! Measures on this machine: starts processes of the function with the CPU quota of each memory size.

use hitctl_config::LoadedConfig;
use hitctl_report::{Failure, phases};
use hitctl_stack::FunctionArtifact;
use hitctl_stack::memory::MemoryFigures;
use hitctl_tune::{Bench, CpuGroups, MeasuringRequest, WARM_CALLS, vcpus};

use super::{Args, Measured};
use crate::deployment::build::build;
use crate::deployment::context::{RunContext, with_progress};
use crate::deployment::design::design;
use crate::session::Session;

/// The default number of measured processes per memory size.
const STARTS: u32 = 5;

/// Measures the memory sizes on this machine.
pub(super) async fn measure(
    session: &Session,
    config: &LoadedConfig,
    args: Args,
    sizes: &[u32],
) -> Result<Measured, Failure> {
    check_sizes(sizes)?;
    let measuring = async |run: RunContext<'_>| {
        run.session.stop.run_until_cancelled(Box::pin(measure_sizes(run, args, sizes))).await
    };
    let measured = with_progress(session, config, measuring).await;
    measured.unwrap_or_else(|| Err(Failure::interrupted("interrupted; nothing is left behind")))
}

/// Fails if a memory size has more vCPUs on Lambda than this machine.
fn check_sizes(sizes: &[u32]) -> Result<(), Failure> {
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    #[expect(clippy::cast_precision_loss, reason = "a number of processors")]
    let too_large = sizes.iter().find(|size| vcpus(**size) > available as f64);
    let Some(size) = too_large else { return Ok(()) };
    let message =
        format!("{size} MB have {:.2} vCPUs on Lambda, but this machine has {available}", vcpus(*size));
    Err(Failure::usage(message).hinted("omit that size, or measure it on AWS"))
}

async fn measure_sizes(run: RunContext<'_>, args: Args, sizes: &[u32]) -> Result<Measured, Failure> {
    let RunContext { session, config, sink } = run;
    let artifact = build(run, args.function).await?;
    let location = hitctl_local::location();
    let code = FunctionArtifact { sha256: artifact.sha256.clone(), arch: artifact.arch };
    let graph = design(config, &location, Some(&code))?;
    let measured = async {
        let mut notes = Vec::new();
        let groups = CpuGroups::find()
            .inspect_err(|why| {
                notes.push(format!(
                    "the CPU share of a memory size cannot be set here ({why}), so the function ran without a limit; run \
                     `hitctl tune` as root, or with `systemd-run --user --scope -p Delegate=yes hitctl tune`"
                ));
            })
            .ok();
        let mut bench = Bench::open(&session.cache_dir()?.join("tune"), &graph, &artifact)?;
        // The result of the first start is discarded, because that start reads the files from the disk.
        bench.measure(config.app.function.memory_mb, None, 0).await?;
        let starts = args.starts.unwrap_or(STARTS);
        let mut rows = Vec::new();
        if let Some(groups) = &groups {
            for size in sizes {
                let group = groups.create(*size).map_err(|error| {
                    Failure::new("no_share", format!("failed to set the CPU share of {size} MB"))
                        .caused_by(error)
                })?;
                let mut measurements = Vec::new();
                for start in 1..=starts {
                    run.note(phases::MEASURE, format!("{size} MB, start {start} of {starts}"));
                    measurements.push(bench.measure(*size, Some(&group), WARM_CALLS).await?);
                }
                rows.push(MemoryFigures::compute(Some(*size), &measurements, &config.app, args.hits));
            }
            notes.push(
                    "measured on this machine with the CPU share of each size, also during the start; Lambda gives a starting \
                     function more CPU"
                        .to_owned(),
                );
        } else {
            let mut measurements = Vec::new();
            for start in 1..=starts {
                run.note(phases::MEASURE, format!("without a limit, start {start} of {starts}"));
                measurements.push(bench.measure(config.app.function.memory_mb, None, WARM_CALLS).await?);
            }
            rows.push(MemoryFigures::compute(None, &measurements, &config.app, args.hits));
        }
        if let Some(why) = &bench.uncounted {
            notes.push(format!(
                "the function did not count the measured requests (`{why}`); a counted view takes longer"
            ));
        }
        Ok(Measured { request_kind: MeasuringRequest::Hit, rows, notes })
    };
    sink.phase(phases::MEASURE, "measuring the function on this machine", measured).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_beyond_available_processors_are_refused() {
        assert_eq!(check_sizes(&[128, 1769]), Ok(()));
        let available = std::thread::available_parallelism().map_or(1, usize::from);
        let size = u32::try_from((available + 1) * 1_769).unwrap();
        let refused = check_sizes(&[128, size]).unwrap_err();
        assert!(refused.message.starts_with(&format!("{size} MB have ")), "{refused:?}");
    }
}
