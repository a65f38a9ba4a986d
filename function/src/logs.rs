//! A file of access logs: fetched from its bucket, unpacked piece by piece, and counted in chunks that are always the same, each
//! with a mark of its own, so that a file that comes again counts once.

use std::collections::HashSet;
use std::time::Instant;

use crate::access_log::{Reader, View as Line};
use crate::aws::{Rest, Unanswered};
use crate::batch::{self, Counted, Failed, Part, Piece, Tools};
use crate::gzip;
use crate::moment::Moment;
use crate::path::percent_encoded;
use crate::rules::{Ignored, View};
use crate::store::Store;
use crate::trigger::{Object, is_near};
use crate::visitor::Visitor;

/// The largest file, as it is in the bucket.
const MOST_PACKED: usize = 32 * 1024 * 1024;
/// The largest file, unpacked.
pub const MOST_BYTES: usize = 64 * 1024 * 1024;
/// The most pages of a chunk, so that a transaction has room for them.
const PAGES_IN_CHUNK: usize = 80;
/// The most views of a chunk.
const VIEWS_IN_CHUNK: usize = 1000;
/// A line beyond this is none of a log.
const MOST_LINE_BYTES: usize = 64 * 1024;

/// Fetches an object.
pub fn fetch(rest: &mut Rest, path: &str, deadline: Instant) -> Result<Vec<u8>, Failed> {
    let mut last = String::new();
    // A read may be asked for twice.
    for _ in 0..2 {
        match rest.exchange("GET", path, &[], b"", deadline, MOST_PACKED) {
            Ok(response) if response.too_large => {
                return Err(Failed::Malformed(format!("the file is larger than {MOST_PACKED} bytes")));
            }
            Ok(response) if response.status == 200 => return Ok(response.body),
            Ok(response) if response.status == 404 => {
                return Err(Failed::Malformed("the file is not in its bucket any more".to_owned()));
            }
            Ok(response) => {
                let id = response.header("x-amz-request-id").unwrap_or("unknown");
                last = format!("s3 GetObject: status {} (request {id})", response.status);
                if response.status < 500 {
                    break;
                }
            }
            Err(Unanswered(why)) => last = format!("s3 GetObject: {why}"),
        }
    }
    Err(Failed::Store(last))
}

/// Where an object is: the path of a request for it, behind the bucket's.
pub fn path_of(key: &str) -> String {
    format!("/{}", percent_encoded(key, b"-._~/"))
}

/// What is collected of a file on the way to its next chunk.
struct Chunks<'a, 't, S> {
    tools: &'a mut Tools<'t, S>,
    message: usize,
    name: String,
    remembers: bool,
    now: Moment,
    number: usize,
    parts: Vec<Part>,
    pages: HashSet<String>,
    /// The lines of this chunk that view a page.
    views: usize,
    /// Views of robots: the one reason for which a view in a log does not count.
    ignored: Option<(Ignored, u64)>,
    /// Views that are too old to be counted, or ahead of the clock.
    far: u64,
}

/// Counts a file's views as those of the message at `place`. The error is that of the file, which will never be any other.
pub fn count<S: Store>(
    tools: &mut Tools<'_, S>,
    (place, object): (usize, &Object),
    file: &[u8],
    remembers: bool,
    now: Moment,
    counted: &mut Counted,
) -> Result<(), String> {
    let mut reader = Reader::new(tools.setup.rules.ignore_bots);
    let mut chunks = Chunks {
        tools,
        message: place,
        name: format!("{}/{}#{}", object.bucket, object.key, object.version),
        remembers,
        now,
        number: 0,
        parts: Vec::new(),
        pages: HashSet::new(),
        views: 0,
        ignored: None,
        far: 0,
    };
    let mut bytes = 0;
    let mut line = Vec::new();
    let take = |line: &[u8], reader: &mut Reader, chunks: &mut Chunks<'_, '_, S>, counted: &mut Counted| {
        // What is no UTF-8 is no line of a log, which encodes what is none.
        let Ok(line) = std::str::from_utf8(line) else { return Ok::<_, String>(()) };
        if let Some(view) = reader.line(line)? {
            chunks.add(&view, counted);
        }
        Ok(())
    };
    gzip::unpack(file, &mut |piece| {
        bytes += piece.len();
        if bytes > MOST_BYTES {
            return Err(format!("the file is larger than {MOST_BYTES} bytes, unpacked"));
        }
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(part);
            if line.len() > MOST_LINE_BYTES {
                return Err("the file holds a line that is too long for an access log".to_owned());
            }
            if line.ends_with(b"\n") {
                take(&line, &mut reader, &mut chunks, counted)?;
                line.clear();
            }
        }
        Ok(())
    })?;
    take(&line, &mut reader, &mut chunks, counted)?;
    chunks.flush(counted);
    if let Some((why, views)) = chunks.ignored.filter(|_| !counted.failed.contains_key(&place)) {
        counted.ignored += views;
        batch::ignore(chunks.tools.store, why, views, now, counted);
    }
    let far = chunks.far;
    if far > 0 {
        counted.notes.push(format!(
            "views of an access log were not counted: {far} are older than sixty days, or ahead of the clock"
        ));
    }
    let unreadable = if bytes == 0 { 0 } else { reader.finish()? };
    if unreadable > 0 {
        counted.notes.push(format!("{unreadable} lines of an access log could not be read"));
    }
    Ok(())
}

impl<S: Store> Chunks<'_, '_, S> {
    fn add(&mut self, line: &Line, counted: &mut Counted) {
        // Scanners ask for anything.
        let Ok(key) = self.tools.setup.rules.key(&line.path) else { return };
        // Where a chunk ends depends on the file alone: it must be the same when the file comes again.
        let is_new = !self.pages.contains(key.as_str());
        if (is_new && self.pages.len() == PAGES_IN_CHUNK) || self.views == VIEWS_IN_CHUNK {
            self.flush(counted);
        }
        self.views += 1;
        self.pages.insert(key.as_str().to_owned());
        let view = View { path: &line.path, agent: line.agent.as_deref(), ..View::default() };
        match self.tools.setup.rules.judge(&view).map(|judgement| judgement.ignored) {
            Ok(Some(why)) => self.ignored.get_or_insert((why, 0)).1 += 1,
            Ok(None) if is_near(line.at, self.now) => {
                let visitor = Visitor::new(&line.address, line.agent.as_deref().unwrap_or_default());
                self.parts.push(Part::new(key, line.at, 1, visitor));
            }
            Ok(None) => self.far += 1,
            Err(_) => {}
        }
    }

    fn flush(&mut self, counted: &mut Counted) {
        let parts = std::mem::take(&mut self.parts);
        self.pages.clear();
        self.views = 0;
        let number = self.number;
        self.number += 1;
        if parts.is_empty() {
            return;
        }
        let mark = self.remembers.then(|| format!("{}#{number}", self.name));
        let mut pieces = [Piece { message: self.message, mark, parts }];
        batch::count_pieces(self.tools, &mut pieces, self.remembers, self.now, counted);
    }
}
