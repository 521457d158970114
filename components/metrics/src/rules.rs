//! The rules that a query tells.

use cinecor_guest::Call;
use cinecor_measures::{BsaFormula, Rules};
use cinecor_store::SegmentationRecord;
use cinecor_web::Problem;
use cinecor_wire::{kept_rules, told_rules};

/// Which slices count, and how body surface area is worked out; rules of `kept` where the query does not tell them. The table of
/// operations has checked the words.
///
/// # Errors
/// None that a number of the contract's range can cause.
pub(crate) fn rules(
    call: &Call,
    kept: Option<&SegmentationRecord>,
) -> Result<(Rules, BsaFormula), Problem> {
    let word = |name| call.query.text(name);
    let (rules, bsa_formula) = kept.map(kept_rules).unwrap_or_default();
    let excluded_slices = match call.query.integers("excluded_slices") {
        // The word `none` is no list.
        None if word("excluded_slices").is_some() => Vec::new(),
        None => rules.excluded_slices,
        Some(slices) => {
            let mut slices: Vec<usize> = slices
                .into_iter()
                .map(usize::try_from)
                .collect::<Result<_, _>>()
                .map_err(Problem::internal)?;
            slices.sort_unstable();
            slices
        }
    };
    Ok(told_rules(
        word("basal_rule").or(Some(rules.basal_rule.name())),
        word("bsa_formula").or(Some(bsa_formula.name())),
        excluded_slices,
    ))
}
