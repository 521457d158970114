//! What is kept, as components read it: frames as grey values, masks as labels, cards of packages as text.

use std::path::Path;

use cinecor_formats::{DataType, DeflatedChunk, SourceHeader, VoxelFormat};
use cinecor_store::{ChunkPart, SegmentationRecord, Sliced, StudyRecord};
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
    let shape = study.shape().map_err(Problem::internal)?;
    let sliced = store
        .frame_slice(&study.id, frame, slice, parts(study, &shape)?)
        .await
        .map_err(storage_problem)?;
    let (bytes, crc32, window) = match sliced {
        Sliced::Alone(ChunkPart {
            bytes,
            crc32,
            window: Some(window),
        }) => (bytes, crc32, window),
        // Without its window the frame is needed to work it out.
        Sliced::Alone(_) => return kept_frame(store, study, frame).await.map(KeptSlice::Within),
        Sliced::Within(chunk) => {
            return whole_frame(study, &chunk_from(chunk)).map(KeptSlice::Within);
        }
    };
    let voxels = voxels(study)?;
    let shape = Shape::new(1, 1, shape.rows, shape.columns).map_err(Problem::internal)?;
    let raw = one_slice(&bytes, crc32, &shape, voxels.data_type.bytes())?;
    let grey = voxels.intensities(&raw, &shape, SliceAxis::Third);
    let grey = grey.map_err(Problem::internal)?.frame;
    Ok(KeptSlice::Alone(grey, window))
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
    let shape = study.shape().map_err(Problem::internal)?;
    let sliced = store
        .mask_slice(record, frame, slice, parts(study, &shape)?)
        .await
        .map_err(storage_problem)?;
    let (labels, slice) = match sliced {
        Sliced::Alone(ChunkPart { bytes, crc32, .. }) => {
            let shape = Shape::new(1, 1, shape.rows, shape.columns).map_err(Problem::internal)?;
            let labels = one_slice(&bytes, crc32, &shape, 1)?;
            let labels = SliceAxis::Third.frame(labels, &shape);
            (labels.map_err(Problem::internal)?, 0)
        }
        Sliced::Within(chunk) => (whole_mask(study, &chunk_from(chunk))?, slice),
    };
    if slice >= labels.dim().0 {
        return Err(Problem::internal("a mask with fewer slices than its study"));
    }
    Ok(labels.index_axis_move(Axis(0), slice))
}

/// Of how many parts a frame is kept when each of them is a slice; none where slices do not follow one another.
fn parts(study: &StudyRecord, shape: &Shape) -> Result<usize, Problem> {
    Ok(match slice_axis(study)? {
        SliceAxis::Third => shape.slices,
        SliceAxis::First | SliceAxis::Second => 0,
    })
}

/// The voxels of a slice as stored, which was deflated alone; `shape` is its own.
fn one_slice(
    bytes: &[u8],
    crc32: u32,
    shape: &Shape,
    voxel_bytes: usize,
) -> Result<Vec<u8>, Problem> {
    let len = (shape.voxels_per_frame() * voxel_bytes) as u64;
    DeflatedChunk::inflate_part(bytes, crc32, len).map_err(Problem::internal)
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
