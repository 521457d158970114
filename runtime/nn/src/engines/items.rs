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
    let count = u32::try_from(items.len()).map_err(Error::too_large)?;
    let odd = || Error::runtime("the items of a batch gave outputs that do not belong together");
    let mut joined: Vec<Option<Parts>> = Vec::new();
    joined.resize_with(signature.outputs.len(), || None);
    for item in items {
        if item.len() != joined.len() {
            return Err(odd());
        }
        for (whole, part) in joined.iter_mut().zip(item) {
            match whole {
                None => {
                    let (dims, ty, mut data) = part.into_parts();
                    if dims.first() != Some(&1) {
                        return Err(odd());
                    }
                    let others = data.len().saturating_mul(count as usize - 1);
                    data.try_reserve_exact(others).map_err(Error::too_large)?;
                    *whole = Some((dims, ty, data));
                }
                Some((dims, ty, data)) => {
                    if part.dims() != dims || part.ty() != *ty {
                        return Err(odd());
                    }
                    data.extend_from_slice(part.data());
                }
            }
        }
    }
    joined
        .into_iter()
        .flatten()
        .map(|(mut dims, ty, data)| {
            if let Some(first) = dims.first_mut() {
                *first = count;
            }
            Tensor::new(dims, ty, data)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::TensorSpec;

    #[test]
    fn a_batch_is_cut_where_there_are_items_of_something_and_not_too_many() {
        for (shapes, items) in [
            (vec![vec![3, 4]], Some(3)),
            (vec![vec![1, 4]], Some(1)),
            (vec![vec![1024, 1], vec![1024, 7]], Some(1024)),
            (vec![vec![1025, 1]], None),
            (vec![vec![0, 4]], None),
            (vec![vec![3, 0]], None),
            (vec![vec![3, 4], vec![1, 4]], None),
            (vec![vec![]], None),
            (vec![], None),
        ] {
            assert_eq!(same_batch(&shapes), items, "{shapes:?}");
        }
    }

    fn signature(outputs: usize) -> Signature {
        let spec = |index| TensorSpec {
            name: format!("y{index}"),
            ty: TensorType::U8,
            dims: None,
        };
        Signature {
            inputs: Vec::new(),
            outputs: (0..outputs).map(spec).collect(),
        }
    }

    #[test]
    fn items_come_together_in_their_order_and_only_what_belongs_together_does() {
        let part = |dims: &[u32], bytes: &[u8]| {
            Tensor::new(dims.to_vec(), TensorType::U8, bytes.to_vec()).unwrap()
        };
        let whole = part(&[2, 3], &[1, 2, 3, 4, 5, 6]);
        for index in 0..2 {
            let (shape, bytes) = item_of(&whole, 2, index);
            assert_eq!(shape, [1, 3]);
            assert_eq!(bytes, &whole.data()[index * 3..(index + 1) * 3]);
        }
        let [one, other] = [[1, 2, 3], [4, 5, 6]].map(|bytes| part(&[1, 3], &bytes));
        let joined = join(&signature(1), vec![vec![one.clone()], vec![other.clone()]]);
        assert_eq!(joined.unwrap(), [whole]);
        for (outputs, items) in [
            (2, vec![vec![one.clone()]]),
            (1, vec![vec![one.clone(), other.clone()]]),
            (1, vec![vec![part(&[2, 3], &[0; 6])]]),
            (1, vec![vec![one.clone()], vec![part(&[1, 2], &[4, 5])]]),
            (1, vec![vec![part(&[], &[1])]]),
        ] {
            let error = join(&signature(outputs), items).unwrap_err();
            assert_eq!(error.code, crate::ErrorCode::RuntimeError);
        }
    }
}
