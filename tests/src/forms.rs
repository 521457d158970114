//! Multipart forms, written as an HTTP library writes them.

/// The boundary of every form made here.
const BOUNDARY: &str = "cinecor-edge-7f3a";

/// A form on its way to being sent.
#[derive(Clone, Debug, Default)]
pub struct Form {
    body: Vec<u8>,
}

impl Form {
    /// A form without parts.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    pub fn field(self, name: &str, value: &[u8]) -> Self {
        self.part(&format!("form-data; name=\"{name}\""), value)
    }

    /// Adds a file.
    pub fn file(self, name: &str, file_name: &str, bytes: &[u8]) -> Self {
        self.part(
            &format!("form-data; name=\"{name}\"; filename=\"{file_name}\""),
            bytes,
        )
    }

    /// Adds a part with this `Content-Disposition`.
    pub fn part(mut self, disposition: &str, bytes: &[u8]) -> Self {
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n");
        self.body.extend_from_slice(head.as_bytes());
        self.body.extend_from_slice(bytes);
        self.body.extend_from_slice(b"\r\n");
        self
    }

    /// The body, with its end.
    pub fn finish(mut self) -> Vec<u8> {
        self.body
            .extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        self.body
    }

    /// The `Content-Type` of every form made here.
    pub fn content_type() -> String {
        format!("multipart/form-data; boundary={BOUNDARY}")
    }
}
