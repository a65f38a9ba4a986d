//! Where the events of a group lie, and how they are read back.
//!
//! A group has at most two files, `NAME.GENERATION.ndjson`: the one being written and the one before it. Generations only
//! grow, so a cursor (`generation-offset`) stays good over a rotation and a restart.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{LogEvent, Query};

/// The most events in one page.
const PAGE_EVENTS: usize = 10_000;
/// A page ends after the event that brings it to this many bytes.
const PAGE_BYTES: usize = 4 * 1024 * 1024;
/// A longer group name is shortened in its file's name, which systems bound at 255 bytes.
const NAME_BYTES: usize = 160;

/// Some events, and where the next ones begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// Oldest first.
    pub events: Vec<LogEvent>,
    /// The cursor of the next page; to be passed as [`Query::after`].
    pub next: String,
}

/// A line of a file.
#[derive(Serialize, Deserialize)]
pub(super) struct Line<'a> {
    pub(super) t: u64,
    #[serde(borrow)]
    pub(super) m: std::borrow::Cow<'a, str>,
}

/// A group's name as the beginning of a file's name: never a path, never hidden.
pub(super) fn stem(group: &str) -> String {
    let mut name = String::with_capacity(group.len() + 8);
    for byte in group.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            name.push(char::from(byte));
        } else {
            name.push('%');
            name.push_str(&hex::encode([byte]));
        }
    }
    if name.len() > NAME_BYTES {
        name.truncate(NAME_BYTES - 17);
        name.push('~');
        name.push_str(&hex::encode(&Sha256::digest(group.as_bytes())[..8]));
    }
    name
}

/// The file of one generation of a group.
pub(super) fn path(dir: &Path, stem: &str, generation: u64) -> PathBuf {
    dir.join(format!("{stem}.{generation:08}.ndjson"))
}

/// The generations of a group that have a file, ascending.
pub(super) fn generations(dir: &Path, stem: &str) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let generation: Option<u64> = name
            .to_str()
            .and_then(|name| name.strip_prefix(stem))
            .and_then(|rest| rest.strip_prefix('.'))
            .and_then(|rest| rest.strip_suffix(".ndjson"))
            .and_then(|digits| digits.parse().ok());
        found.extend(generation);
    }
    found.sort_unstable();
    Ok(found)
}

/// Reads a cursor: a generation, and an offset in its file.
fn parse_cursor(text: &str) -> Option<(u64, u64)> {
    let (generation, offset) = text.split_once('-')?;
    Some((generation.parse().ok()?, offset.parse().ok()?))
}

/// Reads one page. A cursor that means nothing (any more) starts at the oldest event.
pub(super) fn read(dir: &Path, group: &str, query: &Query) -> io::Result<Page> {
    let stem = stem(group);
    let start = query.after.as_deref().and_then(parse_cursor).unwrap_or_default();
    let limit = if query.limit == 0 { 1_000 } else { query.limit.min(PAGE_EVENTS) };
    let mut page = Page { events: Vec::new(), next: String::new() };
    let mut at = start;
    let mut bytes = 0;
    for generation in generations(dir, &stem)? {
        if generation < start.0 {
            continue;
        }
        let file = match File::open(path(dir, &stem, generation)) {
            Ok(file) => file,
            // Rotated away between the listing and now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        at = (generation, if generation == start.0 { start.1 } else { 0 });
        let mut lines = BufReader::with_capacity(64 * 1024, file);
        lines.seek(SeekFrom::Start(at.1))?;
        let mut line = Vec::new();
        loop {
            line.clear();
            let size = lines.read_until(b'\n', &mut line)?;
            // No newline: still being written, or torn by a SIGKILL. The writer ends it before it goes on.
            if size == 0 || line.last() != Some(&b'\n') {
                break;
            }
            at.1 += size as u64;
            let Ok(event) = serde_json::from_slice::<Line<'_>>(&line) else { continue };
            if event.t < query.since_ms {
                continue;
            }
            bytes += size;
            page.events.push(LogEvent { timestamp: event.t, message: event.m.into_owned() });
            if page.events.len() >= limit || bytes >= PAGE_BYTES {
                page.next = format!("{}-{}", at.0, at.1);
                return Ok(page);
            }
        }
    }
    page.next = format!("{}-{}", at.0, at.1);
    Ok(page)
}
