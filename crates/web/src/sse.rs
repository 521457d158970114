//! Server-sent events: how one event is written.

use serde_json::Value;

/// A comment that keeps a connection from being taken for dead.
pub const SSE_KEEP_ALIVE: &str = ": working\n\n";

/// The text of one event. JSON written on one line holds no line break, so one `data` line is enough.
///
/// ```
/// let text = cinecor_web::event("progress", &serde_json::json!({"done": 3, "stage": "segment", "total": 30}));
/// assert_eq!(text, "event: progress\ndata: {\"done\":3,\"stage\":\"segment\",\"total\":30}\n\n");
/// ```
pub fn event(name: &str, data: &Value) -> String {
    format!("event: {name}\ndata: {data}\n\n")
}
