//! Where a request comes from, told so that no client can choose it.
//!
//! Behind trusted proxies the client is the right-most entry of `X-Forwarded-For` that no trusted proxy vouches past;
//! everything to the left of it is hearsay. Whatever can't be read ends the walk at the last hop that is known, so the worst
//! a forged header achieves is to be counted with the proxy itself.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};

/// The networks whose `X-Forwarded-For` is believed. None by default: then only the socket counts.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    pub fn new(networks: impl IntoIterator<Item = IpNet>) -> Self {
        Self(networks.into_iter().map(fold_network).collect())
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// The client's network address, or the knowledge that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ClientAddress {
    Known(IpAddr),
    /// No usable address. All such requests are one client as far as limits go.
    Unknown,
}

/// What a limit counts: an address or a block of them. All unknown addresses are one network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(Option<IpNet>);

impl ClientAddress {
    /// The address behind `peer`, the other end of the socket.
    ///
    /// `forwarded_for` are all values of all `X-Forwarded-For` headers in the order in which they came, unread ones
    /// included: leaving out a malformed one would make a client of what stands left of it.
    pub fn of<V: AsRef<[u8]>>(
        peer: Option<IpAddr>,
        forwarded_for: impl DoubleEndedIterator<Item = V>,
        trusted: &TrustedProxies,
    ) -> Self {
        let Some(peer) = peer else { return Self::Unknown };
        let mut hop = peer.to_canonical();
        if !trusted.contains(hop) {
            return Self::Known(hop);
        }
        for value in forwarded_for.rev() {
            for entry in value.as_ref().rsplit(|&byte| byte == b',') {
                match read(entry) {
                    None => return Self::Known(hop),
                    Some(address) if trusted.contains(address) => hop = address,
                    Some(address) => return Self::Known(address),
                }
            }
        }
        Self::Known(hop)
    }

    /// The block that one subscriber commands: an IPv4 address, an IPv6 /64 (RFC 6177).
    pub fn bucket(&self) -> Network {
        match self {
            Self::Known(IpAddr::V4(_)) => self.block(32),
            Self::Known(IpAddr::V6(_)) => self.block(64),
            Self::Unknown => Network(None),
        }
    }

    /// The IPv6 /56 around the address, as providers give to homes; `None` for IPv4 and unknown.
    pub fn network56(&self) -> Option<Network> {
        matches!(self, Self::Known(IpAddr::V6(_))).then(|| self.block(56))
    }

    /// The IPv6 /48 around the address, as providers give to sites; `None` for IPv4 and unknown.
    pub fn network48(&self) -> Option<Network> {
        matches!(self, Self::Known(IpAddr::V6(_))).then(|| self.block(48))
    }

    /// The exact address for the record; empty when unknown.
    pub fn text(&self) -> String {
        match self {
            Self::Known(address) => address.to_string(),
            Self::Unknown => String::new(),
        }
    }

    fn block(&self, prefix: u8) -> Network {
        match self {
            Self::Known(address) => Network(IpNet::new(*address, prefix).ok().map(|network| network.trunc())),
            Self::Unknown => Network(None),
        }
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(address) => address.fmt(f),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(network) => network.fmt(f),
            None => f.write_str("unknown"),
        }
    }
}

/// An entry as proxies write it: an address, with or without a port, an IPv6 one perhaps in brackets.
fn read(entry: &[u8]) -> Option<IpAddr> {
    let entry = std::str::from_utf8(entry).ok()?.trim_matches([' ', '\t']);
    let bare = entry.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse::<IpAddr>().or_else(|_| entry.parse::<SocketAddr>().map(|with_port| with_port.ip()));
    address.ok().map(|address| address.to_canonical())
}

/// `::ffff:10.0.0.0/104` means 10.0.0.0/8, since addresses are folded before they are looked up.
fn fold_network(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network.trunc() };
    let folded = match (v6.addr().to_ipv4_mapped(), v6.prefix_len().checked_sub(96)) {
        (Some(v4), Some(prefix)) => Ipv4Net::new(v4, prefix).ok().map(IpNet::V4),
        _ => None,
    };
    folded.unwrap_or(network).trunc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, headers: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "2001:db8:aaaa::/48", "::ffff:192.168.1.0/120"];
        let trusted = TrustedProxies::new(trusted.iter().map(|network| network.parse().unwrap()));
        ClientAddress::of(peer.parse().ok(), headers.iter(), &trusted).text()
    }

    #[test]
    fn without_a_trusted_peer_the_header_is_ignored() {
        assert_eq!(client("203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(client("203.0.113.9", &["10.0.0.1"]), "203.0.113.9");
    }

    #[test]
    fn the_right_most_untrusted_entry_is_the_client() {
        assert_eq!(client("10.0.0.1", &["1.1.1.1, 198.51.100.7, 10.2.2.2"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["1.1.1.1", "198.51.100.7,10.9.9.9", "10.2.2.2"]), "198.51.100.7");
        assert_eq!(client("10.0.0.1", &["10.3.3.3, 10.2.2.2"]), "10.3.3.3", "all trusted: the first of them");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1", "a proxy that strips the header is one bucket");
    }

    #[test]
    fn garbage_ends_the_walk_at_the_last_hop_known() {
        for header in
            ["6.6.6.6, unknown, 10.2.2.2", "6.6.6.6,,10.2.2.2", "6.6.6.6, _hidden ,10.2.2.2", "6.6.6.6,\u{e9},10.2.2.2"]
        {
            assert_eq!(client("10.0.0.1", &[header]), "10.2.2.2", "{header}");
        }
        assert_eq!(client("10.0.0.1", &["6.6.6.6", "", "10.2.2.2"]), "10.2.2.2");
    }

    #[test]
    fn spellings_of_one_address_are_one_address() {
        for header in
            ["198.51.100.7", " 198.51.100.7 ", "::ffff:198.51.100.7", "198.51.100.7:4711", "[::ffff:198.51.100.7]:80"]
        {
            assert_eq!(client("::ffff:10.0.0.1", &[header]), "198.51.100.7", "{header}");
        }
        assert_eq!(client("192.168.1.5", &["[2001:DB8::0:1]"]), "2001:db8::1");
    }

    #[test]
    fn buckets_are_what_one_subscriber_commands() {
        let known = |text: &str| ClientAddress::Known(text.parse().unwrap());
        assert_eq!(known("198.51.100.7").bucket().to_string(), "198.51.100.7/32");
        let v6 = known("2001:db8:1:2ff:3::4");
        assert_eq!(v6.bucket().to_string(), "2001:db8:1:2ff::/64");
        assert_eq!(v6.network56().unwrap().to_string(), "2001:db8:1:200::/56");
        assert_eq!(v6.network48().unwrap().to_string(), "2001:db8:1::/48");
        assert_eq!(known("198.51.100.7").network48(), None);
        let unknown = ClientAddress::of(None, ["1.1.1.1"].iter(), &TrustedProxies::default());
        assert_eq!((unknown.bucket().to_string(), unknown.text()), ("unknown".into(), String::new()));
    }
}
