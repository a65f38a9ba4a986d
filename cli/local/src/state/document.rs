//! Keeps the content of a JSON file of a state directory in memory. The memory is updated when the file is written.

use std::sync::Mutex;

use hitctl_engine::Fault;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{StateDir, read_if_exists, version};
use crate::lock::lock;

/// A JSON file and its content.
pub(crate) struct JsonDocument<T> {
    dir: StateDir,
    name: &'static str,
    data: Mutex<T>,
}

impl<T: Clone + PartialEq + Serialize + DeserializeOwned> JsonDocument<T> {
    /// Reads the file. A missing file counts as `empty`. A file that cannot be read is left unchanged.
    pub(crate) fn open(dir: &StateDir, name: &'static str, empty: T) -> Result<Self, Fault> {
        Ok(Self { dir: dir.clone(), name, data: Mutex::new(read(dir, name, empty)?) })
    }

    /// Calls `inspect` with the content and returns its result.
    pub(crate) fn with<R>(&self, inspect: impl FnOnce(&T) -> R) -> R {
        inspect(&lock(&self.data))
    }

    /// Updates the file, then the memory. If `update` fails or the file cannot be written, nothing changes.
    pub(crate) fn update<R, E: From<Fault>>(
        &self,
        update: impl FnOnce(&mut T) -> Result<R, E>,
    ) -> Result<R, E> {
        let mut data = lock(&self.data);
        let mut next = data.clone();
        let result = update(&mut next)?;
        if next != *data {
            self.dir.write(self.name, &serde_json::to_vec_pretty(&next).unwrap_or_default())?;
            *data = next;
        }
        Ok(result)
    }
}

/// Reads a JSON file of a state directory. A missing file counts as `empty`.
pub(crate) fn read<T: DeserializeOwned>(dir: &StateDir, name: &str, empty: T) -> Result<T, Fault> {
    let path = dir.path().join(name);
    match read_if_exists(&path)? {
        Some(text) => version::parse(&path, &text),
        None => Ok(empty),
    }
}
