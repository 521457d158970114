//! Whether a structure hangs together: voxels that are not of its largest piece. Neighbours share a face, an edge or a corner, because the
//! wall is thin and slices are thick.

use cinecor_volume::Label;
use ndarray::ArrayView3;

use crate::Counts;

/// Voxels of each structure outside its largest piece in one frame, shape `[Z, Y, X]`.
pub(crate) fn stray(labels: ArrayView3<'_, u8>) -> Counts {
    let (slices, rows, columns) = labels.dim();
    let mut seen = vec![false; labels.len()];
    let mut largest = [0_u64; Label::ALL.len()];
    let mut all = [0_u64; Label::ALL.len()];
    let mut open = Vec::new();
    let at = |z: usize, y: usize, x: usize| (z * rows + y) * columns + x;
    for ((z, y, x), &code) in labels.indexed_iter() {
        let Some(of_label) = largest.get(usize::from(code)).copied() else {
            continue;
        };
        if code == Label::Background.code() || seen[at(z, y, x)] {
            continue;
        }
        let mut piece = 0_u64;
        seen[at(z, y, x)] = true;
        open.push((z, y, x));
        while let Some((z, y, x)) = open.pop() {
            piece += 1;
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
        all[usize::from(code)] += piece;
        largest[usize::from(code)] = of_label.max(piece);
    }
    let [_, right_ventricle, myocardium, left_ventricle] =
        [0, 1, 2, 3].map(|code| all[code] - largest[code]);
    Counts {
        right_ventricle,
        myocardium,
        left_ventricle,
    }
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
        assert_eq!(
            stray(labels.view()),
            Counts {
                right_ventricle: 0,
                myocardium: 1,
                left_ventricle: 1
            }
        );
    }
}
