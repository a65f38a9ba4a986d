//! Runs blocking work on separate threads, and work that must not be cancelled together with its caller.

use hitctl_engine::Fault;
use tokio::task::JoinError;

/// Runs blocking work on a thread that may block.
pub(crate) async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(task_fault(error)))
}

/// Runs work to completion, even if the caller is cancelled before that.
pub(crate) async fn run_detached<T: Send + 'static>(
    work: impl Future<Output = Result<T, Fault>> + Send + 'static,
) -> Result<T, Fault> {
    tokio::spawn(work).await.unwrap_or_else(|error| Err(task_fault(error)))
}

fn task_fault(error: JoinError) -> Fault {
    Fault::fatal("local_bug", "internal error: a task of the local cloud failed; please report it")
        .caused_by(error)
}
