//! The item that says when the distribution was invalidated last: of all that want to, one wins.

use hitctl_config::contract::KEY_INVALIDATION;

use super::DynamoDb;
use super::client::{Repeat, if_condition_holds};
use super::wire;
use crate::json::Object;
use crate::store::error::StoreError;

/// When it was, in seconds since 1970.
const ATTR_AT: &str = "at";

impl DynamoDb {
    /// Takes the window that begins at `now_s` (seconds since 1970): false if another did less than `window_s` ago.
    pub fn claim(&mut self, now_s: u64, window_s: u64) -> Result<bool, StoreError> {
        let values = Object::new()
            .raw(":n", &wire::number(now_s))
            .raw(":o", &wire::number(now_s.saturating_sub(window_s)));
        self.window("SET #a = :n", "attribute_not_exists(#a) OR #a <= :o", values)
    }

    /// Gives it back, so that the next one may take it; not if another has done so meanwhile.
    pub fn give_back(&mut self, now_s: u64) -> Result<bool, StoreError> {
        let values = Object::new().raw(":n", &wire::number(now_s));
        self.window("REMOVE #a", "#a = :n", values)
    }

    fn window(&mut self, change: &str, condition: &str, values: Object) -> Result<bool, StoreError> {
        let item = wire::change(&self.table.name, KEY_INVALIDATION);
        let body = wire::update(item, change, condition, Object::new().text("#a", ATTR_AT), values).end();
        // Sent twice, a window that was taken would be found taken: by whom, nobody could tell.
        Ok(if_condition_holds(self.call("UpdateItem", &body, Repeat::Never))?.is_some())
    }
}
