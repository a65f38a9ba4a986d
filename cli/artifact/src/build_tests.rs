//! Complete builds with a toolchain of shell scripts. Everything before and after the run of cargo is real.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::fixtures::{AARCH64, Elf, X86_64};
use super::*;

/// A folder with a toolchain of scripts and a cache. The runs of cargo are recorded in the file `calls`.
struct TestToolchain {
    dir: tempfile::TempDir,
}

impl TestToolchain {
    /// Creates a toolchain for Linux on `x86_64` with Rust and a C compiler.
    fn new() -> Self {
        let toolchain = Self { dir: tempfile::tempdir().unwrap() };
        let sysroot = toolchain.path("sysroot");
        let rustc = format!(
            "case \"$1\" in -vV) printf 'rustc 1.95.0 (fake)\\ncommit-hash: abc\\nhost: x86_64-unknown-linux-gnu\\n';; *) echo {};; esac",
            sysroot.display()
        );
        toolchain.install_tool("rustc", &rustc);
        toolchain.install_tool("cc", "echo cc 14");
        toolchain.install_target("x86_64-unknown-linux-gnu");
        toolchain.install_cargo(&toolchain.success_script());
        toolchain.set_output(&Elf::dynamic_executable(X86_64, &[("GLIBC_2.34", "main")]));
        toolchain
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn install_tool(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // A separate process writes the script. If this process wrote it, a program started by a concurrent test would inherit the
        // open file, and a script that is open for writing cannot be executed.
        let write =
            "printf '#!/bin/sh\n%s\n' \"$2\" > \"$1.new\" && chmod 755 \"$1.new\" && mv \"$1.new\" \"$1\"";
        let mut shell = std::process::Command::new("/bin/sh");
        let status = shell.args(["-c", write, "sh"]).arg(&path).arg(script).status().unwrap();
        assert!(status.success());
    }

    /// Installs the standard library of a target.
    fn install_target(&self, triple: &str) {
        let lib = self.path("sysroot/lib/rustlib").join(triple).join("lib");
        store::write_atomically(&lib.join("libcore-1.rlib"), b"").unwrap();
        store::write_atomically(&lib.join("libstd-1.rlib"), b"").unwrap();
    }

    fn install_zig(&self) {
        self.install_tool("cargo-zigbuild", "echo cargo-zigbuild 0.20.0");
        self.install_tool("zig", "echo 0.14.0");
    }

    /// Installs a cargo that records its arguments in `calls` and then runs `script`.
    fn install_cargo(&self, script: &str) {
        let calls = self.path("calls");
        self.install_tool(
            "cargo",
            &format!(
                "if [ \"$1\" = -V ]; then echo cargo 1.95.0; exit; fi\necho \"$@\" >> {}\n{script}",
                calls.display()
            ),
        );
    }

    fn success_script(&self) -> String {
        format!(
            "echo '   Compiling hit-counter v0.1.0 (/x)' >&2\nprintf '{{\"reason\":\"compiler-artifact\",\"target\":{{\"name\":\"bootstrap\"}},\"executable\":\"%s\"}}\\n' {}",
            self.path("bootstrap").display()
        )
    }

    fn set_output(&self, elf: &Elf) {
        fs::write(self.path("bootstrap"), elf.bytes()).unwrap();
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    fn request(&self, target: BuildTarget) -> BuildRequest {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        let home = self.path("home").display().to_string();
        // Without the fake cargo, the PATH of this machine is left out, because it may contain a real one.
        let path =
            if self.path("bin/cargo").exists() { path } else { self.path("bin").display().to_string() };
        let env = [("PATH".to_owned(), path), ("HOME".to_owned(), home)].into();
        BuildRequest::new(target, FunctionSource::Embedded { cache: self.path("cache") }, env)
    }

    async fn build(&self, target: BuildTarget) -> Result<Artifact, Fault> {
        build(&self.request(target), &EventSink::none(), &CancellationToken::new()).await
    }

    fn is_unpacked(&self) -> bool {
        self.path("cache/src").exists()
    }
}

const X86: BuildTarget = BuildTarget::Lambda(Arch::X86_64);
const ARM: BuildTarget = BuildTarget::Lambda(Arch::Arm64);

#[tokio::test]
async fn build_from_embedded_sources_writes_zip_and_sends_events() {
    let toolchain = TestToolchain::new();
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = EventSink::new({
        let events = Arc::clone(&events);
        move |event| events.lock().unwrap().push(event)
    });
    let artifact = build(&toolchain.request(X86), &sink, &CancellationToken::new()).await.unwrap();
    assert_eq!(artifact.zip, toolchain.path("cache/out/hit-counter-x86_64.zip"));
    assert_eq!((artifact.arch, artifact.built), (Arch::X86_64, true));
    assert_eq!(
        artifact.read().unwrap(),
        pack::pack(&fs::read(toolchain.path("bootstrap")).unwrap()).unwrap()
    );

    let root = toolchain.request(X86).source.root();
    assert!(root.join("function/Cargo.toml").is_file());
    let call = toolchain.calls().pop().unwrap().replace(&root.display().to_string(), "ROOT");
    let call = call.replace(&toolchain.path("cache").display().to_string(), "CACHE");
    insta::assert_snapshot!(call, @"build --profile lambda -p hit-counter --bin bootstrap --target x86_64-unknown-linux-gnu --message-format=json-render-diagnostics --color never --manifest-path ROOT/Cargo.toml --target-dir CACHE/target");

    let mut events = events.lock().unwrap().clone();
    if let Some(Event::PhaseEnded { took_ms, .. }) = events.last_mut() {
        *took_ms = 0;
    }
    let note = |note: &str| Event::PhaseNote { phase: BUILD_PHASE, note: note.to_owned() };
    let detail = "the function for Lambda on x86_64".to_owned();
    assert_eq!(
        events,
        [
            Event::PhaseStarted { phase: BUILD_PHASE, detail },
            note("compiling hit-counter v0.1.0"),
            note("checking and packing"),
            Event::PhaseEnded { phase: BUILD_PHASE, ok: true, took_ms: 0 },
        ]
    );
}

#[tokio::test]
async fn build_without_changes_keeps_zip_and_does_not_run_cargo() {
    let toolchain = TestToolchain::new();
    let first = toolchain.build(X86).await.unwrap();
    let time = || fs::metadata(&first.zip).unwrap().modified().unwrap();
    let written = time();
    let second = toolchain.build(X86).await.unwrap();
    assert_eq!(second, Artifact { built: false, ..first.clone() });
    assert_eq!(toolchain.calls().len(), 1);

    // If the toolchain changes, cargo runs again. Here the result is the same.
    toolchain
        .install_tool("rustc", &(fs::read_to_string(toolchain.path("bin/rustc")).unwrap() + "# updated"));
    assert_eq!(toolchain.build(X86).await.unwrap(), first);
    assert_eq!((toolchain.calls().len(), time()), (2, written));

    // If the zip or its record is damaged, cargo runs again.
    for damaged in ["hit-counter-x86_64.zip", "hit-counter-x86_64.json"] {
        fs::write(toolchain.path("cache/out").join(damaged), "{").unwrap();
        assert_eq!(toolchain.build(X86).await.unwrap(), first);
    }
    assert_eq!(toolchain.calls().len(), 4);
    assert_eq!(first.read().unwrap().len() as u64, first.bytes);
}

#[tokio::test]
async fn build_for_other_architecture_uses_zig_or_names_missing_packages() {
    let toolchain = TestToolchain::new();
    let fault = toolchain.build(ARM).await.unwrap_err();
    assert_eq!(fault.message, "the installed Rust cannot compile for Lambda on arm64");
    insta::assert_snapshot!(fault.hint.unwrap(), @"run `rustup target add aarch64-unknown-linux-musl && pip install cargo-zigbuild ziglang`, then run the command again");

    toolchain.install_zig();
    toolchain.install_target("aarch64-unknown-linux-musl");
    toolchain.set_output(&Elf::static_executable(AARCH64));
    assert_eq!(toolchain.build(ARM).await.unwrap().arch, Arch::Arm64);
    assert!(toolchain.calls()[0].starts_with("zigbuild --profile lambda "), "{:?}", toolchain.calls());
    assert!(
        toolchain.calls()[0].contains(" --target aarch64-unknown-linux-musl "),
        "{:?}",
        toolchain.calls()
    );
    // The zip of the other architecture is a separate file.
    toolchain.set_output(&Elf::dynamic_executable(X86_64, &[]));
    toolchain.build(X86).await.unwrap();
    assert!(
        toolchain.calls()[1].contains(" --target x86_64-unknown-linux-gnu.2.34 "),
        "{:?}",
        toolchain.calls()
    );
    assert!(!toolchain.build(ARM).await.unwrap().built);
}

#[tokio::test]
async fn build_rejects_binary_that_lambda_cannot_run() {
    let toolchain = TestToolchain::new();
    toolchain.set_output(&Elf::dynamic_executable(X86_64, &[("GLIBC_2.41", "newer")]));
    let fault = toolchain.build(X86).await.unwrap_err();
    assert_eq!(
        fault.message,
        "the compiled function needs the symbol newer of GLIBC 2.41, but Amazon Linux 2023 has GLIBC 2.34 and GCC 11"
    );
    toolchain.install_tool("cc", "echo other");
    toolchain.set_output(&Elf::static_executable(AARCH64));
    assert_eq!(toolchain.build(X86).await.unwrap_err().code, "wrong_arch");
    assert!(!toolchain.path("cache/out").exists());
}

#[tokio::test]
async fn build_with_compile_error_shows_rustc_output() {
    let toolchain = TestToolchain::new();
    toolchain.install_cargo(
        "cat >&2 <<'END'\n   Compiling hit-counter v0.1.0 (/x)\nwarning: unused\nerror[E0308]: mismatched types\n --> function/src/lib.rs:3:5\nerror: could not compile `hit-counter`\nEND\nexit 101",
    );
    let fault = toolchain.build(X86).await.unwrap_err();
    assert_eq!(fault.message, "failed to compile the function for x86_64-unknown-linux-gnu");
    insta::assert_snapshot!(fault.cause.unwrap(), @r"
    error[E0308]: mismatched types
     --> function/src/lib.rs:3:5
    error: could not compile `hit-counter`
    ");
    assert_eq!(
        fault.hint.unwrap(),
        "fix the compiler errors, then run the command again; `hitctl doctor` shows the toolchain"
    );
    toolchain.install_cargo("exit 7");
    let fault = toolchain.build(X86).await.unwrap_err();
    assert_eq!(fault.cause.as_deref(), Some("cargo ended with exit status: 7"));
    toolchain.install_cargo("exit 0");
    let fault = toolchain.build(X86).await.unwrap_err();
    assert_eq!(
        fault.message,
        "cargo compiled the function for x86_64-unknown-linux-gnu, but did not report the path of the binary"
    );
}

#[tokio::test]
async fn build_reports_missing_or_broken_toolchain_before_writing() {
    let toolchain = TestToolchain::new();
    fs::remove_file(toolchain.path("bin/cargo")).unwrap();
    let fault = toolchain.build(X86).await.unwrap_err();
    assert_eq!(fault.message, "cargo is required to build the function, but is not installed");
    assert!(!toolchain.is_unpacked());

    let toolchain = TestToolchain::new();
    toolchain.install_tool("rustc", "echo \"error: toolchain '1.95.0' is not installed\" >&2; exit 1");
    let fault = toolchain.build(X86).await.unwrap_err();
    assert_eq!(fault.message, "failed to run rustc");
    assert_eq!(fault.cause.as_deref(), Some("error: toolchain '1.95.0' is not installed"));
}

#[tokio::test]
async fn interrupted_build_ends_cargo_and_leaves_no_zip() {
    let toolchain = TestToolchain::new();
    toolchain.install_cargo("echo '   Compiling ring v0.17.14' >&2; exec sleep 600");
    let token = CancellationToken::new();
    let sink = EventSink::new({
        let token = token.clone();
        move |event| {
            if matches!(event, Event::PhaseNote { .. }) {
                token.cancel();
            }
        }
    });
    let fault = build(&toolchain.request(X86), &sink, &token).await.unwrap_err();
    assert_eq!((fault.code.as_str(), fault.message.as_str()), ("interrupted", "the build was interrupted"));
    assert!(!toolchain.path("cache/out").exists());
    toolchain.install_cargo(&toolchain.success_script());
    assert!(toolchain.build(X86).await.unwrap().built, "the lock is free again");
}

#[tokio::test]
async fn hanging_build_times_out() {
    let toolchain = TestToolchain::new();
    toolchain.install_cargo("exec sleep 600");
    let request = BuildRequest { timeout: Duration::from_millis(300), ..toolchain.request(X86) };
    let fault = build(&request, &EventSink::none(), &CancellationToken::new()).await.unwrap_err();
    assert_eq!(fault.code, "build_timeout");
}

#[tokio::test]
async fn concurrent_builds_compile_once() {
    let toolchain = TestToolchain::new();
    let (one, two) = tokio::join!(toolchain.build(X86), toolchain.build(X86));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.sha256, two.sha256);
    assert!(one.built != two.built, "exactly one of them compiled");
    assert_eq!(toolchain.calls().len(), 1);
}

#[tokio::test]
async fn build_names_folder_that_cannot_be_written() {
    let toolchain = TestToolchain::new();
    let out = toolchain.path("out");
    fs::write(&out, "a file").unwrap();
    let request = BuildRequest { out_dir: out.clone(), ..toolchain.request(X86) };
    let fault = build(&request, &EventSink::none(), &CancellationToken::new()).await.unwrap_err();
    assert_eq!(fault.message, format!("failed to create the directory {}", out.display()));
    assert_eq!(fs::read(&out).unwrap(), b"a file");

    let toolchain = TestToolchain::new();
    fs::write(toolchain.path("cache"), "a file").unwrap();
    let fault = toolchain.build(X86).await.unwrap_err();
    assert_eq!(fault.code, "not_writable");
    assert!(toolchain.calls().is_empty());
}

#[tokio::test]
async fn prebuilt_file_needs_no_toolchain() {
    let toolchain = TestToolchain::new();
    fs::remove_dir_all(toolchain.path("bin")).unwrap();
    let request = BuildRequest { prebuilt: Some(toolchain.path("bootstrap")), ..toolchain.request(X86) };
    let artifact = build(&request, &EventSink::none(), &CancellationToken::new()).await.unwrap();
    assert_eq!((artifact.arch, artifact.built), (Arch::X86_64, false));
    assert!(artifact.zip.starts_with(toolchain.path("cache/out")));
}

#[tokio::test]
async fn toolchain_facts_list_tools_and_targets() {
    let toolchain = TestToolchain::new();
    toolchain.install_zig();
    toolchain.install_target("aarch64-unknown-linux-musl");
    let env = toolchain.request(X86).env;
    let facts = toolchain_facts(&env, toolchain.dir.path(), &CancellationToken::new()).await;
    let version = |tool: &Option<Tool>| tool.as_ref().map(|tool| tool.version.clone()).unwrap_or_default();
    assert_eq!(version(&facts.cargo), "cargo 1.95.0");
    assert_eq!(version(&facts.rustc), "rustc 1.95.0 (fake)");
    assert_eq!(version(&facts.zigbuild), "cargo-zigbuild 0.20.0");
    assert_eq!(version(&facts.zig), "zig 0.14.0");
    assert_eq!(version(&facts.cc), "cc 14");
    assert_eq!(facts.host.as_deref(), Some("x86_64-unknown-linux-gnu"));
    assert_eq!(facts.targets.len(), 2);
    let describe = |target| describe_build(&facts, target, &toolchain.request(target).source).unwrap();
    assert_eq!(describe(X86), "cargo zigbuild for x86_64-unknown-linux-gnu, glibc 2.34");
    assert_eq!(describe(ARM), "cargo zigbuild for aarch64-unknown-linux-musl");
    assert_eq!(describe(BuildTarget::Host), "cargo build for x86_64-unknown-linux-gnu");
    assert!(facts.broken.is_empty());
}
