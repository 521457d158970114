//! What is kept, as components read it: frames as grey values, masks as labels, cards of packages as text.

use std::path::Path;

use cinecor_formats::{DataType, SourceHeader, VoxelFormat};
use cinecor_store::{SegmentationRecord, StudyRecord};
use cinecor_volume::{Frame, SliceAxis};
use cinecor_web::Problem;
use ndarray::Array3;

use crate::refusals::storage_problem;
use crate::spin::GuestStore;
use crate::upload::chunk_from;

/// Where the manifest mounts the packages that ship: `<name>/<version>/model.json` and the graph beside it.
pub const MODELS: &str = "/models";

/// The grey values of a frame of a study, shape `[Z, Y, X]`.
///
/// # Errors
/// What the store says when it fails; a 500 for a record or a chunk that another hand has changed.
pub async fn kept_frame(
    store: &GuestStore,
    study: &StudyRecord,
    frame: usize,
) -> Result<Frame, Problem> {
    let shape = study.shape().map_err(Problem::internal)?;
    let voxels = VoxelFormat {
        data_type: DataType::from_code(study.voxels.nifti_datatype).map_err(Problem::internal)?,
        scaling: study.voxels.scaling,
    };
    let chunk = store
        .frame(&study.id, frame)
        .await
        .map_err(storage_problem)?;
    let raw = chunk_from(chunk).inflate().map_err(Problem::internal)?;
    Ok(voxels
        .intensities(&raw, &shape, slice_axis(study)?)
        .map_err(Problem::internal)?
        .frame)
}

/// The label codes of a frame of a segmentation in this revision, on the grid of its study, shape `[Z, Y, X]`.
///
/// # Errors
/// As [`kept_frame`].
pub async fn kept_mask(
    store: &GuestStore,
    study: &StudyRecord,
    record: &SegmentationRecord,
    frame: usize,
) -> Result<Array3<u8>, Problem> {
    let shape = study.shape().map_err(Problem::internal)?;
    let chunk = store
        .mask_frame(record, frame)
        .await
        .map_err(storage_problem)?;
    let labels = chunk_from(chunk).inflate().map_err(Problem::internal)?;
    slice_axis(study)?
        .frame(labels, &shape)
        .map_err(Problem::internal)
}

/// Along which axis of its file, and of what is stored of it, the slices of a study lie.
///
/// # Errors
/// A 500 for a record that another hand has changed.
pub fn slice_axis(study: &StudyRecord) -> Result<SliceAxis, Problem> {
    let header = SourceHeader::from_bytes(&study.header).map_err(Problem::internal)?;
    Ok(header.slice_axis())
}

/// The text of the card of `name@version`, which have to be such as packages can have; `None` when there is no such package.
///
/// # Errors
/// What the store or the mounted folder says when it fails.
pub async fn kept_card(
    store: &GuestStore,
    name: &str,
    version: &str,
) -> Result<Option<String>, Problem> {
    let path = Path::new(MODELS)
        .join(name)
        .join(version)
        .join("model.json");
    match std::fs::read_to_string(path) {
        Ok(card) => Ok(Some(card)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let record = store.model(name, version).await.map_err(storage_problem)?;
            Ok(record.map(|record| record.card))
        }
        Err(error) => Err(Problem::internal(error)),
    }
}
