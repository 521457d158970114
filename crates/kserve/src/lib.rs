//! The client's half of the Open Inference Protocol v2 (KServe v2) as it is spoken over HTTP: addresses, metadata, inference requests and
//! answers, with tensors in binary (the extension `binary_tensor_data`) or as JSON. No sockets, no clock, no engine: texts and bytes in, values or
//! typed errors out.
//!
//! Sources: <https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md>, and for the binary
//! form Triton's `docs/protocol/extension_binary_data.md`: the body is the JSON text, whose length the header `Inference-Header-Content-Length`
//! tells, and after it the tensors that have a `binary_data_size`, row-major and little-endian, in the order of the text.
//!
//! An answer is hostile until it is read: what it declares is held against what it has, and against what the model said it gives, before a byte
//! of it is used. Texts of the other side are cut to [`TEXT_MAX`] characters before they are repeated.
//!
//! ```
//! use cinecor_kserve::{Binding, Datatype, Form, Limits, TensorMetadata, answer, request};
//!
//! let image = [0.5_f32.to_le_bytes(), 1.0_f32.to_le_bytes()].concat();
//! let input = Binding { name: "x", datatype: Datatype::Fp32, shape: &[1, 2], data: &image };
//! let request = request(Form::Binary, &[input], &["y"])?;
//! let header_bytes = request.header_bytes.ok_or("a binary request has a header")?;
//! assert_eq!(request.body.len(), header_bytes + 8);
//!
//! let y = TensorMetadata { name: "y".into(), datatype: Datatype::Uint8, shape: vec![None, Some(2)] };
//! let text = br#"{"outputs":[{"name":"y","datatype":"UINT8","shape":[1,2],"parameters":{"binary_data_size":2}}]}"#;
//! let body = [text.as_slice(), &[7, 9]].concat();
//! let outputs = answer(&body, Some(&text.len().to_string()), &[y], &Limits::default())?;
//! assert_eq!((outputs[0].shape.as_slice(), outputs[0].data.as_slice()), ([1, 2].as_slice(), [7, 9].as_slice()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod datatype;
mod error;
mod metadata;
mod numbers;
mod path;
mod request;

pub use answer::{Output, answer, refusal};
pub use datatype::Datatype;
pub use error::{Error, TEXT_MAX};
pub use metadata::{ModelMetadata, ServerMetadata, TensorMetadata};
pub use path::{SERVER_METADATA, infer_path, metadata_path};
pub use request::{Binding, Request, request};

/// Name of the header that tells how many bytes of a body are its JSON text.
pub const HEADER_LENGTH: &str = "Inference-Header-Content-Length";

/// Media type of a body that has binary tensors after its JSON text.
pub const BINARY_MEDIA_TYPE: &str = "application/octet-stream";

/// Media type of a body that is JSON alone.
pub const JSON_MEDIA_TYPE: &str = "application/json";

/// How tensors are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// After the JSON text, as they lie in memory.
    Binary,
    /// As numbers in the JSON text. Half precision has no such form.
    Json,
}

/// What is read of an answer at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all tensors of an answer.
    pub tensor_bytes_max: usize,
    /// Inputs or outputs of a model.
    pub tensors_max: usize,
    /// Dimensions of a tensor.
    pub dimensions_max: usize,
}

impl Default for Limits {
    /// 1 GiB, 64 tensors, 16 dimensions.
    fn default() -> Self {
        Self {
            tensor_bytes_max: 1 << 30,
            tensors_max: 64,
            dimensions_max: 16,
        }
    }
}
