//! What the mask of one frame says slice by slice: all that checks, rules and the wall's thickness need, so that the voxels can be let go.
//! No judgement here.

use cinecor_volume::{Label, Spacing};
use ndarray::{ArrayView2, ArrayView3, Axis, s};
use std::ops::Range;

use crate::wall::{SliceWall, Wall, WallShare};
use crate::{Counts, Error};

/// How the voxels of a study lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Distances between voxels.
    pub spacing: Spacing,
    /// Whether column, row and slice direction make a right-handed system in the patient. It decides which of the two places where the
    /// ventricles meet is in front. `None` when it is not known: then slices are taken to be shown as usual, seen from the apex, with the
    /// front upwards when the right ventricle is on the left.
    pub right_handed: Option<bool>,
    /// Whether pictures lie mirrored to how hearts are usually shown, as far as somebody has seen it in them. Where `right_handed` is not
    /// known, the front is then downwards when the right ventricle is on the left; where it is known, this says nothing.
    pub mirrored: bool,
}

/// One slice of one frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SliceProfile {
    /// Voxels of each structure.
    pub counts: Counts,
    /// Those of them that are not of the frame's largest piece of their structure; 0 where nobody has looked slice by slice.
    pub stray: Counts,
    /// The part of the left cavity's outline that the wall borders, 0 to 1; `None` without a cavity. The image's edge is no wall.
    pub enclosed: Option<f64>,
    /// Whether the right cavity borders the wall; `None` without a right cavity.
    pub beside: Option<bool>,
    /// Middle of the left ventricle, cavity and wall together, as row and column in mm; `None` where there is neither.
    pub middle_mm: Option<[f64; 2]>,
    /// Middle of the right cavity, likewise.
    pub right_middle_mm: Option<[f64; 2]>,
    /// Voxels of any structure in the picture's outermost rows and columns; `None` when nobody has looked.
    pub at_edge: Option<u64>,
    /// What it adds to the frame's wall; `None` when nobody has looked.
    pub wall: Option<WallShare>,
}

/// One frame.
#[derive(Clone, Debug, PartialEq)]
pub struct FrameProfile {
    /// Index of the frame in the study.
    pub frame: usize,
    /// Its slices, in the order of the volume.
    pub slices: Vec<SliceProfile>,
    /// Voxels of each structure that are not of its largest piece. Pieces hang together by faces, edges or corners.
    pub stray: Counts,
    /// How thick the wall is, and how wide the cavity.
    pub wall: Wall,
    /// How much brighter the left cavity is than the wall, in standard deviations of the grey values of either: the difference of the
    /// means over the root of the mean of the variances. `None` when the grey values were not at hand or one of the two is missing.
    pub contrast: Option<f64>,
}

impl FrameProfile {
    /// Looks at one frame of label codes, shape `[Z, Y, X]`, and at its grey values where they are at hand.
    ///
    /// # Errors
    /// A code that is no label, a spacing that is not above 0, and grey values of another shape.
    pub fn of(
        frame: usize,
        labels: ArrayView3<'_, u8>,
        intensities: Option<ArrayView3<'_, f32>>,
        grid: &Grid,
    ) -> Result<Self, Error> {
        crate::metrics::check_spacing(&grid.spacing)?;
        if let Some(intensities) = &intensities
            && intensities.dim() != labels.dim()
        {
            let (slices, rows, columns) = labels.dim();
            let (other_slices, other_rows, other_columns) = intensities.dim();
            return Err(Error::ShapesDiffer {
                reference: [1, other_slices, other_rows, other_columns],
                prediction: [1, slices, rows, columns],
            });
        }
        // A heart takes a small part of a picture, and everything below goes from voxel to voxel.
        let (_, height, width) = labels.dim();
        let (rows, columns) = around(labels);
        let picture = Picture {
            first: [rows.start, columns.start],
            last: [height.saturating_sub(1), width.saturating_sub(1)],
        };
        let part = s![.., rows, columns];
        let labels = labels.slice_move(part);
        let intensities = intensities.map(|values| values.slice_move(part));
        let mut slices = Vec::with_capacity(labels.len_of(Axis(0)));
        for slice in labels.axis_iter(Axis(0)) {
            slices.push(SliceProfile::of(slice, picture, &grid.spacing)?);
        }
        let toward_apex = long_axis(&slices).map(|axis| axis.apex > axis.base);
        let walls: Vec<Option<SliceWall>> = labels
            .axis_iter(Axis(0))
            .map(|slice| SliceWall::of(slice, &grid.spacing))
            .collect();
        let shares = WallShare::of(&walls, toward_apex, grid.right_handed, grid.mirrored);
        let stray = crate::pieces::stray(labels);
        for ((slice, share), stray) in slices.iter_mut().zip(&shares).zip(&stray) {
            slice.wall = Some(*share);
            slice.stray = *stray;
        }
        Ok(FrameProfile {
            frame,
            stray: stray
                .into_iter()
                .fold(Counts::default(), |sum, of| sum + of),
            wall: Wall::of(shares),
            contrast: intensities.and_then(|values| contrast(labels, values)),
            slices,
        })
    }

    /// Voxels of each structure in the whole frame.
    pub fn counts(&self) -> Counts {
        self.slices
            .iter()
            .fold(Counts::default(), |sum, slice| sum + slice.counts)
    }

    /// Whether all that is looked at now was looked at when this was made. A profile that was kept may be older.
    pub fn is_complete(&self) -> bool {
        self.slices.iter().all(|slice| slice.wall.is_some()) && self.has_stray_by_slice()
    }

    /// Whether it is known which slices the voxels apart are in.
    pub(crate) fn has_stray_by_slice(&self) -> bool {
        let sum = |sum: Counts, slice: &SliceProfile| sum + slice.stray;
        self.slices.iter().fold(Counts::default(), sum) == self.stray
    }
}

/// The rows and columns in which any slice of `[Z, Y, X]` is labelled, with one more on either side where the picture has one: there are no
/// neighbours of what is labelled but these. Empty where nothing is.
pub(crate) fn around(labels: ArrayView3<'_, u8>) -> (Range<usize>, Range<usize>) {
    let (_, height, width) = labels.dim();
    let (mut rows, mut columns) = (height..0, width..0);
    for slice in labels.outer_iter() {
        for (row, line) in slice.outer_iter().enumerate() {
            let Some(first) = line.iter().position(|&code| code != 0) else {
                continue;
            };
            let last = line.iter().rposition(|&code| code != 0).unwrap_or(first);
            rows = rows.start.min(row)..rows.end.max(row + 1);
            columns = columns.start.min(first)..columns.end.max(last + 1);
        }
    }
    if rows.is_empty() {
        return (0..0, 0..0);
    }
    (
        rows.start.saturating_sub(1)..(rows.end + 1).min(height),
        columns.start.saturating_sub(1)..(columns.end + 1).min(width),
    )
}

/// Where in a picture the part that is looked at lies.
#[derive(Clone, Copy)]
struct Picture {
    /// The part's first row and column.
    first: [usize; 2],
    /// The picture's last row and column.
    last: [usize; 2],
}

/// The middle of voxels, as they come.
#[derive(Default)]
struct Middle {
    rows: f64,
    columns: f64,
    voxels: f64,
}

impl Middle {
    fn add(&mut self, [row, column]: [usize; 2]) {
        self.rows += row as f64;
        self.columns += column as f64;
        self.voxels += 1.0;
    }

    fn mm(&self, spacing: &Spacing) -> Option<[f64; 2]> {
        (self.voxels > 0.0).then(|| {
            [
                self.rows / self.voxels * spacing.row_mm,
                self.columns / self.voxels * spacing.column_mm,
            ]
        })
    }
}

impl SliceProfile {
    /// Of a part of the slice of a picture.
    fn of(labels: ArrayView2<'_, u8>, picture: Picture, spacing: &Spacing) -> Result<Self, Error> {
        let counts = Counts::of(labels.insert_axis(Axis(0)))?;
        let mut cavity = Outline::default();
        let mut right = Outline::default();
        let (mut left_middle, mut right_middle) = (Middle::default(), Middle::default());
        let mut at_edge = 0;
        if counts == Counts::default() {
            return Ok(SliceProfile {
                at_edge: Some(0),
                ..SliceProfile::default()
            });
        }
        let Picture {
            first: [top, left],
            last,
        } = picture;
        for ((row, column), &code) in labels.indexed_iter() {
            let Some(label) = Label::from_code(code).filter(|&label| label != Label::Background)
            else {
                continue;
            };
            let at = [top + row, left + column];
            match label {
                Label::Myocardium | Label::LeftVentricle => left_middle.add(at),
                Label::RightVentricle => right_middle.add(at),
                Label::Background => (),
            }
            at_edge += u64::from(at.contains(&0) || at[0] == last[0] || at[1] == last[1]);
            let outline = match label {
                Label::LeftVentricle => &mut cavity,
                Label::RightVentricle => &mut right,
                Label::Background | Label::Myocardium => continue,
            };
            // A border between rows is as long as columns are apart, and the other way round.
            for (row, column, mm) in [
                (row.checked_sub(1), Some(column), spacing.column_mm),
                (row.checked_add(1), Some(column), spacing.column_mm),
                (Some(row), column.checked_sub(1), spacing.row_mm),
                (Some(row), column.checked_add(1), spacing.row_mm),
            ] {
                let beyond = row
                    .zip(column)
                    .and_then(|at| labels.get(at))
                    .and_then(|&code| Label::from_code(code))
                    .unwrap_or(Label::Background);
                outline.add(label, beyond, mm);
            }
        }
        Ok(SliceProfile {
            counts,
            stray: Counts::default(),
            enclosed: (counts.left_ventricle > 0).then(|| cavity.wall_mm / cavity.all_mm),
            beside: (counts.right_ventricle > 0).then_some(right.wall_mm > 0.0),
            middle_mm: left_middle.mm(spacing),
            right_middle_mm: right_middle.mm(spacing),
            at_edge: Some(at_edge),
            wall: None,
        })
    }

    /// Voxels of the left ventricle, cavity and wall.
    pub(crate) fn heart(&self) -> u64 {
        self.counts.left_ventricle + self.counts.myocardium
    }
}

/// The length of a structure's outline in a slice, and how much of it the wall borders.
#[derive(Default)]
struct Outline {
    all_mm: f64,
    wall_mm: f64,
}

impl Outline {
    fn add(&mut self, label: Label, beyond: Label, mm: f64) {
        if beyond != label {
            self.all_mm += mm;
            if beyond == Label::Myocardium {
                self.wall_mm += mm;
            }
        }
    }
}

/// The first and the last slice with any of the left ventricle, from base to apex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LongAxis {
    pub(crate) base: usize,
    pub(crate) apex: usize,
}

impl LongAxis {
    /// The slices from base to apex.
    pub(crate) fn slices(self) -> Box<dyn Iterator<Item = usize>> {
        if self.apex >= self.base {
            Box::new(self.base..=self.apex)
        } else {
            Box::new((self.apex..=self.base).rev())
        }
    }
}

/// Finds the ends. The ventricle is a cone: its middle of mass lies nearer to the base than the middle of its length does. Where both are
/// the same, the base comes first, as stacks are usually sent.
pub(crate) fn long_axis(slices: &[SliceProfile]) -> Option<LongAxis> {
    let first = slices.iter().position(|slice| slice.heart() > 0)?;
    let last = slices.iter().rposition(|slice| slice.heart() > 0)?;
    let (mut moment, mut mass) = (0.0, 0.0);
    for (z, slice) in slices.iter().enumerate() {
        moment += z as f64 * slice.heart() as f64;
        mass += slice.heart() as f64;
    }
    Some(if moment / mass <= (first + last) as f64 / 2.0 {
        LongAxis {
            base: first,
            apex: last,
        }
    } else {
        LongAxis {
            base: last,
            apex: first,
        }
    })
}

/// The slices with a left cavity, from base to apex; empty where there is none.
pub fn base_to_apex(slices: &[SliceProfile]) -> Vec<usize> {
    let along = long_axis(slices).into_iter().flat_map(LongAxis::slices);
    along
        .filter(|&slice| {
            let found = slices.get(slice);
            found.is_some_and(|slice| slice.counts.left_ventricle > 0)
        })
        .collect()
}

fn contrast(labels: ArrayView3<'_, u8>, intensities: ArrayView3<'_, f32>) -> Option<f64> {
    let (mut cavity, mut wall) = (Moments::default(), Moments::default());
    for (&code, &value) in labels.iter().zip(&intensities) {
        match Label::from_code(code) {
            Some(Label::LeftVentricle) => cavity.add(value),
            Some(Label::Myocardium) => wall.add(value),
            _ => (),
        }
    }
    let ((cavity_mean, cavity_variance), (wall_mean, wall_variance)) =
        (cavity.mean_and_variance()?, wall.mean_and_variance()?);
    let deviation = ((cavity_variance + wall_variance) / 2.0).sqrt();
    let contrast = (cavity_mean - wall_mean) / deviation;
    // Without any deviation, as in a picture of labels, there is nothing to compare with.
    contrast.is_finite().then_some(contrast)
}

/// Welford's running mean and sum of squares: grey values may be large and differ little.
#[derive(Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f32) {
        let value = f64::from(value);
        self.count += 1.0;
        let off = value - self.mean;
        self.mean += off / self.count;
        self.squares += off * (value - self.mean);
    }

    fn mean_and_variance(&self) -> Option<(f64, f64)> {
        (self.count > 0.0).then(|| (self.mean, self.squares / self.count))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array3, array};

    use super::*;

    const SPACING: Spacing = Spacing {
        row_mm: 2.0,
        column_mm: 1.0,
        slice_mm: 10.0,
    };
    const GRID: Grid = Grid {
        spacing: SPACING,
        right_handed: Some(true),
        mirrored: false,
    };

    /// A picture of three rows and three columns, all of which are looked at.
    const WHOLE: Picture = Picture {
        first: [0, 0],
        last: [2, 2],
    };

    #[test]
    fn an_outline_counts_by_its_length() {
        // A cavity of one voxel, 2 mm high and 1 mm wide: wall above, below and to the right, the right ventricle to the left.
        let slice = array![[0, 2, 0], [1, 3, 2], [0, 2, 0]];
        let found = SliceProfile::of(slice.view(), WHOLE, &SPACING).unwrap();
        // Above and below 1 mm each, right and left 2 mm each: 4 of 6 mm.
        assert_eq!(found.enclosed, Some(4.0 / 6.0));
        assert_eq!(found.beside, Some(false));
        assert_eq!(found.counts.myocardium, 3);
        // Rows 0, 1, 1, 2 of 2 mm; columns 1, 1, 2, 1 of 1 mm.
        assert_eq!(found.middle_mm, Some([2.0, 1.25]));
        // Row 1 of 2 mm, column 0.
        assert_eq!(found.right_middle_mm, Some([2.0, 0.0]));
        // All but the cavity; the corners are background.
        assert_eq!(found.at_edge, Some(4));
    }

    #[test]
    fn the_edge_of_the_image_is_no_wall() {
        let found = SliceProfile::of(array![[3, 2]].view(), WHOLE, &SPACING).unwrap();
        // 1 + 1 + 2 mm of the edge and 2 mm of wall.
        assert_eq!(found.enclosed, Some(2.0 / 6.0));
    }

    #[test]
    fn what_is_looked_at_holds_every_label_and_its_neighbours() {
        let mut labels = Array3::<u8>::zeros((2, 6, 8));
        assert_eq!(around(labels.view()), (0..0, 0..0));
        labels[[0, 2, 3]] = 3;
        assert_eq!(around(labels.view()), (1..4, 2..5));
        // Another slice reaches to the picture's corner.
        labels[[1, 5, 7]] = 1;
        assert_eq!(around(labels.view()), (1..6, 2..8));
        let found = FrameProfile::of(0, labels.view(), None, &GRID).unwrap();
        assert_eq!(found.counts().left_ventricle, 1);
        // The picture's edge is not that of what is looked at.
        assert_eq!(
            [found.slices[0].at_edge, found.slices[1].at_edge],
            [Some(0), Some(1)]
        );
        assert_eq!(found.slices[1].right_middle_mm, Some([10.0, 7.0]));
        assert_eq!(found.slices[0].middle_mm, Some([4.0, 3.0]));
        assert_eq!(found.slices[0].enclosed, Some(0.0));
    }

    #[test]
    fn the_wider_half_is_the_base() {
        let slices = |voxels: &[u64]| -> Vec<SliceProfile> {
            voxels
                .iter()
                .map(|&left_ventricle| SliceProfile {
                    counts: Counts {
                        left_ventricle,
                        ..Counts::default()
                    },
                    ..SliceProfile::default()
                })
                .collect()
        };
        let axis = |voxels: &[u64]| long_axis(&slices(voxels)).map(|axis| (axis.base, axis.apex));
        assert_eq!(axis(&[0, 9, 8, 5, 1, 0]), Some((1, 4)));
        assert_eq!(axis(&[0, 1, 5, 8, 9]), Some((4, 1)));
        assert_eq!(axis(&[4, 4]), Some((0, 1)));
        assert_eq!(axis(&[0, 0]), None);
        let along = |voxels: &[u64]| base_to_apex(&slices(voxels));
        assert_eq!(along(&[0, 1, 0, 8, 9]), [4, 3, 1]);
        assert_eq!(along(&[9, 8, 1]), [0, 1, 2]);
        assert!(along(&[0, 0]).is_empty());
    }

    #[test]
    fn a_profile_is_complete_with_what_each_slice_adds() {
        // A piece of two voxels, and one apart in another slice.
        let mut labels = Array3::<u8>::zeros((3, 3, 3));
        labels[[0, 0, 0]] = 3;
        labels[[0, 0, 1]] = 3;
        labels[[2, 2, 2]] = 3;
        let made = FrameProfile::of(0, labels.view(), None, &GRID).unwrap();
        assert_eq!(made.stray.left_ventricle, 1);
        assert!(made.is_complete());
        let mut without_wall = made.clone();
        without_wall.slices[1].wall = None;
        assert!(!without_wall.is_complete());
        let mut without_stray = made.clone();
        without_stray.slices[2].stray = Counts::default();
        assert!(!without_stray.is_complete());
        // Where nothing lies apart, no slice has any of it.
        without_stray.stray = Counts::default();
        assert!(without_stray.is_complete());
    }

    #[test]
    fn contrast_by_hand() {
        let labels = Array3::from_shape_vec((1, 1, 4), vec![3, 3, 2, 2]).unwrap();
        let values = Array3::from_shape_vec((1, 1, 4), vec![110.0, 90.0, 45.0, 35.0]).unwrap();
        // Means 100 and 40, variances 100 and 25.
        let expected = 60.0 / 62.5_f64.sqrt();
        let found = contrast(labels.view(), values.view()).unwrap();
        assert!((found - expected).abs() < 1e-12, "{found}");
        let even = Array3::from_elem((1, 1, 4), 7.0_f32);
        assert_eq!(contrast(labels.view(), even.view()), None);
    }

    #[test]
    fn grey_values_of_another_shape_are_refused() {
        let labels = Array3::<u8>::zeros((1, 2, 2));
        let values = Array3::<f32>::zeros((1, 2, 3));
        let found = FrameProfile::of(0, labels.view(), Some(values.view()), &GRID);
        assert!(matches!(found, Err(Error::ShapesDiffer { .. })));
    }
}
