//! Whether a structure hangs together: voxels that are not of its largest piece. Neighbours share a face, an edge or a corner, because the
//! wall is thin and slices are thick.

use cinecor_volume::Label;
use ndarray::ArrayView3;

use crate::Counts;

/// Voxels of each structure outside its largest piece in one frame, shape `[Z, Y, X]`, slice by slice.
pub(crate) fn stray(labels: ArrayView3<'_, u8>) -> Vec<Counts> {
    let (slices, rows, columns) = labels.dim();
    let mut seen = vec![false; labels.len()];
    // By structure: how many voxels each slice has of its largest piece, and of all.
    let none = || vec![0_u64; slices];
    let mut largest: [(u64, Vec<u64>); Label::ALL.len()] = std::array::from_fn(|_| (0, none()));
    let mut all: [Vec<u64>; Label::ALL.len()] = std::array::from_fn(|_| none());
    let mut piece = none();
    let mut open = Vec::new();
    let at = |z: usize, y: usize, x: usize| (z * rows + y) * columns + x;
    for ((z, y, x), &code) in labels.indexed_iter() {
        let of_label = usize::from(code);
        if of_label >= Label::ALL.len() || code == Label::Background.code() || seen[at(z, y, x)] {
            continue;
        }
        piece.fill(0);
        seen[at(z, y, x)] = true;
        open.push((z, y, x));
        while let Some((z, y, x)) = open.pop() {
            piece[z] += 1;
            for z in z.saturating_sub(1)..(z + 2).min(slices) {
                for y in y.saturating_sub(1)..(y + 2).min(rows) {
                    for x in x.saturating_sub(1)..(x + 2).min(columns) {
                        let place = at(z, y, x);
                        if !seen[place] && labels[[z, y, x]] == code {
                            seen[place] = true;
                            open.push((z, y, x));
                        }
                    }
                }
            }
        }
        for (all, piece) in all[of_label].iter_mut().zip(&piece) {
            *all += piece;
        }
        let voxels = piece.iter().sum();
        if voxels > largest[of_label].0 {
            largest[of_label].0 = voxels;
            std::mem::swap(&mut largest[of_label].1, &mut piece);
        }
    }
    let outside = |label: Label, z: usize| {
        let code = usize::from(label.code());
        all[code][z] - largest[code].1[z]
    };
    (0..slices)
        .map(|z| Counts {
            right_ventricle: outside(Label::RightVentricle, z),
            myocardium: outside(Label::Myocardium, z),
            left_ventricle: outside(Label::LeftVentricle, z),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::*;

    #[test]
    fn what_is_not_of_the_largest_piece_is_stray() {
        let mut labels = Array3::<u8>::zeros((3, 5, 6));
        // A cavity of 4 voxels that goes on in the next slice by a corner, and one voxel apart from it.
        labels.slice_mut(ndarray::s![0, 0..2, 0..2]).fill(3);
        labels[[1, 2, 2]] = 3;
        labels[[2, 4, 5]] = 3;
        // Two pieces of wall of one voxel each: one of them is the largest.
        labels[[0, 4, 0]] = 2;
        labels[[0, 4, 3]] = 2;
        let slice = |myocardium, left_ventricle| Counts {
            right_ventricle: 0,
            myocardium,
            left_ventricle,
        };
        assert_eq!(
            stray(labels.view()),
            [slice(1, 0), slice(0, 0), slice(0, 1)]
        );
    }
}
