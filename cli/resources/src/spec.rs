//! The trait of the settings of a kind.

use hitctl_engine::{Address, DeletionPolicy, Node};
use serde::{Serialize, de::DeserializeOwned};

/// The settings of one kind of resource.
pub trait Spec: Serialize + DeserializeOwned + Clone + PartialEq + Send + Sync + 'static {
    /// The kind's name in addresses: `table`.
    const KIND: &'static str;
    /// The fields whose change needs a new resource.
    const IMMUTABLE_FIELDS: &'static [&'static str] = &[];
    /// The fields whose values are never shown.
    const SECRET_FIELDS: &'static [&'static str] = &[];
    /// The protection of the resource's data on deletion.
    const DELETION_POLICY: DeletionPolicy = DeletionPolicy::Delete;

    /// Returns the fields within [`Self::SECRET_FIELDS`] whose values may be shown.
    fn public_fields() -> Vec<String> {
        Vec::new()
    }

    /// Returns the address of the resource of this kind with that role in the app.
    fn address(role: &str) -> Address {
        Address::new(Self::KIND, role)
    }

    /// Returns the node of a wanted resource.
    ///
    /// # Panics
    ///
    /// If the spec cannot be serialized to JSON, which does not happen with plain data.
    fn node(&self, role: &str, name: &str) -> Node {
        let spec = serde_json::to_value(self).expect("specs are plain data");
        Node::present(Self::address(role), name, spec)
            .with_immutable_fields(Self::IMMUTABLE_FIELDS)
            .with_secret_fields(Self::SECRET_FIELDS)
            .with_public_fields(Self::public_fields())
            .with_deletion_policy(Self::DELETION_POLICY)
    }
}
