//! What the test suites share: cases from `tests/data`, engines by name, and the comparison of tensors.

#![allow(dead_code, reason = "each suite uses a part of it")]

pub(crate) mod refusals;
pub(crate) mod remote;

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cinecor_nn::{Config, EngineChoice, Nn, SetupError, Tensor, TensorType};
use serde_json::Value;
use std::path::PathBuf;

/// A named tensor.
pub(crate) type Named = (String, Tensor);

/// One set of inputs and the outputs that the reference gave for them.
pub(crate) struct Run {
    pub(crate) inputs: Vec<Named>,
    pub(crate) outputs: Vec<Named>,
}

/// A graph and its runs.
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) model: Vec<u8>,
    pub(crate) runs: Vec<Run>,
}

pub(crate) fn data(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(path)
}

/// Every case of `tests/data`, in alphabetical order.
pub(crate) fn cases() -> Result<Vec<Case>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(data(""))? {
        let entry = entry?;
        if entry.path().join("case.json").is_file() {
            names.push(
                entry
                    .file_name()
                    .into_string()
                    .ok()
                    .context("a case's name is not UTF-8")?,
            );
        }
    }
    names.sort();
    ensure!(!names.is_empty(), "no cases in tests/data");
    names.iter().map(|name| case(name)).collect()
}

pub(crate) fn case(name: &str) -> Result<Case> {
    let model = std::fs::read(data(name).join("model.onnx"))?;
    let json: Value = serde_json::from_slice(&std::fs::read(data(name).join("case.json"))?)?;
    let runs = json["runs"].as_array().context("a case without runs")?;
    let runs = runs
        .iter()
        .map(|run| {
            Ok(Run {
                inputs: tensors(&run["inputs"])?,
                outputs: tensors(&run["outputs"])?,
            })
        })
        .collect::<Result<_>>()?;
    Ok(Case {
        name: name.to_owned(),
        model,
        runs,
    })
}

fn tensors(json: &Value) -> Result<Vec<Named>> {
    json.as_array()
        .context("no list of tensors")?
        .iter()
        .map(tensor)
        .collect()
}

fn tensor(json: &Value) -> Result<Named> {
    let text = |key: &str| {
        json[key]
            .as_str()
            .with_context(|| format!("a tensor without {key}"))
    };
    let ty = text("type")?;
    let ty = TensorType::ALL
        .into_iter()
        .find(|known| known.to_string() == ty)
        .context("an unknown type")?;
    let dims = json["dims"].as_array().context("a tensor without dims")?;
    let dims = dims
        .iter()
        .map(|dim| {
            dim.as_u64()
                .and_then(|dim| u32::try_from(dim).ok())
                .context("a wrong dimension")
        })
        .collect::<Result<_>>()?;
    Ok((
        text("name")?.to_owned(),
        Tensor::new(dims, ty, STANDARD.decode(text("data")?)?)?,
    ))
}

/// Opens an engine, or says why it is skipped. On CI a skipped engine is a failure: there, all are meant to be present.
pub(crate) fn open(engine: EngineChoice, change: impl FnOnce(&mut Config)) -> Option<Nn> {
    // The same threads in every test of a process: ONNX Runtime has one pool for all.
    let mut config = Config {
        engine,
        threads: 2,
        ..Config::default()
    };
    change(&mut config);
    match Nn::new(config) {
        Ok(nn) => Some(nn),
        Err(error @ SetupError::NoEngine { .. }) if engine != EngineChoice::Tract => {
            println!("SKIP: {error}");
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "on CI every engine has to be there: {error}"
            );
            None
        }
        Err(error) => panic!("{error}"),
    }
}

pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a tokio runtime")
}

/// Compares tensors: names, types and dimensions exactly, integers bit by bit, floats within `tolerance` (absolute, or relative
/// to the expected number where that is larger than 1).
pub(crate) fn compare(found: &[Named], expected: &[Named], tolerance: f64) -> Result<()> {
    ensure!(
        found.len() == expected.len(),
        "{} outputs, {} were expected",
        found.len(),
        expected.len()
    );
    for ((found_name, found), (name, expected)) in found.iter().zip(expected) {
        ensure!(
            found_name == name,
            "output {found_name:?}, {name:?} was expected"
        );
        ensure!(
            found.ty() == expected.ty(),
            "{name:?} is {}, not {}",
            found.ty(),
            expected.ty()
        );
        ensure!(
            found.dims() == expected.dims(),
            "{name:?} is {:?}, not {:?}",
            found.dims(),
            expected.dims()
        );
        let (found, expected) = (numbers(found)?, numbers(expected)?);
        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let distance = (found - expected).abs() / expected.abs().max(1.0);
            if found != expected && (distance.is_nan() || distance > tolerance) {
                bail!("{name:?}[{index}] is {found}, {expected} was expected within {tolerance}");
            }
        }
    }
    Ok(())
}

/// A tensor's elements. 64-bit integers come in halves, so that none loses a bit.
pub(crate) fn numbers(tensor: &Tensor) -> Result<Vec<f64>> {
    fn read<const N: usize>(bytes: &[u8], number: impl Fn([u8; N]) -> f64) -> Vec<f64> {
        bytes
            .as_chunks::<N>()
            .0
            .iter()
            .map(|&chunk| number(chunk))
            .collect()
    }
    let bytes = tensor.data();
    Ok(match tensor.ty() {
        TensorType::Fp32 => read(bytes, |b| f32::from_le_bytes(b).into()),
        TensorType::Fp64 => read(bytes, f64::from_le_bytes),
        TensorType::U8 => read(bytes, |[b]| b.into()),
        TensorType::I32 | TensorType::I64 => read(bytes, |b| i32::from_le_bytes(b).into()),
        TensorType::Bf16 => read(bytes, |b| {
            f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16).into()
        }),
        // The suites only pass these through: the bits say it all.
        TensorType::Fp16 => read(bytes, |b| u16::from_le_bytes(b).into()),
    })
}
