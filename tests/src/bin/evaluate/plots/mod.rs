//! The figures of a report, as SVG written here: a few hundred marks need no library, and a text file is small, sharp and told apart by
//! `git diff`.
//!
//! Colours are Okabe and Ito's (2008), which people with any of the usual colour blindnesses tell apart; groups also differ in shape.

pub(crate) mod agreement;
pub(crate) mod boxes;
pub(crate) mod cost;
pub(crate) mod robustness;
mod svg;

/// Colour and shape of a pathology group.
fn mark_of(group: &str) -> svg::Mark {
    use svg::Shape;
    let (colour, shape) = match group {
        "NOR" => ("#009e73", Shape::Circle),
        "DCM" => ("#0072b2", Shape::Square),
        "HCM" => ("#d55e00", Shape::Triangle),
        "MINF" => ("#cc79a7", Shape::Diamond),
        "RV" => ("#b8860b", Shape::Cross),
        _ => ("#444444", Shape::Circle),
    };
    svg::Mark { colour, shape }
}
