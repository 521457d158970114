//! Whatever is wrong with a guest's graph or tensors is an error value, on every engine: never a panic, and the next good compute is
//! served. The same table runs through a real guest in `guest.rs`.

mod common;

use cinecor_nn::{Encoding, EngineChoice, Error, Nn, Tensor};
use common::refusals::{Refusal, refusals};
use common::{Named, open};

#[test]
fn every_mistake_is_an_error_value_on_every_engine() {
    let good = common::case("named_inputs").unwrap();
    for engine in EngineChoice::ORDER {
        let Some(nn) = open(engine, |_| ()) else {
            continue;
        };
        common::runtime().block_on(async {
            for refusal in refusals() {
                let what = format!("{}: {}", engine.name(), refusal.what);
                let error = attempt(&nn, &refusal).await.expect_err(&what);
                assert_eq!(error.code, refusal.code, "{what}: {error}");
                assert!(error.text.contains(refusal.says), "{what}: {error}");
            }
            let graph = nn
                .load(vec![good.model.clone()], Encoding::Onnx, "cpu")
                .await
                .unwrap();
            let (outputs, _) = nn
                .compute(&graph, good.runs[0].inputs.clone())
                .await
                .unwrap();
            common::compare(&outputs, &good.runs[0].outputs, 1e-5).unwrap();
        });
    }
}

/// As a guest's calls go: the tensors are made, the graph is loaded, the two are put together.
async fn attempt(nn: &Nn, refusal: &Refusal) -> Result<Vec<Named>, Error> {
    let graph = nn
        .load(vec![refusal.graph.clone()], Encoding::Onnx, "cpu")
        .await?;
    let mut inputs = Vec::new();
    for input in refusal.inputs.clone() {
        inputs.push((input.name, Tensor::new(input.dims, input.ty, input.data)?));
    }
    nn.compute(&graph, inputs).await.map(|(outputs, _)| outputs)
}

#[test]
fn broken_graphs_never_panic_and_never_hang() {
    // Every byte of a small graph is damaged in turn: whatever comes of it, it comes as a value.
    let model = common::case("scalar").unwrap().model;
    let Some(nn) = open(EngineChoice::Tract, |_| ()) else {
        return;
    };
    common::runtime().block_on(async {
        for position in 0..model.len() {
            for byte in [0x00, 0x7f, 0xff] {
                let mut broken = model.clone();
                broken[position] = byte;
                let _ = nn.load(vec![broken], Encoding::Onnx, "cpu").await;
            }
        }
    });
}
