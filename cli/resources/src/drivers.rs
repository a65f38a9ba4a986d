//! The driver of every kind in an AWS account: one line each.

use std::sync::Arc;

use hitctl_engine::{Driver, Drivers};

use crate::aws::account::Aws;
use crate::aws::resource::Resource;
use crate::aws::typed::Typed;
use crate::spec::Spec as _;
use crate::{
    alias, event_invoke_config, event_rule, event_source_mapping, function, function_url, http_api,
    log_group, permission, queue, role, table,
};

/// The drivers of every kind.
pub fn drivers(aws: &Arc<Aws>) -> Drivers {
    let all: [(&str, Arc<dyn Driver>); 12] = [
        driver::<table::aws::Table>(aws),
        driver::<role::aws::Role>(aws),
        driver::<log_group::aws::LogGroup>(aws),
        driver::<function::aws::Function>(aws),
        driver::<alias::aws::Alias>(aws),
        driver::<function_url::aws::FunctionUrls>(aws),
        driver::<http_api::aws::HttpApis>(aws),
        driver::<queue::aws::Queues>(aws),
        driver::<event_source_mapping::aws::Mappings>(aws),
        driver::<event_rule::aws::Rules>(aws),
        driver::<event_invoke_config::aws::EventInvokeConfigs>(aws),
        driver::<permission::aws::Permissions>(aws),
    ];
    all.into_iter().fold(Drivers::default(), |drivers, (kind, driver)| drivers.with(kind, driver))
}

fn driver<R: Resource>(aws: &Arc<Aws>) -> (&'static str, Arc<dyn Driver>) {
    (R::Spec::KIND, Typed::<R>::driver(aws))
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_kind_is_without_a_driver() {
        let source = include_str!("drivers.rs");
        for kind in crate::KINDS {
            assert!(source.contains(&format!("{kind}::aws::")), "{kind} has no driver");
        }
    }
}
