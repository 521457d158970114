//! What can be wrong with a volume before it reaches the service, done to real volumes in memory, and volumes that show no heart at all.
//!
//! The list is fixed and seeded: the same patients give the same bytes. What moves voxels moves the experts' labels with them, so that Dice
//! stays on the grid of what was posted.

use anyhow::{Context, Result};
use cinecor_formats::{DataType, SourceHeader, VoxelFormat, encode_volume};
use cinecor_volume::{Geometry, Shape, Spacing};
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis, Zip, s};

use crate::random::SplitMix;
use crate::summary::quantile;

/// The most rows and columns that the service takes.
const SIDE_MAX: usize = 512;

/// End-diastole and end-systole of one heart on one grid, shape `[Z, Y, X]` each.
#[derive(Clone, Debug)]
pub(crate) struct Beat {
    pub(crate) images: [Array3<f32>; 2],
    /// The experts' codes.
    pub(crate) labels: [Array3<u8>; 2],
    pub(crate) spacing: Spacing,
}

/// One thing that is done to a volume. Lengths are mm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Change {
    Nothing,
    /// Noise of magnitude images, its deviation as a part of the brightest percent.
    RicianNoise(f64),
    /// A coil that hears one side: from side to side the volume is brighter by this factor.
    BiasField(f64),
    /// Gaussian in the plane.
    Blur(f64),
    /// So many quarter turns to the left.
    Turn(usize),
    FlipColumns,
    FlipRows,
    ReverseSlices,
    /// Another spacing in the plane: of rows and of columns.
    Resample(f64, f64),
    /// Every other slice left out, and the spacing doubled.
    ThickSlices,
    /// Grey values to this power, between the darkest and the brightest.
    Gamma(f64),
    /// Everything above this quantile is white.
    Saturate(f64),
    Invert,
    /// So many of the labelled slices missing from the base on, and all beyond.
    MissingBase(usize),
    /// The same from the apex on.
    MissingApex(usize),
    /// Each slice shifted by chance, with this deviation, as by a breath between them.
    Breathing(f64),
    /// The field cut so close to the heart on the left.
    HeartAtLeft(f64),
    /// The same above.
    HeartAtTop(f64),
    /// Both.
    HeartInCorner(f64),
    /// The field cut so close to the heart on all sides.
    TightField(f64),
    /// Black all around, the field this many times as wide.
    WideField(f64),
    /// The heart and this much around it replaced by noise as bright as the rest.
    HeartCutOut(f64),
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Degradation {
    /// In words.
    pub(crate) name: &'static str,
    pub(crate) change: Change,
}

const fn row(name: &'static str, change: Change) -> Degradation {
    Degradation { name, change }
}

/// Everything that is done to volumes that keep their heart. The first is what the others are held against.
pub(crate) const DEGRADATIONS: [Degradation; 38] = [
    row("as it is", Change::Nothing),
    row("noise, 5 % of the brightest", Change::RicianNoise(0.05)),
    row("noise, 10 %", Change::RicianNoise(0.10)),
    row("noise, 20 %", Change::RicianNoise(0.20)),
    row("noise, 40 %", Change::RicianNoise(0.40)),
    row(
        "bias field, 2 times from side to side",
        Change::BiasField(2.0),
    ),
    row("bias field, 5 times", Change::BiasField(5.0)),
    row("bias field, 12 times", Change::BiasField(12.0)),
    row("blur, SD 1 mm", Change::Blur(1.0)),
    row("blur, SD 2 mm", Change::Blur(2.0)),
    row("blur, SD 4 mm", Change::Blur(4.0)),
    row("turned by 90°", Change::Turn(1)),
    row("turned by 180°", Change::Turn(2)),
    row("turned by 270°", Change::Turn(3)),
    row("mirrored, left and right", Change::FlipColumns),
    row("mirrored, up and down", Change::FlipRows),
    row("slices from apex to base", Change::ReverseSlices),
    row("pixels of 0.7 mm", Change::Resample(0.7, 0.7)),
    row("pixels of 1.0 mm", Change::Resample(1.0, 1.0)),
    row("pixels of 1.4 mm", Change::Resample(1.4, 1.4)),
    row("pixels of 2.0 mm", Change::Resample(2.0, 2.0)),
    row("pixels of 1.0 by 2.0 mm", Change::Resample(1.0, 2.0)),
    row("every other slice", Change::ThickSlices),
    row("gamma 0.5", Change::Gamma(0.5)),
    row("gamma 2", Change::Gamma(2.0)),
    row("brightest tenth saturated", Change::Saturate(0.9)),
    row("inverted contrast", Change::Invert),
    row("1 basal slice missing", Change::MissingBase(1)),
    row("3 basal slices missing", Change::MissingBase(3)),
    row("1 apical slice missing", Change::MissingApex(1)),
    row("3 apical slices missing", Change::MissingApex(3)),
    row("slices shifted by breath, SD 4 mm", Change::Breathing(4.0)),
    row("heart 10 mm from the left edge", Change::HeartAtLeft(10.0)),
    row("heart 10 mm from the upper edge", Change::HeartAtTop(10.0)),
    row("heart 10 mm from a corner", Change::HeartInCorner(10.0)),
    row("field cut 10 mm around the heart", Change::TightField(10.0)),
    row(
        "field cut through the heart, 10 mm inside",
        Change::TightField(-10.0),
    ),
    row(
        "field 1.5 times as wide, black around",
        Change::WideField(1.5),
    ),
];

/// What leaves no heart in a volume of a patient.
pub(crate) const WITHOUT_HEART: Degradation = row("the heart cut out", Change::HeartCutOut(10.0));

impl Beat {
    /// The volume with this done to it. `seed` decides what is by chance.
    pub(crate) fn changed(&self, change: Change, seed: u64) -> Beat {
        let mut random = SplitMix::new(seed);
        match change {
            Change::Nothing => self.clone(),
            Change::RicianNoise(part) => {
                let sd = part * self.brightest();
                self.with_images(|image| {
                    image.mapv(|value| {
                        let real = f64::from(value) + sd * random.normal();
                        real.hypot(sd * random.normal()) as f32
                    })
                })
            }
            Change::BiasField(ratio) => {
                let angle = std::f64::consts::TAU * random.unit();
                self.with_images(|image| bias_field(image, ratio, angle))
            }
            Change::Blur(sd_mm) => self.with_images(|image| {
                let mut blurred = image.clone();
                for mut slice in blurred.axis_iter_mut(Axis(0)) {
                    let rows = blur_rows(slice.view(), sd_mm / self.spacing.row_mm);
                    let both = blur_rows(rows.t(), sd_mm / self.spacing.column_mm);
                    slice.assign(&both.t());
                }
                blurred
            }),
            Change::Turn(quarters) => (0..quarters % 4).fold(self.clone(), |beat, _| beat.turned()),
            Change::FlipColumns => self.viewed(|volume| volume.slice_move(s![.., .., ..;-1])),
            Change::FlipRows => self.viewed(|volume| volume.slice_move(s![.., ..;-1, ..])),
            Change::ReverseSlices => self.viewed(|volume| volume.slice_move(s![..;-1, .., ..])),
            Change::Resample(row_mm, column_mm) => self.resampled(row_mm, column_mm),
            Change::ThickSlices => Beat {
                spacing: Spacing {
                    slice_mm: 2.0 * self.spacing.slice_mm,
                    ..self.spacing
                },
                ..self.viewed(|volume| volume.slice_move(s![..;2, .., ..]))
            },
            Change::Gamma(power) => {
                let (low, high) = self.range();
                let width = (high - low).max(f32::MIN_POSITIVE);
                self.with_images(|image| {
                    image.mapv(|value| {
                        let part = f64::from((value - low) / width).clamp(0.0, 1.0);
                        low + width * part.powf(power) as f32
                    })
                })
            }
            Change::Saturate(part) => {
                let values: Vec<f64> = self.values().collect();
                let white = quantile(&values, part) as f32;
                self.with_images(|image| image.mapv(|value| value.min(white)))
            }
            Change::Invert => {
                let (low, high) = self.range();
                self.with_images(|image| image.mapv(|value| low + high - value))
            }
            Change::MissingBase(count) => self.without_slices(count, true),
            Change::MissingApex(count) => self.without_slices(count, false),
            Change::Breathing(sd_mm) => self.shifted(sd_mm, &mut random),
            Change::HeartAtLeft(room_mm) => self.cut([None, None, Some(room_mm), None]),
            Change::HeartAtTop(room_mm) => self.cut([Some(room_mm), None, None, None]),
            Change::HeartInCorner(room_mm) => self.cut([Some(room_mm), None, Some(room_mm), None]),
            Change::TightField(room_mm) => self.cut([Some(room_mm); 4]),
            Change::WideField(factor) => self.padded(factor),
            Change::HeartCutOut(room_mm) => self.without_heart(room_mm, &mut random),
        }
    }

    /// As NIfTI-1 of two frames, float32.
    ///
    /// # Errors
    /// A shape or a spacing that no volume can have.
    pub(crate) fn file(&self) -> Result<Vec<u8>> {
        file_of(&self.images, self.spacing)
    }

    fn with_images(&self, mut change: impl FnMut(&Array3<f32>) -> Array3<f32>) -> Beat {
        let [ed, es] = &self.images;
        Beat {
            images: [change(ed), change(es)],
            labels: self.labels.clone(),
            spacing: self.spacing,
        }
    }

    /// Another view of all voxels, of images and labels alike.
    fn viewed(&self, view: impl Fn(Places<'_>) -> Places<'_>) -> Beat {
        // The view of the voxels' numbers says where each voxel comes from.
        let [ed, _] = &self.images;
        let numbers = Array3::from_shape_fn(ed.dim(), |place| place);
        let places = view(numbers.view());
        let image =
            |from: &Array3<f32>| places.mapv(|place| from.get(place).copied().unwrap_or(0.0));
        let labels = |from: &Array3<u8>| places.mapv(|place| from.get(place).copied().unwrap_or(0));
        Beat {
            images: self.images.each_ref().map(image),
            labels: self.labels.each_ref().map(labels),
            spacing: self.spacing,
        }
    }

    fn turned(&self) -> Beat {
        let Spacing {
            row_mm,
            column_mm,
            slice_mm,
        } = self.spacing;
        Beat {
            spacing: Spacing {
                row_mm: column_mm,
                column_mm: row_mm,
                slice_mm,
            },
            // The last column becomes the first row.
            ..self.viewed(|volume| {
                let mut volume = volume;
                volume.swap_axes(1, 2);
                volume.slice_move(s![.., ..;-1, ..])
            })
        }
    }

    fn values(&self) -> impl Iterator<Item = f64> {
        self.images.iter().flatten().map(|&value| f64::from(value))
    }

    /// The 99th percentile of both phases.
    fn brightest(&self) -> f64 {
        quantile(&self.values().collect::<Vec<_>>(), 0.99)
    }

    fn range(&self) -> (f32, f32) {
        let all = self.images.iter().flatten().copied();
        all.fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), value| {
            (low.min(value), high.max(value))
        })
    }

    /// First and last index of the labels of both phases along an axis; the whole axis where nothing is labelled.
    fn extent(&self, axis: usize) -> (usize, usize) {
        let [ed, es] = &self.labels;
        let labelled: Vec<usize> = (0..ed.len_of(Axis(axis)))
            .filter(|&index| {
                [ed, es].iter().any(|labels| {
                    labels
                        .index_axis(Axis(axis), index)
                        .iter()
                        .any(|&code| code != 0)
                })
            })
            .collect();
        match (labelled.first(), labelled.last()) {
            (Some(&first), Some(&last)) => (first, last),
            _ => (0, ed.len_of(Axis(axis)) - 1),
        }
    }

    fn resampled(&self, row_mm: f64, column_mm: f64) -> Beat {
        let [ed, _] = &self.images;
        let (_, rows, columns) = ed.dim();
        let (down, across) = (
            Sampling::new(rows, self.spacing.row_mm, row_mm),
            Sampling::new(columns, self.spacing.column_mm, column_mm),
        );
        let image = |from: &Array3<f32>| {
            Array3::from_shape_fn(
                (from.len_of(Axis(0)), down.count, across.count),
                |(z, y, x)| {
                    let ((top, bottom, v), (left, right, h)) = (down.between(y), across.between(x));
                    let line =
                        |row: usize| from[[z, row, left]] * (1.0 - h) + from[[z, row, right]] * h;
                    line(top) * (1.0 - v) + line(bottom) * v
                },
            )
        };
        let labels = |from: &Array3<u8>| {
            Array3::from_shape_fn(
                (from.len_of(Axis(0)), down.count, across.count),
                |(z, y, x)| from[[z, down.nearest(y), across.nearest(x)]],
            )
        };
        Beat {
            images: self.images.each_ref().map(image),
            labels: self.labels.each_ref().map(labels),
            spacing: Spacing {
                row_mm,
                column_mm,
                ..self.spacing
            },
        }
    }

    fn without_slices(&self, count: usize, base: bool) -> Beat {
        let (first, last) = self.extent(0);
        let area = |slice: usize| {
            let [ed, _] = &self.labels;
            let codes = ed.index_axis(Axis(0), slice);
            codes.iter().filter(|&&code| code != 0).count()
        };
        // The base is the end at which more is labelled.
        let base_first = area(first) >= area(last);
        let [ed, _] = &self.images;
        let slices = ed.len_of(Axis(0));
        // At least one slice stays.
        let count = count.min(last - first);
        let kept = if base == base_first {
            first + count..slices
        } else {
            0..last + 1 - count
        };
        self.viewed(|volume| volume.slice_move(s![kept.clone(), .., ..]))
    }

    fn shifted(&self, sd_mm: f64, random: &mut SplitMix) -> Beat {
        let [ed, _] = &self.images;
        let (slices, rows, columns) = ed.dim();
        // A breath held anew for each slice: both phases of it move together.
        let shifts: Vec<(isize, isize)> = (0..slices)
            .map(|_| {
                let pixels = |mm: f64, step_mm: f64| (mm / step_mm).round() as isize;
                (
                    pixels(sd_mm * random.normal(), self.spacing.row_mm),
                    pixels(sd_mm * random.normal(), self.spacing.column_mm),
                )
            })
            .collect();
        let from = |index: usize, shift: isize, count: usize| {
            // What is shifted in is the edge itself.
            index.saturating_add_signed(-shift).min(count - 1)
        };
        let place = |(z, y, x): (usize, usize, usize)| {
            let (down, across) = shifts.get(z).copied().unwrap_or((0, 0));
            [z, from(y, down, rows), from(x, across, columns)]
        };
        Beat {
            images: self
                .images
                .each_ref()
                .map(|image| Array3::from_shape_fn(image.dim(), |at| image[place(at)])),
            labels: self
                .labels
                .each_ref()
                .map(|labels| Array3::from_shape_fn(labels.dim(), |at| labels[place(at)])),
            spacing: self.spacing,
        }
    }

    /// The field cut so close to the labels above, below, on the left and on the right; a side without a number stays.
    fn cut(&self, room_mm: [Option<f64>; 4]) -> Beat {
        let [above, below, left, right] = room_mm;
        let [ed, _] = &self.images;
        let (_, rows, columns) = ed.dim();
        let range =
            |axis: usize, count: usize, step_mm: f64, before: Option<f64>, after: Option<f64>| {
                let (first, last) = self.extent(axis);
                let pixels = |room_mm: f64| (room_mm / step_mm).round() as isize;
                let from = before.map_or(0, |room| {
                    first.saturating_add_signed(-pixels(room)).min(count - 1)
                });
                let to = after.map_or(count, |room| {
                    (last + 1).saturating_add_signed(pixels(room)).min(count)
                });
                from..to.max(from + 1)
            };
        let kept_rows = range(1, rows, self.spacing.row_mm, above, below);
        let kept_columns = range(2, columns, self.spacing.column_mm, left, right);
        self.viewed(|volume| volume.slice_move(s![.., kept_rows.clone(), kept_columns.clone()]))
    }

    fn padded(&self, factor: f64) -> Beat {
        let [ed, _] = &self.images;
        let (slices, rows, columns) = ed.dim();
        let wide = |count: usize| {
            ((factor * count as f64).round() as usize).clamp(count, SIDE_MAX.max(count))
        };
        let (new_rows, new_columns) = (wide(rows), wide(columns));
        let (top, left) = ((new_rows - rows) / 2, (new_columns - columns) / 2);
        let place = move |(z, y, x): (usize, usize, usize)| {
            Some((z, y.checked_sub(top)?, x.checked_sub(left)?))
        };
        let shape = (slices, new_rows, new_columns);
        let image = |from: &Array3<f32>| {
            Array3::from_shape_fn(shape, |at| {
                place(at)
                    .and_then(|at| from.get(at).copied())
                    .unwrap_or(0.0)
            })
        };
        let labels = |from: &Array3<u8>| {
            Array3::from_shape_fn(shape, |at| {
                place(at).and_then(|at| from.get(at).copied()).unwrap_or(0)
            })
        };
        Beat {
            images: self.images.each_ref().map(image),
            labels: self.labels.each_ref().map(labels),
            spacing: self.spacing,
        }
    }

    fn without_heart(&self, room_mm: f64, random: &mut SplitMix) -> Beat {
        let (rows, columns) = (self.extent(1), self.extent(2));
        let middle = |(first, last): (usize, usize)| (first + last) as f64 / 2.0;
        // An ellipse around the box of the labels: the box's corners lie on one that is √2 times as wide.
        let half = |(first, last): (usize, usize), step_mm: f64| {
            (last + 1 - first) as f64 / std::f64::consts::SQRT_2 + room_mm / step_mm
        };
        let (half_rows, half_columns) = (
            half(rows, self.spacing.row_mm),
            half(columns, self.spacing.column_mm),
        );
        let inside = |y: usize, x: usize| {
            let (v, h) = (
                (y as f64 - middle(rows)) / half_rows,
                (x as f64 - middle(columns)) / half_columns,
            );
            v.hypot(h) <= 1.0
        };
        let [ed, es] = &self.images;
        let rest: Vec<f64> = ed
            .indexed_iter()
            .filter(|((_, y, x), _)| !inside(*y, *x))
            .map(|(_, &value)| f64::from(value))
            .collect();
        let (level, spread) = (
            quantile(&rest, 0.5),
            (quantile(&rest, 0.75) - quantile(&rest, 0.25)) / 2.0,
        );
        let mut emptied = |image: &Array3<f32>| {
            let mut image = image.clone();
            for ((_, y, x), value) in image.indexed_iter_mut() {
                if inside(y, x) {
                    *value = (level + spread * random.normal()).max(0.0) as f32;
                }
            }
            image
        };
        Beat {
            images: [emptied(ed), emptied(es)],
            labels: self
                .labels
                .each_ref()
                .map(|labels| Array3::zeros(labels.dim())),
            spacing: self.spacing,
        }
    }
}

/// A view of the places of voxels.
type Places<'a> = ArrayView3<'a, (usize, usize, usize)>;

/// Two frames as NIfTI-1, float32.
fn file_of(frames: &[Array3<f32>; 2], spacing: Spacing) -> Result<Vec<u8>> {
    let [ed, _] = frames;
    let (slices, rows, columns) = ed.dim();
    let shape = Shape::new(2, slices, rows, columns)?;
    let spacing = Spacing::new(spacing.row_mm, spacing.column_mm, spacing.slice_mm)?;
    let header = SourceHeader::from_geometry(&Geometry::axis_aligned(spacing, None), shape);
    let raw: Vec<u8> = frames
        .iter()
        .flat_map(|frame| frame.iter())
        .flat_map(|value| value.to_le_bytes())
        .collect();
    encode_volume(&header, VoxelFormat::unscaled(DataType::F32), shape, &raw)
        .context("encoding a volume")
}

/// Where new pixels along one axis lie on the old ones; both share their middle. Cut to what the service takes.
struct Sampling {
    old: usize,
    count: usize,
    step: f64,
}

impl Sampling {
    fn new(old: usize, old_mm: f64, new_mm: f64) -> Self {
        Self {
            old,
            count: ((old as f64 * old_mm / new_mm).round() as usize).clamp(1, SIDE_MAX),
            step: new_mm / old_mm,
        }
    }

    fn place(&self, index: usize) -> f64 {
        let from_middle = index as f64 - (self.count - 1) as f64 / 2.0;
        (from_middle * self.step + (self.old - 1) as f64 / 2.0).clamp(0.0, (self.old - 1) as f64)
    }

    fn between(&self, index: usize) -> (usize, usize, f32) {
        let place = self.place(index);
        let before = place.floor() as usize;
        (
            before,
            (before + 1).min(self.old - 1),
            (place - before as f64) as f32,
        )
    }

    fn nearest(&self, index: usize) -> usize {
        self.place(index).round() as usize
    }
}

/// The volume times a field that grows by `ratio` from one side of the plane to the other, and is 1 in the middle.
fn bias_field(image: &Array3<f32>, ratio: f64, angle: f64) -> Array3<f32> {
    let (_, rows, columns) = image.dim();
    let part = |index: usize, count: usize| 2.0 * (index as f64 + 0.5) / count as f64 - 1.0;
    let mut changed = image.clone();
    for ((_, y, x), value) in changed.indexed_iter_mut() {
        let along = angle.sin() * part(y, rows) + angle.cos() * part(x, columns);
        *value *= (0.5 * ratio.ln() * along).exp() as f32;
    }
    changed
}

/// A slice blurred along its rows' direction, from row to row, by a Gaussian of so many pixels; edges repeat.
fn blur_rows(slice: ArrayView2<'_, f32>, sd: f64) -> Array2<f32> {
    // Beyond three deviations there is nothing to see.
    let reach = (3.0 * sd).ceil() as isize;
    let weights: Vec<f64> = (-reach..=reach)
        .map(|at| (-0.5 * (at as f64 / sd).powi(2)).exp())
        .collect();
    let sum: f64 = weights.iter().sum();
    let last = slice.nrows() - 1;
    let mut blurred = Array2::zeros(slice.dim());
    for (row, mut line) in blurred.rows_mut().into_iter().enumerate() {
        for (at, weight) in (-reach..=reach).zip(&weights) {
            let from = slice.row(row.saturating_add_signed(at).min(last));
            let weight = (weight / sum) as f32;
            Zip::from(&mut line)
                .and(&from)
                .for_each(|to, &from| *to += weight * from);
        }
    }
    blurred
}

/// Two equal frames that show no heart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blank {
    Uniform,
    Noise,
    /// A bright trunk with two dark lungs and a spine, and nothing between the lungs.
    Trunk,
}

impl Blank {
    /// All, with their words.
    pub(crate) const ALL: [(Blank, &'static str); 3] = [
        (Blank::Uniform, "one grey value"),
        (Blank::Noise, "noise alone"),
        (Blank::Trunk, "a trunk of ellipses without a heart"),
    ];

    /// As NIfTI-1 of two frames of 10 slices, 216 × 256 pixels of 1.5 mm.
    ///
    /// # Errors
    /// None that a fixed shape can have.
    pub(crate) fn file(self, seed: u64) -> Result<Vec<u8>> {
        let mut random = SplitMix::new(seed);
        let ellipse = |y: usize, x: usize, middle: (f64, f64), half: (f64, f64)| {
            ((y as f64 - middle.0) / half.0).hypot((x as f64 - middle.1) / half.1) <= 1.0
        };
        let frame = Array3::from_shape_fn((10, 216, 256), |(_, y, x)| {
            let level = match self {
                Blank::Uniform => return 100.0,
                Blank::Noise => 0.0,
                Blank::Trunk if ellipse(y, x, (170.0, 128.0), (18.0, 16.0)) => 150.0,
                Blank::Trunk
                    if [78.0, 178.0]
                        .iter()
                        .any(|&side| ellipse(y, x, (100.0, side), (52.0, 34.0))) =>
                {
                    20.0
                }
                Blank::Trunk if ellipse(y, x, (108.0, 128.0), (90.0, 118.0)) => 110.0,
                Blank::Trunk => 0.0,
            };
            let (real, imaginary): (f64, f64) =
                (level + 8.0 * random.normal(), 8.0 * random.normal());
            real.hypot(imaginary) as f32
        });
        file_of(&[frame.clone(), frame], Spacing::new(1.5, 1.5, 8.0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cinecor_formats::{Limits, decode};

    /// Six slices of 20 × 30 pixels; a block of labels in slices 1 to 4, larger towards slice 1; every voxel has its own grey.
    fn beat() -> Beat {
        let image = Array3::from_shape_fn((6, 20, 30), |(z, y, x)| (1000 * z + 30 * y + x) as f32);
        let mut labels = Array3::zeros((6, 20, 30));
        for slice in 1..5 {
            labels.slice_mut(s![slice, 8..14 - slice, 14..20]).fill(3);
        }
        Beat {
            images: [image.clone(), image + 1.0],
            labels: [labels.clone(), labels],
            spacing: Spacing::new(2.0, 1.0, 8.0).unwrap(),
        }
    }

    fn ml(beat: &Beat) -> f64 {
        beat.labels[0].iter().filter(|&&code| code != 0).count() as f64 * beat.spacing.voxel_ml()
    }

    #[test]
    fn every_degradation_can_be_posted_and_is_the_same_each_time() {
        let rows = DEGRADATIONS.iter().chain(std::iter::once(&WITHOUT_HEART));
        for row in rows {
            let changed = beat().changed(row.change, 7);
            let file = changed.file().unwrap();
            assert_eq!(
                file,
                beat().changed(row.change, 7).file().unwrap(),
                "{}",
                row.name
            );
            let volume = decode(&file, Limits::default()).unwrap().volume;
            let (slices, rows, columns) = changed.labels[1].dim();
            assert_eq!(
                volume.intensities.dim(),
                (2, slices, rows, columns),
                "{}",
                row.name
            );
            // A header holds float32.
            let apart_mm = |found: f64, expected: f64| (found - expected).abs();
            let (found, expected) = (volume.geometry.spacing, changed.spacing);
            assert!(
                apart_mm(found.row_mm, expected.row_mm) < 1e-6,
                "{}",
                row.name
            );
            assert!(
                apart_mm(found.column_mm, expected.column_mm) < 1e-6,
                "{}",
                row.name
            );
            assert!(
                apart_mm(found.slice_mm, expected.slice_mm) < 1e-6,
                "{}",
                row.name
            );
            assert!(
                row.change == Change::Nothing || file != beat().file().unwrap(),
                "{} does nothing",
                row.name
            );
        }
        for (blank, _) in Blank::ALL {
            assert!(decode(&blank.file(1).unwrap(), Limits::default()).is_ok());
        }
    }

    #[test]
    fn turns_and_flips_move_labels_with_voxels_and_keep_the_volume() {
        let original = beat();
        for change in [
            Change::Turn(1),
            Change::Turn(2),
            Change::Turn(3),
            Change::FlipColumns,
            Change::FlipRows,
            Change::ReverseSlices,
        ] {
            let changed = original.changed(change, 1);
            assert!((ml(&changed) - ml(&original)).abs() < 1e-9, "{change:?}");
            // The greys under the labels are the same, in another order.
            let greys = |beat: &Beat| {
                let pairs = beat.images[0].iter().zip(&beat.labels[0]);
                let mut found: Vec<i64> = pairs
                    .filter(|pair| *pair.1 != 0)
                    .map(|pair| *pair.0 as i64)
                    .collect();
                found.sort_unstable();
                found
            };
            assert_eq!(greys(&changed), greys(&original), "{change:?}");
        }
        let turned = original.changed(Change::Turn(1), 1);
        assert_eq!(turned.images[0].dim(), (6, 30, 20));
        assert_eq!(
            (turned.spacing.row_mm, turned.spacing.column_mm),
            (1.0, 2.0)
        );
        // To the left: the upper right corner becomes the upper left one.
        assert_eq!(turned.images[0][[0, 0, 0]], original.images[0][[0, 0, 29]]);
        assert_eq!(original.changed(Change::Turn(4), 1).images, original.images);
    }

    #[test]
    fn another_spacing_keeps_volume_and_brightness() {
        let original = beat();
        let changed = original.changed(Change::Resample(1.0, 0.5), 1);
        assert_eq!(changed.images[0].dim(), (6, 40, 60));
        assert!((ml(&changed) / ml(&original) - 1.0).abs() < 0.05);
        // A plane stays a plane: the mean is the same.
        let mean = |beat: &Beat| beat.images[0].mean().unwrap();
        assert!((mean(&changed) - mean(&original)).abs() < 1.0);
    }

    #[test]
    fn missing_slices_are_those_of_their_end() {
        let original = beat();
        // Labels lie in slices 1 to 4, the larger at slice 1: the base.
        let base = original.changed(Change::MissingBase(1), 1);
        assert_eq!(
            (base.images[0].dim().0, base.images[0][[0, 0, 0]]),
            (4, 2000.0)
        );
        let apex = original.changed(Change::MissingApex(2), 1);
        assert_eq!(
            (apex.images[0].dim().0, apex.images[0][[0, 0, 0]]),
            (3, 0.0)
        );
        // A stack from apex to base loses the same slices.
        let turned = original
            .changed(Change::ReverseSlices, 1)
            .changed(Change::MissingBase(1), 1);
        assert_eq!(ml(&turned), ml(&base));
        assert_eq!(
            original.changed(Change::MissingBase(99), 1).extent(0),
            (0, 0)
        );
    }

    #[test]
    fn a_cut_field_leaves_the_room_that_was_asked_for() {
        // Labels in rows 8 to 12 of 2 mm and columns 14 to 19 of 1 mm.
        let corner = beat().changed(Change::HeartInCorner(4.0), 1);
        assert_eq!((corner.extent(1).0, corner.extent(2).0), (2, 4));
        let tight = beat().changed(Change::TightField(2.0), 1);
        assert_eq!(tight.images[0].dim(), (6, 5 + 2, 6 + 4));
        let wide = beat().changed(Change::WideField(2.0), 1);
        assert_eq!(
            (wide.images[0].dim(), ml(&wide)),
            ((6, 40, 60), ml(&beat()))
        );
        assert_eq!(wide.images[0][[3, 0, 0]], 0.0);
    }

    #[test]
    fn grey_values_change_as_their_name_says() {
        let original = beat();
        let sd = |beat: &Beat| beat.images[0].std(0.0);
        // Far from black, Rician noise is Gaussian: its variance adds.
        let flat = original.with_images(|image| Array3::from_elem(image.dim(), 1000.0));
        let noisy = flat.changed(Change::RicianNoise(0.1), 3);
        assert!((sd(&noisy) / 100.0 - 1.0).abs() < 0.05, "{}", sd(&noisy));
        // A constant stays one under a blur, and a field of ratio 4 spans at most 4 along its direction and √2 times its logarithm.
        let blurred = flat.changed(Change::Blur(2.0), 3);
        assert!(
            blurred.images[0]
                .iter()
                .all(|value| (value - 1000.0).abs() < 0.01)
        );
        let field = flat.changed(Change::BiasField(4.0), 3);
        let (low, high) = field.range();
        assert!((2.0..=8.0).contains(&(high / low)), "{low} {high}");
        let inverted = original.changed(Change::Invert, 1);
        assert_eq!(inverted.changed(Change::Invert, 1).images, original.images);
        let (low, high) = original.range();
        let gamma = original.changed(Change::Gamma(2.0), 1);
        assert_eq!(gamma.range(), (low, high));
    }

    #[test]
    fn without_its_heart_a_volume_has_no_label_and_other_greys_there() {
        let original = beat();
        let emptied = original.changed(Change::HeartCutOut(1.0), 1);
        assert!(emptied.labels[0].iter().all(|&code| code == 0));
        let pairs = original.images[0]
            .iter()
            .zip(&emptied.images[0])
            .zip(&original.labels[0]);
        assert!(
            pairs
                .filter(|pair| *pair.1 != 0)
                .all(|((before, after), _)| before != after)
        );
        assert_eq!(emptied.images[0][[0, 0, 0]], original.images[0][[0, 0, 0]]);
    }
}
