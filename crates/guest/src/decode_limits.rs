//! The service's limits as the decoder of volumes takes them.

use cinecor_dicom::Limits as DicomLimits;
use cinecor_formats::Limits as FormatLimits;
use cinecor_volume::ShapeLimits;
use cinecor_web::Limits;

/// The limits for a volume.
pub(crate) fn volume_limits(limits: &Limits) -> FormatLimits {
    FormatLimits {
        inflated_bytes: limits.inflated_bytes,
        inflate_ratio: limits.inflate_ratio,
        shape: shape_limits(limits),
        ..FormatLimits::default()
    }
}

/// The limits for DICOM files and archives of them.
pub(crate) fn dicom_limits(limits: &Limits) -> DicomLimits {
    let files = usize::try_from(limits.files).unwrap_or(usize::MAX);
    DicomLimits {
        shape: shape_limits(limits),
        files,
        // Whoever takes more files takes an image of each.
        images: DicomLimits::default().images.max(files),
        inflated_bytes: limits.inflated_bytes,
        inflate_ratio: limits.inflate_ratio,
        ..DicomLimits::default()
    }
}

/// The limits for a mask, which compresses better than any image: the ratio is that of the formats crate, the sizes are the service's.
pub fn mask_limits(limits: &Limits) -> FormatLimits {
    let masks = FormatLimits::for_masks();
    FormatLimits {
        inflated_bytes: masks.inflated_bytes.min(limits.inflated_bytes),
        shape: shape_limits(limits),
        ..masks
    }
}

fn shape_limits(limits: &Limits) -> ShapeLimits {
    // A limit above what this machine can count is none.
    let size = |limit: u64| usize::try_from(limit).unwrap_or(usize::MAX);
    ShapeLimits {
        frames: size(limits.frames),
        slices: size(limits.slices),
        rows: size(limits.rows),
        columns: size(limits.columns),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_of_the_service_are_those_of_the_decoder() {
        assert_eq!(volume_limits(&Limits::default()), FormatLimits::default());
    }
}
