//! From the function's sources to a zip that Lambda takes: compiled, checked and packed.
//!
//! ```text
//! given?  ----------------------------------> check -> (pack)          prebuilt
//! nothing changed?  ------------------------> the zip of last time     build_cache
//! toolchain -> recipe -> cargo -> inspect -> pack -> write, remember
//! ```
//!
//! Where to find what: `source` (which sources, and those the program carries), `toolchain` and `recipe` (what is
//! installed, and what to do with it), `cargo` and `process` (the call), `inspect` (the ELF file), `pack` (the zip).
//! The environment is passed in; nothing here prints, and nothing here knows of AWS or of the cloud on this machine.

mod build_cache;
mod cargo;
mod compiler_output;
#[cfg(test)]
mod fixtures;
mod inspect;
mod lock;
mod pack;
mod prebuilt;
mod process;
mod recipe;
mod request;
mod source;
mod source_files;
mod store;
mod toolchain;

use std::path::Path;

pub use hitctl_config::Arch;
use hitctl_engine::{Event, Fault, Sink};
use tokio_util::sync::CancellationToken;

pub use recipe::{Facts, Tool};
pub use request::{Artifact, BUILD_PHASE, BuildRequest, Target};
pub use source::{Source, cache_dir};
pub use toolchain::toolchain_facts;

use build_cache::Record;
use inspect::Place;

/// How the function would be compiled here: in words, or what is missing for it.
pub fn how(facts: &Facts, target: Target, source: &Source) -> Result<String, Fault> {
    recipe::choose(target, facts, source.needs_c_compiler()).map(|recipe| recipe.to_string())
}

/// Builds the function, or checks and packs what was given. Tells `sink` how it goes; stops early with `stop`.
pub async fn build(request: &BuildRequest, sink: &Sink, stop: &CancellationToken) -> Result<Artifact, Fault> {
    let place = match request.target {
        Target::Lambda(arch) => Place::Lambda(arch),
        Target::Host => Place::Here(this_machine()?),
    };
    sink.phase(BUILD_PHASE, detail(request), async {
        match request.given.clone() {
            Some(path) => {
                let out_dir = request.out_dir.clone();
                blocking(move || prebuilt::take(&path, place, &out_dir)).await
            }
            None => from_source(request, place, sink, stop).await,
        }
    })
    .await
}

fn detail(request: &BuildRequest) -> String {
    match (&request.given, request.target) {
        (Some(path), _) => format!("zip from {}", path.display()),
        (None, Target::Host) => "release build for this machine".to_owned(),
        (None, Target::Lambda(arch)) => format!("release build for Lambda on {arch}"),
    }
}

/// Builds from source, unless nothing changed since the last time.
async fn from_source(
    request: &BuildRequest,
    place: Place,
    sink: &Sink,
    stop: &CancellationToken,
) -> Result<Artifact, Fault> {
    if let Some(artifact) = Record::of(request).fresh() {
        return Ok(artifact);
    }
    if toolchain::find_tool("cargo", &request.env).is_none() {
        // Said before anything is unpacked or waited for.
        recipe::choose(request.target, &Facts::default(), false)?;
    }
    let _lock = lock::take(&request.source.lock_file(&request.env), request.limit, sink, stop).await?;
    // What another build just did need not be done again.
    let record = Record::of(request);
    if let Some(artifact) = record.fresh() {
        return Ok(artifact);
    }
    request.source.unpack()?;
    let root = request.source.root();
    let facts = toolchain_facts(&request.env, &root, stop).await;
    if stop.is_cancelled() {
        return Err(cargo::interrupted());
    }
    let recipe = recipe::choose(request.target, &facts, request.source.needs_c_compiler())?;
    let target_dir = request.source.target_dir(&request.env);
    let job = cargo::Job {
        recipe: &recipe,
        facts: &facts,
        root: &root,
        target_dir: &target_dir,
        locked: request.source.locked(),
        env: &request.env,
    };
    let binary = job.run(request.limit, sink, stop).await?;
    request.source.check_versions()?;
    sink.send(Event::PhaseNote { phase: BUILD_PHASE, note: "checking and packing".to_owned() });
    blocking(move || finish(&binary, place, &record)).await
}

/// Checks and packs what cargo made, and remembers it.
fn finish(binary: &Path, place: Place, record: &Record) -> Result<Artifact, Fault> {
    let content = std::fs::read(binary).map_err(|error| {
        Fault::fatal("build_failed", format!("cargo's binary {} cannot be read", binary.display()))
            .caused_by(error)
            .hinted("run the command again")
    })?;
    let arch = inspect::inspect(&content, "the compiled function", place)?;
    let zip = pack::pack(&content)?;
    prebuilt::within_limit("the function's zip", zip.len() as u64)?;
    let sha256 = pack::write_if_changed(&record.zip, &zip)?;
    let artifact = Artifact { zip: record.zip.clone(), bytes: zip.len() as u64, sha256, arch, built: true };
    record.remember(&artifact)?;
    Ok(artifact)
}

/// This machine's architecture, where Lambda has it too.
fn this_machine() -> Result<Arch, Fault> {
    match std::env::consts::ARCH {
        "x86_64" => Ok(Arch::X86_64),
        "aarch64" => Ok(Arch::Arm64),
        other => Err(Fault::fatal(
            "machine_unsupported",
            format!("this machine's architecture, {other}, is none of Lambda's"),
        )
        .hinted("use a machine with x86_64 or arm64, or deploy to AWS from here with `--artifact FILE`")),
    }
}

/// Runs work that keeps a processor busy away from the threads that wait for others.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Fault::fatal("build_failed", "the packing stopped half-way").caused_by(error))
    })
}

#[cfg(test)]
mod build_tests;
