//! Builds of the function with the real toolchain, in the checkout and from the sources embedded in the program.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read as _};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use hitctl_artifact::{Artifact, BuildRequest, BuildTarget, FunctionSource, build};
use hitctl_engine::{Event, EventSink, Fault};
use tokio_util::sync::CancellationToken;

use crate::support::checkout;

/// Builds the function for this machine, once for all tests. Later test runs reuse the build.
pub(crate) fn built_function() -> &'static Artifact {
    static BUILT: OnceLock<Artifact> = OnceLock::new();
    BUILT.get_or_init(|| run(&host_request()).0.unwrap_or_else(|fault| panic!("{fault:#?}")))
}

#[expect(clippy::disallowed_methods, reason = "a real build needs the real environment")]
fn env() -> BTreeMap<String, String> {
    std::env::vars().collect()
}

/// Returns the sources that are built by default in a directory.
fn source(cwd: &Path, cache: &Path) -> FunctionSource {
    FunctionSource::choose(cwd, cache, false, &BTreeMap::new()).unwrap()
}

fn host_request() -> BuildRequest {
    BuildRequest::new(BuildTarget::Host, source(&checkout(), Path::new("/nonexistent")), env())
}

/// Runs a build and collects its events. The build has its own thread, since the caller may already be in a runtime.
fn run(request: &BuildRequest) -> (Result<Artifact, Fault>, Vec<Event>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = EventSink::new({
        let events = Arc::clone(&events);
        move |event| events.lock().expect("no reader panicked").push(event)
    });
    let result = std::thread::scope(|scope| {
        let built = scope.spawn(|| {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(build(request, &sink, &CancellationToken::new()))
        });
        built.join().expect("no panic")
    });
    let events = events.lock().expect("no reader panicked").clone();
    (result, events)
}

fn bootstrap(artifact: &Artifact) -> Vec<u8> {
    let archive = zip::ZipArchive::new(Cursor::new(artifact.read().expect("an unchanged zip")));
    let mut archive = archive.expect("a zip");
    let mut binary = Vec::new();
    let mut entry = archive.by_name("bootstrap").expect("an entry");
    entry.read_to_end(&mut binary).expect("a readable entry");
    binary
}

#[test]
fn function_binary_is_small_and_contains_no_local_paths() {
    let artifact = built_function();
    assert!(artifact.bytes <= 1_500_000, "the zip has {} bytes", artifact.bytes);
    let binary = bootstrap(artifact);
    let home = env().get("HOME").cloned().unwrap_or_default();
    let cargo = env().get("CARGO_HOME").cloned().unwrap_or_else(|| format!("{home}/.cargo"));
    for path in [checkout().display().to_string(), cargo, format!("{home}/.rustup")] {
        let found = binary.windows(path.len()).any(|window| window == path.as_bytes());
        assert!(!found, "{path} is in the binary");
    }
}

#[test]
fn repeated_build_reuses_artifact() {
    let first = built_function();
    let (second, events) = run(&host_request());
    assert_eq!(second.unwrap(), Artifact { built: false, ..first.clone() });
    assert!(!events.iter().any(|event| matches!(event, Event::PhaseNote { .. })), "{events:?}");
}

#[test]
fn built_zip_is_accepted_as_prebuilt() {
    let first = built_function();
    let out = tempfile::tempdir().unwrap();
    let request =
        BuildRequest { prebuilt: Some(first.zip.clone()), out_dir: out.path().to_owned(), ..host_request() };
    assert_eq!(run(&request).0.unwrap(), Artifact { built: false, ..first.clone() });
    // The executable alone gives the same zip.
    let file = out.path().join("bootstrap");
    fs::write(&file, bootstrap(first)).unwrap();
    let request = BuildRequest { prebuilt: Some(file), out_dir: out.path().join("out"), ..host_request() };
    let packed = run(&request).0.unwrap();
    assert_eq!(packed.sha256, first.sha256);
}

/// Builds like a user without a checkout, but without optimization, which takes most of the build time.
#[test]
fn embedded_sources_build_outside_checkout() {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("embedded");
    let mut env = env();
    for (name, value) in [("LTO", "off"), ("OPT_LEVEL", "0"), ("CODEGEN_UNITS", "16")] {
        env.insert(format!("CARGO_PROFILE_LAMBDA_{name}"), value.to_owned());
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let request = BuildRequest::new(BuildTarget::Host, source(elsewhere.path(), &cache), env);
    assert_eq!(request.source, FunctionSource::Embedded { cache: cache.clone() });
    let artifact = run(&request).0.unwrap_or_else(|fault| panic!("{fault:#?}"));
    assert!(artifact.zip.starts_with(&cache));
    assert!(bootstrap(&artifact).starts_with(b"\x7fELF") || cfg!(target_os = "macos"));
}
