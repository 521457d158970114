//! Pictures of kept studies: a slice in grey, and a slice with its labels. How they are drawn is in `cinecor-render`.

mod pictures;

use cinecor_guest::{Answer, Call, Request, Response, serve};
use cinecor_web::Problem;
use spin_sdk::wasip3;

struct Render;

wasip3::http::service::export!(Render);

impl wasip3::exports::http::handler::Guest for Render {
    async fn handle(request: Request) -> Response {
        serve(request, answer).await
    }
}

async fn answer(call: Call) -> Result<Answer, Problem> {
    match call.operation.id {
        "get_study_slice" => pictures::study(&call).await,
        "get_segmentation_slice" => pictures::segmentation(&call).await,
        _ => Err(call.not_here()),
    }
}
