//! The tables: an embedded DynamoDB on one SQLite file, served to any AWS SDK on loopback.
//!
//! **Durability.** The file is in WAL mode with `synchronous = NORMAL`: a commit is in the kernel's page cache before it is
//! acknowledged, and is not waited for on the disk. So a SIGKILL of this process at any moment loses nothing acknowledged,
//! and the file is never damaged; only the machine losing power can take back the last moments (the writes since SQLite's
//! last checkpoint). With `FULL`, its default, each hit would wait for the disk. This is a development cloud; counts
//! that must survive a power cut live on AWS.

mod dispatch;
mod expiry;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use dynoxide::actions::TableDescription;
use dynoxide::actions::create_table::CreateTableRequest;
use dynoxide::actions::delete_table::DeleteTableRequest;
use dynoxide::actions::describe_table::DescribeTableRequest;
use dynoxide::actions::list_tables::ListTablesRequest;
use dynoxide::actions::tag_resource::TagResourceRequest;
use dynoxide::actions::untag_resource::UntagResourceRequest;
use dynoxide::actions::update_table::UpdateTableRequest;
use dynoxide::types::{
    AttributeDefinition, KeySchemaElement, KeyType, OnDemandThroughput, ScalarAttributeType, Tag,
};
use dynoxide::{Database, DynoxideError};
use hitctl_engine::Fault;
use hitctl_resources::TableSpec;
use hyper::StatusCode;
use tokio_util::sync::CancellationToken;

use crate::answer::{Answer, JSON};
use crate::codes;
use crate::{disk, sqlite};

/// The operations that prove that the file can be written.
const WRITES: &[&str] = &["UpdateItem", "PutItem", "BatchWriteItem", "TransactWriteItems"];

/// The tables of this state directory.
#[derive(Clone)]
pub(crate) struct Tables {
    db: Database,
    path: PathBuf,
}

impl Tables {
    /// Opens the file, or makes it, for this user only.
    pub(crate) fn open(path: &Path) -> Result<Self, Fault> {
        crate::state::make_private(path).map_err(|error| crate::state::fault("open", path, &error))?;
        let text = path.to_str().ok_or_else(|| {
            Fault::fatal("local_path", format!("the path {} is not UTF-8", path.display()))
                .hinted("work in a directory whose name is UTF-8")
        })?;
        let open = || {
            let db = Database::new(text)?;
            // By its name the end of a bulk load; what it does is to set `synchronous = NORMAL` and a cache of 2 MB.
            db.disable_bulk_loading()?;
            Ok(db)
        };
        let db = open().map_err(|error: DynoxideError| open_fault(path, &error))?;
        Ok(Self { db, path: path.to_owned() })
    }

    /// Answers one call of the service; `None` when it has no such operation.
    pub(crate) fn answer(&self, operation: &str, body: &[u8]) -> Option<Answer> {
        let dispatch::Answer { status, body, unwritten } = dispatch::run(&self.db, operation, body)?;
        match unwritten {
            Some(cause) => disk::failed(&self.path, &cause),
            None if status == 200 && WRITES.contains(&operation) => disk::written(&self.path),
            None => {}
        }
        Some(Answer::new(StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), JSON, body))
    }

    /// Deletes what has expired, now and then, until it is stopped.
    pub(crate) async fn sweeps(self, stop: CancellationToken) {
        expiry::sweeps(self, stop).await;
    }

    /// Makes a table, or changes it to what is wanted. One that is there already, as wanted, is fine.
    pub(crate) fn put(&self, name: &str, spec: &TableSpec, old: Option<&TableSpec>) -> Result<(), Fault> {
        let live = self.db.get_table_metadata(name).map_err(|error| self.fault("read", name, &error))?;
        if live.is_none() {
            self.db.create_table(create(name, spec)).map_err(|error| self.fault("create", name, &error))?;
            sqlite::sync(&self.path)?;
            return self.expire(name, spec);
        }
        let table = self.describe(name).map_err(|error| self.fault("read", name, &error))?;
        let key = table.key_schema.into_iter().next().map(|key| key.attribute_name).unwrap_or_default();
        if key != spec.partition_key {
            return Err(Fault::fatal("ValidationException", format!("the table {name} has another key"))
                .caused_by(format!("its partition key is {key}, wanted is {}", spec.partition_key))
                .hinted("delete the table first, or keep its key"));
        }
        let protection = UpdateTableRequest {
            deletion_protection_enabled: Some(spec.deletion_protection),
            ..UpdateTableRequest::default()
        };
        let limit =
            UpdateTableRequest { on_demand_throughput: Some(ceiling(spec)), ..UpdateTableRequest::default() };
        for change in [protection, limit] {
            let request = UpdateTableRequest { table_name: name.to_owned(), ..change };
            self.db.update_table(request).map_err(|error| self.fault("update", name, &error))?;
        }
        self.retag(name, &spec.tags, old).map_err(|error| self.fault("tag", name, &error))?;
        self.expire(name, spec)
    }

    /// The names of all tables that are in the file.
    pub(crate) fn names(&self) -> Result<BTreeSet<String>, Fault> {
        let mut names = BTreeSet::new();
        let mut after = None;
        loop {
            let request = ListTablesRequest { exclusive_start_table_name: after, limit: None };
            let page = self.db.list_tables(request).map_err(|error| open_fault(&self.path, &error))?;
            names.extend(page.table_names);
            after = page.last_evaluated_table_name;
            if after.is_none() {
                return Ok(names);
            }
        }
    }

    /// Deletes a table and what it holds; refused while it is protected. Gone already is fine.
    pub(crate) fn delete(&self, name: &str) -> Result<(), Fault> {
        match self.db.delete_table(DeleteTableRequest { table_name: name.to_owned() }) {
            Ok(_) | Err(DynoxideError::ResourceNotFoundException(_)) => Ok(()),
            Err(error) => Err(self.fault("delete", name, &error)),
        }
    }

    fn describe(&self, name: &str) -> dynoxide::Result<TableDescription> {
        Ok(self.db.describe_table(DescribeTableRequest { table_name: name.to_owned() })?.table)
    }

    fn retag(
        &self,
        name: &str,
        tags: &BTreeMap<String, String>,
        old: Option<&TableSpec>,
    ) -> dynoxide::Result<()> {
        let arn = Some(self.describe(name)?.table_arn);
        let gone: Vec<String> = old
            .iter()
            .flat_map(|old| old.tags.keys())
            .filter(|key| !tags.contains_key(*key))
            .cloned()
            .collect();
        if !gone.is_empty() {
            self.db.untag_resource(UntagResourceRequest { resource_arn: arn.clone(), tag_keys: gone })?;
        }
        if !tags.is_empty() {
            self.db.tag_resource(TagResourceRequest { resource_arn: arn, tags: tag_list(tags) })?;
        }
        Ok(())
    }

    /// What the engine said of a table, in the service's terms.
    fn fault(&self, doing: &str, name: &str, error: &DynoxideError) -> Fault {
        let code = error.error_type().rsplit('#').next().unwrap_or("InternalServerError");
        let fault = Fault::fatal(code.to_owned(), format!("could not {doing} the table {name}"))
            .caused_by(format!("{code}: {error}"));
        match error {
            DynoxideError::SqliteError(_) if is_full(error) => Fault {
                code: codes::DISK_FULL.into(),
                hint: Some("free some space on that disk, then run the command again".to_owned()),
                ..fault
            },
            DynoxideError::SqliteError(_) => fault.hinted(format!("check the file {}", self.path.display())),
            DynoxideError::ValidationException(text) if text.contains("protected against deletion") => {
                fault.hinted("set `deletion_protection = false` under [table] and deploy, then delete again")
            }
            _ => fault,
        }
    }
}

fn is_full(error: &DynoxideError) -> bool {
    error.to_string().contains("full")
}

/// Whether the file could not be written: SQLite calls a disk without room full, and other failures of writing I/O errors.
fn is_unwritten(error: &DynoxideError) -> bool {
    error.status_code() >= 500 && (is_full(error) || error.to_string().contains("disk I/O error"))
}

/// SQLite takes paths of 512 bytes, and adds to them for its other files.
const LONGEST_PATH: usize = 500;

fn open_fault(path: &Path, error: &DynoxideError) -> Fault {
    if is_full(error) {
        return crate::state::fault("open", path, &std::io::ErrorKind::StorageFull.into())
            .caused_by(error.to_string());
    }
    if path.as_os_str().len() > LONGEST_PATH {
        return crate::state::fault("open", path, &std::io::ErrorKind::InvalidFilename.into());
    }
    // The engine's own words for this are about its encryption.
    let strange = error.to_string().contains("not a valid SQLite database");
    let cause = if strange { "it is damaged, or no file of tables".to_owned() } else { error.to_string() };
    Fault::fatal(codes::STATE_CORRUPT, format!("could not open the tables in {}", path.display()))
        .caused_by(cause)
        .hinted("restore the file from a backup, or run `hitctl local reset` to begin anew; that loses the local counts")
}

fn create(name: &str, spec: &TableSpec) -> CreateTableRequest {
    CreateTableRequest {
        table_name: name.to_owned(),
        key_schema: vec![KeySchemaElement {
            attribute_name: spec.partition_key.clone(),
            key_type: KeyType::HASH,
        }],
        attribute_definitions: vec![AttributeDefinition {
            attribute_name: spec.partition_key.clone(),
            attribute_type: ScalarAttributeType::S,
        }],
        billing_mode: Some("PAY_PER_REQUEST".to_owned()),
        on_demand_throughput: Some(ceiling(spec)),
        deletion_protection_enabled: Some(spec.deletion_protection),
        tags: (!spec.tags.is_empty()).then(|| tag_list(&spec.tags)),
        ..CreateTableRequest::default()
    }
}

fn ceiling(spec: &TableSpec) -> OnDemandThroughput {
    OnDemandThroughput {
        max_write_request_units: Some(i64::from(spec.max_write_units)),
        ..Default::default()
    }
}

fn tag_list(tags: &BTreeMap<String, String>) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect()
}

#[cfg(test)]
mod tests;
