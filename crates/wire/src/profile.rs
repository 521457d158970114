//! What a mask says slice by slice, to and from the store.

use cinecor_measures::{
    Counts, FrameProfile, SEGMENTS, SegmentShare, SliceProfile, Wall, WallShare,
};
use cinecor_store::{LabelCounts, ProfileRecord, SegmentShareRecord, SliceRecord, WallShareRecord};

use crate::label_counts;

/// A profile as it is kept; the frame stands beside it.
pub fn profile_record(profile: &FrameProfile) -> ProfileRecord {
    ProfileRecord {
        slices: profile
            .slices
            .iter()
            .map(|slice| SliceRecord {
                counts: label_counts(slice.counts),
                stray: label_counts(slice.stray),
                enclosed: slice.enclosed,
                beside: slice.beside,
                middle_mm: slice.middle_mm,
                right_middle_mm: slice.right_middle_mm,
                at_edge: slice.at_edge,
                wall: slice.wall.as_ref().map(share_record),
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
                stray: counts_of(slice.stray),
                enclosed: slice.enclosed,
                beside: slice.beside,
                middle_mm: slice.middle_mm,
                right_middle_mm: slice.right_middle_mm,
                at_edge: slice.at_edge,
                wall: slice.wall.as_ref().map(share_of),
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

fn share_record(share: &WallShare) -> WallShareRecord {
    let segments = (1..).zip(&share.segments);
    WallShareRecord {
        segments: segments
            .filter(|(_, segment)| segment.rays > 0)
            .map(|(number, segment)| SegmentShareRecord {
                number,
                rays: segment.rays,
                sum_mm: segment.sum_mm,
            })
            .collect(),
        diameter_mm: share.diameter_mm,
    }
}

fn share_of(record: &WallShareRecord) -> WallShare {
    let mut share = WallShare {
        diameter_mm: record.diameter_mm,
        ..WallShare::default()
    };
    for (number, segment) in (1..).zip(&mut share.segments) {
        if let Some(kept) = record.segments.iter().find(|kept| kept.number == number) {
            *segment = SegmentShare {
                rays: kept.rays,
                sum_mm: kept.sum_mm,
            };
        }
    }
    share
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
