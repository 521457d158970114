//! A beating-heart phantom: short-axis cine MR of a made-up chest whose ventricles have known volumes. It is a fixture and a
//! demonstration, no model of physiology and no patient: nothing in it was measured on anyone.
//!
//! What is known. The left cavity and the epicardium are half ellipsoids on a common base plane, so their volumes are closed
//! formulas and the heart is built to have exactly the volumes that were asked for; the wall keeps its volume while it
//! thickens. The right ventricle is an ellipsoid from which the epicardium is cut out; its volume is a double integral of
//! interval lengths, exact to a few parts in ten thousand, and its size is solved for the volume that was asked for. A
//! [`Truth`] goes with every frame. The [`Mask`] is what an ideal reader would draw: a voxel belongs to what fills most of it.
//!
//! What it looks like. Balanced steady-state contrast (blood and fat bright, muscle dark, lung nearly black), papillary muscles
//! that count as cavity, trabeculae, pericardial fat, chest wall with ribs, lung vessels, liver, spine and aorta, the shading
//! of a surface coil, Rician noise, partial volume. The base plane comes down in systole, so that atria and great vessels
//! enter the first slices as they do in patients. Slices run from base to apex; the right ventricle is on the image's left.
//!
//! ```
//! use cinecor_phantom::{Phantom, Settings};
//!
//! let settings = Settings::small();
//! let phantom = Phantom::generate(&settings)?;
//! let (ed, es) = (&phantom.truth[0], &phantom.truth[settings.es_frame()]);
//! let ef_percent = 100.0 * (1.0 - es.left_ventricle_ml / ed.left_ventricle_ml);
//! assert!((ef_percent - 60.0).abs() < 0.1);
//! # Ok::<(), cinecor_phantom::PhantomError>(())
//! ```

mod chest;
pub mod dicom;
mod heart;
mod random;

use cinecor_volume::{
    Frame, Geometry, Label, LabelFrame, Mask, Shape, Spacing, Volume, VolumeError,
};
use ndarray::{Array3, Array4, Axis};

use crate::chest::{Chest, Still};
use crate::heart::{Beat, Heart, Place};
use crate::random::Random;

pub use crate::heart::Truth;

/// Samples along each in-plane axis of a voxel near the heart.
const SAMPLES_IN_PLANE: usize = 2;

/// Samples through a slice near the heart, where slices are thick and surfaces oblique.
const SAMPLES_THROUGH_SLICE: usize = 5;

/// The most grey value that the phantom gives: that of 12-bit scanners, so that it can be stored in 16 bits.
pub const MAX_GREY: f32 = 4095.0;

/// Why a phantom cannot be made.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PhantomError {
    /// Sizes or spacings that no volume can have.
    #[error(transparent)]
    Volume(#[from] VolumeError),
    /// A volume of a ventricle that is none, or of which the smallest is above the largest.
    #[error("{what} is {found}, expected {expected}")]
    BadHeart {
        /// Which setting.
        what: &'static str,
        /// What was found.
        found: f64,
        /// What it has to be.
        expected: &'static str,
    },
    /// A field of view that does not hold the heart, whose truth would then be wrong.
    #[error(
        "the field of view is {found_mm:.0} mm along the {axis}, the heart needs {needed_mm:.0} mm; take more or thicker"
    )]
    FieldTooSmall {
        /// `columns`, `rows` or `slices`.
        axis: &'static str,
        /// Extent asked for, mm.
        found_mm: f64,
        /// Extent needed, mm.
        needed_mm: f64,
    },
}

/// Which heart, how it is scanned, and the seed of everything that is by chance.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Frames, slices, rows, columns.
    pub shape: Shape,
    /// Distances between voxels; slices have no gaps.
    pub spacing: Spacing,
    /// Length of a heart beat, ms.
    pub rr_ms: f64,
    /// Largest volume of the left cavity, ml.
    pub lv_edv_ml: f64,
    /// Smallest volume of the left cavity, ml.
    pub lv_esv_ml: f64,
    /// Largest volume of the right cavity, ml.
    pub rv_edv_ml: f64,
    /// Smallest volume of the right cavity, ml.
    pub rv_esv_ml: f64,
    /// Volume of the left ventricle's wall, ml; it stays the same.
    pub myocardium_ml: f64,
    /// Standard deviation of the noise in each of the two channels, in grey values (blood has about 230).
    pub noise_sd: f64,
    /// Seed of noise and texture: the same settings give the same phantom.
    pub seed: u64,
}

impl Default for Settings {
    /// A healthy adult as a 1.5 T scanner sees it: 30 frames of 12 slices, 256 x 208 pixels of 1.406 mm (360 mm field of view),
    /// 8 mm slices, EDV 130 and 150 ml, EF 60 and 55 %.
    fn default() -> Settings {
        Settings {
            shape: Shape {
                frames: 30,
                slices: 12,
                rows: 208,
                columns: 256,
            },
            spacing: Spacing {
                row_mm: 1.406_25,
                column_mm: 1.406_25,
                slice_mm: 8.0,
            },
            rr_ms: 900.0,
            lv_edv_ml: 130.0,
            lv_esv_ml: 52.0,
            rv_edv_ml: 150.0,
            rv_esv_ml: 67.5,
            myocardium_ml: 110.0,
            noise_sd: 5.0,
            seed: 1,
        }
    }
}

impl Settings {
    /// The same heart coarsely and in few frames, for tests that want a quick volume rather than a picture.
    pub fn small() -> Settings {
        Settings {
            shape: Shape {
                frames: 4,
                slices: 10,
                rows: 104,
                columns: 128,
            },
            spacing: Spacing {
                row_mm: 2.8125,
                column_mm: 2.8125,
                slice_mm: 10.0,
            },
            ..Settings::default()
        }
    }

    /// The frame with the smallest cavities.
    pub fn es_frame(&self) -> usize {
        heart::es_frame(self.shape.frames)
    }

    /// Time from frame to frame, ms; `None` for a single frame.
    pub fn frame_ms(&self) -> Option<f64> {
        (self.shape.frames > 1).then(|| self.rr_ms / self.shape.frames as f64)
    }

    fn check(&self) -> Result<(), PhantomError> {
        let shape = self.shape;
        Shape::new(shape.frames, shape.slices, shape.rows, shape.columns)?;
        Spacing::new(
            self.spacing.row_mm,
            self.spacing.column_mm,
            self.spacing.slice_mm,
        )?;
        let within = |what, found: f64, low: f64, high: f64, expected| {
            if (low..=high).contains(&found) {
                Ok(())
            } else {
                Err(PhantomError::BadHeart {
                    what,
                    found,
                    expected,
                })
            }
        };
        within("rr_ms", self.rr_ms, 200.0, 3000.0, "200 to 3000 ms")?;
        within("lv_edv_ml", self.lv_edv_ml, 40.0, 400.0, "40 to 400 ml")?;
        within("rv_edv_ml", self.rv_edv_ml, 40.0, 400.0, "40 to 400 ml")?;
        within(
            "lv_esv_ml",
            self.lv_esv_ml,
            10.0,
            self.lv_edv_ml,
            "10 ml to lv_edv_ml",
        )?;
        within(
            "rv_esv_ml",
            self.rv_esv_ml,
            10.0,
            self.rv_edv_ml,
            "10 ml to rv_edv_ml",
        )?;
        within(
            "myocardium_ml",
            self.myocardium_ml,
            40.0,
            400.0,
            "40 to 400 ml",
        )?;
        within(
            "noise_sd",
            self.noise_sd,
            0.0,
            200.0,
            "0 to 200 grey values",
        )
    }
}

/// One frame of the phantom.
#[derive(Clone)]
pub struct PhantomFrame {
    /// Grey values, shape `[Z, Y, X]`: whole numbers from 0 to [`MAX_GREY`].
    pub intensities: Frame,
    /// Label codes, shape `[Z, Y, X]`.
    pub labels: LabelFrame,
    /// The volumes that the heart has in this frame.
    pub truth: Truth,
}

/// Makes the frames of a phantom one by one.
pub struct Generator {
    settings: Settings,
    heart: Heart,
    /// What does not move, shape `[Z, Y, X]`.
    still: Array3<Still>,
}

impl Generator {
    /// Checks the settings and draws what does not move.
    ///
    /// # Errors
    /// Every [`PhantomError`].
    pub fn new(settings: &Settings) -> Result<Generator, PhantomError> {
        settings.check()?;
        let heart = Heart::new(settings);
        heart.fits(settings)?;
        let Shape {
            slices,
            rows,
            columns,
            ..
        } = settings.shape;
        let chest = Chest::new(&mut Random::new(settings.seed));
        let still = Array3::default((slices, rows, columns));
        let mut generator = Generator {
            settings: settings.clone(),
            heart,
            still,
        };
        let still = Array3::from_shape_fn((slices, rows, columns), |(slice, row, column)| {
            let [x, y, z] = generator.place(slice, row, column, [0.0; 3]);
            let mut sum = 0.0;
            for part_row in parts(SAMPLES_IN_PLANE) {
                for part_column in parts(SAMPLES_IN_PLANE) {
                    let [x, y, z] =
                        generator.place(slice, row, column, [0.0, part_row, part_column]);
                    sum += chest.grey(x, y, z);
                }
            }
            Still {
                grey: (sum / (SAMPLES_IN_PLANE * SAMPLES_IN_PLANE) as f64) as f32,
                ..chest.still(x, y, z)
            }
        });
        generator.still = still;
        Ok(generator)
    }

    /// Where the volume lies: columns to the left, rows backwards, slices towards the apex, its middle in the origin.
    pub fn geometry(&self) -> Geometry {
        let Shape {
            slices,
            rows,
            columns,
            ..
        } = self.settings.shape;
        let mut geometry = Geometry::axis_aligned(self.settings.spacing, self.settings.frame_ms());
        let middle = [columns, rows, slices].map(|count| (count as f64 - 1.0) / 2.0);
        // Scanner coordinates are RAS+: the image's right is the patient's left, and its lower edge the patient's back.
        for (axis, sign) in [-1.0, -1.0, -1.0].into_iter().enumerate() {
            for (row, values) in geometry.mm_from_voxel.iter_mut().enumerate() {
                if row == axis {
                    values[axis] *= sign;
                    values[3] = -values[axis] * middle[axis];
                }
            }
        }
        geometry
    }

    /// Draws one frame; the same frame is the same every time, whatever was drawn before.
    pub fn frame(&self, index: usize) -> PhantomFrame {
        let beat = self
            .heart
            .beat(heart::contraction(index, self.settings.shape.frames));
        let mut intensities = self.still.mapv(|still| still.grey);
        let mut labels = Array3::zeros(self.still.dim());
        for (((slice, row, column), still), (grey, code)) in self
            .still
            .indexed_iter()
            .zip(intensities.iter_mut().zip(labels.iter_mut()))
        {
            let [x, y, z] = self.place(slice, row, column, [0.0; 3]);
            if Beat::may_reach(x, y, z) {
                let (mean, label) = self.mixed(&beat, still, slice, row, column);
                *grey = mean;
                *code = label.code();
            }
        }
        self.scan(&mut intensities, index);
        PhantomFrame {
            intensities,
            labels,
            truth: beat.truth(),
        }
    }

    /// Mean grey of a voxel near the heart, and what fills most of it.
    fn mixed(
        &self,
        beat: &Beat,
        still: &Still,
        slice: usize,
        row: usize,
        column: usize,
    ) -> (f32, Label) {
        let mut sum = 0.0;
        let (label, samples) = most(&self.settings, beat, [slice, row, column], |place| {
            sum += still.heart_grey(place);
        });
        (sum / samples as f32, label)
    }

    /// Coil shading, noise, whole numbers.
    fn scan(&self, intensities: &mut Frame, index: usize) {
        let mut random = Random::new(
            self.settings.seed ^ (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        );
        let noise_sd = self.settings.noise_sd;
        for (grey, still) in intensities.iter_mut().zip(&self.still) {
            let signal = f64::from(*grey * still.coil);
            // Magnitude of a complex signal with noise in both channels: Rician.
            let real = signal + noise_sd * random.normal();
            let imaginary = noise_sd * random.normal();
            *grey = ((real * real + imaginary * imaginary).sqrt().round() as f32).min(MAX_GREY);
        }
    }

    fn place(&self, slice: usize, row: usize, column: usize, part: [f64; 3]) -> [f64; 3] {
        place(&self.settings, [slice, row, column], part)
    }
}

/// A place in the chest in mm: x to the image's right, y to its lower edge, both from its middle; z from the first edge of the first slice
/// towards the apex. A voxel is slice, row, column; `part` is an offset from its middle in voxels, in the same order.
fn place(settings: &Settings, [slice, row, column]: [usize; 3], part: [f64; 3]) -> [f64; 3] {
    let Shape { rows, columns, .. } = settings.shape;
    let Spacing {
        row_mm,
        column_mm,
        slice_mm,
    } = settings.spacing;
    let [part_slice, part_row, part_column] = part;
    [
        (column as f64 - (columns as f64 - 1.0) / 2.0 + part_column) * column_mm,
        (row as f64 - (rows as f64 - 1.0) / 2.0 + part_row) * row_mm,
        (slice as f64 + 0.5 + part_slice) * slice_mm,
    ]
}

/// What fills most of a voxel, and of how many samples; `each` sees what is at every sample.
fn most(
    settings: &Settings,
    beat: &Beat,
    voxel: [usize; 3],
    mut each: impl FnMut(Place),
) -> (Label, usize) {
    let mut counts = [0usize; 4];
    for part_slice in parts(SAMPLES_THROUGH_SLICE) {
        for part_row in parts(SAMPLES_IN_PLANE) {
            for part_column in parts(SAMPLES_IN_PLANE) {
                let [x, y, z] = place(settings, voxel, [part_slice, part_row, part_column]);
                let place = beat.at(x, y, z);
                each(place);
                if let Some(count) = counts.get_mut(usize::from(place.label().code())) {
                    *count += 1;
                }
            }
        }
    }
    let samples = counts.iter().sum::<usize>().max(1);
    // The last of equals: a structure rather than the background.
    let label = Label::ALL
        .into_iter()
        .zip(counts)
        .max_by_key(|(_, count)| *count)
        .map_or(Label::Background, |(label, _)| label);
    (label, samples)
}

/// One frame's truth without its picture, for grids so fine that a chest around the heart would take its time.
#[derive(Clone)]
pub struct TrueFrame {
    /// Label codes, shape `[Z, Y, X]`: what fills most of each voxel.
    pub labels: LabelFrame,
    /// The volumes that the heart has in this frame.
    pub truth: Truth,
    /// Thickness of the left ventricle's wall in the middle plane of each slice, mm, the same all around; `None` where there is no cavity.
    pub wall_mm: Vec<Option<f64>>,
}

impl TrueFrame {
    /// The frame of an index.
    ///
    /// # Errors
    /// Every [`PhantomError`].
    pub fn generate(settings: &Settings, index: usize) -> Result<TrueFrame, PhantomError> {
        settings.check()?;
        let heart = Heart::new(settings);
        heart.fits(settings)?;
        let beat = heart.beat(heart::contraction(index, settings.shape.frames));
        let Shape {
            slices,
            rows,
            columns,
            ..
        } = settings.shape;
        let labels = Array3::from_shape_fn((slices, rows, columns), |(slice, row, column)| {
            let voxel = [slice, row, column];
            let [x, y, z] = place(settings, voxel, [0.0; 3]);
            if Beat::may_reach(x, y, z) {
                most(settings, &beat, voxel, |_| ()).0.code()
            } else {
                Label::Background.code()
            }
        });
        let wall_mm = (0..slices)
            .map(|slice| beat.wall_mm((slice as f64 + 0.5) * settings.spacing.slice_mm))
            .collect();
        Ok(TrueFrame {
            labels,
            truth: beat.truth(),
            wall_mm,
        })
    }
}

/// Offsets of `count` samples that share a voxel evenly.
fn parts(count: usize) -> impl Iterator<Item = f64> {
    (0..count).map(move |index| (index as f64 + 0.5) / count as f64 - 0.5)
}

/// A whole phantom.
#[derive(Clone, Debug)]
pub struct Phantom {
    /// The cine.
    pub volume: Volume,
    /// Its labels.
    pub mask: Mask,
    /// The volumes of every frame.
    pub truth: Vec<Truth>,
}

impl Phantom {
    /// Makes all frames.
    ///
    /// # Errors
    /// Every [`PhantomError`].
    pub fn generate(settings: &Settings) -> Result<Phantom, PhantomError> {
        let generator = Generator::new(settings)?;
        let Shape {
            frames,
            slices,
            rows,
            columns,
        } = settings.shape;
        let mut intensities = Array4::zeros((frames, slices, rows, columns));
        let mut labels = Array4::zeros((frames, slices, rows, columns));
        let mut truth = Vec::with_capacity(frames);
        for index in 0..frames {
            let frame = generator.frame(index);
            intensities
                .index_axis_mut(Axis(0), index)
                .assign(&frame.intensities);
            labels.index_axis_mut(Axis(0), index).assign(&frame.labels);
            truth.push(frame.truth);
        }
        let geometry = generator.geometry();
        Ok(Phantom {
            volume: Volume {
                intensities,
                geometry: geometry.clone(),
            },
            mask: Mask { labels, geometry },
            truth,
        })
    }
}

impl Place {
    /// The label of what is there; papillary muscles are cavity.
    fn label(self) -> Label {
        match self {
            Place::LeftCavity | Place::Papillary => Label::LeftVentricle,
            Place::Wall => Label::Myocardium,
            Place::RightCavity | Place::Trabecula => Label::RightVentricle,
            _ => Label::Background,
        }
    }
}
