//! Fault codes that the code of this workspace checks for.

/// The disk that holds the state directory is full.
pub const DISK_FULL: &str = "local_disk_full";
/// This system cannot run the local cloud.
pub(crate) const UNSUPPORTED: &str = "local_unsupported";
/// A file of the state directory is damaged.
pub(crate) const STATE_CORRUPT: &str = "local_state_corrupt";
/// The local cloud did not respond in time.
pub(crate) const UNRESPONSIVE: &str = "local_unresponsive";
/// The control API has no such call or resource.
pub(crate) const NOT_FOUND: &str = "not_found";
/// The local cloud is stopping.
pub(crate) const STOPPING: &str = "local_stopping";
