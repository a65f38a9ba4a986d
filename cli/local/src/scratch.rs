//! Temporary tables outside of any daemon, for measuring a function without touching existing counts.

use std::path::Path;

use hitctl_engine::Fault;
use hitctl_resources::TableSpec;

use crate::endpoint::{EndpointServer, ServiceRouter};
use crate::ports;
use crate::table::Tables;

/// Tables in a file, served on loopback until this value is dropped. The caller removes the file.
pub struct ScratchTables {
    endpoint: String,
    server: EndpointServer,
}

impl Drop for ScratchTables {
    fn drop(&mut self) {
        self.server.close();
    }
}

impl ScratchTables {
    /// Creates the tables in `file`. Must be called within a tokio runtime.
    pub fn open(file: &Path, tables: &[(String, TableSpec)]) -> Result<Self, Fault> {
        let store = Tables::open(file)?;
        for (name, spec) in tables {
            store.put(name, spec, None)?;
        }
        let fault = |error: std::io::Error| {
            Fault::fatal("local_port", "failed to serve tables on 127.0.0.1").caused_by(error)
        };
        let listener = ports::listen(0).map_err(fault)?;
        let endpoint = format!("http://{}", listener.local_addr().map_err(fault)?);
        Ok(Self {
            endpoint,
            server: EndpointServer::start(listener, ServiceRouter::new(store)).map_err(fault)?,
        })
    }

    /// Returns the URL of the tables: `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}
