//! Telling a client how far the work is, and hearing that it has gone away.

use cinecor_guest::Sink;
use cinecor_web::{Problem, ProblemKind};
use cinecor_wire::Progress;
use spin_sdk::wasip3::clocks::monotonic_clock;

/// Long enough for the host to send what was written: where the engine is a component too, inference holds the event loop of this
/// instance until it ends, and with it every event that was not sent before. A yield does not do it, a millisecond does.
const FLUSH_NS: u64 = 1_000_000;

/// Who is told.
pub(crate) enum Listener {
    /// Nobody: the answer comes at the end.
    Silent,
    /// A client that listens to server-sent events.
    Events(Sink),
    /// A client that was listening and has gone away.
    Gone,
}

impl Listener {
    /// Tells how far the segmentation is.
    ///
    /// # Errors
    /// When the client has gone away: the work is for nobody and should end. [`Listener::is_gone`] tells this from a failure.
    pub(crate) async fn segmented(&mut self, done: usize, total: usize) -> Result<(), Problem> {
        let Listener::Events(sink) = self else {
            return Ok(());
        };
        let data = serde_json::to_value(Progress {
            stage: "segment",
            done,
            total,
        })
        .map_err(Problem::internal)?;
        if sink.event("progress", &data).await.is_err() {
            *self = Listener::Gone;
            return Err(Problem::new(
                ProblemKind::MalformedRequest,
                "The client has gone away; nobody reads this.",
            ));
        }
        monotonic_clock::wait_for(FLUSH_NS).await;
        Ok(())
    }

    /// Whether the client has gone away.
    pub(crate) fn is_gone(&self) -> bool {
        matches!(self, Listener::Gone)
    }

    /// Ends the events with a result, which is one line of JSON, or with a problem.
    pub(crate) async fn end(self, outcome: Result<Vec<u8>, Problem>) {
        let Listener::Events(mut sink) = self else {
            return;
        };
        match outcome {
            Ok(json) => {
                let mut event = b"event: result\ndata: ".to_vec();
                event.extend_from_slice(&json);
                event.extend_from_slice(b"\n\n");
                // Whoever has gone away before the end is not told it.
                if sink.send(event).await.is_ok() {
                    sink.finish().await;
                }
            }
            Err(problem) => sink.problem(&problem).await,
        }
    }
}
