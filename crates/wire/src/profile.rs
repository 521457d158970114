//! What a mask says slice by slice, to and from the store.

use cinecor_measures::{Counts, FrameProfile, SEGMENTS, SliceProfile, Wall};
use cinecor_store::{LabelCounts, ProfileRecord, SliceRecord};

use crate::label_counts;

/// A profile as it is kept; the frame stands beside it.
pub fn profile_record(profile: &FrameProfile) -> ProfileRecord {
    ProfileRecord {
        slices: profile
            .slices
            .iter()
            .map(|slice| SliceRecord {
                counts: label_counts(slice.counts),
                enclosed: slice.enclosed,
                beside: slice.beside,
                middle_mm: slice.middle_mm,
                right_middle_mm: slice.right_middle_mm,
                at_edge: slice.at_edge,
            })
            .collect(),
        stray: label_counts(profile.stray),
        segments_mm: profile.wall.segments_mm.to_vec(),
        diameter_mm: profile.wall.diameter_mm,
        contrast: profile.contrast,
    }
}

/// The profile of a frame as it was kept.
pub fn profile_of(frame: usize, record: &ProfileRecord) -> FrameProfile {
    let mut segments_mm = [None; SEGMENTS];
    for (segment, kept) in segments_mm.iter_mut().zip(&record.segments_mm) {
        *segment = *kept;
    }
    FrameProfile {
        frame,
        slices: record
            .slices
            .iter()
            .map(|slice| SliceProfile {
                counts: counts_of(slice.counts),
                enclosed: slice.enclosed,
                beside: slice.beside,
                middle_mm: slice.middle_mm,
                right_middle_mm: slice.right_middle_mm,
                at_edge: slice.at_edge,
            })
            .collect(),
        stray: counts_of(record.stray),
        wall: Wall {
            segments_mm,
            diameter_mm: record.diameter_mm,
        },
        contrast: record.contrast,
    }
}

pub(crate) fn counts_of(counts: LabelCounts) -> Counts {
    let LabelCounts {
        right_ventricle,
        myocardium,
        left_ventricle,
    } = counts;
    Counts {
        right_ventricle,
        myocardium,
        left_ventricle,
    }
}
