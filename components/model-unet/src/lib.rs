//! A two-dimensional network behind `cinecor:model/segmenter` that looks once at each batch. All the rest is `cinecor-model-joint`.

use cinecor_model_joint::{Error, Joint, Look, Network, Output, bindings};

struct Once;

impl Look for Once {
    async fn look(
        network: &Network,
        shape: [usize; 4],
        batch: &[f32],
        _expected: usize,
    ) -> Result<Output, Error> {
        network.compute(network.input(shape, batch)?).await
    }
}

type Unet = Joint<Once>;

bindings::export!(Unet with_types_in bindings);
