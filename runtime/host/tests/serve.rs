//! What the host does with requests: routes, facts for components, streams, limits, deadlines, and its end. On the real binary.

mod support;

use support::{Connection, Host, Setup};

fn probes() -> Host {
    Setup::probes("").start()
}

#[test]
fn serves_components_of_both_versions_of_wasi() {
    let host = probes();
    let answer = host.get("/probe/hello");
    assert_eq!((answer.status, answer.text().as_str()), (200, "hello"));
    assert!(
        answer
            .header("x-request-id")
            .is_some_and(|id| id.len() == 32),
        "{answer:?}"
    );
    let answer = host.get("/p2/hello");
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (200, "hello from 0.2")
    );
    let body = vec![b'x'; 1 << 20];
    assert_eq!(host.post("/probe/echo", &body).body, body);
    assert_eq!(host.post("/p2/echo", &body).body, body);
}

#[test]
fn answers_what_spin_answers_beside_the_routes() {
    let host = probes();
    let health = host.get("/.well-known/spin/health");
    assert_eq!((health.status, health.text().as_str()), (200, "OK"));
    let info: serde_json::Value =
        serde_json::from_slice(&host.get("/.well-known/spin/info").body).unwrap();
    assert_eq!(
        (&info["name"], &info["version"]),
        (&"probes".into(), &"1.2.3".into())
    );
    let nowhere = host.get("/nowhere");
    assert_eq!(nowhere.status, 404);
    assert_eq!(nowhere.problem()["type"], "/problems/not-found");
}

#[test]
fn tells_components_the_facts_of_a_request_and_no_forged_ones() {
    let host = probes();
    let forged = [
        "spin-client-addr: 10.0.0.1:1",
        "spin-path-match-study: forged",
        "x-request-id: from-the-client",
    ];
    let answer = host
        .connect()
        .request("GET", "/studies/7/slices/request?x=1", &forged, b"");
    // The last part of the path is what the probe does, and a parameter as well.
    let text = answer.text();
    for line in [
        "spin-path-match-study: 7",
        "spin-path-match-slice: request",
        "spin-path-info: ",
        "spin-matched-route: /studies/:study/slices/:slice",
        "spin-component-route: /studies/:study/slices/:slice",
        "spin-full-url: http://localhost/studies/7/slices/request?x=1",
        "x-request-id: from-the-client",
    ] {
        assert_eq!(
            text.lines().filter(|found| *found == line).count(),
            1,
            "{line} in\n{text}"
        );
    }
    assert!(text.contains("spin-client-addr: 127.0.0.1:"), "{text}");
    assert!(
        !text.contains("forged") && !text.contains("10.0.0.1"),
        "{text}"
    );
    assert_eq!(answer.header("x-request-id"), Some("from-the-client"));
    let answer = host.connect().request(
        "GET",
        "/probe/deep/request",
        &["x-request-id: not sane"],
        b"",
    );
    assert!(
        answer.text().contains("spin-path-info: /deep/request"),
        "{}",
        answer.text()
    );
    assert!(
        answer
            .header("x-request-id")
            .is_some_and(|id| id.len() == 32)
    );
}

#[test]
fn streams_both_ways_chunk_by_chunk() {
    let host = probes();
    let mut connection = host.connect();
    connection.start_chunked("/probe/echo");
    connection.send_chunk(b"first").unwrap();
    assert_eq!(connection.head().status, 200);
    assert_eq!(connection.chunk(), b"first");
    // The second chunk is sent when the first has come back, so neither way waits for an end.
    connection.send_chunk(b"second").unwrap();
    assert_eq!(connection.chunk(), b"second");
    connection.send_chunk(b"").unwrap();
    assert_eq!(connection.chunk(), b"");
}

#[test]
fn keeps_a_connection_and_answers_head_without_a_body() {
    let host = probes();
    let mut connection = host.connect();
    for _ in 0..3 {
        assert_eq!(
            connection.request("GET", "/probe/hello", &[], b"").text(),
            "hello"
        );
        assert_eq!(
            connection.request("HEAD", "/probe/hello", &[], b"").status,
            200
        );
    }
}

#[test]
fn pages_that_may_call_can_read_what_the_host_itself_refuses() {
    let host = Setup::probes("")
        .variable("cors_origins", "https://viewer.example")
        .settings("[limits]\nbody_bytes_max = 1000")
        .start();
    let ask = |target: &str, origin: &str, body: &[u8]| {
        let origin = format!("origin: {origin}");
        host.connect().request("POST", target, &[&origin], body)
    };
    let allowed = "access-control-allow-origin";
    for (target, body, status) in [
        ("/probe/count", &[b'x'; 1001][..], 413),
        ("/nowhere", b"", 404),
        ("/probe/panic", b"", 500),
    ] {
        let answer = ask(target, "https://viewer.example", body);
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header(allowed), Some("https://viewer.example"));
        assert_eq!(answer.header("vary"), Some("Origin"));
        let exposed = answer.header("access-control-expose-headers");
        assert!(exposed.is_some_and(|names| names.contains("Retry-After")));
        let other = ask(target, "https://viewer.example.evil", body);
        assert_eq!((other.status, other.header(allowed)), (status, None));
    }
}

#[test]
fn refuses_bodies_above_the_limit_declared_or_not() {
    let host = Setup::probes("")
        .settings("[limits]\nbody_bytes_max = 1000")
        .start();
    assert_eq!(host.post("/probe/count", &[b'x'; 1000]).text(), "1000");
    let declared = host.post("/probe/count", &[b'x'; 1001]);
    assert_eq!(declared.status, 413);
    let problem = declared.problem();
    assert_eq!(
        problem["detail"],
        "The body has 1001 bytes; at most 1000 are taken. Send less, or have [limits] body_bytes_max of the host's settings raised."
    );
    assert_eq!(problem["limit_bytes"], 1000);
    let mut connection = host.connect();
    connection.start_chunked("/probe/count");
    connection.send_chunk(&[b'x'; 600]).unwrap();
    connection.send_chunk(&[b'x'; 600]).unwrap();
    let chunked = connection.answer(false);
    assert_eq!(
        (chunked.status, chunked.problem()["detail"].as_str()),
        (
            413,
            Some(
                "The body has more than 1000 bytes; at most 1000 are taken. Send less, or have [limits] body_bytes_max of the host's settings raised."
            )
        )
    );
    assert_eq!(host.get("/probe/hello").text(), "hello");
}

#[test]
fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let host = Setup::probes("")
        .settings("[limits]\nbody_bytes_max = 1000")
        .start();
    let body = vec![b'x'; 64 << 20];
    assert_eq!(host.post("/probe/count", &body).status, 413);
    let host = probes();
    let answer = host.post("/probe/early", &body);
    assert_eq!((answer.status, answer.text().as_str()), (401, "not read"));
}

#[test]
fn a_body_that_stalls_is_a_408() {
    let host = Setup::probes("")
        .settings("[limits]\nbody_stall_ms = 200")
        .start();
    let mut connection = host.connect();
    connection.start_chunked("/probe/count");
    connection.send_chunk(b"only this").unwrap();
    let answer = connection.answer(false);
    assert_eq!(
        (answer.status, answer.problem()["type"].as_str()),
        (408, Some("/problems/body-stalled"))
    );
    assert!(connection.closed());
    assert_eq!(host.get("/probe/hello").text(), "hello");
}

#[test]
fn deadlines_end_work_that_waits_and_work_that_never_pauses() {
    let host = Setup::probes("")
        .settings("[limits]\nrequest_deadline_ms = 300")
        .start();
    for target in ["/probe/wait", "/probe/loop"] {
        let mut slow = host.connect();
        slow.send(format!("GET {target} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes())
            .unwrap();
        // Others are served meanwhile.
        assert_eq!(host.get("/probe/hello").text(), "hello");
        let answer = slow.answer(false);
        assert_eq!(answer.status, 504, "{target}");
        assert_eq!(
            answer.problem()["type"],
            "/problems/deadline-exceeded",
            "{target}"
        );
    }
    for component in ["probe", "probe-p2"] {
        host.until("instances are left", |host| {
            host.figure(&format!("cinecor_instances{{component=\"{component}\"}}")) <= Some(1.0)
        });
    }
    assert_eq!(host.get("/probe/hello").text(), "hello");
}

#[test]
fn a_component_that_fails_shows_nothing_of_its_inside() {
    let host = probes();
    let answer = host.get("/probe/panic");
    assert_eq!(
        (answer.status, answer.problem()["type"].as_str()),
        (500, Some("/problems/internal"))
    );
    assert!(!answer.text().contains("probe"), "{}", answer.text());
    assert_eq!(host.get("/probe/hello").text(), "hello");
    host.until("the panic is not logged", |host| {
        host.log().contains("the probe was asked to panic")
    });
}

#[test]
fn memory_is_bounded_for_each_request() {
    let host = Setup::probes("")
        .settings("[component.probe]\ninstance_memory_bytes_max = 50331648")
        .start();
    assert_eq!(host.get("/probe/memory?16").text(), (16 << 20).to_string());
    let answer = host.get("/probe/memory?64");
    assert_eq!(answer.status, 500);
    assert!(
        answer.problem()["detail"]
            .as_str()
            .is_some_and(|detail| detail.contains("50331648 bytes")),
        "{}",
        answer.text()
    );
    assert_eq!(host.get("/probe/memory?16").text(), (16 << 20).to_string());
}

/// Starts a request that works until its client goes, and reads its first words.
fn start_work(host: &Host) -> Connection {
    let mut connection = host.connect();
    connection
        .send(b"GET /probe/work HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    assert_eq!(connection.head().status, 200);
    assert_eq!(connection.chunk(), b"started\n");
    connection
}

#[test]
fn too_many_requests_are_turned_away_and_waiting_ones_come_in() {
    let host = Setup::probes("")
        .settings("[limits]\nat_work_max = 1\nwaiting_max = 1\nretry_after_s = 7")
        .start();
    let at_work = start_work(&host);
    let mut waiting = host.connect();
    waiting
        .send(b"GET /probe/hello HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    host.until("nothing waits", |host| {
        host.figure("cinecor_requests_waiting") == Some(1.0)
    });
    let refused = host.get("/probe/hello");
    assert_eq!(
        (refused.status, refused.header("retry-after")),
        (503, Some("7"))
    );
    assert_eq!(refused.problem()["type"], "/problems/overloaded");
    assert_eq!(host.get("/.well-known/spin/health").text(), "OK");
    drop(at_work);
    assert_eq!(waiting.answer(false).text(), "hello");
}

#[test]
fn a_slow_upload_keeps_no_turn_to_compute_and_what_does_not_compute_waits_for_none() {
    let host = Setup::probes("")
        .settings("[component.probe]\nconcurrency = 1\n[component.probe.computing]\nrequests = [\"POST /probe/...\"]\nat_work_max = 1")
        .start();
    let post = |path: &str, length: usize, body: &str| {
        let mut connection = host.connect();
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: {length}\r\n\r\n");
        connection.send((head + body).as_bytes()).unwrap();
        connection
    };
    let mut slow = post("/probe/count", 4, "ab");
    let mut at_work = post("/probe/work", 1, "x");
    assert_eq!(at_work.head().status, 200);
    assert_eq!(at_work.chunk(), b"started\n");
    let mut waiting = post("/probe/count", 2, "xy");
    slow.send(b"cd").unwrap();
    assert_eq!(host.get("/probe/hello").text(), "hello");
    drop(at_work);
    assert_eq!(waiting.answer(false).text(), "2");
    assert_eq!(slow.answer(false).text(), "4");
}

#[test]
fn of_clients_that_come_together_so_many_have_an_instance_as_may_compute() {
    let host = Setup::probes("")
        .settings("[component.probe]\nconcurrency = 1\n[component.probe.computing]\nrequests = [\"POST /probe/...\"]\nat_work_max = 1")
        .start();
    let head = b"POST /probe/work HTTP/1.1\r\nhost: localhost\r\ncontent-length: 2\r\n\r\nx";
    let mut clients: Vec<_> = (0..12).map(|_| host.connect()).collect();
    // All are there before a body is.
    for part in [&head[..], b"y"] {
        for client in &mut clients {
            client.send(part).unwrap();
        }
        let arrived = |host: &Host| host.figure("cinecor_requests_at_work");
        host.until("twelve have not come", |host| arrived(host) == Some(12.0));
    }
    let waiting = |host: &Host| host.figure("cinecor_turns_waiting");
    host.until("eleven do not wait", |host| waiting(host) == Some(11.0));
    let running = host.figure("cinecor_instances{component=\"probe\"}");
    assert_eq!(running, Some(1.0));
}

#[test]
fn who_asks_before_it_sends_is_refused_before_it_sends() {
    let host = Setup::probes("")
        .settings("[component.probe.computing]\nrequests = [\"POST /probe/...\"]\nat_work_max = 1")
        .start();
    let mut asks = host.connect();
    asks.send(b"POST /probe/early HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 9000000\r\n\r\n")
        .unwrap();
    // Not `100 Continue`: nothing of the body is wanted.
    let answer = asks.answer(false);
    assert_eq!((answer.status, answer.text().as_str()), (401, "not read"));
}

#[test]
fn a_client_that_goes_ends_the_work_it_asked_for() {
    let host = probes();
    let running = |host: &Host| host.figure("cinecor_instances{component=\"probe\"}");
    let work = start_work(&host);
    assert_eq!(running(&host), Some(1.0));
    drop(work);
    host.until("the instance works on", |host| running(host) == Some(0.0));
    let mut waits = host.connect();
    waits
        .send(b"GET /probe/wait HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    host.until("the request is not at work", |host| {
        running(host) == Some(1.0)
    });
    drop(waits);
    host.until("the instance waits on", |host| running(host) == Some(0.0));
}

#[test]
fn a_client_that_goes_leaves_the_queue_with_its_body_unread() {
    let host = Setup::probes("")
        .settings("[limits]\nat_work_max = 1")
        .start();
    let _at_work = start_work(&host);
    let waiting = |host: &Host| host.figure("cinecor_requests_waiting");
    let mut leaves = host.connect();
    leaves
        .send(b"POST /probe/count HTTP/1.1\r\nhost: localhost\r\nx-request-id: it-left\r\ncontent-length: 40000\r\n\r\n")
        .unwrap();
    // More than is read before somebody asks for it, and less than the system holds for a process that does not read.
    leaves.send(&[b'x'; 40_000]).unwrap();
    host.until("nothing waits", |host| waiting(host) == Some(1.0));
    drop(leaves);
    host.until("it waits on", |host| waiting(host) == Some(0.0));
    host.until("it is not logged", |host| {
        host.log().lines().any(|line| {
            line.contains("it-left")
                && line.contains("\"status\":499")
                && line.contains("\"complete\":false")
        })
    });
    assert_eq!(host.figure("cinecor_requests_abandoned_total"), Some(1.0));
}

#[test]
fn a_component_of_concurrency_one_gives_each_request_an_instance() {
    let host = Setup::probes("")
        .settings("[component.probe]\nconcurrency = 1")
        .start();
    let _first = start_work(&host);
    let _second = start_work(&host);
    assert_eq!(
        host.figure("cinecor_instances{component=\"probe\"}"),
        Some(2.0)
    );
}

#[test]
fn requests_share_instances_where_the_settings_let_them() {
    let host = probes();
    let _first = start_work(&host);
    let _second = start_work(&host);
    assert_eq!(
        host.figure("cinecor_instances{component=\"probe\"}"),
        Some(1.0)
    );
}

#[test]
fn an_instance_serves_no_more_requests_than_it_may() {
    let host = Setup::probes("")
        .settings("[component.probe]\ninstance_reuse_max = 2")
        .start();
    for _ in 0..6 {
        assert_eq!(host.get("/probe/hello").text(), "hello");
    }
    assert_eq!(
        host.figure("cinecor_instances_started_total{component=\"probe\"}"),
        Some(3.0)
    );
}

#[test]
fn malformed_requests_are_refused_in_words() {
    let host = probes();
    let mut connection = host.connect();
    connection
        .send(b"GET /probe/hello HTTP/1.1\r\n\r\n")
        .unwrap();
    let answer = connection.answer(false);
    assert_eq!(
        (answer.status, answer.problem()["type"].as_str()),
        (400, Some("/problems/malformed-request"))
    );
    let answer = host.get(&format!("/probe/hello?{}", "x".repeat(9000)));
    assert_eq!(
        (answer.status, answer.problem()["type"].as_str()),
        (414, Some("/problems/address-too-long"))
    );
    let mut connection = host.connect();
    connection
        .send(b"OPTIONS * HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    assert_eq!(connection.answer(false).status, 400);
    let mut connection = host.connect();
    connection.send(b"\x00\xff nonsense\r\n\r\n").unwrap();
    assert!(connection.closed());
    assert_eq!(host.get("/probe/hello").text(), "hello");
}

#[test]
fn logs_hold_neither_paths_nor_queries_nor_headers() {
    let host = probes();
    host.connect().request(
        "GET",
        "/probe/Meier-Anna/hello?born=1950",
        &["x-patient: Meier", "x-request-id: the-request"],
        b"",
    );
    host.until("the request is not logged", |host| {
        host.log().contains("the-request")
    });
    let log = host.log();
    assert!(!log.contains("Meier") && !log.contains("1950"), "{log}");
    let line = log
        .lines()
        .find(|line| line.contains("the-request"))
        .unwrap();
    let line: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(
        (&line["route"], &line["status"], &line["component"]),
        (&"/probe/...".into(), &200.into(), &"probe".into())
    );
}

#[test]
fn connections_over_which_no_request_comes_are_closed() {
    let host = Setup::probes("")
        .settings("[limits]\nhead_timeout_ms = 200")
        .start();
    for start in [
        &b""[..],
        b"P",
        b"PRI * HTTP/2.0\r\n",
        b"GET /probe/hello HT",
    ] {
        let mut connection = host.connect();
        connection.send(start).unwrap();
        assert!(connection.closed(), "{start:?}");
    }
    // A request that takes longer than its head may is not cut.
    let mut connection = host.connect();
    connection.start_chunked("/probe/echo");
    connection.send_chunk(b"one").unwrap();
    assert_eq!(connection.head().status, 200);
    assert_eq!(connection.chunk(), b"one");
    std::thread::sleep(std::time::Duration::from_millis(300));
    connection.send_chunk(b"two").unwrap();
    assert_eq!(connection.chunk(), b"two");
}

#[test]
fn a_host_with_all_connections_taken_is_told_to_end_all_the_same() {
    let mut host = Setup::probes("")
        .settings("[limits]\nconnections_max = 1\nshutdown_ms = 50")
        .start();
    let mut work = start_work(&host);
    host.terminate();
    assert!(host.ended());
    assert!(work.closed());
}

#[test]
fn requests_under_way_finish_when_the_host_is_told_to_end() {
    let mut host = probes();
    let mut connection = host.connect();
    connection.start_chunked("/probe/echo");
    connection.send_chunk(b"one").unwrap();
    assert_eq!(connection.head().status, 200);
    assert_eq!(connection.chunk(), b"one");
    host.terminate();
    host.until("the host does not end", |host| {
        host.log().contains("ending: no new requests")
    });
    connection.send_chunk(b"two").unwrap();
    assert_eq!(connection.chunk(), b"two");
    connection.send_chunk(b"").unwrap();
    assert_eq!(connection.chunk(), b"");
    assert!(host.ended());
}

#[test]
fn an_instance_with_nothing_to_do_does_not_fail_because_the_host_ends() {
    let mut host = probes();
    assert_eq!(host.get("/probe/hello").status, 200);
    host.terminate();
    assert!(host.ended());
    let log = host.whole_log();
    assert!(!log.contains("instance failed"), "{log}");
    assert!(log.contains("\"ended\""), "{log}");
}

#[test]
fn work_that_takes_too_long_does_not_keep_the_host_from_ending() {
    let mut host = Setup::probes("")
        .settings("[limits]\nshutdown_ms = 50")
        .start();
    let mut work = start_work(&host);
    host.terminate();
    assert!(host.ended());
    assert!(work.closed());
}

#[test]
fn compiled_code_is_used_again() {
    let setup = || Setup::probes("");
    let host = setup().start().again(&setup());
    let log = host.log();
    let loaded: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let cached: Vec<_> = loaded
        .iter()
        .filter(|line| line["message"] == "component loaded")
        .map(|line| line["cached"].clone())
        .collect();
    assert_eq!(cached, [true, true, true]);
}

#[test]
fn prints_of_components_are_lines_of_the_log() {
    let host = probes();
    assert_eq!(host.get("/probe/print?words").text(), "printed");
    host.until("the words are not logged", |host| {
        host.log().lines().any(|line| {
            line.contains("\"message\":\"words\"") && line.contains("\"component\":\"probe\"")
        })
    });
}

#[test]
fn refuses_to_start_in_words() {
    let refused = |setup: Setup, expected: &str| {
        let said = setup.refused();
        assert!(said.contains(expected), "{expected} is not in {said}");
    };
    refused(
        Setup::probes("key_value_store = []"),
        "unknown field `key_value_store`",
    );
    refused(
        Setup::probes("").settings("[limits]\nbody = 1"),
        "unknown field `body`",
    );
    refused(
        Setup::probes("").settings("[nn]\nengine = \"tract\"\nthreads = 100000000"),
        "`threads` of the inference settings is 100000000; at most 1024 can be asked for",
    );
    refused(
        Setup::probes("").settings("[component.none]\nconcurrency = 1"),
        "the settings have [component.none], the manifest has no such component",
    );
    for request in ["POST /none", "post /probe/...", "/probe/..."] {
        let computing = format!("[component.probe.computing]\nrequests = [{request:?}]");
        refused(
            Setup::probes("").settings(&computing),
            &format!("{request:?}"),
        );
    }
    refused(
        Setup::probes("").settings("[component.probe.computing]\nrequests = []"),
        "names no request",
    );
    refused(
        Setup::probes("").argument("--profile").argument("native"),
        "no component has a profile `native`",
    );
    refused(
        Setup::probes("")
            .argument("--component-id")
            .argument("none"),
        "there is no component `none`",
    );
    refused(
        Setup::manifest(
            "spin_manifest_version = 2\n[application]\nname = \"x\"\n[[trigger.http]]\nroute = \"/...\"\ncomponent = \"c\"\n[component.c]\nsource = \"c.wasm\"\n",
        ),
        "c.wasm",
    );
    refused(
        Setup::manifest("spin_manifest_version = 2\n[application]\nname = \"x\"\n[[trigger.http]]\nroute = \"/...\"\ncomponent = \"c\"\n[component.c]\nsource = \"c.wasm\"\n")
            .file("c.wasm", "no component"),
        "[component.c]",
    );
    refused(
        Setup::probes("")
            .file("rc.toml", "[unknown]\n")
            .argument("--runtime-config-file")
            .argument("/nonexistent/rc.toml"),
        "/nonexistent/rc.toml",
    );
}
