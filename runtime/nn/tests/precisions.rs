//! Named graphs in other precisions: on every engine that is there, a variant agrees with its fp32 graph within what the precision takes, or is
//! refused in words. Nothing is computed in a precision that was not asked for.

mod common;

use cinecor_nn::{Config, EngineChoice, Error, ErrorCode, GraphInfo, Nn, Precision, SetupError};
use common::{Case, Named, compare, open};
use std::path::Path;

/// Largest difference of a probability from the fp32 graph's that is accepted: five layers of products of numbers with eight bits of mantissa
/// (2^-9 each when rounded), or of 256 steps over the range of each activation (half a step of rounding, which sums over a layer's inputs).
const TOLERANCES: [(Precision, f64); 2] = [(Precision::Bf16, 0.03), (Precision::Int8, 0.06)];

/// Which engine computes in which precision on a processor that has the instructions.
const COMPUTES: [(EngineChoice, &[Precision]); 3] = [
    (EngineChoice::Onnxruntime, &[Precision::Int8]),
    (EngineChoice::Openvino, &[Precision::Bf16, Precision::Int8]),
    (EngineChoice::Tract, &[]),
];

const ALL: [Precision; 3] = Precision::ALL;

/// A folder of models with `unet@1` in the given precisions.
fn models(precisions: &[Precision]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let version = folder.path().join("unet/1");
    std::fs::create_dir_all(&version).unwrap();
    for precision in precisions {
        let file = match precision {
            Precision::Fp32 => "model.onnx".to_owned(),
            other => format!("model.{other}.onnx"),
        };
        let graph = common::data("unet_transpose").join(&file);
        std::fs::copy(graph, version.join(file)).unwrap();
    }
    folder
}

fn allowing(folder: &Path) -> impl FnOnce(&mut Config) {
    |config| {
        config.models = vec![folder.to_owned()];
        config.precisions_allowed = ALL.to_vec();
    }
}

async fn compute(nn: &Nn, name: &str, inputs: &[Named]) -> Result<Vec<Named>, Error> {
    let graph = nn.load_by_name(name.to_owned()).await?;
    Ok(nn.compute(&graph, inputs.to_vec()).await?.0)
}

async fn describe(nn: &Nn, name: &str) -> Result<GraphInfo, Error> {
    nn.describe(name.to_owned()).await
}

fn case() -> Case {
    common::case("unet_transpose").unwrap()
}

/// Whether this machine's processor multiplies numbers of a precision, by what the kernel says of it.
fn multiplies(precision: Precision) -> bool {
    let flags: &[&str] = match precision {
        Precision::Fp32 => return true,
        Precision::Bf16 => &["avx512_bf16", "bf16"],
        Precision::Int8 => &["avx512_vnni", "avx_vnni", "asimddp"],
    };
    let said = std::fs::read_to_string("/proc/cpuinfo").expect("a kernel that tells the flags");
    said.split_whitespace().any(|word| flags.contains(&word))
}

/// Which of the precisions that an engine computes in are to be had on this processor.
fn to_be_had(computes: &[Precision]) -> Vec<Precision> {
    let there = computes.iter().filter(|precision| multiplies(**precision));
    there.copied().collect()
}

/// Holds the refusal of an engine that computes in the precision against what its user has to know: that another processor would do.
fn expect_lack(error: &Error, precision: Precision) {
    assert_eq!(error.code, ErrorCode::UnsupportedOperation, "{error}");
    assert!(error.text.contains("this processor has no"), "{error}");
    assert!(error.text.contains(precision.name()), "{error}");
}

#[test]
fn a_variant_agrees_with_its_fp32_graph_or_is_refused_in_words() {
    let folder = models(&ALL);
    for (engine, computes) in COMPUTES {
        let Some(nn) = open(engine, allowing(folder.path())) else {
            continue;
        };
        let there = to_be_had(computes);
        common::runtime().block_on(async {
            let whole = describe(&nn, "unet@1:fp32").await.unwrap();
            for (precision, tolerance) in TOLERANCES {
                let name = format!("unet@1:{precision}");
                let what = format!("{name} on {}", engine.name());
                let info = match describe(&nn, &name).await {
                    Ok(info) => info,
                    Err(error) => {
                        assert!(!there.contains(&precision), "{what}: {error}");
                        if computes.contains(&precision) {
                            expect_lack(&error, precision);
                        }
                        assert_eq!(error.code, ErrorCode::UnsupportedOperation, "{what}");
                        assert!(error.text.contains(precision.name()), "{what}: {error}");
                        let loading = compute(&nn, &name, &[]).await.unwrap_err();
                        assert_eq!(loading.code, ErrorCode::UnsupportedOperation, "{what}");
                        continue;
                    }
                };
                assert!(there.contains(&precision), "{what} was to be refused");
                assert_eq!(
                    (info.precision, info.engine.as_str()),
                    (precision, engine.name())
                );
                assert_ne!(info.digest, whole.digest);
                assert!(info.reason.contains(precision.name()), "{}", info.reason);
                for run in &case().runs {
                    let outputs = compute(&nn, &name, &run.inputs).await.unwrap();
                    compare(&outputs, &run.outputs, tolerance).expect(&what);
                    compare(&outputs, &run.outputs, 1e-4).expect_err("so close is fp32 alone");
                    for _ in 0..3 {
                        assert_eq!(compute(&nn, &name, &run.inputs).await.unwrap(), outputs);
                    }
                    // The two live side by side, and neither changes the other.
                    let outputs = compute(&nn, "unet@1", &run.inputs).await.unwrap();
                    compare(&outputs, &run.outputs, 1e-5)
                        .unwrap_or_else(|off| panic!("{}: {off}", engine.name()));
                }
                assert!(describe(&nn, &name).await.unwrap().loaded);
            }
        });
    }
}

#[test]
fn auto_takes_the_first_engine_that_computes_in_the_precision_and_says_so() {
    let folder = models(&ALL);
    for (precision, _) in TOLERANCES {
        let able = COMPUTES.into_iter().find(|(engine, computes)| {
            to_be_had(computes).contains(&precision) && open(*engine, |_| ()).is_some()
        });
        let nn = open(EngineChoice::Auto, allowing(folder.path())).unwrap();
        common::runtime().block_on(async {
            match (describe(&nn, &format!("unet@1:{precision}")).await, able) {
                (Ok(info), Some((engine, _))) => {
                    assert_eq!(
                        (info.precision, info.engine.as_str()),
                        (precision, engine.name())
                    );
                }
                (Ok(info), None) => panic!("{} computes in {precision}?", info.engine),
                (Err(error), Some(_)) => panic!("{error}"),
                (Err(error), None) => {
                    assert_eq!(error.code, ErrorCode::UnsupportedOperation, "{error}");
                    assert!(error.text.contains("tract"), "{error}");
                }
            }
        });
    }
}

#[test]
fn the_settings_say_which_precision_is_meant_and_what_else_may_be_asked_for() {
    let folder = models(&ALL);
    for (engine, computes) in COMPUTES {
        for &precision in computes {
            if open(engine, |_| ()).is_none() {
                continue;
            }
            let meaning = Config {
                engine,
                threads: 2,
                models: vec![folder.path().to_owned()],
                precision,
                ..Config::default()
            };
            let nn = match Nn::new(meaning) {
                Ok(nn) => nn,
                Err(error) => {
                    assert!(!multiplies(precision), "{error}");
                    assert!(matches!(error, SetupError::NoEngine { .. }), "{error}");
                    assert!(
                        error.to_string().contains("this processor has no"),
                        "{error}"
                    );
                    continue;
                }
            };
            assert!(multiplies(precision), "{} in {precision}", engine.name());
            common::runtime().block_on(async {
                let meant = describe(&nn, "unet@1").await.unwrap();
                let named = describe(&nn, &format!("unet@1:{precision}")).await.unwrap();
                assert_eq!(meant, named);
                assert_eq!(meant.precision, precision);
                for other in ALL.into_iter().filter(|other| *other != precision) {
                    let name = format!("unet@1:{other}");
                    for error in [
                        describe(&nn, &name).await.unwrap_err(),
                        compute(&nn, &name, &[]).await.unwrap_err(),
                    ] {
                        assert_eq!(error.code, ErrorCode::Security, "{name}: {error}");
                        assert!(error.text.contains("precisions_allowed"), "{error}");
                    }
                }
            });
        }
    }
}

#[test]
fn a_precision_that_no_engine_has_stops_the_host_from_starting() {
    for precision in [Precision::Bf16, Precision::Int8] {
        let error = Nn::new(Config {
            engine: EngineChoice::Tract,
            precision,
            ..Config::default()
        });
        let error = error.err().expect("tract computes in fp32 only");
        assert!(matches!(error, SetupError::NoEngine { .. }));
        assert!(error.to_string().contains(precision.name()), "{error}");
    }
}

#[test]
fn a_variant_that_is_missing_and_a_precision_that_is_unknown_are_not_found() {
    let folder = models(&[Precision::Fp32]);
    let nn = open(EngineChoice::Tract, allowing(folder.path())).unwrap();
    common::runtime().block_on(async {
        for (name, says) in [
            ("unet@1:int8", "model.int8.onnx"),
            ("unet@1:bf16", "model.bf16.onnx"),
            ("unet@1:fp4", "fp32, bf16, int8"),
            ("unet@1:", "fp32, bf16, int8"),
            ("other@1:int8", "no graph"),
        ] {
            for error in [
                describe(&nn, name).await.unwrap_err(),
                compute(&nn, name, &[]).await.unwrap_err(),
            ] {
                assert_eq!(error.code, ErrorCode::NotFound, "{name}: {error}");
                assert!(error.text.contains(says), "{name}: {error}");
            }
        }
        assert_eq!(
            describe(&nn, "unet@1:fp32").await.unwrap(),
            describe(&nn, "unet@1").await.unwrap()
        );
    });
}
