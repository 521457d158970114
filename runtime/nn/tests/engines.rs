//! One suite for all engines: every case of `tests/data` is run on each, and compared with what onnx's ReferenceEvaluator gave. What an
//! engine cannot do stands in [`EXCLUDED`], and is tested to be refused in words.

mod common;

use cinecor_nn::{Encoding, EngineChoice, ErrorCode, Nn, Tensor};
use common::{Case, Named, cases, compare, open};

/// Largest difference from the reference that is accepted for floating-point outputs. The engines and the reference add the
/// products of a convolution in different orders: of the order of 100 roundings of 6e-8 each.
const TOLERANCE: f64 = 1e-5;

/// What an engine cannot do: it has to refuse it with `unsupported-operation`.
const EXCLUDED: &[(EngineChoice, &str, &str)] = &[
    (
        EngineChoice::Tract,
        "identity_bf16",
        "tract has no bf16 tensors",
    ),
    (
        EngineChoice::Openvino,
        "identity_i64",
        "openvino computes i64 in 32 bits",
    ),
];

#[test]
fn tract_agrees_with_the_reference() {
    agrees(EngineChoice::Tract);
}

#[test]
fn onnxruntime_agrees_with_the_reference() {
    agrees(EngineChoice::Onnxruntime);
}

#[test]
fn openvino_agrees_with_the_reference() {
    agrees(EngineChoice::Openvino);
}

fn agrees(engine: EngineChoice) {
    let Some(nn) = open(engine, |_| ()) else {
        return;
    };
    let mut wrong = Vec::new();
    for case in cases().unwrap() {
        let excluded = EXCLUDED
            .iter()
            .find(|(other, name, _)| *other == engine && *name == case.name);
        let outcome = common::runtime().block_on(run(&nn, &case));
        match (excluded, outcome) {
            (None, Ok(())) => {}
            (None, Err(error)) => wrong.push(format!("{}: {error:#}", case.name)),
            (Some((_, _, reason)), Err(error))
                if error
                    .downcast_ref::<cinecor_nn::Error>()
                    .is_some_and(|error| error.code == ErrorCode::UnsupportedOperation) =>
            {
                println!("excluded: {} ({reason}): {error:#}", case.name);
            }
            (Some((_, _, reason)), outcome) => wrong.push(format!(
                "{} was to be refused ({reason}): {outcome:?}",
                case.name
            )),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} disagrees:\n{}",
        engine.name(),
        wrong.join("\n")
    );
}

async fn run(nn: &Nn, case: &Case) -> anyhow::Result<()> {
    let graph = nn
        .load(vec![case.model.clone()], Encoding::Onnx, "cpu")
        .await?;
    for run in &case.runs {
        let (outputs, _) = nn.compute(&graph, run.inputs.clone()).await?;
        compare(&outputs, &run.outputs, TOLERANCE)?;
    }
    Ok(())
}

/// One step along the first dimension of each tensor.
fn item(tensors: &[Named], index: usize) -> Vec<Named> {
    let one = |(name, tensor): &Named| {
        let mut dims = tensor.dims().to_vec();
        let length = tensor.data().len() / dims[0] as usize;
        dims[0] = 1;
        let data = tensor.data()[index * length..(index + 1) * length].to_vec();
        let tensor = Tensor::new(dims, tensor.ty(), data).unwrap();
        (name.clone(), tensor)
    };
    tensors.iter().map(one).collect()
}

#[test]
fn an_item_gives_the_same_bytes_in_any_company() {
    // OpenVINO computes a batch as it comes.
    for engine in [EngineChoice::Tract, EngineChoice::Onnxruntime] {
        let Some(nn) = open(engine, |_| ()) else {
            continue;
        };
        let case = common::case("unet_transpose").unwrap();
        let inputs = &case.runs[1].inputs;
        let items = inputs[0].1.dims()[0] as usize;
        assert!(items > 1);
        common::runtime().block_on(async {
            let graph = nn
                .load(vec![case.model.clone()], Encoding::Onnx, "cpu")
                .await
                .unwrap();
            let (together, _) = nn.compute(&graph, inputs.clone()).await.unwrap();
            for index in 0..items {
                let (alone, _) = nn.compute(&graph, item(inputs, index)).await.unwrap();
                assert_eq!(alone, item(&together, index), "{} {index}", engine.name());
            }
        });
    }
}

#[test]
fn onnxruntime_computes_on_after_more_failures_than_it_has_sessions() {
    let Some(nn) = open(EngineChoice::Onnxruntime, |_| ()) else {
        return;
    };
    let case = common::case("labels").unwrap();
    let good = &case.runs[0];
    let mut bad = good.inputs.clone();
    let nine: Vec<u8> = [9_i64; 3].into_iter().flat_map(i64::to_le_bytes).collect();
    bad[1].1 = Tensor::new(vec![3], bad[1].1.ty(), nine).unwrap();
    common::runtime().block_on(async {
        let graph = nn
            .load(vec![case.model.clone()], Encoding::Onnx, "cpu")
            .await
            .unwrap();
        for _ in 0..40 {
            let error = nn.compute(&graph, bad.clone()).await.unwrap_err();
            assert_eq!(error.code, ErrorCode::RuntimeError, "{error}");
        }
        let (outputs, _) = nn.compute(&graph, good.inputs.clone()).await.unwrap();
        compare(&outputs, &good.outputs, TOLERANCE).unwrap();
    });
}

#[test]
fn equal_requests_give_equal_bytes_under_any_load() {
    for engine in EngineChoice::ORDER {
        let Some(nn) = open(engine, |_| ()) else {
            continue;
        };
        let case = common::case("unet_transpose").unwrap();
        let inputs = case.runs[1].inputs.clone();
        common::runtime().block_on(async {
            let graph = nn
                .load(vec![case.model.clone()], Encoding::Onnx, "cpu")
                .await
                .unwrap();
            let (alone, _) = nn.compute(&graph, inputs.clone()).await.unwrap();
            let mut crowd = tokio::task::JoinSet::new();
            for _ in 0..24 {
                let (nn, graph, inputs) = (nn.clone(), graph.clone(), inputs.clone());
                crowd.spawn(async move { nn.compute(&graph, inputs).await.unwrap().0 });
            }
            for outputs in crowd.join_all().await {
                assert_eq!(outputs, alone, "{}", engine.name());
            }
            assert_eq!(nn.stats().computes, 25);
            assert_eq!((nn.stats().waiting, nn.stats().at_work), (0, 0));
        });
    }
}

#[test]
fn auto_takes_the_first_engine_of_the_order_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let version = folder.path().join("unet/1.0.0");
    std::fs::create_dir_all(&version).unwrap();
    std::fs::copy(
        common::data("unet_transpose/model.onnx"),
        version.join("model.onnx"),
    )
    .unwrap();
    let first = EngineChoice::ORDER
        .into_iter()
        .find(|&engine| open(engine, |_| ()).is_some())
        .unwrap();
    let nn = open(EngineChoice::Auto, |config| {
        config.models = vec![folder.path().to_owned()]
    })
    .unwrap();
    common::runtime().block_on(async {
        let info = nn.describe("unet@1.0.0".to_owned()).await.unwrap();
        assert_eq!(info.engine, first.name());
        assert!(info.reason.contains("first engine"), "{}", info.reason);
        assert!(!info.loaded && !info.engine_version.is_empty() && info.batch > 0);
        assert_eq!(info.digest.len(), 64);
        let _graph = nn.load_by_name("unet@1.0.0".to_owned()).await.unwrap();
        assert!(nn.describe("unet@1.0.0".to_owned()).await.unwrap().loaded);
    });
}

#[test]
fn a_device_that_is_missing_is_an_error_and_never_the_processor() {
    for engine in EngineChoice::ORDER {
        let config = cinecor_nn::Config {
            engine,
            device: "abacus".to_owned(),
            threads: 2,
            ..Default::default()
        };
        let error = Nn::new(config)
            .err()
            .expect("no engine has an abacus")
            .to_string();
        assert!(error.contains("abacus"), "{error}");
    }
}
