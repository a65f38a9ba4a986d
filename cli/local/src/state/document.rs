//! A JSON file of a state directory, held in memory: the two are never apart for longer than a write takes.

use std::sync::Mutex;

use hitctl_engine::Fault;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{StateDir, read_if_there, version};
use crate::lock::lock;

/// The file, and what it says.
pub(crate) struct Document<T> {
    dir: StateDir,
    name: &'static str,
    data: Mutex<T>,
}

impl<T: Clone + PartialEq + Serialize + DeserializeOwned> Document<T> {
    /// Reads the file; one that is not there says `empty`. What cannot be read is left as it is.
    pub(crate) fn open(dir: &StateDir, name: &'static str, empty: T) -> Result<Self, Fault> {
        Ok(Self { dir: dir.clone(), name, data: Mutex::new(read(dir, name, empty)?) })
    }

    pub(crate) fn look<R>(&self, look: impl FnOnce(&T) -> R) -> R {
        look(&lock(&self.data))
    }

    /// Changes the file, then memory: a change that is refused or could not be written did not happen.
    pub(crate) fn change<R, E: From<Fault>>(
        &self,
        change: impl FnOnce(&mut T) -> Result<R, E>,
    ) -> Result<R, E> {
        let mut data = lock(&self.data);
        let mut next = data.clone();
        let changed = change(&mut next)?;
        if next != *data {
            self.dir.write(self.name, &serde_json::to_vec_pretty(&next).unwrap_or_default())?;
            *data = next;
        }
        Ok(changed)
    }
}

/// Reads such a file once; one that is not there says `empty`.
pub(crate) fn read<T: DeserializeOwned>(dir: &StateDir, name: &str, empty: T) -> Result<T, Fault> {
    let path = dir.path().join(name);
    match read_if_there(&path)? {
        Some(text) => version::parse(&path, &text),
        None => Ok(empty),
    }
}
