//! Segmentation, one shot and kept, its corrections and reviews: takes cines in, has each frame segmented by `cinecor:model/segmenter`, and gives masks and numbers out.
//!
//! Three frames are in memory at a time, two that the model looks at and the next, and as long as it is undecided how they are shown two more;
//! what was made of the others is small: `work` is that loop, `one_shot` feeds it from a request's body and `kept` from the store; `revise` makes a new revision of what a person changed. How a frame is segmented is the model component's business.

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated from the WIT, which documents itself"
)]
mod bindings {
    spin_sdk::wit_bindgen::generate!({
        inline: "
            package cinecor:segment;
            world segment {
                import cinecor:model/segmenter@0.1.0;
            }
        ",
        path: [
            "../../wit/deps/wasi-nn@0.2.0-rc-2024-10-28",
            "../../wit/cinecor-inference",
            "../../wit/cinecor-model",
        ],
        world: "cinecor:segment/segment",
        runtime_path: "spin_sdk::wit_bindgen::rt",
        generate_all,
    });
}

mod kept;
mod mask;
mod model;
mod one_shot;
mod progress;
mod review;
mod revise;
mod shadow;
mod sight;
mod work;

use cinecor_guest::{Answer, Call, Request, Response, serve};
use cinecor_web::Problem;
use spin_sdk::wasip3;

struct Segment;

wasip3::http::service::export!(Segment);

impl wasip3::exports::http::handler::Guest for Segment {
    async fn handle(request: Request) -> Response {
        serve(request, answer).await
    }
}

async fn answer(call: Call) -> Result<Answer, Problem> {
    match call.operation.id {
        "segment" => one_shot::segment(call).await,
        "create_segmentation" => kept::create(call).await,
        "list_segmentations" => kept::list(&call).await,
        "get_segmentation" => kept::get(&call).await,
        "delete_segmentation" => kept::delete(&call).await,
        "update_segmentation" => revise::update(call).await,
        "review_segmentation" => review::post(call).await,
        "list_revisions" => review::list(&call).await,
        "put_mask" => revise::put_mask(call).await,
        "get_mask" => mask::get(&call).await,
        _ => Err(call.not_here()),
    }
}
