//! The trait that each driver implements, with the spec type of its kind.

use std::sync::Arc;

use hitctl_engine::{Fault, Outputs};

use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::fault::ErrorRule;
use crate::spec::Spec;
use crate::tags::Tags;

/// The state of a live resource that a driver read.
#[derive(Clone, Debug, PartialEq)]
pub struct ReadState<S> {
    /// The settings, normalised: every default is filled in.
    pub spec: S,
    /// The outputs of the resource.
    pub outputs: Outputs,
    /// The tags. `None` for a kind without tags; such a resource belongs to another resource, and has the same
    /// owner.
    pub tags: Option<Tags>,
}

/// The driver of one kind of resource in AWS, with the contract of [`hitctl_engine::Driver`]: `create` reconciles
/// an existing resource of ours with `want`; `delete` of a missing resource succeeds; each method returns when
/// the change is in effect.
pub trait Resource: Sized + Send + Sync + 'static {
    /// The settings of the kind.
    type Spec: Spec;

    /// The noun for the kind in errors, which precedes the resource's name.
    const NOUN: &'static str = <Self::Spec as Spec>::KIND;
    /// The error rules of this kind, which are applied before the common rules.
    const RULES: &'static [ErrorRule] = &[];

    /// Creates the driver for an account.
    fn new(aws: Arc<Aws>) -> Self;

    /// Reads the resource, without changes. `want` is the wanted spec, or `None` if the resource should not exist.
    fn read(
        &self,
        cx: &CallContext<'_>,
        want: Option<&Self::Spec>,
    ) -> impl Future<Output = ReadResult<Self::Spec>> + Send;

    /// Creates the resource.
    fn create(&self, cx: &CallContext<'_>, want: &Self::Spec) -> impl Future<Output = WriteResult> + Send;

    /// Changes the settings that differ. The default calls `create`, which reconciles an existing resource.
    fn update(
        &self,
        cx: &CallContext<'_>,
        _have: &ReadState<Self::Spec>,
        want: &Self::Spec,
    ) -> impl Future<Output = WriteResult> + Send {
        self.create(cx, want)
    }

    /// Deletes the resource. Returns when its name can be used again.
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
