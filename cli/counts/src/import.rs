//! Reads counts from files: from hitctl's own exports, spreadsheets and GoatCounter's exports, compressed or not.

mod archive;
mod chunk;
mod csv;
mod file;
mod goatcounter;
mod goatcounter_json;
mod gzip;
mod import_report;
mod json;
mod lines;
mod records;

use hitctl_engine::Fault;

pub use chunk::{ImportChunk, ImportMode, import_id};
pub use file::{ImportFormat, parse_counts};
pub use gzip::decompress;
pub use import_report::ImportReport;
pub use lines::{ImportOptions, page_key};

use archive::Archive;

use crate::export::to_ndjson;
use crate::model::CounterData;

/// Reads a file, compressed or not. Returns the id of the import (a hash of the content), the counts and a report.
pub fn read(
    content: Vec<u8>,
    format: Option<ImportFormat>,
    options: &ImportOptions,
    mode: ImportMode,
    max_bytes: u64,
) -> Result<(String, CounterData, ImportReport), Fault> {
    let content = if Archive::is_zip(&content) {
        let mut archive = Archive::open(content, max_bytes)?;
        if goatcounter_json::is_goatcounter_export(&archive) {
            let (numbers, report) = goatcounter_json::parse_goatcounter_json(&mut archive, options)?;
            // The id depends on the counts, because the timestamps in the zip differ between exports.
            let content = to_ndjson(&numbers);
            return Ok((import_id(content.as_bytes(), mode), numbers, report));
        }
        let Some(name) = archive.single_file() else {
            let mut found = archive.names().join(", ");
            found.truncate(found.floor_char_boundary(200));
            let message = format!("expected GoatCounter's export or one file in the zip, found {found}");
            return Err(Fault::fatal("bad_file", message));
        };
        archive.content(&name)?.unwrap_or_default()
    } else {
        content
    };
    let content = decompress(content, max_bytes)?;
    let (numbers, report) = file::parse_counts(&content, format, options)?;
    Ok((import_id(&content, mode), numbers, report))
}
