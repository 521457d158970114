//! What was believed about a header that leaves a doubt. Warnings travel to the caller with the volume; they are no errors.

use std::fmt;

/// One doubt about a file and how it was settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Which doubt.
    pub code: WarningCode,
    /// What was found, what was believed and why, in a sentence. Holds numbers of the header, never its texts.
    pub detail: String,
}

impl Warning {
    pub(crate) fn new(code: WarningCode, detail: impl Into<String>) -> Warning {
        Warning {
            code,
            detail: detail.into(),
        }
    }
}

/// The doubts that a file can leave. [`WarningCode::as_str`] is stable and stands in answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WarningCode {
    /// The sform is a unit matrix and pixdim says otherwise.
    SformUnitMatrix,
    /// pixdim was never set and the sform says the spacing.
    PixdimUnset,
    /// sform and pixdim give different spacings.
    SpacingDisagreement,
    /// The sform cannot be a transform.
    SformInvalid,
    /// The axes of the sform are not at right angles.
    SformSheared,
    /// The qform cannot be a rotation.
    QformInvalid,
    /// The quaternion is longer than 1.
    QuaternionNotUnit,
    /// qfac (pixdim[0]) is neither 1 nor -1.
    QfacOdd,
    /// sform_code or qform_code is a number without meaning.
    FormCodeUnknown,
    /// Neither sform nor qform says how the patient lies.
    OrientationUnknown,
    /// Slices lie along another axis of the file than the third.
    AxesExchanged,
    /// The unit of length is a number without meaning.
    LengthUnitUnknown,
    /// Several frames, and the header does not say how far apart in time.
    FrameTimeUnknown,
    /// The unit of time is missing and was told from the size of the number.
    FrameTimeUnitGuessed,
    /// The time between frames is not that of a heart.
    FrameTimeImplausible,
    /// bitpix is not the size of the datatype.
    BitpixMismatch,
    /// vox_offset is zero in a single file.
    VoxOffsetUnset,
    /// Voxels that are NaN or infinite became 0.
    NonFiniteVoxels,
    /// A few bytes after the last voxel were read over.
    TrailingBytes,
    /// DICOM: of several groups of images one was taken.
    SeriesChosen,
    /// DICOM: no words and no direction make it sure that the slices are a short axis.
    ShortAxisUnsure,
    /// DICOM: slices with few frames at the ends of the stack were left out.
    SlicesLeftOut,
    /// DICOM: slices were acquired more than once.
    SliceRepeated,
    /// DICOM: distances between slices differ a little.
    SlicesUneven,
    /// DICOM: a slice lies beside the line of the others.
    SlicesShifted,
    /// DICOM: directions of slices differ a little.
    OrientationUneven,
    /// DICOM: images were there twice.
    Duplicates,
    /// DICOM: slices have different numbers of frames.
    FramesMatched,
    /// DICOM: the length of the beat and the trigger times give different times between frames.
    FrameTimeDisagreement,
    /// DICOM: files without images, or that are no DICOM, were passed over.
    FilesPassedOver,
    /// DICOM: more than one study identifier.
    SeveralStudies,
    /// DICOM: shades of grey were inverted and are turned around.
    Inverted,
    /// DICOM: padding outside the image became the darkest value.
    PixelPadding,
    /// DICOM: the pixels may hold text.
    BurnedIn,
    /// DICOM: a fact of the header cannot be true and was dropped.
    FactImplausible,
}

impl WarningCode {
    /// The code on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            WarningCode::SformUnitMatrix => "sform_unit_matrix",
            WarningCode::PixdimUnset => "pixdim_unset",
            WarningCode::SpacingDisagreement => "spacing_disagreement",
            WarningCode::SformInvalid => "sform_invalid",
            WarningCode::SformSheared => "sform_sheared",
            WarningCode::QformInvalid => "qform_invalid",
            WarningCode::QuaternionNotUnit => "quaternion_not_unit",
            WarningCode::QfacOdd => "qfac_odd",
            WarningCode::FormCodeUnknown => "form_code_unknown",
            WarningCode::OrientationUnknown => "orientation_unknown",
            WarningCode::AxesExchanged => "axes_exchanged",
            WarningCode::LengthUnitUnknown => "length_unit_unknown",
            WarningCode::FrameTimeUnknown => "frame_time_unknown",
            WarningCode::FrameTimeUnitGuessed => "frame_time_unit_guessed",
            WarningCode::FrameTimeImplausible => "frame_time_implausible",
            WarningCode::BitpixMismatch => "bitpix_mismatch",
            WarningCode::VoxOffsetUnset => "vox_offset_unset",
            WarningCode::NonFiniteVoxels => "non_finite_voxels",
            WarningCode::TrailingBytes => "trailing_bytes",
            WarningCode::SeriesChosen => "series_chosen",
            WarningCode::ShortAxisUnsure => "short_axis_unsure",
            WarningCode::SlicesLeftOut => "slices_left_out",
            WarningCode::SliceRepeated => "slice_repeated",
            WarningCode::SlicesUneven => "slices_uneven",
            WarningCode::SlicesShifted => "slices_shifted",
            WarningCode::OrientationUneven => "orientation_uneven",
            WarningCode::Duplicates => "duplicates",
            WarningCode::FramesMatched => "frames_matched",
            WarningCode::FrameTimeDisagreement => "frame_time_disagreement",
            WarningCode::FilesPassedOver => "files_passed_over",
            WarningCode::SeveralStudies => "several_studies",
            WarningCode::Inverted => "inverted",
            WarningCode::PixelPadding => "pixel_padding",
            WarningCode::BurnedIn => "burned_in",
            WarningCode::FactImplausible => "fact_implausible",
        }
    }
}

impl fmt::Display for WarningCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
