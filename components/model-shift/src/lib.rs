//! A network that looks twice: at the slices as they are and at the slices moved aside by a few pixels, and answers the mean of both.
//!
//! A network that halves its grid again and again answers a little differently when the picture lies differently on that grid; the mean of
//! two looks varies less. It costs twice the inference, and is no other model: what it gains on a package has to be measured for it.
//! Mirrored looks are not among them, because a mirrored heart does not exist and the networks here are not trained on one.
//!
//! It takes the same packages as `model-unet` and can stand in its place, which is how components are swapped.

#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated from the WIT, which documents itself"
)]
mod bindings {
    wit_bindgen::generate!({
        path: [
            "../../wit/deps/wasi-nn@0.2.0-rc-2024-10-28",
            "../../wit/cinecor-inference",
            "../../wit/cinecor-model",
        ],
        world: "cinecor:model/model@0.1.0",
        generate_all,
    });
}

/// All but the second look is the same business as in `model-unet`.
#[path = "../../model-unet/src/joint.rs"]
mod joint;
#[path = "../../model-unet/src/network.rs"]
mod network;
mod shift;

use bindings::exports::cinecor::model::segmenter::Error;
use joint::Joint;
use network::{Network, Output};

/// How far the second look is moved, in pixels of the network's grid: odd, so that no halving of the grid lies as it lay before.
const SHIFT: usize = 5;

bindings::export!(Joint with_types_in bindings);

/// The mean of the network's outputs of `expected` values for a batch of `shape` as it is and moved aside.
fn look(
    network: &Network,
    shape: [usize; 4],
    batch: &[f32],
    expected: usize,
) -> Result<Output, Error> {
    let [.., rows, columns] = shape;
    let here = network.compute(network.input(shape, batch)?)?;
    let moved = shift::aside(batch, rows, columns, SHIFT);
    let there = network.compute(network.input(shape, &moved)?)?;
    let mut mean = here.values(expected)?.into_owned();
    shift::mean_with(&mut mean, &there.values(expected)?, rows, columns, SHIFT);
    Ok(Output(bytemuck::cast_slice(&mean).to_vec()))
}
