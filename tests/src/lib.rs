//! What whole-app scenarios, benches and evaluation share: the real host with a state folder of its own, a client, and files to post.
//! Nothing here is a stand-in for a part of the product.

pub mod client;
pub mod document;
pub mod documents;
pub mod forms;
pub mod host;
pub mod hostile;
pub mod hostile_dicom;
pub mod packages;
pub mod raw;
pub mod soak;
pub mod swapping;
pub mod traces;
pub mod under_load;
pub mod volumes;
pub mod wording;
