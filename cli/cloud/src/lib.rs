//! The two places to deploy to, AWS and the cloud on this machine, behind one trait. What is deployed goes through [`Cloud::drivers`] and
//! the engine; the rest is what people ask of something that is deployed: call it, read its counts, read its log.

mod aws;
mod batch;
mod bus;
mod cloud;
mod counts;
mod distribution;
mod import;
mod lease;
mod local;
mod queue;
mod request;
mod slow_calls;
mod table;
mod url;
mod visitors;
mod write;

use hitctl_engine::{Fault, Sink};
pub use hitctl_resources::versions::Version;

pub use aws::web::{Web, WebResponse};
pub use bus::{Bus, BusEvent, MOST_EVENT_BYTES};
pub use cloud::{Access, Answer, Cloud, DriverOptions, LogPage};
pub use counts::{CountEdit, Counts, MOST_MERGED};
pub use distribution::{
    Distribution, DistributionState, Invalidation, MAX_INVALIDATION_PATHS, NO_CLOUDFRONT, NO_DISTRIBUTION,
};
pub use import::IMPORT_DIFFERS;
pub use lease::gate::Gate;
pub use lease::holder::{Holder, unique};
pub use lease::watch::LASTS as LEASE_LASTS;
pub use lease::{LEASE_PHASE, Lease, LeaseRequest};
pub use local::START_PHASE;
pub use queue::{Attributes, Depth, Entry, Message, Queue};
pub use request::{LocalOptions, Request};
pub use slow_calls::SlowCalls;
pub use table::Table;
pub use url::is_loopback;
pub use visitors::VisitorIp;

use aws::account::AwsCloud;
use local::Local;

/// Opens the cloud of the environment in force.
pub async fn open(request: &Request<'_>, sink: &Sink) -> Result<Box<dyn Cloud>, Fault> {
    match &request.local {
        Some(local) => Ok(Box::new(Local::open(request, local, sink).await?)),
        None => Ok(Box::new(AwsCloud::open(request).await?)),
    }
}
