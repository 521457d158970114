//! The queue, the cache and the guard around engines, with an engine of the test's own: one that computes when it is told to.

mod common;

use cinecor_nn::{
    Config, Encoding, Engine, Error, ErrorCode, Graph, GraphFormat, GraphSource, LoadedGraph, Nn,
    Signature, Tensor,
};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};

/// An engine that gives inputs back as outputs, once the gate is open.
#[derive(Clone, Default)]
struct Gate(Arc<Shared>);

#[derive(Default)]
struct Shared {
    open: Mutex<bool>,
    opened: Condvar,
    loads: AtomicUsize,
    alive: AtomicUsize,
}

impl Gate {
    fn open(&self) {
        *self.0.open.lock().unwrap() = true;
        self.0.opened.notify_all();
    }
}

impl Engine for Gate {
    fn name(&self) -> &'static str {
        "gate"
    }

    fn version(&self) -> &str {
        "1"
    }

    fn device(&self) -> &str {
        "cpu"
    }

    fn reads(&self, format: GraphFormat) -> bool {
        format == GraphFormat::Onnx
    }

    fn batch(&self) -> u32 {
        1
    }

    fn at_work_max(&self) -> usize {
        1
    }

    fn load(&self, source: &GraphSource) -> Result<Arc<dyn Graph>, Error> {
        self.0.loads.fetch_add(1, SeqCst);
        self.0.alive.fetch_add(1, SeqCst);
        Ok(Arc::new(Loaded {
            signature: source.signature.clone().expect("ONNX has one"),
            gate: self.clone(),
        }))
    }
}

struct Loaded {
    signature: Signature,
    gate: Gate,
}

impl Drop for Loaded {
    fn drop(&mut self) {
        self.gate.0.alive.fetch_sub(1, SeqCst);
    }
}

impl Graph for Loaded {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn run(&self, inputs: Vec<Tensor>) -> Result<Vec<Tensor>, Error> {
        let open = self.gate.0.open.lock().unwrap();
        drop(self.gate.0.opened.wait_while(open, |open| !*open).unwrap());
        assert!(
            !inputs[0].data().starts_with(&[13]),
            "thirteen is what this engine panics of"
        );
        Ok(inputs)
    }
}

/// The identity of `u8[n, 3]` with `salt` at its end, where ONNX readers see an unknown field: equal graphs of different digests.
fn model(salt: u32) -> Vec<u8> {
    let mut model = common::case("identity_u8").unwrap().model;
    // Field 2047, fixed 32 bits.
    model.extend([0xfd, 0x7f]);
    model.extend(salt.to_le_bytes());
    model
}

async fn load(nn: &Nn, salt: u32) -> LoadedGraph {
    nn.load(vec![model(salt)], Encoding::Onnx, "cpu")
        .await
        .unwrap()
}

fn inputs() -> Vec<(String, Tensor)> {
    vec![(
        "x".to_owned(),
        Tensor::new(vec![1, 3], cinecor_nn::TensorType::U8, vec![1, 2, 3]).unwrap(),
    )]
}

fn nn(gate: &Gate, config: Config) -> Nn {
    Nn::with_engine(config, Arc::new(gate.clone())).unwrap()
}

#[test]
fn computes_beyond_the_queue_are_turned_away_and_waiting_ones_are_served() {
    let gate = Gate::default();
    let nn = nn(
        &gate,
        Config {
            waiting_max: 2,
            ..Config::default()
        },
    );
    common::runtime().block_on(async {
        let graph = load(&nn, 0).await;
        let mut computes = tokio::task::JoinSet::new();
        // One is at work, two wait: the engine runs one at a time.
        for expected in [(0, 1), (1, 1), (2, 1)] {
            let (nn, graph) = (nn.clone(), graph.clone());
            let stats = nn.clone();
            computes.spawn(async move { nn.compute(&graph, inputs()).await });
            while (stats.stats().waiting, stats.stats().at_work) != expected {
                tokio::task::yield_now().await;
            }
        }
        let error = nn
            .compute(&graph, inputs())
            .await
            .expect_err("the queue is full");
        assert_eq!(error.code, ErrorCode::Timeout);
        assert!(
            error.text.contains("busy") && error.text.contains('2'),
            "{error}"
        );
        assert_eq!(nn.stats().turned_away, 1);
        gate.open();
        for outcome in computes.join_all().await {
            assert_eq!(
                outcome.unwrap().0,
                [("y".to_owned(), inputs()[0].1.clone())]
            );
        }
        let stats = nn.stats();
        assert_eq!((stats.computes, stats.waiting, stats.at_work), (3, 0, 0));
        assert!(stats.waited > std::time::Duration::ZERO);
    });
}

#[test]
fn a_guest_that_goes_away_gives_its_place_in_the_queue_up() {
    let gate = Gate::default();
    let nn = nn(
        &gate,
        Config {
            waiting_max: 1,
            ..Config::default()
        },
    );
    common::runtime().block_on(async {
        let graph = load(&nn, 0).await;
        let first = tokio::spawn({
            let (nn, graph) = (nn.clone(), graph.clone());
            async move { nn.compute(&graph, inputs()).await }
        });
        while nn.stats().at_work != 1 {
            tokio::task::yield_now().await;
        }
        let waiting = tokio::spawn({
            let (nn, graph) = (nn.clone(), graph.clone());
            async move { nn.compute(&graph, inputs()).await }
        });
        while nn.stats().waiting != 1 {
            tokio::task::yield_now().await;
        }
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        assert_eq!(nn.stats().waiting, 0);
        gate.open();
        first.await.unwrap().unwrap();
        nn.compute(&graph, inputs()).await.unwrap();
    });
}

#[test]
fn others_are_answered_while_the_engine_computes() {
    let gate = Gate::default();
    let nn = nn(&gate, Config::default());
    // One thread serves everybody: had `compute` blocked it, nothing below would ever run.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let graph = load(&nn, 0).await;
        let computing = tokio::spawn({
            let (nn, graph) = (nn.clone(), graph.clone());
            async move { nn.compute(&graph, inputs()).await }
        });
        while nn.stats().at_work != 1 {
            tokio::task::yield_now().await;
        }
        load(&nn, 1).await;
        assert_eq!(
            nn.describe("nobody@1".to_owned()).await.unwrap_err().code,
            ErrorCode::NotFound
        );
        gate.open();
        computing.await.unwrap().unwrap();
    });
}

#[test]
fn a_panic_in_an_engine_is_an_error_value() {
    let gate = Gate::default();
    gate.open();
    let nn = nn(&gate, Config::default());
    common::runtime().block_on(async {
        let graph = load(&nn, 0).await;
        let thirteen = Tensor::new(vec![1, 3], cinecor_nn::TensorType::U8, vec![13; 3]).unwrap();
        let error = nn
            .compute(&graph, vec![("x".to_owned(), thirteen)])
            .await
            .expect_err("it panics");
        assert_eq!(error.code, ErrorCode::RuntimeError);
        assert!(error.text.contains("thirteen"), "{error}");
        nn.compute(&graph, inputs()).await.unwrap();
        assert_eq!((nn.stats().failures, nn.stats().computes), (1, 1));
    });
}

#[test]
fn requests_for_one_graph_load_it_once() {
    let gate = Gate::default();
    let nn = nn(&gate, Config::default());
    common::runtime().block_on(async {
        let mut loads = tokio::task::JoinSet::new();
        for _ in 0..16 {
            let nn = nn.clone();
            loads.spawn(async move { load(&nn, 7).await });
        }
        let graphs = loads.join_all().await;
        assert_eq!(
            (graphs.len(), gate.0.loads.load(SeqCst), nn.stats().graphs),
            (16, 1, 1)
        );
    });
}

#[test]
fn a_thousand_graphs_leave_memory_where_it_was() {
    let gate = Gate::default();
    let nn = nn(
        &gate,
        Config {
            unused_graphs_max: 2,
            ..Config::default()
        },
    );
    common::runtime().block_on(async {
        let kept = load(&nn, 0).await;
        for salt in 1..=1000 {
            drop(load(&nn, salt).await);
            assert!(
                gate.0.alive.load(SeqCst) <= 4,
                "the one in use, two unused, and the latest"
            );
        }
        // What is in use is still the one that was loaded first.
        drop(load(&nn, 0).await);
        assert_eq!(gate.0.loads.load(SeqCst), 1001);
        assert_eq!(kept.signature().inputs.len(), 1);
        drop(kept);
        drop(nn);
        assert_eq!(gate.0.alive.load(SeqCst), 0);
    });
}
