//! Counts an access log file: fetches it from its bucket, decompresses it step by step, and counts its views in
//! chunks. The chunks of a file are always the same, and each has a deduplication marker, so that a file that is
//! delivered again counts once.

use std::collections::HashSet;
use std::time::Instant;

use crate::access_log::{AccessLogReader, LoggedView};
use crate::aws::{AwsRestClient, CallError};
use crate::batch::{self, BatchContext, BatchResult, DedupUnit, MessageError, PageHits};
use crate::gzip;
use crate::log::{LogDetail, LogEvent};
use crate::moment::Moment;
use crate::path::percent_encoded;
use crate::rules::{IgnoreReason, PageView};
use crate::store::CounterStore;
use crate::trigger::{S3Object, is_countable_time};
use crate::visitor::Visitor;

/// The maximum size of a file as stored, in bytes.
const MAX_COMPRESSED_BYTES: usize = 32 * 1024 * 1024;
/// The maximum size of a decompressed file, in bytes.
pub const MAX_UNCOMPRESSED_BYTES: usize = 64 * 1024 * 1024;
/// The maximum number of pages of a chunk, so that they fit into a transaction.
const MAX_PAGES_PER_CHUNK: usize = 80;
/// The maximum number of views of a chunk.
const MAX_VIEWS_PER_CHUNK: usize = 1000;
/// The maximum length of a line, in bytes. A longer line cannot belong to an access log.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// Fetches an object from S3.
pub fn fetch_object(
    client: &mut AwsRestClient,
    path: &str,
    deadline: Instant,
) -> Result<Vec<u8>, MessageError> {
    let mut last_error = String::new();
    // A failed read is repeated once.
    for _ in 0..2 {
        match client.exchange("GET", path, &[], b"", deadline, MAX_COMPRESSED_BYTES) {
            Ok(response) if response.too_large => {
                return Err(MessageError::Malformed(format!(
                    "the file is larger than {MAX_COMPRESSED_BYTES} bytes"
                )));
            }
            Ok(response) if response.status == 200 => return Ok(response.body),
            Ok(response) if response.status == 404 => {
                return Err(MessageError::Malformed("the file no longer exists in its bucket".to_owned()));
            }
            Ok(response) => {
                let id = response.header("x-amz-request-id").unwrap_or("unknown");
                last_error = format!("s3 GetObject: status {} (request {id})", response.status);
                if response.status < 500 {
                    break;
                }
            }
            Err(CallError(why)) => last_error = format!("s3 GetObject: {why}"),
        }
    }
    Err(MessageError::NotStored(last_error))
}

/// Returns the request path of an object, relative to its bucket.
pub fn object_path(key: &str) -> String {
    format!("/{}", percent_encoded(key, b"-._~/"))
}

/// Collects the views of a file into chunks and counts them.
struct ChunkCounter<'a, 't, S> {
    context: &'a mut BatchContext<'t, S>,
    message: usize,
    name: String,
    has_dedup_table: bool,
    now: Moment,
    number: usize,
    page_hits: Vec<PageHits>,
    pages: HashSet<String>,
    /// The number of lines of this chunk that view a page.
    views: usize,
    /// The number of ignored views and their reason. Bots are the only reason for which a view in a log is
    /// ignored.
    ignored: Option<(IgnoreReason, u64)>,
    /// The number of views that are too old or in the future.
    out_of_range: u64,
}

/// Counts the views of a file. `index` is the index of the message about the file, for which failures of the
/// store are reported in `counted`. An error concerns the file itself, so that a retry cannot succeed.
pub fn count<S: CounterStore>(
    context: &mut BatchContext<'_, S>,
    (index, object): (usize, &S3Object),
    file: &[u8],
    has_dedup_table: bool,
    now: Moment,
    counted: &mut BatchResult,
) -> Result<(), String> {
    let mut reader = AccessLogReader::new(context.config.rules.ignore_bots);
    let mut chunks = ChunkCounter {
        context,
        message: index,
        name: format!("{}/{}#{}", object.bucket, object.key, object.version),
        has_dedup_table,
        now,
        number: 0,
        page_hits: Vec::new(),
        pages: HashSet::new(),
        views: 0,
        ignored: None,
        out_of_range: 0,
    };
    let mut bytes = 0;
    let mut line = Vec::new();
    let parse = |line: &[u8],
                 reader: &mut AccessLogReader,
                 chunks: &mut ChunkCounter<'_, '_, S>,
                 counted: &mut BatchResult| {
        // A line that is not UTF-8 does not belong to a log, because logs encode such bytes.
        let Ok(line) = std::str::from_utf8(line) else { return Ok::<_, String>(()) };
        if let Some(view) = reader.parse_line(line)? {
            chunks.add(&view, counted);
        }
        Ok(())
    };
    gzip::unpack(file, &mut |chunk| {
        bytes += chunk.len();
        if bytes > MAX_UNCOMPRESSED_BYTES {
            return Err(format!("the decompressed file is larger than {MAX_UNCOMPRESSED_BYTES} bytes"));
        }
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            line.extend_from_slice(part);
            if line.len() > MAX_LINE_BYTES {
                return Err("a line of the file is too long for an access log".to_owned());
            }
            if line.ends_with(b"\n") {
                parse(&line, &mut reader, &mut chunks, counted)?;
                line.clear();
            }
        }
        Ok(())
    })?;
    parse(&line, &mut reader, &mut chunks, counted)?;
    chunks.flush(counted);
    if let Some((why, views)) = chunks.ignored.filter(|_| !counted.failed.contains_key(&index)) {
        counted.ignored += views;
        batch::count_ignored(chunks.context.store, why, views, now, counted);
    }
    let out_of_range = chunks.out_of_range;
    if out_of_range > 0 {
        counted.warnings.push(LogEvent {
            message: "ignored views of an access log, older than sixty days or in the future",
            detail: LogDetail::Number("views", out_of_range),
        });
    }
    let unreadable = if bytes == 0 { 0 } else { reader.finish()? };
    if unreadable > 0 {
        counted.warnings.push(LogEvent {
            message: "skipped unreadable lines of an access log",
            detail: LogDetail::Number("lines", unreadable),
        });
    }
    Ok(())
}

impl<S: CounterStore> ChunkCounter<'_, '_, S> {
    fn add(&mut self, line: &LoggedView, counted: &mut BatchResult) {
        // Invalid paths are skipped, because scanners request arbitrary paths.
        let Ok(key) = self.context.config.rules.key(&line.path) else { return };
        // The chunks depend only on the file, because they must be the same if the file is delivered again.
        let is_new = !self.pages.contains(key.as_str());
        if (is_new && self.pages.len() == MAX_PAGES_PER_CHUNK) || self.views == MAX_VIEWS_PER_CHUNK {
            self.flush(counted);
        }
        self.views += 1;
        self.pages.insert(key.as_str().to_owned());
        let view = PageView { path: &line.path, agent: line.agent.as_deref(), ..PageView::default() };
        match self.context.config.rules.evaluate(&view).map(|decision| decision.ignored) {
            Ok(Some(why)) => self.ignored.get_or_insert((why, 0)).1 += 1,
            Ok(None) if is_countable_time(line.at, self.now) => {
                let visitor = Visitor::new(&line.address, line.agent.as_deref().unwrap_or_default());
                self.page_hits.push(PageHits::new(key, line.at, 1, visitor));
            }
            Ok(None) => self.out_of_range += 1,
            Err(_) => {}
        }
    }

    fn flush(&mut self, counted: &mut BatchResult) {
        let page_hits = std::mem::take(&mut self.page_hits);
        self.pages.clear();
        self.views = 0;
        let number = self.number;
        self.number += 1;
        if page_hits.is_empty() {
            return;
        }
        let dedup_id = self.has_dedup_table.then(|| format!("{}#{number}", self.name));
        let mut units = [DedupUnit { message: self.message, dedup_id, page_hits }];
        batch::count_units(self.context, &mut units, self.has_dedup_table, self.now, counted);
    }
}
