//! How to compile the function for a place, decided from what is installed. Pure: no process, no file, no environment.
//!
//! The order for Lambda, and why:
//!
//! 1. a musl target whose standard library is installed: the binary is static, so it runs whatever glibc there is. Rust's
//!    own linker is enough to cross-compile, unless C is compiled too (TLS cryptography does): then a C compiler for the
//!    target must be there, or cargo-zigbuild, whose zig is one;
//! 2. cargo-zigbuild against glibc 2.34, that of Amazon Linux 2023, where the gnu target's standard library is installed;
//! 3. plain cargo, where this machine is Linux of the right architecture. Its glibc may be too new: the check of the
//!    finished binary decides.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use hitctl_config::Arch;
use hitctl_engine::Fault;

use super::request::Target;

/// The build tools that are installed, as found by [`toolchain_facts`](crate::toolchain_facts).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// cargo.
    pub cargo: Option<Tool>,
    /// rustc.
    pub rustc: Option<Tool>,
    /// The triple that rustc compiles for by itself, such as `x86_64-unknown-linux-gnu`.
    pub host: Option<String>,
    /// The commit that rustc was built from.
    pub commit: Option<String>,
    /// Where rustc keeps its standard libraries.
    pub sysroot: Option<PathBuf>,
    /// The targets whose standard library is installed.
    pub targets: BTreeSet<String>,
    /// cargo-zigbuild.
    pub zigbuild: Option<Tool>,
    /// zig, by itself or as the Python package `ziglang`.
    pub zig: Option<Tool>,
    /// The C compiler for this machine; it also links.
    pub cc: Option<Tool>,
    /// C compilers for musl targets, by target.
    pub musl_cc: BTreeMap<String, PathBuf>,
    /// Tools that are there and do not work: what they said, by name.
    pub broken: BTreeMap<String, String>,
}

/// A program on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tool {
    /// Where it is.
    pub path: PathBuf,
    /// The first line that it says of itself, such as `cargo 1.95.0 (f2d3ce0bd 2026-03-21)`.
    pub version: String,
}

/// How to compile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    /// Through cargo-zigbuild, not plainly.
    pub(super) zigbuild: bool,
    /// Rust's name of the target.
    pub(super) triple: String,
    /// The glibc to link against, where that can be chosen.
    pub(super) glibc: Option<&'static str>,
    /// What links, where it is not rustc's choice.
    pub(super) linker: Option<String>,
}

impl std::fmt::Display for Recipe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} for {}", if self.zigbuild { "cargo zigbuild" } else { "cargo build" }, self.triple)?;
        self.glibc.map_or(Ok(()), |glibc| write!(f, ", glibc {glibc}"))
    }
}

/// The linker that comes with rustc.
pub(super) const RUST_LLD: &str = "rust-lld";

impl Recipe {
    fn plain(triple: &str) -> Self {
        Self { zigbuild: false, triple: triple.to_owned(), glibc: None, linker: None }
    }

    fn zigbuild(triple: &str, glibc: Option<&'static str>) -> Self {
        Self { zigbuild: true, glibc, ..Self::plain(triple) }
    }

    fn linked_by(self, linker: impl Into<String>) -> Self {
        Self { linker: Some(linker.into()), ..self }
    }

    /// What `--target` is given.
    pub(super) fn target(&self) -> String {
        match self.glibc {
            Some(version) => format!("{}.{version}", self.triple),
            None => self.triple.clone(),
        }
    }
}

/// Rust's static target of an architecture.
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

/// Chooses how to compile; where nothing will do, says what to install. `needs_c` is whether C is compiled too.
pub(super) fn choose(target: Target, facts: &Facts, needs_c: bool) -> Result<Recipe, Fault> {
    let host = rust(facts)?;
    match target {
        Target::Host => with_cc(facts, Recipe::plain(host)),
        Target::Lambda(arch) => for_lambda(arch, host, facts, needs_c),
    }
}

/// Whether Rust is there and works: gives its host triple.
fn rust(facts: &Facts) -> Result<&str, Fault> {
    for (name, tool) in [("cargo", &facts.cargo), ("rustc", &facts.rustc)] {
        if let Some(said) = facts.broken.get(name) {
            return Err(Fault::fatal("toolchain_broken", format!("{name} is installed, but does not work"))
                .caused_by(said.as_str())
                .hinted(format!("run `{name} -V` to see why; `rustup update` mends most of it")));
        }
        if tool.is_none() {
            return Err(Fault::fatal(
                "toolchain_missing",
                format!("{name} is not installed: the function is compiled from Rust"),
            )
            .hinted("install Rust from https://rustup.rs, or give a ready function with `--artifact FILE`"));
        }
    }
    facts.host.as_deref().ok_or_else(|| {
        Fault::fatal("toolchain_broken", "rustc does not say which machine it compiles for")
            .hinted("run `rustc -vV` to see what it says; `rustup update` mends most of it")
    })
}

fn for_lambda(arch: Arch, host: &str, facts: &Facts, needs_c: bool) -> Result<Recipe, Fault> {
    let (musl, gnu) = (musl_triple(arch), gnu_triple(arch));
    let musl_installed = facts.targets.contains(musl);
    if musl_installed && let Some(recipe) = static_recipe(arch, host, facts, needs_c) {
        return Ok(recipe);
    }
    let zig_works = facts.zigbuild.is_some() && facts.zig.is_some();
    if zig_works && facts.targets.contains(gnu) {
        return Ok(Recipe::zigbuild(gnu, Some("2.34")));
    }
    if host == gnu {
        return with_cc(facts, Recipe::plain(gnu));
    }
    let missing = if musl_installed {
        Fault::fatal(
            "c_compiler_missing",
            format!("nothing here compiles C for {musl}, and the function's cryptography is C"),
        )
        .hinted("`pip install cargo-zigbuild ziglang`, then run the command again")
    } else {
        let and_c = if needs_c && !zig_works { " && pip install cargo-zigbuild ziglang" } else { "" };
        Fault::fatal("target_missing", format!("this Rust cannot compile for Lambda on {arch}"))
            .caused_by(format!(
                "the standard library of neither {musl} nor {gnu} is installed for it; it compiles for {host}"
            ))
            .hinted(format!("`rustup target add {musl}{and_c}`, then run the command again"))
    };
    Err(missing)
}

/// A static binary by the installed musl target; `None` where C cannot be compiled for it.
fn static_recipe(arch: Arch, host: &str, facts: &Facts, needs_c: bool) -> Option<Recipe> {
    let musl = musl_triple(arch);
    if host == musl {
        return Some(Recipe::plain(musl));
    }
    if needs_c {
        if let Some(cc) = facts.musl_cc.get(musl) {
            return Some(Recipe::plain(musl).linked_by(cc.to_string_lossy()));
        }
        return (facts.zigbuild.is_some() && facts.zig.is_some()).then(|| Recipe::zigbuild(musl, None));
    }
    let native = host == gnu_triple(arch) && facts.cc.is_some();
    Some(if native { Recipe::plain(musl) } else { Recipe::plain(musl).linked_by(RUST_LLD) })
}

/// rustc links by the C compiler on this machine's own target.
fn with_cc(facts: &Facts, recipe: Recipe) -> Result<Recipe, Fault> {
    if facts.cc.is_some() {
        return Ok(recipe);
    }
    let install = if recipe.triple.contains("apple") {
        "`xcode-select --install`"
    } else {
        "`apt install gcc` (or `dnf install gcc`, `apk add build-base`)"
    };
    Err(Fault::fatal("c_compiler_missing", "there is no C compiler: Rust needs one to link")
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

    /// A machine with Rust, a C compiler and some targets.
    fn machine(host: &str, targets: &[&str]) -> Facts {
        Facts {
            cargo: Some(tool("cargo")),
            rustc: Some(tool("rustc")),
            cc: Some(tool("cc")),
            host: Some(host.to_owned()),
            targets: targets.iter().copied().chain([host]).map(str::to_owned).collect(),
            ..Facts::default()
        }
    }

    fn zig(facts: Facts) -> Facts {
        Facts { zigbuild: Some(tool("cargo-zigbuild")), zig: Some(tool("zig")), ..facts }
    }

    fn shown(target: Target, facts: &Facts, needs_c: bool) -> String {
        match choose(target, facts, needs_c) {
            Ok(recipe) => {
                let verb = if recipe.zigbuild { "zigbuild" } else { "build" };
                let linker =
                    recipe.linker.as_ref().map(|linker| format!(" linked by {linker}")).unwrap_or_default();
                format!("{verb} {}{linker}", recipe.target())
            }
            Err(fault) => format!("{}: {}", fault.code, fault.hint.unwrap_or_default()),
        }
    }

    #[test]
    fn the_choice_for_every_kind_of_machine() {
        let (arm, x86) = (Target::Lambda(Arch::Arm64), Target::Lambda(Arch::X86_64));
        let with_musl_gcc = Facts {
            musl_cc: [(MUSL_X86.to_owned(), "/usr/bin/musl-gcc".into())].into(),
            ..machine(GNU_X86, &[MUSL_X86])
        };
        let no_cc = Facts { cc: None, ..machine(GNU_X86, &[MUSL_X86]) };
        let table = [
            (Target::Host, machine(GNU_X86, &[]), true, "build x86_64-unknown-linux-gnu"),
            (Target::Host, machine(MAC, &[]), true, "build aarch64-apple-darwin"),
            (Target::Host, zig(machine(GNU_X86, &[MUSL_X86])), true, "build x86_64-unknown-linux-gnu"),
            // Static, where that is installed.
            (x86, machine(GNU_X86, &[MUSL_X86]), false, "build x86_64-unknown-linux-musl"),
            (x86, zig(machine(GNU_X86, &[MUSL_X86])), false, "build x86_64-unknown-linux-musl"),
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
            (x86, zig(machine(GNU_X86, &[MUSL_X86])), true, "zigbuild x86_64-unknown-linux-musl"),
            (arm, zig(machine(GNU_X86, &[MUSL_ARM])), true, "zigbuild aarch64-unknown-linux-musl"),
            (arm, zig(machine(MAC, &[MUSL_ARM])), true, "zigbuild aarch64-unknown-linux-musl"),
            // Static does not work out; the machine is the right one.
            (x86, machine(GNU_X86, &[MUSL_X86]), true, "build x86_64-unknown-linux-gnu"),
            // Zig against an older glibc.
            (x86, zig(machine(GNU_X86, &[])), true, "zigbuild x86_64-unknown-linux-gnu.2.34"),
            (arm, zig(machine(GNU_X86, &[GNU_ARM])), true, "zigbuild aarch64-unknown-linux-gnu.2.34"),
            (arm, zig(machine(MAC, &[GNU_ARM])), false, "zigbuild aarch64-unknown-linux-gnu.2.34"),
            // Plain, on a matching host.
            (x86, machine(GNU_X86, &[]), true, "build x86_64-unknown-linux-gnu"),
            (arm, machine(GNU_ARM, &[]), true, "build aarch64-unknown-linux-gnu"),
            // Nothing does.
            (
                arm,
                machine(GNU_X86, &[]),
                false,
                "target_missing: `rustup target add aarch64-unknown-linux-musl`, then run the command again",
            ),
            (
                arm,
                machine(GNU_X86, &[]),
                true,
                "target_missing: `rustup target add aarch64-unknown-linux-musl && pip install cargo-zigbuild ziglang`, then run the command again",
            ),
            (
                arm,
                zig(machine(GNU_X86, &[])),
                true,
                "target_missing: `rustup target add aarch64-unknown-linux-musl`, then run the command again",
            ),
            (
                x86,
                machine(MAC, &[]),
                false,
                "target_missing: `rustup target add x86_64-unknown-linux-musl`, then run the command again",
            ),
            (
                arm,
                machine(GNU_X86, &[MUSL_ARM]),
                true,
                "c_compiler_missing: `pip install cargo-zigbuild ziglang`, then run the command again",
            ),
            (
                arm,
                Facts { zigbuild: Some(tool("cargo-zigbuild")), ..machine(MAC, &[MUSL_ARM]) },
                true,
                "c_compiler_missing: `pip install cargo-zigbuild ziglang`, then run the command again",
            ),
            (
                Target::Host,
                no_cc,
                false,
                "c_compiler_missing: `apt install gcc` (or `dnf install gcc`, `apk add build-base`), then run the command again",
            ),
            (
                Target::Host,
                Facts { cc: None, ..machine(MAC, &[]) },
                false,
                "c_compiler_missing: `xcode-select --install`, then run the command again",
            ),
        ];
        for (target, facts, needs_c, expected) in table {
            assert_eq!(shown(target, &facts, needs_c), expected, "{target:?} needs_c={needs_c} {facts:?}");
        }
    }

    #[test]
    fn a_missing_or_broken_rust_is_said_so_for_every_target() {
        let rustup = "toolchain_missing: install Rust from https://rustup.rs, or give a ready function with `--artifact FILE`";
        for target in [Target::Host, Target::Lambda(Arch::Arm64)] {
            assert_eq!(shown(target, &Facts::default(), true), rustup);
            assert_eq!(shown(target, &Facts { cargo: None, ..machine(GNU_X86, &[]) }, true), rustup);
            assert_eq!(shown(target, &Facts { rustc: None, ..machine(GNU_X86, &[]) }, true), rustup);
            let broken =
                [("rustc".to_owned(), "error: toolchain '1.95.0' is not installed".to_owned())].into();
            let fault = choose(target, &Facts { broken, ..machine(GNU_X86, &[]) }, true).unwrap_err();
            assert_eq!(fault.code, "toolchain_broken");
            assert_eq!(fault.cause.as_deref(), Some("error: toolchain '1.95.0' is not installed"));
        }
        let fault = choose(Target::Host, &Facts::default(), true).unwrap_err();
        assert_eq!(fault.message, "cargo is not installed: the function is compiled from Rust");
        assert_eq!(
            shown(Target::Host, &Facts { host: None, ..machine(GNU_X86, &[]) }, false),
            "toolchain_broken: run `rustc -vV` to see what it says; `rustup update` mends most of it"
        );
    }
}
