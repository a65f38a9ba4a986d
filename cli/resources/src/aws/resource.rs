//! The trait that each driver implements, in the types of its kind.

use std::sync::Arc;

use hitctl_engine::{Fault, Outputs};

use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::fault::ErrorRule;
use crate::spec::Spec;
use crate::tags::Tags;

/// The state of a live resource, as a driver read it.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadState<S> {
    /// The settings, normalised: every default is filled in.
    pub spec: S,
    /// The outputs of the resource.
    pub outputs: Outputs,
    /// The tags. `None` for a kind without tags, whose resources are ours if the resource that they belong to
    /// is ours.
    pub tags: Option<Tags>,
}

/// The driver of one kind of resource in AWS. It has the same contract as [`hitctl_engine::Driver`], in the
/// types of the kind: `create` reconciles an existing resource that is ours with `want`; `delete` of a
/// missing resource succeeds; each call returns once the change is in force.
pub trait Resource: Sized + Send + Sync + 'static {
    /// The settings of the kind.
    type Spec: Spec;

    /// The name of the kind in errors, before the resource's name.
    const NOUN: &'static str = <Self::Spec as Spec>::KIND;
    /// The error rules that apply to this kind only, before the common ones.
    const RULES: &'static [ErrorRule] = &[];

    /// Creates the driver for an account.
    fn new(aws: Arc<Aws>) -> Self;

    /// Reads the resource. `want` is the wanted spec; `None` if the resource should not exist. Never writes.
    fn read(
        &self,
        cx: &CallContext<'_>,
        want: Option<&Self::Spec>,
    ) -> impl Future<Output = ReadResult<Self::Spec>> + Send;

    /// Creates the resource.
    fn create(&self, cx: &CallContext<'_>, want: &Self::Spec) -> impl Future<Output = WriteResult> + Send;

    /// Changes what differs. The default calls `create`, which reconciles an existing resource.
    fn update(
        &self,
        cx: &CallContext<'_>,
        _have: &ReadState<Self::Spec>,
        want: &Self::Spec,
    ) -> impl Future<Output = WriteResult> + Send {
        self.create(cx, want)
    }

    /// Deletes the resource and returns once its name is free again.
    fn delete(
        &self,
        cx: &CallContext<'_>,
        have: &ReadState<Self::Spec>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// The resource that was read; `None` if it does not exist.
pub type ReadResult<S> = Result<Option<ReadState<S>>, Fault>;

/// The outputs of a resource that was created or changed.
pub type WriteResult = Result<Outputs, Fault>;
