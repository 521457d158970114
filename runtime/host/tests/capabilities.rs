//! What components may do: each grant beside its refusal. On the real binary.

mod support;

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use support::Setup;

#[test]
fn files_are_seen_where_they_are_mounted_and_cannot_be_written() {
    let host = Setup::probes("files = [{ source = \"assets\", destination = \"/static\" }, \"notes/*.txt\"]\nexclude_files = [\"notes/secret.txt\"]")
        .file("assets/a.txt", "an asset")
        .file("notes/n.txt", "a note")
        .file("notes/secret.txt", "a secret")
        .file("outside.txt", "outside")
        .start();
    assert_eq!(host.get("/probe/read?/static/a.txt").text(), "an asset");
    assert_eq!(host.get("/probe/read?/notes/n.txt").text(), "a note");
    for target in [
        "/probe/read?/notes/secret.txt",
        "/probe/read?/static/../outside.txt",
        "/probe/read?/outside.txt",
        "/probe/read?/etc/passwd",
        "/probe/write?/static/a.txt",
        "/probe/write?/static/new.txt",
    ] {
        let text = host.get(target).text();
        assert!(text.starts_with("refused: "), "{target}: {text}");
    }
    assert_eq!(
        std::fs::read_to_string(host.folder().join("assets/a.txt")).unwrap(),
        "an asset"
    );
}

#[test]
fn a_component_without_files_sees_none() {
    let host = Setup::probes("").start();
    assert!(host.get("/probe/list?/").text().starts_with("refused: "));
}

#[test]
fn the_environment_is_what_the_manifest_and_the_command_line_say() {
    let host = Setup::probes("environment = { GREETING = \"hello\" }")
        .argument("--env")
        .argument("MODE=test")
        .start();
    assert_eq!(host.get("/probe/environment?GREETING").text(), "hello");
    assert_eq!(host.get("/probe/environment?MODE").text(), "test");
    assert_eq!(host.get("/probe/environment?PATH").text(), "unset");
    let digest = host
        .get("/probe/environment?CINECOR_COMPONENT_DIGEST")
        .text();
    assert!(
        digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()),
        "{digest}"
    );
}

#[test]
fn variables_are_those_of_the_component() {
    let host = Setup::probes("variables = { words = \"{{ greeting }} there\" }")
        .argument("--variable")
        .argument("greeting=hello")
        .start();
    assert_eq!(host.get("/probe/variable?words").text(), "hello there");
    for other in ["greeting", "secret", "nothing"] {
        let text = host.get(&format!("/probe/variable?{other}")).text();
        assert!(text.starts_with("refused: "), "{other}: {text}");
    }
    assert!(!host.log().contains("hunter2"));
}

#[test]
fn key_value_stores_are_opened_by_those_that_may() {
    let host = Setup::probes("key_value_stores = [\"default\"]").start();
    assert_eq!(host.get("/probe/key-value?default").text(), "kept");
    assert!(
        host.get("/probe/key-value?other")
            .text()
            .starts_with("refused: ")
    );
    let host = Setup::probes("").start();
    let text = host.get("/probe/key-value?default").text();
    assert!(text.starts_with("refused: Error::AccessDenied"), "{text}");
}

#[test]
fn databases_are_opened_by_those_that_may() {
    let host = Setup::probes("sqlite_databases = [\"default\"]").start();
    assert_eq!(host.get("/probe/sqlite?default").text(), "42");
    let host = Setup::probes("").start();
    let text = host.get("/probe/sqlite?default").text();
    assert!(text.starts_with("refused: Error::AccessDenied"), "{text}");
}

#[test]
fn a_label_without_a_store_is_told_at_the_start() {
    let said = Setup::probes("key_value_stores = [\"archive\"]").refused();
    assert!(said.contains("probe") && said.contains("archive"), "{said}");
}

/// A server of one answer.
fn peer() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(
                b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\npeer",
            );
        }
    });
    port
}

#[test]
fn requests_go_out_to_allowed_hosts_only() {
    let (allowed, other) = (peer(), peer());
    let host = Setup::probes(&format!(
        "allowed_outbound_hosts = [\"http://127.0.0.1:{allowed}\"]"
    ))
    .start();
    assert_eq!(
        host.get(&format!("/probe/fetch?http://127.0.0.1:{allowed}/x"))
            .text(),
        "200 peer"
    );
    for refused in [
        format!("http://127.0.0.1:{other}/x"),
        format!("http://localhost:{allowed}/x"),
        format!("https://127.0.0.1:{allowed}/x"),
        "http://inner.spin.internal/hello".to_owned(),
    ] {
        let text = host.get(&format!("/probe/fetch?{refused}")).text();
        assert!(
            text.starts_with("refused: ErrorCode::HttpRequestDenied"),
            "{refused}: {text}"
        );
    }
    let text = host
        .get(&format!("/p2/fetch?http://127.0.0.1:{allowed}/x"))
        .text();
    assert!(text.contains("HttpRequestDenied"), "{text}");
}

#[test]
fn components_reach_each_other_where_they_may() {
    let host = Setup::probes(
        "allowed_outbound_hosts = [\"http://inner.spin.internal\", \"http://none.spin.internal\"]",
    )
    .start();
    assert_eq!(
        host.get("/probe/fetch?http://inner.spin.internal/hello")
            .text(),
        "200 hello"
    );
    assert_eq!(
        host.get("/p2/fetch?http://inner.spin.internal/hello")
            .text(),
        "200 hello"
    );
    let text = host
        .get("/probe/fetch?http://probe-p2.spin.internal/hello")
        .text();
    assert!(
        text.starts_with("refused: ErrorCode::HttpRequestDenied"),
        "{text}"
    );
    let text = host
        .get("/probe/fetch?http://none.spin.internal/hello")
        .text();
    assert!(
        text.starts_with("refused: ErrorCode::DestinationNotFound"),
        "{text}"
    );
    // Private components are reached from within alone.
    assert_eq!(host.get("/inner/hello").status, 404);
}

#[test]
fn a_component_that_calls_itself_without_end_is_stopped() {
    let host = Setup::probes("allowed_outbound_hosts = [\"http://probe.spin.internal\"]")
        .settings("[limits]\nat_work_max = 2")
        .start();
    let mut target = "http://probe.spin.internal/hello".to_owned();
    for _ in 0..12 {
        target = format!("http://probe.spin.internal/fetch?{target}");
    }
    let text = host.get(&format!("/probe/fetch?{target}")).text();
    assert!(
        text.contains("refused: ErrorCode::ConnectionLimitReached"),
        "{text}"
    );
    assert_eq!(host.get("/probe/hello").text(), "hello");
}
