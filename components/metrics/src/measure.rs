//! The numbers of a mask that is sent along; nothing is kept.

use cinecor_formats::Event;
use cinecor_guest::{Answer, Call, Upload, decode_problem, fact_problem, mask_limits};
use cinecor_measures::{Cycle, FrameProfile, Grid, Subject as Told, measure_heart};
use cinecor_store::Subject;
use cinecor_volume::Geometry;
use cinecor_web::Problem;
use cinecor_wire::{MetricsJson, measured_with};

use crate::rules::rules;
use crate::{in_form, not_measurable};

/// `POST /api/v1/measure`.
///
/// # Errors
/// Whatever is wrong with the mask or the facts.
pub(crate) async fn measure(mut call: Call) -> Result<Answer, Problem> {
    let form_of_answer = call.accepted()?;
    let (rules, bsa_formula) = rules(&call, None)?;
    let mut subject = Subject::default();
    for (name, value) in call.query.facts() {
        subject
            .tell_text(name, value)
            .map_err(|error| fact_problem(&error))?;
    }
    let limits = mask_limits(&call.settings.limits);
    let upload = Upload::open(&mut call)?;
    let mut mask = Profiled::default();
    match upload {
        Upload::Raw(mut body) => {
            body.decode(limits, async |event| mask.take(event)).await?;
        }
        Upload::Form(mut form) => {
            while let Some(mut part) = form.next().await? {
                if part.is_file() {
                    if mask.geometry.is_some() {
                        return Err(Problem::field(
                            "file",
                            "is there twice; send the mask as one file",
                        ));
                    }
                    part.decode(limits, async |event| mask.take(event)).await?;
                } else if Subject::is_fact(part.name()) {
                    let value = part.text().await?;
                    subject
                        .tell_text(part.name(), &value)
                        .map_err(|error| fact_problem(&error))?;
                } else {
                    let shown: String = part
                        .name()
                        .chars()
                        .filter(|c| !c.is_control())
                        .take(40)
                        .collect();
                    return Err(Problem::field(
                        &shown,
                        "is not known; a form takes one file and facts about the subject",
                    ));
                }
            }
        }
    }
    let Some(geometry) = mask.geometry else {
        return Err(Problem::field(
            "file",
            "is missing; send the mask as a part with a file name",
        ));
    };
    let cycle = Cycle {
        frame_ms: subject.frame_ms.or(geometry.frame_ms),
        frames_in_study: Some(mask.frames.len()),
    };
    let told = Told {
        bsa_formula,
        ..measured_with(&subject)
    };
    // Nobody's model made this mask, so that there is no score.
    let metrics = measure_heart(&mask.frames, &rules, &geometry.spacing, &cycle, &told, &[])
        .map_err(|error| not_measurable(&error))?;
    let numbers = MetricsJson::from(&metrics).with_front(geometry.is_right_handed(), false);
    in_form(form_of_answer, &numbers)
}

/// A mask as far as numbers need it: a frame is looked at and let go.
#[derive(Default)]
struct Profiled {
    geometry: Option<Geometry>,
    frames: Vec<FrameProfile>,
}

impl Profiled {
    fn take(&mut self, event: Event) -> Result<(), Problem> {
        match event {
            Event::Header(header) => self.geometry = Some(header.geometry.clone()),
            Event::Frame(frame) => {
                let labels = frame.labels().map_err(|error| decode_problem(&error))?;
                let geometry = self
                    .geometry
                    .as_ref()
                    .ok_or_else(|| Problem::internal("a frame came before its header"))?;
                let grid = Grid {
                    spacing: geometry.spacing,
                    right_handed: geometry.is_right_handed(),
                    mirrored: false,
                };
                let profile = FrameProfile::of(frame.index, labels.view(), None, &grid)
                    .map_err(|error| not_measurable(&error))?;
                self.frames.push(profile);
            }
        }
        Ok(())
    }
}
