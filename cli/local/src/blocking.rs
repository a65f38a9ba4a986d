//! Work that waits for the disk, run where it holds nobody up.

use hitctl_engine::Fault;

/// Runs work that blocks on a thread for it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(Fault::fatal("local_bug", "the local cloud failed inside").caused_by(error))
    })
}
