//! The real interface, through a real guest: `tests/guests/nn-suite`, built by `cargo xtask build --with-tests`; on the engines of the host, and on
//! those that are components, which are composed under it.

mod common;
mod provider;

use bindings::exports::cinecor::nn_suite::run::{Failure, HandedGraph, PlainTensor, Source};
use bindings::wasi::nn::errors::ErrorCode as WitCode;
use bindings::wasi::nn::graph::{ExecutionTarget, GraphEncoding};
use bindings::wasi::nn::tensor::TensorType as WitType;
use cinecor_nn::{
    Config, EngineChoice, ErrorCode, Nn, NnCtx, NnCtxView, NnView, Tensor, TensorType,
    UNDER_WAY_MAX,
};
use common::refusals::{Loose, refusals};
use common::remote::{Mood, Remote};
use common::{Named, open};
use provider::{Granted, Grants};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Barrier};
use wasmtime::component::{Accessor, Component, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

#[allow(
    missing_docs,
    unreachable_pub,
    dead_code,
    clippy::all,
    reason = "generated from the WIT, which documents itself"
)]
mod bindings {
    wasmtime::component::bindgen!({
        path: [
            "../../wit/deps/wasi-nn@0.2.0-rc-2024-10-28",
            "../../wit/cinecor-inference",
            "tests/guests/nn-suite/wit",
        ],
        world: "cinecor:nn-suite/suite@0.1.0",
        exports: { default: async },
    });
}

struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    grants: Grants,
    nn: NnCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            ctx: &mut self.http,
            table: &mut self.table,
            hooks: &mut self.grants,
        }
    }
}

impl Granted for State {
    fn grants(&mut self) -> &mut Grants {
        &mut self.grants
    }
}

impl NnView for State {
    fn nn(&mut self) -> NnCtxView<'_> {
        NnCtxView {
            ctx: &mut self.nn,
            table: &mut self.table,
        }
    }
}

/// A guest in a store of its own.
struct Guest {
    store: Store<State>,
    suite: bindings::Suite,
}

impl Guest {
    /// Starts the guest, or says why the test is skipped. On CI the guest has to be there.
    async fn start(nn: Nn) -> Option<Self> {
        Self::start_file(nn, "nn-suite.wasm", None, Grants::default()).await
    }

    /// The same with the engine that is a component under it; of `nn` it uses nothing.
    async fn start_on_local(nn: Nn) -> Option<Self> {
        Self::start_file(nn, "nn-suite-local.wasm", None, Grants::default()).await
    }

    /// The same with the component that asks a server at `url` for the graphs of `models`.
    async fn start_on_remote(nn: Nn, models: &Path, url: &str) -> Option<Self> {
        let mut grants = Grants::default();
        let timeout = REMOTE_TIMEOUT_MS.to_string();
        grants.variables = [
            ("remote_url", url.to_owned()),
            ("remote_timeout_ms", timeout),
        ]
        .into();
        Self::start_file(nn, "nn-suite-remote.wasm", Some(models), grants).await
    }

    async fn start_file(nn: Nn, file: &str, models: Option<&Path>, grants: Grants) -> Option<Self> {
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../../target/guests")
            .join(file);
        if !path.is_file() {
            println!(
                "SKIP: {} is not there; `cargo xtask build --with-tests` makes it",
                path.display()
            );
            assert!(
                std::env::var("CI").as_deref() != Ok("true"),
                "on CI the guest has to be there"
            );
            return None;
        }
        let mut config = wasmtime::Config::new();
        config.wasm_component_model_async(true);
        let engine = Engine::new(&config).unwrap();
        let component = Component::from_file(&engine, path).unwrap();
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        cinecor_nn::add_to_linker(&mut linker).unwrap();
        provider::add_to_linker(&mut linker).unwrap();
        let mut wasi = WasiCtx::builder();
        if let Some(models) = models {
            wasi.preopened_dir(models, "/models", FsPerms::ReadOnly)
                .unwrap();
        }
        let state = State {
            wasi: wasi.build(),
            http: WasiHttpCtx::new(),
            grants,
            nn: NnCtx::new(nn),
            table: ResourceTable::new(),
        };
        let mut store = Store::new(&engine, state);
        let suite = bindings::Suite::instantiate_async(&mut store, &component, &linker)
            .await
            .unwrap();
        Some(Self { store, suite })
    }

    async fn compute(
        &mut self,
        graph: Source,
        inputs: Vec<PlainTensor>,
    ) -> Result<Vec<PlainTensor>, Failure> {
        self.suite
            .cinecor_nn_suite_run()
            .call_compute(&mut self.store, &graph, &inputs)
            .await
            .expect("the guest must not trap")
    }

    /// The same `times` times at once, by the call that its caller does not stand still for.
    async fn compute_at_once(
        &mut self,
        graph: &Source,
        inputs: &[PlainTensor],
        times: u32,
    ) -> Vec<Result<Vec<PlainTensor>, Failure>> {
        let run = self.suite.cinecor_nn_suite_run();
        let call = async |store: &Accessor<State>| {
            run.call_compute_at_once(store, graph.clone(), inputs.to_vec(), times)
                .await
        };
        let answered = self.store.run_concurrent(call).await;
        answered
            .and_then(|answered| answered)
            .expect("the guest must not trap")
    }

    /// What both calls say, which has to be the same.
    async fn compute_both_ways(
        &mut self,
        graph: Source,
        inputs: Vec<PlainTensor>,
    ) -> Result<Vec<PlainTensor>, Failure> {
        let at_once = self.compute_at_once(&graph, &inputs, 1).await;
        let alone = self.compute(graph, inputs).await;
        assert_eq!(format!("{at_once:?}"), format!("[{alone:?}]"));
        alone
    }

    async fn echo(&mut self, tensor: &PlainTensor) -> PlainTensor {
        self.suite
            .cinecor_nn_suite_run()
            .call_echo(&mut self.store, tensor)
            .await
            .expect("the guest must not trap")
    }

    async fn describe(
        &mut self,
        name: &str,
    ) -> Result<(String, String, String, String, bool), String> {
        self.suite
            .cinecor_nn_suite_run()
            .call_describe(&mut self.store, name)
            .await
            .expect("the guest must not trap")
    }
}

/// What a server has for an answer.
const REMOTE_TIMEOUT_MS: u64 = 2_000;

fn handed(model: Vec<u8>) -> Source {
    Source::Handed(HandedGraph {
        parts: vec![model],
        encoding: GraphEncoding::Onnx,
        target: ExecutionTarget::Cpu,
    })
}

const TYPES: [(TensorType, WitType); 7] = [
    (TensorType::Fp16, WitType::Fp16),
    (TensorType::Fp32, WitType::Fp32),
    (TensorType::Fp64, WitType::Fp64),
    (TensorType::Bf16, WitType::Bf16),
    (TensorType::U8, WitType::U8),
    (TensorType::I32, WitType::I32),
    (TensorType::I64, WitType::I64),
];

fn plain(loose: Loose) -> PlainTensor {
    let ty = TYPES
        .into_iter()
        .find(|(ours, _)| *ours == loose.ty)
        .unwrap()
        .1;
    PlainTensor {
        name: loose.name,
        dimensions: loose.dims,
        ty,
        data: loose.data,
    }
}

fn plain_named((name, tensor): Named) -> PlainTensor {
    let (dims, ty, data) = tensor.into_parts();
    plain(Loose {
        name,
        dims,
        ty,
        data,
    })
}

fn named(plain: PlainTensor) -> Named {
    let ty = TYPES
        .into_iter()
        .find(|(_, theirs)| *theirs == plain.ty)
        .unwrap()
        .0;
    (
        plain.name,
        Tensor::new(plain.dimensions, ty, plain.data).unwrap(),
    )
}

fn code(code: WitCode) -> ErrorCode {
    match code {
        WitCode::InvalidArgument => ErrorCode::InvalidArgument,
        WitCode::InvalidEncoding => ErrorCode::InvalidEncoding,
        WitCode::Timeout => ErrorCode::Timeout,
        WitCode::RuntimeError => ErrorCode::RuntimeError,
        WitCode::UnsupportedOperation => ErrorCode::UnsupportedOperation,
        WitCode::TooLarge => ErrorCode::TooLarge,
        WitCode::NotFound => ErrorCode::NotFound,
        WitCode::Security => ErrorCode::Security,
        WitCode::Unknown => ErrorCode::Unknown,
    }
}

async fn computes_every_case(guest: &mut Guest, engine: &str) {
    for case in common::cases().unwrap() {
        for run in case.runs {
            let inputs = run.inputs.into_iter().map(plain_named).collect();
            let graph = handed(case.model.clone());
            match guest.compute_both_ways(graph, inputs).await {
                Ok(outputs) => {
                    let outputs: Vec<Named> = outputs.into_iter().map(named).collect();
                    common::compare(&outputs, &run.outputs, 1e-5)
                        .unwrap_or_else(|error| panic!("{engine}: {}: {error}", case.name));
                }
                // What is excluded, and that it has to be, is in engines.rs.
                Err(failure) => assert_eq!(
                    failure.code,
                    WitCode::UnsupportedOperation,
                    "{engine}: {}: {}",
                    case.name,
                    failure.text
                ),
            }
        }
    }
}

/// The engine that is a component, in place of one of the host's.
#[test]
fn a_guest_computes_on_the_engine_that_is_a_component_and_gets_its_errors_as_values() {
    let nn = open(EngineChoice::Tract, |_| ()).unwrap();
    common::runtime().block_on(async {
        let Some(mut guest) = Guest::start_on_local(nn).await else {
            return;
        };
        computes_every_case(&mut guest, "component").await;
        refuses_every_mistake(&mut guest, "component").await;
        let failure = guest
            .compute(Source::Named("nobody@1".to_owned()), Vec::new())
            .await
            .expect_err("there is no such graph");
        assert_eq!(failure.code, WitCode::NotFound, "{}", failure.text);
        assert!(guest.describe("nobody@1:int8").await.is_err());
        assert_eq!(guest.store.data().nn.report().0, 0, "the host computed");
    });
}

fn put(models: &Path, name: &str, model: &[u8]) {
    let folder = models.join(name).join("1");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("model.onnx"), model).unwrap();
}

/// The component that asks a server elsewhere; graphs go by name, for the server has its own.
#[test]
fn a_guest_computes_on_a_server_by_a_component_and_gets_every_mistake_as_a_value() {
    let remote = Remote::start(true);
    let models = tempfile::tempdir().unwrap();
    let both = |name: &str, model: &[u8]| {
        remote.add(name, model);
        put(models.path(), name, model);
    };
    let (cases, refusals) = (common::cases().unwrap(), refusals());
    for case in &cases {
        both(&case.name, &case.model);
    }
    for (index, refusal) in refusals.iter().enumerate() {
        both(&format!("mistake{index}"), &refusal.graph);
    }
    let nn = open(EngineChoice::Tract, |_| ()).unwrap();
    common::runtime().block_on(async {
        let Some(mut guest) = Guest::start_on_remote(nn, models.path(), &remote.url).await else {
            return;
        };
        let mut computed = 0;
        for case in cases {
            for run in case.runs {
                let inputs = run.inputs.into_iter().map(plain_named).collect();
                let graph = Source::Named(format!("{}@1", case.name));
                match guest.compute(graph, inputs).await {
                    Ok(outputs) => {
                        let outputs: Vec<Named> = outputs.into_iter().map(named).collect();
                        common::compare(&outputs, &run.outputs, 1e-5)
                            .unwrap_or_else(|error| panic!("{}: {error}", case.name));
                        computed += 1;
                    }
                    // The double computes as the first engine does that is there, and tract has no bf16.
                    Err(failure) => {
                        assert!(failure.text.contains("unknown model"), "{}", failure.text);
                        assert_eq!(case.name, "identity_bf16");
                    }
                }
            }
        }
        assert!(computed > 10, "{computed}");
        let asked = remote.shared.inferences.load(SeqCst);
        for (index, refusal) in refusals.into_iter().enumerate() {
            let what = refusal.what;
            let inputs = refusal.inputs.into_iter().map(plain).collect();
            let graph = Source::Named(format!("mistake{index}@1"));
            let failure = guest.compute(graph, inputs).await.expect_err(what);
            // Whether an operator exists is known by the server alone, which does not have the graph.
            let expected = match refusal.code {
                ErrorCode::UnsupportedOperation if refusal.says.is_empty() => {
                    ErrorCode::RuntimeError
                }
                code => code,
            };
            assert_eq!(code(failure.code), expected, "{what}: {}", failure.text);
            assert!(
                failure.text.contains(refusal.says),
                "{what}: {}",
                failure.text
            );
        }
        assert_eq!(remote.shared.inferences.load(SeqCst), asked);
        let good = common::case("named_inputs").unwrap();
        let inputs = || -> Vec<PlainTensor> {
            let inputs = good.runs[0].inputs.clone();
            inputs.into_iter().map(plain_named).collect()
        };
        for (graph, expected) in [
            (handed(good.model.clone()), WitCode::Security),
            (Source::Named("nobody@1".to_owned()), WitCode::NotFound),
            (Source::Named("../mistake0@1".to_owned()), WitCode::NotFound),
            (Source::Named(String::new()), WitCode::NotFound),
        ] {
            let failure = guest.compute(graph, inputs()).await.expect_err("refused");
            assert_eq!(failure.code, expected, "{}", failure.text);
        }
        assert!(guest.describe("named_inputs@1:int8").await.is_err());
        let (_, engine, device, _, _) = guest.describe("named_inputs@1").await.unwrap();
        assert_eq!((engine.as_str(), device.as_str()), ("kserve", "remote"));
        let says = |text: &str| Mood::Says(200, None, text.as_bytes().to_vec());
        for (mood, expected, says) in [
            (Mood::Dies, WitCode::Unknown, "went away"),
            (Mood::DiesHalfway, WitCode::Unknown, "went away"),
            (Mood::Silent, WitCode::Unknown, "within 2000 ms"),
            (says("{"), WitCode::RuntimeError, "protocol"),
            (says(r#"{"outputs":[]}"#), WitCode::RuntimeError, "0 times"),
        ] {
            remote.be(mood);
            let named_inputs = || Source::Named("named_inputs@1".to_owned());
            let failure = guest.compute(named_inputs(), inputs()).await.unwrap_err();
            assert_eq!(failure.code, expected, "{}", failure.text);
            assert!(failure.text.contains(says), "{says}: {}", failure.text);
            remote.be(Mood::Well);
            let outputs = guest.compute(named_inputs(), inputs()).await.unwrap();
            let outputs: Vec<Named> = outputs.into_iter().map(named).collect();
            common::compare(&outputs, &good.runs[0].outputs, 1e-5).unwrap();
        }
        assert_eq!(guest.store.data().nn.report().0, 0, "the host computed");
    });
}

#[test]
fn a_guest_computes_on_every_engine_with_every_type() {
    for engine in EngineChoice::ORDER {
        let Some(nn) = open(engine, |_| ()) else {
            continue;
        };
        common::runtime().block_on(async {
            let Some(mut guest) = Guest::start(nn).await else {
                return;
            };
            computes_every_case(&mut guest, engine.name()).await;
            assert_eq!(
                guest.store.data().nn.tensor_bytes(),
                0,
                "every tensor was given back"
            );
            assert!(guest.store.data().nn.report().0 > 20);
        });
    }
}

async fn refuses_every_mistake(guest: &mut Guest, engine: &str) {
    for refusal in refusals() {
        let what = format!("{engine}: {}", refusal.what);
        let inputs = refusal.inputs.into_iter().map(plain).collect();
        let failure = guest
            .compute_both_ways(handed(refusal.graph), inputs)
            .await
            .expect_err(&what);
        assert_eq!(code(failure.code), refusal.code, "{what}: {}", failure.text);
        assert!(
            failure.text.contains(refusal.says),
            "{what}: {}",
            failure.text
        );
    }
    let good = common::case("named_inputs").unwrap();
    let inputs = good.runs[0].inputs.clone();
    let inputs = inputs.into_iter().map(plain_named).collect();
    let outputs = guest.compute(handed(good.model), inputs).await.unwrap();
    let outputs: Vec<Named> = outputs.into_iter().map(named).collect();
    common::compare(&outputs, &good.runs[0].outputs, 1e-5).unwrap();
}

#[test]
fn a_guest_gets_an_error_value_for_every_mistake_and_goes_on() {
    for engine in EngineChoice::ORDER {
        let Some(nn) = open(engine, |_| ()) else {
            continue;
        };
        common::runtime().block_on(async {
            let Some(mut guest) = Guest::start(nn).await else {
                return;
            };
            refuses_every_mistake(&mut guest, engine.name()).await;
        });
    }
}

/// A server that answers no inference before the other one is there is answered by, as long as the guest waits for both at once.
#[test]
fn a_guest_goes_on_while_it_computes() {
    let remote = Remote::start(true);
    let good = common::case("named_inputs").unwrap();
    remote.add("named_inputs", &good.model);
    let models = tempfile::tempdir().unwrap();
    put(models.path(), "named_inputs", &good.model);
    let nn = open(EngineChoice::Kserve, |config| {
        config.device = "remote".to_owned();
        config.kserve.url.clone_from(&remote.url);
        config.kserve.in_flight_max = UNDER_WAY_MAX;
        config.models = vec![models.path().to_owned()];
    })
    .unwrap();
    common::runtime().block_on(async {
        let Some(mut guest) = Guest::start(nn).await else {
            return;
        };
        let graph = Source::Named("named_inputs@1".to_owned());
        let inputs: Vec<PlainTensor> = good.runs[0]
            .inputs
            .iter()
            .cloned()
            .map(plain_named)
            .collect();
        remote.be(Mood::Meets(Arc::new(Barrier::new(2))));
        for outputs in guest.compute_at_once(&graph, &inputs, 2).await {
            let outputs: Vec<Named> = outputs.unwrap().into_iter().map(named).collect();
            common::compare(&outputs, &good.runs[0].outputs, 1e-5).unwrap();
        }
        assert_eq!(guest.store.data().nn.report().0, 2);
        // More at once than a guest may have are refused, one by one, and hold nothing.
        let most = u32::try_from(UNDER_WAY_MAX).unwrap();
        remote.be(Mood::Meets(Arc::new(Barrier::new(UNDER_WAY_MAX))));
        let outcomes = guest.compute_at_once(&graph, &inputs, most + 2).await;
        let (computed, refused) = outcomes.split_at(UNDER_WAY_MAX);
        assert!(computed.iter().all(Result::is_ok));
        for failure in refused {
            let failure = failure.as_ref().unwrap_err();
            assert_eq!(failure.code, WitCode::Timeout, "{}", failure.text);
        }
        assert_eq!(guest.store.data().nn.tensor_bytes(), 0);
    });
}

#[test]
fn a_guest_reads_back_the_tensor_that_it_made() {
    let Some(nn) = open(EngineChoice::Tract, |_| ()) else {
        return;
    };
    common::runtime().block_on(async {
        let Some(mut guest) = Guest::start(nn).await else {
            return;
        };
        for (_, ty) in TYPES {
            let made = PlainTensor {
                name: "x".to_owned(),
                dimensions: vec![2, 3],
                ty,
                data: (0..48).collect(),
            };
            let read = guest.echo(&made).await;
            assert_eq!(
                (read.dimensions, read.ty, read.data),
                (made.dimensions, made.ty, made.data)
            );
        }
    });
}

#[test]
fn a_guest_uses_graphs_by_name_and_learns_what_runs_them() {
    let folder = tempfile::tempdir().unwrap();
    let version = folder.path().join("named/1.2.3");
    std::fs::create_dir_all(&version).unwrap();
    std::fs::copy(
        common::data("named_inputs/model.onnx"),
        version.join("model.onnx"),
    )
    .unwrap();
    let case = common::case("named_inputs").unwrap();
    for engine in EngineChoice::ORDER {
        let Some(nn) = open(engine, |config| {
            config.models = vec![folder.path().to_owned()]
        }) else {
            continue;
        };
        common::runtime().block_on(async {
            let Some(mut guest) = Guest::start(nn).await else {
                return;
            };
            let (digest, name, device, precision, loaded) =
                guest.describe("named@1.2.3").await.unwrap();
            assert_eq!(
                (name.as_str(), device.as_str(), precision.as_str(), loaded),
                (engine.name(), "cpu", "fp32", false)
            );
            assert_eq!(digest.len(), 64);
            let inputs: Vec<PlainTensor> = case.runs[0]
                .inputs
                .clone()
                .into_iter()
                .map(plain_named)
                .collect();
            let outputs = guest
                .compute(Source::Named("named@1.2.3".to_owned()), inputs.clone())
                .await
                .unwrap();
            let outputs: Vec<Named> = outputs.into_iter().map(named).collect();
            common::compare(&outputs, &case.runs[0].outputs, 1e-5).unwrap();
            assert!(
                guest.describe("named@1.2.3").await.unwrap().4,
                "it is loaded now"
            );
            for absent in [
                "named@9",
                "other@1.2.3",
                "named",
                "../named@1.2.3",
                "named@../1.2.3",
                "",
            ] {
                let failure = guest
                    .compute(Source::Named(absent.to_owned()), inputs.clone())
                    .await
                    .expect_err(absent);
                assert_eq!(
                    failure.code,
                    WitCode::NotFound,
                    "{absent}: {}",
                    failure.text
                );
                assert!(
                    !failure.text.contains(folder.path().to_str().unwrap()),
                    "the host's paths are not for guests"
                );
                assert!(guest.describe(absent).await.is_err());
            }
        });
    }
}

#[test]
fn what_the_host_forbids_is_an_error_value() {
    let case = common::case("named_inputs").unwrap();
    let inputs: Vec<PlainTensor> = case.runs[0]
        .inputs
        .clone()
        .into_iter()
        .map(plain_named)
        .collect();
    let attempt = |change: fn(&mut Config), graph: Source| {
        let nn = open(EngineChoice::Tract, change).unwrap();
        let inputs = inputs.clone();
        common::runtime().block_on(async move {
            let mut guest = Guest::start(nn).await?;
            Some(
                guest
                    .compute(graph, inputs)
                    .await
                    .expect_err("it is forbidden"),
            )
        })
    };
    let graph = || handed(case.model.clone());
    let with = |encoding, target| {
        Source::Handed(HandedGraph {
            parts: vec![case.model.clone()],
            encoding,
            target,
        })
    };
    type Change = fn(&mut Config);
    let table: [(Change, Source, WitCode); 6] = [
        (
            |config| config.guest_graph_bytes_max = 0,
            graph(),
            WitCode::Security,
        ),
        (
            |config| config.guest_graph_bytes_max = 100,
            graph(),
            WitCode::TooLarge,
        ),
        (
            |config| config.tensor_bytes_max = 20,
            graph(),
            WitCode::TooLarge,
        ),
        (
            |_| (),
            with(GraphEncoding::Pytorch, ExecutionTarget::Cpu),
            WitCode::InvalidEncoding,
        ),
        (
            |_| (),
            with(GraphEncoding::Openvino, ExecutionTarget::Cpu),
            WitCode::InvalidEncoding,
        ),
        (
            |_| (),
            with(GraphEncoding::Onnx, ExecutionTarget::Gpu),
            WitCode::UnsupportedOperation,
        ),
    ];
    for (change, graph, expected) in table {
        let Some(failure) = attempt(change, graph) else {
            return;
        };
        assert_eq!(failure.code, expected, "{}", failure.text);
        assert!(!failure.text.is_empty());
    }
}
