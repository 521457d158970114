//! Components composed of others: `[component.X.dependencies]`. On the real binary.

mod support;

use support::{Setup, guest};

/// The component `asker` with `dependencies` as given; `{worker}` stands for the worker's file.
fn asker(keys: &str, dependencies: &str) -> Setup {
    let dependencies = dependencies.replace("{worker}", &format!("{:?}", guest("worker")));
    Setup::manifest(&format!(
        "spin_manifest_version = 2\n[application]\nname = \"composed\"\n\
         [[trigger.http]]\nroute = \"/...\"\ncomponent = \"asker\"\n\
         [component.asker]\nsource = {:?}\nvariables = {{ words = \"hello\" }}\n{keys}\n\
         [component.asker.dependencies]\n{dependencies}\n\
         [component.worker]\nsource = {:?}\n\
         [component.granted]\nsource = {:?}\nkey_value_stores = [\"default\"]\n",
        guest("asker"),
        guest("worker"),
        guest("worker"),
    ))
}

#[test]
fn a_dependency_answers_by_interface_or_by_package() {
    for dependencies in [
        "\"host-tests:compose/worker@0.1.0\" = { path = {worker}, inherit_configuration = true }",
        "\"host-tests:compose@0.1.0\" = { path = {worker}, inherit_configuration = true }",
        "\"host-tests:compose/worker@0.1.0\" = { component = \"worker\", inherit_configuration = [\"variables\"] }",
    ] {
        let host = asker("", dependencies).start();
        assert_eq!(
            host.get("/variable?words").text(),
            "hello",
            "{dependencies}"
        );
        assert!(host.get("/variable?none").text().contains("Undefined"));
    }
    let host = asker(
        "dependencies_inherit_configuration = true",
        "\"host-tests:compose/worker@0.1.0\" = { path = {worker} }",
    )
    .start();
    assert_eq!(host.get("/variable?words").text(), "hello");
}

#[test]
fn progress_goes_out_while_a_dependency_works() {
    let host = asker(
        "",
        "\"host-tests:compose/worker@0.1.0\" = { path = {worker}, inherit_configuration = true }",
    )
    .start();
    // The worker's second step ends long after this test's patience, so what is read before it was not held back.
    let mut connection = host.connect();
    connection
        .send(b"GET /progress?1 HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    let answer = connection.answer(false);
    assert_eq!(
        answer.text(),
        "before 0\nafter 0: 1\nbefore 1\nafter 1: 1\nbefore 2\nafter 2: 1\n"
    );
    let mut connection = host.connect();
    connection
        .send(b"GET /progress?3600000 HTTP/1.1\r\nhost: localhost\r\n\r\n")
        .unwrap();
    assert_eq!(connection.head().status, 200);
    assert_eq!(connection.chunk(), b"before 0\n");
}

#[test]
fn a_dependency_that_inherits_nothing_may_not_use_grants() {
    for dependencies in [
        "\"host-tests:compose/worker@0.1.0\" = { path = {worker} }",
        "\"host-tests:compose/worker@0.1.0\" = { path = {worker}, inherit_configuration = false }",
        "\"host-tests:compose/worker@0.1.0\" = { path = {worker}, inherit_configuration = [\"key_value_stores\"] }",
    ] {
        let said = asker("", dependencies).refused();
        assert!(
            said.contains(
                "imports \\\"fermyon:spin/variables@2.0.0\\\" and does not inherit `variables`"
            ) || said.contains(
                "imports \"fermyon:spin/variables@2.0.0\" and does not inherit `variables`"
            ),
            "{dependencies}: {said}"
        );
    }
}

#[test]
fn says_what_is_wrong_with_a_dependency() {
    for (keys, dependencies, expected) in [
        (
            "",
            "\"host-tests:compose/worker@0.2.0\" = { path = {worker} }",
            "matches no import of the component; besides WASI it imports host-tests:compose/worker@0.1.0",
        ),
        (
            "",
            "\"nothing here\" = { path = {worker} }",
            "matches no import",
        ),
        (
            "",
            "\"host-tests:compose/worker\" = { path = \"gone.wasm\" }",
            "cannot read",
        ),
        (
            "",
            "\"host-tests:compose/worker\" = { path = {worker}, export = \"other\", inherit_configuration = true }",
            "does not export",
        ),
        (
            "",
            "\"host-tests:compose/worker\" = { path = \"spin.toml\" }",
            "cannot be composed",
        ),
        (
            "",
            "\"host-tests:compose/worker\" = { component = \"nobody\" }",
            "nobody",
        ),
        (
            "",
            "\"host-tests:compose/worker\" = { component = \"granted\" }",
            "has grants of its own (key_value_stores)",
        ),
        (
            "",
            "\"host-tests:compose/worker\" = { path = {worker}, inherit_configuration = [\"hearts\"] }",
            "none of allowed_outbound_hosts",
        ),
        (
            "",
            "\"host-tests:compose/worker\" = { path = {worker}, inherit_configuration = true }\n\"host-tests:compose@0.1.0\" = { path = {worker}, inherit_configuration = true }",
            "both satisfy the import",
        ),
        (
            "",
            "\"host-tests:compose/worker\" = \">=1.0\"",
            "dependency is { path",
        ),
        (
            "dependencies_inherit_configuration = true",
            "\"host-tests:compose/worker\" = { path = {worker}, inherit_configuration = true }",
            "keep one of them",
        ),
    ] {
        let said = asker(keys, dependencies).refused();
        assert!(said.contains(expected), "{dependencies}: {said}");
    }
}

#[test]
fn a_component_without_its_dependency_is_told_at_the_start() {
    let said = asker("", "").refused();
    assert!(
        said.contains("host-tests:compose/worker@0.1.0") && said.contains("asker"),
        "{said}"
    );
}
