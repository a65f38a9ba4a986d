//! Reads the counts of an environment.

use hitctl_cloud::{Cloud, CountsTable};
use hitctl_config::{LoadedConfig, names};
use hitctl_counts::CounterData;
use hitctl_report::Failure;
use tokio_util::sync::CancellationToken;

/// Reads the whole table of counts. Ctrl-C does not interrupt it.
pub(crate) async fn read_all_uninterrupted(
    cloud: &dyn Cloud,
    config: &LoadedConfig,
) -> Result<CounterData, Failure> {
    read_all(cloud, config, &CancellationToken::new()).await
}

/// Reads the whole table of counts until `stop` is cancelled.
pub(crate) async fn read_all(
    cloud: &dyn Cloud,
    config: &LoadedConfig,
    stop: &CancellationToken,
) -> Result<CounterData, Failure> {
    Ok(open(cloud, config, stop)?.numbers().await?)
}

/// Creates a client for the table of counts, without sending a request.
pub(crate) fn open(
    cloud: &dyn Cloud,
    config: &LoadedConfig,
    stop: &CancellationToken,
) -> Result<CountsTable, Failure> {
    let table = cloud.table(&names::table(&config.app.app, &config.env))?;
    Ok(CountsTable::new(table, stop).with_keep_query(&config.app.counter.keep_query))
}

/// Returns the key under which the function counts a path.
pub(crate) fn key(keep_query: &[String], path: &str) -> Result<String, Failure> {
    hitctl_counts::import::page_key(path, keep_query).map_err(Failure::usage)
}
