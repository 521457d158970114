//! The volume of a study, stitched from its stored frames to one gzip member behind a header that names nobody.

use cinecor_formats::{DataType, DeflatedChunk, GzipStitcher, SourceHeader, VoxelFormat};
use cinecor_guest::{Answer, Call, open_store, send_assembly, storage_problem};
use cinecor_store::{Action, Assembly, StudyRecord, frame_key};
use cinecor_web::{Delivery, Etag, Method, Problem, deliver};

pub(crate) async fn get(call: &Call) -> Result<Answer, Problem> {
    let media_type = call.accepted()?;
    let id = call.id("id")?;
    let store = open_store().await?;
    let record = store
        .study(&id)
        .await
        .map_err(storage_problem)?
        .ok_or_else(Call::no_study)?;
    let file = stitch(&record)?;
    let etag = Etag::of(&format!("volume-{}", record.source.sha256));
    let delivery = deliver(&call.method, &call.headers, &etag, Some(file.len()))?;
    if call.method == Method::GET && delivery != Delivery::NotModified {
        store
            .append_audit(&call.event(Action::DownloadVolume, Some(&id), None))
            .await
            .map_err(storage_problem)?;
    }
    send_assembly(
        call,
        store,
        file,
        &etag,
        media_type,
        &format!("{id}.nii.gz"),
    )
}

fn stitch(record: &StudyRecord) -> Result<Assembly, Problem> {
    let header = SourceHeader::from_bytes(&record.header).map_err(Problem::internal)?;
    let data_type = DataType::ALL
        .into_iter()
        .find(|data_type| data_type.code() == record.voxels.nifti_datatype);
    let data_type = data_type
        .ok_or_else(|| Problem::internal("the record of a study names an unknown datatype"))?;
    let voxels = VoxelFormat {
        data_type,
        scaling: record.voxels.scaling,
    };
    let header = DeflatedChunk::compress(&header.volume_header(voxels, record.chunks.len()));
    let mut stitcher = GzipStitcher::new();
    stitcher.add(header.crc32, header.len);
    for chunk in &record.chunks {
        stitcher.add(chunk.crc32, chunk.len);
    }
    let head = [GzipStitcher::HEADER.as_slice(), &header.bytes].concat();
    let frames = record
        .chunks
        .iter()
        .enumerate()
        .map(|(frame, chunk)| (frame_key(&record.id, frame), chunk.bytes))
        .collect();
    Ok(Assembly::new(head, frames, stitcher.trailer().to_vec()))
}
