//! Keeping a volume as a study: every frame is put away as it is complete, and the study exists only when all of it is there. NIfTI is
//! decoded while it arrives, so that memory follows one frame; DICOM files are held until the last has come.

use cinecor_formats::{Event, Header};
use cinecor_guest::{
    Answer, Call, Consumer, GuestStore, chunk_into, deflated_frame, fact_problem, now_ms,
    open_store, random_id, storage_problem, take_volume,
};
use cinecor_render::Window;
use cinecor_store::{
    Action, Consent, Id, SourceRecord, Staging, StudyRecord, Subject, VoxelRecord, WarningRecord,
};
use cinecor_volume::{Shape, SliceAxis};
use cinecor_web::Problem;

pub(crate) async fn create(call: &mut Call) -> Result<Answer, Problem> {
    let store = open_store().await?;
    store.sweep(now_ms()).await.map_err(storage_problem)?;
    // What stands in the address is checked before a body of any size is read.
    Told::from(call.query.facts())?;
    let mut keeper = Keeper {
        store: &store,
        id: random_id(),
        kept: None,
    };
    let taken = take_volume(call, &mut keeper).await;
    let (id, kept) = (keeper.id, keeper.kept);
    let settled = taken.and_then(|intake| {
        let told = Told::from(&intake.facts)?;
        Ok((intake, told))
    });
    let ((intake, told), mut kept) = match (settled, kept) {
        (Ok(settled), Some(kept)) => (settled, kept),
        (Ok(_), None) => {
            return Err(Problem::internal(
                "a file was read to its end without a header",
            ));
        }
        (Err(problem), kept) => return Err(give_up(&store, kept, problem).await),
    };
    let frames = kept.record.shape.first().copied().unwrap_or(0);
    if let Err(error) = told.subject.check_frames(frames) {
        return Err(give_up(&store, Some(kept), fact_problem(&error)).await);
    }
    kept.record.created_at_ms = now_ms();
    kept.record.label = told.label;
    kept.record.consent = told.consent;
    kept.record.subject = told.subject;
    let file = intake.file;
    kept.record.source = file.source;
    kept.record.found = file.found;
    kept.record.deidentification = Some(file.deidentification);
    kept.record
        .warnings
        .extend(file.warnings.iter().map(warning));
    let event = call.event(Action::CreateStudy, Some(&id), None);
    store
        .commit_study(kept.staging, &kept.record, &event)
        .await
        .map_err(storage_problem)?;
    Ok(Answer::json(&crate::json(&kept.record))?.created(&format!("/api/v1/studies/{id}")))
}

/// Takes away what was put away of a refused study. A failure of that does not hide why the study was refused: the sweep tries again.
async fn give_up(store: &GuestStore, kept: Option<Kept>, problem: Problem) -> Problem {
    match kept {
        None => problem,
        Some(kept) => match store.abort(kept.staging).await {
            Ok(()) => problem,
            Err(cause) => problem.caused_by(cause),
        },
    }
}

/// What is told of a study.
struct Told {
    label: Option<String>,
    consent: Consent,
    subject: Subject,
}

impl Told {
    fn from(facts: &[(String, String)]) -> Result<Told, Problem> {
        let mut told = Told {
            label: None,
            consent: Consent::None,
            subject: Subject::default(),
        };
        for (name, value) in facts {
            match name.as_str() {
                "label" => told.label = crate::label(value)?,
                "consent" => told.consent = crate::consent(value)?,
                fact => told
                    .subject
                    .tell_text(fact, value)
                    .map_err(|error| fact_problem(&error))?,
            }
        }
        Ok(told)
    }
}

/// Puts a volume away while it arrives.
struct Keeper<'a> {
    store: &'a GuestStore,
    id: Id,
    kept: Option<Kept>,
}

struct Kept {
    staging: Staging,
    record: StudyRecord,
    shape: Shape,
    slice_axis: SliceAxis,
}

impl Consumer for Keeper<'_> {
    async fn event(&mut self, event: Event) -> Result<(), Problem> {
        match event {
            Event::Header(header) => {
                let staging = self
                    .store
                    .begin_study(&self.id, header.shape.frames, now_ms())
                    .await
                    .map_err(storage_problem)?;
                self.kept = Some(Kept {
                    staging,
                    record: record(&self.id, &header),
                    shape: header.shape,
                    slice_axis: header.source.slice_axis(),
                });
            }
            Event::Frame(frame) => {
                let kept = self
                    .kept
                    .as_mut()
                    .ok_or_else(|| Problem::internal("a frame came before the header"))?;
                let mut chunk =
                    chunk_into(deflated_frame(&frame.raw, &kept.shape, kept.slice_axis));
                let window = Window::of_frame(&frame.intensities);
                chunk.window = Some((window.center(), window.width()));
                self.store
                    .put_frame(&mut kept.staging, frame.index, &chunk, now_ms())
                    .await
                    .map_err(storage_problem)?;
                kept.record.chunks.push(chunk.info());
            }
        }
        Ok(())
    }

    async fn arrived(&mut self) -> Result<(), Problem> {
        match &mut self.kept {
            None => Ok(()),
            Some(kept) => self
                .store
                .keep_alive(&mut kept.staging, now_ms())
                .await
                .map_err(storage_problem),
        }
    }
}

fn record(id: &Id, header: &Header) -> StudyRecord {
    let mut record = StudyRecord {
        id: id.clone(),
        created_at_ms: 0,
        label: None,
        consent: Consent::None,
        shape: [0; 4],
        spacing_mm: [0.0; 3],
        mm_from_voxel: [[0.0; 4]; 3],
        frame_ms: None,
        voxels: VoxelRecord {
            nifti_datatype: header.voxels.data_type.code(),
            scaling: header.voxels.scaling,
        },
        header: header.source.to_bytes(),
        // Known when the last byte has come.
        source: SourceRecord::default(),
        subject: Subject::default(),
        found: Subject::default(),
        deidentification: None,
        warnings: header.warnings.iter().map(warning).collect(),
        chunks: Vec::with_capacity(header.shape.frames),
    };
    record.place(header.shape, &header.geometry);
    record
}

fn warning(warning: &cinecor_formats::Warning) -> WarningRecord {
    WarningRecord {
        code: warning.code.as_str().to_owned(),
        detail: warning.detail.clone(),
    }
}
