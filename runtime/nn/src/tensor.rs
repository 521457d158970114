//! Tensors as they cross the boundary between guest and engine: dimensions, element type and row-major little-endian bytes.
//! No arithmetic happens here.

use crate::Error;
use std::fmt;

#[cfg(target_endian = "big")]
compile_error!("wasi:nn tensors are little-endian and are handed to the engines as they are");

/// Largest rank that is accepted: what every engine handles.
pub(crate) const RANK_MAX: usize = 16;

/// Type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TensorType {
    /// IEEE 754 half precision.
    Fp16,
    /// IEEE 754 single precision.
    Fp32,
    /// IEEE 754 double precision.
    Fp64,
    /// The upper half of a single-precision number.
    Bf16,
    /// Unsigned 8-bit integer.
    U8,
    /// Signed 32-bit integer.
    I32,
    /// Signed 64-bit integer.
    I64,
}

impl TensorType {
    /// Every type that wasi:nn knows.
    pub const ALL: [Self; 7] = [
        Self::Fp16,
        Self::Fp32,
        Self::Fp64,
        Self::Bf16,
        Self::U8,
        Self::I32,
        Self::I64,
    ];

    /// Size of one element in bytes.
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::Fp16 | Self::Bf16 => 2,
            Self::Fp32 | Self::I32 => 4,
            Self::Fp64 | Self::I64 => 8,
        }
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fp16 => "fp16",
            Self::Fp32 => "fp32",
            Self::Fp64 => "fp64",
            Self::Bf16 => "bf16",
            Self::U8 => "u8",
            Self::I32 => "i32",
            Self::I64 => "i64",
        })
    }
}

/// A tensor whose byte length is the product of its dimensions and the size of an element.
#[derive(Clone, PartialEq, Eq)]
pub struct Tensor {
    dims: Vec<u32>,
    ty: TensorType,
    data: Vec<u8>,
}

impl Tensor {
    /// A tensor of shape `dims` over row-major little-endian `data`.
    ///
    /// # Errors
    /// `invalid-argument` when the rank is above 16, or the length of `data` is not the product of `dims` and the size of `ty`.
    pub fn new(dims: Vec<u32>, ty: TensorType, data: Vec<u8>) -> Result<Self, Error> {
        let expected = byte_length(&dims, ty)?;
        if data.len() != expected {
            return Err(Error::invalid(format!(
                "a {ty} tensor of dimensions {dims:?} takes {expected} bytes, {} were given",
                data.len()
            )));
        }
        Ok(Self { dims, ty, data })
    }

    /// Size of each dimension, outermost first.
    pub fn dims(&self) -> &[u32] {
        &self.dims
    }

    /// Type of the elements.
    pub fn ty(&self) -> TensorType {
        self.ty
    }

    /// The elements, row-major, little-endian.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    /// The parts that the tensor was made of.
    pub fn into_parts(self) -> (Vec<u32>, TensorType, Vec<u8>) {
        (self.dims, self.ty, self.data)
    }

    /// The dimensions as the engines count them.
    #[cfg(any(feature = "tract", feature = "onnxruntime", feature = "openvino"))]
    pub(crate) fn shape(&self) -> Vec<usize> {
        // u32 fits in usize on every target with more than 16-bit addresses, which is all that wasmtime has.
        self.dims.iter().map(|&d| d as usize).collect()
    }
}

impl fmt::Debug for Tensor {
    // Tensors hold images of people: their size is told, their content never.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tensor")
            .field("dims", &self.dims)
            .field("ty", &self.ty)
            .field("bytes", &self.data.len())
            .finish()
    }
}

/// Length in bytes of a tensor of shape `dims`.
///
/// # Errors
/// `invalid-argument` when the rank is above 16 or the length does not fit in the address space.
pub fn byte_length(dims: &[u32], ty: TensorType) -> Result<usize, Error> {
    if dims.len() > RANK_MAX {
        return Err(Error::invalid(format!(
            "a tensor has at most {RANK_MAX} dimensions, {} were given",
            dims.len()
        )));
    }
    dims.iter()
        .try_fold(ty.bytes(), |bytes, &dim| {
            bytes.checked_mul(usize::try_from(dim).ok()?)
        })
        .filter(|&bytes| isize::try_from(bytes).is_ok())
        .ok_or_else(|| {
            Error::invalid(format!(
                "a {ty} tensor of dimensions {dims:?} is larger than any memory"
            ))
        })
}
