//! The seam between drivers, which speak the types of their kind, and the engine, which speaks JSON.

use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use hitctl_engine::{Cx, Driver, Fault, FieldDiff, Live, Node, Outputs, Owner, Want, resolve};
use serde_json::Value as Json;

use crate::aws::account::Aws;
use crate::aws::call::CallContext;
use crate::aws::fault::ErrorRule;
use crate::aws::owner::owner_of;
use crate::aws::resource::{Found, Resource};
use crate::spec::Spec;

/// One kind of resource in AWS.
#[derive(Clone, Copy, Debug)]
pub struct AwsKind {
    /// The errors that have another meaning for this kind than elsewhere.
    pub errors: &'static [ErrorRule],
    /// Creates the driver in an account.
    pub driver: fn(&Arc<Aws>) -> Arc<dyn Driver>,
}

/// A [`Resource`] as the engine sees it.
pub struct Typed<R> {
    resource: R,
    aws: Arc<Aws>,
}

impl<R: Resource> Typed<R> {
    /// The kind that has this driver.
    pub const KIND: AwsKind = AwsKind { errors: R::RULES, driver: Self::driver };

    fn driver(aws: &Arc<Aws>) -> Arc<dyn Driver> {
        Arc::new(Self { resource: R::new(Arc::clone(aws)), aws: Arc::clone(aws) })
    }

    fn owner(&self, found: &Found<R::Spec>) -> Owner {
        match owner_of(found.tags.as_ref(), &self.aws.tags) {
            // What is taken over differs in its tags, and is changed like anything else that differs.
            Owner::Other(_) if self.aws.adopt => Owner::Ours,
            owner => owner,
        }
    }
}

impl<R: Resource> Driver for Typed<R> {
    fn read<'a>(&'a self, cx: &'a Cx, node: &'a Node) -> BoxFuture<'a, Result<Option<Live>, Fault>> {
        async move {
            let want: Option<R::Spec> = match &node.want {
                // A reference to what is not live yet is fine here: whoever reads asks for what is known.
                Want::Present(spec) => serde_json::from_value(resolve(spec, &|_| None)).ok(),
                Want::Absent => None,
            };
            let cx = CallContext::of::<R>(cx, &node.name);
            let Some(found) = self.resource.read(&cx, want.as_ref()).await? else { return Ok(None) };
            let owner = self.owner(&found);
            Ok(Some(Live { spec: to_json(&found.spec)?, outputs: found.outputs, owner }))
        }
        .boxed()
    }

    fn create<'a>(
        &'a self,
        cx: &'a Cx,
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
        cx: &'a Cx,
        node: &'a Node,
        have: &'a Live,
        want: &'a Json,
        _fields: &'a [FieldDiff],
    ) -> BoxFuture<'a, Result<Outputs, Fault>> {
        async move {
            let cx = CallContext::of::<R>(cx, &node.name);
            self.resource.update(&cx, &found(have)?, &from_json(want)?).await
        }
        .boxed()
    }

    fn delete<'a>(&'a self, cx: &'a Cx, node: &'a Node, have: &'a Live) -> BoxFuture<'a, Result<(), Fault>> {
        async move { self.resource.delete(&CallContext::of::<R>(cx, &node.name), &found(have)?).await }
            .boxed()
    }
}

/// A live resource in the types of its kind. Its tags are those of its spec.
fn found<S: Spec>(live: &Live) -> Result<Found<S>, Fault> {
    let tags = live.spec.get("tags").and_then(|tags| serde_json::from_value(tags.clone()).ok());
    Ok(Found { spec: from_json(&live.spec)?, outputs: live.outputs.clone(), tags })
}

fn from_json<S: Spec>(json: &Json) -> Result<S, Fault> {
    serde_json::from_value(json.clone()).map_err(|error| misfit(S::KIND, error))
}

fn to_json<S: Spec>(spec: &S) -> Result<Json, Fault> {
    serde_json::to_value(spec).map_err(|error| misfit(S::KIND, error))
}

fn misfit(kind: &str, error: serde_json::Error) -> Fault {
    Fault::fatal("spec", format!("the settings of a {kind} do not have its shape"))
        .caused_by(error)
        .hinted("this is a mistake in hitctl: please report it")
}
