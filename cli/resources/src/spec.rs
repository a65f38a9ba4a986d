//! The trait of the settings of a kind.

use hitctl_engine::{Address, Keep, Node};
use serde::{Serialize, de::DeserializeOwned};

/// The settings of one kind of resource.
pub trait Spec: Serialize + DeserializeOwned + Clone + PartialEq + Send + Sync + 'static {
    /// The kind, as in addresses: `table`.
    const KIND: &'static str;
    /// The fields whose change needs a new resource.
    const REPLACE_ON: &'static [&'static str] = &[];
    /// The fields whose values are never shown.
    const SECRET: &'static [&'static str] = &[];
    /// The loss that a deletion causes.
    const KEEP: Keep = Keep::Never;

    /// The address of the resource of this kind with that role in the app.
    fn address(role: &str) -> Address {
        Address::new(Self::KIND, role)
    }

    /// The node of a wanted resource.
    ///
    /// # Panics
    ///
    /// When the spec has no JSON form, which no plain data lacks.
    fn node(&self, role: &str, name: &str) -> Node {
        let spec = serde_json::to_value(self).expect("specs are plain data");
        Node::present(Self::address(role), name, spec)
            .replaced_on(Self::REPLACE_ON)
            .hiding(Self::SECRET)
            .keeping(Self::KEEP)
    }
}
