//! Deployment targets, AWS and the local cloud, behind one trait. Resources are changed through
//! [`Cloud::drivers`] and the engine. This crate adds the operations on a deployed app: invoke it, read its
//! counts, read its log.

mod aws;
mod batch;
mod bus;
mod cloud;
mod counts;
mod deploy_record;
mod distribution;
mod import;
mod lease;
mod local;
mod options;
mod queue;
mod slow_calls;
mod table;
mod url;
mod visitors;
mod write;

use hitctl_engine::{EventSink, Fault};
pub use hitctl_resources::versions::Version;

pub use aws::credentials::profile_names;
pub use aws::web::{WebClient, WebResponse};
pub use bus::{BusEvent, EventBus, MAX_EVENT_BYTES};
pub use cloud::{AccessMode, Cloud, DriverOptions, InvokeResult, LogPage};
pub use counts::{CountEdit, CountsTable, MAX_MERGED_PATHS};
pub use deploy_record::DeployRecord;
pub use distribution::{
    Distribution, DistributionState, InvalidationStatus, MAX_INVALIDATION_PATHS, NO_CLOUDFRONT,
    NO_DISTRIBUTION,
};
pub use import::IMPORT_DIFFERS;
pub use lease::guarded_drivers::LeaseGuardedDrivers;
pub use lease::holder::{LeaseHolder, unique_id};
pub use lease::observer::LEASE_DURATION;
pub use lease::{LEASE_PHASE, Lease, LeaseRequest};
pub use local::START_PHASE;
pub use options::{CloudOptions, LocalOptions};
pub use queue::{MessageAttributes, QueueDepth, ReceivedMessage, SendMessageEntry, SqsQueue};
pub use slow_calls::SlowCallReporter;
pub use table::DynamoDbTable;
pub use url::is_loopback;
pub use visitors::VisitorIp;

use aws::account::AwsCloud;
use local::LocalCloud;

/// Opens the cloud of the selected environment.
pub async fn open(options: &CloudOptions<'_>, sink: &EventSink) -> Result<Box<dyn Cloud>, Fault> {
    match &options.local {
        Some(local) => Ok(Box::new(LocalCloud::open(options, local, sink).await?)),
        None => Ok(Box::new(AwsCloud::open(options).await?)),
    }
}
