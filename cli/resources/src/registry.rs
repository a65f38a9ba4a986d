//! The registry of all kinds, and the lists that are derived from it.

use std::collections::{BTreeMap, BTreeSet};

use hitctl_engine::Change;

use crate::irreversible::{EffectContext, IrreversibleEffect};
use crate::kind::ResourceKind;
use crate::operation::{Operation, RequiredAction};
use crate::{
    alias, event_invoke_config, event_rule, event_source_mapping, function, function_url, http_api,
    log_group, permission, queue, role, table,
};
#[cfg(feature = "aws")]
use {
    crate::aws::{account::Aws, fault::ErrorRule},
    crate::kind::HomeRegion,
    hitctl_engine::Drivers,
    std::sync::Arc,
};

/// All kinds. The local cloud restores its resources in this order.
pub const REGISTRY: KindRegistry<'static> = KindRegistry(&[
    table::KIND,
    role::KIND,
    log_group::KIND,
    function::KIND,
    alias::KIND,
    function_url::KIND,
    http_api::KIND,
    queue::KIND,
    event_source_mapping::KIND,
    event_rule::KIND,
    event_invoke_config::KIND,
    permission::KIND,
]);

/// The names of all kinds.
pub const KINDS: &[&str] = &names::<{ REGISTRY.0.len() }>();

const fn names<const N: usize>() -> [&'static str; N] {
    let mut names = [""; N];
    let mut index = 0;
    while index < N {
        names[index] = REGISTRY.0[index].name;
        index += 1;
    }
    names
}

/// An operation and the IAM actions that it needs for all kinds whose drivers call it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationNeeds {
    /// The service's signing name and the operation: `lambda:CreateFunction`.
    pub operation: &'static str,
    /// The actions with their resources, sorted and without duplicates.
    pub needs: Vec<RequiredAction>,
}

/// A list of kinds of resources.
#[derive(Clone, Copy, Debug)]
pub struct KindRegistry<'a>(pub &'a [ResourceKind]);

impl KindRegistry<'_> {
    /// Returns the kind with the given name.
    pub fn kind(&self, name: &str) -> Option<&ResourceKind> {
        self.0.iter().find(|kind| kind.name == name)
    }

    /// Returns the operations of all kinds and the operations in `further`, sorted by name. Operations with the
    /// same name are merged.
    pub fn operations(&self, further: &[Operation]) -> Vec<OperationNeeds> {
        let mut by_name: BTreeMap<&'static str, BTreeSet<RequiredAction>> = BTreeMap::new();
        for operation in self.0.iter().flat_map(|kind| kind.operations).chain(further) {
            by_name.entry(operation.name).or_default().extend(operation.needs);
        }
        let operation_needs = |(operation, needs): (_, BTreeSet<_>)| OperationNeeds {
            operation,
            needs: needs.into_iter().collect(),
        };
        by_name.into_iter().map(operation_needs).collect()
    }

    /// Returns the irreversible effect of a change, other than the loss of the data in a deleted resource.
    pub fn irreversible(&self, change: &Change, context: EffectContext) -> Option<IrreversibleEffect> {
        (self.kind(change.kind())?.irreversible)(change, context)
    }

    /// Returns the drivers of all kinds, each in the region of its kind.
    #[cfg(feature = "aws")]
    pub fn drivers(&self, aws: &Arc<Aws>) -> Drivers {
        self.0.iter().fold(Drivers::default(), |drivers, kind| {
            let driver = match kind.region {
                HomeRegion::OfEnvironment => (kind.aws.driver)(aws),
                HomeRegion::Fixed(region) => (kind.aws.driver)(&Arc::new(aws.in_region(region))),
            };
            drivers.with(kind.name, driver)
        })
    }

    /// Returns the error rules of all kinds.
    #[cfg(feature = "aws")]
    pub fn errors(&self) -> impl Iterator<Item = &ErrorRule> {
        self.0.iter().flat_map(|kind| kind.aws.errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_names_are_unique() {
        let unique: BTreeSet<_> = KINDS.iter().collect();
        assert_eq!(unique.len(), KINDS.len());
        assert!(KINDS.iter().all(|name| REGISTRY.kind(name).is_some_and(|kind| kind.name == *name)));
    }

    #[test]
    fn operations_of_kind_are_sorted_and_need_actions() {
        for kind in REGISTRY.0 {
            assert!(kind.operations.is_sorted_by(|a, b| a.name < b.name), "{}", kind.name);
            assert!(kind.operations.iter().all(|operation| !operation.needs.is_empty()), "{}", kind.name);
        }
    }

    #[test]
    fn operations_of_several_kinds_are_merged() {
        let operations = REGISTRY.operations(&[]);
        let tag_operations: Vec<_> =
            operations.iter().filter(|operation| operation.operation == "lambda:TagResource").collect();
        let sids: Vec<_> = tag_operations[0].needs.iter().map(|(_, scope)| scope.sid).collect();
        assert_eq!((tag_operations.len(), sids), (1, vec!["Function", "MappingArns"]));
    }
}
