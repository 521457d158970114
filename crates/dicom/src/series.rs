//! Many images to one short-axis cine: which images lie in one stack, which stack is the short axis, and which image is which slice in
//! which frame.
//!
//! Places along the normal and times in the heart beat decide, never the order of files, the instance number or the slice location.
//! Images are put into a fixed order by the digests of their files before anything is chosen, so that the same files give the same cine
//! in whatever order they came.
//!
//! What tells a short axis: several parallel slices with several frames each, whose normal lies near to where the long axis of a heart
//! points ([`LONG_AXIS`]). Words of the description (`SAX`, `4ch`) are evidence where the directions leave a doubt; they are never
//! repeated.

use std::collections::{BTreeMap, BTreeSet};

use cinecor_formats::{Warning, WarningCode};
use cinecor_volume::{Geometry, Shape, ShapeLimits, Spacing, VolumeError};

/// Where the long axis of the left ventricle points, from base to apex, in patient coordinates (left, back, up): to the left and to the
/// front by the same amount, and a little less down. The two short-axis stacks of the Sunnybrook cases in hand lie 2 and 12 degrees from
/// it.
const LONG_AXIS: [f64; 3] = [0.634, -0.634, -0.444];

/// A stack whose normal is at most this far from [`LONG_AXIS`] is a short axis without a doubt. Hearts differ by about 25 degrees; no
/// plane along a body's axis is nearer than 50.
const SURE_DEGREES: f64 = 40.0;

/// A stack whose normal is farther from [`LONG_AXIS`] than this stands along the heart: the normals of two-, three- and four-chamber
/// views are perpendicular to the axis of their heart, which differs by about 25 degrees.
const REFUSED_DEGREES: f64 = 65.0;

/// Images whose directions differ by no more than this belong to one stack; those of a scanner are equal to the last digit, those that
/// were planned anew differ by more.
const SAME_DIRECTION_DEGREES: f64 = 3.0;

/// Directions that differ by more than this are told.
const TOLD_DIRECTION_DEGREES: f64 = 0.1;

/// Images that are no farther apart than this along the normal show one slice.
const SAME_PLACE_MM: f64 = 0.5;

/// Images that are no farther apart than this in the heart beat show one moment. Frames of a cine are 15 to 60 ms apart.
const SAME_TIME_MS: f64 = 0.5;

/// Distances between slices that differ from their median by more than this share are told, and by more than the second are refused.
const UNEVEN_TOLD: f64 = 0.02;
const UNEVEN_REFUSED: f64 = 0.25;

/// A distance of this many medians and more is a slice that is missing.
const MISSING_FROM: f64 = 1.5;

/// Slices that are shifted in their plane against a straight line by more are told, and by more than the second are refused.
const SHIFT_TOLD_MM: f64 = 1.0;
const SHIFT_REFUSED_MM: f64 = 10.0;

/// The time between frames of the header and of the trigger times may differ by this share; beyond it the trigger times are believed,
/// because a cine that is triggered forwards leaves the end of the beat out.
const FRAME_TIME_DIFFERENCE: f64 = 0.05;

/// A direction or a place in patient coordinates, mm: left, back, up.
pub(crate) type Vector = [f64; 3];

/// What the words of a series are evidence for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    /// Of a short axis.
    pub(crate) short_axis: bool,
    /// Of a view along the heart, of an axis of the body, or of a localizer.
    pub(crate) other_view: bool,
    /// Of a picture of flow, perfusion, scar, tags or relaxation times.
    pub(crate) other_contrast: bool,
}

/// One image: where it lies, when it was taken, and what it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Plane {
    /// Number of its file, and of the frame in it.
    pub(crate) file: usize,
    pub(crate) frame: usize,
    /// SHA-256 of the file.
    pub(crate) digest: [u8; 32],
    /// Number of its SOP instance and of its series: equal numbers, equal identifiers.
    pub(crate) instance: usize,
    pub(crate) series: usize,
    pub(crate) rows: usize,
    pub(crate) columns: usize,
    /// Centre of the first voxel, mm.
    pub(crate) position: Vector,
    /// From column to column, and from row to row; unit vectors at right angles.
    pub(crate) row_direction: Vector,
    pub(crate) column_direction: Vector,
    /// From row to row, and from column to column.
    pub(crate) spacing_mm: [f64; 2],
    /// From slice to slice as the header says it, or else the thickness.
    pub(crate) slice_mm: Option<f64>,
    /// Since the R wave.
    pub(crate) trigger_ms: Option<f64>,
    /// Its number in time, where the file gives one.
    pub(crate) time_index: Option<f64>,
    /// From R wave to R wave.
    pub(crate) rr_ms: Option<f64>,
    /// Anything that orders acquisitions: seconds of the day.
    pub(crate) taken_at: f64,
    /// Shows magnitudes, and not phase, real or imaginary parts.
    pub(crate) is_magnitude: bool,
    pub(crate) echo_ms: Option<f64>,
    pub(crate) words: Words,
    /// `value = slope x stored + intercept`.
    pub(crate) rescale: Option<(f64, f64)>,
}

/// Why there is no cine in the files. The text says what was found, what was expected and what to do; no text of a header is in it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SeriesError {
    /// No file with an image that has a place.
    #[error(
        "none of the {files} DICOM files holds an image of a scanner with its position, orientation and pixel spacing; send the short-axis cine as it came from the scanner"
    )]
    NoImages {
        /// How many DICOM files there are.
        files: usize,
    },
    /// More images than allowed.
    #[error(
        "the DICOM files hold more than {limit} images together, which is the limit; send the short-axis cine alone"
    )]
    TooManyImages {
        /// The limit.
        limit: usize,
    },
    /// Images, but none of a magnetic resonance scanner.
    #[error(
        "among the images, {images} in all, none is of magnetic resonance: the modality (0008,0060) of a file must be MR, found {found}; send the short-axis cine of cardiac MR"
    )]
    NotMagneticResonance {
        /// How many there are.
        images: usize,
        /// What they are.
        found: String,
    },
    /// Files of more than one patient.
    #[error(
        "the files are of {patients} different patients, by their patient ID (0010,0020); send the files of one patient"
    )]
    SeveralPatients {
        /// How many.
        patients: usize,
    },
    /// Nothing moves.
    #[error(
        "there is no cine among the {images} images: every place was imaged once ({found}), as in a localizer or in still pictures; send the short-axis cine, several parallel slices with the frames of a heart beat each"
    )]
    NoCine {
        /// How many images there are.
        images: usize,
        /// What they are.
        found: String,
    },
    /// Cines, but none across the heart.
    #[error(
        "there is no short-axis cine among the images, only {found}; send the short-axis stack: parallel slices across the left ventricle from base to apex, with the frames of a heart beat each"
    )]
    NotShortAxis {
        /// What there is.
        found: String,
    },
    /// The frames cannot be put in order.
    #[error(
        "the images of a slice have no times to order them by: expected a different TriggerTime (0018,1060), nominal trigger delay (0020,9153) or temporal position in each of the {images} images; export the series again with them"
    )]
    NoTimes {
        /// How many images the first such slice has.
        images: usize,
    },
    /// Two images that differ show the same slice at the same time.
    #[error(
        "slice {slice} has {images} images for {times} times in the heart beat, and they are no copies of each other; send one acquisition of the short axis"
    )]
    Conflict {
        /// The slice from 0, base first.
        slice: usize,
        /// Its images.
        images: usize,
        /// Its different times.
        times: usize,
    },
    /// A slice within the stack is not there.
    #[error(
        "a slice is missing: slices {before} and {after} are {gap_mm:.1} mm apart, all others {step_mm:.1} mm; send the files of all slices"
    )]
    MissingSlice {
        /// The slice before the gap, from 0, base first.
        before: usize,
        /// The slice behind it.
        after: usize,
        /// The distance.
        gap_mm: f64,
        /// The usual distance.
        step_mm: f64,
    },
    /// A slice within the stack has almost no frames.
    #[error(
        "slice {slice} has {found} of {frames} frames; send the files of all its frames, or leave the slices beyond it out"
    )]
    MissingFrames {
        /// The slice from 0, base first.
        slice: usize,
        /// Its frames.
        found: usize,
        /// Frames of the others.
        frames: usize,
    },
    /// Slices that no even grid describes.
    #[error(
        "the slices are {least_mm:.1} to {most_mm:.1} mm apart; expected even distances, send a stack that was acquired as one"
    )]
    UnevenSlices {
        /// The smallest distance.
        least_mm: f64,
        /// The largest.
        most_mm: f64,
    },
    /// Slices that do not lie behind one another.
    #[error(
        "slice {slice} lies {shift_mm:.1} mm beside the line of the others in its plane; send a stack that was acquired as one"
    )]
    ShiftedSlices {
        /// The slice from 0, base first.
        slice: usize,
        /// How far.
        shift_mm: f64,
    },
    /// One slice that does not say how thick it is.
    #[error(
        "there is one slice, and neither SpacingBetweenSlices (0018,0088) nor SliceThickness (0018,0050) say how thick it is; send the whole stack"
    )]
    NoThickness,
    /// A size, a spacing or a place that cannot be.
    #[error("{0}")]
    Geometry(#[from] VolumeError),
}

impl SeriesError {
    /// A stable name of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            SeriesError::NoImages { .. } => "no_images",
            SeriesError::TooManyImages { .. } => "too_many_images",
            SeriesError::NotMagneticResonance { .. } => "not_mr",
            SeriesError::SeveralPatients { .. } => "several_patients",
            SeriesError::NoCine { .. } => "no_cine",
            SeriesError::NotShortAxis { .. } => "not_short_axis",
            SeriesError::NoTimes { .. } => "no_frame_times",
            SeriesError::Conflict { .. } => "conflicting_images",
            SeriesError::MissingSlice { .. } => "missing_slice",
            SeriesError::MissingFrames { .. } => "missing_frames",
            SeriesError::UnevenSlices { .. } => "uneven_slices",
            SeriesError::ShiftedSlices { .. } => "shifted_slices",
            SeriesError::NoThickness => "no_thickness",
            SeriesError::Geometry(VolumeError::TooLarge { .. }) => "too_large",
            SeriesError::Geometry(_) => "bad_geometry",
        }
    }
}

/// A short-axis cine.
#[derive(Clone, Debug)]
pub(crate) struct Cine {
    /// Number of the image of each frame and slice, `[T][Z]`, base first.
    pub(crate) grid: Vec<Vec<usize>>,
    pub(crate) shape: Shape,
    pub(crate) geometry: Geometry,
    pub(crate) warnings: Vec<Warning>,
}

/// Finds the short-axis cine among images.
pub(crate) fn find(planes: &[Plane], limits: &ShapeLimits) -> Result<Cine, SeriesError> {
    let mut order: Vec<&Plane> = planes.iter().collect();
    order.sort_by_key(|plane| (plane.digest, plane.frame, plane.file));
    let stacks: Vec<Stack<'_>> = stacked(&order).into_iter().map(Stack::of).collect();
    let chosen = stacks
        .iter()
        .enumerate()
        .filter(|(_, stack)| matches!(stack.kind(), Kind::ShortAxis))
        .max_by(|(_, a), (_, b)| {
            a.rank()
                .partial_cmp(&b.rank())
                .unwrap_or(std::cmp::Ordering::Equal)
        });
    let Some((index, stack)) = chosen else {
        let found = described(stacks.iter());
        return Err(match stacks.iter().any(|stack| stack.frames > 1) {
            true => SeriesError::NotShortAxis { found },
            false => SeriesError::NoCine {
                images: planes.len(),
                found,
            },
        });
    };
    let numbers: BTreeMap<*const Plane, usize> = planes
        .iter()
        .enumerate()
        .map(|(number, plane)| (std::ptr::from_ref(plane), number))
        .collect();
    let mut cine = stack.arrange(limits, |plane| {
        numbers
            .get(&std::ptr::from_ref(plane))
            .copied()
            .unwrap_or(0)
    })?;
    let others = stacks
        .iter()
        .enumerate()
        .filter(|(other, _)| *other != index);
    if stacks.len() > 1 {
        let detail = format!(
            "of {} groups of images the short-axis cine was taken: {}. Not taken: {}",
            stacks.len(),
            stack.reason(),
            described(others.map(|(_, stack)| stack))
        );
        cine.warnings
            .insert(0, warning(WarningCode::SeriesChosen, detail));
    }
    Ok(cine)
}

fn warning(code: WarningCode, detail: impl Into<String>) -> Warning {
    Warning {
        code,
        detail: detail.into(),
    }
}

/// Parts images into those that could be one stack: one size, one spacing, one direction, one kind of picture.
fn stacked<'a>(planes: &[&'a Plane]) -> Vec<Vec<&'a Plane>> {
    let mut groups: Vec<Vec<&Plane>> = Vec::new();
    for &plane in planes {
        let group = groups
            .iter_mut()
            .find(|group| group.first().is_some_and(|first| fit(first, plane)));
        match group {
            Some(group) => group.push(plane),
            None => groups.push(vec![plane]),
        }
    }
    groups
}

fn fit(a: &Plane, b: &Plane) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() <= 0.01 * a.abs().max(b.abs());
    (a.rows, a.columns, a.is_magnitude) == (b.rows, b.columns, b.is_magnitude)
        && a.spacing_mm.iter().zip(b.spacing_mm).all(|(a, b)| near(*a, b))
        && degrees(a.row_direction, b.row_direction) <= SAME_DIRECTION_DEGREES
        && degrees(a.column_direction, b.column_direction) <= SAME_DIRECTION_DEGREES
        // A second echo is another picture. Repetitions of a cine differ by less.
        && match (a.echo_ms, b.echo_ms) {
            (Some(a), Some(b)) => (a - b).abs() <= 0.5 * a.abs().max(b.abs()),
            _ => true,
        }
}

/// What a stack is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// One image in each place.
    Still,
    /// One place, not across the heart.
    View,
    /// Slices along the heart.
    LongAxis,
    ShortAxis,
}

/// Images that lie parallel to each other.
struct Stack<'a> {
    /// In base-to-apex order.
    places: Vec<Place<'a>>,
    /// Frames that most places have.
    frames: usize,
    row_direction: Vector,
    column_direction: Vector,
    /// Perpendicular to the slices, towards the apex.
    normal: Vector,
    /// Between the normal and [`LONG_AXIS`].
    tilt_degrees: f64,
    /// The farthest that a direction is from the mean.
    spread_degrees: f64,
    words: Words,
    copies: usize,
    repeated: usize,
}

/// Images of one slice in the order of the beat.
struct Place<'a> {
    along_mm: f64,
    images: Vec<&'a Plane>,
    /// When they were taken, in ms or in numbers.
    times: Times,
}

enum Times {
    /// Since the R wave, ms.
    Trigger(Vec<f64>),
    /// Numbers in time.
    Index(Vec<f64>),
    /// One image needs no time.
    One,
    /// None that order the images; so many are different.
    Unordered(usize),
}

impl<'a> Stack<'a> {
    fn of(images: Vec<&'a Plane>) -> Stack<'a> {
        let row_direction = mean(images.iter().map(|plane| plane.row_direction));
        let column_direction = mean(images.iter().map(|plane| plane.column_direction));
        let mut normal = unit(cross(row_direction, column_direction));
        if dot(normal, LONG_AXIS) < 0.0 {
            normal = normal.map(|value| -value);
        }
        let spread_degrees = images
            .iter()
            .flat_map(|plane| {
                [
                    degrees(plane.row_direction, row_direction),
                    degrees(plane.column_direction, column_direction),
                ]
            })
            .fold(0.0, f64::max);
        let words = Words {
            short_axis: images.iter().any(|plane| plane.words.short_axis),
            other_view: images.iter().any(|plane| plane.words.other_view),
            other_contrast: images.iter().any(|plane| plane.words.other_contrast),
        };
        let before = images.len();
        let images = without_copies(images);
        let mut stack = Stack {
            places: Vec::new(),
            frames: 1,
            row_direction,
            column_direction,
            normal,
            tilt_degrees: degrees(normal, LONG_AXIS),
            spread_degrees,
            words,
            copies: before - images.len(),
            repeated: 0,
        };
        stack.fill(images);
        stack
    }

    /// Puts images into places, and each place into the order of time.
    fn fill(&mut self, images: Vec<&'a Plane>) {
        let mut along: Vec<(f64, &Plane)> = images
            .into_iter()
            .map(|plane| (dot(plane.position, self.normal), plane))
            .collect();
        along.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut places: Vec<(f64, Vec<&Plane>)> = Vec::new();
        for (at, plane) in along {
            match places.last_mut() {
                Some((start, images)) if at - *start <= SAME_PLACE_MM => images.push(plane),
                _ => places.push((at, vec![plane])),
            }
        }
        let mut covered: BTreeMap<usize, usize> = BTreeMap::new();
        for (_, images) in &places {
            let mut series: Vec<usize> = images.iter().map(|plane| plane.series).collect();
            series.sort_unstable();
            series.dedup();
            for one in series {
                *covered.entry(one).or_default() += 1;
            }
        }
        for (along_mm, images) in places {
            let (images, repeated) = one_acquisition(images, &covered);
            self.repeated += usize::from(repeated);
            let (images, times) = in_time(images);
            self.places.push(Place {
                along_mm,
                images,
                times,
            });
        }
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for place in &self.places {
            *counts.entry(place.images.len()).or_default() += 1;
        }
        // The larger of two that are as frequent.
        self.frames = counts
            .into_iter()
            .max_by_key(|(frames, places)| (*places, *frames))
            .map_or(1, |(frames, _)| frames);
    }

    fn kind(&self) -> Kind {
        let Words {
            short_axis,
            other_view,
            ..
        } = self.words;
        let across = short_axis || self.tilt_degrees <= SURE_DEGREES;
        match () {
            () if self.frames < 2 => Kind::Still,
            () if self.places.len() == 1 && !across => Kind::View,
            () if !short_axis && self.tilt_degrees > REFUSED_DEGREES => Kind::LongAxis,
            () if !across && other_view => Kind::LongAxis,
            () => Kind::ShortAxis,
        }
    }

    /// The larger, the sooner it is taken among several short axes.
    fn rank(&self) -> (bool, bool, bool, usize, usize, f64, [u8; 32]) {
        let ordered = !self
            .places
            .iter()
            .any(|place| matches!(place.times, Times::Unordered(_)));
        let across = self.words.short_axis || self.tilt_degrees <= SURE_DEGREES;
        let first = self.places.first().and_then(|place| place.images.first());
        let taken_at = self
            .places
            .iter()
            .flat_map(|place| &place.images)
            .map(|plane| plane.taken_at)
            .fold(0.0, f64::max);
        (
            ordered && !self.words.other_contrast,
            across,
            ordered,
            self.places.len(),
            self.frames,
            taken_at,
            first.map_or([0; 32], |plane| plane.digest),
        )
    }

    /// What it is and why it was taken.
    fn reason(&self) -> String {
        let mut reason = format!(
            "{} of {} frames, whose normal is {:.0} degrees from where the long axis of a heart usually points",
            counted(self.places.len(), "parallel slice"),
            self.frames,
            self.tilt_degrees
        );
        if self.words.short_axis {
            reason.push_str(", and whose description says short axis");
        }
        reason
    }

    /// What it is, for those who sent it.
    fn described(&self) -> String {
        let places = self.places.len();
        match self.kind() {
            Kind::Still => format!("{} of one image each", counted(places, "parallel slice")),
            Kind::View => format!("a single view of {} frames", self.frames),
            Kind::LongAxis => format!(
                "{} of {} frames along the heart (their normal is {:.0} degrees from its long axis, or their description says so)",
                counted(places, "parallel slice"),
                self.frames,
                self.tilt_degrees
            ),
            Kind::ShortAxis => {
                format!(
                    "another short-axis stack of {} and {} frames",
                    counted(places, "slice"),
                    self.frames
                )
            }
        }
    }

    /// Makes the grid of the cine.
    fn arrange(
        &self,
        limits: &ShapeLimits,
        number: impl Fn(&Plane) -> usize,
    ) -> Result<Cine, SeriesError> {
        let mut warnings = Vec::new();
        let places = self.whole_places(&mut warnings)?;
        let first = places
            .first()
            .and_then(|place| place.images.first())
            .ok_or(SeriesError::NoImages { files: 0 })?;
        let shape = Shape::new(self.frames, places.len(), first.rows, first.columns)?;
        shape.within(limits)?;
        self.tell(&mut warnings);
        let step = self.step(places, &mut warnings)?;
        let frame_ms = frame_time(places, self.frames, &mut warnings);
        let geometry = self.geometry(first, step, frame_ms)?;
        let columns = places
            .iter()
            .map(|place| place.frames(self.frames, places))
            .collect::<Vec<_>>();
        if columns.iter().any(|(_, matched)| *matched) {
            let odd = columns.iter().filter(|(_, matched)| *matched).count();
            warnings.push(warning(
                WarningCode::FramesMatched,
                format!(
                    "{odd} of {} slices have another number of frames than {}; each frame shows their image that is nearest in the heart beat",
                    places.len(),
                    self.frames
                ),
            ));
        }
        let grid = (0..self.frames)
            .map(|frame| {
                columns
                    .iter()
                    .filter_map(|(images, _)| images.get(frame).map(|plane| number(plane)))
                    .collect()
            })
            .collect();
        Ok(Cine {
            grid,
            shape,
            geometry,
            warnings,
        })
    }

    /// The places without those at the ends that have not half the frames; refuses such places between others, and images that no time
    /// puts in order.
    fn whole_places(&self, warnings: &mut Vec<Warning>) -> Result<&[Place<'a>], SeriesError> {
        let whole = |place: &Place<'_>| place.images.len() * 2 >= self.frames;
        let start = self.places.iter().position(whole).unwrap_or(0);
        let end = self
            .places
            .iter()
            .rposition(whole)
            .map_or(0, |last| last + 1);
        let places = self.places.get(start..end).unwrap_or_default();
        let left_out = self.places.len() - places.len();
        if left_out > 0 {
            warnings.push(warning(
                WarningCode::SlicesLeftOut,
                format!(
                    "{} at the ends of the stack had less than half of the {} frames and were left out",
                    counted(left_out, "slice"),
                    self.frames
                ),
            ));
        }
        for (slice, place) in places.iter().enumerate() {
            if !whole(place) {
                return Err(SeriesError::MissingFrames {
                    slice,
                    found: place.images.len(),
                    frames: self.frames,
                });
            }
            match place.times {
                Times::Unordered(times) if times < 2 => {
                    return Err(SeriesError::NoTimes {
                        images: place.images.len(),
                    });
                }
                Times::Unordered(times) => {
                    return Err(SeriesError::Conflict {
                        slice,
                        images: place.images.len(),
                        times,
                    });
                }
                _ => {}
            }
        }
        Ok(places)
    }

    /// Tells what was doubtful about the stack as a whole.
    fn tell(&self, warnings: &mut Vec<Warning>) {
        if self.copies > 0 {
            warnings.push(warning(
                WarningCode::Duplicates,
                format!(
                    "{} were there twice; one of each was taken",
                    counted(self.copies, "image")
                ),
            ));
        }
        if self.repeated > 0 {
            warnings.push(warning(
                WarningCode::SliceRepeated,
                format!(
                    "{} acquired more than once; of each, one acquisition was taken: that of the series with the most slices and frames, and of equal ones the latest",
                    if self.repeated == 1 { "one slice was".to_owned() } else { format!("{} slices were", self.repeated) }
                ),
            ));
        }
        if self.spread_degrees > TOLD_DIRECTION_DEGREES {
            warnings.push(warning(
                WarningCode::OrientationUneven,
                format!(
                    "the directions of the slices differ by up to {:.1} degrees from their mean, which was taken",
                    self.spread_degrees
                ),
            ));
        }
        if !self.words.short_axis && self.tilt_degrees > SURE_DEGREES {
            warnings.push(warning(
                WarningCode::ShortAxisUnsure,
                format!(
                    "the normal of the slices is {:.0} degrees from where the long axis of a heart usually points, and no description says short axis: make sure that this is one. It was taken as the only stack of parallel slices with frames",
                    self.tilt_degrees
                ),
            ));
        }
    }

    /// The way from slice to slice, mm.
    fn step(
        &self,
        places: &[Place<'_>],
        warnings: &mut Vec<Warning>,
    ) -> Result<Vector, SeriesError> {
        let origins: Vec<Vector> = places
            .iter()
            .filter_map(|place| place.images.first())
            .map(|plane| plane.position)
            .collect();
        let (Some(&first), Some(&last)) = (origins.first(), origins.last()) else {
            return Err(SeriesError::NoImages { files: 0 });
        };
        if origins.len() == 1 {
            let thickness = places
                .iter()
                .flat_map(|place| &place.images)
                .find_map(|plane| plane.slice_mm)
                .ok_or(SeriesError::NoThickness)?;
            return Ok(self.normal.map(|value| value * thickness));
        }
        let steps: Vec<f64> = places
            .windows(2)
            .filter_map(|pair| match pair {
                [a, b] => Some(b.along_mm - a.along_mm),
                _ => None,
            })
            .collect();
        let median_mm = median(steps.clone()).unwrap_or(0.0);
        if let Some((before, &gap_mm)) = steps
            .iter()
            .enumerate()
            .find(|(_, step)| **step >= MISSING_FROM * median_mm)
        {
            return Err(SeriesError::MissingSlice {
                before,
                after: before + 1,
                gap_mm,
                step_mm: median_mm,
            });
        }
        let least_mm = steps.iter().copied().fold(f64::INFINITY, f64::min);
        let most_mm = steps.iter().copied().fold(0.0, f64::max);
        let uneven = (most_mm - median_mm).max(median_mm - least_mm) / median_mm;
        if uneven > UNEVEN_REFUSED {
            return Err(SeriesError::UnevenSlices { least_mm, most_mm });
        }
        let count = (origins.len() - 1) as f64;
        let step: Vector = std::array::from_fn(|axis| (last[axis] - first[axis]) / count);
        if uneven > UNEVEN_TOLD {
            warnings.push(warning(
                WarningCode::SlicesUneven,
                format!(
                    "the slices are {least_mm:.2} to {most_mm:.2} mm apart; their mean, {:.2} mm, was taken",
                    dot(step, self.normal)
                ),
            ));
        }
        let mut worst = (0, 0.0);
        for (slice, place) in places.iter().enumerate() {
            for plane in &place.images {
                let off: Vector = std::array::from_fn(|axis| {
                    plane.position[axis] - first[axis] - step[axis] * slice as f64
                });
                let shift_mm = dot(off, self.row_direction).hypot(dot(off, self.column_direction));
                if shift_mm > worst.1 {
                    worst = (slice, shift_mm);
                }
            }
        }
        let (slice, shift_mm) = worst;
        if shift_mm > SHIFT_REFUSED_MM {
            return Err(SeriesError::ShiftedSlices { slice, shift_mm });
        }
        if shift_mm > SHIFT_TOLD_MM {
            warnings.push(warning(
                WarningCode::SlicesShifted,
                format!(
                    "slice {slice} lies {shift_mm:.1} mm beside the line of the others in its plane; it was taken as if it lay behind them"
                ),
            ));
        }
        Ok(step)
    }

    /// Patient coordinates point left and back, those of a volume right and front.
    fn geometry(
        &self,
        first: &Plane,
        step: Vector,
        frame_ms: Option<f64>,
    ) -> Result<Geometry, SeriesError> {
        let [row_mm, column_mm] = first.spacing_mm;
        let spacing = Spacing::new(row_mm, column_mm, dot(step, self.normal).abs())?;
        let mm_from_voxel = std::array::from_fn(|axis| {
            let sign = if axis < 2 { -1.0 } else { 1.0 };
            [
                self.row_direction[axis] * column_mm,
                self.column_direction[axis] * row_mm,
                step[axis],
                first.position[axis],
            ]
            // Not -0, which would be written as such.
            .map(|value| sign * value + 0.0)
        });
        Ok(Geometry::new(spacing, mm_from_voxel, frame_ms)?)
    }
}

impl<'a> Place<'a> {
    /// Its image in each of `frames` frames, and whether they had to be matched by their time.
    fn frames(&self, frames: usize, places: &[Place<'_>]) -> (Vec<&'a Plane>, bool) {
        if self.images.len() == frames {
            return (self.images.clone(), false);
        }
        let whole = places.iter().find(|place| place.images.len() == frames);
        let wanted = whole.map(|place| place.phases(None)).unwrap_or_default();
        let own = self.phases(whole);
        let nearest = |phase: &f64| {
            let distance = |own: &f64| {
                let apart = (own - phase).rem_euclid(1.0);
                apart.min(1.0 - apart)
            };
            own.iter()
                .enumerate()
                .min_by(|a, b| distance(a.1).total_cmp(&distance(b.1)))
                .and_then(|(index, _)| self.images.get(index).copied())
        };
        (wanted.iter().filter_map(nearest).collect(), true)
    }

    /// When its images were taken as parts of the beat, beside a slice that has all its images. Where no header says how long its own is, it is
    /// as long as that one's if images lie as far apart in both: the first or the last may be missing. Otherwise it was taken in steps of its
    /// own.
    fn phases(&self, whole: Option<&Place<'_>>) -> Vec<f64> {
        let times = self.times();
        let step = between(times);
        let is_alike = |place: &&Place<'_>| {
            let steps = step.zip(between(place.times()));
            steps.is_some_and(|(own, other)| (own - other).abs() <= FRAME_TIME_DIFFERENCE * other)
        };
        let beat = match self.header_beat() {
            Some(beat) => beat,
            None => whole.filter(is_alike).unwrap_or(self).beat(),
        };
        times.iter().map(|time| time / beat).collect()
    }

    /// How long its beat is, in the unit of its times. Where no header says it, it ends as long after the last image as images lie apart: images
    /// that are missing between others do not make it shorter, and another number of frames makes it neither.
    fn beat(&self) -> f64 {
        let times = self.times();
        let span = times.last().zip(times.first());
        let span = span.map_or(0.0, |(last, first)| last - first);
        let of_images = || span + between(times).unwrap_or(1.0);
        self.header_beat().unwrap_or_else(of_images)
    }

    /// The times that put its images in order, rising.
    fn times(&self) -> &[f64] {
        match &self.times {
            Times::Trigger(times) | Times::Index(times) => times,
            Times::One | Times::Unordered(_) => &[],
        }
    }

    /// How long its beat is as the headers say it. Numbers have no length.
    fn header_beat(&self) -> Option<f64> {
        match self.times {
            Times::Trigger(_) => self.rr_ms(),
            _ => None,
        }
    }

    fn rr_ms(&self) -> Option<f64> {
        median(self.images.iter().filter_map(|plane| plane.rr_ms).collect())
    }
}

/// The time from frame to frame: the median over the slices of the beat's length over its frames, or of what lies between trigger times.
fn frame_time(places: &[Place<'_>], frames: usize, warnings: &mut Vec<Warning>) -> Option<f64> {
    let of_beat = median(
        places
            .iter()
            .filter_map(|place| Some(place.rr_ms()? / place.images.len() as f64))
            .collect(),
    );
    let of_triggers = median(
        places
            .iter()
            .filter_map(|place| match &place.times {
                Times::Trigger(times) => between(times),
                _ => None,
            })
            .collect(),
    );
    let believed = match (of_beat, of_triggers) {
        (Some(beat), Some(triggers))
            if (beat - triggers).abs() > FRAME_TIME_DIFFERENCE * triggers =>
        {
            warnings.push(warning(
                WarningCode::FrameTimeDisagreement,
                format!(
                    "the length of the beat says {beat:.1} ms from frame to frame, the trigger times say {triggers:.1} ms; the trigger times are believed, because a cine may leave a part of the beat out"
                ),
            ));
            Some(triggers)
        }
        (beat, triggers) => beat.or(triggers),
    };
    let plausible = believed.filter(|found| (1.0..=2000.0).contains(found));
    if plausible.is_none() && frames > 1 {
        let (code, detail) = match believed {
            Some(found) => (
                WarningCode::FrameTimeImplausible,
                format!(
                    "the time from frame to frame would be {found:.1} ms, which is not that of a heart; it is taken as unknown"
                ),
            ),
            None => (
                WarningCode::FrameTimeUnknown,
                "no header says how far apart in time the frames are; send frame_ms if you know it"
                    .to_owned(),
            ),
        };
        warnings.push(warning(code, detail));
    }
    plausible
}

/// The median of the distances of neighbours.
fn between(times: &[f64]) -> Option<f64> {
    median(
        times
            .windows(2)
            .filter_map(|pair| match pair {
                [a, b] => Some(b - a),
                _ => None,
            })
            .collect(),
    )
}

/// Drops images that are there already: the same frame of the same bytes, or of the same instance in the same place at the same time. An
/// instance alone is not believed, because programs that take names away have been seen to write the same identifier into every file.
fn without_copies(images: Vec<&Plane>) -> Vec<&Plane> {
    let mut digests = BTreeSet::new();
    let mut instances = BTreeSet::new();
    images
        .into_iter()
        .filter(|plane| {
            let place = plane.position.map(f64::to_bits);
            let time = plane.trigger_ms.or(plane.time_index).map(f64::to_bits);
            let new_bytes = digests.insert((plane.digest, plane.frame));
            let new_instance = instances.insert((plane.instance, plane.frame, place, time));
            new_bytes && new_instance
        })
        .collect()
}

/// Of the images of one place those of one acquisition, and whether there were several. Where each series has one image, the series are
/// the frames.
fn one_acquisition<'a>(
    images: Vec<&'a Plane>,
    covered: &BTreeMap<usize, usize>,
) -> (Vec<&'a Plane>, bool) {
    let mut series: BTreeMap<usize, Vec<&Plane>> = BTreeMap::new();
    for plane in &images {
        series.entry(plane.series).or_default().push(plane);
    }
    if series.len() < 2 || series.values().all(|images| images.len() == 1) {
        return (images, false);
    }
    let best = series.into_iter().max_by(|(a, a_images), (b, b_images)| {
        let key = |series: &usize, images: &[&Plane]| {
            let latest = images
                .iter()
                .map(|plane| plane.taken_at)
                .fold(0.0, f64::max);
            let digest = images.first().map_or([0; 32], |plane| plane.digest);
            let wanted = !images.iter().any(|plane| plane.words.other_contrast);
            (
                wanted,
                // Stills at the same places, as of late enhancement, may cover more of them.
                images.len() > 1,
                covered.get(series).copied().unwrap_or(0),
                images.len(),
                latest,
                digest,
            )
        };
        let (a, b) = (key(a, a_images), key(b, b_images));
        a.partial_cmp(&b).unwrap_or(std::cmp::Ordering::Equal)
    });
    (best.map(|(_, images)| images).unwrap_or_default(), true)
}

/// Puts the images of one place into the order of time.
fn in_time(images: Vec<&Plane>) -> (Vec<&Plane>, Times) {
    if images.len() < 2 {
        return (images, Times::One);
    }
    let by = |time: fn(&Plane) -> Option<f64>, apart: f64| {
        let mut timed = images
            .iter()
            .map(|plane| Some((time(plane)?, *plane)))
            .collect::<Option<Vec<_>>>()?;
        timed.sort_by(|a, b| a.0.total_cmp(&b.0));
        let times: Vec<f64> = timed.iter().map(|(time, _)| *time).collect();
        let different = 1 + times
            .windows(2)
            .filter(|pair| matches!(pair, [a, b] if b - a > apart))
            .count();
        let images: Vec<&Plane> = timed.into_iter().map(|(_, plane)| plane).collect();
        Some((images, times, different))
    };
    let mut most = 0;
    if let Some((images, times, different)) = by(|plane| plane.trigger_ms, SAME_TIME_MS) {
        if different == times.len() {
            return (images, Times::Trigger(times));
        }
        most = different;
    }
    if let Some((images, times, different)) = by(|plane| plane.time_index, 0.0) {
        if different == times.len() {
            return (images, Times::Index(times));
        }
        most = most.max(different);
    }
    (images, Times::Unordered(most))
}

/// A list of stacks in words, cut short.
fn described<'s, 'a: 's>(stacks: impl Iterator<Item = &'s Stack<'a>>) -> String {
    /// So many kinds are named.
    const NAMED: usize = 8;
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for stack in stacks {
        *kinds.entry(stack.described()).or_default() += 1;
    }
    let more = kinds.len().saturating_sub(NAMED);
    let mut named: Vec<String> = kinds
        .into_iter()
        .take(NAMED)
        .map(|(kind, count)| match count {
            1 => kind,
            _ => format!("{count} times {kind}"),
        })
        .collect();
    if more > 0 {
        named.push(format!("{more} more"));
    }
    named.join(", ")
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("one {what}"),
        _ => format!("{count} {what}s"),
    }
}

/// The middle value, or the mean of the two in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    match values.len() % 2 {
        1 => Some(upper),
        _ => Some((values.get(values.len() / 2 - 1)? + upper) / 2.0),
    }
}

pub(crate) fn dot(a: Vector, b: Vector) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

pub(crate) fn cross([a0, a1, a2]: Vector, [b0, b1, b2]: Vector) -> Vector {
    [a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0]
}

pub(crate) fn unit(vector: Vector) -> Vector {
    let length = dot(vector, vector).sqrt();
    match length > 0.0 {
        true => vector.map(|value| value / length),
        false => vector,
    }
}

fn mean(vectors: impl Iterator<Item = Vector>) -> Vector {
    let mut sum = [0.0; 3];
    for vector in vectors {
        for (sum, value) in sum.iter_mut().zip(vector) {
            *sum += value;
        }
    }
    unit(sum)
}

/// The angle between two directions.
fn degrees(a: Vector, b: Vector) -> f64 {
    dot(unit(a), unit(b)).clamp(-1.0, 1.0).acos().to_degrees()
}
