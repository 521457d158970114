//! The host under TLS, and what it says of certificates that it cannot use.

mod support;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use support::Setup;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/tls")
        .join(name)
}

fn setup(cert: &Path, key: &Path) -> Setup {
    Setup::probes("")
        .argument("--tls-cert")
        .argument(cert.to_string_lossy())
        .argument("--tls-key")
        .argument(key.to_string_lossy())
}

#[test]
fn serves_https_to_a_client_that_trusts_its_authority() {
    let host = setup(&data("cert.pem"), &data("key.pem")).start();
    assert_eq!(host.scheme, "https");
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(data("authority.pem")).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut client =
        rustls::ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap())
            .unwrap();
    let mut stream = TcpStream::connect(host.address).unwrap();
    stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
    let mut tls = rustls::Stream::new(&mut client, &mut stream);
    tls.write_all(b"GET /probe/request HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        .unwrap();
    let mut answer = Vec::new();
    // A closed connection without a farewell ends the answer as well.
    let _ = tls.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(
        answer.contains("spin-full-url: https://localhost/probe/request"),
        "{answer}"
    );
}

#[test]
fn says_what_is_wrong_with_certificate_or_key() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let said = setup(&empty, &data("key.pem")).refused();
    assert!(
        said.contains("holds no certificate; a PEM file with `BEGIN CERTIFICATE` is expected"),
        "{said}"
    );
    let said = setup(&data("cert.pem"), &data("cert.pem")).refused();
    assert!(said.contains("cannot read a private key from"), "{said}");
    let said = setup(&data("authority.pem"), &data("key.pem")).refused();
    assert!(
        said.contains("does not belong to the certificate"),
        "{said}"
    );
    let said = Setup::probes("")
        .argument("--tls-cert")
        .argument("x.pem")
        .refused();
    assert!(said.contains("--tls-key"), "{said}");
}
