//! Calls from this server to others: identity providers, and whoever wants to be told what happens.
//!
//! Where a call leads is often told by somebody else (a discovery document, say), so it must not be led to what only this
//! machine can reach: every address that a name resolves to is looked at, and the connection is made to exactly those.
//! Nothing is followed, nothing goes through a proxy, an answer is read to its bound and no further, and all of it has to
//! be over in time. Without TLS only networks are called that the operator named.

mod names;

use std::future::Future;
use std::net::{IpAddr, Ipv6Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use http::{Request, Response, StatusCode};
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::sync::{Semaphore, SemaphorePermit};
use url::{Host, Url};

use names::Names;

const CONNECTING: Duration = Duration::from_secs(3);
/// Bytes that are read of an answer.
pub const ANSWER_LIMIT: usize = 64 * 1024;
/// How long the rest of an answer may take, of which only the status counts.
const REST: Duration = Duration::from_secs(1);

/// What is expected of those who are called.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// From the first byte out to the last one in.
    pub patience: Duration,
    /// Calls under way at a time: somebody who hangs keeps no more than these.
    pub at_a_time: usize,
}

/// Of identity providers: a browser waits.
pub const PROVIDERS: Pace = Pace { patience: Duration::from_secs(8), at_a_time: 128 };
/// Of those who check captchas: somebody waits for a guest.
pub const CAPTCHAS: Pace = Pace { patience: Duration::from_secs(4), at_a_time: 256 };

/// Calls others. Cheap to clone.
#[derive(Clone)]
pub struct Outgoing {
    client: reqwest::Client,
    allowed: Arc<[IpNet]>,
    names: Arc<Names>,
    slots: Arc<Semaphore>,
}

#[derive(Debug, thiserror::Error)]
pub enum OutgoingError {
    #[error("{0} is not called: {1}")]
    Refused(String, &'static str),
    #[error("too many calls are under way")]
    Busy,
    #[error("no answer: {0}")]
    Failed(String),
    #[error("the answer is longer than {ANSWER_LIMIT} bytes")]
    TooLong,
    #[error("TLS can't be set up: {0}")]
    Tls(String),
}

impl Outgoing {
    /// `allowed` are the private networks that may be called, and without TLS these alone.
    pub fn new(allowed: &[IpNet], pace: Pace) -> Result<Self, OutgoingError> {
        let (allowed, names): (Arc<[IpNet]>, _) = (allowed.into(), Arc::new(Names::new()));
        let tls = |error: &dyn std::fmt::Display| OutgoingError::Tls(error.to_string());
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| tls(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder()
            .tls_backend_preconfigured(config)
            .dns_resolver(Arc::new(Checked { allowed: allowed.clone(), names: names.clone() }))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .timeout(pace.patience)
            .connect_timeout(CONNECTING)
            .user_agent(concat!("chrysalis/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| tls(&error))?;
        Ok(Self { client, allowed, names, slots: Arc::new(Semaphore::new(pace.at_a_time)) })
    }

    /// Sends a request and reads the answer, whatever its status.
    pub async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, OutgoingError> {
        let (answer, _slot) = self.answer(request).await?;
        let mut response = Response::new(Vec::new());
        *response.status_mut() = answer.status();
        *response.headers_mut() = answer.headers().clone();
        let mut stream = answer.bytes_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| failed(&error))?;
            if response.body().len() + chunk.len() > ANSWER_LIMIT {
                return Err(OutgoingError::TooLong);
            }
            response.body_mut().extend_from_slice(&chunk);
        }
        Ok(response)
    }

    /// Sends a request that is answered by a status. Of what follows it, only so much is read as lets the connection be
    /// used again.
    pub async fn tell(&self, request: Request<Vec<u8>>) -> Result<StatusCode, OutgoingError> {
        let (answer, _slot) = self.answer(request).await?;
        let status = answer.status();
        let mut stream = answer.bytes_stream();
        let rest = async {
            let mut read = 0;
            while let Some(Ok(chunk)) = stream.next().await {
                read += chunk.len();
                if read > ANSWER_LIMIT {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(REST, rest).await;
        Ok(status)
    }

    async fn answer(
        &self,
        request: Request<Vec<u8>>,
    ) -> Result<(reqwest::Response, SemaphorePermit<'_>), OutgoingError> {
        let url = Url::parse(&request.uri().to_string()).map_err(|error| OutgoingError::Failed(error.to_string()))?;
        self.check(&url)?;
        let slot = self.slots.try_acquire().map_err(|_| OutgoingError::Busy)?;
        let request = reqwest::Request::try_from(request).map_err(|error| failed(&error))?;
        let answer = self.client.execute(request).await.map_err(|error| failed(&error))?;
        Ok((answer, slot))
    }

    /// Whether the URL may be called, as far as can be told beforehand: a name that leads nowhere today may lead
    /// somewhere tomorrow, and is looked at again with each call.
    pub async fn may_call(&self, url: &Url) -> Result<(), OutgoingError> {
        self.check(url)?;
        let Some(Host::Domain(name)) = url.host() else { return Ok(()) };
        let found = tokio::time::timeout(CONNECTING, self.names.look_up(name)).await;
        let found: Vec<_> = found.ok().and_then(Result::ok).into_iter().flatten().collect();
        if found.is_empty() || found.iter().any(|found| fits(&self.allowed, found.ip())) {
            return Ok(());
        }
        Err(OutgoingError::Refused(url.origin().ascii_serialization(), "its name leads to no public address"))
    }

    /// A name is looked at when it is resolved; an address stands in the URL itself.
    fn check(&self, url: &Url) -> Result<(), OutgoingError> {
        let refused = |why| Err(OutgoingError::Refused(url.origin().ascii_serialization(), why));
        let plain = match url.scheme() {
            "https" => false,
            "http" => true,
            _ => return refused("neither https nor http"),
        };
        let address = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            // A name that is not resolved by others; without TLS no other is taken at its word.
            Some(Host::Domain(name)) if is_localhost(name) => Some(IpAddr::V6(Ipv6Addr::LOCALHOST)),
            Some(Host::Domain(_)) => None,
            None => return refused("it has no host"),
        };
        match address {
            Some(address) if is_allowed(&self.allowed, address) => Ok(()),
            Some(address) if !is_public(address) => refused("it is private; see outgoing.allow"),
            _ if plain => refused("it has no TLS; see outgoing.allow"),
            _ => Ok(()),
        }
    }
}

/// This machine, by name (RFC 6761).
fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name == "localhost" || name.ends_with(".localhost")
}

/// For the exchange of a code.
impl<'c> oauth2::AsyncHttpClient<'c> for Outgoing {
    type Error = OutgoingError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Vec<u8>>, OutgoingError>> + Send + 'c>>;

    fn call(&'c self, request: Request<Vec<u8>>) -> Self::Future {
        Box::pin(self.send(request))
    }
}

fn failed(error: &reqwest::Error) -> OutgoingError {
    // The innermost cause says what happened; the URL is left out, as it may carry what is nobody else's.
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    OutgoingError::Failed(cause.to_string())
}

/// Resolves names, and lets only those addresses through that may be called.
struct Checked {
    allowed: Arc<[IpNet]>,
    names: Arc<Names>,
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (allowed, names) = (self.allowed.clone(), self.names.clone());
        Box::pin(async move {
            let mut fit = names.look_up(name.as_str()).await?;
            fit.retain(|found| fits(&allowed, found.ip()));
            if fit.is_empty() {
                return Err("the name leads to no public address; see outgoing.allow".into());
            }
            Ok(Box::new(fit.into_iter()) as Addrs)
        })
    }
}

fn fits(allowed: &[IpNet], address: IpAddr) -> bool {
    is_public(address) || is_allowed(allowed, address)
}

fn is_allowed(allowed: &[IpNet], address: IpAddr) -> bool {
    let address = unfolded(address);
    // `localhost` is both of them.
    let loopback = |network: &IpNet| address.is_loopback() && network.addr().is_loopback();
    allowed.iter().any(|network| network.contains(&address) || loopback(network))
}

/// Whether everybody can reach the address: not this machine, a private network, or one that is kept for other uses
/// (RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match unfolded(address) {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (b == 18 || b == 19)))
        }
        IpAddr::V6(v6) => {
            let [first, second, ..] = v6.segments();
            // Only 2000::/3 is given out, less documentation, benchmarking and Teredo (2001::/23), and 6to4.
            first & 0xe000 == 0x2000 && !(first == 0x2001 && (second < 0x200 || second == 0xdb8)) && first != 0x2002
        }
    }
}

/// An IPv4 address that stands in an IPv6 one: mapped, or behind NAT64 (RFC 6052).
fn unfolded(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => match v6.segments() {
            [0x64, 0xff9b, 0, 0, 0, 0, high, low] => IpAddr::V4(((u32::from(high) << 16) | u32::from(low)).into()),
            _ => address.to_canonical(),
        },
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is(address: &str) -> bool {
        is_public(address.parse().unwrap())
    }

    #[test]
    fn only_what_everybody_can_reach_is_public() {
        for public in ["93.184.216.34", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"] {
            assert!(is(public), "{public}");
        }
        for private in [
            "127.0.0.1",
            "127.9.9.9",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::a00:1",
            "fe80::1",
            "fc00::1",
            "fd12:3456::1",
            "ff02::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::1",
        ] {
            assert!(!is(private), "{private}");
        }
    }

    #[test]
    fn a_url_is_called_only_where_it_may_lead() {
        let strict = Outgoing::new(&[], PROVIDERS).unwrap();
        let lenient = Outgoing::new(&["127.0.0.0/8".parse().unwrap()], PROVIDERS).unwrap();
        let may = |outgoing: &Outgoing, url: &str| outgoing.check(&Url::parse(url).unwrap()).is_ok();
        for url in ["https://id.example.com/x", "https://93.184.216.34/"] {
            assert!(may(&strict, url), "{url}");
        }
        for url in [
            "http://id.example.com/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://localhost/",
            "https://localhost./",
            "https://app.localhost/",
            "https://[::1]/",
            "https://[::ffff:127.0.0.1]/",
            "https://169.254.169.254/latest/meta-data",
            "ftp://id.example.com/",
            "file:///etc/passwd",
        ] {
            assert!(!may(&strict, url), "{url}");
        }
        for url in ["http://127.0.0.1:8080/", "http://localhost:8080/", "https://127.0.0.1/"] {
            assert!(may(&lenient, url), "{url}");
        }
        assert!(!may(&lenient, "http://10.0.0.1/"));
        assert!(!may(&lenient, "http://id.example.com/"));
    }
}
