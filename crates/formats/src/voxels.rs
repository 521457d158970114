//! From the bytes of voxels to grey values and labels. Raw frames are little-endian here, whatever the file was.

use cinecor_volume::{Frame, Label, LabelFrame, Shape, SliceAxis};

use crate::error::DecodeError;

/// The number type of a voxel in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataType {
    /// Unsigned 8 bits.
    U8,
    /// Signed 8 bits.
    I8,
    /// Unsigned 16 bits.
    U16,
    /// Signed 16 bits.
    I16,
    /// Unsigned 32 bits.
    U32,
    /// Signed 32 bits.
    I32,
    /// Unsigned 64 bits.
    U64,
    /// Signed 64 bits.
    I64,
    /// IEEE single precision.
    F32,
    /// IEEE double precision.
    F64,
}

impl DataType {
    /// Every type that is read and written.
    pub const ALL: [DataType; 10] = [
        DataType::U8,
        DataType::I8,
        DataType::U16,
        DataType::I16,
        DataType::U32,
        DataType::I32,
        DataType::U64,
        DataType::I64,
        DataType::F32,
        DataType::F64,
    ];

    /// The `datatype` code of NIfTI.
    pub fn code(self) -> i16 {
        match self {
            DataType::U8 => 2,
            DataType::I16 => 4,
            DataType::I32 => 8,
            DataType::F32 => 16,
            DataType::F64 => 64,
            DataType::I8 => 256,
            DataType::U16 => 512,
            DataType::U32 => 768,
            DataType::I64 => 1024,
            DataType::U64 => 1280,
        }
    }

    /// The type of a NIfTI `datatype` code.
    ///
    /// # Errors
    /// [`DecodeError::UnsupportedDatatype`] for a code of anything but a plain number.
    pub fn from_code(code: i16) -> Result<DataType, DecodeError> {
        if let Some(found) = DataType::ALL
            .into_iter()
            .find(|data_type| data_type.code() == code)
        {
            return Ok(found);
        }
        let name = match code {
            0 => "unknown",
            1 => "one bit a voxel",
            32 => "complex64",
            128 => "RGB24",
            1536 => "float128",
            1792 => "complex128",
            2048 => "complex256",
            2304 => "RGBA32",
            _ => "no NIfTI datatype",
        };
        Err(DecodeError::UnsupportedDatatype { code, name })
    }

    /// Bytes of one voxel.
    pub fn bytes(self) -> usize {
        match self {
            DataType::U8 | DataType::I8 => 1,
            DataType::U16 | DataType::I16 => 2,
            DataType::U32 | DataType::I32 | DataType::F32 => 4,
            DataType::U64 | DataType::I64 | DataType::F64 => 8,
        }
    }
}

/// How the numbers in a file become grey values: `value = slope x stored + inter`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VoxelFormat {
    /// The stored number type.
    pub data_type: DataType,
    /// `scl_slope` and `scl_inter`; `None` when the stored numbers are the values.
    pub scaling: Option<(f64, f64)>,
}

/// Grey values of a frame, and how many of them had to be made up.
#[derive(Clone)]
pub struct Intensities {
    /// Grey values, shape `[Z, Y, X]`, all finite.
    pub frame: Frame,
    /// How many voxels were NaN, infinite or beyond single precision and are 0 now.
    pub replaced: usize,
}

impl VoxelFormat {
    /// Stored numbers that are the values.
    pub fn unscaled(data_type: DataType) -> VoxelFormat {
        VoxelFormat {
            data_type,
            scaling: None,
        }
    }

    /// Bytes of one frame.
    pub fn frame_bytes(&self, shape: &Shape) -> usize {
        shape.voxels_per_frame() * self.data_type.bytes()
    }

    /// The grey values of one raw frame of `shape` (little-endian, the first axis of the file fastest), whose slices follow one another along
    /// `slice_axis`. Scaling is done in double precision.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] when `raw` is not exactly one frame long.
    pub fn intensities(
        &self,
        raw: &[u8],
        shape: &Shape,
        slice_axis: SliceAxis,
    ) -> Result<Intensities, DecodeError> {
        let expected = self.frame_bytes(shape);
        let short = || DecodeError::Truncated {
            part: "voxels",
            found: raw.len() as u64,
            expected: expected as u64,
            missing: expected.saturating_sub(raw.len()) as u64,
        };
        if raw.len() != expected {
            return Err(short());
        }
        let mut values = self.values(raw);
        let may_be_odd =
            self.scaling.is_some() || matches!(self.data_type, DataType::F32 | DataType::F64);
        let replaced = if may_be_odd {
            values.iter().filter(|value| !value.is_finite()).count()
        } else {
            0
        };
        if replaced > 0 {
            for value in values.iter_mut().filter(|value| !value.is_finite()) {
                *value = 0.0;
            }
        }
        let frame = slice_axis.frame(values, shape).map_err(|_| short())?;
        Ok(Intensities { frame, replaced })
    }

    fn values(&self, raw: &[u8]) -> Vec<f32> {
        macro_rules! convert {
            ($number:ty, $bytes:literal) => {{
                let stored = raw
                    .as_chunks::<$bytes>()
                    .0
                    .iter()
                    .map(|bytes| <$number>::from_le_bytes(*bytes));
                match self.scaling {
                    None => stored.map(|value| value as f32).collect(),
                    Some((slope, inter)) => stored
                        .map(|value| (value as f64 * slope + inter) as f32)
                        .collect(),
                }
            }};
        }
        match self.data_type {
            DataType::U8 => convert!(u8, 1),
            DataType::I8 => convert!(i8, 1),
            DataType::U16 => convert!(u16, 2),
            DataType::I16 => convert!(i16, 2),
            DataType::U32 => convert!(u32, 4),
            DataType::I32 => convert!(i32, 4),
            DataType::U64 => convert!(u64, 8),
            DataType::I64 => convert!(i64, 8),
            DataType::F32 => convert!(f32, 4),
            DataType::F64 => convert!(f64, 8),
        }
    }
}

/// Turns every voxel of a big-endian frame around.
pub(crate) fn swap_bytes(raw: &mut [u8], data_type: DataType) {
    match data_type.bytes() {
        2 => raw
            .as_chunks_mut::<2>()
            .0
            .iter_mut()
            .for_each(|bytes| bytes.reverse()),
        4 => raw
            .as_chunks_mut::<4>()
            .0
            .iter_mut()
            .for_each(|bytes| bytes.reverse()),
        8 => raw
            .as_chunks_mut::<8>()
            .0
            .iter_mut()
            .for_each(|bytes| bytes.reverse()),
        _ => {}
    }
}

/// The labels that the grey values of a mask's frame stand for.
///
/// # Errors
/// [`DecodeError::BadLabel`] for the first value that is none; `frame` is its number for the text.
pub fn labels_of(intensities: &Frame, frame: usize) -> Result<LabelFrame, DecodeError> {
    let mut bad = None;
    let labels = intensities.mapv(|value| {
        // A float cast saturates, so that a value that is no code cannot become one: it is compared after the round trip.
        let code = value as u8;
        if f32::from(code) != value || Label::from_code(code).is_none() {
            bad = bad.or(Some(value));
        }
        code
    });
    match bad {
        Some(found) => Err(DecodeError::BadLabel { frame, found }),
        None => Ok(labels),
    }
}
