//! Tests of cargo's command line, its progress messages and the hints for its failures.

use super::super::build_method::{RUST_LLD, Tool};
use super::*;

const TRIPLE: &str = "x86_64-unknown-linux-gnu";

fn facts() -> ToolchainFacts {
    ToolchainFacts {
        cargo: Some(Tool { path: "/tools/cargo".into(), version: "cargo 1.95.0".into() }),
        sysroot: Some("/tools/rust".into()),
        commit: Some("abc123".into()),
        ..ToolchainFacts::default()
    }
}

fn method() -> BuildMethod {
    BuildMethod { zigbuild: false, triple: TRIPLE.into(), glibc: None, linker: None }
}

fn command(method: &BuildMethod, env: &[(&str, &str)]) -> Command {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let facts = facts();
    let (root, target_dir) = (Path::new("/code"), Path::new("/code/target/hitctl"));
    CargoBuild { method, facts: &facts, root, target_dir, locked: true, env: &env }.command()
}

#[test]
fn command_has_profile_target_and_lock_options() {
    let command = command(&method(), &[]);
    assert_eq!(command.program, Path::new("/tools/cargo"));
    assert_eq!(command.cwd, Path::new("/code"));
    insta::assert_snapshot!(command.args.join(" "), @"build --profile lambda -p hit-counter --bin bootstrap --target x86_64-unknown-linux-gnu --message-format=json-render-diagnostics --color never --locked --manifest-path /code/Cargo.toml --target-dir /code/target/hitctl");
}

#[test]
fn command_with_zigbuild_selects_glibc() {
    let method = BuildMethod { zigbuild: true, glibc: Some("2.34"), ..method() };
    let args = command(&method, &[]).args;
    assert_eq!(args[0], "zigbuild");
    assert!(args.contains(&"x86_64-unknown-linux-gnu.2.34".to_owned()), "{args:?}");
}

#[test]
fn command_remaps_local_paths() {
    let env = command(&method(), &[("HOME", "/home/ann")]).env;
    insta::assert_snapshot!(env["CARGO_ENCODED_RUSTFLAGS"].replace('\x1f', "\n"), @r"
    --remap-path-prefix=/home/ann/.cargo=/cargo
    --remap-path-prefix=/tools/rust=/rust
    --remap-path-prefix=/tools/rust/lib/rustlib/src/rust=/rustc/abc123
    --remap-path-prefix=/code=/hit-counter
    --remap-path-prefix=/code/target/hitctl=/target
    ");
    assert_eq!(env["SOURCE_DATE_EPOCH"], "315532800");
    assert_eq!(env["CARGO_INCREMENTAL"], "0");
}

#[test]
fn command_puts_user_flags_first_and_prefers_encoded_flags() {
    let flags = |env: &[(&str, &str)]| {
        let env = command(&method(), env).env;
        assert!(!env.contains_key("RUSTFLAGS"));
        let flags = env["CARGO_ENCODED_RUSTFLAGS"].clone();
        flags
            .split('\x1f')
            .take_while(|flag| !flag.starts_with("--remap"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(flags(&[("RUSTFLAGS", " -C  target-cpu=x86-64-v3 ")]), ["-C", "target-cpu=x86-64-v3"]);
    assert_eq!(flags(&[("RUSTFLAGS", "-g"), ("CARGO_ENCODED_RUSTFLAGS", "--cfg\x1fa b")]), ["--cfg", "a b"]);
    assert_eq!(flags(&[("RUSTFLAGS", "")]), [""; 0]);
}

#[test]
fn command_sets_linker_unless_user_set_one() {
    let method = BuildMethod {
        triple: "aarch64-unknown-linux-musl".into(),
        linker: Some(RUST_LLD.into()),
        ..method()
    };
    let name = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER";
    let env = command(&method, &[]).env;
    assert_eq!(env[name], "rust-lld");
    assert!(env["CARGO_ENCODED_RUSTFLAGS"].contains("-C\x1flink-self-contained=yes\x1f"));
    assert_eq!(command(&method, &[(name, "my-ld")]).env[name], "my-ld");
}

#[test]
fn command_removes_variables_of_outer_cargo() {
    let env = command(
        &method(),
        &[
            ("CARGO", "/other/cargo"),
            ("CARGO_PKG_NAME", "hitctl"),
            ("RUSTUP_TOOLCHAIN", "1.95.0"),
            ("CARGO_MANIFEST_DIR", "/code/cli"),
            ("CARGO_TARGET_DIR", "/elsewhere"),
            ("CARGO_TERM_QUIET", "true"),
            ("CARGO_BUILD_TARGET", "wasm32-unknown-unknown"),
            ("CARGO_HOME", "/crates"),
            ("CARGO_PROFILE_LAMBDA_LTO", "off"),
            ("PATH", "/bin"),
        ],
    )
    .env;
    let names: Vec<&str> = env.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_HOME",
            "CARGO_INCREMENTAL",
            "CARGO_PROFILE_LAMBDA_LTO",
            "PATH",
            "SOURCE_DATE_EPOCH"
        ]
    );
}

#[test]
fn command_keeps_toolchain_of_the_user() {
    let env = command(&method(), &[("RUSTUP_TOOLCHAIN", "beta")]).env;
    assert_eq!(env["RUSTUP_TOOLCHAIN"], "beta");
}

#[test]
fn progress_note_converts_known_verbs() {
    let table = [
        ("   Compiling serde v1.0.229", Some("compiling serde v1.0.229")),
        ("   Compiling hit-counter v0.1.0 (/code/function)", Some("compiling hit-counter v0.1.0")),
        (" Downloading crates ...", Some("downloading crates ...")),
        ("  Downloaded serde v1.0.229", Some("downloaded serde v1.0.229")),
        ("    Blocking waiting for file lock on build directory", Some("waiting for another cargo")),
        (
            "    Finished `lambda` profile [optimized] target(s) in 9.71s",
            Some("finished `lambda` profile [optimized] target(s) in 9.71s"),
        ),
        ("error[E0425]: cannot find value", None),
        ("Compiling is what rustc does", None),
        ("", None),
    ];
    for (line, expected) in table {
        assert_eq!(progress_note(line).as_deref(), expected, "{line}");
    }
}

#[test]
fn executable_path_is_read_from_artifact_message() {
    let message = |name: &str| {
        format!(r#"{{"reason":"compiler-artifact","target":{{"name":"{name}"}},"executable":"/t/{name}"}}"#)
    };
    assert_eq!(executable_path(&message("bootstrap")), Some("/t/bootstrap".into()));
    assert_eq!(executable_path(&message("other")), None);
    assert_eq!(
        executable_path(r#"{"reason":"compiler-artifact","target":{"name":"bootstrap"},"executable":null}"#),
        None
    );
    assert_eq!(executable_path(r#"{"reason":"build-finished","success":true}"#), None);
    assert_eq!(executable_path("{\"reason\":\"compiler-artifact\""), None);
    assert_eq!(executable_path("noise"), None);
}

#[test]
fn hint_matches_known_failures() {
    let table = [
        (
            "error: cannot update the lock file /x because --locked was passed to prevent this",
            "`cargo check -p hit-counter`",
        ),
        ("error: failed to download from `https://x`", "HTTPS_PROXY"),
        ("error: linker `cc` not found", "install a C compiler"),
        (
            "error: failed to run custom build command: ToolNotFound: aarch64-linux-musl-gcc",
            "pip install cargo-zigbuild ziglang",
        ),
        ("error: rustc 1.80.0 is not supported by the following package", "rustup update stable"),
        ("error: No space left on device (os error 28)", "free some space"),
        ("error[E0463]: can't find crate for `core`", "rustup target add"),
        ("error[E0308]: mismatched types", "fix the compiler errors"),
    ];
    for (output, expected) in table {
        assert!(hint(output).contains(expected), "{output}: {}", hint(output));
    }
}
