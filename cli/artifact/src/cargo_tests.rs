//! What cargo says, as a build tells it on.

use super::super::recipe::{RUST_LLD, Tool};
use super::*;

const TRIPLE: &str = "x86_64-unknown-linux-gnu";

fn facts() -> Facts {
    Facts {
        cargo: Some(Tool { path: "/tools/cargo".into(), version: "cargo 1.95.0".into() }),
        sysroot: Some("/tools/rust".into()),
        commit: Some("abc123".into()),
        ..Facts::default()
    }
}

fn recipe() -> Recipe {
    Recipe { zigbuild: false, triple: TRIPLE.into(), glibc: None, linker: None }
}

fn command(recipe: &Recipe, env: &[(&str, &str)]) -> Command {
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let facts = facts();
    let (root, target_dir) = (Path::new("/code"), Path::new("/code/target/hitctl"));
    Job { recipe, facts: &facts, root, target_dir, locked: true, env: &env }.command()
}

#[test]
fn the_command_line() {
    let command = command(&recipe(), &[]);
    assert_eq!(command.program, Path::new("/tools/cargo"));
    assert_eq!(command.cwd, Path::new("/code"));
    insta::assert_snapshot!(command.args.join(" "), @"build --profile lambda -p hit-counter --bin bootstrap --target x86_64-unknown-linux-gnu --message-format=json-render-diagnostics --color never --locked --manifest-path /code/Cargo.toml --target-dir /code/target/hitctl");
}

#[test]
fn through_zigbuild() {
    let recipe = Recipe { zigbuild: true, glibc: Some("2.34"), ..recipe() };
    let args = command(&recipe, &[]).args;
    assert_eq!(args[0], "zigbuild");
    assert!(args.contains(&"x86_64-unknown-linux-gnu.2.34".to_owned()), "{args:?}");
}

#[test]
fn no_path_of_this_machine_gets_into_the_binary() {
    let env = command(&recipe(), &[("HOME", "/home/ann")]).env;
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
fn the_users_flags_come_first_and_the_encoded_ones_win() {
    let flags = |env: &[(&str, &str)]| {
        let env = command(&recipe(), env).env;
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
fn a_foreign_linker_is_set_unless_the_user_set_one() {
    let recipe =
        Recipe { triple: "aarch64-unknown-linux-musl".into(), linker: Some(RUST_LLD.into()), ..recipe() };
    let name = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER";
    let env = command(&recipe, &[]).env;
    assert_eq!(env[name], "rust-lld");
    assert!(env["CARGO_ENCODED_RUSTFLAGS"].contains("-C\x1flink-self-contained=yes\x1f"));
    assert_eq!(command(&recipe, &[(name, "my-ld")]).env[name], "my-ld");
}

#[test]
fn what_another_cargo_left_in_the_environment_stays_behind() {
    let env = command(
        &recipe(),
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
fn a_toolchain_that_the_user_chose_is_kept() {
    let env = command(&recipe(), &[("RUSTUP_TOOLCHAIN", "beta")]).env;
    assert_eq!(env["RUSTUP_TOOLCHAIN"], "beta");
}

#[test]
fn cargos_progress_in_our_words() {
    let table = [
        ("   Compiling serde v1.0.229", Some("compiling serde v1.0.229")),
        ("   Compiling hit-counter v0.1.0 (/code/function)", Some("compiling hit-counter v0.1.0")),
        (" Downloading crates ...", Some("downloading crates ...")),
        ("  Downloaded serde v1.0.229", Some("downloaded serde v1.0.229")),
        (
            "    Blocking waiting for file lock on build directory",
            Some("another cargo is at work: waiting for it"),
        ),
        (
            "    Finished `lambda` profile [optimized] target(s) in 9.71s",
            Some("finished `lambda` profile [optimized] target(s) in 9.71s"),
        ),
        ("error[E0425]: cannot find value", None),
        ("Compiling is what rustc does", None),
        ("", None),
    ];
    for (line, expected) in table {
        assert_eq!(note(line).as_deref(), expected, "{line}");
    }
}

#[test]
fn the_binary_is_where_cargo_says() {
    let message = |name: &str| {
        format!(r#"{{"reason":"compiler-artifact","target":{{"name":"{name}"}},"executable":"/t/{name}"}}"#)
    };
    assert_eq!(executable(&message("bootstrap")), Some("/t/bootstrap".into()));
    assert_eq!(executable(&message("other")), None);
    assert_eq!(
        executable(r#"{"reason":"compiler-artifact","target":{"name":"bootstrap"},"executable":null}"#),
        None
    );
    assert_eq!(executable(r#"{"reason":"build-finished","success":true}"#), None);
    assert_eq!(executable("{\"reason\":\"compiler-artifact\""), None);
    assert_eq!(executable("noise"), None);
}

#[test]
fn each_known_failure_has_its_own_hint() {
    let table = [
        (
            "error: cannot update the lock file /x because --locked was passed to prevent this",
            "`cargo check -p hit-counter`",
        ),
        ("error: failed to download from `https://x`", "HTTPS_PROXY"),
        ("error: linker `cc` not found", "a C compiler is missing"),
        (
            "error: failed to run custom build command: ToolNotFound: aarch64-linux-musl-gcc",
            "pip install cargo-zigbuild ziglang",
        ),
        ("error: rustc 1.80.0 is not supported by the following package", "rustup update stable"),
        ("error: No space left on device (os error 28)", "free some space"),
        ("error[E0463]: can't find crate for `core`", "rustup target add"),
        ("error[E0308]: mismatched types", "mend what rustc names"),
    ];
    for (said, expected) in table {
        assert!(hint(said).contains(expected), "{said}: {}", hint(said));
    }
}
