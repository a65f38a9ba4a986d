//! Work that runs beside its caller: what waits for the disk, and what must come to its end.

use hitctl_engine::Fault;
use tokio::task::JoinError;

/// Runs work that blocks on a thread for it.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(failed(error)))
}

/// Does work to its end, even when who waits for it goes away in the middle.
pub(crate) async fn detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> Result<T, Fault> {
    tokio::spawn(work).await.unwrap_or_else(|error| Err(failed(error)))
}

fn failed(error: JoinError) -> Fault {
    Fault::fatal("local_bug", "the local cloud failed inside").caused_by(error)
}
