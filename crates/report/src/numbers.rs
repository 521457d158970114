//! Numbers as people read them.

/// What stands where there is no number.
pub(crate) const NOTHING: &str = "\u{2013}";

/// A number with so many decimals, a true minus sign and no minus zero; a dash where there is none.
pub(crate) fn number(value: Option<f64>, decimals: usize) -> String {
    let Some(value) = value else {
        return NOTHING.to_owned();
    };
    let text = format!("{value:.decimals$}");
    match text.strip_prefix('-') {
        Some(size) if size.chars().all(|digit| matches!(digit, '0' | '.')) => size.to_owned(),
        Some(size) => format!("\u{2212}{size}"),
        None => text,
    }
}

/// A number with its unit; a dash where there is none.
pub(crate) fn with_unit(value: Option<f64>, decimals: usize, unit: &str) -> String {
    match value {
        Some(_) => format!("{} {unit}", number(value, decimals)),
        None => NOTHING.to_owned(),
    }
}

/// A place in a drawing, to a tenth of a unit.
pub(crate) fn place(value: f64) -> String {
    let text = format!("{value:.1}");
    match text.as_str() {
        "-0.0" => "0".to_owned(),
        _ => text.strip_suffix(".0").map_or(text.clone(), str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_and_zero_has_no_sign() {
        assert_eq!(number(Some(55.449), 1), "55.4");
        assert_eq!(number(Some(-3.26), 1), "\u{2212}3.3");
        assert_eq!(number(Some(-0.04), 1), "0.0");
        assert_eq!(number(None, 1), "\u{2013}");
        assert_eq!(with_unit(Some(160.0), 0, "ml"), "160 ml");
        assert_eq!(with_unit(None, 0, "ml"), "\u{2013}");
        assert_eq!(place(-0.01), "0");
        assert_eq!(place(12.0), "12");
        assert_eq!(place(12.34), "12.3");
    }
}
