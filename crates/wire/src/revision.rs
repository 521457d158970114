//! The history of a segmentation, and what people said of its revisions.

use std::collections::BTreeMap;

use cinecor_store::{ReviewRecord, RevisionRecord, SegmentationRecord, Subject};
use serde::{Deserialize, Serialize};

/// A person's verdict on a revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReviewJson {
    /// The revision.
    pub revision: u32,
    /// `approved` or `rejected`.
    pub state: String,
    /// What the person wrote to it.
    pub note: Option<String>,
    /// Who.
    pub author: String,
    /// When, RFC 3339 in UTC.
    pub created_at: String,
    /// Whether facts of the study, on which numbers rest, were changed since: what was reviewed may be other numbers.
    pub stale: bool,
}

impl ReviewJson {
    /// A review that is kept, `facts` being those that the study has now; `time` writes ms since 1970 in RFC 3339.
    pub fn of(review: &ReviewRecord, facts: &Subject, time: impl Fn(i64) -> String) -> ReviewJson {
        ReviewJson {
            revision: review.revision,
            state: review.state.name().to_owned(),
            note: review.note.clone(),
            author: review.author.clone(),
            created_at: time(review.at_ms),
            stale: review.is_stale(facts),
        }
    }
}

/// A revision in the history of a segmentation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionJson {
    /// Counts from 1.
    pub revision: u32,
    /// When it was made, RFC 3339 in UTC.
    pub created_at: String,
    /// Who made it; `null` where that was not kept.
    pub author: Option<String>,
    /// What was changed: `mask`, or names of phases and rules; empty for the first.
    pub changed: Vec<String>,
    /// The frames whose mask is another than in the revision before.
    pub frames: Vec<usize>,
    /// The review that holds for it; `null` until there is one.
    pub review: Option<ReviewJson>,
    /// All of its reviews, the oldest first.
    pub reviews: Vec<ReviewJson>,
    /// Paths of the segmentation and its parts as they were then.
    pub links: BTreeMap<String, String>,
}

impl RevisionJson {
    /// A revision of this segmentation, `facts` being those that the study has now; `time` writes ms since 1970 in RFC 3339.
    pub fn of(
        segmentation: &SegmentationRecord,
        entry: &RevisionRecord,
        facts: &Subject,
        time: impl Fn(i64) -> String,
    ) -> RevisionJson {
        let path = format!(
            "/api/v1/studies/{}/segmentations/{}",
            segmentation.study_id.as_str(),
            segmentation.id.as_str()
        );
        let link = |part: &str| format!("{path}{part}?revision={}", entry.revision);
        let change = entry.change.as_ref();
        let reviews = entry.reviews.iter();
        RevisionJson {
            revision: entry.revision,
            created_at: time(entry.at_ms),
            author: entry.author.clone(),
            changed: change.map_or_else(Vec::new, |change| change.fields.clone()),
            frames: change.map_or_else(Vec::new, |change| change.frames.clone()),
            review: entry
                .reviews
                .last()
                .map(|review| ReviewJson::of(review, facts, &time)),
            reviews: reviews
                .map(|review| ReviewJson::of(review, facts, &time))
                .collect(),
            links: BTreeMap::from([
                ("self".to_owned(), link("")),
                ("mask".to_owned(), link("/mask.nii.gz")),
                ("metrics".to_owned(), link("/metrics")),
            ]),
        }
    }
}

/// A page of revisions, the last one first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionListJson {
    /// The revisions.
    pub items: Vec<RevisionJson>,
    /// Hand it back as `cursor` for the next page; `null` on the last.
    pub next_cursor: Option<String>,
}
