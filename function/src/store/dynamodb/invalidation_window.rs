//! The item that stores the time of the last invalidation. If several processes want to invalidate in the same
//! window, only one can update the item.

use hitctl_config::contract::KEY_INVALIDATION;

use super::DynamoDbStore;
use super::client::{ResendPolicy, if_condition_holds};
use super::requests;
use crate::json::JsonObject;
use crate::store::error::StoreError;

/// The time of the last invalidation, in seconds since 1970.
const ATTR_AT: &str = "at";

impl DynamoDbStore {
    /// Claims the window that begins at `now_s` (seconds since 1970). Returns false if another process
    /// claimed one less than `window_s` seconds ago.
    pub fn claim_window(&mut self, now_s: u64, window_s: u64) -> Result<bool, StoreError> {
        let values = JsonObject::new()
            .raw(":n", &requests::number(now_s))
            .raw(":o", &requests::number(now_s.saturating_sub(window_s)));
        self.update_window("SET #a = :n", "attribute_not_exists(#a) OR #a <= :o", values)
    }

    /// Releases the window so that another process can claim it. Does nothing if another process has claimed
    /// it meanwhile.
    pub fn release_window(&mut self, now_s: u64) -> Result<bool, StoreError> {
        let values = JsonObject::new().raw(":n", &requests::number(now_s));
        self.update_window("REMOVE #a", "#a = :n", values)
    }

    fn update_window(
        &mut self,
        change: &str,
        condition: &str,
        values: JsonObject,
    ) -> Result<bool, StoreError> {
        let item = requests::table_and_key(&self.table.name, KEY_INVALIDATION);
        let body =
            requests::with_update(item, change, condition, JsonObject::new().text("#a", ATTR_AT), values)
                .end();
        // If the call were sent twice, the second attempt could find the window claimed, without knowing
        // whether by this process or by another one.
        Ok(if_condition_holds(self.call("UpdateItem", &body, ResendPolicy::Never))?.is_some())
    }
}
