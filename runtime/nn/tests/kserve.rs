//! The engine that asks a server elsewhere: the suite of all engines through it, every mistake of a guest, and every misbehaviour of the server.
//! The server is a double of the tests'; real ones are asked in the tests of the whole application.

mod common;

use cinecor_nn::{Config, EngineChoice, Error, ErrorCode, Nn, Tensor, TensorType};
use common::refusals::refusals;
use common::remote::{Mood, Remote};
use common::{Case, Named, Run, case, cases, compare};
use serde_json::json;
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use tempfile::TempDir;

/// As for the other engines.
const TOLERANCE: f64 = 1e-5;

fn put(folder: &Path, name: &str, model: &[u8]) {
    let folder = folder.join(name).join("1");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("model.onnx"), model).unwrap();
}

fn nn(folder: &TempDir, url: &str, change: impl FnOnce(&mut Config)) -> Nn {
    let mut config = Config {
        engine: EngineChoice::Kserve,
        device: "remote".to_owned(),
        models: vec![folder.path().to_owned()],
        ..Config::default()
    };
    config.kserve.url = url.to_owned();
    change(&mut config);
    Nn::new(config).unwrap()
}

/// A host and a server that have this case, under the same name.
fn both(name: &str) -> (Remote, TempDir, Case) {
    let case = case(name).unwrap();
    let remote = Remote::start(true);
    remote.add(name, &case.model);
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), name, &case.model);
    (remote, folder, case)
}

async fn ask(nn: &Nn, name: &str, inputs: &[Named]) -> Result<Vec<Named>, Error> {
    let graph = nn.load_by_name(format!("{name}@1")).await?;
    let (outputs, _) = nn.compute(&graph, inputs.to_vec()).await?;
    Ok(outputs)
}

#[test]
fn the_suite_of_all_engines_passes_through_it() {
    for binary in [true, false] {
        let remote = Remote::start(binary);
        let folder = tempfile::tempdir().unwrap();
        let mut cases = cases().unwrap();
        // The double reads no other numbers as JSON; those are held against tritonclient's where the framing is tested.
        let is_single = |(_, tensor): &Named| tensor.ty() == TensorType::Fp32;
        let is_read = |run: &Run| run.inputs.iter().chain(&run.outputs).all(is_single);
        cases.retain(|case| binary || case.runs.iter().all(is_read));
        for case in &cases {
            remote.add(&case.name, &case.model);
            put(folder.path(), &case.name, &case.model);
        }
        let nn = nn(&folder, &remote.url, |_| ());
        let mut compared = 0;
        common::runtime().block_on(async {
            for case in &cases {
                for run in &case.runs {
                    let outputs = match ask(&nn, &case.name, &run.inputs).await {
                        Ok(outputs) => outputs,
                        // The double computes as the first engine does that is there, and tract has no bf16.
                        Err(error) if error.text.contains("unknown model") => {
                            assert_eq!(case.name, "identity_bf16");
                            continue;
                        }
                        Err(error) => panic!("{}: {error}", case.name),
                    };
                    compare(&outputs, &run.outputs, TOLERANCE)
                        .unwrap_or_else(|error| panic!("{}: {error:#}", case.name));
                    compared += 1;
                }
            }
        });
        assert!(compared >= 5, "{compared}");
    }
}

#[test]
fn every_mistake_of_a_guest_is_an_error_value_and_no_request() {
    let remote = Remote::start(true);
    let folder = tempfile::tempdir().unwrap();
    let refusals = refusals();
    for (index, refusal) in refusals.iter().enumerate() {
        let name = format!("case{index}");
        remote.add(&name, &refusal.graph);
        put(folder.path(), &name, &refusal.graph);
    }
    let nn = nn(&folder, &remote.url, |_| ());
    common::runtime().block_on(async {
        for (index, refusal) in refusals.iter().enumerate() {
            let made = refusal.inputs.iter().map(|input| {
                let tensor = Tensor::new(input.dims.clone(), input.ty, input.data.clone())?;
                Ok((input.name.clone(), tensor))
            });
            // The graph comes first, as in a guest; what is wrong with a tensor is told when it is used.
            let name = format!("case{index}@1");
            let outcome = match nn.load_by_name(name).await {
                Ok(graph) => match made.collect::<Result<Vec<Named>, Error>>() {
                    Ok(inputs) => nn.compute(&graph, inputs).await.map(|_| ()),
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            };
            let error = outcome.expect_err(refusal.what);
            // Whether an operator exists is known by the server alone, which does not have the graph.
            let expected = match refusal.code {
                ErrorCode::UnsupportedOperation if refusal.says.is_empty() => {
                    ErrorCode::RuntimeError
                }
                code => code,
            };
            assert_eq!(error.code, expected, "{}: {error}", refusal.what);
            assert!(
                error.text.contains(refusal.says),
                "{}: {error}",
                refusal.what
            );
        }
        let handed = nn
            .load(
                vec![refusals[0].graph.clone()],
                cinecor_nn::Encoding::Onnx,
                "cpu",
            )
            .await
            .err()
            .expect("a remote engine is given no graphs");
        assert_eq!(handed.code, ErrorCode::UnsupportedOperation, "{handed}");
        let unknown = nn.load_by_name("nobody@1".to_owned()).await.err().unwrap();
        assert_eq!(unknown.code, ErrorCode::NotFound);
    });
    assert_eq!(remote.shared.inferences.load(SeqCst), 0);
}

#[test]
fn answers_name_the_engine_the_device_and_the_digest_of_the_hosts_own_graph() {
    let (remote, folder, _) = both("named_inputs");
    let nn = nn(&folder, &remote.url, |_| ());
    common::runtime().block_on(async {
        let name = || "named_inputs@1".to_owned();
        let before = nn.describe(name()).await.unwrap();
        assert_eq!(
            (before.engine.as_str(), before.device.as_str()),
            ("kserve", "remote")
        );
        assert!(
            !before.loaded && before.reason.contains("kserve"),
            "{before:?}"
        );
        let file = std::fs::read(folder.path().join("named_inputs/1/model.onnx")).unwrap();
        let digest = <sha2::Sha256 as sha2::Digest>::digest(&file);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(before.digest, digest);
        let _graph = nn.load_by_name(name()).await.unwrap();
        let after = nn.describe(name()).await.unwrap();
        assert!(
            after.loaded && after.engine_version == "double 1",
            "{after:?}"
        );
        let int8 = nn.describe("named_inputs@1:int8".to_owned()).await;
        assert!(int8.is_err());
    });
}

#[test]
fn a_package_names_the_remote_model() {
    let (remote, folder, case) = both("named_inputs");
    put(folder.path(), "package", &case.model);
    let other = folder.path().join("package/1/remote.json");
    let nn = nn(&folder, &remote.url, |_| ());
    let inputs = &case.runs[0].inputs;
    common::runtime().block_on(async {
        let error = ask(&nn, "package", inputs).await.unwrap_err();
        assert!(error.text.contains("unknown model"), "{error}");
        for (text, says) in [
            ("{", "remote.json"),
            (
                r#"{"model":"named_inputs","url":"http://else"}"#,
                "unknown field",
            ),
            (r#"{"model":"../x"}"#, "unknown model"),
            (r#"{"model":""}"#, "cannot be the name"),
        ] {
            std::fs::write(&other, text).unwrap();
            let error = ask(&nn, "package", inputs).await.unwrap_err();
            assert!(error.text.contains(says), "{text}: {error}");
        }
        std::fs::write(&other, r#"{"model":"named_inputs"}"#).unwrap();
        let outputs = ask(&nn, "package", inputs).await.unwrap();
        compare(&outputs, &case.runs[0].outputs, TOLERANCE).unwrap();
    });
}

#[test]
fn a_remote_model_that_is_not_the_graph_is_refused_when_it_is_loaded() {
    let (remote, folder, case) = both("named_inputs");
    let nn = nn(&folder, &remote.url, |_| ());
    let tensor = |name: &str, datatype: &str, shape: &[i64]| json!({ "name": name, "datatype": datatype, "shape": shape });
    let good = || {
        vec![
            tensor("left", "FP32", &[-1, 4]),
            tensor("right", "FP32", &[-1, 4]),
        ]
    };
    let (_, sum) = &case.runs[0].outputs[0];
    let output = case.runs[0].outputs[0].0.as_str();
    let outputs = |width: i64| vec![tensor(output, "FP32", &[-1, width])];
    let width = i64::from(sum.dims()[1]);
    let mut wrong = vec![
        (json!({}), "does not take an input \"left\""),
        (json!({ "inputs": good() }), "does not give an output"),
        (
            json!({ "inputs": good(), "outputs": outputs(width + 1) }),
            "the graph",
        ),
        (json!("no object"), "not what the protocol says"),
    ];
    for (index, of) in [
        tensor("left", "FP64", &[-1, 4]),
        tensor("left", "FP32", &[-1, 5]),
        tensor("left", "FP32", &[4]),
        // Takes one item at a time, where the graph takes any number.
        tensor("left", "FP32", &[1, 4]),
        tensor("left", "BYTES", &[-1, 4]),
        tensor("other", "FP32", &[-1, 4]),
    ]
    .into_iter()
    .enumerate()
    {
        let mut inputs = good();
        inputs[0] = of;
        let says = [
            "the graph",
            "the graph",
            "the graph",
            "the graph",
            "BYTES",
            "\"other\"",
        ][index];
        wrong.push((json!({ "inputs": inputs, "outputs": outputs(width) }), says));
    }
    let mut more = good();
    more.push(tensor("more", "FP32", &[1]));
    wrong.push((
        json!({ "inputs": more, "outputs": outputs(width) }),
        "\"more\"",
    ));
    common::runtime().block_on(async {
        for (metadata, says) in wrong {
            *remote.shared.metadata.lock().unwrap() = Some(metadata.clone());
            let error = ask(&nn, "named_inputs", &case.runs[0].inputs)
                .await
                .unwrap_err();
            assert!(error.text.contains(says), "{metadata}: {error}");
        }
        *remote.shared.metadata.lock().unwrap() = None;
        assert!(ask(&nn, "named_inputs", &case.runs[0].inputs).await.is_ok());
    });
    assert_eq!(remote.shared.inferences.load(SeqCst), 1);
}

#[test]
fn whatever_the_server_does_is_an_error_value_and_the_next_compute_is_served() {
    let (remote, folder, case) = both("named_inputs");
    let nn = nn(&folder, &remote.url, |config| {
        config.kserve.timeout_ms = 2_000;
        config.kserve.answer_bytes_max = 100_000;
    });
    let says = |status, text: &str| Mood::Says(status, None, text.as_bytes().to_vec());
    use ErrorCode::{NotFound, RuntimeError, Unknown};
    let moods = [
        (Mood::Dies, Unknown, "went away"),
        (Mood::DiesHalfway, Unknown, "went away"),
        (Mood::Silent, Unknown, "within 2000 ms"),
        (
            says(503, r#"{"error":"shutting down"}"#),
            Unknown,
            "503 when asked for an inference: shutting down",
        ),
        (says(500, "<html>"), RuntimeError, "answered 500"),
        (says(400, r#"{"error":"no"}"#), RuntimeError, ": no"),
        (says(404, r#"{"error":"gone"}"#), NotFound, ": gone"),
        (says(401, ""), RuntimeError, "token"),
        (says(302, ""), RuntimeError, "302"),
        (says(200, ""), RuntimeError, "protocol"),
        (says(200, r#"{"outputs":[]}"#), RuntimeError, "0 times"),
        (
            Mood::Says(200, Some("99".to_owned()), b"{}".to_vec()),
            RuntimeError,
            "99",
        ),
        (
            says(200, &" ".repeat(200_000)),
            RuntimeError,
            "100000 bytes",
        ),
    ];
    common::runtime().block_on(async {
        let inputs = &case.runs[0].inputs;
        let graph = nn.load_by_name("named_inputs@1".to_owned()).await.unwrap();
        for (index, (mood, code, says)) in moods.into_iter().enumerate() {
            remote.be(mood);
            let error = nn.compute(&graph, inputs.clone()).await.unwrap_err();
            assert_eq!(error.code, code, "{index}: {error}");
            assert!(error.text.contains(says), "{index}: {error}");
            remote.be(Mood::Well);
            let (outputs, _) = nn.compute(&graph, inputs.clone()).await.unwrap();
            compare(&outputs, &case.runs[0].outputs, TOLERANCE).unwrap();
            // After each failure the model was looked at again.
            assert_eq!(remote.shared.looks.load(SeqCst), index + 2);
        }
    });
}

#[test]
fn a_server_that_is_not_there_is_told_when_a_graph_is_loaded() {
    let folder = tempfile::tempdir().unwrap();
    put(folder.path(), "scalar", &case("scalar").unwrap().model);
    // Taken, and not listened on.
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    drop(socket);
    let nn = nn(&folder, &url, |_| ());
    common::runtime().block_on(async {
        let error = nn.load_by_name("scalar@1".to_owned()).await.err().unwrap();
        assert_eq!(error.code, ErrorCode::Unknown, "{error}");
        assert!(error.text.contains("cannot be reached"), "{error}");
    });
    for (device, url, says) in [
        ("cpu", url.as_str(), "only \"remote\""),
        ("remote", "", "url cannot be used"),
        ("remote", "http://u:p@h", "user or password"),
    ] {
        let mut config = Config {
            engine: EngineChoice::Kserve,
            device: device.to_owned(),
            ..Config::default()
        };
        config.kserve.url = url.to_owned();
        let error = Nn::new(config).err().unwrap().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn connections_are_used_again_and_no_more_are_in_flight_than_allowed() {
    let (remote, folder, case) = both("unet_transpose");
    let token = folder.path().join("token");
    std::fs::write(&token, "s3cret").unwrap();
    let nn = nn(&folder, &remote.url, |config| {
        config.kserve.in_flight_max = 2;
        config.kserve.token_file = Some(token);
    });
    common::runtime().block_on(async {
        let graph = nn
            .load_by_name("unet_transpose@1".to_owned())
            .await
            .unwrap();
        let (alone, _) = nn
            .compute(&graph, case.runs[1].inputs.clone())
            .await
            .unwrap();
        let mut crowd = tokio::task::JoinSet::new();
        for _ in 0..24 {
            let (nn, graph, inputs) = (nn.clone(), graph.clone(), case.runs[1].inputs.clone());
            crowd.spawn(async move { nn.compute(&graph, inputs).await.unwrap().0 });
        }
        for outputs in crowd.join_all().await {
            assert_eq!(outputs, alone);
        }
    });
    let shared = &remote.shared;
    assert_eq!(shared.inferences.load(SeqCst), 25);
    assert!(shared.at_once_most.load(SeqCst) <= 2);
    assert!(
        shared.connections.load(SeqCst) <= 3,
        "{}",
        shared.connections.load(SeqCst)
    );
    assert_eq!(
        shared.token.lock().unwrap().as_deref(),
        Some("Bearer s3cret")
    );
}
