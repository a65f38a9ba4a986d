//! Counts that come from a file, each exactly once: a run that was killed anywhere is repeated, and goes on.
//!
//! The items are written in chunks, each in one transaction with a marker, `!import#ID#N`. A chunk whose marker is there has
//! been counted. Which items are in which chunk depends on the file alone, so that a repeated run asks for the same ones;
//! the marker has the chunk's checksum, so that another file under the same id is refused.

use std::collections::BTreeMap;
use std::sync::Mutex;

use aws_sdk_dynamodb::types::TransactWriteItem;
use hitctl_config::contract::{ATTR_HITS, ATTR_PATH, ATTR_UNIQUES, MAX_COUNT, RESERVED_PREFIX};
use hitctl_counts::Sum;
use hitctl_counts::import::{Chunk, Mode};
use hitctl_engine::Fault;

use super::counts::{Counts, out_of_range};
use super::table::{Item, Written, number_of, text, text_of};
use super::write::{Write, item_of, onto};

/// The code of an import whose id belongs to another file.
pub const IMPORT_DIFFERS: &str = "import_differs";

/// The marker's checksum of its chunk.
const ATTR_SUM: &str = "sum";

impl Counts {
    /// Counts a chunk of an import; `false` when an earlier run has done so.
    pub async fn import(&self, id: &str, chunk: &Chunk, mode: Mode) -> Result<bool, Fault> {
        let marker = marker_key(id, chunk);
        let sum = chunk.checksum(mode);
        // Nothing is read as long as what the file says can be added blindly.
        let there = Mutex::new(None::<BTreeMap<String, Item>>);
        self.until_done("importing", || async {
            if mode == Mode::Replace {
                // What is replaced has to be one item: what is left of a path in others would be added to it.
                let folds = chunk.entries().iter().map(|(key, _)| self.fold(key));
                futures::future::try_join_all(folds).await?;
            }
            let known = there.lock().ok().and_then(|mut known| known.take());
            let mut actions = vec![self.marker(&marker, &sum)?];
            for (key, entry) in chunk.entries() {
                let item = known.as_ref().and_then(|known| known.get(key));
                actions.push(match mode {
                    Mode::Add => onto(entry, within(entry), item).update(self.table(), key)?,
                    Mode::Replace => Write::default().put(self.table(), item_of(key, entry))?,
                });
            }
            let Written::Refused(refused) = self.table().transact(actions).await? else {
                return Ok(Some(true));
            };
            if refused.contains(&0) {
                return self.was_counted(&marker, &sum, id).await.map(|()| Some(false));
            }
            let mut known = BTreeMap::new();
            // The marker is the first action.
            let of_refused = |n: usize| refused.contains(&(n + 1));
            let wanted = chunk.entries().iter().enumerate();
            let wanted =
                wanted.filter(|(n, (_, sum))| sum.first.is_some() || sum.last.is_some() || of_refused(*n));
            let reads =
                wanted.map(|(_, (key, sum))| async move { Ok((key, sum, self.table().get(key).await?)) });
            for (key, sum, item) in futures::future::try_join_all(reads).await? {
                let Some(item) = item else { continue };
                if let Some(name) = exceeded(&item, sum).filter(|_| mode == Mode::Add) {
                    return Err(out_of_range(key, name));
                }
                known.insert(key.clone(), item);
            }
            if let Ok(mut there) = there.lock() {
                *there = Some(known);
            }
            Ok(None)
        })
        .await
    }

    /// Whether an earlier run has counted a chunk of an import. Reads only.
    pub async fn was_imported(&self, id: &str, chunk: &Chunk, mode: Mode) -> Result<bool, Fault> {
        let marker = marker_key(id, chunk);
        if self.table().get(&marker).await?.is_none() {
            return Ok(false);
        }
        self.was_counted(&marker, &chunk.checksum(mode), id).await.map(|()| true)
    }

    fn marker(&self, key: &str, sum: &str) -> Result<TransactWriteItem, Fault> {
        let item = Item::from([(ATTR_PATH.to_owned(), text(key)), (ATTR_SUM.to_owned(), text(sum))]);
        Write::of_same(None).put(self.table(), item)
    }

    /// Makes sure that it was this very chunk.
    async fn was_counted(&self, marker: &str, sum: &str, id: &str) -> Result<(), Fault> {
        let there = self.table().get(marker).await?;
        if there.as_ref().and_then(|item| text_of(item, ATTR_SUM)) == Some(sum) {
            return Ok(());
        }
        Err(Fault::fatal(IMPORT_DIFFERS, format!("another file was imported under the id {id:?}"))
            .hinted("choose another id, or leave `--id` away: then the id is made of the file's content"))
    }
}

/// Returns a write on condition that what it adds still makes numbers that can be counted.
fn within(sum: &Sum) -> Write {
    [ATTR_HITS, ATTR_UNIQUES].into_iter().fold(Write::default(), |write, name| match sum.numbers.get(name) {
        None | Some(0) => write,
        Some(n) => write.at_most(name, MAX_COUNT.saturating_sub(*n)),
    })
}

/// Returns the number of an item that would be too large with what is added.
fn exceeded(item: &Item, sum: &Sum) -> Option<&'static str> {
    [ATTR_HITS, ATTR_UNIQUES].into_iter().find(|name| {
        let added = sum.numbers.get(*name).copied().unwrap_or(0);
        added > 0 && number_of(item, name).unwrap_or(0).saturating_add(added) > MAX_COUNT
    })
}

fn marker_key(id: &str, chunk: &Chunk) -> String {
    format!("{RESERVED_PREFIX}import#{id}#{}", chunk.number())
}
