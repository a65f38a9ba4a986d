//! The trait that each driver implements, in the types of its kind.

use std::sync::Arc;

use hitctl_engine::{Fault, Outputs};

use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::fault::ErrorRule;
use crate::spec::Spec;
use crate::tags::Tags;

/// A live resource, as a driver found it.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<S> {
    /// Its settings, normalised: every default filled in.
    pub spec: S,
    /// Its outputs.
    pub outputs: Outputs,
    /// Its tags; `None` for a kind that takes none, and is ours by its id inside something that is ours.
    pub tags: Option<Tags>,
}

/// One kind of resource in AWS. The same promises as [`hitctl_engine::Driver`], in the types of the kind: `create` of what is
/// there already and ours brings it to `want`; `delete` of what is gone is `Ok`; each returns once the change is in force.
pub trait Resource: Sized + Send + Sync + 'static {
    /// Its settings.
    type Spec: Spec;

    /// What a resource is called in errors, before its name.
    const NOUN: &'static str = <Self::Spec as Spec>::KIND;
    /// The errors that have another meaning for this kind than elsewhere.
    const RULES: &'static [ErrorRule] = &[];

    /// The driver of this kind in that account.
    fn new(aws: Arc<Aws>) -> Self;

    /// Reads the resource; `want` is what it should be, `None` when it should not be. Never writes.
    fn read(
        &self,
        cx: &CallContext<'_>,
        want: Option<&Self::Spec>,
    ) -> impl Future<Output = Read<Self::Spec>> + Send;

    /// Makes the resource.
    fn create(&self, cx: &CallContext<'_>, want: &Self::Spec) -> impl Future<Output = Written> + Send;

    /// Changes what differs. Without an implementation, `create` does, which brings an existing resource to `want`.
    fn update(
        &self,
        cx: &CallContext<'_>,
        _have: &Found<Self::Spec>,
        want: &Self::Spec,
    ) -> impl Future<Output = Written> + Send {
        self.create(cx, want)
    }

    /// Removes the resource and returns once its name is free again.
    fn delete(
        &self,
        cx: &CallContext<'_>,
        have: &Found<Self::Spec>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// The resource that was read; `None` where there is none.
pub type Read<S> = Result<Option<Found<S>>, Fault>;

/// The outputs of a resource that was made or changed.
pub type Written = Result<Outputs, Fault>;
