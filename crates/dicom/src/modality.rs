//! What made an image, where that was no magnetic resonance (PS3.3, C.7.3.1.1.1). Codes are told by those of this list and never as they
//! stand in a file.

use std::collections::BTreeSet;

use crate::facts::MODALITY;
use crate::item::Item;

/// The code, and what it means in a sentence.
const OTHERS: &[(&str, &str)] = &[
    ("CT", "CT (computed tomography)"),
    ("US", "US (ultrasound)"),
    ("IVUS", "IVUS (intravascular ultrasound)"),
    ("XA", "XA (X-ray angiography)"),
    ("RF", "RF (radiofluoroscopy)"),
    ("CR", "CR (computed radiography)"),
    ("DX", "DX (digital radiography)"),
    ("MG", "MG (mammography)"),
    ("PT", "PT (positron emission tomography)"),
    ("NM", "NM (nuclear medicine)"),
    ("OCT", "OCT (optical coherence tomography)"),
    ("ES", "ES (endoscopy)"),
    ("ECG", "ECG (electrocardiography)"),
    ("SC", "SC (secondary capture)"),
    ("OT", "OT (other)"),
    ("SEG", "SEG (segmentation)"),
    ("RTDOSE", "RTDOSE (radiotherapy dose)"),
];

const UNKNOWN: &str = "a code that is not known here";

/// What the header says instead of MR; `None` where it says MR or nothing.
pub(crate) fn other_than_mr(data: &Item<'_>) -> Option<&'static str> {
    let code = data.text(MODALITY)?;
    let code = code.trim();
    if code.eq_ignore_ascii_case("MR") {
        return None;
    }
    let known = OTHERS
        .iter()
        .find(|(other, _)| code.eq_ignore_ascii_case(other));
    Some(known.map_or(UNKNOWN, |(_, meaning)| meaning))
}

/// Each one once, parted by commas.
pub(crate) fn listed(modalities: Vec<&'static str>) -> String {
    let each: BTreeSet<&str> = modalities.into_iter().collect();
    each.into_iter().collect::<Vec<_>>().join(", ")
}
