//! The files of log groups: their names, and reading them page by page.
//!
//! A group has at most two files, `NAME.GENERATION.ndjson`: the current one and the previous one. Generations only increase, so
//! a cursor (`generation-offset`) stays valid after a rotation or a restart.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{LogEvent, LogEventQuery};

/// The maximum number of events in one page.
const MAX_PAGE_EVENTS: usize = 10_000;
/// The size after which a page ends, in bytes.
const MAX_PAGE_BYTES: usize = 4 * 1024 * 1024;
/// The maximum length of a group's name in a file name, in bytes. Longer names are shortened, because file systems limit file
/// names to 255 bytes.
const MAX_NAME_BYTES: usize = 160;

/// A page of log events, with the cursor of the next page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogEventPage {
    /// The events, oldest first.
    pub events: Vec<LogEvent>,
    /// The cursor of the next page, for [`LogEventQuery::after`].
    pub next: String,
}

/// A line of a log file: the time `t`, in milliseconds since the Unix epoch, and the message `m`.
#[derive(Serialize, Deserialize)]
pub(super) struct NdjsonLine<'a> {
    pub(super) t: u64,
    #[serde(borrow)]
    pub(super) m: std::borrow::Cow<'a, str>,
}

/// Encodes a group's name as the beginning of its file names. The result contains no `/` and does not begin with a dot.
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
    if name.len() > MAX_NAME_BYTES {
        // The rest is `~` and 16 hex digits of the name's hash.
        name.truncate(MAX_NAME_BYTES - 17);
        name.push('~');
        name.push_str(&hex::encode(&Sha256::digest(group.as_bytes())[..8]));
    }
    name
}

/// Returns the path of one generation of a group.
pub(super) fn path(dir: &Path, stem: &str, generation: u64) -> PathBuf {
    dir.join(format!("{stem}.{generation:08}.ndjson"))
}

/// Returns the generations of a group that have a file, in ascending order.
pub(super) fn generations(dir: &Path, stem: &str) -> io::Result<Vec<u64>> {
    let mut generations = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let generation: Option<u64> = name
            .to_str()
            .and_then(|name| name.strip_prefix(stem))
            .and_then(|rest| rest.strip_prefix('.'))
            .and_then(|rest| rest.strip_suffix(".ndjson"))
            .and_then(|digits| digits.parse().ok());
        generations.extend(generation);
    }
    generations.sort_unstable();
    Ok(generations)
}

/// Parses a cursor: a generation, and an offset in its file in bytes.
fn parse_cursor(text: &str) -> Option<(u64, u64)> {
    let (generation, offset) = text.split_once('-')?;
    Some((generation.parse().ok()?, offset.parse().ok()?))
}

/// Reads one page. An invalid or outdated cursor starts at the oldest event.
pub(super) fn read(dir: &Path, group: &str, query: &LogEventQuery) -> io::Result<LogEventPage> {
    let stem = stem(group);
    let start = query.after.as_deref().and_then(parse_cursor).unwrap_or_default();
    let limit = if query.limit == 0 { 1_000 } else { query.limit.min(MAX_PAGE_EVENTS) };
    let mut page = LogEventPage { events: Vec::new(), next: String::new() };
    let mut position = start;
    let mut bytes = 0;
    for generation in generations(dir, &stem)? {
        if generation < start.0 {
            continue;
        }
        let file = match File::open(path(dir, &stem, generation)) {
            Ok(file) => file,
            // A rotation removed the file after the listing.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        position = (generation, if generation == start.0 { start.1 } else { 0 });
        let mut lines = BufReader::with_capacity(64 * 1024, file);
        lines.seek(SeekFrom::Start(position.1))?;
        let mut line = Vec::new();
        loop {
            line.clear();
            let size = lines.read_until(b'\n', &mut line)?;
            // A line without a newline is still being written, or a SIGKILL cut it off. Before the next line, the
            // writer adds the newline.
            if size == 0 || line.last() != Some(&b'\n') {
                break;
            }
            position.1 += size as u64;
            let Ok(event) = serde_json::from_slice::<NdjsonLine<'_>>(&line) else { continue };
            if event.t < query.since_ms {
                continue;
            }
            bytes += size;
            page.events.push(LogEvent { timestamp: event.t, message: event.m.into_owned() });
            if page.events.len() >= limit || bytes >= MAX_PAGE_BYTES {
                page.next = format!("{}-{}", position.0, position.1);
                return Ok(page);
            }
        }
    }
    page.next = format!("{}-{}", position.0, position.1);
    Ok(page)
}
