//! Tensors moved aside and back. A tensor is a row of planes, each of `rows` times `columns` values.

/// Moves every plane down and to the right by `by` values. What comes in at the edges repeats the edge.
pub(crate) fn aside(values: &[f32], rows: usize, columns: usize, by: usize) -> Vec<f32> {
    let mut moved = Vec::with_capacity(values.len());
    for plane in values.chunks_exact((rows * columns).max(1)) {
        for row in 0..rows {
            let from = row.saturating_sub(by) * columns;
            let Some(line) = plane.get(from..from + columns) else {
                continue;
            };
            let edge = line.first().copied().unwrap_or_default();
            moved.extend(std::iter::repeat_n(edge, by.min(columns)));
            moved.extend(line.iter().take(columns.saturating_sub(by)));
        }
    }
    moved
}

/// The mean of `values` and of `moved` moved back by `by`; where that one has been moved out of sight, `values` stay.
pub(crate) fn mean_with(values: &mut [f32], moved: &[f32], rows: usize, columns: usize, by: usize) {
    let plane = (rows * columns).max(1);
    for (values, moved) in values
        .chunks_exact_mut(plane)
        .zip(moved.chunks_exact(plane))
    {
        for row in 0..rows.saturating_sub(by) {
            let here = row * columns;
            let there = (row + by) * columns + by.min(columns);
            let seen = columns.saturating_sub(by);
            let (Some(values), Some(moved)) = (
                values.get_mut(here..here + seen),
                moved.get(there..there + seen),
            ) else {
                continue;
            };
            for (value, moved) in values.iter_mut().zip(moved) {
                *value = 0.5 * (*value + *moved);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_moved_aside_and_back_is_what_it_was() {
        let values: Vec<f32> = (0..2 * 3 * 4).map(|value| value as f32).collect();
        let moved = aside(&values, 3, 4, 1);
        assert_eq!(
            moved[..12],
            [0., 0., 1., 2., 0., 0., 1., 2., 4., 4., 5., 6.]
        );
        let mut mean = values.clone();
        mean_with(&mut mean, &moved, 3, 4, 1);
        assert_eq!(mean, values);
    }

    #[test]
    fn two_looks_weigh_the_same_and_the_edge_is_the_first_ones() {
        let mut values = vec![2.0; 6];
        mean_with(&mut values, &[4.0; 6], 2, 3, 1);
        assert_eq!(values, [3., 3., 2., 2., 2., 2.]);
    }
}
