//! What the table of visitors says to people: addresses, where the configuration has them kept. Hashes and salts stay there.

use hitctl_config::contract::{ATTR_FIRST, ATTR_HITS, ATTR_LAST, SEEN_ADDRESS_PREFIX, SEEN_ID};
use hitctl_engine::Fault;

use super::table::{Table, number_of, text_of};

/// An address that is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisitorIp {
    /// The address.
    pub address: String,
    /// Its views.
    pub hits: u64,
    /// The day of the first one.
    pub first: Option<String>,
    /// The time of the last one.
    pub last: Option<String>,
}

impl Table {
    /// Every address that is kept, in no order.
    pub async fn addresses(&self) -> Result<Vec<VisitorIp>, Fault> {
        let items = self.scan().await?;
        let addresses = items.iter().filter_map(|item| {
            let own = |name: &str| text_of(item, name).map(str::to_owned);
            Some(VisitorIp {
                address: text_of(item, SEEN_ID)?.strip_prefix(SEEN_ADDRESS_PREFIX)?.to_owned(),
                hits: number_of(item, ATTR_HITS)?,
                first: own(ATTR_FIRST),
                last: own(ATTR_LAST),
            })
        });
        Ok(addresses.collect())
    }
}
