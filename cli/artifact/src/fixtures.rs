//! Builds ELF files for tests byte by byte, for every architecture and every defect, on any machine.

/// The `e_machine` values of Lambda's architectures.
pub(super) const X86_64: u16 = 62;
pub(super) const AARCH64: u16 = 183;

/// The description of an ELF file.
#[derive(Clone)]
pub(super) struct Elf {
    pub(super) machine: u16,
    /// `e_type`: 1 object, 2 executable, 3 shared or position-independent.
    pub(super) kind: u16,
    pub(super) interpreter: Option<&'static str>,
    pub(super) libraries: Vec<&'static str>,
    /// The required versions: library, version, whether it is weak, symbol.
    pub(super) required_versions: Vec<(&'static str, &'static str, bool, &'static str)>,
}

impl Elf {
    /// Describes a static executable.
    pub(super) fn static_executable(machine: u16) -> Self {
        Self { machine, kind: 2, interpreter: None, libraries: Vec::new(), required_versions: Vec::new() }
    }

    /// Describes a dynamically linked executable that requires glibc versions, given with their symbols.
    pub(super) fn dynamic_executable(machine: u16, versions: &[(&'static str, &'static str)]) -> Self {
        let interpreter =
            if machine == X86_64 { "/lib64/ld-linux-x86-64.so.2" } else { "/lib/ld-linux-aarch64.so.1" };
        Self {
            machine,
            kind: 3,
            interpreter: Some(interpreter),
            libraries: vec!["libgcc_s.so.1", "libc.so.6"],
            required_versions: versions
                .iter()
                .map(|&(version, symbol)| ("libc.so.6", version, false, symbol))
                .collect(),
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut strings = vec![0];
        let mut name = |text: &str| {
            let index = u32::try_from(strings.len()).unwrap();
            strings.extend_from_slice(text.as_bytes());
            strings.push(0);
            index
        };
        // One DT_NEEDED entry per library, then DT_NULL.
        let mut dynamic = Vec::new();
        for library in &self.libraries {
            push_u64s(&mut dynamic, &[1, name(library).into()]);
        }
        push_u64s(&mut dynamic, &[0, 0]);
        // The first symbol is the null symbol, which has version 0.
        let (mut symbols, mut versyms, mut verneed) = (vec![0; 24], vec![0; 2], Vec::new());
        for (position, (library, version, weak, symbol)) in self.required_versions.iter().enumerate() {
            // The version indexes 0 and 1 are reserved.
            let index = u16::try_from(position + 2).unwrap();
            let next = if position + 1 == self.required_versions.len() { 0 } else { 32 };
            // A Verneed entry of version 1 with one Vernaux entry, which follows it.
            verneed.extend([1, 0, 1, 0]);
            push_u32s(&mut verneed, &[name(library), 16, next, 0]);
            verneed.extend([if *weak { 2 } else { 0 }, 0]);
            verneed.extend(index.to_le_bytes());
            push_u32s(&mut verneed, &[name(version), 0]);
            push_u32s(&mut symbols, &[name(symbol)]);
            // A global function (STB_GLOBAL, STT_FUNC) that is undefined in this file.
            symbols.extend([0x12, 0, 0, 0]);
            push_u64s(&mut symbols, &[0, 0]);
            versyms.extend(index.to_le_bytes());
        }
        self.assemble(&[strings, symbols, versyms, verneed, dynamic])
    }

    /// Assembles the file: the file header, three program headers, the content, and the section headers.
    fn assemble(&self, tables: &[Vec<u8>; 5]) -> Vec<u8> {
        const CONTENT: u64 = 64 + 3 * 56;
        let interpreter = self.interpreter.map(|path| format!("{path}\0")).unwrap_or_default();
        let mut content = interpreter.clone().into_bytes();
        content.resize(64, 0);
        // The fields of the section headers: type, link, info and entry size. The types are SHT_STRTAB, SHT_DYNSYM,
        // SHT_GNU_VERSYM, SHT_GNU_VERNEED and SHT_DYNAMIC.
        let kinds: [[u64; 4]; 5] = [
            [3, 0, 0, 0],
            [11, 1, 1, 24],
            [0x6fff_ffff, 2, 0, 2],
            [0x6fff_fffe, 1, self.required_versions.len() as u64, 0],
            [6, 1, 0, 16],
        ];
        let mut sections = vec![0; 64];
        let mut dynamic = (0, 0);
        for (table, [kind, link, info, entry]) in tables.iter().zip(kinds) {
            content.resize(content.len().next_multiple_of(8), 0);
            let (offset, size) = (CONTENT + content.len() as u64, table.len() as u64);
            dynamic = (offset, size);
            content.extend_from_slice(table);
            push_u32s(&mut sections, &[0, u32::try_from(kind).unwrap()]);
            push_u64s(&mut sections, &[2, offset, offset, size]);
            push_u32s(&mut sections, &[u32::try_from(link).unwrap(), u32::try_from(info).unwrap()]);
            push_u64s(&mut sections, &[8, entry]);
        }
        content.resize(content.len().next_multiple_of(8), 0);

        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        for value in [self.kind, self.machine] {
            file.extend(value.to_le_bytes());
        }
        push_u32s(&mut file, &[1]);
        push_u64s(&mut file, &[0x40_0000 + CONTENT, 64, CONTENT + content.len() as u64]);
        push_u32s(&mut file, &[0]);
        let section_name_table = 1;
        for value in [64_u16, 56, 3, 64, 6, section_name_table] {
            file.extend(value.to_le_bytes());
        }
        let file_size = CONTENT + content.len() as u64;
        // The program headers: PT_LOAD (1), PT_INTERP (3) and PT_DYNAMIC (2), or PT_NULL (0) in place of an unused one.
        let interpreter = (u32::from(self.interpreter.is_some()) * 3, CONTENT, interpreter.len() as u64);
        let dynamic = (u32::from(!self.libraries.is_empty()) * 2, dynamic.0, dynamic.1);
        for (kind, offset, size) in [(1, 0, file_size), interpreter, dynamic] {
            push_u32s(&mut file, &[kind, 5]);
            push_u64s(&mut file, &[offset, 0x40_0000 + offset, 0x40_0000 + offset, size, size, 8]);
        }
        file.extend(content);
        file.extend(sections);
        file
    }
}

fn push_u32s(out: &mut Vec<u8>, values: &[u32]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}

fn push_u64s(out: &mut Vec<u8>, values: &[u64]) {
    out.extend(values.iter().flat_map(|value| value.to_le_bytes()));
}
