//! The driver in AWS.

use std::sync::Arc;

use hitctl_engine::{Cx, Fault, FieldDiff, Outputs};

use super::EventSourceMappingSpec;
use crate::aws::{Aws, Found, Resource};

/// The driver.
#[derive(Clone, Debug)]
pub(crate) struct Mappings;

fn missing() -> Fault {
    Fault::fatal("no_driver", "no driver for resources of this kind")
}

impl Resource for Mappings {
    type Spec = EventSourceMappingSpec;

    fn new(_aws: Arc<Aws>) -> Self {
        Self
    }

    async fn read(
        &self,
        _cx: &Cx,
        _name: &str,
        _want: Option<&EventSourceMappingSpec>,
    ) -> Result<Option<Found<EventSourceMappingSpec>>, Fault> {
        Ok(None)
    }

    async fn create(&self, _cx: &Cx, _name: &str, _want: &EventSourceMappingSpec) -> Result<Outputs, Fault> {
        Err(missing())
    }

    async fn update(
        &self,
        _cx: &Cx,
        _name: &str,
        _have: &Found<EventSourceMappingSpec>,
        _want: &EventSourceMappingSpec,
        _fields: &[FieldDiff],
    ) -> Result<Outputs, Fault> {
        Err(missing())
    }

    async fn delete(
        &self,
        _cx: &Cx,
        _name: &str,
        _have: &Found<EventSourceMappingSpec>,
    ) -> Result<(), Fault> {
        Err(missing())
    }
}
