//! The enumerations of wasi:nn and those of `cinecor-nn`, which are the same under other names.

use cinecor_nn::{Encoding, ErrorCode, TensorType};

use crate::bindings::exports::wasi::nn::{errors, graph, tensor};

pub(crate) fn code(code: ErrorCode) -> errors::ErrorCode {
    match code {
        ErrorCode::InvalidArgument => errors::ErrorCode::InvalidArgument,
        ErrorCode::InvalidEncoding => errors::ErrorCode::InvalidEncoding,
        ErrorCode::Timeout => errors::ErrorCode::Timeout,
        ErrorCode::RuntimeError => errors::ErrorCode::RuntimeError,
        ErrorCode::UnsupportedOperation => errors::ErrorCode::UnsupportedOperation,
        ErrorCode::TooLarge => errors::ErrorCode::TooLarge,
        ErrorCode::NotFound => errors::ErrorCode::NotFound,
        ErrorCode::Security => errors::ErrorCode::Security,
        ErrorCode::Unknown => errors::ErrorCode::Unknown,
    }
}

pub(crate) fn encoding(encoding: graph::GraphEncoding) -> Encoding {
    match encoding {
        graph::GraphEncoding::Onnx => Encoding::Onnx,
        graph::GraphEncoding::Openvino => Encoding::Openvino,
        graph::GraphEncoding::Autodetect => Encoding::Autodetect,
        _ => Encoding::Other,
    }
}

pub(crate) fn device(target: graph::ExecutionTarget) -> &'static str {
    match target {
        graph::ExecutionTarget::Cpu => "cpu",
        graph::ExecutionTarget::Gpu => "gpu",
        graph::ExecutionTarget::Tpu => "npu",
    }
}

pub(crate) fn taken(ty: tensor::TensorType) -> TensorType {
    match ty {
        tensor::TensorType::Fp16 => TensorType::Fp16,
        tensor::TensorType::Fp32 => TensorType::Fp32,
        tensor::TensorType::Fp64 => TensorType::Fp64,
        tensor::TensorType::Bf16 => TensorType::Bf16,
        tensor::TensorType::U8 => TensorType::U8,
        tensor::TensorType::I32 => TensorType::I32,
        tensor::TensorType::I64 => TensorType::I64,
    }
}

pub(crate) fn given(ty: TensorType) -> tensor::TensorType {
    match ty {
        TensorType::Fp16 => tensor::TensorType::Fp16,
        TensorType::Fp32 => tensor::TensorType::Fp32,
        TensorType::Fp64 => tensor::TensorType::Fp64,
        TensorType::Bf16 => tensor::TensorType::Bf16,
        TensorType::U8 => tensor::TensorType::U8,
        TensorType::I32 => tensor::TensorType::I32,
        TensorType::I64 => tensor::TensorType::I64,
    }
}
