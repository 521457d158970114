//! The largest connected component of each structure in a frame. Works on runs of equal labels, not on voxels: a heart is a few
//! thousand runs. No anatomy beyond "one piece each".

use crate::FrameGrid;
use crate::evidence::Evidence;

/// A stretch of one label in one row.
struct Run {
    label: u8,
    start: u32,
    /// One past the last column.
    end: u32,
}

/// Keeps, of every label but 0, the largest component of `labels` (`[Z, Y, X]` on `grid`); of equals the one that comes first in
/// scan order. With a `share`, components of at least that share of the largest one's voxels stay too: a ventricle that one badly seen
/// slice parts is two halves, of which neither is an error. Neighbours share a face or, with `corners`, also an edge or a corner (26 of them rather than 6). What is removed becomes 0 in `labels` and in `confidence`:
/// nothing is known of what replaces it. It is taken out of `evidence` and counted there.
///
/// Slices of another length than `grid` are left as they are beyond the shorter of the two.
pub fn keep_largest(
    labels: &mut [u8],
    confidence: &mut [u8],
    grid: &FrameGrid,
    corners: bool,
    share: Option<f64>,
    evidence: &mut Evidence,
) {
    let columns = grid.columns as usize;
    let rows = grid.rows as usize;
    if columns == 0 || rows == 0 {
        return;
    }
    let mut runs: Vec<Run> = Vec::new();
    // `starts[r]..starts[r + 1]` are the runs of row `r`, counted over all slices.
    let mut starts: Vec<usize> = Vec::with_capacity(rows * grid.slices as usize + 1);
    for row in labels.chunks_exact(columns) {
        starts.push(runs.len());
        find_runs(row, &mut runs);
    }
    let row_count = starts.len();
    starts.push(runs.len());

    let mut parent: Vec<usize> = (0..runs.len()).collect();
    for row in 0..row_count {
        let y = row % rows;
        let mut neighbours = [None; 4];
        if y > 0 {
            neighbours[0] = Some(row - 1);
        }
        if row >= rows {
            let below = row - rows;
            neighbours[1] = (corners && y > 0).then(|| below - 1);
            neighbours[2] = Some(below);
            neighbours[3] = (corners && y + 1 < rows).then_some(below + 1);
        }
        for other in neighbours.into_iter().flatten() {
            join(
                &runs,
                &mut parent,
                corners,
                starts[row]..starts[row + 1],
                starts[other]..starts[other + 1],
            );
        }
    }

    // The root of a component is its first run in scan order, so that a strict comparison keeps the first of equals.
    let mut sizes = vec![0_u64; runs.len()];
    for (index, run) in runs.iter().enumerate() {
        sizes[root(&mut parent, index)] += u64::from(run.end - run.start);
    }
    let mut best: [Option<usize>; 256] = [None; 256];
    for (index, run) in runs.iter().enumerate() {
        let slot = &mut best[usize::from(run.label)];
        if sizes[index] > slot.map_or(0, |kept| sizes[kept]) {
            *slot = Some(index);
        }
    }
    for row in 0..row_count {
        let here = starts[row]..starts[row + 1];
        for (run, index) in runs[here.clone()].iter().zip(here) {
            let component = root(&mut parent, index);
            let largest = best[usize::from(run.label)];
            let is_large = largest.zip(share).is_some_and(|(largest, share)| {
                sizes[component] as f64 >= share * sizes[largest] as f64
            });
            if largest == Some(component) || is_large {
                continue;
            }
            let range = row * columns + run.start as usize..row * columns + run.end as usize;
            evidence.remove(run.label, confidence.get(range.clone()).unwrap_or_default());
            for voxels in [labels.get_mut(range.clone()), confidence.get_mut(range)]
                .into_iter()
                .flatten()
            {
                voxels.fill(0);
            }
        }
    }
}

/// Adds the runs of one row to `runs`.
fn find_runs(row: &[u8], runs: &mut Vec<Run>) {
    let mut at = 0;
    while at < row.len() {
        // Background is nearly everything: skip it sixteen voxels at a time.
        while let Some(chunk) = row
            .get(at..at + 16)
            .and_then(|chunk| <[u8; 16]>::try_from(chunk).ok())
        {
            if u128::from_ne_bytes(chunk) != 0 {
                break;
            }
            at += 16;
        }
        let Some(offset) = row[at..].iter().position(|&label| label != 0) else {
            return;
        };
        at += offset;
        let label = row[at];
        let length = row[at..]
            .iter()
            .position(|&other| other != label)
            .unwrap_or(row.len() - at);
        runs.push(Run {
            label,
            start: at as u32,
            end: (at + length) as u32,
        });
        at += length;
    }
}

/// Joins the runs of two neighbouring rows that touch and carry one label.
fn join(
    runs: &[Run],
    parent: &mut [usize],
    corners: bool,
    here: std::ops::Range<usize>,
    there: std::ops::Range<usize>,
) {
    let mut join_if_touching = |a: usize, b: usize| {
        let (one, other) = (&runs[a], &runs[b]);
        // Ends are one past the last column: with corners, a run that starts there still touches.
        let reach = u32::from(corners);
        if one.label == other.label
            && one.start < other.end + reach
            && other.start < one.end + reach
        {
            let (one, other) = (root(parent, a), root(parent, b));
            parent[one.max(other)] = one.min(other);
        }
    };
    let (mut a, mut b) = (here.start, there.start);
    while a < here.end && b < there.end {
        join_if_touching(a, b);
        match runs[a].end.cmp(&runs[b].end) {
            std::cmp::Ordering::Less => a += 1,
            std::cmp::Ordering::Greater => b += 1,
            // Where both end in one column, each still touches the corner of the run that follows the other.
            std::cmp::Ordering::Equal => {
                if a + 1 < here.end {
                    join_if_touching(a + 1, b);
                }
                if b + 1 < there.end {
                    join_if_touching(a, b + 1);
                }
                a += 1;
                b += 1;
            }
        }
    }
}

/// The first run of the component of `run`, shortening the way for the next time.
fn root(parent: &mut [usize], mut run: usize) -> usize {
    while parent[run] != run {
        parent[run] = parent[parent[run]];
        run = parent[run];
    }
    run
}
