//! Mask files: frames that are deflated once, joined to one gzip member wherever a file is asked for.

use cinecor_formats::{DecodeError, DeflatedChunk, GzipStitcher, SourceHeader};
use cinecor_guest::{Answer, Call, open_store, send_assembly};
use cinecor_store::{Assembly, SegmentationRecord};
use cinecor_web::{Etag, Problem, ProblemKind};
use cinecor_wire::kept_quality;

use crate::kept::measured;

/// A mask file whose frames are at hand.
pub(crate) struct MaskFile {
    /// The file's header and its frames.
    chunks: Vec<DeflatedChunk>,
    trailer: [u8; 10],
}

impl MaskFile {
    /// The mask of `frames` on the grid of `header`.
    pub(crate) fn new(header: &SourceHeader, frames: Vec<DeflatedChunk>) -> MaskFile {
        let mut chunks = vec![DeflatedChunk::compress(&header.mask_header(frames.len()))];
        chunks.extend(frames);
        let mut stitcher = GzipStitcher::new();
        for chunk in &chunks {
            stitcher.add(chunk.crc32, chunk.len);
        }
        MaskFile {
            chunks,
            trailer: stitcher.trailer(),
        }
    }

    /// The pieces that, one after the other, are the `.nii.gz` file.
    pub(crate) fn pieces(&self) -> Vec<&[u8]> {
        let mut pieces: Vec<&[u8]> = vec![&GzipStitcher::HEADER];
        pieces.extend(self.chunks.iter().map(|chunk| chunk.bytes.as_slice()));
        pieces.push(&self.trailer);
        pieces
    }

    /// The `.nii.gz` file.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.pieces().concat()
    }

    /// The `.nii` file.
    ///
    /// # Errors
    /// None that a chunk made here can cause.
    pub(crate) fn to_plain(&self) -> Result<Vec<u8>, Problem> {
        let length: u64 = self.chunks.iter().map(|chunk| chunk.len).sum();
        let mut file = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
        for chunk in &self.chunks {
            file.extend_from_slice(
                &chunk
                    .inflate()
                    .map_err(|error: DecodeError| Problem::internal(error))?,
            );
        }
        Ok(file)
    }
}

/// `GET /api/v1/studies/{id}/segmentations/{sid}/mask.nii.gz`: stitched from what is stored, so that its length and tag are known before a
/// byte of it is read.
pub(crate) async fn get(call: &Call) -> Result<Answer, Problem> {
    let media_type = call.accepted()?;
    let store = open_store().await?;
    let (study, record) = call.kept_segmentation(&store).await?;
    let header = SourceHeader::from_bytes(&study.header).map_err(Problem::internal)?;
    let asked = call
        .query
        .integer("frame")
        .map(usize::try_from)
        .transpose()
        .map_err(Problem::internal)?;
    let frames: Vec<_> = record
        .frames
        .iter()
        .zip(&record.chunks)
        .filter(|(frame, _)| asked.is_none_or(|asked| asked == **frame))
        .collect();
    if frames.is_empty() {
        return Err(no_frame());
    }
    let first = DeflatedChunk::compress(&header.mask_header(frames.len()));
    let mut stitcher = GzipStitcher::new();
    stitcher.add(first.crc32, first.len);
    let mut values = Vec::with_capacity(frames.len());
    for (frame, chunk) in frames {
        stitcher.add(chunk.crc32, chunk.len);
        values.push((record.mask_key(*frame), chunk.bytes));
    }
    let mut head = GzipStitcher::HEADER.to_vec();
    head.extend_from_slice(&first.bytes);
    let file = Assembly::new(head, values, stitcher.trailer().to_vec());
    let etag = tag(&record, asked);
    let name = asked.map_or_else(
        || "mask.nii.gz".to_owned(),
        |frame| format!("mask-frame-{frame}.nii.gz"),
    );
    let metrics = measured(&record, &study)?;
    let quality = kept_quality(&record, &metrics);
    let answer = send_assembly(call, store, file, &etag, media_type, &name)?;
    Ok(answer.verdict(&quality.verdict))
}

/// The tag of the mask of a revision, which never changes: of one frame, or of all.
pub(crate) fn tag(record: &SegmentationRecord, frame: Option<usize>) -> Etag {
    let part = frame.map_or_else(|| "all".to_owned(), |frame| frame.to_string());
    Etag::of(&format!(
        "{}-{}-{part}",
        record.id.as_str(),
        record.revision
    ))
}

/// The answer when a segmentation does not have a frame.
pub(crate) fn no_frame() -> Problem {
    Problem::new(
        ProblemKind::NotFound,
        "The segmentation does not have this frame; the frames that it has are listed in its `frames`.",
    )
}
