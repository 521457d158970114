//! How well a prediction agrees with a reference on the same grid: overlap, distances of the surfaces, difference of the volumes.
//!
//! It compares arrays; whether two files lie on the same grid in space is for the caller to check.

use cinecor_volume::{Label, Spacing};
use ndarray::{Array3, ArrayView3, ArrayView4, Axis, s};

use crate::distance::{squared_distance_mm2, surface};
use crate::metrics::check_spacing;
use crate::{Counts, Error};

/// The agreement of every structure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Agreement {
    /// Cavity of the right ventricle.
    pub right_ventricle: StructureAgreement,
    /// Wall of the left ventricle.
    pub myocardium: StructureAgreement,
    /// Cavity of the left ventricle.
    pub left_ventricle: StructureAgreement,
}

/// The agreement of one structure. Everything is `None` when neither mask has it; the distances also when only one has it in some frame.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StructureAgreement {
    /// Dice coefficient over all frames together: 2·|A∩B| / (|A|+|B|), 0 to 1.
    pub dice: Option<f64>,
    /// Hausdorff distance, mm: the largest distance from a surface voxel of one mask to the nearest of the other, over all frames.
    pub hausdorff_mm: Option<f64>,
    /// The 95th percentile of those distances, both directions and all frames pooled, linear between ranks; mm.
    pub hd95_mm: Option<f64>,
    /// Average symmetric surface distance, mm: the mean of the two directions' mean distances.
    pub assd_mm: Option<f64>,
    /// Prediction − reference, ml; of several frames the mean.
    pub volume_error_ml: Option<f64>,
    /// That error in % of the reference's volume; `None` when the reference is empty.
    pub volume_error_percent: Option<f64>,
}

/// Compares two masks of label codes, shape `[T, Z, Y, X]`. Distances are measured within a frame, in three dimensions, or in two when
/// the masks have one slice.
///
/// # Errors
/// Shapes that differ, an array without voxels, a spacing that is not above 0, and codes that are no label.
pub fn compare(
    reference: ArrayView4<'_, u8>,
    prediction: ArrayView4<'_, u8>,
    spacing: &Spacing,
) -> Result<Agreement, Error> {
    check_spacing(spacing)?;
    if reference.shape() != prediction.shape() {
        return Err(Error::ShapesDiffer {
            reference: reference.dim().into(),
            prediction: prediction.dim().into(),
        });
    }
    if reference.is_empty() {
        return Err(Error::NoFrames);
    }
    for mask in [&reference, &prediction] {
        for frame in mask.axis_iter(Axis(0)) {
            Counts::of(frame)?;
        }
    }
    let of = |structure| compare_structure(&reference, &prediction, structure, spacing);
    Ok(Agreement {
        right_ventricle: of(Label::RightVentricle),
        myocardium: of(Label::Myocardium),
        left_ventricle: of(Label::LeftVentricle),
    })
}

fn compare_structure(
    reference: &ArrayView4<'_, u8>,
    prediction: &ArrayView4<'_, u8>,
    structure: Label,
    spacing: &Spacing,
) -> StructureAgreement {
    let mut overlap = Overlap::default();
    let mut to_reference_mm = Vec::new();
    let mut to_prediction_mm = Vec::new();
    let mut comparable = true;
    for (reference, prediction) in reference
        .axis_iter(Axis(0))
        .zip(prediction.axis_iter(Axis(0)))
    {
        let Some((bounds, in_frame)) = extent(&reference, &prediction, structure) else {
            continue;
        };
        overlap.reference += in_frame.reference;
        overlap.prediction += in_frame.prediction;
        overlap.both += in_frame.both;
        if in_frame.reference == 0 || in_frame.prediction == 0 {
            comparable = false;
        } else if comparable {
            surface_distances(
                &reference,
                &prediction,
                structure,
                &bounds,
                spacing,
                &mut to_reference_mm,
                &mut to_prediction_mm,
            );
        }
    }
    if overlap.reference + overlap.prediction == 0 {
        return StructureAgreement::default();
    }
    let error_voxels = overlap.prediction as f64 - overlap.reference as f64;
    let frames = reference.len_of(Axis(0)) as f64;
    let mut agreement = StructureAgreement {
        dice: Some(2.0 * overlap.both as f64 / (overlap.reference + overlap.prediction) as f64),
        volume_error_ml: Some(error_voxels * spacing.voxel_ml() / frames),
        volume_error_percent: (overlap.reference > 0)
            .then(|| 100.0 * error_voxels / overlap.reference as f64),
        ..StructureAgreement::default()
    };
    if comparable {
        agreement.assd_mm = mean(&to_reference_mm)
            .zip(mean(&to_prediction_mm))
            .map(|(one, other)| (one + other) / 2.0);
        let mut all_mm = to_reference_mm;
        all_mm.append(&mut to_prediction_mm);
        agreement.hausdorff_mm = all_mm.iter().copied().reduce(f64::max);
        agreement.hd95_mm = percentile(&mut all_mm, 95);
    }
    agreement
}

/// Voxels of a structure in two masks.
#[derive(Clone, Copy, Default)]
struct Overlap {
    reference: u64,
    prediction: u64,
    both: u64,
}

/// First and last index of an axis, both included.
type Range = (usize, usize);

/// The box around a structure in either mask of one frame, and its voxels; `None` when neither has it.
fn extent(
    reference: &ArrayView3<'_, u8>,
    prediction: &ArrayView3<'_, u8>,
    structure: Label,
) -> Option<([Range; 3], Overlap)> {
    let code = structure.code();
    let mut overlap = Overlap::default();
    let mut bounds: Option<[Range; 3]> = None;
    for (z, (reference, prediction)) in reference
        .axis_iter(Axis(0))
        .zip(prediction.axis_iter(Axis(0)))
        .enumerate()
    {
        for (y, (reference, prediction)) in reference
            .rows()
            .into_iter()
            .zip(prediction.rows())
            .enumerate()
        {
            let mut columns: Option<Range> = None;
            for (x, (&reference, &prediction)) in reference.iter().zip(prediction).enumerate() {
                let (reference, prediction) = (reference == code, prediction == code);
                if reference || prediction {
                    overlap.reference += u64::from(reference);
                    overlap.prediction += u64::from(prediction);
                    overlap.both += u64::from(reference && prediction);
                    columns = Some((columns.map_or(x, |c| c.0), x));
                }
            }
            if let Some(columns) = columns {
                bounds = Some(match bounds {
                    None => [(z, z), (y, y), columns],
                    Some([zs, ys, xs]) => [
                        (zs.0, z),
                        (ys.0.min(y), ys.1.max(y)),
                        (xs.0.min(columns.0), xs.1.max(columns.1)),
                    ],
                });
            }
        }
    }
    bounds.map(|bounds| (bounds, overlap))
}

/// Distances in mm from each surface voxel to the nearest of the other mask. Both masks must have the structure in this frame.
fn surface_distances(
    reference: &ArrayView3<'_, u8>,
    prediction: &ArrayView3<'_, u8>,
    structure: Label,
    bounds: &[Range; 3],
    spacing: &Spacing,
    to_reference_mm: &mut Vec<f64>,
    to_prediction_mm: &mut Vec<f64>,
) {
    let flat = [0, 1, 2].map(|axis| reference.len_of(Axis(axis)) == 1);
    // Every surface voxel lies in the box, so distances within it are distances in the volume.
    let [zs, ys, xs] = *bounds;
    let surface_of = |mask: &ArrayView3<'_, u8>| {
        let inside = mask
            .slice(s![zs.0..=zs.1, ys.0..=ys.1, xs.0..=xs.1])
            .map(|&code| code == structure.code());
        surface(inside.view(), flat)
    };
    let (reference, prediction) = (surface_of(reference), surface_of(prediction));
    directed(&prediction, &reference, spacing, to_reference_mm);
    directed(&reference, &prediction, spacing, to_prediction_mm);
}

fn directed(
    from: &Array3<bool>,
    to: &Array3<bool>,
    spacing: &Spacing,
    distances_mm: &mut Vec<f64>,
) {
    let squared_mm2 = squared_distance_mm2(to, spacing);
    distances_mm.extend(
        from.iter()
            .zip(&squared_mm2)
            .filter(|&(&on, _)| on)
            .map(|(_, squared)| squared.sqrt()),
    );
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The percentile, 0 to 100, linear between ranks as NumPy's default; reorders `values`.
fn percentile(values: &mut [f64], percent: usize) -> Option<f64> {
    let scaled_rank = values.len().checked_sub(1)? * percent;
    let (low, hundredths) = (scaled_rank / 100, scaled_rank % 100);
    let (_, &mut at, above) = values.select_nth_unstable_by(low, f64::total_cmp);
    let next = above.iter().copied().reduce(f64::min).unwrap_or(at);
    Some(at + (next - at) * hundredths as f64 / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_lies_between_ranks() {
        // Five values: the 95th percentile lies at rank 3.8.
        assert_eq!(
            percentile(&mut [40.0, 10.0, 50.0, 20.0, 30.0], 95),
            Some(48.0)
        );
        assert_eq!(percentile(&mut [7.0], 95), Some(7.0));
        assert_eq!(percentile(&mut [], 95), None);
        assert_eq!(percentile(&mut [1.0, 2.0], 100), Some(2.0));
    }
}
