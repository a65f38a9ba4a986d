//! The driver in AWS.

use std::sync::Arc;

use hitctl_engine::{Cx, Fault, FieldDiff, Outputs};

use super::EventRuleSpec;
use crate::aws::{Aws, Found, Resource};

/// The driver.
#[derive(Clone, Debug)]
pub(crate) struct Rules;

fn missing() -> Fault {
    Fault::fatal("no_driver", "no driver for resources of this kind")
}

impl Resource for Rules {
    type Spec = EventRuleSpec;

    fn new(_aws: Arc<Aws>) -> Self {
        Self
    }

    async fn read(
        &self,
        _cx: &Cx,
        _name: &str,
        _want: Option<&EventRuleSpec>,
    ) -> Result<Option<Found<EventRuleSpec>>, Fault> {
        Ok(None)
    }

    async fn create(&self, _cx: &Cx, _name: &str, _want: &EventRuleSpec) -> Result<Outputs, Fault> {
        Err(missing())
    }

    async fn update(
        &self,
        _cx: &Cx,
        _name: &str,
        _have: &Found<EventRuleSpec>,
        _want: &EventRuleSpec,
        _fields: &[FieldDiff],
    ) -> Result<Outputs, Fault> {
        Err(missing())
    }

    async fn delete(&self, _cx: &Cx, _name: &str, _have: &Found<EventRuleSpec>) -> Result<(), Fault> {
        Err(missing())
    }
}
