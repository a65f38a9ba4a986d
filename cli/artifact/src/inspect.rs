//! What a compiled binary needs to run: read from its ELF headers, before anything is uploaded or started.
//!
//! Reads bytes only; runs nothing.

use std::fmt;

use hitctl_config::Arch;
use hitctl_engine::Fault;
use object::read::elf::{Dyn as _, FileHeader as _, ProgramHeader as _, SectionTable, Sym as _};
use object::{Endianness, SymbolIndex, elf};

use super::recipe::musl_triple;

type Header = elf::FileHeader64<Endianness>;

/// Where a binary is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// This machine, whose architecture that is.
    Here(Arch),
    /// Lambda's `provided.al2023`.
    Lambda(Arch),
}

/// The glibc of Amazon Linux 2023.
const GLIBC: Version = Version([2, 34, 0]);
/// The libgcc of Amazon Linux 2023 is that of GCC 11.
const LIBGCC: Version = Version([11, 99, 0]);

/// Shared libraries that Amazon Linux 2023 has in its smallest form: glibc's own, and libgcc.
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

/// Whether some bytes begin like a compiled program, of whatever system.
pub(super) fn is_binary(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF") || mach_o_arch(bytes).is_some()
}

/// Checks that a binary runs there; gives its architecture. `what` names the binary in messages: "the binary FILE".
pub(super) fn inspect(binary: &[u8], what: &str, place: Place) -> Result<Arch, Fault> {
    let mac = matches!(place, Place::Here(_)) && cfg!(target_os = "macos");
    if let Some(arch) = mach_o_arch(binary) {
        return if mac { right_arch(arch, what, place) } else { Err(not_for(what, "is for macOS", place)) };
    }
    if !binary.starts_with(b"\x7fELF") {
        return Err(not_for(what, "is not an ELF executable", place));
    }
    if mac {
        return Err(not_for(what, "is for Linux", place));
    }
    let broken = |damage: Damage| {
        Fault::fatal("artifact_broken", format!("{what} is truncated or damaged"))
            .caused_by(damage.0)
            .hinted("build or copy it again")
    };
    if binary.get(4) == Some(&elf::ELFCLASS32.0) {
        return Err(not_for(what, "is for a 32-bit machine", place));
    }
    let header = Header::parse(binary).map_err(|error| broken(error.into()))?;
    let endian = header.endian().map_err(|error| broken(error.into()))?;
    let machine = header.e_machine(endian);
    let arch = match machine {
        elf::EM_X86_64 => Arch::X86_64,
        elf::EM_AARCH64 if header.is_little_endian() => Arch::Arm64,
        other => {
            return Err(not_for(what, &format!("is for another machine (ELF machine {})", other.0), place));
        }
    };
    right_arch(arch, what, place)?;
    let linkage = Linkage::read(header, endian, binary).map_err(broken)?;
    if let Some(kind) = linkage.not_executable {
        return Err(not_for(what, kind, place));
    }
    if let Place::Lambda(arch) = place {
        linkage.fits_amazon_linux(what, arch)?;
    }
    Ok(arch)
}

/// Why a file cannot be read as ELF.
struct Damage(String);

impl From<object::Error> for Damage {
    fn from(error: object::Error) -> Self {
        Self(error.to_string())
    }
}

/// What an ELF file asks of the system that starts it.
#[derive(Debug, Default)]
struct Linkage {
    not_executable: Option<&'static str>,
    interpreter: Option<String>,
    libraries: Vec<String>,
    needs: Vec<Need>,
}

/// A version of a library's interface that must be there, and some of the symbols that want it.
#[derive(Debug)]
struct Need {
    version: String,
    symbols: Vec<String>,
}

impl Linkage {
    fn read(header: &Header, endian: Endianness, data: &[u8]) -> Result<Self, Damage> {
        let mut linkage = Self::default();
        let kind = header.e_type(endian);
        let segments = header.program_headers(endian, data)?;
        for segment in segments {
            if segment.p_type(endian) == elf::PT_LOAD {
                segment
                    .data(endian, data)
                    .map_err(|()| Damage("a segment ends after the file does".to_owned()))?;
            }
            if let Some(path) = segment.interpreter(endian, data)? {
                linkage.interpreter = Some(lossy(path));
            }
        }
        let sections = header.sections(endian, data)?;
        if let Some((entries, link)) = sections.dynamic(endian, data)? {
            let strings = sections.strings(endian, data, link)?;
            for entry in entries.iter().take_while(|entry| entry.tag(endian) != elf::DT_NULL) {
                if entry.tag(endian) == elf::DT_NEEDED {
                    linkage.libraries.push(lossy(entry.string(endian, strings)?));
                }
            }
        } else if linkage.interpreter.is_some() {
            return Err(Damage("it is dynamically linked, but has no dynamic section".to_owned()));
        }
        linkage.needs = needs(&sections, endian, data)?;
        linkage.not_executable = if kind != elf::ET_EXEC && kind != elf::ET_DYN {
            Some("is not linked: it is an object file or a core dump")
        } else if linkage.interpreter.is_none() && !linkage.libraries.is_empty() {
            Some("is a shared library")
        } else if !segments.iter().any(|segment| segment.p_type(endian) == elf::PT_LOAD)
            || header.e_entry(endian) == 0
        {
            Some("has nothing to run: no segment to load, or no entry point")
        } else {
            None
        };
        Ok(linkage)
    }

    fn fits_amazon_linux(&self, what: &str, arch: Arch) -> Result<(), Fault> {
        let refuse = |code: &'static str, message: String| {
            let triple = musl_triple(arch);
            Err(Fault::fatal(code, message).hinted(format!(
                "link it statically: `rustup target add {triple}`, or link against an older glibc: `pip install cargo-zigbuild ziglang`; then run the command again"
            )))
        };
        let foreign = self.interpreter.as_ref().filter(|path| !INTERPRETERS.contains(&path.as_str()));
        if let Some(path) = foreign {
            return refuse(
                "interpreter",
                format!("{what} needs the dynamic linker {path}, which Lambda does not have"),
            );
        }
        if let Some(library) = self.libraries.iter().find(|library| !LIBRARIES.contains(&library.as_str())) {
            return refuse(
                "shared_library",
                format!("{what} needs the shared library {library}, which Lambda does not have"),
            );
        }
        let newest = self
            .needs
            .iter()
            .filter(|need| too_new(&need.version))
            .max_by_key(|need| version_of(&need.version));
        if let Some(Need { version, symbols }) = newest {
            let (name, symbols) = (version.replace('_', " "), list(symbols));
            return refuse(
                "glibc_too_new",
                format!("{what} needs {symbols} of {name}, but Amazon Linux 2023 has GLIBC 2.34 and GCC 11"),
            );
        }
        Ok(())
    }
}

/// The versions that must be there for the dynamic linker to start the program. Those marked weak need not be.
fn needs(sections: &SectionTable<'_, Header>, endian: Endianness, data: &[u8]) -> Result<Vec<Need>, Damage> {
    let Some((mut libraries, link)) = sections.gnu_verneed(endian, data)? else { return Ok(Vec::new()) };
    let strings = sections.strings(endian, data, link)?;
    let mut needs = Vec::new();
    while let Some((_, mut versions)) = libraries.next()? {
        while let Some(version) = versions.next()? {
            let weak = version.vna_flags.get(endian).0 & elf::VER_FLG_WEAK.0 != 0;
            if !weak {
                needs.push(Need { version: lossy(version.name(endian, strings)?), symbols: Vec::new() });
            }
        }
    }
    let Some(versions) = sections.versions(endian, data)? else { return Ok(needs) };
    let symbols = sections.symbols(endian, data, elf::SHT_DYNSYM)?;
    for (at, symbol) in symbols.iter().enumerate().skip(1) {
        let index = versions.version_index(endian, SymbolIndex(at)).index();
        let Some(version) = versions.version(index)? else { continue };
        let need = needs.iter_mut().find(|need| need.version.as_bytes() == version.name());
        if let Some(need) = need
            && symbol.is_undefined(endian)
        {
            need.symbols.push(lossy(symbol.name(endian, symbols.strings())?));
        }
    }
    Ok(needs)
}

/// Whether Amazon Linux 2023 lacks a version such as `GLIBC_2.39`. Named ones, such as `GLIBC_ABI_DT_RELR` and
/// `GLIBC_PRIVATE`, came later or belong to one glibc only; versions of other libraries are no business of ours.
fn too_new(version: &str) -> bool {
    if let Some(number) = version.strip_prefix("GLIBC_") {
        Version::parse(number).is_none_or(|version| version > GLIBC)
    } else if let Some(number) = version.strip_prefix("GCC_") {
        Version::parse(number).is_none_or(|version| version > LIBGCC)
    } else {
        false
    }
}

fn version_of(name: &str) -> Option<Version> {
    Version::parse(name.split_once('_')?.1)
}

/// Up to three numbers, compared as such.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version([u32; 3]);

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = [0; 3];
        for (at, word) in text.split('.').enumerate() {
            *parts.get_mut(at)? = word.parse().ok()?;
        }
        Some(Self(parts))
    }
}

fn list(symbols: &[String]) -> String {
    let shown = symbols.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
    match symbols.len() {
        0 => "the interface".to_owned(),
        1 => format!("the symbol {shown}"),
        2 | 3 => format!("the symbols {shown}"),
        more => format!("the symbols {shown} and {} more", more - 3),
    }
}

/// The architecture of a Mach-O file, the executables of macOS.
fn mach_o_arch(bytes: &[u8]) -> Option<Arch> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    match (word(0)?, word(4)?) {
        (0xfeed_facf, 0x0100_0007) => Some(Arch::X86_64),
        (0xfeed_facf, 0x0100_000c) => Some(Arch::Arm64),
        _ => None,
    }
}

fn right_arch(arch: Arch, what: &str, place: Place) -> Result<Arch, Fault> {
    let (wanted, hint) = match place {
        Place::Here(wanted) => (wanted, "compile it for this machine, or leave out `--artifact`".to_owned()),
        Place::Lambda(wanted) => (
            wanted,
            format!(
                "compile it for {}, or set `arch = \"{arch}\"` under `[function]` in hitctl.toml",
                musl_triple(wanted)
            ),
        ),
    };
    if arch == wanted {
        return Ok(arch);
    }
    let message = format!("{what} is compiled for {arch}, but {place} is {wanted}");
    Err(Fault::fatal("wrong_arch", message).hinted(hint))
}

fn not_for(what: &str, why: &str, place: Place) -> Fault {
    let hint = match place {
        Place::Here(_) => "give an executable that this machine runs, or leave out `--artifact`".to_owned(),
        Place::Lambda(arch) => {
            format!("give an executable compiled for {}, or leave out `--artifact`", musl_triple(arch))
        }
    };
    Fault::fatal("not_executable", format!("{what} {why}, and cannot run on {place}")).hinted(hint)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Here(_) => "this machine",
            Self::Lambda(_) => "the function",
        })
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
#[path = "inspect_tests.rs"]
mod tests;
