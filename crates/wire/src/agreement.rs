//! How well two masks agree.

use cinecor_measures as measures;
use serde::{Deserialize, Serialize};

/// The agreement of every structure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompareJson {
    /// Cavity of the right ventricle.
    pub right_ventricle: StructureAgreementJson,
    /// Wall of the left ventricle.
    pub myocardium: StructureAgreementJson,
    /// Cavity of the left ventricle.
    pub left_ventricle: StructureAgreementJson,
}

/// The agreement of one structure; `null` where a mask lacks what is needed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StructureAgreementJson {
    /// Overlap, 0 to 1; `null` when both masks are empty.
    pub dice: Option<f64>,
    /// Largest distance of the surfaces.
    pub hausdorff_mm: Option<f64>,
    /// 95th percentile of the distances.
    pub hd95_mm: Option<f64>,
    /// Mean distance of the surfaces.
    pub assd_mm: Option<f64>,
    /// Prediction less reference.
    pub volume_error_ml: Option<f64>,
    /// The same in % of the reference.
    pub volume_error_percent: Option<f64>,
}

impl From<&measures::Agreement> for CompareJson {
    fn from(agreement: &measures::Agreement) -> Self {
        CompareJson {
            right_ventricle: agreement.right_ventricle.into(),
            myocardium: agreement.myocardium.into(),
            left_ventricle: agreement.left_ventricle.into(),
        }
    }
}

impl From<measures::StructureAgreement> for StructureAgreementJson {
    fn from(agreement: measures::StructureAgreement) -> Self {
        let measures::StructureAgreement {
            dice,
            hausdorff_mm,
            hd95_mm,
            assd_mm,
            volume_error_ml,
            volume_error_percent,
        } = agreement;
        StructureAgreementJson {
            dice,
            hausdorff_mm,
            hd95_mm,
            assd_mm,
            volume_error_ml,
            volume_error_percent,
        }
    }
}
