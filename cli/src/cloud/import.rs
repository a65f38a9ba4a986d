//! Counts that come from a file, each exactly once: a run that was killed anywhere is repeated, and goes on.
//!
//! The paths are written in chunks, each in one transaction with a marker, `!import#ID#N`. A chunk whose marker is there has
//! been counted. Which paths are in which chunk depends on the file alone, so that a repeated run asks for the same ones;
//! the marker has the chunk's checksum, so that another file under the same id is refused.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::TransactWriteItem;
use hitctl_config::contract::{ATTR_FIRST, ATTR_HITS, ATTR_LAST, ATTR_PATH, RESERVED_PREFIX};
use hitctl_engine::Fault;
use sha2::{Digest as _, Sha256};

use super::counts::{Condition, Counts, times};
use super::table::{Item, Written, number, text, text_of};
use crate::report::CountRow;

/// The paths of a chunk. With its marker a chunk costs 50 write units: half of what a table takes in a second unless it is
/// configured otherwise, so that hits go on being counted.
pub const CHUNK: usize = 24;

/// The marker's checksum of its chunk.
const ATTR_SUM: &str = "sum";

/// What an import does with the counts that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Adds to them.
    Add,
    /// Takes their place.
    Replace,
}

impl Counts {
    /// Counts a chunk of an import; `false` when an earlier run has done so.
    pub async fn import(&self, id: &str, n: usize, rows: &[CountRow], mode: Mode) -> Result<bool, Fault> {
        let marker = format!("{RESERVED_PREFIX}import#{id}#{n}");
        let sum = sum(rows, mode);
        // Nothing is read as long as what the file says can be added blindly.
        let there = std::sync::Mutex::new(None::<BTreeMap<String, Item>>);
        self.until_done("importing", || async {
            let known = there.lock().ok().and_then(|mut known| known.take());
            let mut actions = vec![self.marker(&marker, &sum)?];
            for row in rows {
                let item = known.as_ref().and_then(|known| known.get(&row.path));
                actions.push(self.counting(row, item, mode)?);
            }
            let Written::Refused(refused) = self.table().transact(actions).await? else {
                return Ok(Some(true));
            };
            if refused.contains(&0) {
                return self.was_counted(&marker, &sum, id).await.map(|()| Some(false));
            }
            let mut known = BTreeMap::new();
            let timed = rows.iter().filter(|row| row.first.is_some() || row.last.is_some());
            let reads = timed.map(|row| async { Ok((&row.path, self.table().get(&row.path).await?)) });
            for (path, item) in futures::future::try_join_all(reads).await? {
                known.extend(item.map(|item| (path.clone(), item)));
            }
            if let Ok(mut there) = there.lock() {
                *there = Some(known);
            }
            Ok(None)
        })
        .await
    }

    fn marker(&self, key: &str, sum: &str) -> Result<TransactWriteItem, Fault> {
        let item = Item::from([(ATTR_PATH.to_owned(), text(key)), (ATTR_SUM.to_owned(), text(sum))]);
        self.put(item, Condition::same(None))
    }

    fn counting(&self, row: &CountRow, there: Option<&Item>, mode: Mode) -> Result<TransactWriteItem, Fault> {
        match mode {
            Mode::Add => {
                let update = self
                    .table()
                    .updating(&row.path)
                    .expression_attribute_names("#h", ATTR_HITS)
                    .expression_attribute_values(":h", number(row.hits));
                let add = "ADD #h :h".to_owned();
                Self::updated(times(update, add, row.first.clone(), row.last.clone(), there))
            }
            Mode::Replace => {
                let mut item = Item::from([
                    (ATTR_PATH.to_owned(), text(&row.path)),
                    (ATTR_HITS.to_owned(), number(row.hits)),
                ]);
                item.extend(row.first.as_ref().map(|first| (ATTR_FIRST.to_owned(), text(first))));
                item.extend(row.last.as_ref().map(|last| (ATTR_LAST.to_owned(), text(last))));
                self.put(item, Condition::default())
            }
        }
    }

    /// Makes sure that it was this very chunk.
    async fn was_counted(&self, marker: &str, sum: &str, id: &str) -> Result<(), Fault> {
        let there = self.table().get(marker).await?;
        if there.as_ref().and_then(|item| text_of(item, ATTR_SUM)) == Some(sum) {
            return Ok(());
        }
        Err(Fault::fatal("import_differs", format!("another file was imported under the id {id:?}"))
            .hinted("choose another id, or leave `--id` away: then the id is made of the file's content"))
    }
}

/// What a chunk holds, in short.
fn sum(rows: &[CountRow], mode: Mode) -> String {
    hex(&Sha256::digest(format!("{mode:?}\n{}", crate::report::ndjson(rows))))
}

/// The id of an import that was given none: it is the file's content, so that the same file counts once.
pub fn id_of(content: &[u8], mode: Mode) -> String {
    let id = hex(&Sha256::digest(content));
    match mode {
        Mode::Add => id,
        Mode::Replace => format!("{id}-replace"),
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
