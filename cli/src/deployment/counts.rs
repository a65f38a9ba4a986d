//! The counts of the environment in force.

use hitctl_cloud::{Cloud, CountsTable};
use hitctl_config::{LoadedConfig, names};
use hitctl_counts::CounterData;
use hitctl_report::Failure;
use tokio_util::sync::CancellationToken;

/// Reads the whole table of counts. It is not interrupted by Ctrl-C.
pub(crate) async fn all(cloud: &dyn Cloud, loaded: &LoadedConfig) -> Result<CounterData, Failure> {
    numbers(cloud, loaded, &CancellationToken::new()).await
}

/// Reads the whole table of counts. `stop` interrupts it.
pub(crate) async fn numbers(
    cloud: &dyn Cloud,
    loaded: &LoadedConfig,
    stop: &CancellationToken,
) -> Result<CounterData, Failure> {
    Ok(open(cloud, loaded, stop)?.numbers().await?)
}

/// The counts of the environment in force.
pub(crate) fn open(
    cloud: &dyn Cloud,
    loaded: &LoadedConfig,
    stop: &CancellationToken,
) -> Result<CountsTable, Failure> {
    let table = cloud.table(&names::table(&loaded.app.app, &loaded.env))?;
    Ok(CountsTable::new(table, stop).with_keep_query(&loaded.app.counter.keep_query))
}

/// Returns the key that the function counts a path under.
pub(crate) fn key(keep_query: &[String], path: &str) -> Result<String, Failure> {
    hitctl_counts::import::page_key(path, keep_query).map_err(Failure::usage)
}
