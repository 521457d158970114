//! `allowed_outbound_hosts`: what an entry means and whether it allows an address. Spin's rules: `scheme://host[:port]`, where the scheme
//! may be `*`, the host `*`, `*.domain`, an IP address, a network such as `10.0.0.0/8` or `self`, and the port `*`, a number or a range
//! such as `8000..8010` (the end is not part of it). No requests are sent in here.

use std::fmt;
use std::net::IpAddr;

/// Why an entry cannot be understood.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{entry:?} is not an address that can be allowed: {reason}; write for instance \"https://example.org\", \"http://*.example.org:8080\" or \"http://other.spin.internal\""
)]
pub struct EntryError {
    entry: String,
    reason: String,
}

/// The addresses that one component may send requests to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts {
    entries: Vec<Entry>,
}

/// Where a request goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// `http` or `https`.
    pub scheme: String,
    /// Name or IP address, lower case, an IPv6 address without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    scheme: Option<String>,
    host: Host,
    port: Port,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Any,
    /// The application itself.
    Own,
    /// With the dot that it begins with.
    Suffix(String),
    Exact(String),
    Network {
        address: u128,
        prefix: u8,
        v4: bool,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Port {
    Any,
    /// The end is not part of it.
    Range {
        start: u16,
        end: u32,
    },
}

impl AllowedHosts {
    /// Reads the entries of a component, templates already resolved.
    ///
    /// # Errors
    /// See [`EntryError`].
    pub fn parse<S: AsRef<str>>(entries: &[S]) -> Result<Self, EntryError> {
        Ok(Self {
            entries: entries
                .iter()
                .map(|entry| Entry::parse(entry.as_ref()))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether a request may go there.
    pub fn allow(&self, address: &Address) -> bool {
        self.entries.iter().any(|entry| entry.allows(address))
    }

    /// Whether requests to the application's own routes are allowed.
    pub fn allow_own(&self, scheme: &str) -> bool {
        self.entries.iter().any(|entry| {
            entry
                .scheme
                .as_ref()
                .is_none_or(|allowed| allowed == scheme)
                && matches!(entry.host, Host::Own | Host::Any)
        })
    }

    /// Whether no request may be sent at all.
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl Address {
    /// The address of a request's URL; `None` if it has no scheme that is known or no host.
    pub fn of(uri: &http::Uri) -> Option<Self> {
        let scheme = uri.scheme_str()?.to_ascii_lowercase();
        let host = uri
            .host()?
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_ascii_lowercase();
        let port = match uri.port() {
            // `port_u16` has no answer to a port such as 99999, and the default would be another address than the one asked for.
            Some(port) => port.as_str().parse().ok()?,
            None => well_known_port(&scheme)?,
        };
        (!host.is_empty()).then_some(Self { scheme, host, port })
    }

    /// The component of this application that is meant, for `http://COMPONENT.spin.internal`.
    pub fn component(&self) -> Option<&str> {
        self.host
            .strip_suffix(".spin.internal")
            .filter(|component| !component.is_empty() && !component.contains('.'))
    }

    /// Whether the application itself is meant.
    pub fn is_own(&self) -> bool {
        matches!(self.host.as_str(), "self" | "self.alt")
    }

    /// Whether the host is an IPv6 address.
    fn is_v6(&self) -> bool {
        self.host.contains(':')
    }
}

/// As an entry of `allowed_outbound_hosts` would have it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme)?;
        if self.is_v6() {
            write!(f, "[{}]", self.host)?
        } else {
            f.write_str(&self.host)?
        }
        if well_known_port(&self.scheme) != Some(self.port) {
            write!(f, ":{}", self.port)?;
        }
        Ok(())
    }
}

fn well_known_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        "redis" => Some(6379),
        "mysql" => Some(3306),
        "postgres" => Some(5432),
        "mqtt" => Some(1883),
        _ => None,
    }
}

impl Entry {
    fn parse(entry: &str) -> Result<Self, EntryError> {
        let wrong = |reason: &str| EntryError {
            entry: entry.to_owned(),
            reason: reason.to_owned(),
        };
        let text = entry.trim();
        if text == "insecure:allow-all" {
            return Err(wrong("it is of Spin 1; \"*://*:*\" allows everything"));
        }
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| wrong("it has no scheme"))?;
        let scheme = match scheme {
            "*" => None,
            _ if !scheme.is_empty() && scheme.bytes().all(|c| c.is_ascii_alphabetic()) => {
                Some(scheme.to_ascii_lowercase())
            }
            _ => return Err(wrong("the scheme is neither letters nor *")),
        };
        let (rest, network) = split_network(rest);
        let rest = rest.strip_suffix('/').unwrap_or(&rest);
        if rest.contains('/') {
            return Err(wrong(
                "it has a path; only scheme, host and port can be allowed",
            ));
        }
        let (host, port) = split_port(rest);
        let port = match port {
            None => {
                let Some(scheme) = &scheme else {
                    return Err(wrong("a scheme of * needs a port, which may be *"));
                };
                let port = well_known_port(scheme)
                    .ok_or_else(|| wrong("the scheme has no port of its own; add one"))?;
                Port::one(port)
            }
            Some("*") => Port::Any,
            Some(port) => match port.split_once("..") {
                Some((start, end)) => {
                    let start = start.parse().map_err(|_| {
                        wrong("the range of ports does not begin with a number up to 65535")
                    })?;
                    let end = end.parse::<u16>().map_err(|_| {
                        wrong("the range of ports does not end with a number up to 65535")
                    })?;
                    if end <= start {
                        return Err(wrong(
                            "the range of ports is empty; its end is not part of it",
                        ));
                    }
                    Port::Range {
                        start,
                        end: end.into(),
                    }
                }
                None => Port::one(port.parse().map_err(|_| {
                    wrong("the port is neither a number up to 65535, a range nor *")
                })?),
            },
        };
        let host = Host::parse(host, network).map_err(|reason| wrong(&reason))?;
        Ok(Self { scheme, host, port })
    }

    fn allows(&self, address: &Address) -> bool {
        let scheme = self
            .scheme
            .as_ref()
            .is_none_or(|scheme| *scheme == address.scheme);
        let port = match self.port {
            Port::Any => true,
            Port::Range { start, end } => address.port >= start && u32::from(address.port) < end,
        };
        scheme && port && self.host.allows(&address.host)
    }
}

/// Takes `/8` of `10.0.0.0/8` or `10.0.0.0/8:80` out: gives the rest, and the bits.
fn split_network(text: &str) -> (String, Option<String>) {
    let Some((address, rest)) = text.split_once('/') else {
        return (text.to_owned(), None);
    };
    let bits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let after = rest.get(bits.len()..).unwrap_or_default();
    if bits.is_empty() || !(after.is_empty() || after.starts_with([':', '/'])) {
        return (text.to_owned(), None);
    }
    (format!("{address}{after}"), Some(bits))
}

/// Host and port; an IPv6 address comes without its brackets.
fn split_port(text: &str) -> (&str, Option<&str>) {
    if let Some((address, after)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (address, after.strip_prefix(':'));
    }
    match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    }
}

impl Port {
    fn one(port: u16) -> Self {
        Self::Range {
            start: port,
            end: u32::from(port) + 1,
        }
    }
}

impl Host {
    fn parse(host: &str, network: Option<String>) -> Result<Self, String> {
        let host = host.trim().to_ascii_lowercase();
        if let Some(bits) = network {
            let address: IpAddr = host
                .parse()
                .map_err(|_| "a network needs an IP address before the slash".to_owned())?;
            let (address, width, v4) = number(address);
            let prefix = bits
                .parse()
                .ok()
                .filter(|bits: &u8| *bits <= width)
                .ok_or_else(|| format!("a network has 0 to {width} bits"))?;
            return Ok(Self::Network {
                address,
                prefix,
                v4,
            });
        }
        match host.as_str() {
            "" => return Err("it has no host".to_owned()),
            "*" => return Ok(Self::Any),
            "self" | "self.alt" => return Ok(Self::Own),
            _ => {}
        }
        if let Some(domain) = host.strip_prefix("*.") {
            if domain.is_empty() || domain.contains('*') {
                return Err("a host has one * at most, at its beginning".to_owned());
            }
            return Ok(Self::Suffix(format!(".{domain}")));
        }
        if host.contains('*') {
            return Err("* stands for a whole host or for all before the first dot".to_owned());
        }
        if host.contains(['{', '}', ',', ' ', '@']) {
            return Err("the host has characters that no host has".to_owned());
        }
        Ok(Self::Exact(host))
    }

    fn allows(&self, host: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Own => false,
            Self::Suffix(suffix) => host.ends_with(suffix.as_str()),
            Self::Exact(exact) => host == exact,
            Self::Network {
                address,
                prefix,
                v4,
            } => {
                let Ok(asked) = host.parse::<IpAddr>() else {
                    return false;
                };
                let (asked, width, asked_v4) = number(asked);
                let rest = u32::from(width - prefix);
                *v4 == asked_v4
                    && asked.checked_shr(rest).unwrap_or(0)
                        == address.checked_shr(rest).unwrap_or(0)
            }
        }
    }
}

/// The address as a number, its width in bits, and whether it is of version 4.
fn number(address: IpAddr) -> (u128, u8, bool) {
    match address {
        IpAddr::V4(address) => (u32::from(address).into(), 32, true),
        IpAddr::V6(address) => (address.into(), 128, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allows(entry: &str, url: &str) -> bool {
        let address = Address::of(&url.parse().unwrap()).unwrap();
        AllowedHosts::parse(&[entry]).unwrap().allow(&address)
    }

    #[test]
    fn entries_allow_what_they_name_and_nothing_else() {
        for (entry, yes, no) in [
            (
                "http://example.org",
                vec!["http://example.org/a?b", "http://EXAMPLE.org:80"],
                vec![
                    "https://example.org",
                    "http://example.org:8080",
                    "http://a.example.org",
                    "http://example.org.evil.net",
                ],
            ),
            (
                "https://example.org/",
                vec!["https://example.org"],
                vec!["http://example.org"],
            ),
            (
                "https://example.org:8443",
                vec!["https://example.org:8443"],
                vec!["https://example.org"],
            ),
            (
                "*://example.org:*",
                vec!["http://example.org", "https://example.org:1"],
                vec!["http://example.com"],
            ),
            (
                "http://*.example.org",
                vec!["http://a.example.org", "http://a.b.example.org"],
                vec!["http://example.org", "http://aexample.org"],
            ),
            (
                "http://*:8000..8010",
                vec!["http://x:8000", "http://y:8009"],
                vec!["http://x:8010", "http://x:7999", "http://x"],
            ),
            (
                "*://*:*",
                vec!["http://x", "https://127.0.0.1:9", "http://[::1]:80"],
                vec![],
            ),
            (
                "http://10.0.0.0/8:80",
                vec!["http://10.1.2.3"],
                vec!["http://11.0.0.1", "http://10.1.2.3:81", "http://[::a00:1]"],
            ),
            (
                "http://192.168.1.0/24",
                vec!["http://192.168.1.255"],
                vec!["http://192.168.2.0", "http://192.168.1.0.evil.net"],
            ),
            (
                "http://[::1]:80",
                vec!["http://[::1]"],
                vec!["http://[::2]", "http://127.0.0.1"],
            ),
            (
                "http://[fd00::]/8",
                vec!["http://[fdff::1]"],
                vec!["http://[fc00::1]"],
            ),
            (
                "http://other.spin.internal",
                vec!["http://other.spin.internal"],
                vec!["http://third.spin.internal", "https://other.spin.internal"],
            ),
            (
                "http://self",
                vec![],
                vec!["http://self", "http://localhost"],
            ),
        ] {
            for url in yes {
                assert!(allows(entry, url), "{entry} must allow {url}");
            }
            for url in no {
                assert!(!allows(entry, url), "{entry} must not allow {url}");
            }
        }
    }

    #[test]
    fn nothing_is_allowed_without_an_entry() {
        let address = Address::of(&"http://example.org".parse().unwrap()).unwrap();
        assert!(!AllowedHosts::default().allow(&address));
        assert!(!AllowedHosts::default().allow_own("http"));
    }

    #[test]
    fn user_names_in_a_url_do_not_change_where_it_goes() {
        let address = Address::of(&"http://example.org@evil.net/".parse().unwrap()).unwrap();
        assert_eq!(address.host, "evil.net");
    }

    #[test]
    fn requests_to_the_application_itself_need_their_own_entry() {
        let allowed = AllowedHosts::parse(&["http://self"]).unwrap();
        assert!(allowed.allow_own("http"));
        assert!(!allowed.allow_own("https"));
        assert!(
            !AllowedHosts::parse(&["http://localhost"])
                .unwrap()
                .allow_own("http")
        );
    }

    #[test]
    fn addresses_say_which_component_they_mean_and_how_to_allow_them() {
        for (url, component, entry) in [
            (
                "http://other.spin.internal/x",
                Some("other"),
                "http://other.spin.internal",
            ),
            (
                "http://a.b.spin.internal/x",
                None,
                "http://a.b.spin.internal",
            ),
            ("http://spin.internal/x", None, "http://spin.internal"),
            (
                "https://example.org:8443/x",
                None,
                "https://example.org:8443",
            ),
            ("http://[::1]:80/", None, "http://[::1]"),
        ] {
            let address = Address::of(&url.parse().unwrap()).unwrap();
            assert_eq!(address.component(), component, "{url}");
            assert_eq!(address.to_string(), entry);
        }
    }

    #[test]
    fn entries_that_mean_nothing_are_errors() {
        for (entry, reason) in [
            ("", "it has no scheme"),
            ("*", "it has no scheme"),
            ("example.org", "it has no scheme"),
            (
                "insecure:allow-all",
                "it is of Spin 1; \"*://*:*\" allows everything",
            ),
            ("h_p://example.org", "the scheme is neither letters nor *"),
            (
                "*://example.org",
                "a scheme of * needs a port, which may be *",
            ),
            (
                "gopher://example.org",
                "the scheme has no port of its own; add one",
            ),
            (
                "http://example.org/path",
                "it has a path; only scheme, host and port can be allowed",
            ),
            (
                "http://example.org:99999",
                "the port is neither a number up to 65535, a range nor *",
            ),
            (
                "http://example.org:9..3",
                "the range of ports is empty; its end is not part of it",
            ),
            (
                "http://a.*.org",
                "* stands for a whole host or for all before the first dot",
            ),
            (
                "http://*.*.org",
                "a host has one * at most, at its beginning",
            ),
            ("http://", "it has no host"),
            ("http://10.0.0.0/33", "a network has 0 to 32 bits"),
            (
                "http://example/8",
                "a network needs an IP address before the slash",
            ),
            (
                "http://{{ host }}",
                "the host has characters that no host has",
            ),
        ] {
            assert_eq!(
                AllowedHosts::parse(&[entry]).unwrap_err().reason,
                reason,
                "{entry}"
            );
        }
    }
}
