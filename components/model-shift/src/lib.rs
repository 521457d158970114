//! A network that looks twice: at the slices as they are and at the slices moved aside by a few pixels, and answers the mean of both.
//!
//! A network that halves its grid again and again answers a little differently when the picture lies differently on that grid; the mean of
//! two looks varies less. It costs twice the inference, and is no other model: what it gains on a package has to be measured for it.
//! Mirrored looks are not among them, because a mirrored heart does not exist and the networks here are not trained on one.
//!
//! It takes the same packages as `model-unet` and can stand in its place, which is how components are swapped.

use cinecor_model_joint::{Error, Joint, Look, Network, Output, bindings};

mod shift;

/// How far the second look is moved, in pixels of the network's grid: odd, so that no halving of the grid lies as it lay before.
const SHIFT: usize = 5;

struct Twice;

impl Look for Twice {
    /// The mean of the network's outputs for a batch as it is and moved aside.
    async fn look(
        network: &Network,
        shape: [usize; 4],
        batch: &[f32],
        expected: usize,
    ) -> Result<Output, Error> {
        let [.., rows, columns] = shape;
        let here = network.compute(network.input(shape, batch)?).await?;
        let moved = shift::aside(batch, rows, columns, SHIFT);
        let there = network.compute(network.input(shape, &moved)?).await?;
        let mut mean = here.values(expected)?.into_owned();
        shift::mean_with(&mut mean, &there.values(expected)?, rows, columns, SHIFT);
        Ok(Output(bytemuck::cast_slice(&mean).to_vec()))
    }
}

type Shift = Joint<Twice>;

bindings::export!(Shift with_types_in bindings);
