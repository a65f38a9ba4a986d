//! Reads counts out of files: of hitctl's own exports, of spreadsheets, and of GoatCounter's exports, packed or not.

mod archive;
mod chunk;
mod csv;
mod file;
mod goatcounter;
mod goatcounter_json;
mod gzip;
mod json;
mod lines;
mod reading;
mod records;

use hitctl_engine::Fault;

pub use chunk::{Chunk, Mode, id_of};
pub use file::{Format, numbers};
pub use gzip::unpacked;
pub use lines::{ImportOptions, page_key};
pub use reading::Reading;

use archive::Archive;

use crate::export::ndjson;
use crate::model::Numbers;

/// Returns what is in a file, packed or not, and the id that it has by its content.
pub fn read(
    content: Vec<u8>,
    format: Option<Format>,
    taking: &ImportOptions,
    mode: Mode,
    largest: u64,
) -> Result<(String, Numbers, Reading), Fault> {
    let content = if Archive::is_one(&content) {
        let mut archive = Archive::open(content, largest)?;
        if goatcounter_json::is_one(&archive) {
            let (numbers, reading) = goatcounter_json::numbers(&mut archive, taking)?;
            // By what it says: each export is packed under another time.
            let content = ndjson(&numbers);
            return Ok((id_of(content.as_bytes(), mode), numbers, reading));
        }
        let Some(only) = archive.only() else {
            let mut found = archive.names().join(", ");
            found.truncate(found.floor_char_boundary(200));
            let message = format!("expected GoatCounter's export or one file in the zip, found {found}");
            return Err(Fault::fatal("bad_file", message));
        };
        archive.content(&only)?.unwrap_or_default()
    } else {
        content
    };
    let content = unpacked(content, largest)?;
    let (numbers, reading) = file::numbers(&content, format, taking)?;
    Ok((id_of(&content, mode), numbers, reading))
}
