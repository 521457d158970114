//! A drawing of lines, marks and words, and axes with round ticks. No chart here: the modules beside this one make those.

use std::fmt::Write as _;

/// Black of words and axes, grey of grids.
pub(super) const INK: &str = "#222222";
pub(super) const FAINT: &str = "#d8d8d8";

/// The shape of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Circle,
    Square,
    Triangle,
    Diamond,
    Cross,
}

/// How a patient is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    pub(super) colour: &'static str,
    pub(super) shape: Shape,
}

/// Where words stand against their place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// A drawing that grows; lengths are pixels, y points down.
pub(super) struct Svg {
    width: f64,
    height: f64,
    title: String,
    body: String,
}

impl Svg {
    /// An empty drawing; the title is what a screen reader says.
    pub(super) fn new(width: f64, height: f64, title: &str) -> Self {
        Self {
            width,
            height,
            title: title.to_owned(),
            body: String::new(),
        }
    }

    fn push(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.body.write_fmt(element);
        self.body.push('\n');
    }

    /// A line, dashed or not.
    pub(super) fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str, dashed: bool) {
        let dash = if dashed {
            r#" stroke-dasharray="4 3""#
        } else {
            ""
        };
        self.push(format_args!(
            r#"<line x1="{:.1}" y1="{:.1}" x2="{:.1}" y2="{:.1}" stroke="{colour}"{dash}/>"#,
            from.0, from.1, to.0, to.1
        ));
    }

    /// A filled rectangle with a border of the same colour.
    pub(super) fn rectangle(
        &mut self,
        corner: (f64, f64),
        size: (f64, f64),
        colour: &str,
        opacity: f64,
    ) {
        self.push(format_args!(
            r#"<rect x="{:.1}" y="{:.1}" width="{:.1}" height="{:.1}" fill="{colour}" fill-opacity="{opacity}" stroke="{colour}"/>"#,
            corner.0,
            corner.1,
            size.0.max(0.0),
            size.1.max(0.0)
        ));
    }

    /// A mark that stands for a value; its hint is shown where the pointer rests.
    pub(super) fn mark(&mut self, (x, y): (f64, f64), mark: Mark, hint: &str) {
        let (colour, hint) = (mark.colour, escaped(hint));
        let path = match mark.shape {
            Shape::Circle => {
                self.push(format_args!(
                    r#"<circle class="value" cx="{x:.1}" cy="{y:.1}" r="3.2" fill="{colour}" fill-opacity="0.8"><title>{hint}</title></circle>"#
                ));
                return;
            }
            Shape::Square => "m-3 -3h6v6h-6z",
            Shape::Triangle => "m0 -4l3.8 6.6h-7.6z",
            Shape::Diamond => "m0 -4.2l4.2 4.2l-4.2 4.2l-4.2 -4.2z",
            Shape::Cross => "m-4 -1.3h2.7v-2.7h2.6v2.7h2.7v2.6h-2.7v2.7h-2.6v-2.7h-2.7z",
        };
        self.push(format_args!(
            r#"<path class="value" d="M{x:.1} {y:.1}{path}" fill="{colour}" fill-opacity="0.8"><title>{hint}</title></path>"#
        ));
    }

    /// A mark that stands for no value, as in a legend.
    pub(super) fn symbol(&mut self, place: (f64, f64), mark: Mark) {
        let from = self.body.len();
        self.mark(place, mark, "");
        let drawn = self.body.split_off(from);
        self.body.push_str(
            &drawn
                .replace(r#"class="value" "#, "")
                .replace("<title></title>", ""),
        );
    }

    /// Words.
    pub(super) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, size: f64, words: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        self.push(format_args!(
            r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" font-size="{size}">{}</text>"#,
            escaped(words)
        ));
    }

    /// Words that run upwards, centred on their place.
    pub(super) fn text_upwards(&mut self, (x, y): (f64, f64), size: f64, words: &str) {
        self.push(format_args!(
            r#"<text transform="translate({x:.1} {y:.1}) rotate(-90)" text-anchor="middle" font-size="{size}">{}</text>"#,
            escaped(words)
        ));
    }

    /// The file. The ground is white, so that it can be read on a dark page as well.
    pub(super) fn finish(self) -> String {
        let Self {
            width,
            height,
            title,
            body,
        } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" viewBox=\"0 0 {width:.0} {height:.0}\" role=\"img\" font-family=\"system-ui, sans-serif\" fill=\"{INK}\">\n<title>{}</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{body}</svg>\n",
            escaped(&title)
        )
    }
}

fn escaped(words: &str) -> String {
    words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// From values to pixels along one axis.
#[derive(Clone, Copy, Debug)]
pub(super) struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    /// An axis that holds these values with a little room, from one pixel to another.
    pub(super) fn around(values: impl IntoIterator<Item = f64>, from: f64, to: f64) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.into_iter().filter(|value| value.is_finite()) {
            low = low.min(value);
            high = high.max(value);
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        let room = if high > low { 0.06 * (high - low) } else { 1.0 };
        Self::new(low - room, high + room, from, to)
    }

    /// An axis from one value to another.
    pub(super) fn new(low: f64, high: f64, from: f64, to: f64) -> Self {
        Self {
            low,
            high,
            from,
            to,
        }
    }

    /// The same pixels for other values, with a little room.
    pub(super) fn holding(&self, values: impl IntoIterator<Item = f64>) -> Self {
        Self::around(values, self.from, self.to)
    }

    /// The pixel of a value.
    pub(super) fn at(&self, value: f64) -> f64 {
        self.from + (value - self.low) / (self.high - self.low) * (self.to - self.from)
    }

    /// Round values, about so many, and the decimals that tell them apart.
    pub(super) fn ticks(&self, count: f64) -> (Vec<f64>, usize) {
        let raw = (self.high - self.low) / count;
        let power = 10.0_f64.powf(raw.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|factor| factor * power)
            .find(|step| *step >= raw)
            .unwrap_or(raw);
        let decimals = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
        let first = (self.low / step).ceil();
        let ticks = (0..100)
            .map(|index| (first + f64::from(index)) * step)
            .take_while(|tick| *tick <= self.high + 1e-9 * step)
            .collect();
        (ticks, decimals)
    }
}

/// A field with two axes.
pub(super) struct Panel {
    pub(super) x: Axis,
    pub(super) y: Axis,
}

impl Panel {
    /// Draws border, grid and ticks, the heading above and the names of the axes.
    pub(super) fn frame(&self, svg: &mut Svg, heading: &str, x_name: &str, y_name: &str) {
        self.rows(svg, heading, y_name);
        let (_, bottom) = self.corner();
        let (ticks, decimals) = self.x.ticks(6.0);
        for tick in ticks {
            let x = self.x.at(tick);
            svg.line((x, bottom), (x, bottom + 4.0), INK, false);
            svg.text(
                (x, bottom + 16.0),
                Anchor::Middle,
                10.0,
                &crate::summary::number(tick, decimals),
            );
        }
        svg.text(
            ((self.x.from + self.x.to) / 2.0, bottom + 32.0),
            Anchor::Middle,
            11.0,
            x_name,
        );
    }

    /// The same without ticks along x, for panels whose columns are named one by one.
    pub(super) fn rows(&self, svg: &mut Svg, heading: &str, y_name: &str) {
        let (left, bottom) = self.corner();
        let (ticks, decimals) = self.y.ticks(6.0);
        for tick in ticks {
            let y = self.y.at(tick);
            svg.line((left, y), (self.x.to, y), FAINT, false);
            svg.text(
                (left - 6.0, y + 3.5),
                Anchor::End,
                10.0,
                &crate::summary::number(tick, decimals),
            );
        }
        svg.line((left, self.y.to), (left, bottom), INK, false);
        svg.line((left, bottom), (self.x.to, bottom), INK, false);
        svg.text((left, self.y.to - 8.0), Anchor::Start, 12.0, heading);
        svg.text_upwards((left - 40.0, (self.y.from + self.y.to) / 2.0), 11.0, y_name);
    }

    /// Pixels of the left and right side.
    pub(super) fn sides(&self) -> (f64, f64) {
        (self.x.from, self.x.to)
    }

    /// Pixels of the lower and upper end.
    pub(super) fn ends(&self) -> (f64, f64) {
        (self.y.from, self.y.to)
    }

    /// Pixel of the lower left corner.
    fn corner(&self) -> (f64, f64) {
        (self.x.from, self.y.from)
    }
}

/// What the tests of the figures look at.
#[cfg(test)]
pub(super) mod check {
    /// Whether every element is closed and every attribute quoted, and how many marks stand for a value.
    pub(crate) fn values_of_well_formed(svg: &str) -> usize {
        let mut open = Vec::new();
        let mut rest = svg;
        while let Some((before, after)) = rest.split_once('<') {
            assert!(!before.contains('>'), "a bare > in {before:?}");
            assert!(
                before
                    .split('&')
                    .skip(1)
                    .all(|word| ["amp;", "lt;", "gt;", "quot;"]
                        .iter()
                        .any(|entity| word.starts_with(entity))),
                "a bare & in {before:?}"
            );
            let (tag, next) = after.split_once('>').expect("a tag that does not end");
            assert_eq!(
                tag.matches('"').count() % 2,
                0,
                "a quote is open in <{tag}>"
            );
            assert!(
                !tag.contains("NaN") && !tag.contains("inf"),
                "no place: <{tag}>"
            );
            if let Some(name) = tag.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name.to_owned()));
            } else if !tag.ends_with('/') {
                open.push(tag.split_whitespace().next().unwrap().to_owned());
            }
            rest = next;
        }
        assert!(open.is_empty(), "{open:?} stay open");
        svg.matches(r#"class="value""#).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_is_well_formed_whatever_its_words() {
        let mut svg = Svg::new(10.0, 10.0, "a < b & \"c\"");
        svg.text((1.0, 1.0), Anchor::End, 9.0, "<script> & co");
        for shape in [
            Shape::Circle,
            Shape::Square,
            Shape::Triangle,
            Shape::Diamond,
            Shape::Cross,
        ] {
            svg.mark((2.0, 2.0), Mark { colour: INK, shape }, "1 > 0");
        }
        assert_eq!(check::values_of_well_formed(&svg.finish()), 5);
    }

    #[test]
    fn values_fall_on_their_pixels_and_ticks_are_round() {
        // 0 to 50 over 100 pixels upwards: 25 lies in the middle.
        let axis = Axis::new(0.0, 50.0, 200.0, 100.0);
        assert_eq!(
            (axis.at(0.0), axis.at(25.0), axis.at(50.0)),
            (200.0, 150.0, 100.0)
        );
        assert_eq!(
            axis.ticks(5.0),
            (vec![0.0, 10.0, 20.0, 30.0, 40.0, 50.0], 0)
        );
        let (ticks, decimals) = Axis::new(0.83, 0.97, 0.0, 1.0).ticks(6.0);
        assert_eq!((ticks.len(), decimals), (3, 2));
    }

    #[test]
    fn one_value_and_none_have_an_axis() {
        assert!(Axis::around([3.0], 0.0, 10.0).at(3.0).is_finite());
        assert!(Axis::around([], 0.0, 10.0).at(0.5).is_finite());
    }
}
