//! A guest of the host's tests: exports `host-tests:compose/worker`, asynchronous functions that call synchronous imports, as a model
//! component does with inference.

#[allow(missing_docs, reason = "generated from WIT, documented there")]
mod bindings {
    wit_bindgen::generate!({
        path: ["../../../../../wit/deps/fermyon-spin@2.0.0", "../../wit"],
        world: "host-tests:compose/working",
        generate_all,
    });
}

struct Worker;

impl bindings::exports::host_tests::compose::worker::Guest for Worker {
    async fn pause(ms: u32) -> u32 {
        std::thread::sleep(std::time::Duration::from_millis(ms.into()));
        ms
    }

    async fn variable(name: String) -> Result<String, String> {
        bindings::fermyon::spin::variables::get(&name).map_err(|error| format!("{error:?}"))
    }
}

bindings::export!(Worker with_types_in bindings);
