//! How well two masks agree; nothing is kept.

use cinecor_formats::{Event, Header};
use cinecor_guest::{Answer, Call, FormPart, Upload, decode_problem, mask_limits};
use cinecor_measures::compare as compare_masks;
use cinecor_volume::{Shape, same_grid};
use cinecor_web::{Problem, ProblemKind};
use cinecor_wire::CompareJson;
use ndarray::Array4;

use crate::not_measurable;

/// `POST /api/v1/compare`.
///
/// # Errors
/// Whatever is wrong with either mask; masks that do not lie on one grid.
pub(crate) async fn compare(mut call: Call) -> Result<Answer, Problem> {
    call.accepted()?;
    let limits = mask_limits(&call.settings.limits);
    let Upload::Form(mut form) = Upload::open(&mut call)? else {
        return Err(Problem::new(
            ProblemKind::UnsupportedMediaType,
            "The body is one file; send a multipart/form-data form with the files `reference` and `prediction`.",
        ));
    };
    let (mut reference, mut prediction) = (None, None);
    while let Some(mut part) = form.next().await? {
        let slot = match part.name() {
            "reference" => &mut reference,
            "prediction" => &mut prediction,
            other => {
                let shown: String = other.chars().filter(|c| !c.is_control()).take(40).collect();
                return Err(Problem::field(
                    &shown,
                    "is not known; the form takes the files reference and prediction",
                ));
            }
        };
        if slot.is_some() {
            let name = part.name().to_owned();
            return Err(Problem::field(&name, "is there twice; send it once"));
        }
        let name = part.name().to_owned();
        let read = Read::of(&mut part, limits)
            .await
            .map_err(|problem| problem.with("field", name))?;
        *slot = Some(read);
    }
    let missing = |name: &str| {
        Problem::field(
            name,
            "is missing; the form takes the files reference and prediction",
        )
    };
    let reference = reference.ok_or_else(|| missing("reference"))?;
    let prediction = prediction.ok_or_else(|| missing("prediction"))?;
    same_grid(
        (reference.header.shape, &reference.header.geometry),
        (prediction.header.shape, &prediction.header.geometry),
    )
    .map_err(|error| {
        Problem::new(
            ProblemKind::NotMeasurable,
            format!("Reference and prediction do not lie on one grid, {error}; bring both to one."),
        )
    })?;
    let spacing = reference.header.geometry.spacing;
    let (one, other) = (reference.labels()?, prediction.labels()?);
    let agreement = compare_masks(one.view(), other.view(), &spacing)
        .map_err(|error| not_measurable(&error))?;
    Answer::json(&CompareJson::from(&agreement))
}

/// The most voxels that a mask may have to be compared: 64 frames of 16 slices of 256 x 256. Both masks are in memory, one byte a voxel,
/// and the distances of their surfaces beside them, sixteen bytes a voxel where a mask is nothing but surface.
const VOXELS_MAX: usize = 64 << 20;

/// A mask in memory: one byte a voxel.
struct Read {
    header: Header,
    labels: Vec<u8>,
}

impl Read {
    async fn of(part: &mut FormPart, limits: cinecor_formats::Limits) -> Result<Read, Problem> {
        let mut header = None;
        let mut labels = Vec::new();
        part.decode(limits, async |event| {
            match event {
                Event::Header(found) => {
                    let voxels = found.shape.voxels();
                    if voxels > VOXELS_MAX {
                        return Err(Problem::new(
                            ProblemKind::VolumeTooLarge,
                            format!("The mask has {voxels} voxels; at most {VOXELS_MAX} are compared. Send fewer frames at once."),
                        )
                        .with("code", "too_large"));
                    }
                    header = Some(*found);
                }
                Event::Frame(frame) => {
                    let frame = frame.labels().map_err(|error| decode_problem(&error))?;
                    labels.extend(frame.iter());
                }
            }
            Ok(())
        })
        .await?;
        let header =
            header.ok_or_else(|| Problem::internal("a file was decoded without a header"))?;
        Ok(Read { header, labels })
    }

    fn labels(self) -> Result<Array4<u8>, Problem> {
        let Shape {
            frames,
            slices,
            rows,
            columns,
        } = self.header.shape;
        Array4::from_shape_vec((frames, slices, rows, columns), self.labels)
            .map_err(Problem::internal)
    }
}
