//! The header of a NIfTI-1 or NIfTI-2 single file: its fields read out and written back. What they mean for the geometry is
//! decided in `geometry.rs`.

use cinecor_volume::{Geometry, Shape, SliceAxis};

use crate::error::DecodeError;
use crate::limits::Limits;
use crate::sniff::{self, Found};
use crate::voxels::{DataType, VoxelFormat};
use crate::warning::{Warning, WarningCode};

/// Where in the byte `dim_info` two bits name the axis of the slices.
const SLICE_DIM: u32 = 4;

/// Which NIfTI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NiftiVersion {
    /// NIfTI-1: 348 bytes of header, 16-bit sizes, single precision.
    One,
    /// NIfTI-2: 540 bytes of header, 64-bit sizes, double precision.
    Two,
}

impl NiftiVersion {
    /// Bytes of the header proper; it is also what its first field says.
    pub(crate) fn header_bytes(self) -> usize {
        match self {
            NiftiVersion::One => 348,
            NiftiVersion::Two => 540,
        }
    }

    /// The first byte a voxel can have in a single file: the header and four bytes that announce extensions.
    pub(crate) fn least_vox_offset(self) -> u64 {
        self.header_bytes() as u64 + 4
    }

    fn name(self) -> &'static str {
        match self {
            NiftiVersion::One => "NIfTI-1",
            NiftiVersion::Two => "NIfTI-2",
        }
    }
}

/// What kind of file a volume came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// One NIfTI file.
    Nifti {
        /// Which NIfTI.
        version: NiftiVersion,
        /// Whether it came as gzip.
        gzip: bool,
    },
    /// DICOM files, one or many.
    Dicom,
}

impl Container {
    /// The name on the wire: `nifti-1`, `nifti-2+gzip`, `dicom`.
    pub fn name(self) -> &'static str {
        use NiftiVersion::{One, Two};
        match self {
            Container::Nifti {
                version: One,
                gzip: false,
            } => "nifti-1",
            Container::Nifti {
                version: One,
                gzip: true,
            } => "nifti-1+gzip",
            Container::Nifti {
                version: Two,
                gzip: false,
            } => "nifti-2",
            Container::Nifti {
                version: Two,
                gzip: true,
            } => "nifti-2+gzip",
            Container::Dicom => "dicom",
        }
    }
}

/// What a file announces before its voxels, checked and settled.
#[derive(Clone, Debug)]
pub struct Header {
    /// What kind of file it is.
    pub container: Container,
    /// Its size.
    pub shape: Shape,
    /// Where it lies, as it is believed.
    pub geometry: Geometry,
    /// How its numbers become grey values.
    pub voxels: VoxelFormat,
    /// What was doubtful about it.
    pub warnings: Vec<Warning>,
    /// The grid as the header words it, for writing masks and volumes back.
    pub source: SourceHeader,
    /// Names of the header's fields of text that hold something, and `extensions` where there are any: what is not kept.
    pub removed: Vec<&'static str>,
}

/// The fields of a header that say where the voxels lie, as they stood in the file.
///
/// It holds no text and no extension: nothing in it can name a patient. A mask written with it lies on the input's grid to the
/// bit, also where the header contradicted itself, so that whoever laid the two over one another before still can.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceHeader {
    /// Which NIfTI it was and is written as.
    pub version: NiftiVersion,
    pub(crate) slice_axis: SliceAxis,
    pub(crate) dim: [i64; 8],
    pub(crate) pixdim: [f64; 8],
    pub(crate) xyzt_units: u8,
    pub(crate) qform_code: i32,
    pub(crate) sform_code: i32,
    pub(crate) quatern: [f64; 3],
    pub(crate) qoffset: [f64; 3],
    pub(crate) srow: [[f64; 4]; 3],
}

impl SourceHeader {
    /// A NIfTI-1 header for a volume that does not come from a NIfTI file: sform and pixdim say the geometry, units mm and ms.
    pub fn from_geometry(geometry: &Geometry, shape: Shape) -> SourceHeader {
        let size = |size: usize| i64::try_from(size).unwrap_or(i64::MAX);
        let dimensions = if shape.frames > 1 { 4 } else { 3 };
        let spacing = geometry.spacing;
        // 2 is mm; 16 is ms and stands only beside a time that is known.
        let (frame, time_unit) = geometry
            .frame_ms
            .map_or((0.0, 0), |frame_ms| (frame_ms, 16));
        SourceHeader {
            version: NiftiVersion::One,
            slice_axis: SliceAxis::Third,
            dim: [
                dimensions,
                size(shape.columns),
                size(shape.rows),
                size(shape.slices),
                size(shape.frames),
                1,
                1,
                1,
            ],
            pixdim: [
                1.0,
                spacing.column_mm,
                spacing.row_mm,
                spacing.slice_mm,
                frame,
                0.0,
                0.0,
                0.0,
            ],
            xyzt_units: 2 | time_unit,
            qform_code: 0,
            // 1: scanner coordinates.
            sform_code: 1,
            quatern: [0.0; 3],
            qoffset: [0.0; 3],
            srow: geometry.mm_from_voxel,
        }
    }

    /// The axis of the file that its slices follow one another along, as it was settled. Everything else here is in the file's own order of
    /// axes.
    pub fn slice_axis(&self) -> SliceAxis {
        self.slice_axis
    }

    /// The header as the bytes of a NIfTI file without voxels, to be kept and read back with [`SourceHeader::from_bytes`].
    pub fn to_bytes(&self) -> Vec<u8> {
        self.block(VoxelFormat::unscaled(DataType::U8), self.dim)
    }

    /// What [`SourceHeader::to_bytes`] wrote.
    ///
    /// # Errors
    /// As a file of these bytes would be refused, sizes and spacing not looked at.
    pub fn from_bytes(bytes: &[u8]) -> Result<SourceHeader, DecodeError> {
        Ok(RawHeader::read(bytes)?.source)
    }

    /// The bytes before the first voxel of a mask (`u8`) with `frames` frames on this grid.
    pub fn mask_header(&self, frames: usize) -> Vec<u8> {
        self.volume_header(VoxelFormat::unscaled(DataType::U8), frames)
    }

    /// The bytes before the first voxel of a volume with `frames` frames on this grid; little-endian, without texts and
    /// extensions. The number of dimensions stays as it was unless the number of frames changes.
    pub fn volume_header(&self, voxels: VoxelFormat, frames: usize) -> Vec<u8> {
        let mut dim = self.dim;
        let frames = i64::try_from(frames).unwrap_or(i64::MAX);
        let [dimensions, _, _, _, own, ..] = dim;
        if frames != if dimensions > 3 { own } else { 1 } {
            let [_, columns, rows, slices, ..] = dim;
            dim = [
                if frames > 1 { 4 } else { 3 },
                columns,
                rows,
                slices,
                frames,
                1,
                1,
                1,
            ];
        }
        self.block(voxels, dim)
    }

    fn block(&self, voxels: VoxelFormat, dim: [i64; 8]) -> Vec<u8> {
        let (slope, inter) = voxels.scaling.unwrap_or((1.0, 0.0));
        let data_type = voxels.data_type.code();
        // At most 64 bits a voxel.
        let bits = i16::try_from(voxels.data_type.bytes() * 8).unwrap_or(64);
        let dim_info = match self.slice_axis {
            SliceAxis::Third => 0,
            axis => axis.number() << SLICE_DIM,
        };
        match self.version {
            NiftiVersion::One => {
                let mut block = Block(vec![0; 352]);
                block.put(0, &348i32.to_le_bytes());
                block.put(38, b"r");
                block.put(39, &[dim_info]);
                for (index, size) in dim.into_iter().enumerate() {
                    block.put(
                        40 + 2 * index,
                        &i16::try_from(size).unwrap_or(i16::MAX).to_le_bytes(),
                    );
                }
                block.put(70, &data_type.to_le_bytes());
                block.put(72, &bits.to_le_bytes());
                block.put_f32(76, &self.pixdim);
                block.put_f32(108, &[352.0, slope, inter]);
                block.put(123, &[self.xyzt_units]);
                for (at, code) in [(252, self.qform_code), (254, self.sform_code)] {
                    block.put(at, &i16::try_from(code).unwrap_or(0).to_le_bytes());
                }
                block.put_f32(256, &self.quatern);
                block.put_f32(268, &self.qoffset);
                block.put_f32(280, self.srow.as_flattened());
                block.put(344, b"n+1\0");
                block.0
            }
            NiftiVersion::Two => {
                let mut block = Block(vec![0; 544]);
                block.put(0, &540i32.to_le_bytes());
                block.put(4, b"n+2\0\r\n\x1a\n");
                block.put(12, &data_type.to_le_bytes());
                block.put(14, &bits.to_le_bytes());
                for (index, size) in dim.into_iter().enumerate() {
                    block.put(16 + 8 * index, &size.to_le_bytes());
                }
                block.put_f64(104, &self.pixdim);
                block.put(168, &544i64.to_le_bytes());
                block.put_f64(176, &[slope, inter]);
                block.put(344, &self.qform_code.to_le_bytes());
                block.put(348, &self.sform_code.to_le_bytes());
                block.put_f64(352, &self.quatern);
                block.put_f64(376, &self.qoffset);
                block.put_f64(400, self.srow.as_flattened());
                block.put(500, &i32::from(self.xyzt_units).to_le_bytes());
                block.put(524, &[dim_info]);
                block.0
            }
        }
    }
}

/// A header under construction. Offsets are constants of the format and lie inside.
struct Block(Vec<u8>);

impl Block {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(field) = self.0.get_mut(at..at + bytes.len()) {
            field.copy_from_slice(bytes);
        }
    }

    fn put_f32(&mut self, at: usize, values: &[f64]) {
        for (index, value) in values.iter().enumerate() {
            self.put(at + 4 * index, &(*value as f32).to_le_bytes());
        }
    }

    fn put_f64(&mut self, at: usize, values: &[f64]) {
        for (index, value) in values.iter().enumerate() {
            self.put(at + 8 * index, &value.to_le_bytes());
        }
    }
}

/// The fields of a header that are looked at, before any of them is believed.
#[derive(Clone, Debug)]
pub(crate) struct RawHeader {
    pub(crate) big_endian: bool,
    pub(crate) source: SourceHeader,
    pub(crate) data_type_code: i16,
    pub(crate) bitpix: i16,
    pub(crate) vox_offset: f64,
    pub(crate) slope: f64,
    pub(crate) inter: f64,
    /// Names of the fields of text that hold something.
    pub(crate) texts: Vec<&'static str>,
}

/// Which NIfTI the first four bytes announce, and whether big-endian; `None` for any other content.
pub(crate) fn announced(start: &[u8]) -> Option<(NiftiVersion, bool)> {
    let size = start.first_chunk::<4>()?;
    for version in [NiftiVersion::One, NiftiVersion::Two] {
        let header_bytes = version.header_bytes() as u32;
        if u32::from_le_bytes(*size) == header_bytes {
            return Some((version, false));
        }
        if u32::from_be_bytes(*size) == header_bytes {
            return Some((version, true));
        }
    }
    None
}

impl RawHeader {
    /// Reads the fields out of the first bytes of a file; `bytes` holds at least the header.
    pub(crate) fn read(bytes: &[u8]) -> Result<RawHeader, DecodeError> {
        let Some((version, big_endian)) = announced(bytes) else {
            return Err(DecodeError::UnsupportedFormat {
                found: sniff::identify(bytes),
            });
        };
        let expected = version.header_bytes();
        if bytes.len() < expected {
            return Err(DecodeError::Truncated {
                part: "header",
                found: bytes.len() as u64,
                expected: expected as u64,
                missing: (expected - bytes.len()) as u64,
            });
        }
        let fields = Fields { bytes, big_endian };
        let magic: [u8; 4] = fields.take(if version == NiftiVersion::One { 344 } else { 4 });
        let found = match (version, &magic) {
            (NiftiVersion::One, b"n+1\0") | (NiftiVersion::Two, b"n+2\0")
                if sniff::is_dicom(bytes) =>
            {
                Found::DicomPolyglot
            }
            (NiftiVersion::One, b"n+1\0") | (NiftiVersion::Two, b"n+2\0") => {
                return Ok(fields.header(version));
            }
            (NiftiVersion::One, b"ni1\0") | (NiftiVersion::Two, b"ni2\0") => Found::NiftiPair,
            (NiftiVersion::One, [0, 0, 0, 0]) => Found::Analyze,
            _ => {
                return Err(DecodeError::NotNifti {
                    version: version.name(),
                    magic,
                });
            }
        };
        Err(DecodeError::UnsupportedFormat { found })
    }

    /// The shape, within the limits.
    pub(crate) fn shape(
        &self,
        bytes_per_voxel: usize,
        limits: &Limits,
    ) -> Result<Shape, DecodeError> {
        let [dimensions, sizes @ ..] = self.source.dim;
        let used = match usize::try_from(dimensions) {
            Ok(used @ 1..=7) => used,
            _ => {
                let found = format!("{dimensions} in number");
                return Err(DecodeError::UnsupportedDimensions { found });
            }
        };
        let found = sizes
            .iter()
            .take(used)
            .map(i64::to_string)
            .collect::<Vec<_>>()
            .join(" x ");
        if used < 3 {
            return Err(DecodeError::UnsupportedDimensions { found });
        }
        let mut counted = [1u64; 7];
        for (index, (size, slot)) in sizes.iter().zip(&mut counted).take(used).enumerate() {
            *slot = match u64::try_from(*size) {
                Ok(size) if size > 0 => size,
                _ => {
                    return Err(DecodeError::BadDimension {
                        index: index + 1,
                        found: *size,
                    });
                }
            };
        }
        let [first, second, third, frames, more @ ..] = counted;
        let [columns, rows, slices] = self.source.slice_axis.exchanged([first, second, third]);
        if more.iter().any(|size| *size != 1) {
            return Err(DecodeError::UnsupportedDimensions { found });
        }
        // The sizes are held against their limits before their product is a number of bytes that anyone asks memory for.
        let product = counted
            .iter()
            .try_fold(bytes_per_voxel as u64, |product, size| {
                product.checked_mul(*size)
            });
        if product.is_none_or(|bytes| bytes > i64::MAX as u64) {
            return Err(DecodeError::DimensionOverflow { found });
        }
        let limit = limits.shape;
        let axes = [
            ("frames", frames, limit.frames),
            ("slices", slices, limit.slices),
            ("rows", rows, limit.rows),
            ("columns", columns, limit.columns),
        ];
        for (axis, found, limit) in axes {
            if found > limit as u64 {
                // Rows or columns that lie where slices belong are more than slices can be: that is what is wrong.
                if axis == "slices" {
                    crate::geometry::slice_axis(&self.source)?;
                }
                return Err(DecodeError::TooLarge {
                    axis,
                    found,
                    limit: limit as u64,
                    limits: limits.shape,
                });
            }
        }
        // Each is at most a usize limit by now.
        let [frames, slices, rows, columns] =
            axes.map(|(_, size, limit)| usize::try_from(size).unwrap_or(limit));
        Shape::new(frames, slices, rows, columns)
            .map_err(|_| DecodeError::DimensionOverflow { found })
    }

    /// The number type and scaling.
    pub(crate) fn voxels(&self, warnings: &mut Vec<Warning>) -> Result<VoxelFormat, DecodeError> {
        let data_type = DataType::from_code(self.data_type_code)?;
        let bits = data_type.bytes() * 8;
        if usize::try_from(self.bitpix) != Ok(bits) {
            let detail = format!(
                "bitpix is {} and the datatype has {bits} bits a voxel; the datatype was believed, the length of the file has to fit it",
                self.bitpix
            );
            warnings.push(Warning::new(WarningCode::BitpixMismatch, detail));
        }
        let (slope, inter) = (self.slope, self.inter);
        // A slope of 0 means "no scaling" in the standard; NaN is what several writers put there for the same.
        if slope == 0.0 || slope.is_nan() || (slope == 1.0 && inter == 0.0) {
            return Ok(VoxelFormat {
                data_type,
                scaling: None,
            });
        }
        if !(slope.is_finite() && inter.is_finite()) {
            return Err(DecodeError::BadScaling { slope, inter });
        }
        Ok(VoxelFormat {
            data_type,
            scaling: Some((slope, inter)),
        })
    }

    /// Bytes from the end of the header to the first voxel.
    pub(crate) fn gap(
        &self,
        limits: &Limits,
        warnings: &mut Vec<Warning>,
    ) -> Result<u64, DecodeError> {
        let least = self.source.version.least_vox_offset();
        let most = least + limits.extension_bytes;
        let found = self.vox_offset;
        let header_bytes = self.source.version.header_bytes() as u64;
        if found == 0.0 {
            let detail = format!(
                "vox_offset is 0; the voxels were taken from byte {least}, the first that a single file can have"
            );
            warnings.push(Warning::new(WarningCode::VoxOffsetUnset, detail));
            return Ok(least - header_bytes);
        }
        // Both bounds are far below 2^53: the comparison and the cast are exact.
        if found.fract() != 0.0 || !(least as f64..=most as f64).contains(&found) {
            return Err(DecodeError::BadVoxOffset { found, least, most });
        }
        Ok(found as u64 - header_bytes)
    }
}

/// The bytes of a header that is known to be long enough; offsets are constants of the format.
struct Fields<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

/// Fields of text: name, where it starts, how long it is. The first are those of NIfTI-1, of which those that are unused since Analyze 7.5
/// still hold what was written there; the second those of NIfTI-2.
const TEXTS: [&[(&str, usize, usize)]; 2] = [
    &[
        ("data_type", 4, 10),
        ("db_name", 14, 18),
        ("descrip", 148, 80),
        ("aux_file", 228, 24),
        ("intent_name", 328, 16),
    ],
    &[
        ("descrip", 240, 80),
        ("aux_file", 320, 24),
        ("intent_name", 508, 16),
        ("unused_str", 525, 15),
    ],
];

impl Fields<'_> {
    fn texts(&self, version: NiftiVersion) -> Vec<&'static str> {
        let [one, two] = TEXTS;
        let fields = match version {
            NiftiVersion::One => one,
            NiftiVersion::Two => two,
        };
        fields
            .iter()
            .filter(|(_, at, length)| {
                let text = self.bytes.get(*at..at + length).unwrap_or_default();
                text.iter().any(|byte| !matches!(byte, 0 | b' '))
            })
            .map(|(name, _, _)| *name)
            .collect()
    }

    fn take<const N: usize>(&self, at: usize) -> [u8; N] {
        self.bytes
            .get(at..)
            .and_then(|rest| rest.first_chunk::<N>())
            .copied()
            .unwrap_or([0; N])
    }

    /// The bytes of one number, little-endian.
    fn number<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = self.take::<N>(at);
        if self.big_endian {
            bytes.reverse();
        }
        bytes
    }

    fn i16(&self, at: usize) -> i16 {
        i16::from_le_bytes(self.number(at))
    }

    fn i32(&self, at: usize) -> i32 {
        i32::from_le_bytes(self.number(at))
    }

    fn i64(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.number(at))
    }

    fn f32(&self, at: usize) -> f64 {
        f64::from(f32::from_le_bytes(self.number(at)))
    }

    fn f64(&self, at: usize) -> f64 {
        f64::from_le_bytes(self.number(at))
    }

    /// `slice_dim` of the byte `dim_info`; what is not said is usual.
    fn slice_dim(&self, at: usize) -> SliceAxis {
        let [dim_info] = self.take(at);
        SliceAxis::from_number(dim_info >> SLICE_DIM & 3).unwrap_or_default()
    }

    fn header(&self, version: NiftiVersion) -> RawHeader {
        match version {
            NiftiVersion::One => RawHeader {
                big_endian: self.big_endian,
                source: SourceHeader {
                    version,
                    slice_axis: self.slice_dim(39),
                    dim: std::array::from_fn(|index| i64::from(self.i16(40 + 2 * index))),
                    pixdim: std::array::from_fn(|index| self.f32(76 + 4 * index)),
                    xyzt_units: u8::from_le_bytes(self.number(123)),
                    qform_code: i32::from(self.i16(252)),
                    sform_code: i32::from(self.i16(254)),
                    quatern: std::array::from_fn(|index| self.f32(256 + 4 * index)),
                    qoffset: std::array::from_fn(|index| self.f32(268 + 4 * index)),
                    srow: std::array::from_fn(|row| {
                        std::array::from_fn(|column| self.f32(280 + 16 * row + 4 * column))
                    }),
                },
                data_type_code: self.i16(70),
                bitpix: self.i16(72),
                vox_offset: self.f32(108),
                slope: self.f32(112),
                inter: self.f32(116),
                texts: self.texts(version),
            },
            NiftiVersion::Two => RawHeader {
                big_endian: self.big_endian,
                source: SourceHeader {
                    version,
                    slice_axis: self.slice_dim(524),
                    dim: std::array::from_fn(|index| self.i64(16 + 8 * index)),
                    pixdim: std::array::from_fn(|index| self.f64(104 + 8 * index)),
                    // Only the low six bits have a meaning; a number beyond a byte has none and becomes "not known".
                    xyzt_units: u8::try_from(self.i32(500)).unwrap_or(0),
                    qform_code: self.i32(344),
                    sform_code: self.i32(348),
                    quatern: std::array::from_fn(|index| self.f64(352 + 8 * index)),
                    qoffset: std::array::from_fn(|index| self.f64(376 + 8 * index)),
                    srow: std::array::from_fn(|row| {
                        std::array::from_fn(|column| self.f64(400 + 32 * row + 8 * column))
                    }),
                },
                data_type_code: self.i16(12),
                bitpix: self.i16(14),
                // Any offset that a float cannot hold exactly is far beyond the limit.
                vox_offset: self.i64(168) as f64,
                slope: self.f64(176),
                inter: self.f64(184),
                texts: self.texts(version),
            },
        }
    }
}
