//! Executables that would run on Lambda, and those that would not, with why.

use super::super::fixtures::{AARCH64, Elf, X86_64};
use super::*;

const ON_X86: Place = Place::Lambda(Arch::X86_64);
const ON_ARM: Place = Place::Lambda(Arch::Arm64);

/// The code and message of a refusal; the architecture of what runs.
fn verdict(binary: &[u8], place: Place) -> String {
    match inspect(binary, "the binary", place) {
        Ok(arch) => arch.to_string(),
        Err(fault) => {
            assert!(fault.hint.is_some_and(|hint| !hint.is_empty()), "every refusal says what to do");
            format!("{}: {}", fault.code, fault.message)
        }
    }
}

#[test]
fn what_lambda_runs() {
    let old = [("GLIBC_2.2.5", "write"), ("GLIBC_2.34", "__libc_start_main"), ("GLIBC_2.4", "x")];
    let libgcc = Elf {
        needs: vec![
            ("libgcc_s.so.1", "GCC_4.2.0", false, "_Unwind_Resume"),
            ("libm.so.6", "GLIBC_2.29", false, "exp"),
        ],
        ..Elf::gnu(X86_64, &[])
    };
    let weak =
        Elf { needs: vec![("libc.so.6", "GLIBC_2.39", true, "pidfd_spawnp")], ..Elf::gnu(X86_64, &[]) };
    let static_pie = Elf { kind: 3, ..Elf::fixed(AARCH64) };
    for (elf, place, arch) in [
        (Elf::fixed(X86_64), ON_X86, "x86_64"),
        (Elf::fixed(AARCH64), ON_ARM, "arm64"),
        (static_pie, ON_ARM, "arm64"),
        (Elf::gnu(X86_64, &old), ON_X86, "x86_64"),
        (Elf::gnu(AARCH64, &old), ON_ARM, "arm64"),
        (libgcc, ON_X86, "x86_64"),
        (weak, ON_X86, "x86_64"),
    ] {
        assert_eq!(verdict(&elf.bytes(), place), arch);
    }
}

#[test]
fn what_lambda_does_not_run() {
    let table = [
        (
            Elf::gnu(
                X86_64,
                &[("GLIBC_2.34", "a"), ("GLIBC_2.39", "pidfd_getpid"), ("GLIBC_2.38", "strlcpy")],
            ),
            "glibc_too_new: the binary needs the symbol pidfd_getpid of GLIBC 2.39, but Amazon Linux 2023 has GLIBC 2.34 and GCC 11",
        ),
        (
            Elf::gnu(X86_64, &[("GLIBC_ABI_DT_RELR", "x")]),
            "glibc_too_new: the binary needs the symbol x of GLIBC ABI DT RELR, but Amazon Linux 2023 has GLIBC 2.34 and GCC 11",
        ),
        (
            Elf::gnu(X86_64, &[("GCC_14.0.0", "x")]),
            "glibc_too_new: the binary needs the symbol x of GCC 14.0.0, but Amazon Linux 2023 has GLIBC 2.34 and GCC 11",
        ),
        (
            Elf { libraries: vec!["libc.so.6", "libssl.so.3"], ..Elf::gnu(X86_64, &[]) },
            "shared_library: the binary needs the shared library libssl.so.3, which Lambda does not have",
        ),
        (
            Elf {
                interpreter: Some("/lib/ld-musl-x86_64.so.1"),
                libraries: vec!["libc.musl-x86_64.so.1"],
                ..Elf::gnu(X86_64, &[])
            },
            "interpreter: the binary needs the dynamic linker /lib/ld-musl-x86_64.so.1, which Lambda does not have",
        ),
        (Elf::fixed(AARCH64), "wrong_arch: the binary is compiled for arm64, but the function is x86_64"),
        (
            Elf::fixed(243),
            "not_executable: the binary is for another machine (ELF machine 243), and cannot run on the function",
        ),
        (
            Elf { kind: 1, ..Elf::fixed(X86_64) },
            "not_executable: the binary is not linked: it is an object file or a core dump, and cannot run on the function",
        ),
        (
            Elf { interpreter: None, ..Elf::gnu(X86_64, &[]) },
            "not_executable: the binary is a shared library, and cannot run on the function",
        ),
    ];
    for (elf, expected) in table {
        assert_eq!(verdict(&elf.bytes(), ON_X86), expected);
    }
}

#[test]
fn many_symbols_are_shown_in_part() {
    let needs = [("GLIBC_2.35", "a"); 1];
    assert!(verdict(&Elf::gnu(X86_64, &needs).bytes(), ON_X86).contains("the symbol a of GLIBC 2.35"));
    let names = ["a", "b", "c", "d", "e"].map(str::to_owned);
    assert_eq!(list(&names[..0]), "the interface");
    assert_eq!(list(&names[..2]), "the symbols a, b");
    assert_eq!(list(&names), "the symbols a, b, c and 2 more");
}

#[test]
fn hints_name_the_target_and_can_be_pasted() {
    let hint = |elf: Elf, place| inspect(&elf.bytes(), "the binary", place).unwrap_err().hint.unwrap();
    insta::assert_snapshot!(hint(Elf::gnu(AARCH64, &[("GLIBC_2.41", "x")]), ON_ARM), @"link it statically: `rustup target add aarch64-unknown-linux-musl`, or link against an older glibc: `pip install cargo-zigbuild ziglang`; then run the command again");
    insta::assert_snapshot!(hint(Elf::fixed(X86_64), ON_ARM), @r#"compile it for aarch64-unknown-linux-musl, or set `arch = "x86_64"` under `[function]` in hitctl.toml"#);
}

#[test]
fn what_is_cut_off_anywhere_is_refused_and_never_panics() {
    let whole = Elf::gnu(X86_64, &[("GLIBC_2.34", "a"), ("GLIBC_2.2.5", "b")]).bytes();
    for length in 0..whole.len() {
        let verdict = verdict(&whole[..length], ON_X86);
        assert!(verdict.contains(": "), "{length} of {} bytes were taken for {verdict}", whole.len());
    }
    assert!(
        verdict(&whole[..200], ON_X86).starts_with("artifact_broken: the binary is truncated or damaged")
    );
    // Each byte wrong, one at a time: any verdict will do, as long as there is one.
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xff;
        let _verdict = inspect(&damaged, "the binary", ON_X86);
    }
}

#[test]
fn files_of_other_kinds_are_named() {
    let mut narrow = Elf::fixed(X86_64).bytes();
    narrow[4] = 1;
    assert_eq!(
        verdict(&narrow, ON_X86),
        "not_executable: the binary is for a 32-bit machine, and cannot run on the function"
    );
    assert_eq!(
        verdict(b"text", ON_X86),
        "not_executable: the binary is not an ELF executable, and cannot run on the function"
    );
    let mac = [0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 1];
    assert!(is_binary(&mac));
    assert_eq!(
        verdict(&mac, ON_ARM),
        "not_executable: the binary is for macOS, and cannot run on the function"
    );
}

#[test]
fn this_test_runs_on_this_machine() {
    let binary = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let arch = super::super::this_machine().unwrap();
    assert_eq!(inspect(&binary, "the test", Place::Here(arch)).unwrap(), arch);
    let other = if arch == Arch::Arm64 { Arch::X86_64 } else { Arch::Arm64 };
    let fault = inspect(&binary, "the test", Place::Here(other)).unwrap_err();
    assert_eq!(fault.message, format!("the test is compiled for {arch}, but this machine is {other}"));
}
