//! The counts of the environment in force.

use hitctl_cloud::{Cloud, Counts};
use hitctl_config::{Loaded, names};
use hitctl_counts::Numbers;
use hitctl_report::Failure;
use tokio_util::sync::CancellationToken;

/// Every number of the table; whoever asks does not stop half way.
pub(crate) async fn all(cloud: &dyn Cloud, loaded: &Loaded) -> Result<Numbers, Failure> {
    numbers(cloud, loaded, &CancellationToken::new()).await
}

/// Every number of the table.
pub(crate) async fn numbers(
    cloud: &dyn Cloud,
    loaded: &Loaded,
    stop: &CancellationToken,
) -> Result<Numbers, Failure> {
    Ok(of(cloud, loaded, stop)?.numbers().await?)
}

/// The counts of the environment in force.
pub(crate) fn of(cloud: &dyn Cloud, loaded: &Loaded, stop: &CancellationToken) -> Result<Counts, Failure> {
    let table = cloud.table(&names::table(&loaded.app.app, &loaded.env))?;
    Ok(Counts::new(table, stop).keeping(&loaded.app.counter.keep_query))
}

/// The key that a path is counted under: by the rules of the function itself.
pub(crate) fn key(counts: &Counts, path: &str) -> Result<String, Failure> {
    hitctl_counts::import::page_key(path, counts.keep_query()).map_err(Failure::usage)
}
