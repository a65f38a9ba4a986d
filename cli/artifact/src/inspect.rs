//! Checks whether a compiled binary can run on a platform, by its ELF headers. The binary is not started.

use std::fmt;

use hitctl_config::Arch;
use hitctl_engine::Fault;
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _, SectionTable, Sym as _};
use object::{Endianness, SymbolIndex, elf};

use super::build_method::musl_triple;

type ElfHeader = elf::FileHeader64<Endianness>;

/// The platform that a binary must run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Platform {
    /// This machine, with its architecture.
    Host(Arch),
    /// Lambda's runtime `provided.al2023`.
    Lambda(Arch),
}

/// The glibc version of Amazon Linux 2023.
const GLIBC: LibraryVersion = LibraryVersion([2, 34, 0]);
/// The newest libgcc version of Amazon Linux 2023, which has GCC 11. The 99 stands for any minor version.
const LIBGCC: LibraryVersion = LibraryVersion([11, 99, 0]);

/// The shared libraries of a minimal Amazon Linux 2023: those of glibc, and libgcc.
const LIBRARIES: [&str; 10] = [
    "libc.so.6",
    "libm.so.6",
    "libdl.so.2",
    "libpthread.so.0",
    "librt.so.1",
    "libutil.so.1",
    "libresolv.so.2",
    "libgcc_s.so.1",
    "ld-linux-x86-64.so.2",
    "ld-linux-aarch64.so.1",
];

/// The dynamic linkers of Amazon Linux 2023.
const INTERPRETERS: [&str; 2] = ["/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"];

/// Whether the bytes begin like an executable of Linux or macOS.
pub(super) fn is_binary(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF") || mach_o_arch(bytes).is_some()
}

/// Checks that a binary runs on `platform`, and returns its architecture. `what` names the binary in messages: "the binary FILE".
pub(super) fn inspect(binary: &[u8], what: &str, platform: Platform) -> Result<Arch, Fault> {
    let runs_on_mac = matches!(platform, Platform::Host(_)) && hitctl_platform::SYSTEM == "macOS";
    if let Some(arch) = mach_o_arch(binary) {
        return if runs_on_mac {
            check_arch(arch, what, platform)
        } else {
            Err(not_executable_on(what, "is for macOS", platform))
        };
    }
    if !binary.starts_with(b"\x7fELF") {
        return Err(not_executable_on(what, "is not an ELF executable", platform));
    }
    if runs_on_mac {
        return Err(not_executable_on(what, "is for Linux", platform));
    }
    let invalid = |damage: InvalidElf| {
        Fault::fatal("artifact_broken", format!("{what} is truncated or damaged"))
            .caused_by(damage.0)
            .hinted("build or copy it again")
    };
    if binary.get(4) == Some(&elf::ELFCLASS32.0) {
        return Err(not_executable_on(what, "is for a 32-bit machine", platform));
    }
    let header = ElfHeader::parse(binary).map_err(|error| invalid(error.into()))?;
    let endian = header.endian().map_err(|error| invalid(error.into()))?;
    let machine = header.e_machine(endian);
    let arch = match machine {
        elf::EM_X86_64 => Arch::X86_64,
        elf::EM_AARCH64 if header.is_little_endian() => Arch::Arm64,
        other => {
            return Err(not_executable_on(
                what,
                &format!("is for another machine (ELF machine {})", other.0),
                platform,
            ));
        }
    };
    check_arch(arch, what, platform)?;
    let linkage = Linkage::read(header, endian, binary).map_err(invalid)?;
    if let Some(kind) = linkage.not_executable {
        return Err(not_executable_on(what, kind, platform));
    }
    if let Platform::Lambda(arch) = platform {
        linkage.check_amazon_linux(what, arch)?;
    }
    Ok(arch)
}

/// The reason why a file is not a valid ELF file.
struct InvalidElf(String);

impl From<object::Error> for InvalidElf {
    fn from(error: object::Error) -> Self {
        Self(error.to_string())
    }
}

/// The requirements of an ELF file on the system that starts it.
#[derive(Debug, Default)]
struct Linkage {
    /// The reason why the file is not an executable; `None` if it is one.
    not_executable: Option<&'static str>,
    interpreter: Option<String>,
    libraries: Vec<String>,
    required_versions: Vec<RequiredVersion>,
}

/// A required version of a library's interface, with the symbols that require it.
#[derive(Debug)]
struct RequiredVersion {
    version: String,
    symbols: Vec<String>,
}

impl Linkage {
    fn read(header: &ElfHeader, endian: Endianness, data: &[u8]) -> Result<Self, InvalidElf> {
        let mut linkage = Self::default();
        let kind = header.e_type(endian);
        let segments = header.program_headers(endian, data)?;
        for segment in segments {
            if segment.p_type(endian) == elf::PT_LOAD {
                segment
                    .data(endian, data)
                    .map_err(|()| InvalidElf("a segment ends after the end of the file".to_owned()))?;
            }
            if let Some(path) = segment.interpreter(endian, data)? {
                linkage.interpreter = Some(to_string_lossy(path));
            }
        }
        let sections = header.sections(endian, data)?;
        if let Some((entries, link)) = sections.dynamic(endian, data)? {
            let strings = sections.strings(endian, data, link)?;
            for entry in entries.iter().take_while(|entry| entry.tag(endian) != elf::DT_NULL) {
                if entry.tag(endian) == elf::DT_NEEDED {
                    linkage.libraries.push(to_string_lossy(entry.string(endian, strings)?));
                }
            }
        } else if linkage.interpreter.is_some() {
            return Err(InvalidElf("it is dynamically linked, but has no dynamic section".to_owned()));
        }
        linkage.required_versions = required_versions(&sections, endian, data)?;
        linkage.not_executable = if kind != elf::ET_EXEC && kind != elf::ET_DYN {
            Some("is an object file or a core dump")
        } else if linkage.interpreter.is_none() && !linkage.libraries.is_empty() {
            Some("is a shared library")
        } else if !segments.iter().any(|segment| segment.p_type(endian) == elf::PT_LOAD)
            || header.e_entry(endian) == 0
        {
            Some("has no segment to load or no entry point")
        } else {
            None
        };
        Ok(linkage)
    }

    fn check_amazon_linux(&self, what: &str, arch: Arch) -> Result<(), Fault> {
        let reject = |code: &'static str, message: String| {
            let triple = musl_triple(arch);
            Err(Fault::fatal(code, message).hinted(format!(
                "run `rustup target add {triple}` to link it statically, or `pip install cargo-zigbuild ziglang` to link against an older glibc; then run the command again"
            )))
        };
        let unknown_interpreter =
            self.interpreter.as_ref().filter(|path| !INTERPRETERS.contains(&path.as_str()));
        if let Some(path) = unknown_interpreter {
            return reject(
                "interpreter",
                format!("{what} needs the dynamic linker {path}, which Lambda does not have"),
            );
        }
        if let Some(library) = self.libraries.iter().find(|library| !LIBRARIES.contains(&library.as_str())) {
            return reject(
                "shared_library",
                format!("{what} needs the shared library {library}, which Lambda does not have"),
            );
        }
        let newest = self
            .required_versions
            .iter()
            .filter(|required| is_too_new(&required.version))
            .max_by_key(|required| parse_symbol_version(&required.version));
        if let Some(RequiredVersion { version, symbols }) = newest {
            let (name, symbols) = (version.replace('_', " "), describe_symbols(symbols));
            return reject(
                "glibc_too_new",
                format!("{what} needs {symbols} of {name}, but Amazon Linux 2023 has GLIBC 2.34 and GCC 11"),
            );
        }
        Ok(())
    }
}

/// Returns the symbol versions that the dynamic linker requires to start the program. Weak versions are optional and left out.
fn required_versions(
    sections: &SectionTable<'_, ElfHeader>,
    endian: Endianness,
    data: &[u8],
) -> Result<Vec<RequiredVersion>, InvalidElf> {
    let Some((mut libraries, link)) = sections.gnu_verneed(endian, data)? else { return Ok(Vec::new()) };
    let strings = sections.strings(endian, data, link)?;
    let mut required_versions = Vec::new();
    while let Some((_, mut versions)) = libraries.next()? {
        while let Some(version) = versions.next()? {
            let weak = version.vna_flags.get(endian).0 & elf::VER_FLG_WEAK.0 != 0;
            if !weak {
                required_versions.push(RequiredVersion {
                    version: to_string_lossy(version.name(endian, strings)?),
                    symbols: Vec::new(),
                });
            }
        }
    }
    let Some(versions) = sections.versions(endian, data)? else { return Ok(required_versions) };
    let symbols = sections.symbols(endian, data, elf::SHT_DYNSYM)?;
    // The first symbol is the null symbol.
    for (index, symbol) in symbols.iter().enumerate().skip(1) {
        let index = versions.version_index(endian, SymbolIndex(index)).index();
        let Some(version) = versions.version(index)? else { continue };
        let required =
            required_versions.iter_mut().find(|required| required.version.as_bytes() == version.name());
        if let Some(required) = required
            && symbol.is_undefined(endian)
        {
            required.symbols.push(to_string_lossy(symbol.name(endian, symbols.strings())?));
        }
    }
    Ok(required_versions)
}

/// Whether Amazon Linux 2023 lacks a version such as `GLIBC_2.39`. Versions without a number count as too new:
/// `GLIBC_ABI_DT_RELR` is newer, and `GLIBC_PRIVATE` belongs to a single glibc build. Versions of other libraries are
/// not checked.
fn is_too_new(version: &str) -> bool {
    if let Some(number) = version.strip_prefix("GLIBC_") {
        LibraryVersion::parse(number).is_none_or(|version| version > GLIBC)
    } else if let Some(number) = version.strip_prefix("GCC_") {
        LibraryVersion::parse(number).is_none_or(|version| version > LIBGCC)
    } else {
        false
    }
}

fn parse_symbol_version(name: &str) -> Option<LibraryVersion> {
    LibraryVersion::parse(name.split_once('_')?.1)
}

/// A version of up to three numbers, which are compared numerically.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct LibraryVersion([u32; 3]);

impl LibraryVersion {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = [0; 3];
        for (index, part) in text.split('.').enumerate() {
            *parts.get_mut(index)? = part.parse().ok()?;
        }
        Some(Self(parts))
    }
}

fn describe_symbols(symbols: &[String]) -> String {
    let shown = symbols.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
    match symbols.len() {
        0 => "the interface".to_owned(),
        1 => format!("the symbol {shown}"),
        2 | 3 => format!("the symbols {shown}"),
        count => format!("the symbols {shown} and {} more", count - 3),
    }
}

/// Returns the architecture of a Mach-O file, the executable format of macOS.
fn mach_o_arch(bytes: &[u8]) -> Option<Arch> {
    let u32_at = |index: usize| Some(u32::from_le_bytes(bytes.get(index..index + 4)?.try_into().ok()?));
    // The magic number of a 64-bit file, and its CPU type.
    match (u32_at(0)?, u32_at(4)?) {
        (0xfeed_facf, 0x0100_0007) => Some(Arch::X86_64),
        (0xfeed_facf, 0x0100_000c) => Some(Arch::Arm64),
        _ => None,
    }
}

fn check_arch(arch: Arch, what: &str, platform: Platform) -> Result<Arch, Fault> {
    let (expected, hint) = match platform {
        Platform::Host(expected) => {
            (expected, "compile it for this machine, or leave out `--artifact`".to_owned())
        }
        Platform::Lambda(expected) => (
            expected,
            format!(
                "compile it for {}, or set `arch = \"{arch}\"` under `[function]` in hitctl.toml",
                musl_triple(expected)
            ),
        ),
    };
    if arch == expected {
        return Ok(arch);
    }
    let message = format!("expected {what} to be compiled for {expected}, found {arch}");
    Err(Fault::fatal("wrong_arch", message).hinted(hint))
}

fn not_executable_on(what: &str, reason: &str, platform: Platform) -> Fault {
    let hint = match platform {
        Platform::Host(_) => "pass an executable for this machine, or leave out `--artifact`".to_owned(),
        Platform::Lambda(arch) => {
            format!("pass an executable compiled for {}, or leave out `--artifact`", musl_triple(arch))
        }
    };
    Fault::fatal("not_executable", format!("{what} cannot run on {platform}: it {reason}")).hinted(hint)
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host(_) => "this machine",
            Self::Lambda(_) => "Lambda",
        })
    }
}

fn to_string_lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests;
