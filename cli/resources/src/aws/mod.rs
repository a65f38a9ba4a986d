//! What the drivers of an AWS account share; `drivers.rs` names them all, and each lies beside its kind's spec.
//!
//! A driver reads what is live back into the same spec, normalised, and speaks typed values; `Typed` is the one seam
//! between them and the engine's JSON.

mod call;
pub(crate) mod cors;
mod discover;
pub mod fault;
mod foreign;
pub(crate) mod lambda;
mod owner;
pub(crate) mod policy;
mod quota;
mod tags;
pub(crate) mod together;
pub(crate) mod typed;
pub mod versions;
mod words;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_types::SdkConfig;
use hitctl_engine::{Cx, Fault, FieldDiff, Outputs};

use crate::{CodePackage, Place, Spec, Tags};
pub use call::Call;
pub use discover::{Deployment, deployments};
pub use foreign::foreign_access;
pub use owner::{check_ours, owner_of};
pub use quota::{DEFAULT_TABLE_WRITES, Quota, concurrency_quota, table_writes_quota};
pub(crate) use tags::settled;
pub use tags::{compared, to_set};
pub use words::error_in_words;

/// An account and a region of it, as one app and env of ours sees them.
#[derive(Clone, Debug)]
pub struct Aws {
    /// Credentials, region, endpoint, retries and timeouts.
    pub config: SdkConfig,
    /// The account and region.
    pub place: Place,
    /// The tags that our resources carry.
    pub tags: Tags,
    /// The code that the function should run; `None` where nothing is deployed.
    pub code: Option<CodePackage>,
    /// Whether resources of our names that are somebody else's are taken over.
    pub adopt: bool,
    /// Whether what is made anew is called through its alias before the run ends, until this code answers. That is the
    /// better proof that it is ready: Lambda's own word for it is not waited for then.
    pub called_at_the_end: bool,
    /// The time between removing the last route to an integration of an HTTP API and removing the integration:
    /// [`Aws::DRAIN`], or zero where no requests are sent.
    pub drain: Duration,
}

impl Aws {
    /// The usual [`Aws::drain`]. A stage deploys changed routes by itself, in seconds, and no call reports when every gateway has
    /// them. The old integration answers requests until then. Ten seconds are our own margin; AWS documents none.
    pub const DRAIN: Duration = Duration::from_secs(10);

    /// `{app}-{env}`: what the function, the role, the table and the HTTP API are called.
    pub fn base(&self) -> String {
        let tag = |name: &str| self.tags.get(name).map_or("", String::as_str);
        hitctl_config::names::base(tag(hitctl_config::names::TAG_APP), tag(hitctl_config::names::TAG_ENV))
    }

    /// The name of the reader of the app and env that the tags name.
    pub fn reader(&self) -> String {
        let tag = |name: &str| self.tags.get(name).map_or("", String::as_str);
        hitctl_config::names::reader(tag(hitctl_config::names::TAG_APP), tag(hitctl_config::names::TAG_ENV))
    }

    /// The ARN of a resource of this account and region.
    pub fn arn(&self, service: &str, resource: &str) -> String {
        self.place.location().arn(service, resource)
    }
}

/// A live resource, as a driver found it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<S> {
    /// Its settings, normalised: every default filled in.
    pub spec: S,
    /// What it offers to others.
    pub outputs: Outputs,
    /// Its tags; `None` for a kind that takes none, and is ours by its id inside something that is ours.
    pub tags: Option<Tags>,
}

/// One kind of resource in AWS. The same promises as [`hitctl_engine::Driver`], in the types of the kind: `create` of what is
/// there already and ours brings it to `want`; `delete` of what is gone is `Ok`; each returns once the change is in force.
pub trait Resource: Sized + Send + Sync + 'static {
    /// Its settings.
    type Spec: Spec;

    /// The driver of this kind in that account.
    fn new(aws: Arc<Aws>) -> Self;

    /// Reads the resource of that name; `want` is what it should be, `None` when it should not be. Never writes.
    fn read(
        &self,
        cx: &Cx,
        name: &str,
        want: Option<&Self::Spec>,
    ) -> impl Future<Output = Result<Option<Found<Self::Spec>>, Fault>> + Send;

    /// Makes the resource.
    fn create(
        &self,
        cx: &Cx,
        name: &str,
        want: &Self::Spec,
    ) -> impl Future<Output = Result<Outputs, Fault>> + Send;

    /// Changes the named fields.
    fn update(
        &self,
        cx: &Cx,
        name: &str,
        have: &Found<Self::Spec>,
        want: &Self::Spec,
        fields: &[FieldDiff],
    ) -> impl Future<Output = Result<Outputs, Fault>> + Send;

    /// Removes the resource and returns once its name is free again.
    fn delete(
        &self,
        cx: &Cx,
        name: &str,
        have: &Found<Self::Spec>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// The time, to be compared with AWS's own; what decides by it takes it as an argument.
#[expect(clippy::disallowed_methods, reason = "the drivers' one look at the clock")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// Whether one of the differences is in that field.
pub fn differs(fields: &[FieldDiff], field: &str) -> bool {
    fields.iter().any(|diff| {
        diff.field.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    })
}
