//! ELF files for tests, byte by byte, so that every architecture and every fault is at hand on any machine.

/// `e_machine` of the architectures that matter.
pub(super) const X86_64: u16 = 62;
pub(super) const AARCH64: u16 = 183;

/// What an ELF file is to contain.
#[derive(Clone)]
pub(super) struct Elf {
    pub(super) machine: u16,
    /// `e_type`: 1 object, 2 executable, 3 shared or position-independent.
    pub(super) kind: u16,
    pub(super) interpreter: Option<&'static str>,
    pub(super) libraries: Vec<&'static str>,
    /// Library, version, whether it is weak, symbol.
    pub(super) needs: Vec<(&'static str, &'static str, bool, &'static str)>,
}

impl Elf {
    /// A static executable.
    pub(super) fn fixed(machine: u16) -> Self {
        Self { machine, kind: 2, interpreter: None, libraries: Vec::new(), needs: Vec::new() }
    }

    /// An executable that needs those versions of glibc, by symbol.
    pub(super) fn gnu(machine: u16, versions: &[(&'static str, &'static str)]) -> Self {
        let interpreter =
            if machine == X86_64 { "/lib64/ld-linux-x86-64.so.2" } else { "/lib/ld-linux-aarch64.so.1" };
        Self {
            machine,
            kind: 3,
            interpreter: Some(interpreter),
            libraries: vec!["libgcc_s.so.1", "libc.so.6"],
            needs: versions.iter().map(|&(version, symbol)| ("libc.so.6", version, false, symbol)).collect(),
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut strings = vec![0];
        let mut name = |text: &str| {
            let at = u32::try_from(strings.len()).unwrap();
            strings.extend_from_slice(text.as_bytes());
            strings.push(0);
            at
        };
        let mut dynamic = Vec::new();
        for library in &self.libraries {
            words64(&mut dynamic, &[1, name(library).into()]);
        }
        words64(&mut dynamic, &[0, 0]);
        let (mut symbols, mut versyms, mut verneed) = (vec![0; 24], vec![0; 2], Vec::new());
        for (at, (library, version, weak, symbol)) in self.needs.iter().enumerate() {
            let index = u16::try_from(at + 2).unwrap();
            let next = if at + 1 == self.needs.len() { 0 } else { 32 };
            verneed.extend([1, 0, 1, 0]);
            words32(&mut verneed, &[name(library), 16, next, 0]);
            verneed.extend([if *weak { 2 } else { 0 }, 0]);
            verneed.extend(index.to_le_bytes());
            words32(&mut verneed, &[name(version), 0]);
            words32(&mut symbols, &[name(symbol)]);
            symbols.extend([0x12, 0, 0, 0]);
            words64(&mut symbols, &[0, 0]);
            versyms.extend(index.to_le_bytes());
        }
        self.assemble(&[strings, symbols, versyms, verneed, dynamic])
    }

    /// Puts the tables into a file: headers of the file and of three segments, then the content, then the sections.
    fn assemble(&self, tables: &[Vec<u8>; 5]) -> Vec<u8> {
        const CONTENT: u64 = 64 + 3 * 56;
        let interpreter = self.interpreter.map(|path| format!("{path}\0")).unwrap_or_default();
        let mut content = interpreter.clone().into_bytes();
        content.resize(64, 0);
        // Type, link, info and size of an entry, as the section headers say them.
        let kinds: [[u64; 4]; 5] = [
            [3, 0, 0, 0],
            [11, 1, 1, 24],
            [0x6fff_ffff, 2, 0, 2],
            [0x6fff_fffe, 1, self.needs.len() as u64, 0],
            [6, 1, 0, 16],
        ];
        let mut sections = vec![0; 64];
        let mut dynamic = (0, 0);
        for (table, [kind, link, info, entry]) in tables.iter().zip(kinds) {
            content.resize(content.len().next_multiple_of(8), 0);
            let (offset, size) = (CONTENT + content.len() as u64, table.len() as u64);
            dynamic = (offset, size);
            content.extend_from_slice(table);
            words32(&mut sections, &[0, u32::try_from(kind).unwrap()]);
            words64(&mut sections, &[2, offset, offset, size]);
            words32(&mut sections, &[u32::try_from(link).unwrap(), u32::try_from(info).unwrap()]);
            words64(&mut sections, &[8, entry]);
        }
        content.resize(content.len().next_multiple_of(8), 0);

        let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
        for half in [self.kind, self.machine] {
            file.extend(half.to_le_bytes());
        }
        words32(&mut file, &[1]);
        words64(&mut file, &[0x40_0000 + CONTENT, 64, CONTENT + content.len() as u64]);
        words32(&mut file, &[0]);
        let strings_of_sections = 1;
        for half in [64_u16, 56, 3, 64, 6, strings_of_sections] {
            file.extend(half.to_le_bytes());
        }
        let whole = CONTENT + content.len() as u64;
        let interpreter = (u32::from(self.interpreter.is_some()) * 3, CONTENT, interpreter.len() as u64);
        let dynamic = (u32::from(!self.libraries.is_empty()) * 2, dynamic.0, dynamic.1);
        for (kind, offset, size) in [(1, 0, whole), interpreter, dynamic] {
            words32(&mut file, &[kind, 5]);
            words64(&mut file, &[offset, 0x40_0000 + offset, 0x40_0000 + offset, size, size, 8]);
        }
        file.extend(content);
        file.extend(sections);
        file
    }
}

fn words32(to: &mut Vec<u8>, words: &[u32]) {
    to.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

fn words64(to: &mut Vec<u8>, words: &[u64]) {
    to.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}
