//! Chooses how to compile the function for a target, given the installed tools. [`choose`] is a pure function: it
//! starts no process and reads no file and no environment variable.
//!
//! The order of preference for Lambda:
//!
//! 1. A musl target whose standard library is installed: the binary is static, so it runs with any glibc. Rust's own linker is enough
//!    to cross-compile, unless C is compiled too (TLS cryptography needs it). Then a C compiler for the target is required, or
//!    cargo-zigbuild, because zig contains one.
//! 2. cargo-zigbuild with glibc 2.34, the version of Amazon Linux 2023, if the standard library of the gnu target is installed.
//! 3. Plain cargo, if this machine is Linux with the same architecture. Its glibc may be too new; the check of the compiled binary
//!    finds that.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use hitctl_config::Arch;
use hitctl_engine::Fault;

use super::request::BuildTarget;

/// The build tools that are installed, as found by [`toolchain_facts`](crate::toolchain_facts).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ToolchainFacts {
    /// The installed cargo.
    pub cargo: Option<Tool>,
    /// The installed rustc.
    pub rustc: Option<Tool>,
    /// The target triple that rustc compiles for by default, such as `x86_64-unknown-linux-gnu`.
    pub host: Option<String>,
    /// The commit that rustc was built from.
    pub commit: Option<String>,
    /// The folder of rustc's standard libraries.
    pub sysroot: Option<PathBuf>,
    /// The targets whose standard library is installed.
    pub targets: BTreeSet<String>,
    /// The installed cargo-zigbuild.
    pub zigbuild: Option<Tool>,
    /// zig, installed as a program or as the Python package `ziglang`.
    pub zig: Option<Tool>,
    /// The C compiler for this machine, which is also the linker.
    pub cc: Option<Tool>,
    /// C compilers for musl targets, by target.
    pub musl_cc: BTreeMap<String, PathBuf>,
    /// The error messages of tools that are installed but do not work, by name.
    pub broken: BTreeMap<String, String>,
}

/// An installed program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// The path of the executable.
    pub path: PathBuf,
    /// The first line of its version output, such as `cargo 1.95.0 (f2d3ce0bd 2026-03-21)`.
    pub version: String,
}

/// A way to compile the function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BuildMethod {
    /// Whether to build with cargo-zigbuild instead of plain cargo.
    pub(super) zigbuild: bool,
    /// The target triple.
    pub(super) triple: String,
    /// The glibc version to link against; only cargo-zigbuild can select one.
    pub(super) glibc: Option<&'static str>,
    /// The linker; `None` for rustc's default.
    pub(super) linker: Option<String>,
}

impl std::fmt::Display for BuildMethod {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} for {}", if self.zigbuild { "cargo zigbuild" } else { "cargo build" }, self.triple)?;
        self.glibc.map_or(Ok(()), |glibc| write!(f, ", glibc {glibc}"))
    }
}

/// The linker that comes with rustc.
pub(super) const RUST_LLD: &str = "rust-lld";

impl BuildMethod {
    fn plain(triple: &str) -> Self {
        Self { zigbuild: false, triple: triple.to_owned(), glibc: None, linker: None }
    }

    fn zigbuild(triple: &str, glibc: Option<&'static str>) -> Self {
        Self { zigbuild: true, glibc, ..Self::plain(triple) }
    }

    fn with_linker(self, linker: impl Into<String>) -> Self {
        Self { linker: Some(linker.into()), ..self }
    }

    /// Returns the value of cargo's `--target` option.
    pub(super) fn target(&self) -> String {
        match self.glibc {
            Some(version) => format!("{}.{version}", self.triple),
            None => self.triple.clone(),
        }
    }
}

/// Returns the target triple for static binaries of an architecture.
pub(super) fn musl_triple(arch: Arch) -> &'static str {
    match arch {
        Arch::Arm64 => "aarch64-unknown-linux-musl",
        Arch::X86_64 => "x86_64-unknown-linux-musl",
    }
}

fn gnu_triple(arch: Arch) -> &'static str {
    match arch {
        Arch::Arm64 => "aarch64-unknown-linux-gnu",
        Arch::X86_64 => "x86_64-unknown-linux-gnu",
    }
}

/// Chooses how to compile. If nothing works, the error names the packages to install. `needs_c` says whether the
/// function contains C code.
pub(super) fn choose(
    target: BuildTarget,
    facts: &ToolchainFacts,
    needs_c: bool,
) -> Result<BuildMethod, Fault> {
    let host = check_rust(facts)?;
    match target {
        BuildTarget::Host => require_cc(facts, BuildMethod::plain(host)),
        BuildTarget::Lambda(arch) => for_lambda(arch, host, facts, needs_c),
    }
}

/// Checks that cargo and rustc are installed and work. Returns the host triple.
fn check_rust(facts: &ToolchainFacts) -> Result<&str, Fault> {
    for (name, tool) in [("cargo", &facts.cargo), ("rustc", &facts.rustc)] {
        if let Some(message) = facts.broken.get(name) {
            return Err(Fault::fatal("toolchain_broken", format!("failed to run {name}"))
                .caused_by(message.as_str())
                .hinted(format!("run `{name} -V` to see the error; `rustup update` often fixes it")));
        }
        if tool.is_none() {
            return Err(Fault::fatal(
                "toolchain_missing",
                format!("{name} is required to build the function, but is not installed"),
            )
            .hinted("install Rust from https://rustup.rs, or pass a built function with `--artifact FILE`"));
        }
    }
    facts.host.as_deref().ok_or_else(|| {
        Fault::fatal("toolchain_broken", "expected a host in the output of `rustc -vV`, found none")
            .hinted("run `rustc -vV` to see its output; `rustup update` often fixes it")
    })
}

fn for_lambda(arch: Arch, host: &str, facts: &ToolchainFacts, needs_c: bool) -> Result<BuildMethod, Fault> {
    let (musl, gnu) = (musl_triple(arch), gnu_triple(arch));
    let musl_installed = facts.targets.contains(musl);
    if musl_installed && let Some(method) = static_method(arch, host, facts, needs_c) {
        return Ok(method);
    }
    let zig_works = facts.zigbuild.is_some() && facts.zig.is_some();
    if zig_works && facts.targets.contains(gnu) {
        return Ok(BuildMethod::zigbuild(gnu, Some("2.34")));
    }
    if host == gnu {
        return require_cc(facts, BuildMethod::plain(gnu));
    }
    let missing = if musl_installed {
        Fault::fatal(
            "c_compiler_missing",
            format!("no C compiler for {musl} is installed, but the function's cryptography requires one"),
        )
        .hinted("run `pip install cargo-zigbuild ziglang`, then run the command again")
    } else {
        let install_c_compiler =
            if needs_c && !zig_works { " && pip install cargo-zigbuild ziglang" } else { "" };
        Fault::fatal("target_missing", format!("the installed Rust cannot compile for Lambda on {arch}"))
            .caused_by(format!("neither the target {musl} nor {gnu} is installed; rustc compiles for {host}"))
            .hinted(format!("run `rustup target add {musl}{install_c_compiler}`, then run the command again"))
    };
    Err(missing)
}

/// Returns the method for a static binary with the installed musl target, or `None` if C cannot be compiled for it.
fn static_method(arch: Arch, host: &str, facts: &ToolchainFacts, needs_c: bool) -> Option<BuildMethod> {
    let musl = musl_triple(arch);
    if host == musl {
        return Some(BuildMethod::plain(musl));
    }
    if needs_c {
        if let Some(cc) = facts.musl_cc.get(musl) {
            return Some(BuildMethod::plain(musl).with_linker(cc.to_string_lossy()));
        }
        return (facts.zigbuild.is_some() && facts.zig.is_some()).then(|| BuildMethod::zigbuild(musl, None));
    }
    let native = host == gnu_triple(arch) && facts.cc.is_some();
    Some(if native { BuildMethod::plain(musl) } else { BuildMethod::plain(musl).with_linker(RUST_LLD) })
}

/// Checks that a C compiler is installed: rustc links with it for the machine's own target.
fn require_cc(facts: &ToolchainFacts, method: BuildMethod) -> Result<BuildMethod, Fault> {
    if facts.cc.is_some() {
        return Ok(method);
    }
    let install = if method.triple.contains("apple") {
        "run `xcode-select --install`"
    } else {
        "run `apt install gcc` (or `dnf install gcc`, `apk add build-base`)"
    };
    Err(Fault::fatal("c_compiler_missing", "no C compiler is installed, but Rust needs one to link")
        .hinted(format!("{install}, then run the command again")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GNU_X86: &str = "x86_64-unknown-linux-gnu";
    const GNU_ARM: &str = "aarch64-unknown-linux-gnu";
    const MUSL_X86: &str = "x86_64-unknown-linux-musl";
    const MUSL_ARM: &str = "aarch64-unknown-linux-musl";
    const MAC: &str = "aarch64-apple-darwin";

    fn tool(name: &str) -> Tool {
        Tool { path: format!("/bin/{name}").into(), version: format!("{name} 1.0") }
    }

    /// Returns the facts of a machine with Rust, a C compiler and some targets.
    fn machine(host: &str, targets: &[&str]) -> ToolchainFacts {
        ToolchainFacts {
            cargo: Some(tool("cargo")),
            rustc: Some(tool("rustc")),
            cc: Some(tool("cc")),
            host: Some(host.to_owned()),
            targets: targets.iter().copied().chain([host]).map(str::to_owned).collect(),
            ..ToolchainFacts::default()
        }
    }

    fn with_zig(facts: ToolchainFacts) -> ToolchainFacts {
        ToolchainFacts { zigbuild: Some(tool("cargo-zigbuild")), zig: Some(tool("zig")), ..facts }
    }

    fn outcome(target: BuildTarget, facts: &ToolchainFacts, needs_c: bool) -> String {
        match choose(target, facts, needs_c) {
            Ok(method) => {
                let verb = if method.zigbuild { "zigbuild" } else { "build" };
                let linker =
                    method.linker.as_ref().map(|linker| format!(" linked by {linker}")).unwrap_or_default();
                format!("{verb} {}{linker}", method.target())
            }
            Err(fault) => format!("{}: {}", fault.code, fault.hint.unwrap_or_default()),
        }
    }

    #[test]
    fn choose_prefers_static_then_zigbuild_then_plain_cargo() {
        let (arm, x86) = (BuildTarget::Lambda(Arch::Arm64), BuildTarget::Lambda(Arch::X86_64));
        let with_musl_gcc = ToolchainFacts {
            musl_cc: [(MUSL_X86.to_owned(), "/usr/bin/musl-gcc".into())].into(),
            ..machine(GNU_X86, &[MUSL_X86])
        };
        let no_cc = ToolchainFacts { cc: None, ..machine(GNU_X86, &[MUSL_X86]) };
        let table = [
            (BuildTarget::Host, machine(GNU_X86, &[]), true, "build x86_64-unknown-linux-gnu"),
            (BuildTarget::Host, machine(MAC, &[]), true, "build aarch64-apple-darwin"),
            (
                BuildTarget::Host,
                with_zig(machine(GNU_X86, &[MUSL_X86])),
                true,
                "build x86_64-unknown-linux-gnu",
            ),
            // A static binary, if the musl target is installed.
            (x86, machine(GNU_X86, &[MUSL_X86]), false, "build x86_64-unknown-linux-musl"),
            (x86, with_zig(machine(GNU_X86, &[MUSL_X86])), false, "build x86_64-unknown-linux-musl"),
            (x86, no_cc.clone(), false, "build x86_64-unknown-linux-musl linked by rust-lld"),
            (x86, machine(MUSL_X86, &[]), true, "build x86_64-unknown-linux-musl"),
            (
                arm,
                machine(GNU_X86, &[MUSL_ARM]),
                false,
                "build aarch64-unknown-linux-musl linked by rust-lld",
            ),
            (arm, machine(GNU_ARM, &[MUSL_ARM]), false, "build aarch64-unknown-linux-musl"),
            (arm, machine(MAC, &[MUSL_ARM]), false, "build aarch64-unknown-linux-musl linked by rust-lld"),
            // C needs a compiler for the target.
            (x86, with_musl_gcc, true, "build x86_64-unknown-linux-musl linked by /usr/bin/musl-gcc"),
            (x86, with_zig(machine(GNU_X86, &[MUSL_X86])), true, "zigbuild x86_64-unknown-linux-musl"),
            (arm, with_zig(machine(GNU_X86, &[MUSL_ARM])), true, "zigbuild aarch64-unknown-linux-musl"),
            (arm, with_zig(machine(MAC, &[MUSL_ARM])), true, "zigbuild aarch64-unknown-linux-musl"),
            // No C compiler for musl, but this machine has the architecture of the target.
            (x86, machine(GNU_X86, &[MUSL_X86]), true, "build x86_64-unknown-linux-gnu"),
            // cargo-zigbuild links against an older glibc.
            (x86, with_zig(machine(GNU_X86, &[])), true, "zigbuild x86_64-unknown-linux-gnu.2.34"),
            (arm, with_zig(machine(GNU_X86, &[GNU_ARM])), true, "zigbuild aarch64-unknown-linux-gnu.2.34"),
            (arm, with_zig(machine(MAC, &[GNU_ARM])), false, "zigbuild aarch64-unknown-linux-gnu.2.34"),
            // Plain cargo, because this machine has the architecture of the target.
            (x86, machine(GNU_X86, &[]), true, "build x86_64-unknown-linux-gnu"),
            (arm, machine(GNU_ARM, &[]), true, "build aarch64-unknown-linux-gnu"),
            // No method works.
            (
                arm,
                machine(GNU_X86, &[]),
                false,
                "target_missing: run `rustup target add aarch64-unknown-linux-musl`, then run the command again",
            ),
            (
                arm,
                machine(GNU_X86, &[]),
                true,
                "target_missing: run `rustup target add aarch64-unknown-linux-musl && pip install cargo-zigbuild ziglang`, then run the command again",
            ),
            (
                arm,
                with_zig(machine(GNU_X86, &[])),
                true,
                "target_missing: run `rustup target add aarch64-unknown-linux-musl`, then run the command again",
            ),
            (
                x86,
                machine(MAC, &[]),
                false,
                "target_missing: run `rustup target add x86_64-unknown-linux-musl`, then run the command again",
            ),
            (
                arm,
                machine(GNU_X86, &[MUSL_ARM]),
                true,
                "c_compiler_missing: run `pip install cargo-zigbuild ziglang`, then run the command again",
            ),
            (
                arm,
                ToolchainFacts { zigbuild: Some(tool("cargo-zigbuild")), ..machine(MAC, &[MUSL_ARM]) },
                true,
                "c_compiler_missing: run `pip install cargo-zigbuild ziglang`, then run the command again",
            ),
            (
                BuildTarget::Host,
                no_cc,
                false,
                "c_compiler_missing: run `apt install gcc` (or `dnf install gcc`, `apk add build-base`), then run the command again",
            ),
            (
                BuildTarget::Host,
                ToolchainFacts { cc: None, ..machine(MAC, &[]) },
                false,
                "c_compiler_missing: run `xcode-select --install`, then run the command again",
            ),
        ];
        for (target, facts, needs_c, expected) in table {
            assert_eq!(outcome(target, &facts, needs_c), expected, "{target:?} needs_c={needs_c} {facts:?}");
        }
    }

    #[test]
    fn choose_reports_missing_or_broken_rust_for_every_target() {
        let rustup = "toolchain_missing: install Rust from https://rustup.rs, or pass a built function with `--artifact FILE`";
        for target in [BuildTarget::Host, BuildTarget::Lambda(Arch::Arm64)] {
            assert_eq!(outcome(target, &ToolchainFacts::default(), true), rustup);
            assert_eq!(
                outcome(target, &ToolchainFacts { cargo: None, ..machine(GNU_X86, &[]) }, true),
                rustup
            );
            assert_eq!(
                outcome(target, &ToolchainFacts { rustc: None, ..machine(GNU_X86, &[]) }, true),
                rustup
            );
            let broken =
                [("rustc".to_owned(), "error: toolchain '1.95.0' is not installed".to_owned())].into();
            let fault =
                choose(target, &ToolchainFacts { broken, ..machine(GNU_X86, &[]) }, true).unwrap_err();
            assert_eq!(fault.code, "toolchain_broken");
            assert_eq!(fault.cause.as_deref(), Some("error: toolchain '1.95.0' is not installed"));
        }
        let fault = choose(BuildTarget::Host, &ToolchainFacts::default(), true).unwrap_err();
        assert_eq!(fault.message, "cargo is required to build the function, but is not installed");
        assert_eq!(
            outcome(BuildTarget::Host, &ToolchainFacts { host: None, ..machine(GNU_X86, &[]) }, false),
            "toolchain_broken: run `rustc -vV` to see its output; `rustup update` often fixes it"
        );
    }
}
