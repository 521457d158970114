//! Who may call: keys, roles, loopback.

use std::process::Command;

use anyhow::{Result, ensure};
use cinecor_tests::client::Client;
use cinecor_tests::host::{Options, root, target};
use cinecor_tests::volumes;
use sha2::{Digest as _, Sha256};

fn entry(role: &str, key: &str) -> String {
    let digest: String = Sha256::digest(key)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("{role}:{role}-1:{digest}")
}

#[test]
fn each_role_may_do_its_part_and_no_more() -> Result<()> {
    let keys = ["reader", "clinician", "steward"]
        .map(|role| entry(role, &format!("key of a {role}")))
        .join(",");
    let host = Options::new().variable("api_keys", &keys).start()?;
    let anonymous = Client::new(&host);
    let of = |role: &str| {
        Client::new(&host).with_header("authorization", &format!("Bearer key of a {role}"))
    };
    let volume = volumes::small(1, 1, 1)?;

    let refused = anonymous.get("/api/v1/studies")?.expect(401)?;
    ensure!(
        refused
            .header("www-authenticate")
            .is_some_and(|value| value.starts_with("Bearer")),
        "{:?}",
        refused.headers
    );
    assert_eq!(refused.problem()?, "unauthenticated");
    Client::new(&host)
        .with_header("authorization", "Bearer nonsense")
        .get("/api/v1/studies")?
        .expect(401)?;
    anonymous.get("/")?.expect(200)?;
    anonymous.get("/.well-known/spin/health")?.expect(200)?;

    of("reader").get("/api/v1/studies")?.expect(200)?;
    assert_eq!(
        of("reader")
            .post("/api/v1/studies", &volume)?
            .expect(403)?
            .problem()?,
        "forbidden"
    );
    let created = of("clinician")
        .post("/api/v1/studies", &volume)?
        .expect(201)?;
    let location = created.header("location").unwrap_or_default().to_owned();
    assert_eq!(
        of("clinician").delete(&location)?.expect(403)?.problem()?,
        "forbidden"
    );
    of("clinician").get("/api/v1/audit")?.expect(403)?;
    of("steward").delete(&location)?.expect(204)?;
    let audit = of("steward").get("/api/v1/audit")?.expect(200)?.json()?;
    let text = audit.to_string();
    ensure!(
        text.contains("clinician-1") && text.contains("steward-1"),
        "{text}"
    );
    for role in ["reader", "clinician", "steward"] {
        ensure!(
            !text.contains("key of a") && !host.log().contains(&format!("key of a {role}")),
            "a key was written down"
        );
    }
    Ok(())
}

#[test]
fn without_keys_only_this_machine_is_answered() -> Result<()> {
    let host = Options::new().start()?;
    let client = Client::new(&host);
    client.get("/api/v1/studies")?.expect(200)?;
    for (name, value) in [
        ("host", "cinecor.example"),
        ("origin", "https://elsewhere.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let answer = client.send("GET", "/api/v1/studies", &[(name, value)], None)?;
        assert_eq!(
            answer.expect(403)?.problem()?,
            "loopback-only",
            "{name}: {value}"
        );
    }
    Ok(())
}

#[test]
fn without_keys_no_other_address_is_listened_on() -> Result<()> {
    let state = tempfile::tempdir()?;
    let output = Command::new(target().join("release/cinecor"))
        .args(["up", "--listen", "0.0.0.0:0", "--from"])
        .arg(root().join("spin.toml"))
        .arg("--state-dir")
        .arg(state.path())
        .output()?;
    ensure!(!output.status.success(), "it listened");
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(said.contains("api_keys"), "{said}");
    Ok(())
}
