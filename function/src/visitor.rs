//! The visitor of a page, kept only during a request. Its `Debug` output is empty, so that neither an address
//! nor a user agent reaches a log by accident. The store decides what is stored about a visitor.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

/// The maximum length of a user agent, in bytes. Longer user agents are truncated before hashing, because the
/// first bytes suffice to distinguish visitors.
const MAX_AGENT_BYTES: usize = 512;

/// A visitor, identified by address and user agent.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Visitor {
    address: IpAddr,
    agent: String,
}

impl fmt::Debug for Visitor {
    /// Omits the address and the user agent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Visitor")
    }
}

impl Visitor {
    /// Creates a visitor from an address as API Gateway or CloudFront writes it; `None` if it is not an
    /// address.
    pub fn new(address: &str, agent: &str) -> Option<Self> {
        let address = address.parse::<IpAddr>().ok()?.to_canonical();
        let end = agent.floor_char_boundary(MAX_AGENT_BYTES);
        Some(Self { address, agent: agent[..end].to_owned() })
    }

    /// Returns the address in a `CloudFront-Viewer-Address` header: the text before the last colon. The port
    /// follows the colon.
    pub fn parse_viewer_address(header: &str) -> Option<&str> {
        let (address, port) = header.trim().rsplit_once(':')?;
        let address = address.trim_start_matches('[').trim_end_matches(']');
        (port.bytes().all(|byte| byte.is_ascii_digit()) && address.parse::<IpAddr>().is_ok())
            .then_some(address)
    }

    /// Returns the full address; used only with `visitors = "raw"`.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// Returns the part of the address that identifies a visitor: an IPv4 address, or the first 64 bits of an
    /// IPv6 address. A household has one such prefix, but a device may use many addresses with it.
    pub fn network(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(_) => self.address,
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX))),
        }
    }

    /// Returns the user agent, truncated to the maximum length.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// Returns the input of the keyed hash: the visitor, the site and, if given, the page. Each part is
    /// prefixed with its length, so that different visitors never have the same bytes.
    pub fn hash_input(&self, site: &str, page: Option<&str>) -> Vec<u8> {
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
    fn household_is_one_network() {
        let network = |address: &str| Visitor::new(address, "").expect("an address").network().to_string();
        assert_eq!(network("203.0.113.7"), "203.0.113.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("2001:db8:1:2::1"), "2001:db8:1:2::");
        assert_eq!(network("::ffff:203.0.113.7"), "203.0.113.7", "an IPv4-mapped IPv6 address");
        for wrong in ["", "localhost", "203.0.113.7:80", "1.2.3", "203.0.113.7, 10.0.0.1"] {
            assert_eq!(Visitor::new(wrong, "a"), None, "{wrong}");
        }
    }

    #[test]
    fn viewer_address_is_read_without_its_port() {
        assert_eq!(Visitor::parse_viewer_address("203.0.113.7:46532"), Some("203.0.113.7"));
        assert_eq!(Visitor::parse_viewer_address("2001:db8::1:46532"), Some("2001:db8::1"));
        assert_eq!(Visitor::parse_viewer_address("[2001:db8::1]:46532"), Some("2001:db8::1"));
        for wrong in ["", "203.0.113.7", "evil:80", "203.0.113.7:http"] {
            assert_eq!(Visitor::parse_viewer_address(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn debug_output_of_visitor_is_empty() {
        let visitor = Visitor::new("203.0.113.7", "Secret/1.0").expect("an address");
        assert_eq!(format!("{visitor:?}"), "Visitor");
    }

    proptest! {
        #[test]
        fn different_visitors_have_different_hash_inputs(a in "[a-c]{0,3}", b in "[a-c]{0,3}", c in "[a-c]{0,3}", d in "[a-c]{0,3}", p in any::<bool>(), q in any::<bool>()) {
            let hash_input = |site: &str, agent: &str, page: bool| {
                Visitor::new("203.0.113.7", agent).expect("an address").hash_input(site, page.then_some("/"))
            };
            prop_assert_eq!(hash_input(&a, &b, p) == hash_input(&c, &d, q), (a, b, p) == (c, d, q));
        }
    }
}
