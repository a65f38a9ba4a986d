//! Tables for a while, outside of any daemon: for measuring a function without touching anybody's counts.

use std::path::Path;

use hitctl_engine::Fault;
use hitctl_resources::TableSpec;

use crate::front::{Front, Services};
use crate::ports;
use crate::table::Tables;

/// Tables in a file, served on loopback until this is dropped. The file is the caller's to remove.
pub struct ScratchTables {
    endpoint: String,
    front: Front,
}

impl Drop for ScratchTables {
    fn drop(&mut self) {
        self.front.quit();
    }
}

impl ScratchTables {
    /// Makes the tables in that file. Must be called within a tokio runtime.
    pub fn open(file: &Path, tables: &[(String, TableSpec)]) -> Result<Self, Fault> {
        let served = Tables::open(file)?;
        for (name, spec) in tables {
            served.put(name, spec, None)?;
        }
        let refused = |error: std::io::Error| {
            Fault::fatal("local_port", "failed to serve tables on 127.0.0.1").caused_by(error)
        };
        let listener = ports::listen(0).map_err(refused)?;
        let endpoint = format!("http://{}", listener.local_addr().map_err(refused)?);
        Ok(Self { endpoint, front: Front::start(listener, Services::new(served)).map_err(refused)? })
    }

    /// Where they answer: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}
