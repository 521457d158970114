//! The report of a segmentation as one HTML file: for the screen, for paper, and for people who read with their ears.
//!
//! The file is whole: styles, drawings (SVG) and pictures (PNG as data URIs) are inside it; there are no scripts, and nothing is fetched.
//! Every text that came from outside goes through `maud`, which escapes what it is not told to leave alone; the one thing that is left
//! alone is the style sheet. Nothing is measured here, there is no clock, and equal values give equal bytes.
//!
//! [`html`] makes the file from [`ReportJson`], which is the same report as JSON; [`key_slices`] draws its pictures.
//!
//! ```
//! // A text that would close the page stays a text.
//! let markup = maud::html! { p { ("</p><script>") } };
//! assert_eq!(markup.into_string(), "<p>&lt;/p&gt;&lt;script&gt;</p>");
//! ```

mod bullseye;
mod curve;
mod numbers;
mod page;
mod pictures;
mod tables;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cinecor_wire::ReportJson;
use sha2::{Digest, Sha256};

pub use pictures::{Phase, PictureError, key_slices};

/// A report as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Html {
    /// The file.
    pub text: String,
    /// Its `Content-Security-Policy`: its own style sheet and pictures inside it, and nothing else. It stands in the file as well, so that
    /// it holds where the file was saved.
    pub policy: String,
}

/// Makes the file.
pub fn html(report: &ReportJson) -> Html {
    let style = style(report);
    let policy = format!(
        "default-src 'none'; img-src data:; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'",
        STANDARD.encode(Sha256::digest(style.as_bytes()))
    );
    Html {
        text: page::page(report, &style, &policy).into_string(),
        policy,
    }
}

/// The style sheet. What stands at the head of every printed page says which study and revision the page belongs to, so that a page that
/// is lost can be told; of the id letters and digits alone are let through.
fn style(report: &ReportJson) -> String {
    let id: String = report
        .study
        .id
        .iter()
        .flat_map(|id| id.chars())
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let revision = report.segmentation.revision;
    format!(
        "{}@page {{ @top-left {{ content: \"Study {id}, revision {revision}\"; }} }}\n",
        include_str!("report.css")
    )
}
