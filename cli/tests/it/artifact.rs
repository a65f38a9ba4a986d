//! The function as users build it: with the real toolchain, in the checkout and from the sources that the program carries.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read as _};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use hitctl_artifact::{Artifact, BuildRequest, Source, Target, build};
use hitctl_engine::{Event, Fault, Sink};
use tokio_util::sync::CancellationToken;

use crate::support::checkout;

/// The function for this machine, built by the normal path once for all tests. Later runs of the tests find it unchanged.
pub(crate) fn built_function() -> &'static Artifact {
    static BUILT: OnceLock<Artifact> = OnceLock::new();
    BUILT.get_or_init(|| run(&here()).0.unwrap_or_else(|fault| panic!("{fault:#?}")))
}

#[expect(clippy::disallowed_methods, reason = "a real build needs the real environment")]
fn env() -> BTreeMap<String, String> {
    std::env::vars().collect()
}

/// The sources that are built by default in a directory.
fn source(cwd: &Path, cache: &Path) -> Source {
    Source::choose(cwd, cache, false, &BTreeMap::new()).unwrap()
}

fn here() -> BuildRequest {
    BuildRequest::new(Target::Host, source(&checkout(), Path::new("/nonexistent")), env())
}

/// Builds, and keeps what it told on the way. On a thread of its own: the caller may be in a runtime already.
fn run(request: &BuildRequest) -> (Result<Artifact, Fault>, Vec<Event>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = Sink::new({
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
    let archive = zip::ZipArchive::new(Cursor::new(artifact.read().expect("as it was built")));
    let mut archive = archive.expect("a zip");
    let mut binary = Vec::new();
    let mut entry = archive.by_name("bootstrap").expect("an entry");
    entry.read_to_end(&mut binary).expect("whole");
    binary
}

#[test]
fn the_function_is_small_and_says_nothing_of_this_machine() {
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
fn building_again_does_nothing() {
    let first = built_function();
    let (again, events) = run(&here());
    assert_eq!(again.unwrap(), Artifact { built: false, ..first.clone() });
    assert!(!events.iter().any(|event| matches!(event, Event::PhaseNote { .. })), "{events:?}");
}

#[test]
fn the_built_zip_can_be_given_back() {
    let first = built_function();
    let out = tempfile::tempdir().unwrap();
    let request = BuildRequest { given: Some(first.zip.clone()), out_dir: out.path().to_owned(), ..here() };
    assert_eq!(run(&request).0.unwrap(), Artifact { built: false, ..first.clone() });
    // The executable by itself makes the very same zip.
    let file = out.path().join("bootstrap");
    fs::write(&file, bootstrap(first)).unwrap();
    let request = BuildRequest { given: Some(file), out_dir: out.path().join("out"), ..here() };
    let packed = run(&request).0.unwrap();
    assert_eq!(packed.sha256, first.sha256);
}

/// Without optimisation, which is what takes the time; else as a user without a checkout has it.
#[test]
fn the_carried_sources_build_by_themselves() {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("carried");
    let mut env = env();
    for (name, value) in [("LTO", "off"), ("OPT_LEVEL", "0"), ("CODEGEN_UNITS", "16")] {
        env.insert(format!("CARGO_PROFILE_LAMBDA_{name}"), value.to_owned());
    }
    let elsewhere = tempfile::tempdir().unwrap();
    let request = BuildRequest::new(Target::Host, source(elsewhere.path(), &cache), env);
    assert_eq!(request.source, Source::Carried { cache: cache.clone() });
    let artifact = run(&request).0.unwrap_or_else(|fault| panic!("{fault:#?}"));
    assert!(artifact.zip.starts_with(&cache));
    assert!(bootstrap(&artifact).starts_with(b"\x7fELF") || cfg!(target_os = "macos"));
}
