//! What every HTTP component shares: a request checked and taken apart, bodies as they arrive, answers as they are made, and Spin's
//! key-value, SQLite and variables behind the traits of the crates. It is the only crate that knows Spin's SDK; there is no medicine here.
//!
//! It depends on `store` and `web`, whose traits and values it joins to the SDK, and on `formats` and `dicom`, because bodies hold volumes: a
//! `Content-Encoding` is undone with the bounded inflater of `formats`, and its refusals become problems here, once for all components.
//!
//! A component is then:
//!
//! ```text
//! struct Upload;
//! wasip3::http::service::export!(Upload);
//!
//! impl wasip3::exports::http::handler::Guest for Upload {
//!     async fn handle(request: Request) -> Response {
//!         serve(request, answer).await
//!     }
//! }
//!
//! async fn answer(call: Call) -> Result<Answer, Problem> {
//!     match call.operation.id {
//!         "get_study" => get(&call).await,
//!         _ => Err(call.not_here()),
//!     }
//! }
//! ```
//!
//! The SDK's `http_service` attribute is not used because it hands bodies on in pieces of 16 KiB and gives streamed answers no way to
//! break off.

mod answer;
mod body;
mod call;
mod decode_limits;
mod kept;
mod refusals;
mod serve;
mod settings;
mod spin;
mod stitched;
mod upload;

pub use answer::{Answer, Disconnected, Sink, content_tag};
pub use body::BodyReader;
pub use call::Call;
pub use decode_limits::mask_limits;
pub use kept::{
    KeptSlice, MODELS, kept_card, kept_frame, kept_mask, kept_mask_slice, kept_slice, slice_axis,
};
pub use refusals::{
    decode_problem, engine_not_configured, engine_unreachable, fact_problem, measure_problem,
    sentence, storage_problem,
};
pub use serve::{Request, Response, serve, serve_open};
pub use settings::{Settings, variable};
pub use spin::{GuestStore, SpinDatabase, SpinKeyValue, now_ms, open_store, random_id};
pub use stitched::send_assembly;
pub use upload::{
    Consumer, FileFacts, Form, FormPart, Intake, Upload, VolumeFiles, chunk_from, chunk_into,
    deflated_frame, take_volume,
};
