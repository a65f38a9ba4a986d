//! The driver in AWS.

use std::sync::Arc;

use hitctl_engine::{Cx, Fault, FieldDiff, Outputs};

use super::EventInvokeConfigSpec;
use crate::aws::{Aws, Found, Resource};

/// The driver.
#[derive(Clone, Debug)]
pub(crate) struct EventInvokeConfigs;

fn missing() -> Fault {
    Fault::fatal("no_driver", "no driver for resources of this kind")
}

impl Resource for EventInvokeConfigs {
    type Spec = EventInvokeConfigSpec;

    fn new(_aws: Arc<Aws>) -> Self {
        Self
    }

    async fn read(
        &self,
        _cx: &Cx,
        _name: &str,
        _want: Option<&EventInvokeConfigSpec>,
    ) -> Result<Option<Found<EventInvokeConfigSpec>>, Fault> {
        Ok(None)
    }

    async fn create(&self, _cx: &Cx, _name: &str, _want: &EventInvokeConfigSpec) -> Result<Outputs, Fault> {
        Err(missing())
    }

    async fn update(
        &self,
        _cx: &Cx,
        _name: &str,
        _have: &Found<EventInvokeConfigSpec>,
        _want: &EventInvokeConfigSpec,
        _fields: &[FieldDiff],
    ) -> Result<Outputs, Fault> {
        Err(missing())
    }

    async fn delete(&self, _cx: &Cx, _name: &str, _have: &Found<EventInvokeConfigSpec>) -> Result<(), Fault> {
        Err(missing())
    }
}
