//! What a file says of its images: where each lies, when it was taken, what it belongs to. Enhanced files say it frame by frame in
//! functional groups, others once for the file.

use std::collections::HashMap;

use crate::item::Item;
use crate::series::{Plane, Vector, Words, cross, dot, unit};
use crate::tag::Tag;

pub(crate) const IMAGE_TYPE: Tag = Tag(0x0008, 0x0008);
pub(crate) const SOP_CLASS: Tag = Tag(0x0008, 0x0016);
pub(crate) const SOP_INSTANCE: Tag = Tag(0x0008, 0x0018);
pub(crate) const SERIES_TIME: Tag = Tag(0x0008, 0x0031);
pub(crate) const ACQUISITION_TIME: Tag = Tag(0x0008, 0x0032);
pub(crate) const SERIES_DESCRIPTION: Tag = Tag(0x0008, 0x103e);
pub(crate) const COMPLEX_COMPONENT: Tag = Tag(0x0008, 0x9208);
pub(crate) const PATIENT: Tag = Tag(0x0010, 0x0020);
pub(crate) const SLICE_THICKNESS: Tag = Tag(0x0018, 0x0050);
pub(crate) const ECHO_TIME: Tag = Tag(0x0018, 0x0081);
pub(crate) const BETWEEN_SLICES: Tag = Tag(0x0018, 0x0088);
pub(crate) const PROTOCOL: Tag = Tag(0x0018, 0x1030);
pub(crate) const TRIGGER_TIME: Tag = Tag(0x0018, 0x1060);
pub(crate) const NOMINAL_INTERVAL: Tag = Tag(0x0018, 0x1062);
pub(crate) const FRAME_TIME: Tag = Tag(0x0018, 0x1063);
pub(crate) const FRAME_TIMES: Tag = Tag(0x0018, 0x1065);
pub(crate) const HEART_RATE: Tag = Tag(0x0018, 0x1088);
pub(crate) const CARDIAC_SYNCHRONIZATION: Tag = Tag(0x0018, 0x9118);
pub(crate) const MR_FRAME_TYPE: Tag = Tag(0x0018, 0x9226);
pub(crate) const STUDY_INSTANCE: Tag = Tag(0x0020, 0x000d);
pub(crate) const SERIES_INSTANCE: Tag = Tag(0x0020, 0x000e);
pub(crate) const POSITION: Tag = Tag(0x0020, 0x0032);
pub(crate) const ORIENTATION: Tag = Tag(0x0020, 0x0037);
pub(crate) const TEMPORAL_POSITION: Tag = Tag(0x0020, 0x0100);
pub(crate) const FRAME_CONTENT: Tag = Tag(0x0020, 0x9111);
pub(crate) const PLANE_POSITION: Tag = Tag(0x0020, 0x9113);
pub(crate) const PLANE_ORIENTATION: Tag = Tag(0x0020, 0x9116);
pub(crate) const TEMPORAL_INDEX: Tag = Tag(0x0020, 0x9128);
pub(crate) const TRIGGER_DELAY: Tag = Tag(0x0020, 0x9153);
pub(crate) const RR_NOMINAL: Tag = Tag(0x0020, 0x9251);
pub(crate) const PIXEL_SPACING: Tag = Tag(0x0028, 0x0030);
pub(crate) const RESCALE_INTERCEPT: Tag = Tag(0x0028, 0x1052);
pub(crate) const RESCALE_SLOPE: Tag = Tag(0x0028, 0x1053);
pub(crate) const PIXEL_MEASURES: Tag = Tag(0x0028, 0x9110);
pub(crate) const VALUE_TRANSFORMATION: Tag = Tag(0x0028, 0x9145);
pub(crate) const SHARED_GROUPS: Tag = Tag(0x5200, 0x9229);
pub(crate) const FRAME_GROUPS: Tag = Tag(0x5200, 0x9230);

/// Directions whose cosine is larger than this are not at right angles: 1.1 degrees, far more than rounding.
const NOT_PERPENDICULAR: f64 = 0.02;

/// Numbers for identifiers: equal identifiers get equal numbers. An absent one is like no other.
#[derive(Default)]
pub(crate) struct Identifiers {
    known: HashMap<(Tag, String), usize>,
    next: usize,
}

impl Identifiers {
    pub(crate) fn number(&mut self, data: &Item<'_>, tag: Tag) -> usize {
        let next = self.next;
        let number = match data.text(tag) {
            Some(text) => *self.known.entry((tag, text.into_owned())).or_insert(next),
            None => next,
        };
        self.next += usize::from(number == next);
        number
    }
}

/// The images of a file, as far as they have a place. `size` is rows and columns.
pub(crate) fn planes(
    data: &Item<'_>,
    file: usize,
    digest: [u8; 32],
    frames: usize,
    size: (usize, usize),
    identifiers: &mut Identifiers,
) -> Vec<Plane> {
    let instance = identifiers.number(data, SOP_INSTANCE);
    let series = identifiers.number(data, SERIES_INSTANCE);
    let words = words(data);
    let shared = data.items(SHARED_GROUPS);
    let of_frames = data.items(FRAME_GROUPS);
    let taken_at = [ACQUISITION_TIME, SERIES_TIME]
        .into_iter()
        .find_map(|tag| seconds(&data.text(tag)?))
        .unwrap_or(0.0);
    (0..frames)
        .filter_map(|frame| {
            let groups = Groups {
                data,
                shared: shared.first(),
                own: of_frames.get(frame),
            };
            let place = groups.place()?;
            Some(Plane {
                file,
                frame,
                digest,
                instance,
                series,
                rows: size.0,
                columns: size.1,
                position: place.position,
                row_direction: place.row_direction,
                column_direction: place.column_direction,
                spacing_mm: place.spacing_mm,
                slice_mm: groups
                    .number(None, BETWEEN_SLICES)
                    .or_else(|| groups.number(Some(PIXEL_MEASURES), SLICE_THICKNESS))
                    .filter(|found| *found > 0.0),
                trigger_ms: groups.trigger_ms(frame, frames),
                time_index: groups
                    .number(Some(FRAME_CONTENT), TEMPORAL_INDEX)
                    .or_else(|| groups.number(None, TEMPORAL_POSITION)),
                rr_ms: groups.rr_ms(),
                taken_at,
                is_magnitude: groups.is_magnitude(),
                echo_ms: groups.number(None, ECHO_TIME),
                words,
                rescale: groups.rescale(),
            })
        })
        .collect()
}

/// What says something of one frame: its own groups, those that all frames share, the file.
struct Groups<'i, 'a> {
    data: &'i Item<'a>,
    shared: Option<&'i Item<'a>>,
    own: Option<&'i Item<'a>>,
}

struct Place {
    position: Vector,
    row_direction: Vector,
    column_direction: Vector,
    spacing_mm: [f64; 2],
}

impl Groups<'_, '_> {
    /// The numbers of an attribute: in a group of the frame, in that group of all frames, or of the file.
    fn numbers(&self, group: Option<Tag>, tag: Tag) -> Option<Vec<f64>> {
        let in_groups = group.and_then(|group| {
            [self.own, self.shared]
                .into_iter()
                .flatten()
                .find_map(|item| item.items(group).first()?.numbers(tag))
        });
        in_groups.or_else(|| self.data.numbers(tag))
    }

    fn number(&self, group: Option<Tag>, tag: Tag) -> Option<f64> {
        self.numbers(group, tag)?.first().copied()
    }

    /// `None` where a part of it is absent or cannot be.
    fn place(&self) -> Option<Place> {
        let position = self.numbers(Some(PLANE_POSITION), POSITION)?;
        let orientation = self.numbers(Some(PLANE_ORIENTATION), ORIENTATION)?;
        let spacing = self.numbers(Some(PIXEL_MEASURES), PIXEL_SPACING)?;
        let &[a, b, c, d, e, f] = orientation.as_slice() else {
            return None;
        };
        let (row_direction, column_direction) = (unit([a, b, c]), unit([d, e, f]));
        let turned = dot(row_direction, column_direction).abs();
        let is_place = cross([a, b, c], [d, e, f]) != [0.0; 3] && turned <= NOT_PERPENDICULAR;
        is_place.then_some(Place {
            position: position.try_into().ok()?,
            row_direction,
            column_direction,
            spacing_mm: spacing.try_into().ok()?,
        })
    }

    /// Since the R wave: the trigger time, the nominal delay, or, in a film of one slice, its place in it.
    fn trigger_ms(&self, frame: usize, frames: usize) -> Option<f64> {
        let of_file = |tag| self.data.number(tag);
        let in_group = || {
            self.number(Some(CARDIAC_SYNCHRONIZATION), TRIGGER_DELAY)
                .or_else(|| of_file(TRIGGER_TIME))
        };
        if self.own.is_some() && frames > 1 {
            return in_group();
        }
        if frames > 1 {
            let times = self.data.numbers(FRAME_TIMES);
            return times
                .filter(|times| times.len() == frames)
                .map(|times| times.iter().take(frame + 1).sum())
                .or_else(|| of_file(FRAME_TIME).map(|step| step * frame as f64));
        }
        of_file(TRIGGER_TIME).or_else(in_group)
    }

    fn rr_ms(&self) -> Option<f64> {
        self.number(Some(CARDIAC_SYNCHRONIZATION), RR_NOMINAL)
            .or_else(|| self.data.number(NOMINAL_INTERVAL))
            .filter(|found| *found > 0.0)
            .or_else(|| {
                let rate = self.data.number(HEART_RATE).filter(|found| *found > 0.0);
                rate.map(|rate| 60_000.0 / rate)
            })
    }

    /// Phase, real and imaginary parts and velocities are said by the third value of the image type and the values behind it.
    fn is_magnitude(&self) -> bool {
        let of_frame = [self.own, self.shared]
            .into_iter()
            .flatten()
            .find_map(|item| {
                let kind = item.items(MR_FRAME_TYPE);
                let kind = kind.first()?;
                Some(kind.text(COMPLEX_COMPONENT)? == "MAGNITUDE")
            });
        of_frame.unwrap_or_else(|| {
            let types = self.data.texts(IMAGE_TYPE);
            !types.iter().skip(2).any(|kind| {
                [
                    "P",
                    "PHASE",
                    "PHASE MAP",
                    "VELOCITY",
                    "R",
                    "REAL",
                    "I",
                    "IMAGINARY",
                ]
                .contains(&kind.to_ascii_uppercase().as_str())
            })
        })
    }

    fn rescale(&self) -> Option<(f64, f64)> {
        let slope = self.number(Some(VALUE_TRANSFORMATION), RESCALE_SLOPE)?;
        let intercept = self
            .number(Some(VALUE_TRANSFORMATION), RESCALE_INTERCEPT)
            .unwrap_or(0.0);
        // A slope of zero would make every pixel equal; it is what an unset field looks like.
        (slope != 0.0 && (slope, intercept) != (1.0, 0.0)).then_some((slope, intercept))
    }
}

/// Seconds of the day of a time such as `132937.465068`; older files have colons in it.
fn seconds(time: &str) -> Option<f64> {
    let digits: String = time.chars().filter(|c| *c != ':').collect();
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, "0"));
    let part = |at: usize| -> Option<f64> { whole.get(at..at + 2)?.parse().ok() };
    let fraction: f64 = format!("0.{fraction}").parse().ok()?;
    let (minutes, seconds) = (part(2).unwrap_or(0.0), part(4).unwrap_or(0.0));
    Some(part(0)? * 3600.0 + minutes * 60.0 + seconds + fraction)
}

/// What the description of the series and its protocol are evidence for. Words are whole words in any case; texts are looked at and let
/// go.
fn words(data: &Item<'_>) -> Words {
    const SHORT_AXIS: &[&str] = &[
        "sa",
        "sax",
        "saxs",
        "short",
        "shortaxis",
        "shax",
        "ka",
        "kurzachse",
        "kurz",
    ];
    const OTHER_VIEW: &[&str] = &[
        "la",
        "lax",
        "long",
        "longaxis",
        "2ch",
        "3ch",
        "4ch",
        "2cv",
        "3cv",
        "4cv",
        "ch2",
        "ch3",
        "ch4",
        "2chamber",
        "3chamber",
        "4chamber",
        "chamber",
        "kammerblick",
        "langachse",
        "vla",
        "hla",
        "lvot",
        "rvot",
        "loc",
        "localizer",
        "localiser",
        "scout",
        "survey",
        "axial",
        "axials",
        "transversal",
        "coronal",
        "sagittal",
        "cor",
        "sag",
        "tra",
        "aorta",
        "aortic",
    ];
    const OTHER_CONTRAST: &[&str] = &[
        "flow",
        "venc",
        "pc",
        "tag",
        "tagging",
        "perf",
        "perfusion",
        "lge",
        "late",
        "enhancement",
        "viability",
        "psir",
        "molli",
        "shmolli",
        "t1",
        "t2",
        "mapping",
        "tirm",
        "stir",
        "t1map",
        "t2map",
        "angio",
        "mra",
        "dti",
        "dwi",
    ];
    let mut found = Words::default();
    for tag in [SERIES_DESCRIPTION, PROTOCOL] {
        let Some(text) = data.text(tag) else { continue };
        let text = text.to_lowercase();
        for word in text.split(|c: char| !c.is_alphanumeric()) {
            found.short_axis |= SHORT_AXIS.contains(&word);
            found.other_view |= OTHER_VIEW.contains(&word);
            found.other_contrast |= OTHER_CONTRAST.contains(&word);
        }
    }
    found
}
