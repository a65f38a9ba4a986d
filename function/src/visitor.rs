//! Who looks at a page, for as long as one request lasts. Nothing here prints: neither an address nor a user agent may
//! reach a log by accident. What is kept of a visitor is decided by the store.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// A longer user agent says no more about who somebody is, and is cut before it is hashed.
const MOST_AGENT_BYTES: usize = 512;

/// A visitor: an address and a user agent.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Visitor {
    address: IpAddr,
    agent: String,
}

impl fmt::Debug for Visitor {
    /// Never who it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Visitor")
    }
}

impl Visitor {
    /// The visitor behind `address`, as API Gateway or `CloudFront` writes it; `None` where that is no address.
    pub fn new(address: &str, agent: &str) -> Option<Self> {
        let address = address.parse::<IpAddr>().ok()?.to_canonical();
        let end = agent.floor_char_boundary(MOST_AGENT_BYTES);
        Some(Self { address, agent: agent[..end].to_owned() })
    }

    /// The address of `CloudFront-Viewer-Address`: in front of its last colon, which a port follows.
    pub fn address_of_viewer(header: &str) -> Option<&str> {
        let (address, port) = header.trim().rsplit_once(':')?;
        let address = address.trim_start_matches('[').trim_end_matches(']');
        (port.bytes().all(|byte| byte.is_ascii_digit()) && address.parse::<IpAddr>().is_ok())
            .then_some(address)
    }

    /// The whole address: for `visitors = "raw"` alone.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// What tells visitors apart: an IPv4 address, or the first 64 bits of an IPv6 one, of which a household has one
    /// and a device as many as it likes.
    pub fn network(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(_) => self.address,
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        }
    }

    /// The user agent, cut to a length that tells apart.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// What a keyed hash is made of: who it is, on which site, and on which page if that is asked. Lengths stand in front,
    /// so that no two visitors have the same bytes.
    pub fn bytes(&self, site: &str, page: Option<&str>) -> Vec<u8> {
        let network = self.network().to_string();
        let mut bytes = Vec::with_capacity(64 + site.len() + self.agent.len());
        for part in [site, &network, &self.agent, page.unwrap_or_default()] {
            bytes.extend((part.len() as u64).to_be_bytes());
            bytes.extend(part.as_bytes());
        }
        bytes.push(u8::from(page.is_some()));
        bytes
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_household_is_one_network() {
        let network = |address: &str| Visitor::new(address, "").expect("an address").network().to_string();
        assert_eq!(network("203.0.113.7"), "203.0.113.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("2001:db8:1:2::1"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:203.0.113.7"), "203.0.113.7", "IPv4 in IPv6's clothes");
        for wrong in ["", "localhost", "203.0.113.7:80", "1.2.3", "203.0.113.7, 10.0.0.1"] {
            assert_eq!(Visitor::new(wrong, "a"), None, "{wrong}");
        }
    }

    #[test]
    fn the_viewers_address_comes_with_a_port() {
        assert_eq!(Visitor::address_of_viewer("203.0.113.7:46532"), Some("203.0.113.7"));
        assert_eq!(Visitor::address_of_viewer("2001:db8::1:46532"), Some("2001:db8::1"));
        assert_eq!(Visitor::address_of_viewer("[2001:db8::1]:46532"), Some("2001:db8::1"));
        for wrong in ["", "203.0.113.7", "evil:80", "203.0.113.7:http"] {
            assert_eq!(Visitor::address_of_viewer(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn nothing_is_said_of_a_visitor() {
        let visitor = Visitor::new("203.0.113.7", "Secret/1.0").expect("an address");
        assert_eq!(format!("{visitor:?}"), "Visitor");
    }

    proptest! {
        #[test]
        fn other_visitors_have_other_bytes(a in "[a-c]{0,3}", b in "[a-c]{0,3}", c in "[a-c]{0,3}", d in "[a-c]{0,3}", p in any::<bool>(), q in any::<bool>()) {
            let bytes = |site: &str, agent: &str, page: bool| {
                Visitor::new("203.0.113.7", agent).expect("an address").bytes(site, page.then_some("/"))
            };
            prop_assert_eq!(bytes(&a, &b, p) == bytes(&c, &d, q), (a, b, p) == (c, d, q));
        }
    }
}
