//! Batches cut into their items, and what was made of each put together again. An item is one step along the first dimension of every tensor.

use crate::{Error, Signature, Tensor, TensorType};

/// Most items that a batch is cut into: what is done for each has to be small beside computing it.
const ITEMS_MAX: usize = 1024;

/// How many items a batch of these shapes is cut into: the size of the first dimension, where all inputs have the same, and where neither they
/// nor any item of theirs are empty.
pub(super) fn same_batch(shapes: &[Vec<usize>]) -> Option<usize> {
    let first = *shapes.first()?.first()?;
    shapes
        .iter()
        .all(|shape| shape.first() == Some(&first))
        .then_some(first)
        .filter(|items| (1..=ITEMS_MAX).contains(items))
        .filter(|_| shapes.iter().flatten().all(|&size| size > 0))
}

/// Shape and bytes of item `item` of `items`.
pub(super) fn item_of(tensor: &Tensor, items: usize, item: usize) -> (Vec<usize>, &[u8]) {
    let mut shape = tensor.shape();
    if let Some(first) = shape.first_mut() {
        *first = 1;
    }
    let length = tensor.data().len() / items.max(1);
    let bytes = tensor.data().get(item * length..(item + 1) * length);
    (shape, bytes.unwrap_or_default())
}

/// Puts the outputs of single items together along the first dimension.
pub(super) fn join(signature: &Signature, items: Vec<Vec<Tensor>>) -> Result<Vec<Tensor>, Error> {
    type Parts = (Vec<u32>, TensorType, Vec<u8>);
    let mut joined: Vec<Option<Parts>> = signature.outputs.iter().map(|_| None).collect();
    let count = items.len();
    for item in items {
        for (whole, part) in joined.iter_mut().zip(item) {
            match whole {
                None => {
                    let (mut dims, ty, mut data) = part.into_parts();
                    // Equal items: reserve once. The product fits, or the allocation is refused below.
                    data.reserve_exact(data.len().saturating_mul(count.saturating_sub(1)));
                    if let Some(first) = dims.first_mut() {
                        *first = u32::try_from(count).map_err(Error::too_large)?;
                    }
                    *whole = Some((dims, ty, data));
                }
                Some((_, _, data)) => data.extend_from_slice(part.data()),
            }
        }
    }
    joined
        .into_iter()
        .flatten()
        .map(|(dims, ty, data)| Tensor::new(dims, ty, data))
        .collect()
}
