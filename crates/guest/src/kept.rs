//! What is kept, as components read it: frames as grey values, masks as labels, cards of packages as text.

use std::path::Path;

use cinecor_formats::{DataType, DeflatedChunk, SourceHeader, VoxelFormat};
use cinecor_store::{SegmentationRecord, StudyRecord};
use cinecor_volume::{Frame, Shape, SliceAxis};
use cinecor_web::Problem;
use ndarray::{Array2, Array3, Axis};

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
    let chunk = store
        .frame(&study.id, frame)
        .await
        .map_err(storage_problem)?;
    whole_frame(study, &chunk_from(chunk))
}

fn whole_frame(study: &StudyRecord, chunk: &DeflatedChunk) -> Result<Frame, Problem> {
    let shape = study.shape().map_err(Problem::internal)?;
    let raw = chunk.inflate().map_err(Problem::internal)?;
    let grey = voxels(study)?.intensities(&raw, &shape, slice_axis(study)?);
    Ok(grey.map_err(Problem::internal)?.frame)
}

fn voxels(study: &StudyRecord) -> Result<VoxelFormat, Problem> {
    Ok(VoxelFormat {
        data_type: DataType::from_code(study.voxels.nifti_datatype).map_err(Problem::internal)?,
        scaling: study.voxels.scaling,
    })
}

/// What was read of a frame to show one of its slices.
pub enum KeptSlice {
    /// The slice alone, shape `[1, Y, X]`, and center and width of the window of its frame.
    Alone(Frame, (f32, f32)),
    /// The frame that it is in, shape `[Z, Y, X]`: it was kept as a whole.
    Within(Frame),
}

/// One slice of a frame of a study, for which no other is inflated where that can be.
///
/// # Errors
/// As [`kept_frame`].
pub async fn kept_slice(
    store: &GuestStore,
    study: &StudyRecord,
    frame: usize,
    slice: usize,
) -> Result<KeptSlice, Problem> {
    let chunk = store
        .frame(&study.id, frame)
        .await
        .map_err(storage_problem)?;
    let window = chunk.window;
    let chunk = chunk_from(chunk);
    let voxels = voxels(study)?;
    let alone = one_slice(study, &chunk, slice, voxels.data_type.bytes())?;
    match alone.zip(window) {
        Some(((raw, shape), window)) => {
            let grey = voxels.intensities(&raw, &shape, SliceAxis::Third);
            let grey = grey.map_err(Problem::internal)?.frame;
            Ok(KeptSlice::Alone(grey, window))
        }
        None => whole_frame(study, &chunk).map(KeptSlice::Within),
    }
}

/// The label codes of one slice of a frame of a segmentation, shape `[Y, X]`, for which no other is inflated where that can be.
///
/// # Errors
/// As [`kept_frame`].
pub async fn kept_mask_slice(
    store: &GuestStore,
    study: &StudyRecord,
    record: &SegmentationRecord,
    frame: usize,
    slice: usize,
) -> Result<Array2<u8>, Problem> {
    let chunk = store
        .mask_frame(record, frame)
        .await
        .map_err(storage_problem)?;
    let chunk = chunk_from(chunk);
    let (labels, slice) = match one_slice(study, &chunk, slice, 1)? {
        Some((labels, shape)) => {
            let labels = SliceAxis::Third.frame(labels, &shape);
            (labels.map_err(Problem::internal)?, 0)
        }
        None => (whole_mask(study, &chunk)?, slice),
    };
    if slice >= labels.dim().0 {
        return Err(Problem::internal("a mask with fewer slices than its study"));
    }
    Ok(labels.index_axis_move(Axis(0), slice))
}

/// The bytes of one slice as stored and the shape that they have, when the slices of a chunk were deflated one by one.
fn one_slice(
    study: &StudyRecord,
    chunk: &DeflatedChunk,
    slice: usize,
    voxel_bytes: usize,
) -> Result<Option<(Vec<u8>, Shape)>, Problem> {
    let shape = study.shape().map_err(Problem::internal)?;
    if slice_axis(study)? != SliceAxis::Third || chunk.parts.len() != shape.slices {
        return Ok(None);
    }
    let shape = Shape::new(1, 1, shape.rows, shape.columns).map_err(Problem::internal)?;
    let bytes = (shape.voxels_per_frame() * voxel_bytes) as u64;
    let Some(inflated) = chunk.inflate_part(slice, bytes) else {
        return Ok(None);
    };
    Ok(Some((inflated.map_err(Problem::internal)?, shape)))
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
    let chunk = store
        .mask_frame(record, frame)
        .await
        .map_err(storage_problem)?;
    whole_mask(study, &chunk_from(chunk))
}

fn whole_mask(study: &StudyRecord, chunk: &DeflatedChunk) -> Result<Array3<u8>, Problem> {
    let shape = study.shape().map_err(Problem::internal)?;
    let labels = chunk.inflate().map_err(Problem::internal)?;
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
