//! A bull's-eye of the American Heart Association's segments. Every segment carries its number and its value, so that the shades, which
//! grow darker step by step, are a help and no more: a grey print says the same.

use cinecor_wire::{SegmentJson, SegmentsJson};
use maud::{Markup, html};

use crate::numbers::{number, place};

/// Radius of the plot, and half the width of the drawing.
const RADIUS: f64 = 150.0;
const HALF: f64 = 176.0;

/// The shades of the steps, light to dark: ColorBrewer's Blues, as far as black text stands out on them.
const SHADES: [&str; 5] = ["#f7fbff", "#deebf7", "#c6dbef", "#9ecae1", "#6baed6"];
/// Where nothing was measured.
const UNKNOWN: &str = "#ffffff";

/// What is drawn.
pub(crate) struct Bullseye<'a> {
    /// Part of the ids of its title and description.
    pub(crate) id: &'a str,
    /// Title.
    pub(crate) title: &'a str,
    /// Unit of the values.
    pub(crate) unit: &'a str,
    /// Decimals of the values.
    pub(crate) decimals: usize,
    /// Where the second and every further step begins.
    pub(crate) steps: [f64; 4],
}

impl Bullseye<'_> {
    /// Draws `values` at `places`.
    pub(crate) fn draw(&self, places: &[SegmentJson], values: Option<&SegmentsJson>) -> Markup {
        let value = |index: usize| values.and_then(|of| of.segments.get(index).copied().flatten());
        let view = format!("{} {} {} {}", -HALF, -HALF, 2.0 * HALF, 2.0 * HALF);
        let (title, about) = (format!("{}-title", self.id), format!("{}-about", self.id));
        let cap = places.iter().map(|place| place.inner).fold(1.0, f64::min);
        html! {
            figure.bullseye {
                svg viewBox=(view) role="img" aria-labelledby=(format!("{title} {about}")) {
                    title id=(title) { (self.title) }
                    desc id=(about) { "Bull's-eye of the segments 1 to 16, seen from the apex: the front is up, the septum left. The values stand in the table of segments." }
                    @for (index, segment) in places.iter().enumerate() {
                        path d=(sector(segment)) fill=(self.shade(value(index))) stroke="#333333" stroke-width="1" {}
                    }
                    circle cx="0" cy="0" r=(place(RADIUS * cap)) fill=(UNKNOWN) stroke="#333333" stroke-width="1" stroke-dasharray="3 3" {}
                    text x="0" y="-2" text-anchor="middle" font-size="10" fill="#333333" { "17 not" }
                    text x="0" y="10" text-anchor="middle" font-size="10" fill="#333333" { "measured" }
                    @for (index, segment) in places.iter().enumerate() {
                        @let [x, y] = middle(segment);
                        text x=(place(x)) y=(place(y + 9.0)) text-anchor="middle" font-size="15" font-weight="bold" fill="#000000" { (number(value(index), self.decimals)) }
                        text x=(place(x)) y=(place(y - 5.0)) text-anchor="middle" font-size="9" fill="#333333" { (segment.number) }
                    }
                    text x="0" y=(place(-RADIUS - 8.0)) text-anchor="middle" font-size="12" fill="#333333" { "anterior" }
                    text x="0" y=(place(RADIUS + 16.0)) text-anchor="middle" font-size="12" fill="#333333" { "inferior" }
                    text x=(place(-RADIUS - 8.0)) y="0" text-anchor="middle" font-size="12" fill="#333333" transform=(format!("rotate(-90 {} 0)", place(-RADIUS - 8.0))) { "septum" }
                    text x=(place(RADIUS + 8.0)) y="0" text-anchor="middle" font-size="12" fill="#333333" transform=(format!("rotate(90 {} 0)", place(RADIUS + 8.0))) { "lateral" }
                }
                figcaption {
                    (self.title) ", " (self.unit)
                    ul.legend {
                        @for (index, shade) in SHADES.iter().enumerate() {
                            li {
                                svg.swatch viewBox="0 0 16 12" aria-hidden="true" {
                                    rect x="0.5" y="0.5" width="15" height="11" fill=(shade) stroke="#333333" stroke-width="1" {}
                                }
                                (self.step_in_words(index))
                            }
                        }
                    }
                }
            }
        }
    }

    fn step(&self, value: f64) -> usize {
        self.steps.iter().filter(|step| value >= **step).count()
    }

    fn shade(&self, value: Option<f64>) -> &'static str {
        value
            .and_then(|value| SHADES.get(self.step(value)).copied())
            .unwrap_or(UNKNOWN)
    }

    fn step_in_words(&self, index: usize) -> String {
        let at = |index: usize| number(self.steps.get(index).copied(), 0);
        match index {
            0 => format!("below {}", at(0)),
            last if last == self.steps.len() => format!("{} and more", at(last - 1)),
            middle => format!("{} to {}", at(middle - 1), at(middle)),
        }
    }
}

/// The point at so many degrees against the clock from the right and a part of the radius; down is positive, as SVG has it.
fn point(degrees: f64, part: f64) -> [f64; 2] {
    let (sine, cosine) = degrees.to_radians().sin_cos();
    [RADIUS * part * cosine, -RADIUS * part * sine]
}

fn middle(segment: &SegmentJson) -> [f64; 2] {
    point(
        (segment.from_degrees + segment.to_degrees) / 2.0,
        (segment.inner + segment.outer) / 2.0,
    )
}

/// The outline of a segment: along the outer border, in, and back along the inner one. No segment is half a ring wide.
fn sector(segment: &SegmentJson) -> String {
    let corner = |degrees: f64, part: f64| {
        let [x, y] = point(degrees, part);
        format!("{} {}", place(x), place(y))
    };
    let radius = |part: f64| place(RADIUS * part);
    let (outer, inner) = (segment.outer, segment.inner);
    let (from, to) = (segment.from_degrees, segment.to_degrees);
    format!(
        "M {} A {r} {r} 0 0 0 {} L {} A {i} {i} 0 0 1 {} Z",
        corner(from, outer),
        corner(to, outer),
        corner(to, inner),
        corner(from, inner),
        r = radius(outer),
        i = radius(inner),
    )
}

#[cfg(test)]
mod tests {
    use cinecor_measures::SEGMENT_PLACES;

    use super::*;

    const PLOT: Bullseye<'_> = Bullseye {
        id: "x",
        title: "Thickness",
        unit: "mm",
        decimals: 1,
        steps: [6.0, 8.0, 10.0, 12.0],
    };

    #[test]
    fn the_first_segment_is_up_and_the_anteroseptal_one_up_and_left() {
        let of = |number: usize| middle(&SegmentJson::from(&SEGMENT_PLACES[number - 1]));
        let [x, y] = of(1);
        assert!(x.abs() < 1e-9 && (y + 0.875 * RADIUS).abs() < 1e-9);
        let [x, y] = of(2);
        assert!(x < 0.0 && y < 0.0);
        let [x, y] = of(14);
        assert!(x < 0.0 && y.abs() < 1e-9);
        let [x, y] = of(16);
        assert!(x > 0.0 && y.abs() < 1e-9);
    }

    #[test]
    fn a_value_at_a_step_belongs_to_it() {
        assert_eq!(PLOT.shade(Some(5.99)), SHADES[0]);
        assert_eq!(PLOT.shade(Some(6.0)), SHADES[1]);
        assert_eq!(PLOT.shade(Some(11.99)), SHADES[3]);
        assert_eq!(PLOT.shade(Some(40.0)), SHADES[4]);
        assert_eq!(PLOT.shade(None), UNKNOWN);
        assert_eq!(PLOT.step_in_words(0), "below 6");
        assert_eq!(PLOT.step_in_words(1), "6 to 8");
        assert_eq!(PLOT.step_in_words(4), "12 and more");
    }

    #[test]
    fn shades_grow_darker_for_grey_prints() {
        let light = |shade: &str| {
            let channel = |at| f64::from(u8::from_str_radix(&shade[at..at + 2], 16).unwrap());
            // Rec. 709's weights.
            0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
        };
        for pair in SHADES.windows(2) {
            assert!(light(pair[0]) > light(pair[1]) + 5.0, "{pair:?}");
        }
    }

    #[test]
    fn an_outline_by_hand() {
        let segment = SegmentJson::from(&SEGMENT_PLACES[12]);
        let side = 0.5 * RADIUS * 0.5_f64.sqrt();
        let expected = format!(
            "M {} {} A 75 75 0 0 0 {} {} L {} {} A 37.5 37.5 0 0 1 {} {} Z",
            place(side),
            place(-side),
            place(-side),
            place(-side),
            place(-side / 2.0),
            place(-side / 2.0),
            place(side / 2.0),
            place(-side / 2.0)
        );
        assert_eq!(sector(&segment), expected);
    }
}
