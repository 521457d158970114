//! Files that are stitched from stored chunks, sent whole or in part.

use cinecor_store::{Assembly, KeyValue, Piece};
use cinecor_web::{Delivery, Etag, Problem, StatusCode, deliver};
use http::HeaderValue;
use http::header::{ACCEPT_RANGES, CONTENT_RANGE};

use crate::answer::{Answer, Sink};
use crate::call::Call;
use crate::spin::GuestStore;

/// Sends a stitched file as the request asks for it: 200, 206 or 304. One chunk at a time is in memory, and only chunks that the range touches
/// are read.
///
/// # Errors
/// [`ProblemKind::RangeNotSatisfiable`](cinecor_web::ProblemKind::RangeNotSatisfiable).
pub fn send_assembly(
    call: &Call,
    store: GuestStore,
    file: Assembly,
    etag: &Etag,
    media_type: &'static str,
    file_name: &str,
) -> Result<Answer, Problem> {
    let total = file.len();
    let delivery = deliver(&call.method, &call.headers, etag, Some(total))?;
    let (start, end) = match delivery {
        Delivery::NotModified => return Ok(Answer::not_modified(etag)),
        Delivery::Whole => (0, total.saturating_sub(1)),
        Delivery::Part(range) => (range.start, range.end),
    };
    let answer = Answer::stream(media_type, Some(end - start + 1), move |sink| {
        write(sink, store, file, start, end)
    });
    let answer = answer
        .etag(etag)
        .saved_as(file_name)
        .header(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    Ok(match delivery {
        Delivery::Part(range) => answer
            .status(StatusCode::PARTIAL_CONTENT)
            .header(CONTENT_RANGE, range.content_range(total)),
        _ => answer,
    })
}

async fn write(mut sink: Sink, store: GuestStore, file: Assembly, start: u64, end: u64) {
    for piece in file.pieces(start, end) {
        let bytes = match piece {
            Piece::Inline(bytes) => bytes,
            Piece::Stored { key, start, end } => match store.keys().get(&key).await {
                Ok(Some(value)) => match Piece::cut(&value, start, end) {
                    Some(bytes) => bytes.to_vec(),
                    None => {
                        return sink
                            .fail(&Problem::internal(format!(
                                "{key} is shorter than its record says"
                            )))
                            .await;
                    }
                },
                Ok(None) => {
                    return sink
                        .fail(&Problem::internal(format!(
                            "{key} is missing; it was deleted while it was sent"
                        )))
                        .await;
                }
                Err(cause) => return sink.fail(&Problem::internal(cause)).await,
            },
        };
        if sink.send(bytes).await.is_err() {
            return;
        }
    }
    sink.finish().await;
}
