//! Whole builds with a toolchain of shell scripts: everything up to the call of cargo and after it is real.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::fixtures::{AARCH64, Elf, X86_64};
use super::*;

/// A machine with a toolchain of scripts, a cache and nothing else. Cargo's calls are noted in `calls`.
struct Workshop {
    dir: tempfile::TempDir,
}

impl Workshop {
    /// Linux on `x86_64` with Rust and a C compiler.
    fn new() -> Self {
        let shop = Self { dir: tempfile::tempdir().unwrap() };
        let sysroot = shop.path("sysroot");
        let rustc = format!(
            "case \"$1\" in -vV) printf 'rustc 1.95.0 (fake)\\ncommit-hash: abc\\nhost: x86_64-unknown-linux-gnu\\n';; *) echo {};; esac",
            sysroot.display()
        );
        shop.tool("rustc", &rustc);
        shop.tool("cc", "echo cc 14");
        shop.target("x86_64-unknown-linux-gnu");
        shop.cargo(&shop.succeeding());
        shop.compiles_to(&Elf::gnu(X86_64, &[("GLIBC_2.34", "main")]));
        shop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn tool(&self, name: &str, script: &str) {
        let path = self.path("bin").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Written by a process of its own: a test beside this one that starts a program meanwhile would hand our open
        // file on to it, and a script that is open for writing cannot be run.
        let write =
            "printf '#!/bin/sh\n%s\n' \"$2\" > \"$1.new\" && chmod 755 \"$1.new\" && mv \"$1.new\" \"$1\"";
        let mut shell = std::process::Command::new("/bin/sh");
        let status = shell.args(["-c", write, "sh"]).arg(&path).arg(script).status().unwrap();
        assert!(status.success());
    }

    /// Installs a standard library.
    fn target(&self, triple: &str) {
        let lib = self.path("sysroot/lib/rustlib").join(triple).join("lib");
        store::write_atomically(&lib.join("libcore-1.rlib"), b"").unwrap();
        store::write_atomically(&lib.join("libstd-1.rlib"), b"").unwrap();
    }

    fn zig(&self) {
        self.tool("cargo-zigbuild", "echo cargo-zigbuild 0.20.0");
        self.tool("zig", "echo 0.14.0");
    }

    fn cargo(&self, building: &str) {
        let calls = self.path("calls");
        self.tool(
            "cargo",
            &format!(
                "if [ \"$1\" = -V ]; then echo cargo 1.95.0; exit; fi\necho \"$@\" >> {}\n{building}",
                calls.display()
            ),
        );
    }

    fn succeeding(&self) -> String {
        format!(
            "echo '   Compiling hit-counter v0.1.0 (/x)' >&2\nprintf '{{\"reason\":\"compiler-artifact\",\"target\":{{\"name\":\"bootstrap\"}},\"executable\":\"%s\"}}\\n' {}",
            self.path("bootstrap").display()
        )
    }

    fn compiles_to(&self, elf: &Elf) {
        fs::write(self.path("bootstrap"), elf.bytes()).unwrap();
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.path("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    fn request(&self, target: Target) -> BuildRequest {
        let path = format!("{}:/usr/bin:/bin", self.path("bin").display());
        let home = self.path("home").display().to_string();
        // The tools of this machine's PATH are hidden where they would matter.
        let path =
            if self.path("bin/cargo").exists() { path } else { self.path("bin").display().to_string() };
        let env = [("PATH".to_owned(), path), ("HOME".to_owned(), home)].into();
        BuildRequest::new(target, Source::Carried { cache: self.path("cache") }, env)
    }

    async fn build(&self, target: Target) -> Result<Artifact, Fault> {
        build(&self.request(target), &Sink::none(), &CancellationToken::new()).await
    }

    fn unpacked(&self) -> bool {
        self.path("cache/src").exists()
    }
}

const X86: Target = Target::Lambda(Arch::X86_64);
const ARM: Target = Target::Lambda(Arch::Arm64);

#[tokio::test]
async fn a_build_goes_from_the_carried_sources_to_a_zip_and_tells_of_it() {
    let shop = Workshop::new();
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = Sink::new({
        let events = Arc::clone(&events);
        move |event| events.lock().unwrap().push(event)
    });
    let artifact = build(&shop.request(X86), &sink, &CancellationToken::new()).await.unwrap();
    assert_eq!(artifact.zip, shop.path("cache/out/hit-counter-x86_64.zip"));
    assert_eq!((artifact.arch, artifact.built), (Arch::X86_64, true));
    assert_eq!(artifact.read().unwrap(), pack::pack(&fs::read(shop.path("bootstrap")).unwrap()).unwrap());

    let root = shop.request(X86).source.root();
    assert!(root.join("function/Cargo.toml").is_file());
    let call = shop.calls().pop().unwrap().replace(&root.display().to_string(), "ROOT");
    let call = call.replace(&shop.path("cache").display().to_string(), "CACHE");
    insta::assert_snapshot!(call, @"build --profile lambda -p hit-counter --bin bootstrap --target x86_64-unknown-linux-gnu --message-format=json-render-diagnostics --color never --manifest-path ROOT/Cargo.toml --target-dir CACHE/target");

    let mut events = events.lock().unwrap().clone();
    if let Some(Event::PhaseEnded { took_ms, .. }) = events.last_mut() {
        *took_ms = 0;
    }
    let note = |note: &str| Event::PhaseNote { phase: BUILD_PHASE, note: note.to_owned() };
    let detail = "release build for Lambda on x86_64".to_owned();
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
async fn nothing_changed_means_no_call_of_cargo_and_an_untouched_zip() {
    let shop = Workshop::new();
    let first = shop.build(X86).await.unwrap();
    let time = || fs::metadata(&first.zip).unwrap().modified().unwrap();
    let written = time();
    let second = shop.build(X86).await.unwrap();
    assert_eq!(second, Artifact { built: false, ..first.clone() });
    assert_eq!(shop.calls().len(), 1);

    // Another toolchain: cargo is asked, and what comes out is the same.
    shop.tool("rustc", &(fs::read_to_string(shop.path("bin/rustc")).unwrap() + "# updated"));
    assert_eq!(shop.build(X86).await.unwrap(), first);
    assert_eq!((shop.calls().len(), time()), (2, written));

    // Somebody damaged the zip, or what is noted beside it.
    for damaged in ["hit-counter-x86_64.zip", "hit-counter-x86_64.json"] {
        fs::write(shop.path("cache/out").join(damaged), "{").unwrap();
        assert_eq!(shop.build(X86).await.unwrap(), first);
    }
    assert_eq!(shop.calls().len(), 4);
    assert_eq!(first.read().unwrap().len() as u64, first.bytes);
}

#[tokio::test]
async fn another_architecture_goes_through_zig_or_says_what_to_install() {
    let shop = Workshop::new();
    let fault = shop.build(ARM).await.unwrap_err();
    assert_eq!(fault.message, "this Rust cannot compile for Lambda on arm64");
    insta::assert_snapshot!(fault.hint.unwrap(), @"`rustup target add aarch64-unknown-linux-musl && pip install cargo-zigbuild ziglang`, then run the command again");

    shop.zig();
    shop.target("aarch64-unknown-linux-musl");
    shop.compiles_to(&Elf::fixed(AARCH64));
    assert_eq!(shop.build(ARM).await.unwrap().arch, Arch::Arm64);
    assert!(shop.calls()[0].starts_with("zigbuild --profile lambda "), "{:?}", shop.calls());
    assert!(shop.calls()[0].contains(" --target aarch64-unknown-linux-musl "), "{:?}", shop.calls());
    // The other one is built beside it.
    shop.compiles_to(&Elf::gnu(X86_64, &[]));
    shop.build(X86).await.unwrap();
    assert!(shop.calls()[1].contains(" --target x86_64-unknown-linux-gnu.2.34 "), "{:?}", shop.calls());
    assert!(!shop.build(ARM).await.unwrap().built);
}

#[tokio::test]
async fn what_lambda_could_not_run_is_not_packed() {
    let shop = Workshop::new();
    shop.compiles_to(&Elf::gnu(X86_64, &[("GLIBC_2.41", "newer")]));
    let fault = shop.build(X86).await.unwrap_err();
    assert_eq!(
        fault.message,
        "the compiled function needs the symbol newer of GLIBC 2.41, but Amazon Linux 2023 has GLIBC 2.34 and GCC 11"
    );
    shop.tool("cc", "echo other");
    shop.compiles_to(&Elf::fixed(AARCH64));
    assert_eq!(shop.build(X86).await.unwrap_err().code, "wrong_arch");
    assert!(!shop.path("cache/out").exists());
}

#[tokio::test]
async fn a_mistake_in_the_sources_is_shown_as_rustc_says_it() {
    let shop = Workshop::new();
    shop.cargo(
        "cat >&2 <<'END'\n   Compiling hit-counter v0.1.0 (/x)\nwarning: unused\nerror[E0308]: mismatched types\n --> function/src/lib.rs:3:5\nerror: could not compile `hit-counter`\nEND\nexit 101",
    );
    let fault = shop.build(X86).await.unwrap_err();
    assert_eq!(fault.message, "failed to compile the function for x86_64-unknown-linux-gnu");
    insta::assert_snapshot!(fault.cause.unwrap(), @r"
    error[E0308]: mismatched types
     --> function/src/lib.rs:3:5
    error: could not compile `hit-counter`
    ");
    assert_eq!(
        fault.hint.unwrap(),
        "mend what rustc names and run the command again; `hitctl doctor` shows the toolchain"
    );
    shop.cargo("exit 7");
    let fault = shop.build(X86).await.unwrap_err();
    assert_eq!(fault.cause.as_deref(), Some("cargo ended with exit status: 7"));
    shop.cargo("exit 0");
    let fault = shop.build(X86).await.unwrap_err();
    assert_eq!(
        fault.message,
        "cargo compiled the function for x86_64-unknown-linux-gnu, but did not say where the binary is"
    );
}

#[tokio::test]
async fn a_missing_or_broken_toolchain_is_said_before_anything_is_written() {
    let shop = Workshop::new();
    fs::remove_file(shop.path("bin/cargo")).unwrap();
    let fault = shop.build(X86).await.unwrap_err();
    assert_eq!(fault.message, "cargo is not installed: the function is compiled from Rust");
    assert!(!shop.unpacked());

    let shop = Workshop::new();
    shop.tool("rustc", "echo \"error: toolchain '1.95.0' is not installed\" >&2; exit 1");
    let fault = shop.build(X86).await.unwrap_err();
    assert_eq!(fault.message, "rustc is installed, but does not work");
    assert_eq!(fault.cause.as_deref(), Some("error: toolchain '1.95.0' is not installed"));
}

#[tokio::test]
async fn an_interrupted_build_ends_cargo_and_leaves_no_zip() {
    let shop = Workshop::new();
    shop.cargo("echo '   Compiling ring v0.17.14' >&2; exec sleep 600");
    let token = CancellationToken::new();
    let sink = Sink::new({
        let token = token.clone();
        move |event| {
            if matches!(event, Event::PhaseNote { .. }) {
                token.cancel();
            }
        }
    });
    let fault = build(&shop.request(X86), &sink, &token).await.unwrap_err();
    assert_eq!((fault.code.as_str(), fault.message.as_str()), ("interrupted", "the build was interrupted"));
    assert!(!shop.path("cache/out").exists());
    shop.cargo(&shop.succeeding());
    assert!(shop.build(X86).await.unwrap().built, "the lock is free again");
}

#[tokio::test]
async fn a_build_that_hangs_is_ended() {
    let shop = Workshop::new();
    shop.cargo("exec sleep 600");
    let request = BuildRequest { limit: Duration::from_millis(300), ..shop.request(X86) };
    let fault = build(&request, &Sink::none(), &CancellationToken::new()).await.unwrap_err();
    assert_eq!(fault.code, "build_timeout");
}

#[tokio::test]
async fn two_builds_at_once_compile_once() {
    let shop = Workshop::new();
    let (one, two) = tokio::join!(shop.build(X86), shop.build(X86));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.sha256, two.sha256);
    assert!(one.built != two.built, "exactly one of them compiled");
    assert_eq!(shop.calls().len(), 1);
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    let shop = Workshop::new();
    let out = shop.path("out");
    fs::write(&out, "a file").unwrap();
    let request = BuildRequest { out_dir: out.clone(), ..shop.request(X86) };
    let fault = build(&request, &Sink::none(), &CancellationToken::new()).await.unwrap_err();
    assert_eq!(fault.message, format!("failed to create the folder {}", out.display()));
    assert_eq!(fs::read(&out).unwrap(), b"a file");

    let shop = Workshop::new();
    fs::write(shop.path("cache"), "a file").unwrap();
    let fault = shop.build(X86).await.unwrap_err();
    assert_eq!(fault.code, "not_writable");
    assert!(shop.calls().is_empty());
}

#[tokio::test]
async fn what_is_given_needs_no_toolchain() {
    let shop = Workshop::new();
    fs::remove_dir_all(shop.path("bin")).unwrap();
    let request = BuildRequest { given: Some(shop.path("bootstrap")), ..shop.request(X86) };
    let artifact = build(&request, &Sink::none(), &CancellationToken::new()).await.unwrap();
    assert_eq!((artifact.arch, artifact.built), (Arch::X86_64, false));
    assert!(artifact.zip.starts_with(shop.path("cache/out")));
}

#[tokio::test]
async fn the_facts_for_a_person() {
    let shop = Workshop::new();
    shop.zig();
    shop.target("aarch64-unknown-linux-musl");
    let env = shop.request(X86).env;
    let facts = toolchain_facts(&env, shop.dir.path(), &CancellationToken::new()).await;
    let version = |tool: &Option<Tool>| tool.as_ref().map(|tool| tool.version.clone()).unwrap_or_default();
    assert_eq!(version(&facts.cargo), "cargo 1.95.0");
    assert_eq!(version(&facts.rustc), "rustc 1.95.0 (fake)");
    assert_eq!(version(&facts.zigbuild), "cargo-zigbuild 0.20.0");
    assert_eq!(version(&facts.zig), "zig 0.14.0");
    assert_eq!(version(&facts.cc), "cc 14");
    assert_eq!(facts.host.as_deref(), Some("x86_64-unknown-linux-gnu"));
    assert_eq!(facts.targets.len(), 2);
    let how = |target| how(&facts, target, &shop.request(target).source).unwrap();
    assert_eq!(how(X86), "cargo zigbuild for x86_64-unknown-linux-gnu, glibc 2.34");
    assert_eq!(how(ARM), "cargo zigbuild for aarch64-unknown-linux-musl");
    assert_eq!(how(Target::Host), "cargo build for x86_64-unknown-linux-gnu");
    assert!(facts.broken.is_empty());
}
