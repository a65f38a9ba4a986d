//! DynamoDB tables: an embedded engine on one SQLite file, served to any AWS SDK on loopback.

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

use crate::codes;
use crate::service_response::{JSON, ServiceResponse};
use crate::{disk, sqlite};

/// The operations whose success proves that the file can be written.
const WRITE_OPERATIONS: &[&str] = &["UpdateItem", "PutItem", "BatchWriteItem", "TransactWriteItems"];

/// The tables of a state directory.
///
/// **Durability.** The file is in WAL mode with `synchronous = NORMAL`. A commit is in the kernel's page cache before
/// it is acknowledged, without waiting for the disk. A SIGKILL of this process at any moment loses no acknowledged
/// write and never damages the file. Only a power failure can lose the latest writes, those since SQLite's last
/// checkpoint. With SQLite's default `FULL`, each hit would wait for the disk. This is a development cloud; counts that
/// must survive a power failure belong on AWS.
#[derive(Clone)]
pub(crate) struct Tables {
    db: Database,
    path: PathBuf,
}

impl Tables {
    /// Opens or creates the file, readable by this user only.
    pub(crate) fn open(path: &Path) -> Result<Self, Fault> {
        crate::state::create_private_file(path)
            .map_err(|error| crate::state::io_fault("open", path, &error))?;
        let text = path.to_str().ok_or_else(|| {
            Fault::fatal("local_path", format!("the path {} is not UTF-8", path.display()))
                .hinted("use a directory whose path is UTF-8")
        })?;
        let open = || {
            let db = Database::new(text)?;
            // Despite its name, this only sets `synchronous = NORMAL` and a cache of 2 MB.
            db.disable_bulk_loading()?;
            Ok(db)
        };
        let db = open().map_err(|error: DynoxideError| open_fault(path, &error))?;
        Ok(Self { db, path: path.to_owned() })
    }

    /// Runs one operation of the service. Returns `None` for an unknown operation.
    pub(crate) fn run_operation(&self, operation: &str, body: &[u8]) -> Option<ServiceResponse> {
        let dispatch::DispatchResponse { status, body, write_error } =
            dispatch::run(&self.db, operation, body)?;
        match write_error {
            Some(cause) => disk::record_failure(&self.path, &cause),
            None if status == 200 && WRITE_OPERATIONS.contains(&operation) => {
                disk::record_success(&self.path);
            }
            None => {}
        }
        Some(ServiceResponse::new(
            StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST),
            JSON,
            body,
        ))
    }

    /// Deletes expired items periodically until stopped.
    pub(crate) async fn run_sweeps(self, stop: CancellationToken) {
        expiry::run_sweeps(self, stop).await;
    }

    /// Creates a table, or updates an existing one to match the spec. `previous` is the spec of the last put; tags that
    /// are only in `previous` are removed.
    pub(crate) fn put(
        &self,
        name: &str,
        spec: &TableSpec,
        previous: Option<&TableSpec>,
    ) -> Result<(), Fault> {
        let current = self.db.get_table_metadata(name).map_err(|error| self.fault("read", name, &error))?;
        if current.is_none() {
            self.db
                .create_table(create_request(name, spec))
                .map_err(|error| self.fault("create", name, &error))?;
            sqlite::sync(&self.path)?;
            return self.set_time_to_live(name, spec);
        }
        let table = self.describe(name).map_err(|error| self.fault("read", name, &error))?;
        let key = table.key_schema.into_iter().next().map(|key| key.attribute_name).unwrap_or_default();
        if key != spec.partition_key {
            return Err(Fault::fatal(
                "ValidationException",
                format!("the table {name:?} has a different partition key"),
            )
            .caused_by(format!("expected {:?}, found {key:?}", spec.partition_key))
            .hinted("keep the partition key, or delete the table first"));
        }
        let protection_update = UpdateTableRequest {
            deletion_protection_enabled: Some(spec.deletion_protection),
            ..UpdateTableRequest::default()
        };
        let limit_update = UpdateTableRequest {
            on_demand_throughput: Some(throughput_limit(spec)),
            ..UpdateTableRequest::default()
        };
        for change in [protection_update, limit_update] {
            let request = UpdateTableRequest { table_name: name.to_owned(), ..change };
            self.db.update_table(request).map_err(|error| self.fault("update", name, &error))?;
        }
        self.update_tags(name, &spec.tags, previous).map_err(|error| self.fault("tag", name, &error))?;
        self.set_time_to_live(name, spec)
    }

    /// Returns the names of all tables in the file.
    pub(crate) fn names(&self) -> Result<BTreeSet<String>, Fault> {
        let mut names = BTreeSet::new();
        let mut last_name = None;
        loop {
            let request = ListTablesRequest { exclusive_start_table_name: last_name, limit: None };
            let page = self.db.list_tables(request).map_err(|error| open_fault(&self.path, &error))?;
            names.extend(page.table_names);
            last_name = page.last_evaluated_table_name;
            if last_name.is_none() {
                return Ok(names);
            }
        }
    }

    /// Deletes a table with its items. A missing table is not an error; a protected one is.
    pub(crate) fn delete(&self, name: &str) -> Result<(), Fault> {
        match self.db.delete_table(DeleteTableRequest { table_name: name.to_owned() }) {
            Ok(_) | Err(DynoxideError::ResourceNotFoundException(_)) => Ok(()),
            Err(error) => Err(self.fault("delete", name, &error)),
        }
    }

    fn describe(&self, name: &str) -> dynoxide::Result<TableDescription> {
        Ok(self.db.describe_table(DescribeTableRequest { table_name: name.to_owned() })?.table)
    }

    fn update_tags(
        &self,
        name: &str,
        tags: &BTreeMap<String, String>,
        previous: Option<&TableSpec>,
    ) -> dynoxide::Result<()> {
        let arn = Some(self.describe(name)?.table_arn);
        let removed: Vec<String> = previous
            .iter()
            .flat_map(|previous| previous.tags.keys())
            .filter(|key| !tags.contains_key(*key))
            .cloned()
            .collect();
        if !removed.is_empty() {
            self.db.untag_resource(UntagResourceRequest { resource_arn: arn.clone(), tag_keys: removed })?;
        }
        if !tags.is_empty() {
            self.db.tag_resource(TagResourceRequest { resource_arn: arn, tags: tag_list(tags) })?;
        }
        Ok(())
    }

    /// Converts an error of the engine to a fault with DynamoDB's code. `verb` and `name` name the operation and the
    /// table.
    fn fault(&self, verb: &str, name: &str, error: &DynoxideError) -> Fault {
        let code = error.error_type().rsplit('#').next().unwrap_or("InternalServerError");
        let fault = Fault::fatal(code.to_owned(), format!("failed to {verb} the table {name:?}"))
            .caused_by(format!("{code}: {error}"));
        match error {
            DynoxideError::SqliteError(_) if is_full(error) => Fault {
                code: codes::DISK_FULL.into(),
                hint: Some(format!(
                    "free some space on the disk of {}, then run the command again",
                    self.path.display()
                )),
                ..fault
            },
            DynoxideError::SqliteError(_) => fault.hinted(format!("check the file {}", self.path.display())),
            DynoxideError::ValidationException(text) if text.contains("protected against deletion") => fault
                .hinted(
                    "set `deletion_protection = false` under `[table]`, deploy, then delete the table again",
                ),
            _ => fault,
        }
    }
}

fn is_full(error: &DynoxideError) -> bool {
    error.to_string().contains("full")
}

/// Returns whether the error is a failed write. SQLite has one message for a full disk, and one for other I/O errors.
fn is_write_failure(error: &DynoxideError) -> bool {
    error.status_code() >= 500 && (is_full(error) || error.to_string().contains("disk I/O error"))
}

/// The maximum length of the file's path, in bytes. SQLite's limit is 512, and its other files have longer names.
const MAX_PATH_BYTES: usize = 500;

fn open_fault(path: &Path, error: &DynoxideError) -> Fault {
    if is_full(error) {
        return crate::state::io_fault("open", path, &std::io::ErrorKind::StorageFull.into())
            .caused_by(error.to_string());
    }
    if path.as_os_str().len() > MAX_PATH_BYTES {
        return crate::state::io_fault("open", path, &std::io::ErrorKind::InvalidFilename.into());
    }
    // The engine's own message for such a file mentions encryption, which would mislead.
    let is_not_sqlite = error.to_string().contains("not a valid SQLite database");
    let cause =
        if is_not_sqlite { "it is damaged or not a SQLite database".to_owned() } else { error.to_string() };
    Fault::fatal(codes::STATE_CORRUPT, format!("failed to open the tables in {}", path.display()))
        .caused_by(cause)
        .hinted("restore the file from a backup, or run `hitctl local reset`, which deletes all local data")
}

fn create_request(name: &str, spec: &TableSpec) -> CreateTableRequest {
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
        on_demand_throughput: Some(throughput_limit(spec)),
        deletion_protection_enabled: Some(spec.deletion_protection),
        tags: (!spec.tags.is_empty()).then(|| tag_list(&spec.tags)),
        ..CreateTableRequest::default()
    }
}

fn throughput_limit(spec: &TableSpec) -> OnDemandThroughput {
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
