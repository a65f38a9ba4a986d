//! The driver in AWS.

use std::sync::Arc;

use hitctl_engine::{Cx, Fault, FieldDiff, Outputs};

use super::QueueSpec;
use crate::aws::{Aws, Found, Resource};

/// The driver.
#[derive(Clone, Debug)]
pub(crate) struct Queues;

fn missing() -> Fault {
    Fault::fatal("no_driver", "no driver for resources of this kind")
}

impl Resource for Queues {
    type Spec = QueueSpec;

    fn new(_aws: Arc<Aws>) -> Self {
        Self
    }

    async fn read(
        &self,
        _cx: &Cx,
        _name: &str,
        _want: Option<&QueueSpec>,
    ) -> Result<Option<Found<QueueSpec>>, Fault> {
        Ok(None)
    }

    async fn create(&self, _cx: &Cx, _name: &str, _want: &QueueSpec) -> Result<Outputs, Fault> {
        Err(missing())
    }

    async fn update(
        &self,
        _cx: &Cx,
        _name: &str,
        _have: &Found<QueueSpec>,
        _want: &QueueSpec,
        _fields: &[FieldDiff],
    ) -> Result<Outputs, Fault> {
        Err(missing())
    }

    async fn delete(&self, _cx: &Cx, _name: &str, _have: &Found<QueueSpec>) -> Result<(), Fault> {
        Err(missing())
    }
}
