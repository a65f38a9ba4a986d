//! Adapts drivers, which use the spec types of their kinds, to the engine, which uses JSON.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hitctl_engine::{
    DesiredState, Driver, DriverContext, Fault, FieldDiff, Node, ObservedState, Outputs, Owner, resolve,
};
use serde_json::Value as Json;

use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::fault::ErrorRule;
use crate::aws::owner::owner_of;
use crate::aws::resource::{ReadState, Resource};
use crate::spec::Spec;

/// One kind of resource in AWS.
#[derive(Clone, Copy, Debug)]
pub struct AwsKind {
    /// The error rules of this kind, which are applied before the common rules.
    pub errors: &'static [ErrorRule],
    /// Creates the driver for an account and region.
    pub driver: fn(&Arc<Aws>) -> Arc<dyn Driver>,
}

/// Adapts a [`Resource`] to the engine's [`Driver`].
pub struct ResourceDriver<R> {
    resource: R,
    aws: Arc<Aws>,
}

impl<R: Resource> ResourceDriver<R> {
    /// The AWS part of the registry entry of this kind.
    pub const KIND: AwsKind = AwsKind { errors: R::RULES, driver: Self::driver };

    fn driver(aws: &Arc<Aws>) -> Arc<dyn Driver> {
        Arc::new(Self { resource: R::new(Arc::clone(aws)), aws: Arc::clone(aws) })
    }

    fn owner(&self, read_state: &ReadState<R::Spec>) -> Owner {
        match owner_of(read_state.tags.as_ref(), &self.aws.tags) {
            // The tags of the resource then differ from the wanted tags, and the update replaces them.
            Owner::Other(_) if self.aws.adopt => Owner::Ours,
            owner => owner,
        }
    }
}

impl<R: Resource> Driver for ResourceDriver<R> {
    fn read<'a>(
        &'a self,
        cx: &'a DriverContext,
        node: &'a Node,
    ) -> BoxFuture<'a, Result<Option<ObservedState>, Fault>> {
        async move {
            let want: Option<R::Spec> = match &node.desired {
                // References that are not resolved yet stay in the spec: the driver uses the known values.
                DesiredState::Present(spec) => serde_json::from_value(resolve(spec, &|_| None)).ok(),
                DesiredState::Absent => None,
            };
            let cx = CallContext::of::<R>(cx, &node.name);
            let Some(state) = self.resource.read(&cx, want.as_ref()).await? else { return Ok(None) };
            let owner = self.owner(&state);
            Ok(Some(ObservedState { spec: to_json(&state.spec)?, outputs: state.outputs, owner }))
        }
        .boxed()
    }

    fn create<'a>(
        &'a self,
        cx: &'a DriverContext,
        node: &'a Node,
        want: &'a Json,
    ) -> BoxFuture<'a, Result<Outputs, Fault>> {
        async move {
            let cx = CallContext::of::<R>(cx, &node.name);
            self.resource.create(&cx, &from_json(want)?).await
        }
        .boxed()
    }

    fn update<'a>(
        &'a self,
        cx: &'a DriverContext,
        node: &'a Node,
        have: &'a ObservedState,
        want: &'a Json,
        _fields: &'a [FieldDiff],
    ) -> BoxFuture<'a, Result<Outputs, Fault>> {
        async move {
            let cx = CallContext::of::<R>(cx, &node.name);
            self.resource.update(&cx, &read_state(have)?, &from_json(want)?).await
        }
        .boxed()
    }

    fn delete<'a>(
        &'a self,
        cx: &'a DriverContext,
        node: &'a Node,
        have: &'a ObservedState,
    ) -> BoxFuture<'a, Result<(), Fault>> {
        async move { self.resource.delete(&CallContext::of::<R>(cx, &node.name), &read_state(have)?).await }
            .boxed()
    }
}

/// Converts the engine's observed state to the type of its kind. The tags are taken from the spec.
fn read_state<S: Spec>(observed: &ObservedState) -> Result<ReadState<S>, Fault> {
    let tags = observed.spec.get("tags").and_then(|tags| serde_json::from_value(tags.clone()).ok());
    Ok(ReadState { spec: from_json(&observed.spec)?, outputs: observed.outputs.clone(), tags })
}

fn from_json<S: Spec>(json: &Json) -> Result<S, Fault> {
    serde_json::from_value(json.clone()).map_err(|error| spec_error(S::KIND, error))
}

fn to_json<S: Spec>(spec: &S) -> Result<Json, Fault> {
    serde_json::to_value(spec).map_err(|error| spec_error(S::KIND, error))
}

fn spec_error(kind: &str, error: serde_json::Error) -> Fault {
    let message = format!("internal error: invalid settings for a resource of kind {kind}; please report it");
    Fault::fatal("spec", message).caused_by(error)
}
