//! The guest of cinecor-nn's tests: plain values in, calls of wasi:nn, plain values out. It judges nothing; the tests do.

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    reason = "generated from the WIT, which documents itself"
)]
mod bindings {
    wit_bindgen::generate!({
        path: [
            "../../../../../wit/deps/wasi-nn@0.2.0-rc-2024-10-28",
            "../../../../../wit/cinecor-inference",
            "wit",
        ],
        world: "cinecor:nn-suite/suite@0.1.0",
        generate_all,
    });
}

use bindings::cinecor::inference::{concurrent, graphs};
use bindings::exports::cinecor::nn_suite::run::{Failure, Guest, HandedGraph, PlainTensor, Source};
use bindings::wasi::nn::errors::Error;
use bindings::wasi::nn::graph;
use bindings::wasi::nn::inference::GraphExecutionContext;
use bindings::wasi::nn::tensor::Tensor;

use futures::future::join_all;

struct Suite;

bindings::export!(Suite with_types_in bindings);

impl Guest for Suite {
    fn compute(graph: Source, inputs: Vec<PlainTensor>) -> Result<Vec<PlainTensor>, Failure> {
        let outputs = context(graph)?.compute(named(&inputs)).map_err(read)?;
        Ok(plains(outputs))
    }

    async fn compute_at_once(
        graph: Source,
        inputs: Vec<PlainTensor>,
        times: u32,
    ) -> Vec<Result<Vec<PlainTensor>, Failure>> {
        let context = match context(graph) {
            Ok(context) => context,
            Err(failure) => return vec![Err(failure)],
        };
        let computes = (0..times).map(|_| async {
            let outputs = concurrent::compute(&context, named(&inputs)).await;
            outputs.map(plains).map_err(read)
        });
        join_all(computes).await
    }

    fn echo(tensor: PlainTensor) -> PlainTensor {
        plain(tensor.name.clone(), &make(&tensor))
    }

    fn describe(name: String) -> Result<(String, String, String, String, bool), String> {
        match graphs::describe(&name) {
            Ok(info) => Ok((
                info.digest,
                info.engine,
                info.device,
                info.precision,
                info.loaded,
            )),
            Err(
                graphs::Error::NotFound(text)
                | graphs::Error::Unavailable(text)
                | graphs::Error::Refused(text)
                | graphs::Error::NotConfigured(text),
            ) => Err(text),
        }
    }
}

fn context(graph: Source) -> Result<GraphExecutionContext, Failure> {
    let graph = match graph {
        Source::Named(name) => graph::load_by_name(&name),
        Source::Handed(HandedGraph {
            parts,
            encoding,
            target,
        }) => graph::load(&parts, encoding, target),
    };
    graph.map_err(read)?.init_execution_context().map_err(read)
}

fn named(plain: &[PlainTensor]) -> Vec<(String, Tensor)> {
    let tensors = plain.iter();
    tensors
        .map(|plain| (plain.name.clone(), make(plain)))
        .collect()
}

fn plains(tensors: Vec<(String, Tensor)>) -> Vec<PlainTensor> {
    let tensors = tensors.into_iter();
    tensors.map(|(name, tensor)| plain(name, &tensor)).collect()
}

fn make(plain: &PlainTensor) -> Tensor {
    Tensor::new(&plain.dimensions, plain.ty, &plain.data)
}

fn plain(name: String, tensor: &Tensor) -> PlainTensor {
    PlainTensor {
        name,
        dimensions: tensor.dimensions(),
        ty: tensor.ty(),
        data: tensor.data(),
    }
}

fn read(error: Error) -> Failure {
    Failure {
        code: error.code(),
        text: error.data(),
    }
}
