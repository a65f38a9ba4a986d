//! Reads the IP addresses of visitors, if the configuration stores them. It returns no hashes and no salts.

use hitctl_config::contract::{ATTR_FIRST, ATTR_HITS, ATTR_LAST, SEEN_ADDRESS_PREFIX, SEEN_ID};
use hitctl_engine::Fault;

use super::table::{DynamoDbTable, number_attr, string_attr};

/// A stored IP address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisitorIp {
    /// The IPv4 or IPv6 address.
    pub address: String,
    /// The number of views.
    pub hits: u64,
    /// The day of the first view.
    pub first: Option<String>,
    /// The time of the last view.
    pub last: Option<String>,
}

impl DynamoDbTable {
    /// Reads all stored addresses, in no particular order.
    pub async fn visitor_ips(&self) -> Result<Vec<VisitorIp>, Fault> {
        let items = self.scan().await?;
        let addresses = items.iter().filter_map(|item| {
            let string = |name: &str| string_attr(item, name).map(str::to_owned);
            Some(VisitorIp {
                address: string_attr(item, SEEN_ID)?.strip_prefix(SEEN_ADDRESS_PREFIX)?.to_owned(),
                hits: number_attr(item, ATTR_HITS)?,
                first: string(ATTR_FIRST),
                last: string(ATTR_LAST),
            })
        });
        Ok(addresses.collect())
    }
}
