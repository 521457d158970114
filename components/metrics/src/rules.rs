//! The rules that a query tells.

use cinecor_guest::Call;
use cinecor_measures::{BasalRule, BsaFormula, Rules};
use cinecor_web::Problem;

/// Which slices count, and how body surface area is worked out. The table of operations has checked the words.
///
/// # Errors
/// None that a number of the contract's range can cause.
pub(crate) fn rules(call: &Call) -> Result<(Rules, BsaFormula), Problem> {
    let word = |name| call.query.text(name);
    let excluded_slices = call
        .query
        .integers("excluded_slices")
        .unwrap_or_default()
        .into_iter()
        .map(usize::try_from)
        .collect::<Result<_, _>>()
        .map_err(Problem::internal)?;
    let rules = Rules {
        basal_rule: word("basal_rule")
            .and_then(BasalRule::from_name)
            .unwrap_or_default(),
        excluded_slices,
    };
    let formula = word("bsa_formula")
        .and_then(BsaFormula::from_name)
        .unwrap_or_default();
    Ok((rules, formula))
}
