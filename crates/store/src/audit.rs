//! The audit: who did what to which study, when, with what result. Every entry holds the hash of the one before it, so that a changed
//! or missing entry shows. Never pixels, never names of patients.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::{Id, hex};

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// A study was kept.
    #[serde(rename = "study.create")]
    CreateStudy,
    /// Facts, label or consent of a study were changed.
    #[serde(rename = "study.update")]
    UpdateStudy,
    /// A study was deleted.
    #[serde(rename = "study.delete")]
    DeleteStudy,
    /// The volume of a study was handed out.
    #[serde(rename = "study.download")]
    DownloadVolume,
    /// A segmentation was kept.
    #[serde(rename = "segmentation.create")]
    CreateSegmentation,
    /// A person's mask made a new revision of a segmentation.
    #[serde(rename = "segmentation.correct")]
    CorrectSegmentation,
    /// Phases or rules that a person told made a new revision of a segmentation.
    #[serde(rename = "segmentation.update")]
    UpdateSegmentation,
    /// A revision of a segmentation was approved or rejected.
    #[serde(rename = "segmentation.review")]
    ReviewSegmentation,
    /// A segmentation was deleted.
    #[serde(rename = "segmentation.delete")]
    DeleteSegmentation,
    /// A version of a model was kept.
    #[serde(rename = "model.create")]
    CreateModel,
    /// A version of a model was made the active one.
    #[serde(rename = "model.activate")]
    ActivateModel,
    /// The version of a model that was active before was made active again.
    #[serde(rename = "model.rollback")]
    RollBackModel,
    /// A version of a model was deleted.
    #[serde(rename = "model.delete")]
    DeleteModel,
    /// A version of a model was set to run beside the active one, or none any more.
    #[serde(rename = "model.shadow")]
    ShadowModel,
}

impl Action {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Action::CreateStudy => "study.create",
            Action::UpdateStudy => "study.update",
            Action::DeleteStudy => "study.delete",
            Action::DownloadVolume => "study.download",
            Action::CreateSegmentation => "segmentation.create",
            Action::CorrectSegmentation => "segmentation.correct",
            Action::UpdateSegmentation => "segmentation.update",
            Action::ReviewSegmentation => "segmentation.review",
            Action::DeleteSegmentation => "segmentation.delete",
            Action::CreateModel => "model.create",
            Action::ActivateModel => "model.activate",
            Action::RollBackModel => "model.rollback",
            Action::DeleteModel => "model.delete",
            Action::ShadowModel => "model.shadow",
        }
    }
}

/// What happened, before it is an entry of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When, ms since 1970.
    pub at_ms: i64,
    /// Who: the name of the key that called.
    pub subject: String,
    /// What.
    pub action: Action,
    /// To which study.
    pub study_id: Option<Id>,
    /// To which segmentation.
    pub segmentation_id: Option<Id>,
    /// To which version of a model, `name@version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// To which revision of the segmentation; absent where it is the whole of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// `ok`, or the slug of a problem.
    pub outcome: String,
    /// In which request.
    pub request_id: String,
}

/// An entry of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEntry {
    /// Its place, from 1 without gaps.
    pub sequence: i64,
    /// What happened.
    pub event: Event,
    /// The hash of the entry before; 64 zeros for the first.
    pub previous_hash: String,
    /// SHA-256 over this entry and the hash before it, lower-case hexadecimal.
    pub hash: String,
}

/// What stands as the previous hash of the first entry.
pub(crate) const FIRST_PREVIOUS_HASH: &str =
    "0000000000000000000000000000000000000000000000000000000000000000";

impl AuditEntry {
    /// The entry at a place behind one with `previous_hash`.
    pub(crate) fn chained(sequence: i64, event: Event, previous_hash: String) -> AuditEntry {
        let hash = hash_of(sequence, &event, &previous_hash);
        AuditEntry {
            sequence,
            event,
            previous_hash,
            hash,
        }
    }
}

/// SHA-256 over the parts in a fixed order, each with its length, so that it can be computed again from what the audit answers.
fn hash_of(sequence: i64, event: &Event, previous_hash: &str) -> String {
    let mut digest = Sha256::new();
    let mut add = |part: &str| {
        digest.update((part.len() as u64).to_le_bytes());
        digest.update(part.as_bytes());
    };
    add(previous_hash);
    add(&sequence.to_string());
    add(&event.at_ms.to_string());
    add(&event.subject);
    add(event.action.name());
    add(event.study_id.as_ref().map_or("", Id::as_str));
    add(event.segmentation_id.as_ref().map_or("", Id::as_str));
    add(&event.outcome);
    add(&event.request_id);
    // Last and only where there is one: every part has its length before it, so that lists of different lengths never run together.
    if let Some(model) = &event.model {
        add(model);
    }
    // With its name, so that it is not taken for a model.
    if let Some(revision) = event.revision {
        add("revision");
        add(&revision.to_string());
    }
    hex(&digest.finalize())
}

/// Whether entries, oldest first, follow one another without a gap and every hash is that of its content.
pub fn chain_holds(entries: &[AuditEntry]) -> bool {
    let follows = |pair: &[AuditEntry]| match pair {
        [before, after] => {
            after.sequence == before.sequence + 1 && after.previous_hash == before.hash
        }
        _ => true,
    };
    let genuine = |entry: &AuditEntry| {
        entry.hash == hash_of(entry.sequence, &entry.event, &entry.previous_hash)
            && (entry.sequence != 1 || entry.previous_hash == FIRST_PREVIOUS_HASH)
    };
    entries.iter().all(genuine) && entries.windows(2).all(follows)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain() -> Vec<AuditEntry> {
        let event = |at_ms| Event {
            at_ms,
            subject: "dr-a".to_owned(),
            action: Action::CreateStudy,
            study_id: Some(Id::from_random([7; 16])),
            segmentation_id: None,
            model: None,
            revision: None,
            outcome: "ok".to_owned(),
            request_id: "r".to_owned(),
        };
        let first = AuditEntry::chained(1, event(10), FIRST_PREVIOUS_HASH.to_owned());
        let second = AuditEntry::chained(2, event(20), first.hash.clone());
        let third = AuditEntry::chained(3, event(30), second.hash.clone());
        vec![first, second, third]
    }

    #[test]
    fn a_chain_holds_until_anything_in_it_is_changed() {
        assert!(chain_holds(&chain()));
        assert!(chain_holds(&[]));
        let changes: [fn(&mut Vec<AuditEntry>); 8] = [
            |entries| entries[1].event.revision = Some(2),
            |entries| entries[1].event.model = Some("a@1.0.0".to_owned()),
            |entries| entries[1].event.subject = "dr-b".to_owned(),
            |entries| entries[1].event.at_ms += 1,
            |entries| entries[1].event.study_id = None,
            |entries| entries[2].previous_hash = entries[0].hash.clone(),
            |entries| drop(entries.remove(1)),
            |entries| entries.swap(0, 1),
        ];
        for (index, change) in changes.iter().enumerate() {
            let mut entries = chain();
            change(&mut entries);
            assert!(!chain_holds(&entries), "change {index}");
        }
    }

    #[test]
    fn the_name_on_the_wire_is_the_name_on_disk() {
        for action in [
            Action::CreateStudy,
            Action::UpdateStudy,
            Action::DeleteStudy,
            Action::DownloadVolume,
            Action::CreateSegmentation,
            Action::CorrectSegmentation,
            Action::UpdateSegmentation,
            Action::ReviewSegmentation,
            Action::DeleteSegmentation,
            Action::CreateModel,
            Action::ActivateModel,
            Action::RollBackModel,
            Action::DeleteModel,
            Action::ShadowModel,
        ] {
            assert_eq!(serde_json::to_value(action).unwrap(), action.name());
        }
    }
}
