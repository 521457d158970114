//! Who may call. The one piece of code that decides it, for every route of every component.
//!
//! Today there are API keys, of which only the SHA-256 is configured. [`Identity`] already has the place for what an OpenID provider would
//! tell (a subject, roles, a tenant), so that another way to find out who calls changes [`Access`] and nothing behind it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Method};
use sha2::{Digest, Sha256};

use crate::{Cors, Problem, ProblemKind};

/// Where a browser says a request comes from; `same-origin`, `same-site`, `cross-site` or `none`.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
/// Why a browser sends a request; `navigate` when a person follows a link.
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
/// Where the host of the components says the request comes from.
const SPIN_CLIENT_ADDR: &str = "spin-client-addr";

/// Who calls where there are no keys.
const LOCAL: &str = "local";

/// Who calls an open route where there are keys.
const ANONYMOUS: &str = "anonymous";

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Reads studies, segmentations, numbers and pictures. The other roles may do this too.
    Reader,
    /// Uploads, segments, corrects, reviews.
    Clinician,
    /// Keeps models, deletes studies, reads the audit.
    Steward,
}

impl Role {
    /// Every role.
    pub const ALL: [Role; 3] = [Role::Reader, Role::Clinician, Role::Steward];

    /// Its name in the configuration and in answers.
    pub fn name(self) -> &'static str {
        match self {
            Role::Reader => "reader",
            Role::Clinician => "clinician",
            Role::Steward => "steward",
        }
    }

    fn from_name(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.name() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// A stable name: that of the key, `local` without keys, `anonymous` on an open route.
    pub subject: String,
    /// What the caller may do.
    pub roles: Vec<Role>,
    /// Whose data the caller sees; `None` where there are no tenants.
    pub tenant: Option<String>,
}

impl Identity {
    /// Who calls what is open to everybody.
    pub fn anonymous() -> Identity {
        Identity {
            subject: ANONYMOUS.to_owned(),
            roles: Vec::new(),
            tenant: None,
        }
    }

    fn local() -> Identity {
        Identity {
            subject: LOCAL.to_owned(),
            roles: Role::ALL.to_vec(),
            tenant: None,
        }
    }

    /// Whether one of the roles allows what `needed` allows. Everybody with a role may read.
    pub fn may(&self, needed: Role) -> bool {
        match needed {
            Role::Reader => !self.roles.is_empty(),
            _ => self.roles.contains(&needed),
        }
    }
}

/// A key entry that cannot be read. The text names the entry by its number and never shows it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "entry {number} of api_keys {problem}; expected role:name:sha256 of the key, with a role of reader, clinician or steward (several joined by +)"
)]
pub struct KeyError {
    /// Its number, from 1.
    pub number: usize,
    /// What is wrong with it.
    pub problem: &'static str,
}

#[derive(Clone, PartialEq, Eq)]
struct Key {
    identity: Identity,
    sha256: [u8; 32],
}

/// What of a request decides who calls.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The method.
    pub method: &'a Method,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// Host and port that the client asked for, when they are not in the `Host` header.
    pub authority: Option<&'a str>,
}

/// Who may call, as configured. `Debug` does not show keys.
#[derive(Clone, Default)]
pub struct Access {
    keys: Vec<Key>,
    cors: Cors,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("keys", &self.keys.len())
            .field("cors", &self.cors)
            .finish()
    }
}

impl Access {
    /// Name of the variable that holds the keys.
    pub const VARIABLE: &'static str = "api_keys";

    /// Reads entries `role:name:sha256-hex-of-key`, separated by commas or line ends. No entry means that only this machine is
    /// answered.
    ///
    /// # Errors
    /// [`KeyError`] for the first entry that is not of that form: a typing error must not open the service.
    pub fn parse(api_keys: &str, cors: Cors) -> Result<Access, KeyError> {
        let mut keys = Vec::new();
        let entries = api_keys
            .split([',', '\n'])
            .map(str::trim)
            .filter(|entry| !entry.is_empty());
        for (index, entry) in entries.enumerate() {
            let refused = |problem| KeyError {
                number: index + 1,
                problem,
            };
            let mut parts = entry.split(':').map(str::trim);
            let (Some(roles), Some(name), Some(digest), None) =
                (parts.next(), parts.next(), parts.next(), parts.next())
            else {
                return Err(refused("does not have three parts"));
            };
            let roles: Option<Vec<Role>> = roles
                .split('+')
                .map(|role| Role::from_name(role.trim()))
                .collect();
            let roles = roles.ok_or_else(|| refused("has a role that does not exist"))?;
            if name.is_empty() || name.len() > 64 || name.chars().any(char::is_control) {
                return Err(refused("has no name of 1 to 64 characters"));
            }
            // Who corrected and who approved is kept under these names: they must not be somebody's.
            if [LOCAL, ANONYMOUS].contains(&name) {
                return Err(refused(
                    "is called local or anonymous, as those are who have no key",
                ));
            }
            let sha256 = sha256_from_hex(digest)
                .ok_or_else(|| refused("has no SHA-256 of 64 hexadecimal digits"))?;
            keys.push(Key {
                identity: Identity {
                    subject: name.to_owned(),
                    roles,
                    tenant: None,
                },
                sha256,
            });
        }
        Ok(Access { keys, cors })
    }

    /// Whether there are no keys, so that only this machine is answered.
    pub fn is_loopback_only(&self) -> bool {
        self.keys.is_empty()
    }

    /// Which pages of other origins may call.
    pub fn cors(&self) -> &Cors {
        &self.cors
    }

    /// Who calls, if the caller may do what `needed` allows; `None` is for routes that need no key.
    ///
    /// # Errors
    /// [`ProblemKind::Unauthenticated`] with `WWW-Authenticate`, [`ProblemKind::Forbidden`] naming the role, and without keys
    /// [`ProblemKind::LoopbackOnly`].
    pub fn authorize(
        &self,
        needed: Option<Role>,
        caller: &Caller<'_>,
    ) -> Result<Identity, Problem> {
        if self.is_loopback_only() {
            self.require_loopback(needed, caller)?;
            return Ok(Identity::local());
        }
        let Some(needed) = needed else {
            return Ok(Identity::anonymous());
        };
        let presented = bearer(caller.headers);
        let identity = presented.and_then(|key| self.identify(key));
        let identity =
            identity.ok_or_else(|| unauthenticated(caller.headers.contains_key(AUTHORIZATION)))?;
        if identity.may(needed) {
            return Ok(identity);
        }
        Err(Problem::new(ProblemKind::Forbidden, format!("This call needs the role {needed}, which this key does not have; use a key that has it."))
            .with("role", needed.name()))
    }

    /// The identity behind a key. Every entry is compared, in constant time, whichever fits. A key that stands in several entries has
    /// the roles of all of them.
    fn identify(&self, key: &str) -> Option<Identity> {
        let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let mut found: Option<Identity> = None;
        for entry in &self.keys {
            let difference = entry
                .sha256
                .iter()
                .zip(digest)
                .fold(0u8, |so_far, (a, b)| std::hint::black_box(so_far | (a ^ b)));
            if difference == 0 {
                match &mut found {
                    Some(identity) => identity.roles.extend(&entry.identity.roles),
                    None => found = Some(entry.identity.clone()),
                }
            }
        }
        found
    }

    /// Without keys, four things have to hold: the connection comes from this machine, no proxy hands on what others sent, it was meant for
    /// this machine (a page can point a name of its own at 127.0.0.1), and no page of another site sent it.
    fn require_loopback(&self, needed: Option<Role>, caller: &Caller<'_>) -> Result<(), Problem> {
        let refused = |what: &str| {
            Err(Problem::new(
                ProblemKind::LoopbackOnly,
                format!(
                    "{what}; without API keys only this machine is answered. Call it as localhost, or have api_keys configured."
                ),
            ))
        };
        let text = |name: &str| {
            caller
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        if !text(SPIN_CLIENT_ADDR).is_some_and(is_loopback_address) {
            return refused("The request comes from another machine");
        }
        // A proxy on this machine makes every caller look like one from here.
        let relayed = caller.headers.keys().find(|name| is_of_a_proxy(name));
        if let Some(name) = relayed {
            return Err(Problem::new(
                ProblemKind::LoopbackOnly,
                format!(
                    "The request came through a proxy (its header {name} says so), so that who sent it cannot be known; without API keys only this machine is answered. Call it without the proxy, or have api_keys configured."
                ),
            ));
        }
        let host = caller.authority.or_else(|| text(HOST.as_str()));
        if !host.is_some_and(is_loopback_host) {
            return refused("The request was sent to another host name than localhost");
        }
        if let Some(origin) = caller.headers.get(ORIGIN) {
            let origin = origin.to_str().unwrap_or_default();
            let same = origin
                .strip_prefix("http://")
                .or_else(|| origin.strip_prefix("https://"))
                .is_some_and(|found| host == Some(found));
            if !same && !self.cors.allows(origin) {
                return refused("The request was sent by a page of another site");
            }
        } else if let Some(site @ ("cross-site" | "same-site")) = text(SEC_FETCH_SITE.as_str()) {
            // Following a link to the page itself is no call.
            let follows_link = needed.is_none()
                && caller.method == Method::GET
                && text(SEC_FETCH_MODE.as_str()) == Some("navigate");
            if !follows_link {
                return refused(&format!(
                    "The request was sent by a page of another site ({site})"
                ));
            }
        }
        Ok(())
    }
}

fn unauthenticated(tried: bool) -> Problem {
    let (detail, challenge) = match tried {
        true => (
            "The Authorization header holds no key that is known; send `Authorization: Bearer` and your key.",
            "Bearer realm=\"cinecor\", error=\"invalid_token\"",
        ),
        false => (
            "The request carries no key; send `Authorization: Bearer` and your key.",
            "Bearer realm=\"cinecor\"",
        ),
    };
    Problem::new(ProblemKind::Unauthenticated, detail)
        .with_header(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

/// The key of `Authorization: Bearer key`. Several such headers are none.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, key) = value.to_str().ok()?.trim().split_once(' ')?;
    (scheme.eq_ignore_ascii_case("bearer") && !key.trim().is_empty()).then_some(key.trim())
}

fn sha256_from_hex(text: &str) -> Option<[u8; 32]> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(pairs) {
        let digit = |found: u8| {
            char::from(found)
                .to_digit(16)
                .and_then(|value| u8::try_from(value).ok())
        };
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(digest)
}

/// Whether a header is one that proxies add to what they hand on.
fn is_of_a_proxy(name: &HeaderName) -> bool {
    let name = name.as_str();
    ["forwarded", "via", "x-real-ip"].contains(&name) || name.starts_with("x-forwarded-")
}

/// Whether `127.0.0.1:5000`, `[::1]:5000` or either without its port is an address of this machine.
fn is_loopback_address(text: &str) -> bool {
    let address = match text.parse::<SocketAddr>() {
        Ok(address) => Some(address.ip()),
        Err(_) => text.parse::<IpAddr>().ok(),
    };
    address.is_some_and(|address| address.to_canonical().is_loopback())
}

/// Whether the host of `host[:port]` is this machine's own name for itself.
fn is_loopback_host(authority: &str) -> bool {
    let (host, port) = match authority
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
    {
        Some((host, rest)) => (host, rest.strip_prefix(':').unwrap_or(rest)),
        None => authority.split_once(':').unwrap_or((authority, "")),
    };
    let is_name = host.eq_ignore_ascii_case("localhost");
    port.bytes().all(|byte| byte.is_ascii_digit())
        && (is_name
            || host
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `reads`, `works`, `keeps` (coreutils' sha256sum).
    fn configured() -> Access {
        let hex = |key: &str| {
            Sha256::digest(key)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        };
        let text = format!(
            "reader:ward:{}, clinician:dr-a:{}\nsteward:it:{},",
            hex("reads"),
            hex("works"),
            hex("keeps").to_uppercase()
        );
        Access::parse(&text, Cors::default()).unwrap()
    }

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect()
    }

    fn with_key(
        access: &Access,
        authorization: &str,
        needed: Option<Role>,
    ) -> Result<Identity, Problem> {
        let headers = headers(&[("authorization", authorization)]);
        access.authorize(
            needed,
            &Caller {
                method: &Method::GET,
                headers: &headers,
                authority: None,
            },
        )
    }

    #[test]
    fn each_role_may_what_it_is_for_and_all_may_read() {
        let access = configured();
        for (key, allowed) in [
            ("reads", [true, false, false]),
            ("works", [true, true, false]),
            ("keeps", [true, false, true]),
        ] {
            for (role, allowed) in Role::ALL.into_iter().zip(allowed) {
                let answer = with_key(&access, &format!("Bearer {key}"), Some(role));
                assert_eq!(answer.is_ok(), allowed, "{key} as {role}");
                if let Err(problem) = answer {
                    assert_eq!(problem.status(), 403);
                }
            }
        }
        assert_eq!(
            with_key(&access, "bearer works", Some(Role::Reader))
                .unwrap()
                .subject,
            "dr-a"
        );
    }

    #[test]
    fn refuses_what_is_no_known_key_and_says_how_to_send_one() {
        let access = configured();
        for bad in [
            "Bearer wrong",
            "Bearer ",
            "Bearer",
            "Basic cmVhZHM=",
            "reads",
            "Bearer reads works",
        ] {
            let problem = with_key(&access, bad, Some(Role::Reader)).unwrap_err();
            assert_eq!(problem.status(), 401, "{bad}");
            assert_eq!(problem.headers().first().unwrap().0, WWW_AUTHENTICATE);
            assert!(!problem.detail().contains("wrong"));
        }
    }

    #[test]
    fn two_authorization_headers_are_none() {
        let mut twice = headers(&[("authorization", "Bearer works")]);
        twice.append(AUTHORIZATION, HeaderValue::from_static("Bearer reads"));
        let caller = Caller {
            method: &Method::GET,
            headers: &twice,
            authority: None,
        };
        assert_eq!(
            configured()
                .authorize(Some(Role::Reader), &caller)
                .unwrap_err()
                .status(),
            401
        );
    }

    #[test]
    fn open_routes_need_no_key_and_know_nobody() {
        let identity = with_key(&configured(), "Bearer wrong", None).unwrap();
        assert_eq!(identity.subject, "anonymous");
        assert!(!identity.may(Role::Reader));
    }

    #[test]
    fn without_keys_what_a_proxy_hands_on_is_refused_and_with_keys_it_is_not() {
        for name in [
            "forwarded",
            "via",
            "x-real-ip",
            "x-forwarded-for",
            "x-forwarded-proto",
        ] {
            let headers = headers(&[
                (SPIN_CLIENT_ADDR, "127.0.0.1:5000"),
                ("host", "localhost"),
                ("authorization", "Bearer reads"),
                (name, "192.0.2.1"),
            ]);
            let caller = Caller {
                method: &Method::GET,
                headers: &headers,
                authority: None,
            };
            let open = Access::default();
            let problem = open.authorize(Some(Role::Reader), &caller).unwrap_err();
            assert_eq!(problem.kind(), ProblemKind::LoopbackOnly, "{name}");
            assert!(problem.detail().contains(name), "{problem}");
            assert!(!problem.detail().contains("192.0.2.1"), "{problem}");
            assert!(configured().authorize(Some(Role::Reader), &caller).is_ok());
        }
    }

    #[test]
    fn a_key_in_two_entries_has_both_roles() {
        let hex = Sha256::digest("both")
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>();
        let access = Access::parse(
            &format!("reader:a:{hex},steward:a:{hex},clinician+steward:b:{hex}"),
            Cors::default(),
        )
        .unwrap();
        assert!(
            Role::ALL
                .into_iter()
                .all(|role| with_key(&access, "Bearer both", Some(role)).is_ok())
        );
    }

    #[test]
    fn a_key_entry_with_a_typing_error_is_an_error_that_does_not_show_it() {
        let good = "ab".repeat(32);
        for bad in [
            "admin:x:HASH",
            "reader:HASH",
            "reader::HASH",
            "reader:x:12",
            "reader:x:HASH:more",
            "reader:x:zz",
            ":x:HASH",
            "clinician:local:HASH",
            "reader: anonymous :HASH",
        ] {
            let error = Access::parse(&bad.replace("HASH", &good), Cors::default()).unwrap_err();
            assert_eq!(error.number, 1, "{bad}");
            assert!(!error.to_string().contains(&good));
        }
    }

    fn local(pairs: &[(&str, &str)], needed: Option<Role>) -> Result<Identity, Problem> {
        let headers = headers(pairs);
        Access::default().authorize(
            needed,
            &Caller {
                method: &Method::GET,
                headers: &headers,
                authority: None,
            },
        )
    }

    #[test]
    fn without_keys_this_machine_may_everything() {
        for (address, host) in [
            ("127.0.0.1:5000", "localhost:3000"),
            ("[::1]:5000", "[::1]:3000"),
            ("127.0.0.1", "127.0.0.1"),
            ("::ffff:127.0.0.1", "LOCALHOST"),
        ] {
            let identity = local(
                &[("spin-client-addr", address), ("host", host)],
                Some(Role::Steward),
            );
            assert!(
                identity.is_ok_and(|identity| identity.subject == "local"),
                "{address} {host}"
            );
        }
    }

    #[test]
    fn without_keys_other_machines_names_and_pages_are_refused() {
        let from = ("spin-client-addr", "127.0.0.1:5000");
        let host = ("host", "localhost:3000");
        for pairs in [
            vec![("spin-client-addr", "10.0.0.7:5000"), host],
            vec![host],
            vec![("spin-client-addr", "localhost"), host],
            vec![from],
            vec![from, ("host", "hospital.example")],
            vec![from, ("host", "localhost.evil.example")],
            vec![from, ("host", "127.0.0.1.evil.example:80")],
            vec![from, ("host", "localhost:80@evil.example")],
            vec![from, host, ("origin", "https://evil.example")],
            vec![from, host, ("origin", "null")],
            vec![from, host, ("origin", "http://localhost:4000")],
            vec![from, host, ("sec-fetch-site", "cross-site")],
            vec![
                from,
                host,
                ("sec-fetch-site", "same-site"),
                ("sec-fetch-mode", "no-cors"),
            ],
        ] {
            assert_eq!(
                local(&pairs, Some(Role::Reader)).unwrap_err().kind(),
                ProblemKind::LoopbackOnly,
                "{pairs:?}"
            );
        }
    }

    #[test]
    fn without_keys_the_own_page_may_call_and_a_link_may_lead_to_it() {
        let here = [
            ("spin-client-addr", "127.0.0.1:5000"),
            ("host", "localhost:3000"),
        ];
        let with = |more: &[(&'static str, &'static str)]| [here.as_slice(), more].concat();
        assert!(
            local(
                &with(&[
                    ("origin", "http://localhost:3000"),
                    ("sec-fetch-site", "same-origin")
                ]),
                Some(Role::Clinician)
            )
            .is_ok()
        );
        let link = with(&[
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
        ]);
        assert!(local(&link, None).is_ok());
        assert!(local(&link, Some(Role::Reader)).is_err());
    }
}
