//! Requests that components send: `wasi:http/outgoing-handler@0.2` and `wasi:http/client@0.3`. Each is held against the component's
//! `allowed_outbound_hosts` first; then it goes to another component of the application (`http://COMPONENT.spin.internal`, or by its
//! route: `http://self/path`), which opens no connection, or out over TCP, with TLS where the URL says so.
//!
//! Certificates are checked against the roots of the operating system and Mozilla's. No proxy is used, no redirect followed.

use crate::allowed_hosts::{Address, AllowedHosts};
use crate::capability::{AppSpec, Capability, LocalServices};
use crate::ctx::Ctx;
use crate::variables::Resolver;
use anyhow::Context as _;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, Sleep, timeout};
use tokio_rustls::TlsConnector;
use wasmtime::component::Linker;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

/// How long a connection, a first byte or a next byte may take unless the component says otherwise, as with Spin.
const TIMEOUT: Duration = Duration::from_secs(600);

/// Outbound requests of an application.
pub struct OutboundHttp {
    shared: Arc<Shared>,
    allowed: BTreeMap<String, Arc<AllowedHosts>>,
}

struct Shared {
    /// Set once the application is loaded; nothing runs before that.
    local: OnceLock<Arc<dyn LocalServices>>,
    tls: TlsConnector,
}

/// Outbound requests of one instance.
pub struct State {
    component: Arc<str>,
    allowed: Arc<AllowedHosts>,
    shared: Arc<Shared>,
}

impl Capability for OutboundHttp {
    type State = State;

    fn init(linker: &mut Linker<Ctx>) -> wasmtime::Result<()> {
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
        wasmtime_wasi_http::p3::add_to_linker(linker)
    }

    fn configure(app: &mut AppSpec) -> anyhow::Result<Self> {
        let resolver = Resolver::new(app)?;
        let mut allowed = BTreeMap::new();
        for (id, component) in &app.manifest.components {
            let of_component = || format!("[component.{id}] allowed_outbound_hosts cannot be used");
            let entries: Vec<String> = component
                .allowed_outbound_hosts
                .iter()
                .map(|entry| resolver.resolve(entry))
                .collect::<Result<_, _>>()
                .with_context(of_component)?;
            let hosts = AllowedHosts::parse(&entries).with_context(of_component)?;
            allowed.insert(id.clone(), Arc::new(hosts));
        }
        // Reading the operating system's certificates takes longer than all the rest.
        let any = allowed.values().any(|hosts| !hosts.is_empty());
        let tls = TlsConnector::from(Arc::new(tls_config(any)?));
        Ok(Self {
            shared: Arc::new(Shared {
                local: OnceLock::new(),
                tls,
            }),
            allowed,
        })
    }

    fn prepare(&self, component: &str) -> anyhow::Result<State> {
        let allowed = self
            .allowed
            .get(component)
            .with_context(|| format!("there is no component `{component}`"))?;
        Ok(State {
            component: component.into(),
            allowed: allowed.clone(),
            shared: self.shared.clone(),
        })
    }
}

impl OutboundHttp {
    /// Says how the application's own components are reached. The first call counts.
    pub fn set_local(&self, local: Arc<dyn LocalServices>) {
        let _ = self.shared.local.set(local);
    }
}

fn tls_config(with_roots: bool) -> anyhow::Result<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    if with_roots {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let native = rustls_native_certs::load_native_certs();
        for error in &native.errors {
            tracing::warn!(%error, "some of the operating system's certificates could not be read");
        }
        roots.add_parsable_certificates(native.certs);
    }
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()?
    .with_root_certificates(roots)
    .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

type IoResult = Box<dyn Future<Output = Result<(), Error>> + Send>;
type Sent = Result<(http::Response<WasiBody>, IoResult), Error>;

impl WasiHttpHooks for State {
    fn send_request(
        &mut self,
        request: http::Request<WasiBody>,
        options: Option<RequestOptions>,
        // Tells of errors in what the guest makes of the response, which no server can be told of.
        _processed: IoResult,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        let target = self.target(request.uri());
        let shared = self.shared.clone();
        Box::new(async move {
            let response = match target? {
                Target::Component(component) => {
                    let local = shared.local.get().ok_or(Error::DestinationUnavailable)?;
                    local.call(&component, request).await?
                }
                Target::Own => {
                    let local = shared.local.get().ok_or(Error::DestinationUnavailable)?;
                    local.call_route(request).await?
                }
                Target::Server(address) => {
                    let method = request.method().clone();
                    send(&shared.tls, &address, request, &Times::from(options))
                        .await
                        .inspect_err(|error| {
                            tracing::warn!(%address, %method, %error, "an outbound request failed");
                        })?
                }
            };
            let done: IoResult = Box::new(async { Ok(()) });
            Ok((response, done))
        })
    }

    fn p2_error_from_connect(
        &mut self,
        error: &io::Error,
    ) -> wasmtime_wasi_http::p2::bindings::http::types::ErrorCode {
        use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
        match error.kind() {
            io::ErrorKind::ConnectionRefused => ErrorCode::ConnectionRefused,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                ErrorCode::DestinationIpUnroutable
            }
            io::ErrorKind::TimedOut => ErrorCode::ConnectionTimeout,
            _ => ErrorCode::DestinationUnavailable,
        }
    }

    fn p3_error_from_connect(
        &mut self,
        error: &io::Error,
    ) -> wasmtime_wasi_http::p3::bindings::http::types::ErrorCode {
        use wasmtime_wasi_http::p3::bindings::http::types::ErrorCode;
        match error.kind() {
            io::ErrorKind::ConnectionRefused => ErrorCode::ConnectionRefused,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                ErrorCode::DestinationIpUnroutable
            }
            io::ErrorKind::TimedOut => ErrorCode::ConnectionTimeout,
            _ => ErrorCode::DestinationUnavailable,
        }
    }
}

/// Where a request goes once it is allowed to.
enum Target {
    Component(String),
    /// The component whose route the request matches.
    Own,
    Server(Address),
}

impl State {
    fn target(&self, uri: &http::Uri) -> Result<Target, Error> {
        let address = Address::of(uri).ok_or(Error::HttpRequestUriInvalid)?;
        if !matches!(address.scheme.as_str(), "http" | "https") {
            return Err(Error::HttpProtocolError);
        }
        let own = address.is_own();
        if !(if own {
            self.allowed.allow_own(&address.scheme)
        } else {
            self.allowed.allow(&address)
        }) {
            // Only the address: path and query may say more than a log should.
            tracing::warn!(
                component = %self.component,
                %address,
                "an outbound request was refused; to allow it, add to [component.{}] of spin.toml: allowed_outbound_hosts = [\"{address}\"]",
                self.component
            );
            return Err(Error::HttpRequestDenied);
        }
        if own {
            return Ok(Target::Own);
        }
        match address.component() {
            Some(component) if address.scheme == "http" => {
                Ok(Target::Component(component.to_owned()))
            }
            // Never asked of a name server: the name is the application's own.
            Some(_) => Err(Error::DestinationNotFound),
            None => Ok(Target::Server(address)),
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Times {
    connect: Duration,
    first_byte: Duration,
    between_bytes: Duration,
}

impl From<Option<RequestOptions>> for Times {
    fn from(options: Option<RequestOptions>) -> Self {
        let options = options.unwrap_or_default();
        Self {
            connect: options.connect_timeout.unwrap_or(TIMEOUT),
            first_byte: options.first_byte_timeout.unwrap_or(TIMEOUT),
            between_bytes: options.between_bytes_timeout.unwrap_or(TIMEOUT),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn connect(tls: &TlsConnector, address: &Address) -> Result<Box<dyn Stream>, Error> {
    let dns = |error: io::Error| Error::DnsError {
        rcode: Some(error.to_string()),
        info_code: None,
    };
    let candidates = tokio::net::lookup_host((address.host.as_str(), address.port))
        .await
        .map_err(dns)?;
    let mut failed = None;
    let mut connected = None;
    for candidate in candidates {
        match TcpStream::connect(candidate).await {
            Ok(stream) => {
                connected = Some(stream);
                break;
            }
            Err(error) => failed = Some(error),
        }
    }
    let Some(stream) = connected else {
        return Err(failed.map_or(Error::DestinationNotFound, Error::Connect));
    };
    // A request is written in few pieces; waiting to join them only delays the last.
    let _ = stream.set_nodelay(true);
    if address.scheme != "https" {
        return Ok(Box::new(stream));
    }
    let name =
        ServerName::try_from(address.host.clone()).map_err(|_| Error::HttpRequestUriInvalid)?;
    let stream = tls.connect(name, stream).await.map_err(|error| {
        let certificate = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>())
            .is_some_and(|inner| matches!(inner, rustls::Error::InvalidCertificate(_)));
        tracing::warn!(%address, %error, "the TLS handshake failed");
        if certificate {
            Error::TlsCertificateError
        } else {
            Error::Tls(error)
        }
    })?;
    Ok(Box::new(stream))
}

async fn send(
    tls: &TlsConnector,
    address: &Address,
    mut request: http::Request<WasiBody>,
    times: &Times,
) -> Result<http::Response<WasiBody>, Error> {
    let (mut sender, connection) = timeout(times.connect, async {
        let stream = connect(tls, address).await?;
        Ok::<_, Error>(hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?)
    })
    .await
    .map_err(|_| Error::ConnectionTimeout)??;
    let connection = Connection(tokio::spawn(async move {
        if let Err(error) = connection.await {
            // The request or the response's body tells the component.
            tracing::debug!(%error, "an outbound connection ended early");
        }
    }));
    // A request that goes to no proxy has the path only; the host is in its header.
    let path = request
        .uri()
        .path_and_query()
        .cloned()
        .unwrap_or_else(|| http::uri::PathAndQuery::from_static("/"));
    *request.uri_mut() = http::Uri::from(path);
    let response = timeout(times.first_byte, sender.send_request(request))
        .await
        .map_err(|_| Error::HttpResponseTimeout)??;
    Ok(response.map(|body| {
        ResponseBody {
            body,
            _connection: connection,
            between_bytes: times.between_bytes,
            timer: None,
        }
        .boxed_unsync()
    }))
}

/// A connection that ends with the response that came over it.
struct Connection(JoinHandle<()>);

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A response's body that may not stall for ever.
struct ResponseBody {
    body: hyper::body::Incoming,
    _connection: Connection,
    between_bytes: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match Pin::new(&mut self.body).poll_frame(cx) {
            Poll::Ready(frame) => {
                self.timer = None;
                Poll::Ready(frame.map(|frame| frame.map_err(Error::from)))
            }
            Poll::Pending => {
                // Time that the component takes for itself does not count: the clock runs while it waits.
                let until = Instant::now() + self.between_bytes;
                let timer = self
                    .timer
                    .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
                ready!(timer.as_mut().poll(cx));
                Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    const PATIENT: Times = Times {
        connect: TIMEOUT,
        first_byte: TIMEOUT,
        between_bytes: TIMEOUT,
    };

    fn pem(name: &str) -> std::path::PathBuf {
        std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/tls")
            .join(name)
    }

    fn connector(authority: Option<&str>) -> TlsConnector {
        let mut config = tls_config(false).unwrap();
        if let Some(name) = authority {
            let mut roots = rustls::RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_file(pem(name)).unwrap())
                .unwrap();
            config = rustls::ClientConfig::builder_with_provider(Arc::new(
                rustls::crypto::ring::default_provider(),
            ))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        }
        TlsConnector::from(Arc::new(config))
    }

    /// A server that reads the head of one request and writes `answer`, then keeps the connection open. Gives its port and what it read.
    async fn server(tls: bool, answer: &'static str) -> (u16, JoinHandle<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream: Box<dyn Stream> = if tls {
                let certificates = CertificateDer::pem_file_iter(pem("cert.pem"))
                    .unwrap()
                    .map(Result::unwrap)
                    .collect();
                let key = PrivateKeyDer::from_pem_file(pem("key.pem")).unwrap();
                let config = rustls::ServerConfig::builder_with_provider(Arc::new(
                    rustls::crypto::ring::default_provider(),
                ))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(certificates, key)
                .unwrap();
                match tokio_rustls::TlsAcceptor::from(Arc::new(config))
                    .accept(stream)
                    .await
                {
                    Ok(stream) => Box::new(stream),
                    // A client that does not trust the certificate.
                    Err(_) => return String::new(),
                }
            } else {
                Box::new(stream)
            };
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            // Until the client goes.
            let _ = stream.read_to_end(&mut Vec::new()).await;
            String::from_utf8(head).unwrap()
        });
        (port, seen)
    }

    async fn get(
        tls: &TlsConnector,
        url: &str,
        times: &Times,
    ) -> Result<http::Response<WasiBody>, Error> {
        let uri: http::Uri = url.parse().unwrap();
        let address = Address::of(&uri).unwrap();
        let body = http_body_util::Empty::new()
            .map_err(|never: std::convert::Infallible| match never {})
            .boxed_unsync();
        let request = http::Request::get(uri)
            .header("host", "localhost")
            .body(body)
            .unwrap();
        send(tls, &address, request, times).await
    }

    #[tokio::test]
    async fn a_request_goes_out_with_its_path_alone_and_the_answer_comes_back() {
        let (port, seen) = server(
            false,
            "HTTP/1.1 201 Created\r\ncontent-length: 5\r\n\r\nhello",
        )
        .await;
        let response = get(
            &connector(None),
            &format!("http://127.0.0.1:{port}/a?b"),
            &PATIENT,
        )
        .await
        .unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            "hello"
        );
        assert!(seen.await.unwrap().starts_with("GET /a?b HTTP/1.1\r\n"));
    }

    #[tokio::test]
    async fn https_is_spoken_with_servers_whose_authority_is_trusted() {
        let (port, _) = server(true, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        let response = get(
            &connector(Some("authority.pem")),
            &format!("https://localhost:{port}/"),
            &PATIENT,
        )
        .await
        .unwrap();
        assert_eq!(
            response.into_body().collect().await.unwrap().to_bytes(),
            "ok"
        );
        let (port, _) = server(true, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
        let error = get(
            &connector(None),
            &format!("https://localhost:{port}/"),
            &PATIENT,
        )
        .await
        .err()
        .unwrap();
        assert!(matches!(error, Error::TlsCertificateError), "{error}");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_told_as_such() {
        let port = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let error = get(
            &connector(None),
            &format!("http://127.0.0.1:{port}/"),
            &PATIENT,
        )
        .await
        .err()
        .unwrap();
        assert!(
            matches!(&error, Error::Connect(inner) if inner.kind() == io::ErrorKind::ConnectionRefused),
            "{error}"
        );
        let error = get(&connector(None), "http://nobody.invalid/", &PATIENT)
            .await
            .err()
            .unwrap();
        assert!(matches!(error, Error::DnsError { .. }), "{error}");
    }

    #[tokio::test]
    async fn servers_that_stall_are_given_up() {
        let brief = Duration::from_millis(20);
        let (port, _) = server(false, "").await;
        let error = get(
            &connector(None),
            &format!("http://127.0.0.1:{port}/"),
            &Times {
                first_byte: brief,
                ..PATIENT
            },
        )
        .await
        .err()
        .unwrap();
        assert!(matches!(error, Error::HttpResponseTimeout), "{error}");
        let (port, _) = server(false, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel").await;
        let response = get(
            &connector(None),
            &format!("http://127.0.0.1:{port}/"),
            &Times {
                between_bytes: brief,
                ..PATIENT
            },
        )
        .await
        .unwrap();
        let error = response.into_body().collect().await.unwrap_err();
        assert!(matches!(error, Error::ConnectionReadTimeout), "{error}");
    }

    fn state(entries: &[&str]) -> State {
        State {
            component: "a".into(),
            allowed: Arc::new(AllowedHosts::parse(entries).unwrap()),
            shared: Arc::new(Shared {
                local: OnceLock::new(),
                tls: connector(None),
            }),
        }
    }

    #[test]
    fn names_of_the_application_never_leave_it() {
        let everything = state(&["*://*:*"]);
        let target = |url: &str| everything.target(&url.parse().unwrap());
        assert!(
            matches!(target("http://other.spin.internal/x"), Ok(Target::Component(to)) if to == "other")
        );
        assert!(matches!(
            target("https://other.spin.internal/x"),
            Err(Error::DestinationNotFound)
        ));
        assert!(matches!(target("http://self/x"), Ok(Target::Own)));
        assert!(matches!(
            target("http://example.org/x"),
            Ok(Target::Server(_))
        ));
    }

    #[test]
    fn what_is_not_allowed_is_denied() {
        let other = state(&["http://other.spin.internal"]);
        for url in [
            "http://third.spin.internal/",
            "http://self/",
            "http://example.org/",
            "http://127.0.0.1/",
        ] {
            assert!(
                matches!(
                    other.target(&url.parse().unwrap()),
                    Err(Error::HttpRequestDenied)
                ),
                "{url}"
            );
        }
        assert!(matches!(
            other.target(&"gopher://x:70/".parse().unwrap()),
            Err(Error::HttpProtocolError)
        ));
        assert!(matches!(
            other.target(&"/path".parse().unwrap()),
            Err(Error::HttpRequestUriInvalid)
        ));
    }
}
