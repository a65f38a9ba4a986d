//! The trait that each driver implements, in the types of its kind.

use std::sync::Arc;

use hitctl_engine::{Cx, Fault, FieldDiff, Outputs};

use crate::aws::account::Aws;
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

    /// Changes the named fields. Without an implementation, `create` does, which brings an existing resource to `want`.
    fn update(
        &self,
        cx: &Cx,
        name: &str,
        _have: &Found<Self::Spec>,
        want: &Self::Spec,
        _fields: &[FieldDiff],
    ) -> impl Future<Output = Result<Outputs, Fault>> + Send {
        self.create(cx, name, want)
    }

    /// Removes the resource and returns once its name is free again.
    fn delete(
        &self,
        cx: &Cx,
        name: &str,
        have: &Found<Self::Spec>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
}

/// Whether one of the differences is in that field.
pub fn differs(fields: &[FieldDiff], field: &str) -> bool {
    fields.iter().any(|diff| {
        diff.field.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    })
}
