//! Key-value stores and databases as guests use them, through both versions of the interfaces, and what is on disk afterwards. On the
//! real binary.

mod support;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use support::{Connection, Host, Setup, guest};

const GRANTS: &str = "key_value_stores = [\"default\"]\nsqlite_databases = [\"default\"]\nvariables = { words = \"{{ greeting }}\" }\n";

fn stores(keys: &str) -> Setup {
    Setup::manifest(&format!(
        "spin_manifest_version = 2\n[application]\nname = \"stores\"\n[variables]\ngreeting = {{ default = \"hi\" }}\n\
         [[trigger.http]]\nroute = \"/...\"\ncomponent = \"stores\"\n[component.stores]\nsource = {:?}\n{keys}",
        guest("stores")
    ))
}

#[track_caller]
fn lines(host: &Host, target: &str) -> Vec<String> {
    let answer = host.get(target);
    assert_eq!(answer.status, 200, "{target}: {}", answer.text());
    answer.text().lines().map(str::to_owned).collect()
}

/// Whether a file of the host's state holds the bytes.
fn on_disk(host: &Host, needle: &[u8]) -> bool {
    fn search(folder: &Path, needle: &[u8]) -> bool {
        std::fs::read_dir(folder).unwrap().any(|entry| {
            let path = entry.unwrap().path();
            if path.is_dir() {
                search(&path, needle)
            } else if !path.is_file() {
                // The socket that takes commands.
                false
            } else {
                std::fs::read(path)
                    .unwrap()
                    .windows(needle.len())
                    .any(|window| window == needle)
            }
        })
    }
    search(&host.folder().join("state"), needle)
}

#[test]
fn every_function_of_both_key_value_interfaces_works_on_one_store() {
    let host = stores(GRANTS).start();
    assert_eq!(
        lines(&host, "/key-value"),
        ["Some(Ok(\"one\"))", "None", "true false", "a", "b", "302"]
    );
    assert_eq!(
        lines(&host, "/key-value-2"),
        [
            "Some([49])",
            "true false",
            "[\"sync/a\"]",
            "Some(\"Error::AccessDenied\")"
        ]
    );
}

#[test]
fn stores_outlive_the_host() {
    let setup = stores(GRANTS);
    let host = setup.launch();
    lines(&host, "/key-value-2");
    lines(&host, "/transaction?commit");
    let host = host.again(&setup);
    // The key that the synchronous interface set before the host ended is among those that there are now.
    assert_eq!(lines(&host, "/key-value")[5..], ["sync/a", "303"]);
    assert_eq!(lines(&host, "/count"), ["10"]);
}

#[test]
fn every_type_and_both_ways_of_sqlite_work() {
    let host = stores(GRANTS).start();
    let expected = [
        "1 1",
        "r t b n",
        "[Value::Real(0.5), Value::Text(\"ä\"), Value::Blob([0, 255]), Value::Null]",
        "1000 Some([Value::Integer(1000)])",
        "Some(Error::Io(\"no such table: absent\"))",
    ];
    assert_eq!(lines(&host, "/sqlite"), expected);
    assert_eq!(
        lines(&host, "/sqlite"),
        expected,
        "an instance that has run before does the same"
    );
    assert_eq!(
        lines(&host, "/sqlite-sync"),
        [
            "sum",
            "[Value::Integer(42)]",
            "0",
            "Some(Error::AccessDenied)"
        ]
    );
}

#[test]
fn a_transaction_that_is_not_committed_leaves_nothing() {
    let host = stores(GRANTS).start();
    lines(&host, "/transaction?leave");
    assert_eq!(lines(&host, "/count"), ["0"]);
    lines(&host, "/transaction?commit");
    assert_eq!(lines(&host, "/count"), ["10"]);
}

#[test]
fn the_synchronous_variables_are_those_of_the_component() {
    let host = stores(GRANTS).start();
    assert_eq!(lines(&host, "/variables-2?words"), ["hi"]);
    let refused = host.get("/variables-2?greeting").text();
    assert!(
        refused.contains("Undefined") && refused.contains("[component.stores.variables]"),
        "{refused}"
    );
    assert!(
        host.get("/variables-2?Not-A-Name")
            .text()
            .contains("InvalidName")
    );
}

#[test]
fn what_is_deleted_is_in_no_file() {
    let host = stores(GRANTS).start();
    lines(&host, "/put?a-very-rare-text");
    assert!(
        on_disk(&host, b"a-very-rare-text"),
        "the test must be able to see it"
    );
    lines(&host, "/take");
    assert!(!on_disk(&host, b"a-very-rare-text"));
}

#[test]
fn a_refusal_says_in_the_log_which_line_would_grant() {
    let host = stores("").start();
    let answer = host.get("/key-value").text();
    assert!(answer.contains("AccessDenied"), "{answer}");
    host.until("the log names the line", |host| {
        host.log()
            .contains("add to [component.stores] of spin.toml: key_value_stores =")
    });
    assert!(host.get("/sqlite").text().contains("AccessDenied"));
    host.until("the log names the line", |host| {
        host.log()
            .contains("add to [component.stores] of spin.toml: sqlite_databases =")
    });
}

/// Four clients commit transactions of ten rows while the host is killed.
#[test]
fn a_kill_loses_nothing_that_was_committed_and_keeps_no_half() {
    let setup = stores(GRANTS);
    let mut host = setup.launch();
    let mut known = 0;
    for round in 1..=3_u64 {
        let acknowledged = AtomicU64::new(0);
        let over = AtomicBool::new(false);
        let address = host.address;
        host = std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while !over.load(Ordering::SeqCst) {
                        // The kill ends connections in the middle of anything.
                        let answer = std::panic::catch_unwind(|| {
                            Connection::new(address)
                                .request("GET", "/transaction?commit", &[], b"")
                                .status
                        });
                        if answer.is_ok_and(|status| status == 200) {
                            acknowledged.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                });
            }
            host.until("transactions are committed", |_| {
                acknowledged.load(Ordering::SeqCst) >= 5 * round
            });
            // The address is another one afterwards, so that clients that still run reach nobody.
            let again = host.killed(&setup);
            over.store(true, Ordering::SeqCst);
            again
        });
        let count: u64 = lines(&host, "/count")[0].parse().unwrap();
        assert_eq!(count % 10, 0, "half a transaction was kept");
        let committed = known + 10 * acknowledged.load(Ordering::SeqCst);
        assert!(
            count >= committed,
            "{count} rows are there, {committed} were acknowledged"
        );
        known = count;
    }
}
