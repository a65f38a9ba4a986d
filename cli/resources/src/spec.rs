//! The trait that the settings of every kind implement.

use hitctl_engine::{Address, DeletionPolicy, Node};
use serde::{Serialize, de::DeserializeOwned};

/// The settings of one kind of resource.
pub trait Spec: Serialize + DeserializeOwned + Clone + PartialEq + Send + Sync + 'static {
    /// The kind's name in addresses: `table`.
    const KIND: &'static str;
    /// The fields that cannot be changed in place: a change replaces the resource.
    const IMMUTABLE_FIELDS: &'static [&'static str] = &[];
    /// The fields whose values are never shown.
    const SECRET_FIELDS: &'static [&'static str] = &[];
    /// The confirmation that a deletion needs.
    const DELETION_POLICY: DeletionPolicy = DeletionPolicy::Delete;

    /// Returns the parts of [`Self::SECRET_FIELDS`] whose values may be shown.
    fn public_fields() -> Vec<String> {
        Vec::new()
    }

    /// Returns the address of the resource of this kind that has the given role in the app, such as `table.hits`.
    fn address(role: &str) -> Address {
        Address::new(Self::KIND, role)
    }

    /// Returns the graph node of a wanted resource.
    ///
    /// # Panics
    ///
    /// If the spec cannot be serialized to JSON, which does not happen for plain data.
    fn node(&self, role: &str, name: &str) -> Node {
        let spec = serde_json::to_value(self).expect("specs are plain data");
        Node::present(Self::address(role), name, spec)
            .with_immutable_fields(Self::IMMUTABLE_FIELDS)
            .with_secret_fields(Self::SECRET_FIELDS)
            .with_public_fields(Self::public_fields())
            .with_deletion_policy(Self::DELETION_POLICY)
    }
}
