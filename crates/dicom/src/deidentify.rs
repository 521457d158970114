//! What of a header is kept, and the list of what is not.
//!
//! The basic profile of PS3.15, annex E, names what has to go. This is stricter: nothing of a header is kept but what [`KEPT`] lists, so
//! that private attributes and those of years to come go as well. With the profile's option to retain patient characteristics (sex, age,
//! size, weight), because normal ranges need them. The list of what was removed holds tags and never values.

use std::collections::BTreeSet;

use crate::facts::{AGE, FIELD_STRENGTH, MANUFACTURER, MODALITY, SEX, SIZE, WEIGHT};
use crate::file::DicomFile;
use crate::header::{
    BETWEEN_SLICES, CARDIAC_SYNCHRONIZATION, FRAME_CONTENT, FRAME_GROUPS, FRAME_TIME, FRAME_TIMES,
    HEART_RATE, NOMINAL_INTERVAL, ORIENTATION, PIXEL_MEASURES, PIXEL_SPACING, PLANE_ORIENTATION,
    PLANE_POSITION, POSITION, RESCALE_INTERCEPT, RESCALE_SLOPE, RR_NOMINAL, SHARED_GROUPS,
    SLICE_THICKNESS, SOP_CLASS, TEMPORAL_INDEX, TEMPORAL_POSITION, TRIGGER_DELAY, TRIGGER_TIME,
    VALUE_TRANSFORMATION,
};
use crate::item::{Item, is_blank};
use crate::tag::Tag;

/// What measuring needs: the numbers of the pixels and where and when they are, and what normal ranges ask for.
const KEPT: &[Tag] = &[
    SOP_CLASS,
    MODALITY,
    MANUFACTURER,
    SEX,
    AGE,
    SIZE,
    WEIGHT,
    SLICE_THICKNESS,
    FIELD_STRENGTH,
    BETWEEN_SLICES,
    TRIGGER_TIME,
    NOMINAL_INTERVAL,
    FRAME_TIME,
    FRAME_TIMES,
    HEART_RATE,
    POSITION,
    ORIENTATION,
    TEMPORAL_POSITION,
    TEMPORAL_INDEX,
    TRIGGER_DELAY,
    RR_NOMINAL,
    Tag::SAMPLES,
    Tag::PHOTOMETRIC,
    Tag::FRAMES,
    Tag::ROWS,
    Tag::COLUMNS,
    PIXEL_SPACING,
    Tag::BITS_ALLOCATED,
    Tag::BITS_STORED,
    Tag::HIGH_BIT,
    Tag::REPRESENTATION,
    Tag::PADDING,
    Tag::PADDING_LIMIT,
    RESCALE_INTERCEPT,
    RESCALE_SLOPE,
    Tag(0x7fe0, 0x0001),
    Tag::FLOAT_PIXELS,
    Tag::DOUBLE_PIXELS,
    Tag::PIXELS,
];

/// And of the file meta information: how long it is, in which version, of what class the object is and how it is written. Who sent the
/// file, which program wrote it, which object it is and what is private go.
const KEPT_META: &[Tag] = &[
    Tag(0x0002, 0x0000),
    Tag(0x0002, 0x0001),
    Tag(0x0002, 0x0002),
    Tag::TRANSFER_SYNTAX,
];

/// Sequences of which a part is kept.
const KEPT_PARTLY: &[Tag] = &[
    SHARED_GROUPS,
    FRAME_GROUPS,
    CARDIAC_SYNCHRONIZATION,
    FRAME_CONTENT,
    PLANE_POSITION,
    PLANE_ORIENTATION,
    PIXEL_MEASURES,
    VALUE_TRANSFORMATION,
];

const CONVERSION_TYPE: Tag = Tag(0x0008, 0x0064);
const BURNED_IN: Tag = Tag(0x0028, 0x0301);
const RECOGNIZABLE: Tag = Tag(0x0028, 0x0302);

/// SOP classes of pictures that were made by a program or from a screen begin with this (PS3.4, B.5: Secondary Capture and its
/// multi-frame kinds).
const SECONDARY_CAPTURE: &str = "1.2.840.10008.5.1.4.1.1.7";

/// As many tags are listed at most; real headers have some two hundred.
const LISTED: usize = 2_000;

/// Tags of what was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Tags in order, each once. What was empty is not among them.
    pub tags: BTreeSet<Tag>,
    /// How many more there were than are listed.
    pub further: usize,
    /// Attributes that say there may be text or a face in the pixels, which are kept as they are.
    pub burned_in: BTreeSet<Tag>,
}

impl Removed {
    /// Adds what is removed of a file: of its file meta information and of its header.
    pub(crate) fn read(&mut self, file: &DicomFile) {
        for tag in file.meta().iter().filter(|tag| !KEPT_META.contains(tag)) {
            self.add(*tag);
        }
        self.read_item(&file.data());
    }

    /// Adds what is removed of a data set, its sequences included.
    fn read_item(&mut self, data: &Item<'_>) {
        for tag in data.tags() {
            // Lengths of groups, which say nothing.
            if tag.1 == 0 || KEPT.contains(&tag) {
                continue;
            }
            if KEPT_PARTLY.contains(&tag) {
                for item in data.items(tag) {
                    self.read_item(&item);
                }
            } else if !is_empty(data, tag) {
                self.add(tag);
            }
        }
    }

    fn add(&mut self, tag: Tag) {
        if self.tags.contains(&tag) {
            return;
        }
        match self.tags.len() < LISTED {
            true => {
                self.tags.insert(tag);
            }
            false => self.further += 1,
        }
    }

    /// Adds what says that pixels may hold text.
    pub(crate) fn flag(&mut self, data: &Item<'_>) {
        for tag in [BURNED_IN, RECOGNIZABLE] {
            if data
                .text(tag)
                .is_some_and(|text| text.eq_ignore_ascii_case("YES"))
            {
                self.burned_in.insert(tag);
            }
        }
        if data
            .text(SOP_CLASS)
            .is_some_and(|uid| uid.starts_with(SECONDARY_CAPTURE))
        {
            self.burned_in.insert(SOP_CLASS);
        }
        if data.text(CONVERSION_TYPE).is_some() {
            self.burned_in.insert(CONVERSION_TYPE);
        }
    }
}

fn is_empty(data: &Item<'_>, tag: Tag) -> bool {
    match data.value(tag) {
        Some((value, _)) => is_blank(value),
        None => data.items(tag).is_empty(),
    }
}
