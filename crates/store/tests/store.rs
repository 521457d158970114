//! The store over an in-memory key-value store and a real SQLite, crashes included.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use cinecor_store::{
    Action, Activated, BackendError, Before, ChangeRecord, Chunk, Committed, Consent, Database,
    DrawnRecord, Event, Id, KeyValue, LabelCounts, MODEL_CHUNK_BYTES, MODEL_LEASE_MS,
    MODEL_STALE_MS, ModelDeleted, ModelGraph, ModelUsed, ProfileRecord, QualityRecord,
    ReviewRecord, ReviewState, Reviewed, Revised, RolledBack, SHADOW_SILENCE_MS, STALE_MS,
    SegmentationRecord, ShadowResult, ShadowState, SliceRecord, SourceRecord, SqlValue, Store,
    StoreError, StudyRecord, Subject, TimingsMs, ToldRecord, TurnRecord, VoxelRecord,
    WORK_STALE_MS, WarningRecord, chain_holds, graph_key,
};
use rusqlite::types::Value;

const FRAMES: usize = 3;

/// The backends of these tests never wait.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a backend in memory waits"),
    }
}

/// Both backends, and how many operations they have left before the power goes.
#[derive(Clone)]
struct Disk {
    keys: Rc<RefCell<BTreeMap<String, Vec<u8>>>>,
    database: Rc<rusqlite::Connection>,
    operations_left: Rc<Cell<usize>>,
}

impl Disk {
    fn new() -> Disk {
        let database = rusqlite::Connection::open_in_memory().unwrap();
        Disk {
            keys: Rc::default(),
            database: Rc::new(database),
            operations_left: Rc::new(Cell::new(usize::MAX)),
        }
    }

    fn store(&self) -> Store<Disk, Disk> {
        Store::new(self.clone(), self.clone())
    }

    fn spend(&self) -> Result<(), BackendError> {
        match self.operations_left.get() {
            0 => Err(BackendError("the power is gone".to_owned())),
            left => {
                self.operations_left.set(left - 1);
                Ok(())
            }
        }
    }

    fn key_names(&self) -> Vec<String> {
        self.keys.borrow().keys().cloned().collect()
    }

    fn rows(&self, table: &str) -> i64 {
        self.database
            .query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| {
                row.get(0)
            })
            .unwrap()
    }
}

impl KeyValue for Disk {
    async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, BackendError> {
        self.spend()?;
        Ok(self.keys.borrow().get(key).cloned())
    }

    async fn set(&self, key: &str, value: &[u8]) -> Result<(), BackendError> {
        self.spend()?;
        self.keys
            .borrow_mut()
            .insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    async fn delete(&self, key: &str) -> Result<(), BackendError> {
        self.spend()?;
        self.keys.borrow_mut().remove(key);
        Ok(())
    }
}

impl Database for Disk {
    async fn execute(
        &self,
        statement: &str,
        parameters: &[SqlValue],
    ) -> Result<Vec<Vec<SqlValue>>, BackendError> {
        self.spend()?;
        let failed = |cause: rusqlite::Error| BackendError(cause.to_string());
        let mut prepared = self.database.prepare(statement).map_err(failed)?;
        let columns = prepared.column_count();
        let parameters = parameters.iter().map(|parameter| match parameter {
            SqlValue::Null => Value::Null,
            SqlValue::Integer(number) => Value::Integer(*number),
            SqlValue::Text(text) => Value::Text(text.clone()),
        });
        let rows = prepared.query_map(rusqlite::params_from_iter(parameters), |row| {
            (0..columns)
                .map(|column| {
                    Ok(match row.get(column)? {
                        Value::Integer(number) => SqlValue::Integer(number),
                        Value::Text(text) => SqlValue::Text(text),
                        _ => SqlValue::Null,
                    })
                })
                .collect()
        });
        rows.map_err(failed)?
            .collect::<Result<_, _>>()
            .map_err(failed)
    }
}

fn id(number: u8) -> Id {
    Id::from_random([number; 16])
}

fn event(action: Action, study: &Id, at_ms: i64) -> Event {
    Event {
        at_ms,
        subject: "dr-a".to_owned(),
        action,
        study_id: Some(study.clone()),
        segmentation_id: None,
        model: None,
        revision: None,
        outcome: "ok".to_owned(),
        request_id: format!("r-{}-{at_ms}", action.name()),
    }
}

fn chunk(frame: usize) -> Chunk {
    Chunk {
        bytes: vec![frame as u8; 40],
        crc32: 7,
        len: 100,
        parts: Vec::new(),
        window: None,
    }
}

fn study(id: &Id, created_at_ms: i64) -> StudyRecord {
    StudyRecord {
        id: id.clone(),
        created_at_ms,
        label: None,
        consent: Consent::None,
        shape: [FRAMES, 2, 3, 4],
        spacing_mm: [1.5, 1.5, 8.0],
        mm_from_voxel: [
            [1.5, 0.0, 0.0, 0.0],
            [0.0, 1.5, 0.0, 0.0],
            [0.0, 0.0, 8.0, 0.0],
        ],
        frame_ms: Some(40.0),
        voxels: VoxelRecord {
            nifti_datatype: 4,
            scaling: None,
        },
        header: vec![1, 2, 3],
        source: SourceRecord {
            format: "nifti-1".to_owned(),
            sha256: "0".repeat(64),
            bytes: 1000,
            ..SourceRecord::default()
        },
        subject: Subject::default(),
        found: Subject::default(),
        deidentification: None,
        warnings: vec![WarningRecord {
            code: "x".to_owned(),
            detail: "y".to_owned(),
        }],
        chunks: (0..FRAMES).map(|frame| chunk(frame).info()).collect(),
    }
}

fn segmentation(id: &Id, study_id: &Id, created_at_ms: i64) -> SegmentationRecord {
    SegmentationRecord {
        id: id.clone(),
        study_id: study_id.clone(),
        created_at_ms,
        revision: 1,
        model: ModelUsed {
            name: "unet".to_owned(),
            version: "1".to_owned(),
            digest: "d".repeat(64),
            component_digest: None,
            engine: "tract".to_owned(),
            device: "cpu".to_owned(),
            precision: "fp32".to_owned(),
        },
        frames: vec![0, 2],
        excluded_slices: Vec::new(),
        ed_frame: Some(0),
        es_frame: Some(2),
        counts: vec![LabelCounts::default(); 2],
        profiles: vec![
            ProfileRecord {
                slices: vec![SliceRecord {
                    middle_mm: Some([61.25, 70.5]),
                    ..SliceRecord::default()
                }],
                segments_mm: vec![Some(8.5), None],
                ..ProfileRecord::default()
            };
            2
        ],
        doubt: None,
        scores: Vec::new(),
        quality: QualityRecord {
            verdict: "review".to_owned(),
            checks: Vec::new(),
            score: None,
        },
        timings: TimingsMs::default(),
        chunks: vec![chunk(0).info(), chunk(2).info()],
        author: None,
        turn: TurnRecord {
            transposed: true,
            ..TurnRecord::default()
        },
        told: ToldRecord::default(),
        drawn: Vec::new(),
        change: None,
        review: None,
    }
}

fn keep_study(disk: &Disk, id: &Id, at_ms: i64) -> Result<(), StoreError> {
    let store = disk.store();
    now(async {
        let mut staging = store.begin_study(id, FRAMES, at_ms).await?;
        for frame in 0..FRAMES {
            store
                .put_frame(&mut staging, frame, &chunk(frame), at_ms)
                .await?;
        }
        store
            .commit_study(
                staging,
                &study(id, at_ms),
                &event(Action::CreateStudy, id, at_ms),
            )
            .await
    })
}

fn keep_segmentation(
    disk: &Disk,
    id: &Id,
    study_id: &Id,
    at_ms: i64,
) -> Result<Option<Committed>, StoreError> {
    let store = disk.store();
    now(async {
        let record = segmentation(id, study_id, at_ms);
        let Some(mut staging) = store
            .begin_segmentation(study_id, id, &record.frames, at_ms)
            .await?
        else {
            return Ok(None);
        };
        for frame in &record.frames {
            store
                .put_frame(&mut staging, *frame, &chunk(*frame), at_ms)
                .await?;
        }
        let event = event(Action::CreateSegmentation, study_id, at_ms);
        Ok(Some(
            store.commit_segmentation(staging, &record, &event).await?,
        ))
    })
}

fn prepared() -> Disk {
    let disk = Disk::new();
    now(disk.store().prepare()).unwrap();
    disk
}

fn actions(disk: &Disk) -> Vec<&'static str> {
    let mut entries = now(disk.store().audit(1000, None)).unwrap();
    entries.reverse();
    assert!(chain_holds(&entries));
    entries
        .iter()
        .map(|entry| entry.event.action.name())
        .collect()
}

#[test]
fn a_study_comes_back_as_it_was_kept() {
    let disk = prepared();
    keep_study(&disk, &id(1), 10).unwrap();
    let store = disk.store();
    assert_eq!(now(store.study(&id(1))).unwrap(), Some(study(&id(1), 10)));
    assert_eq!(now(store.frame(&id(1), 2)).unwrap(), chunk(2));
    assert_eq!(now(store.study(&id(2))).unwrap(), None);
    assert!(matches!(
        now(store.frame(&id(1), 3)),
        Err(StoreError::Corrupt { .. })
    ));
    assert_eq!(actions(&disk), ["study.create"]);
    now(store.prepare()).unwrap();
}

#[test]
fn a_study_cannot_be_seen_before_it_is_whole() {
    let disk = prepared();
    let store = disk.store();
    let mut staging = now(store.begin_study(&id(1), FRAMES, 0)).unwrap();
    now(store.put_frame(&mut staging, 0, &chunk(0), 0)).unwrap();
    assert_eq!(now(store.study(&id(1))).unwrap(), None);
    assert!(now(store.studies(10, None)).unwrap().is_empty());
    assert_eq!(keep_segmentation(&disk, &id(2), &id(1), 0), Ok(None));
    now(store.abort(staging)).unwrap();
    assert_eq!((disk.key_names().len(), disk.rows("studies")), (0, 0));
}

#[test]
fn pages_run_from_the_newest_to_the_oldest_and_lose_nothing_to_deletions() {
    let disk = prepared();
    // Two of the same millisecond: the id tells them apart.
    for (number, at_ms) in [(1, 10), (2, 20), (3, 20), (4, 30), (5, 5)] {
        keep_study(&disk, &id(number), at_ms).unwrap();
    }
    let store = disk.store();
    let page = |behind: Option<(i64, &str)>| -> Vec<Id> {
        now(store.studies(2, behind))
            .unwrap()
            .into_iter()
            .map(|record| record.id)
            .collect()
    };
    assert_eq!(page(None), [id(4), id(3)]);
    assert!(now(store.delete_study(&id(3), &event(Action::DeleteStudy, &id(3), 40))).unwrap());
    assert_eq!(page(Some((20, id(3).as_str()))), [id(2), id(1)]);
    assert_eq!(page(Some((10, id(1).as_str()))), [id(5)]);
}

#[test]
fn a_crash_at_any_moment_of_an_upload_leaves_all_of_the_study_or_nothing() {
    let mut seen = (false, false);
    for operations in 0.. {
        let disk = prepared();
        disk.operations_left.set(operations);
        let answered = keep_study(&disk, &id(1), 1_000);
        disk.operations_left.set(usize::MAX);
        let store = disk.store();
        let there = now(store.study(&id(1))).unwrap();
        assert!(
            answered.is_err() || there.is_some(),
            "an accepted study was lost after {operations} operations"
        );
        now(store.sweep(1_000 + STALE_MS + 1)).unwrap();
        match there {
            Some(record) => {
                seen.0 = true;
                assert_eq!(record, study(&id(1), 1_000));
                for frame in 0..FRAMES {
                    assert_eq!(now(store.frame(&id(1), frame)).unwrap(), chunk(frame));
                }
                assert_eq!(
                    actions(&disk),
                    ["study.create"],
                    "after {operations} operations"
                );
            }
            None => {
                seen.1 = true;
                assert_eq!(
                    (disk.key_names().len(), disk.rows("studies")),
                    (0, 0),
                    "after {operations} operations"
                );
                assert!(actions(&disk).is_empty());
            }
        }
        if answered.is_ok() {
            break;
        }
    }
    assert_eq!(seen, (true, true));
}

#[test]
fn a_crash_at_any_moment_of_a_deletion_leaves_nothing_once_it_is_swept() {
    for operations in 0.. {
        let disk = prepared();
        keep_study(&disk, &id(1), 1_000).unwrap();
        assert_eq!(
            keep_segmentation(&disk, &id(2), &id(1), 1_000),
            Ok(Some(Committed::Kept))
        );
        disk.operations_left.set(operations);
        let answered = now(disk
            .store()
            .delete_study(&id(1), &event(Action::DeleteStudy, &id(1), 2_000)));
        disk.operations_left.set(usize::MAX);
        let store = disk.store();
        let there = now(store.study(&id(1))).unwrap().is_some();
        now(store.sweep(2_000 + STALE_MS + 1)).unwrap();
        assert_eq!(
            now(store.study(&id(1))).unwrap().is_some(),
            there,
            "after {operations} operations"
        );
        if there {
            assert_eq!(
                disk.key_names().len(),
                FRAMES + 2,
                "after {operations} operations"
            );
            assert_eq!(actions(&disk), ["study.create", "segmentation.create"]);
        } else {
            assert_eq!(
                (
                    disk.key_names().len(),
                    disk.rows("studies"),
                    disk.rows("segmentations")
                ),
                (0, 0, 0),
                "after {operations} operations"
            );
            assert_eq!(
                actions(&disk),
                ["study.create", "segmentation.create", "study.delete"],
                "after {operations} operations"
            );
        }
        if answered.is_ok() {
            assert!(!there);
            break;
        }
    }
}

#[test]
fn a_crash_at_any_moment_of_a_segmentation_leaves_all_of_it_or_nothing() {
    for operations in 0.. {
        let disk = prepared();
        keep_study(&disk, &id(1), 1_000).unwrap();
        disk.operations_left.set(operations);
        let answered = keep_segmentation(&disk, &id(2), &id(1), 2_000);
        disk.operations_left.set(usize::MAX);
        let store = disk.store();
        now(store.sweep(2_000 + WORK_STALE_MS + 1)).unwrap();
        let there = now(store.segmentation(&id(1), &id(2))).unwrap();
        assert_eq!(
            disk.key_names().len(),
            FRAMES + if there.is_some() { 2 } else { 0 },
            "after {operations} operations"
        );
        if answered.is_ok() {
            assert_eq!(there, Some(segmentation(&id(2), &id(1), 2_000)));
            break;
        }
    }
}

#[test]
fn the_sweep_leaves_alone_what_is_being_worked_on() {
    let disk = prepared();
    let store = disk.store();
    let mut staging = now(store.begin_study(&id(1), FRAMES, 0)).unwrap();
    for step in 1..30 {
        let at_ms = step * STALE_MS / 2;
        now(store.keep_alive(&mut staging, at_ms)).unwrap();
        assert_eq!(now(store.sweep(at_ms + STALE_MS / 2)).unwrap(), 0);
    }
}

#[test]
fn a_segmentation_whose_frame_takes_long_is_left_alone_while_its_study_is_there() {
    let disk = prepared();
    keep_study(&disk, &id(1), 0).unwrap();
    let store = disk.store();
    let mut staging = now(store.begin_segmentation(&id(1), &id(2), &[0, 1], 0))
        .unwrap()
        .unwrap();
    now(store.put_frame(&mut staging, 0, &chunk(0), 0)).unwrap();
    assert_eq!(now(store.sweep(WORK_STALE_MS - 1)).unwrap(), 0);
    now(store.put_frame(&mut staging, 1, &chunk(1), WORK_STALE_MS - 1)).unwrap();
    assert_eq!(now(store.sweep(2 * WORK_STALE_MS - 2)).unwrap(), 0);
    // Of a study that is gone nothing can come any more.
    let deletion = event(Action::DeleteStudy, &id(1), WORK_STALE_MS);
    assert!(now(store.delete_study(&id(1), &deletion)).unwrap());
    now(store.sweep(WORK_STALE_MS + STALE_MS)).unwrap();
    assert!(disk.key_names().is_empty());
}

#[test]
fn what_a_segmentation_or_a_model_owes_is_told_before_its_deletion() {
    let owes = |disk: &Disk, table: &str, event: &Event| {
        let owed = serde_json::to_string(event).unwrap();
        disk.database
            .execute(&format!("UPDATE {table} SET owed = ?"), [owed])
            .unwrap();
        disk.database.execute("DELETE FROM audit", []).unwrap();
    };
    for deleted in ["segmentation", "study"] {
        let disk = prepared();
        let store = disk.store();
        keep_study(&disk, &id(1), 1_000).unwrap();
        keep_segmentation(&disk, &id(2), &id(1), 1_000).unwrap();
        // As a crash leaves it between keeping it and telling so.
        owes(
            &disk,
            "segmentations",
            &event(Action::CreateSegmentation, &id(1), 1_000),
        );
        match deleted {
            "study" => {
                let deletion = event(Action::DeleteStudy, &id(1), 2_000);
                assert!(now(store.delete_study(&id(1), &deletion)).unwrap());
                assert_eq!(actions(&disk), ["segmentation.create", "study.delete"]);
            }
            _ => {
                let deletion = event(Action::DeleteSegmentation, &id(1), 2_000);
                assert!(now(store.delete_segmentation(&id(1), &id(2), &deletion)).unwrap());
                assert_eq!(
                    actions(&disk),
                    ["segmentation.create", "segmentation.delete"]
                );
            }
        }
    }
    let disk = Disk::new();
    let store = disk.store();
    now(store.prepare()).unwrap();
    now(upload(&store, "2.0.0", 1)).unwrap();
    owes(
        &disk,
        "models",
        &model_event(Action::CreateModel, "2.0.0", 1),
    );
    let deletion = model_event(Action::DeleteModel, "2.0.0", 2);
    now(store.delete_model("m", "2.0.0", &deletion)).unwrap();
    assert_eq!(actions(&disk), ["model.create", "model.delete"]);
}

#[test]
fn a_deletion_of_a_model_that_was_cut_off_makes_way_for_the_next_upload() {
    let disk = Disk::new();
    let store = disk.store();
    now(store.prepare()).unwrap();
    now(upload(&store, "2.0.0", 1)).unwrap();
    let deletion = model_event(Action::DeleteModel, "2.0.0", 2);
    // One to look what is owed, one to say that it goes.
    disk.operations_left.set(2);
    assert!(now(store.delete_model("m", "2.0.0", &deletion)).is_err());
    disk.operations_left.set(usize::MAX);
    assert_eq!(now(store.model("m", "2.0.0")), Ok(None));
    assert_eq!(now(upload(&store, "2.0.0", MODEL_LEASE_MS)), Ok(false));
    assert_eq!(now(upload(&store, "2.0.0", MODEL_LEASE_MS + 3)), Ok(true));
    assert_eq!(
        actions(&disk),
        ["model.create", "model.delete", "model.create"]
    );
}

#[test]
fn a_model_that_broke_is_cleared_away_by_one_of_those_that_come_for_it() {
    let disk = Disk::new();
    let store = disk.store();
    now(store.prepare()).unwrap();
    let broken = now(store.begin_model("m", "2.0.0", &id(1), 1, 0)).unwrap();
    assert!(broken.is_some());
    // The first has said that it clears up, and has got no further, when the second comes.
    disk.operations_left.set(1);
    let late = MODEL_LEASE_MS + 1;
    assert!(now(store.begin_model("m", "2.0.0", &id(2), 1, late)).is_err());
    disk.operations_left.set(usize::MAX);
    let second = now(store.begin_model("m", "2.0.0", &id(3), 1, late)).unwrap();
    assert!(second.is_none());
    // The sweep leaves it alone as well, until nothing was heard of it for long enough.
    assert_eq!(now(store.sweep(late + 1)), Ok(0));
    assert!(now(upload(&store, "2.0.0", 2 * late)).unwrap());
}

#[test]
fn of_two_who_go_back_from_one_version_at_once_one_does() {
    let disk = Disk::new();
    let store = disk.store();
    now(store.prepare()).unwrap();
    for (at_ms, name) in [(1, "2.0.0"), (2, "3.0.0")] {
        now(upload(&store, name, at_ms)).unwrap();
    }
    // Each twice, so that there is another to go back to by the same name.
    for (at_ms, name) in (10..).zip(["2.0.0", "3.0.0", "2.0.0", "3.0.0"]) {
        now(activate(&store, name, at_ms)).unwrap();
    }
    let ships = |version: &str| version == "1.0.0";
    let [one, other] = [(), ()].map(|()| now(store.rollback_target("m", ships)).unwrap().unwrap());
    assert_eq!(one, other);
    let event = model_event(Action::RollBackModel, "2.0.0", 20);
    let back = |to: &Before| now(store.rollback_model("m", to, ships, &event)).unwrap();
    assert_eq!(back(&one), RolledBack::Done);
    assert_eq!(back(&other), RolledBack::Raced);
    assert_eq!(
        now(store.active_model("m")).unwrap().as_deref(),
        Some("2.0.0")
    );
    // One that was deleted between looking and going is not gone back to.
    let before = now(store.rollback_target("m", ships)).unwrap().unwrap();
    assert_eq!(before.version, "3.0.0");
    let delete = model_event(Action::DeleteModel, "3.0.0", 21);
    now(store.delete_model("m", "3.0.0", &delete)).unwrap();
    assert_eq!(back(&before), RolledBack::Raced);
    assert_eq!(now(roll_back(&store, 22)).unwrap(), went_back("2.0.0"));
}

#[test]
fn what_is_deleted_is_what_was_agreed_to() {
    let (disk, record) = with_segmentation();
    let store = disk.store();
    let change = || {
        let (which, event) = (id(1), event(Action::UpdateStudy, &id(1), 30));
        let updated = store.update_study(&which, &event, |study| {
            study.label = Some(format!("{}+", study.label.as_deref().unwrap_or_default()));
            Ok::<(), StoreError>(())
        });
        now(updated).unwrap().unwrap();
    };
    let no = || Err(StoreError::Contended { what: "it" });
    let deletion = event(Action::DeleteSegmentation, &id(1), 40);
    // Each changes something between the question and the deletion, and is asked again.
    let reviewed = review(&record, 1, ReviewState::Approved, 35);
    let mut asked = 0;
    let outcome = now(
        store.delete_segmentation_if(&id(1), &id(2), &deletion, |found, _| {
            asked += 1;
            match asked {
                1 => change(),
                2 => {
                    let event = event(Action::ReviewSegmentation, &id(1), 35);
                    let kept = now(store.review(&id(1), &id(2), &reviewed, &event)).unwrap();
                    assert_eq!(kept, Reviewed::Kept);
                }
                _ => {
                    assert_eq!(found.review.as_ref(), Some(&reviewed));
                    return no();
                }
            }
            Ok(())
        }),
    );
    assert_eq!((outcome, asked), (no().map(|()| true), 3));
    assert!(now(store.segmentation(&id(1), &id(2))).unwrap().is_some());

    let deletion = event(Action::DeleteStudy, &id(1), 50);
    let mut asked = 0;
    let outcome = now(store.delete_study_if(&id(1), &deletion, |_| {
        asked += 1;
        if asked > 1 {
            return no();
        }
        change();
        Ok(())
    }));
    assert_eq!((outcome, asked), (no().map(|()| true), 2));
    assert!(now(store.study(&id(1))).unwrap().is_some());
    assert_eq!(
        now(store.delete_study_if(&id(1), &deletion, |_| Ok::<(), StoreError>(()))),
        Ok(true)
    );
}

#[test]
fn whether_the_audit_has_an_entry_is_found_by_an_index() {
    let disk = prepared();
    let plan: String = disk
        .database
        .query_row(
            "EXPLAIN QUERY PLAN SELECT event FROM audit WHERE request_id = ? AND action = ? AND study_id = ?",
            ["a", "b", "c"],
            |row| row.get(3),
        )
        .unwrap();
    assert!(plan.contains("audit_by_request"), "{plan}");
}

#[test]
fn what_was_swept_cannot_be_kept_any_more() {
    let disk = prepared();
    let store = disk.store();
    let mut staging = now(store.begin_study(&id(1), FRAMES, 0)).unwrap();
    now(store.sweep(STALE_MS + 1)).unwrap();
    assert_eq!(
        now(store.keep_alive(&mut staging, STALE_MS + 2)),
        Err(StoreError::Gone { what: "the study" })
    );
    let kept = now(store.commit_study(
        staging,
        &study(&id(1), 0),
        &event(Action::CreateStudy, &id(1), 0),
    ));
    assert_eq!(kept, Err(StoreError::Gone { what: "the study" }));
    assert!(actions(&disk).is_empty());
}

#[test]
fn the_same_segmentation_is_found_again_and_the_second_of_two_gives_way() {
    let disk = prepared();
    keep_study(&disk, &id(1), 0).unwrap();
    assert_eq!(
        keep_segmentation(&disk, &id(2), &id(1), 10),
        Ok(Some(Committed::Kept))
    );
    let first = segmentation(&id(2), &id(1), 10);
    let store = disk.store();
    assert_eq!(
        now(store.find_segmentation(&first.lookup_key())).unwrap(),
        Some(first.clone())
    );
    assert_eq!(
        keep_segmentation(&disk, &id(3), &id(1), 20),
        Ok(Some(Committed::Exists(Box::new(first))))
    );
    assert_eq!(
        (disk.key_names().len(), disk.rows("segmentations")),
        (FRAMES + 2, 1)
    );
    assert!(
        now(store.delete_segmentation(
            &id(1),
            &id(2),
            &event(Action::DeleteSegmentation, &id(1), 30)
        ))
        .unwrap()
    );
    assert!(
        !now(store.delete_segmentation(
            &id(1),
            &id(2),
            &event(Action::DeleteSegmentation, &id(1), 31)
        ))
        .unwrap()
    );
    assert_eq!(disk.key_names().len(), FRAMES);
    assert_eq!(
        keep_segmentation(&disk, &id(4), &id(1), 40),
        Ok(Some(Committed::Kept))
    );
}

#[test]
fn a_segmentation_of_a_study_that_is_deleted_meanwhile_is_taken_away() {
    let disk = prepared();
    keep_study(&disk, &id(1), 0).unwrap();
    let store = disk.store();
    let record = segmentation(&id(2), &id(1), 10);
    let mut staging = now(store.begin_segmentation(&id(1), &id(2), &record.frames, 10))
        .unwrap()
        .unwrap();
    now(store.put_frame(&mut staging, 0, &chunk(0), 10)).unwrap();
    assert!(now(store.delete_study(&id(1), &event(Action::DeleteStudy, &id(1), 20))).unwrap());
    let committed = now(store.commit_segmentation(
        staging,
        &record,
        &event(Action::CreateSegmentation, &id(1), 30),
    ))
    .unwrap();
    assert_eq!(committed, Committed::StudyGone);
    assert_eq!(
        (
            disk.key_names().len(),
            disk.rows("segmentations"),
            disk.rows("studies")
        ),
        (0, 0, 0)
    );
}

#[test]
fn a_segmentation_is_only_found_under_its_own_study() {
    let disk = prepared();
    keep_study(&disk, &id(1), 0).unwrap();
    keep_study(&disk, &id(9), 0).unwrap();
    keep_segmentation(&disk, &id(2), &id(1), 10).unwrap();
    let store = disk.store();
    assert!(now(store.segmentation(&id(1), &id(2))).unwrap().is_some());
    assert!(now(store.segmentation(&id(9), &id(2))).unwrap().is_none());
    assert!(
        !now(store.delete_segmentation(
            &id(9),
            &id(2),
            &event(Action::DeleteSegmentation, &id(9), 30)
        ))
        .unwrap()
    );
    assert_eq!(now(store.segmentations(&id(9), 10, None)).unwrap().len(), 0);
    assert_eq!(now(store.segmentations(&id(1), 10, None)).unwrap().len(), 1);
}

#[test]
fn changes_are_kept_and_told_and_a_refused_change_leaves_all_as_it_was() {
    let disk = prepared();
    keep_study(&disk, &id(1), 0).unwrap();
    let store = disk.store();
    let change = |label: &'static str, at_ms| {
        now(store.update_study::<StoreError>(
            &id(1),
            &event(Action::UpdateStudy, &id(1), at_ms),
            |record| {
                record.label = Some(label.to_owned());
                Ok(())
            },
        ))
    };
    assert_eq!(
        change("first", 10).unwrap().unwrap().label.as_deref(),
        Some("first")
    );
    assert_eq!(
        change("second", 20).unwrap().unwrap().label.as_deref(),
        Some("second")
    );
    let refused =
        now(
            store.update_study(&id(1), &event(Action::UpdateStudy, &id(1), 30), |record| {
                record.label = None;
                Err(StoreError::Contended { what: "test" })
            }),
        );
    assert!(refused.is_err());
    assert_eq!(
        now(store.study(&id(1))).unwrap().unwrap().label.as_deref(),
        Some("second")
    );
    assert_eq!(
        actions(&disk),
        ["study.create", "study.update", "study.update"]
    );
    assert_eq!(
        now(store.update_study::<StoreError>(
            &id(7),
            &event(Action::UpdateStudy, &id(7), 40),
            |_| Ok(())
        )),
        Ok(None)
    );
}

#[test]
fn the_audit_is_paged_and_holds_across_pages() {
    let disk = prepared();
    let store = disk.store();
    for at_ms in 0..25 {
        now(store.append_audit(&event(Action::UpdateStudy, &id(1), at_ms))).unwrap();
    }
    let first = now(store.audit(10, None)).unwrap();
    assert_eq!((first[0].sequence, first[9].sequence), (25, 16));
    let second = now(store.audit(10, Some(16))).unwrap();
    assert_eq!(second[0].sequence, 15);
    let mut joined = [first, second].concat();
    joined.reverse();
    assert!(chain_holds(&joined));
}

// Revisions and reviews.

/// What `base` becomes when a person draws `frame` anew.
fn corrected(
    base: &SegmentationRecord,
    correction: &Id,
    frame: usize,
    at_ms: i64,
) -> SegmentationRecord {
    let mut record = SegmentationRecord {
        revision: base.revision + 1,
        change: Some(ChangeRecord {
            author: "dr-b".to_owned(),
            at_ms,
            fields: vec!["mask".to_owned()],
            frames: vec![frame],
        }),
        review: None,
        ..base.clone()
    };
    record.drawn.retain(|drawn| drawn.frame != frame);
    record.drawn.push(DrawnRecord {
        frame,
        correction: correction.clone(),
    });
    record
}

async fn correct(
    store: &Store<Disk, Disk>,
    base: &SegmentationRecord,
    correction: &Id,
    frame: usize,
    at_ms: i64,
) -> Result<Option<Revised>, StoreError> {
    let begun = store
        .begin_revision(&base.study_id, &base.id, correction, &[frame], at_ms)
        .await?;
    let Some(mut staging) = begun else {
        return Ok(None);
    };
    store
        .put_frame(&mut staging, frame, &chunk(frame + 100), at_ms)
        .await?;
    let record = corrected(base, correction, frame, at_ms);
    let event = event(Action::CorrectSegmentation, &base.study_id, at_ms);
    Ok(Some(store.commit_revision(staging, &record, &event).await?))
}

fn review(
    record: &SegmentationRecord,
    number: u32,
    state: ReviewState,
    at_ms: i64,
) -> ReviewRecord {
    ReviewRecord {
        revision: record.revision,
        number,
        state,
        note: Some("the apex".to_owned()),
        author: "dr-c".to_owned(),
        at_ms,
        facts: None,
    }
}

/// A study 1 with the segmentation 2 as it was kept.
fn with_segmentation() -> (Disk, SegmentationRecord) {
    let disk = prepared();
    keep_study(&disk, &id(1), 0).unwrap();
    keep_segmentation(&disk, &id(2), &id(1), 10).unwrap();
    (disk, segmentation(&id(2), &id(1), 10))
}

#[test]
fn a_correction_is_the_last_revision_and_the_one_before_stays() {
    let (disk, first) = with_segmentation();
    let store = disk.store();
    let kept = now(correct(&store, &first, &id(3), 2, 20)).unwrap();
    assert!(matches!(kept, Some(Revised::Kept)));
    let second = corrected(&first, &id(3), 2, 20);
    let last = || now(store.segmentation(&id(1), &id(2))).unwrap();
    assert_eq!(last(), Some(second.clone()));
    let of = |revision| now(store.segmentation_revision(&id(1), &id(2), revision)).unwrap();
    assert_eq!(of(1), Some(first.clone()));
    assert_eq!(of(2), Some(second.clone()));
    assert_eq!(of(3), None);
    assert_eq!(
        now(store.segmentation_revision(&id(9), &id(2), 1)).unwrap(),
        None
    );
    // Every way to the segmentation leads to its last revision.
    assert_eq!(
        now(store.find_segmentation(&first.lookup_key())).unwrap(),
        Some(second.clone())
    );
    assert_eq!(
        now(store.segmentations(&id(1), 10, None)).unwrap(),
        std::slice::from_ref(&second)
    );
    // The frame that was drawn is another, the one before is as it was, the rest is shared.
    let mask = |record: &SegmentationRecord, frame| now(store.mask_frame(record, frame)).unwrap();
    assert_eq!(mask(&first, 2), chunk(2));
    assert_eq!(mask(&second, 2), chunk(102));
    assert_eq!(mask(&second, 0), chunk(0));
    assert_eq!(second.mask_key(0), first.mask_key(0));
    assert_eq!(
        actions(&disk),
        [
            "study.create",
            "segmentation.create",
            "segmentation.correct"
        ]
    );
}

#[test]
fn of_two_corrections_of_one_revision_the_second_is_made_anew_of_the_first() {
    let (disk, first) = with_segmentation();
    let store = disk.store();
    assert!(matches!(
        now(correct(&store, &first, &id(3), 0, 20)).unwrap(),
        Some(Revised::Kept)
    ));
    let Some(Revised::Raced(staging)) = now(correct(&store, &first, &id(4), 2, 30)).unwrap() else {
        panic!("two revisions have one number");
    };
    let second = now(store.segmentation(&id(1), &id(2))).unwrap().unwrap();
    let third = corrected(&second, &id(4), 2, 30);
    let event = event(Action::CorrectSegmentation, &id(1), 31);
    let kept = now(store.commit_revision(staging, &third, &event)).unwrap();
    assert!(matches!(kept, Revised::Kept));
    let last = now(store.segmentation(&id(1), &id(2))).unwrap().unwrap();
    assert_eq!((last.revision, last.drawn.len()), (3, 2));
    assert_eq!(now(store.mask_frame(&last, 0)).unwrap(), chunk(100));
    assert_eq!(now(store.mask_frame(&last, 2)).unwrap(), chunk(102));
}

#[test]
fn a_review_is_of_its_revision_and_the_last_of_several_holds() {
    let (disk, first) = with_segmentation();
    let store = disk.store();
    let say = |record: &SegmentationRecord, number, state, at_ms| {
        let review = review(record, number, state, at_ms);
        let event = event(Action::ReviewSegmentation, &id(1), at_ms);
        now(store.review(&id(1), &id(2), &review, &event)).unwrap()
    };
    assert_eq!(say(&first, 1, ReviewState::Approved, 20), Reviewed::Kept);
    // Written to what the first one was written to.
    assert_eq!(say(&first, 1, ReviewState::Rejected, 21), Reviewed::Raced);
    assert_eq!(say(&first, 2, ReviewState::Rejected, 22), Reviewed::Kept);
    let last = || now(store.segmentation(&id(1), &id(2))).unwrap().unwrap();
    assert_eq!(
        last().review,
        Some(review(&first, 2, ReviewState::Rejected, 22))
    );
    now(correct(&store, &first, &id(3), 2, 30)).unwrap();
    assert_eq!(last().review, None, "a correction is reviewed anew");
    assert_eq!(say(&first, 3, ReviewState::Approved, 31), Reviewed::Raced);
    assert_eq!(say(&last(), 1, ReviewState::Approved, 40), Reviewed::Kept);
    let before = now(store.segmentation_revision(&id(1), &id(2), 1)).unwrap();
    assert_eq!(before.unwrap().review.map(|review| review.number), Some(2));

    let history = now(store.revisions(&id(1), &id(2), 10, None)).unwrap();
    let reviews: Vec<_> = history
        .iter()
        .map(|entry| {
            let states = entry.reviews.iter().map(|review| review.state.name());
            (
                entry.revision,
                entry.author.clone(),
                states.collect::<Vec<_>>(),
            )
        })
        .collect();
    assert_eq!(
        reviews,
        [
            (2, Some("dr-b".to_owned()), vec!["approved"]),
            (1, None, vec!["approved", "rejected"]),
        ]
    );
    let page = now(store.revisions(&id(1), &id(2), 1, None)).unwrap();
    assert_eq!(page.len(), 1);
    let page = now(store.revisions(&id(1), &id(2), 1, Some(2))).unwrap();
    assert_eq!(page[0].revision, 1);
    assert!(
        now(store.revisions(&id(1), &id(2), 1, Some(1)))
            .unwrap()
            .is_empty()
    );
    assert!(
        now(store.revisions(&id(9), &id(2), 9, None))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn a_crash_at_any_moment_of_a_correction_leaves_the_new_revision_or_the_old_one() {
    for operations in 0.. {
        let (disk, first) = with_segmentation();
        disk.operations_left.set(operations);
        let answered = now(correct(&disk.store(), &first, &id(3), 2, 2_000));
        disk.operations_left.set(usize::MAX);
        let store = disk.store();
        now(store.sweep(2_000 + WORK_STALE_MS + 1)).unwrap();
        let last = now(store.segmentation(&id(1), &id(2))).unwrap().unwrap();
        let revisions = usize::try_from(last.revision).unwrap();
        assert_eq!(
            disk.key_names().len(),
            FRAMES + 1 + revisions,
            "after {operations} operations"
        );
        let told = [
            "study.create",
            "segmentation.create",
            "segmentation.correct",
        ];
        assert_eq!(actions(&disk), told[..1 + revisions]);
        assert_eq!(now(store.mask_frame(&last, 2)).unwrap().bytes.len(), 40);
        if answered.is_ok() {
            assert_eq!(revisions, 2);
            break;
        }
    }
}

#[test]
fn deleting_takes_every_revision_and_review_also_when_the_power_goes() {
    for operations in 0.. {
        let (disk, first) = with_segmentation();
        let store = disk.store();
        let said = review(&first, 1, ReviewState::Approved, 20);
        let told = event(Action::ReviewSegmentation, &id(1), 20);
        now(store.review(&id(1), &id(2), &said, &told)).unwrap();
        now(correct(&store, &first, &id(3), 2, 30)).unwrap();
        disk.operations_left.set(operations);
        let deleted = now(store.delete_study(&id(1), &event(Action::DeleteStudy, &id(1), 40)));
        disk.operations_left.set(usize::MAX);
        now(store.sweep(40 + STALE_MS + 1)).unwrap();
        let there = now(store.study(&id(1))).unwrap().is_some();
        let left = ["segmentations", "revisions", "reviews"].map(|table| disk.rows(table));
        assert_eq!(disk.key_names().is_empty(), !there, "after {operations}");
        assert_eq!(left, if there { [1, 1, 1] } else { [0, 0, 0] });
        if deleted.is_ok() {
            assert!(!there);
            break;
        }
    }
}

#[test]
fn a_correction_of_what_is_deleted_meanwhile_is_taken_away() {
    let (disk, first) = with_segmentation();
    let store = disk.store();
    let begun = now(store.begin_revision(&id(1), &id(2), &id(3), &[2], 20)).unwrap();
    let mut staging = begun.unwrap();
    now(store.put_frame(&mut staging, 2, &chunk(102), 20)).unwrap();
    let gone = event(Action::DeleteSegmentation, &id(1), 30);
    assert!(now(store.delete_segmentation(&id(1), &id(2), &gone)).unwrap());
    let record = corrected(&first, &id(3), 2, 40);
    let told = event(Action::CorrectSegmentation, &id(1), 40);
    let kept = now(store.commit_revision(staging, &record, &told)).unwrap();
    assert!(matches!(kept, Revised::Gone));
    assert_eq!(
        (disk.key_names().len(), disk.rows("revisions")),
        (FRAMES, 0)
    );
    assert!(
        now(correct(&store, &first, &id(4), 2, 50))
            .unwrap()
            .is_none()
    );
    let said = review(&first, 1, ReviewState::Approved, 60);
    assert_eq!(
        now(store.review(&id(1), &id(2), &said, &told)).unwrap(),
        Reviewed::Gone
    );
}

#[test]
fn records_without_revisions_are_read_as_their_first() {
    let (disk, first) = with_segmentation();
    let text = serde_json::to_value(&first).unwrap();
    let mut old = text.as_object().unwrap().clone();
    for key in ["author", "told", "drawn", "change"] {
        assert!(old.remove(key).is_some(), "{key}");
    }
    assert!(
        !old.contains_key("review"),
        "reviews lie in their own table"
    );
    disk.database
        .execute(
            "UPDATE segmentations SET record = ?",
            [serde_json::Value::Object(old).to_string()],
        )
        .unwrap();
    let store = disk.store();
    assert_eq!(
        now(store.segmentation(&id(1), &id(2))).unwrap(),
        Some(first.clone())
    );
    let history = now(store.revisions(&id(1), &id(2), 10, None)).unwrap();
    assert_eq!((history.len(), history[0].at_ms), (1, 10));
    assert!(matches!(
        now(correct(&store, &first, &id(3), 2, 20)).unwrap(),
        Some(Revised::Kept)
    ));
}

// Models.

fn model_event(action: Action, version: &str, at_ms: i64) -> Event {
    Event {
        study_id: None,
        model: Some(format!("m@{version}")),
        ..event(action, &id(0), at_ms)
    }
}

/// Uploads `m@version` with a graph of two pieces.
async fn upload(store: &Store<Disk, Disk>, version: &str, at_ms: i64) -> Result<bool, StoreError> {
    let bytes = vec![7; MODEL_CHUNK_BYTES + 1];
    let Some(mut staging) = store
        .begin_model("m", version, &id(at_ms as u8), 2, at_ms)
        .await?
    else {
        return Ok(false);
    };
    let file = store
        .put_model_file(&mut staging, "model.onnx", "digest", &bytes)
        .await?;
    let graphs = [ModelGraph {
        precision: "fp32".to_owned(),
        format: "onnx".to_owned(),
        files: vec![file],
    }];
    store.offer_model(&staging, &graphs, at_ms).await?;
    store
        .commit_model(
            staging,
            "card",
            &graphs,
            &model_event(Action::CreateModel, version, at_ms),
        )
        .await?;
    Ok(true)
}

async fn activate(
    store: &Store<Disk, Disk>,
    version: &str,
    at_ms: i64,
) -> Result<Activated, StoreError> {
    let event = model_event(Action::ActivateModel, version, at_ms);
    store
        .activate_model("m", version, Some("1.0.0"), |v| v == "1.0.0", &event)
        .await
}

async fn roll_back(
    store: &Store<Disk, Disk>,
    at_ms: i64,
) -> Result<Option<(String, RolledBack)>, StoreError> {
    let ships = |version: &str| version == "1.0.0";
    let Some(before) = store.rollback_target("m", ships).await? else {
        return Ok(None);
    };
    let event = model_event(Action::RollBackModel, &before.version, at_ms);
    let outcome = store.rollback_model("m", &before, ships, &event).await?;
    Ok(Some((before.version, outcome)))
}

fn went_back(version: &str) -> Option<(String, RolledBack)> {
    Some((version.to_owned(), RolledBack::Done))
}

fn version(version: &str) -> Activated {
    Activated::Version(version.to_owned())
}

#[test]
fn an_uploaded_model_comes_back_byte_for_byte_and_goes_without_a_trace() {
    let disk = Disk::new();
    let store = disk.store();
    now(store.prepare()).unwrap();
    assert!(now(upload(&store, "2.0.0", 1)).unwrap());
    assert!(
        !now(upload(&store, "2.0.0", 2)).unwrap(),
        "it is there already"
    );
    let record = now(store.model("m", "2.0.0")).unwrap().unwrap();
    assert_eq!(record.card, "card");
    let file = &record.graphs[0].files[0];
    assert_eq!(
        now(store.model_file(file)).unwrap(),
        vec![7; MODEL_CHUNK_BYTES + 1]
    );
    assert_eq!(file.chunks.len(), 2);
    assert!(disk.key_names().contains(&graph_key("m", "2.0.0")));
    let delete = model_event(Action::DeleteModel, "2.0.0", 3);
    assert_eq!(
        now(store.delete_model("m", "2.0.0", &delete)).unwrap(),
        ModelDeleted::Gone
    );
    assert_eq!(
        now(store.delete_model("m", "2.0.0", &delete)).unwrap(),
        ModelDeleted::Missing
    );
    assert!(disk.key_names().is_empty());
    assert_eq!(disk.rows("models"), 0);
    let audit = now(store.audit(10, None)).unwrap();
    let actions: Vec<_> = audit.iter().map(|entry| entry.event.action).collect();
    assert_eq!(actions, [Action::DeleteModel, Action::CreateModel]);
}

#[test]
fn an_upload_that_is_given_up_leaves_nothing() {
    let disk = Disk::new();
    let store = disk.store();
    now(store.prepare()).unwrap();
    let mut staging = now(store.begin_model("m", "2.0.0", &id(1), 1, 1))
        .unwrap()
        .unwrap();
    now(store.put_model_file(&mut staging, "model.onnx", "digest", b"graph")).unwrap();
    now(store.offer_model(&staging, &[], 1)).unwrap();
    assert!(
        now(store.put_model_file(&mut staging, "more", "digest", b"x")).is_err(),
        "more than was announced would not be swept"
    );
    now(store.abort_model(staging, 2)).unwrap();
    assert!(disk.key_names().is_empty());
    assert_eq!(disk.rows("models"), 0);
}

#[test]
fn an_upload_that_nothing_is_heard_of_gives_way_to_the_next_and_spoils_nothing_of_it() {
    let disk = Disk::new();
    let store = disk.store();
    now(store.prepare()).unwrap();
    let mut silent = now(store.begin_model("m", "2.0.0", &id(1), 2, 0))
        .unwrap()
        .unwrap();
    now(store.put_model_file(&mut silent, "model.onnx", "digest", b"graph")).unwrap();
    now(store.offer_model(&silent, &[], 10)).unwrap();
    let heard_of = 10 + MODEL_LEASE_MS;
    assert!(!now(upload(&store, "2.0.0", heard_of)).unwrap());
    assert!(now(upload(&store, "2.0.0", heard_of + 1)).unwrap());
    // The first one was alive after all: it cannot be kept, and what it takes away is its own.
    now(store.put_model_file(&mut silent, "more", "digest", b"x")).unwrap();
    assert!(matches!(
        now(store.offer_model(&silent, &[], heard_of + 2)),
        Err(StoreError::Gone { .. })
    ));
    now(store.abort_model(silent, MODEL_LEASE_MS + 2)).unwrap();
    let kept = now(store.model("m", "2.0.0")).unwrap().unwrap();
    now(store.model_file(&kept.graphs[0].files[0])).unwrap();
    assert!(disk.key_names().contains(&graph_key("m", "2.0.0")));
    assert_eq!(disk.key_names().len(), 3);
}

#[test]
fn only_what_is_there_is_activated_and_what_is_active_stays() {
    let disk = Disk::new();
    let store = disk.store();
    now(store.prepare()).unwrap();
    assert_eq!(now(store.active_model("m")).unwrap(), None);
    assert_eq!(
        now(activate(&store, "2.0.0", 1)).unwrap(),
        Activated::Missing
    );
    assert_eq!(now(store.active_model("m")).unwrap(), None);
    for (at_ms, name) in [(2, "2.0.0"), (3, "3.0.0")] {
        assert!(now(upload(&store, name, at_ms)).unwrap());
    }
    assert_eq!(now(activate(&store, "2.0.0", 4)).unwrap(), version("2.0.0"));
    let delete = model_event(Action::DeleteModel, "2.0.0", 5);
    assert_eq!(
        now(store.delete_model("m", "2.0.0", &delete)).unwrap(),
        ModelDeleted::Active
    );
    assert_eq!(now(activate(&store, "3.0.0", 6)).unwrap(), version("3.0.0"));
    // The one before, the one before that (which ships with the service), and then there is none.
    assert_eq!(now(roll_back(&store, 7)).unwrap(), went_back("2.0.0"));
    assert_eq!(now(roll_back(&store, 8)).unwrap(), went_back("1.0.0"));
    assert_eq!(now(roll_back(&store, 9)).unwrap(), None);
    assert_eq!(
        now(store.active_model("m")).unwrap().as_deref(),
        Some("1.0.0")
    );
    let audit = now(store.audit(20, None)).unwrap();
    let rollbacks = audit
        .iter()
        .filter(|entry| entry.event.action == Action::RollBackModel);
    assert_eq!(rollbacks.count(), 2);
}

#[test]
fn going_back_passes_over_versions_that_were_deleted() {
    let disk = Disk::new();
    let store = disk.store();
    now(store.prepare()).unwrap();
    for (at_ms, name) in [(1, "2.0.0"), (2, "3.0.0")] {
        now(upload(&store, name, at_ms)).unwrap();
        now(activate(&store, name, 10 + at_ms)).unwrap();
    }
    // Activating what is active is no step to go back to.
    now(activate(&store, "3.0.0", 13)).unwrap();
    let delete = model_event(Action::DeleteModel, "2.0.0", 14);
    let target = || {
        let found = now(store.rollback_target("m", |version| version == "1.0.0")).unwrap();
        found.map(|before| before.version)
    };
    assert_eq!(target().as_deref(), Some("2.0.0"));
    now(store.delete_model("m", "2.0.0", &delete)).unwrap();
    assert_eq!(target().as_deref(), Some("1.0.0"));
    assert_eq!(now(roll_back(&store, 15)).unwrap(), went_back("1.0.0"));
}

#[test]
fn a_crash_at_any_step_leaves_a_model_whole_or_gone_and_its_audit_written() {
    for operations in 0..64 {
        let disk = Disk::new();
        let store = disk.store();
        now(store.prepare()).unwrap();
        now(upload(&store, "2.0.0", 1)).unwrap();
        disk.operations_left.set(operations);
        let outcome = now(async {
            upload(&store, "3.0.0", 2).await?;
            activate(&store, "3.0.0", 3).await?;
            let delete = model_event(Action::DeleteModel, "2.0.0", 4);
            store.delete_model("m", "2.0.0", &delete).await
        });
        disk.operations_left.set(usize::MAX);
        now(store.sweep(MODEL_STALE_MS + 100)).unwrap();
        let audit = now(store.audit(20, None)).unwrap();
        let told = |action| audit.iter().any(|entry| entry.event.action == action);
        let created = audit
            .iter()
            .filter(|entry| entry.event.action == Action::CreateModel)
            .count();
        let third = now(store.model("m", "3.0.0")).unwrap();
        assert_eq!(created, 1 + usize::from(third.is_some()), "{operations}");
        if let Some(record) = third {
            now(store.model_file(&record.graphs[0].files[0])).unwrap();
        }
        let active = now(store.active_model("m")).unwrap();
        assert_eq!(
            active.is_some(),
            told(Action::ActivateModel),
            "{operations}"
        );
        let second = now(store.model("m", "2.0.0")).unwrap();
        assert_eq!(second.is_none(), told(Action::DeleteModel), "{operations}");
        let kept = disk.rows("models") as usize;
        assert_eq!(disk.key_names().len(), 3 * kept, "{operations}");
        if outcome.is_ok() {
            return;
        }
    }
    panic!("the work never came to its end");
}

// Shadows.

fn compared(segmentation: &Id, shadow: &str, at_ms: i64) -> ShadowResult {
    ShadowResult {
        study_id: id(1),
        segmentation_id: segmentation.clone(),
        at_ms,
        active_version: "1.0.0".to_owned(),
        active_digest: "a".to_owned(),
        shadow_version: shadow.to_owned(),
        shadow_digest: Some("b".to_owned()),
        frames: vec![0, 1],
        dice: [Some(0.5), None, Some(1.0)],
        ef_difference_points: Some(-1.25),
        comparing: false,
        failed: None,
    }
}

#[test]
fn a_comparison_is_under_way_until_it_tells_of_its_end_or_is_silent_for_too_long() {
    let done = compared(&id(5), "2.0.0", 1_000);
    let begun = ShadowResult {
        comparing: true,
        ..done.clone()
    };
    let failed = ShadowResult {
        failed: Some("why".to_owned()),
        ..done.clone()
    };
    let last = 1_000 + SHADOW_SILENCE_MS;
    for now_ms in [0, 1_000, last, i64::MAX] {
        assert_eq!(done.state(now_ms), ShadowState::Done);
        assert_eq!(failed.state(now_ms), ShadowState::Failed("why"));
    }
    for now_ms in [i64::MIN, 0, 1_000, last] {
        assert_eq!(begun.state(now_ms), ShadowState::Comparing);
    }
    for now_ms in [last + 1, i64::MAX] {
        assert!(matches!(begun.state(now_ms), ShadowState::Failed(_)));
    }
}

#[test]
fn a_shadow_is_one_version_and_what_came_of_it_goes_with_it() {
    let disk = Disk::new();
    let store = disk.store();
    now(store.prepare()).unwrap();
    let event = |version: &str, at_ms| model_event(Action::ShadowModel, version, at_ms);
    assert_eq!(now(store.shadow("m")).unwrap(), None);
    assert!(!now(store.remove_shadow("m", &event("", 1))).unwrap());
    now(store.set_shadow("m", "2.0.0", &event("2.0.0", 2))).unwrap();
    // The same one again has been there since then.
    now(store.set_shadow("m", "2.0.0", &event("2.0.0", 3))).unwrap();
    let shadow = now(store.shadow("m")).unwrap().unwrap();
    assert_eq!((shadow.version.as_str(), shadow.since_ms), ("2.0.0", 2));

    // Of a segmentation that is not there nothing is kept, and nothing of a version that is the shadow no more.
    let nobody = compared(&id(9), "2.0.0", 4);
    now(store.put_shadow_result("m", &nobody)).unwrap();
    assert_eq!(now(store.shadow_results("m", "2.0.0")).unwrap(), []);
    let five = id(5);
    let row = "INSERT INTO segmentations VALUES (?, 's', 'kept', 0, 0, '[]', '', '', '')";
    disk.database.execute(row, [five.as_str()]).unwrap();
    let results = [compared(&five, "2.0.0", 5), compared(&five, "3.0.0", 6)];
    for result in &results {
        now(store.put_shadow_result("m", result)).unwrap();
    }
    assert_eq!(
        now(store.shadow_results("m", "2.0.0")).unwrap(),
        results[..1]
    );
    assert_eq!(now(store.shadow_results("m", "3.0.0")).unwrap(), []);
    assert!(now(store.remove_shadow("m", &event("2.0.0", 7))).unwrap());
    assert_eq!(now(store.shadow_results("m", "2.0.0")).unwrap(), []);
    assert_eq!(disk.rows("model_shadow_results"), 0);
}
