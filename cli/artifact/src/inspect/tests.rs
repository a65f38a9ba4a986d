//! Tests of executables that run on Lambda, and of those that do not, with the reasons.

use super::super::fixtures::{AARCH64, Elf, X86_64};
use super::*;

const ON_X86: Platform = Platform::Lambda(Arch::X86_64);
const ON_ARM: Platform = Platform::Lambda(Arch::Arm64);

/// Returns the architecture of a valid binary, or the code and the message of the fault.
fn inspect_result(binary: &[u8], platform: Platform) -> String {
    match inspect(binary, "the binary", platform) {
        Ok(arch) => arch.to_string(),
        Err(fault) => {
            assert!(fault.hint.is_some_and(|hint| !hint.is_empty()), "every refusal says what to do");
            format!("{}: {}", fault.code, fault.message)
        }
    }
}

#[test]
fn inspect_accepts_binaries_that_lambda_runs() {
    let old = [("GLIBC_2.2.5", "write"), ("GLIBC_2.34", "__libc_start_main"), ("GLIBC_2.4", "x")];
    let libgcc = Elf {
        required_versions: vec![
            ("libgcc_s.so.1", "GCC_4.2.0", false, "_Unwind_Resume"),
            ("libm.so.6", "GLIBC_2.29", false, "exp"),
        ],
        ..Elf::dynamic_executable(X86_64, &[])
    };
    let weak = Elf {
        required_versions: vec![("libc.so.6", "GLIBC_2.39", true, "pidfd_spawnp")],
        ..Elf::dynamic_executable(X86_64, &[])
    };
    let static_pie = Elf { kind: 3, ..Elf::static_executable(AARCH64) };
    for (elf, platform, arch) in [
        (Elf::static_executable(X86_64), ON_X86, "x86_64"),
        (Elf::static_executable(AARCH64), ON_ARM, "arm64"),
        (static_pie, ON_ARM, "arm64"),
        (Elf::dynamic_executable(X86_64, &old), ON_X86, "x86_64"),
        (Elf::dynamic_executable(AARCH64, &old), ON_ARM, "arm64"),
        (libgcc, ON_X86, "x86_64"),
        (weak, ON_X86, "x86_64"),
    ] {
        assert_eq!(inspect_result(&elf.bytes(), platform), arch);
    }
}

#[test]
fn inspect_rejects_binaries_that_lambda_does_not_run() {
    let table = [
        (
            Elf::dynamic_executable(
                X86_64,
                &[("GLIBC_2.34", "a"), ("GLIBC_2.39", "pidfd_getpid"), ("GLIBC_2.38", "strlcpy")],
            ),
            "glibc_too_new: the binary needs the symbol pidfd_getpid of GLIBC 2.39, but Amazon Linux 2023 has GLIBC 2.34 and GCC 11",
        ),
        (
            Elf::dynamic_executable(X86_64, &[("GLIBC_ABI_DT_RELR", "x")]),
            "glibc_too_new: the binary needs the symbol x of GLIBC ABI DT RELR, but Amazon Linux 2023 has GLIBC 2.34 and GCC 11",
        ),
        (
            Elf::dynamic_executable(X86_64, &[("GCC_14.0.0", "x")]),
            "glibc_too_new: the binary needs the symbol x of GCC 14.0.0, but Amazon Linux 2023 has GLIBC 2.34 and GCC 11",
        ),
        (
            Elf { libraries: vec!["libc.so.6", "libssl.so.3"], ..Elf::dynamic_executable(X86_64, &[]) },
            "shared_library: the binary needs the shared library libssl.so.3, which Lambda does not have",
        ),
        (
            Elf {
                interpreter: Some("/lib/ld-musl-x86_64.so.1"),
                libraries: vec!["libc.musl-x86_64.so.1"],
                ..Elf::dynamic_executable(X86_64, &[])
            },
            "interpreter: the binary needs the dynamic linker /lib/ld-musl-x86_64.so.1, which Lambda does not have",
        ),
        (
            Elf::static_executable(AARCH64),
            "wrong_arch: expected the binary to be compiled for x86_64, found arm64",
        ),
        (
            Elf::static_executable(243),
            "not_executable: the binary cannot run on Lambda: it is for another machine (ELF machine 243)",
        ),
        (
            Elf { kind: 1, ..Elf::static_executable(X86_64) },
            "not_executable: the binary cannot run on Lambda: it is an object file or a core dump",
        ),
        (
            Elf { interpreter: None, ..Elf::dynamic_executable(X86_64, &[]) },
            "not_executable: the binary cannot run on Lambda: it is a shared library",
        ),
    ];
    for (elf, expected) in table {
        assert_eq!(inspect_result(&elf.bytes(), ON_X86), expected);
    }
}

#[test]
fn describe_symbols_shows_at_most_three() {
    let required_versions = [("GLIBC_2.35", "a"); 1];
    assert!(
        inspect_result(&Elf::dynamic_executable(X86_64, &required_versions).bytes(), ON_X86)
            .contains("the symbol a of GLIBC 2.35")
    );
    let names = ["a", "b", "c", "d", "e"].map(str::to_owned);
    assert_eq!(describe_symbols(&names[..0]), "the interface");
    assert_eq!(describe_symbols(&names[..2]), "the symbols a, b");
    assert_eq!(describe_symbols(&names), "the symbols a, b, c and 2 more");
}

#[test]
fn inspect_hint_names_the_target() {
    let hint = |elf: Elf, platform| inspect(&elf.bytes(), "the binary", platform).unwrap_err().hint.unwrap();
    insta::assert_snapshot!(hint(Elf::dynamic_executable(AARCH64, &[("GLIBC_2.41", "x")]), ON_ARM), @"run `rustup target add aarch64-unknown-linux-musl` to link it statically, or `pip install cargo-zigbuild ziglang` to link against an older glibc; then run the command again");
    insta::assert_snapshot!(hint(Elf::static_executable(X86_64), ON_ARM), @r#"compile it for aarch64-unknown-linux-musl, or set `arch = "x86_64"` under `[function]` in hitctl.toml"#);
}

#[test]
fn inspect_rejects_truncated_or_damaged_binary_without_panic() {
    let whole = Elf::dynamic_executable(X86_64, &[("GLIBC_2.34", "a"), ("GLIBC_2.2.5", "b")]).bytes();
    for length in 0..whole.len() {
        let result = inspect_result(&whole[..length], ON_X86);
        assert!(result.contains(": "), "{length} of {} bytes were taken for {result}", whole.len());
    }
    assert!(
        inspect_result(&whole[..200], ON_X86)
            .starts_with("artifact_broken: the binary is truncated or damaged")
    );
    // Flip one byte at a time: any result is fine as long as the function does not panic.
    for index in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[index] ^= 0xff;
        let _result = inspect(&damaged, "the binary", ON_X86);
    }
}

#[test]
fn inspect_names_other_executable_formats() {
    let mut narrow = Elf::static_executable(X86_64).bytes();
    // ELFCLASS32.
    narrow[4] = 1;
    assert_eq!(
        inspect_result(&narrow, ON_X86),
        "not_executable: the binary cannot run on Lambda: it is for a 32-bit machine"
    );
    assert_eq!(
        inspect_result(b"text", ON_X86),
        "not_executable: the binary cannot run on Lambda: it is not an ELF executable"
    );
    // The header of a Mach-O file for arm64.
    let mac = [0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 1];
    assert!(is_binary(&mac));
    assert_eq!(
        inspect_result(&mac, ON_ARM),
        "not_executable: the binary cannot run on Lambda: it is for macOS"
    );
}

#[test]
fn inspect_accepts_the_test_binary_on_this_machine() {
    let binary = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let arch = super::super::host_arch().unwrap();
    assert_eq!(inspect(&binary, "the test", Platform::Host(arch)).unwrap(), arch);
    let other = if arch == Arch::Arm64 { Arch::X86_64 } else { Arch::Arm64 };
    let fault = inspect(&binary, "the test", Platform::Host(other)).unwrap_err();
    assert_eq!(fault.message, format!("expected the test to be compiled for {other}, found {arch}"));
}
