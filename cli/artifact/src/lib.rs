//! Builds the function's deployment package: compiles the sources, checks the binary and packs it into a zip for Lambda.
//!
//! ```text
//! prebuilt file?  --------------------------------> check -> (pack)    prebuilt
//! nothing changed?  ------------------------------> existing zip       build_cache
//! toolchain -> build_method -> cargo -> inspect -> pack -> write, save build record
//! ```
//!
//! Modules: `source` (the sources of a checkout, or the embedded ones), `toolchain` (the installed tools), `build_method` (the
//! choice of a compiler target), `cargo` and `process` (the cargo run), `inspect` (the ELF file), `pack` (the zip). The
//! environment is passed in. This crate prints nothing and contains no code for AWS or for the local cloud.

mod build_cache;
mod build_method;
mod cargo;
mod compiler_output;
#[cfg(test)]
mod fixtures;
mod inspect;
mod lock;
mod pack;
mod prebuilt;
mod process;
mod request;
mod source;
mod source_files;
mod store;
mod toolchain;

use std::path::Path;

pub use hitctl_config::Arch;
use hitctl_engine::{Event, EventSink, Fault};
use tokio_util::sync::CancellationToken;

pub use build_method::{Tool, ToolchainFacts};
pub use request::{Artifact, BUILD_PHASE, BuildRequest, BuildTarget};
pub use source::FunctionSource;
pub use toolchain::toolchain_facts;

use build_cache::BuildCache;
use inspect::Platform;

/// Describes how the function would be compiled on this machine. The error names the missing tool.
pub fn describe_build(
    facts: &ToolchainFacts,
    target: BuildTarget,
    source: &FunctionSource,
) -> Result<String, Fault> {
    build_method::choose(target, facts, source.needs_c_compiler()).map(|method| method.to_string())
}

/// Builds the function, or checks and packs the prebuilt file of the request. Sends progress to `sink`. Returns the fault
/// `interrupted` when `stop` is cancelled.
pub async fn build(
    request: &BuildRequest,
    sink: &EventSink,
    stop: &CancellationToken,
) -> Result<Artifact, Fault> {
    let platform = match request.target {
        BuildTarget::Lambda(arch) => Platform::Lambda(arch),
        BuildTarget::Host => Platform::Host(host_arch()?),
    };
    sink.phase(BUILD_PHASE, describe_request(request), async {
        match request.prebuilt.clone() {
            Some(path) => {
                let out_dir = request.out_dir.clone();
                blocking(move || prebuilt::load(&path, platform, &out_dir)).await
            }
            None => build_from_source(request, platform, sink, stop).await,
        }
    })
    .await
}

fn describe_request(request: &BuildRequest) -> String {
    match (&request.prebuilt, request.target) {
        (Some(path), _) => format!("zip from {}", path.display()),
        (None, BuildTarget::Host) => "the function for this machine".to_owned(),
        (None, BuildTarget::Lambda(arch)) => format!("the function for Lambda on {arch}"),
    }
}

/// Builds from source, unless nothing changed since the last build.
async fn build_from_source(
    request: &BuildRequest,
    platform: Platform,
    sink: &EventSink,
    stop: &CancellationToken,
) -> Result<Artifact, Fault> {
    if let Some(artifact) = BuildCache::for_request(request).cached_artifact() {
        return Ok(artifact);
    }
    if toolchain::find_tool("cargo", &request.env).is_none() {
        // Report a missing cargo before the sources are unpacked and the lock is awaited.
        build_method::choose(request.target, &ToolchainFacts::default(), false)?;
    }
    let _lock = lock::acquire(&request.source.lock_file(&request.env), request.timeout, sink, stop).await?;
    // Another build may have finished while this one waited for the lock.
    let cache = BuildCache::for_request(request);
    if let Some(artifact) = cache.cached_artifact() {
        return Ok(artifact);
    }
    request.source.unpack()?;
    let root = request.source.root();
    let facts = toolchain_facts(&request.env, &root, stop).await;
    if stop.is_cancelled() {
        return Err(cargo::interrupted());
    }
    let method = build_method::choose(request.target, &facts, request.source.needs_c_compiler())?;
    let target_dir = request.source.target_dir(&request.env);
    let cargo_build = cargo::CargoBuild {
        method: &method,
        facts: &facts,
        root: &root,
        target_dir: &target_dir,
        locked: request.source.locked(),
        env: &request.env,
    };
    let binary = cargo_build.run(request.timeout, sink, stop).await?;
    request.source.check_versions()?;
    sink.send(Event::PhaseNote { phase: BUILD_PHASE, note: "checking and packing".to_owned() });
    blocking(move || pack_binary(&binary, platform, &cache)).await
}

/// Checks and packs the binary that cargo built, and saves the build record.
fn pack_binary(binary: &Path, platform: Platform, cache: &BuildCache) -> Result<Artifact, Fault> {
    let content = std::fs::read(binary).map_err(|error| {
        Fault::fatal("build_failed", format!("failed to read the compiled binary {}", binary.display()))
            .caused_by(error)
            .hinted("run the command again")
    })?;
    let arch = inspect::inspect(&content, "the compiled function", platform)?;
    let zip = pack::pack(&content)?;
    prebuilt::check_zip_size(
        "the function's zip",
        zip.len() as u64,
        "remove dependencies that the function does not need, then run the command again",
    )?;
    let sha256 = pack::write_if_changed(&cache.zip, &zip)?;
    let artifact = Artifact { zip: cache.zip.clone(), bytes: zip.len() as u64, sha256, arch, built: true };
    cache.save(&artifact)?;
    Ok(artifact)
}

/// Returns this machine's architecture. Fails if Lambda does not support it.
fn host_arch() -> Result<Arch, Fault> {
    match std::env::consts::ARCH {
        "x86_64" => Ok(Arch::X86_64),
        "aarch64" => Ok(Arch::Arm64),
        other => Err(Fault::fatal(
            "machine_unsupported",
            format!("expected a machine with x86_64 or arm64, found {other}"),
        )
        .hinted("use a machine with x86_64 or arm64, or deploy to AWS with `--artifact FILE`")),
    }
}

/// Runs CPU-bound work on a blocking thread.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Fault::fatal("build_failed", "failed to pack the function").caused_by(error))
    })
}

#[cfg(test)]
mod build_tests;
