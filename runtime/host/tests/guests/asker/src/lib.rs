//! A guest of the host's tests: an HTTP component that imports `host-tests:compose/worker`. `/variable?name` asks for a variable;
//! `/progress` tells, line by line, of work that another component does.

use futures::SinkExt as _;
use spin_sdk::http::body::stream;
use spin_sdk::http::{BoxBody, FullBody, IntoResponse, Request, Response, box_body};
use spin_sdk::http_service;
use spin_sdk::wasip3::clocks::monotonic_clock;

#[allow(missing_docs, reason = "generated from WIT, documented there")]
mod bindings {
    wit_bindgen::generate!({
        path: ["../../../../../wit/deps/fermyon-spin@2.0.0", "../../wit"],
        world: "host-tests:compose/asking",
        generate_all,
    });
}

use bindings::host_tests::compose::worker;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    let argument = request.uri().query().unwrap_or_default().to_owned();
    if request.uri().path().ends_with("/variable") {
        let text = match worker::variable(argument).await {
            Ok(value) => value,
            Err(error) => format!("refused: {error}"),
        };
        return Response::new(box_body(FullBody::new(text.into())));
    }
    let ms = argument.parse().unwrap_or(1);
    let (mut sender, body) = stream::<String>();
    spin_sdk::wasip3::spawn(async move {
        for step in 0..3 {
            let _ = sender.send(format!("before {step}\n")).await;
            // The worker's import is synchronous and holds up the whole store: what was written goes out while something real is awaited.
            monotonic_clock::wait_for(1_000_000).await;
            let done = worker::pause(ms).await;
            let _ = sender.send(format!("after {step}: {done}\n")).await;
        }
    });
    Response::<BoxBody>::new(box_body(body))
}
