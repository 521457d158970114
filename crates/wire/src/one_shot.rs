//! The answer to a volume that is not kept: everything in one JSON document, mask and pictures as base64 inside it.

use std::io::Write;

use base64::engine::general_purpose::STANDARD;
use base64::write::EncoderWriter;
use serde::Serialize;

use crate::{MetricsJson, SegmentationJson, StudyJson};

/// How far the work is; the data of a `progress` event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// What is being done: `segment`.
    pub stage: &'static str,
    /// Frames that are done.
    pub done: usize,
    /// Frames in all.
    pub total: usize,
}

/// A picture that comes with a result.
pub struct Preview {
    /// The frame that it shows.
    pub frame: usize,
    /// The slice that it shows.
    pub slice: usize,
    /// Its bytes.
    pub png: Vec<u8>,
}

/// The answer to a volume that is not kept.
pub struct OneShot<'a> {
    /// What was sent.
    pub study: &'a StudyJson,
    /// Who answered.
    pub segmentation: &'a SegmentationJson,
    /// The numbers.
    pub metrics: &'a MetricsJson,
    /// The mask file, gzipped NIfTI, in the pieces it is kept in.
    pub mask: &'a [&'a [u8]],
    /// Pictures.
    pub previews: &'a [Preview],
}

impl OneShot<'_> {
    /// The JSON document, on one line. Base64 is written straight into it: a mask is never held twice.
    ///
    /// # Errors
    /// None that can happen: numbers are finite and keys are text. Given on rather than hidden.
    pub fn to_json(&self) -> std::io::Result<Vec<u8>> {
        let mask_bytes: usize = self.mask.iter().map(|piece| piece.len()).sum();
        let pictures: usize = self
            .previews
            .iter()
            .map(|preview| preview.png.len() + 128)
            .sum();
        let mut json = Vec::with_capacity((mask_bytes + pictures) / 3 * 4 + 16_384);
        json.extend_from_slice(b"{\"study\":");
        serde_json::to_writer(&mut json, self.study)?;
        json.extend_from_slice(b",\"segmentation\":");
        serde_json::to_writer(&mut json, self.segmentation)?;
        json.extend_from_slice(b",\"metrics\":");
        serde_json::to_writer(&mut json, self.metrics)?;
        json.extend_from_slice(
            b",\"mask\":{\"media_type\":\"application/gzip\",\"encoding\":\"base64\",\"data\":\"",
        );
        write_base64(&mut json, self.mask)?;
        json.extend_from_slice(b"\"},\"previews\":[");
        for (index, preview) in self.previews.iter().enumerate() {
            if index > 0 {
                json.push(b',');
            }
            write!(
                json,
                "{{\"frame\":{},\"slice\":{},\"media_type\":\"image/png\",\"encoding\":\"base64\",\"data\":\"",
                preview.frame, preview.slice
            )?;
            write_base64(&mut json, &[&preview.png])?;
            json.extend_from_slice(b"\"}");
        }
        json.extend_from_slice(b"]}");
        Ok(json)
    }
}

fn write_base64(json: &mut Vec<u8>, pieces: &[&[u8]]) -> std::io::Result<()> {
    let mut encoder = EncoderWriter::new(json, &STANDARD);
    for piece in pieces {
        encoder.write_all(piece)?;
    }
    encoder.finish()?;
    Ok(())
}
