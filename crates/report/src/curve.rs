//! The volume curves. Structures differ by marker and by dash as well as by colour, and each is named at its end.

use cinecor_render::colour;
use cinecor_volume::Label;
use cinecor_wire::{CurveJson, PhasesJson};
use maud::{Markup, html};

use crate::numbers::{number, place};

/// Size of the drawing, and the plot's frame in it.
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 600.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 226.0;
/// Between the names at the ends.
const LINE: f64 = 15.0;

/// One structure.
struct Trace<'a> {
    name: &'static str,
    colour: String,
    dash: &'static str,
    marker: Marker,
    raw_ml: &'a [Option<f64>],
    smooth_ml: Option<&'a [f64]>,
}

#[derive(Clone, Copy)]
enum Marker {
    Disk,
    Square,
    Triangle,
}

impl Marker {
    fn draw(self, x: f64, y: f64, colour: &str) -> Markup {
        html! {
            @match self {
                Marker::Disk => circle cx=(place(x)) cy=(place(y)) r="2.6" fill=(colour) {},
                Marker::Square => rect x=(place(x - 2.4)) y=(place(y - 2.4)) width="4.8" height="4.8" fill=(colour) {},
                Marker::Triangle => path d=(format!("M {} {} l 3 5.2 h -6 Z", place(x), place(y - 3.2))) fill=(colour) {},
            }
        }
    }
}

/// The colour of a structure as CSS writes it, black where it has none.
pub(crate) fn css_colour(label: Label) -> String {
    let [red, green, blue] = colour(label).unwrap_or_default();
    format!("#{red:02x}{green:02x}{blue:02x}")
}

/// From values to places.
struct Axis {
    least: f64,
    most: f64,
    start: f64,
    end: f64,
}

impl Axis {
    fn place(&self, value: f64) -> f64 {
        let span = self.most - self.least;
        let part = if span > 0.0 {
            (value - self.least) / span
        } else {
            0.5
        };
        self.start + part * (self.end - self.start)
    }

    /// Round values, about six of them.
    fn ticks(&self) -> Vec<f64> {
        let span = self.most - self.least;
        if span <= 0.0 {
            return vec![self.least];
        }
        let rough = span / 6.0;
        let power = 10.0_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0]
            .into_iter()
            .map(|times| times * power)
            .find(|step| *step >= rough)
            .unwrap_or(10.0 * power);
        let first = (self.least / step).ceil();
        (0..16)
            .map(|index| (first + f64::from(index)) * step)
            .take_while(|tick| *tick <= self.most + step * 1e-9)
            .collect()
    }
}

/// Draws the curves; nothing where no frame shows a structure.
pub(crate) fn draw(curve: &CurveJson, phases: &PhasesJson) -> Option<Markup> {
    let smoothed = curve.smoothed.as_ref();
    let traces = [
        Trace {
            name: "left ventricle",
            colour: css_colour(Label::LeftVentricle),
            dash: "none",
            marker: Marker::Disk,
            raw_ml: &curve.left_ventricle_ml,
            smooth_ml: smoothed.and_then(|of| of.left_ventricle_ml.as_deref()),
        },
        Trace {
            name: "right ventricle",
            colour: css_colour(Label::RightVentricle),
            dash: "8 3",
            marker: Marker::Square,
            raw_ml: &curve.right_ventricle_ml,
            smooth_ml: smoothed.and_then(|of| of.right_ventricle_ml.as_deref()),
        },
        Trace {
            name: "myocardium",
            colour: css_colour(Label::Myocardium),
            dash: "2 3",
            marker: Marker::Triangle,
            raw_ml: &curve.myocardium_ml,
            smooth_ml: smoothed.and_then(|of| of.myocardium_ml.as_deref()),
        },
    ];
    let at: Vec<f64> = match &curve.time_ms {
        Some(times) => times.clone(),
        None => curve.frames.iter().map(|&frame| frame as f64).collect(),
    };
    let most_ml = traces
        .iter()
        .flat_map(|trace| trace.raw_ml.iter().flatten())
        .copied()
        .reduce(f64::max)?;
    let across = Axis {
        least: at.iter().copied().reduce(f64::min)?,
        most: at.iter().copied().reduce(f64::max)?,
        start: LEFT,
        end: RIGHT,
    };
    let up = Axis {
        least: 0.0,
        most: 1.05 * most_ml.max(1.0),
        start: BOTTOM,
        end: TOP,
    };
    let moment = |frame: Option<usize>| {
        let index = curve
            .frames
            .iter()
            .position(|&found| Some(found) == frame)?;
        at.get(index).copied()
    };
    let left = (phases.ed_frame, phases.es_frame);
    let right = (
        phases.right_ventricle.ed_frame,
        phases.right_ventricle.es_frame,
    );
    let marks = [
        ("ED", moment(left.0), "none", TOP - 6.0),
        ("ES", moment(left.1), "none", TOP - 6.0),
        (
            "ED right",
            moment(right.0).filter(|_| right.0 != left.0),
            "4 4",
            TOP - 19.0,
        ),
        (
            "ES right",
            moment(right.1).filter(|_| right.1 != left.1),
            "4 4",
            TOP - 19.0,
        ),
    ];
    let axis = if curve.time_ms.is_some() {
        "time, ms"
    } else {
        "frame"
    };
    let ends = ends(&traces, &up);
    Some(html! {
        figure {
            svg.curve viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img" aria-labelledby="curve-title curve-about" {
                title id="curve-title" { "Volumes over the heart beat" }
                desc id="curve-about" { "Volume in ml of both ventricles' cavities and of the myocardium in every frame, raw as markers and smoothed as lines. The volumes are in the JSON and CSV of this report." }
                @for tick in up.ticks() {
                    line x1=(place(LEFT)) x2=(place(RIGHT)) y1=(place(up.place(tick))) y2=(place(up.place(tick))) stroke="#dddddd" stroke-width="1" {}
                    text x=(place(LEFT - 6.0)) y=(place(up.place(tick) + 4.0)) text-anchor="end" font-size="11" fill="#333333" { (number(Some(tick), 0)) }
                }
                @for tick in across.ticks() {
                    line x1=(place(across.place(tick))) x2=(place(across.place(tick))) y1=(place(BOTTOM)) y2=(place(BOTTOM + 4.0)) stroke="#333333" stroke-width="1" {}
                    text x=(place(across.place(tick))) y=(place(BOTTOM + 17.0)) text-anchor="middle" font-size="11" fill="#333333" { (number(Some(tick), 0)) }
                }
                line x1=(place(LEFT)) x2=(place(RIGHT)) y1=(place(BOTTOM)) y2=(place(BOTTOM)) stroke="#333333" stroke-width="1" {}
                line x1=(place(LEFT)) x2=(place(LEFT)) y1=(place(TOP)) y2=(place(BOTTOM)) stroke="#333333" stroke-width="1" {}
                text x=(place((LEFT + RIGHT) / 2.0)) y=(place(HEIGHT - 8.0)) text-anchor="middle" font-size="12" fill="#333333" { (axis) }
                text x="4" y=(place(TOP - 20.0)) font-size="12" fill="#333333" { "ml" }
                @for (name, moment, dash, y) in marks {
                    @if let Some(moment) = moment {
                        line x1=(place(across.place(moment))) x2=(place(across.place(moment))) y1=(place(y + 3.0)) y2=(place(BOTTOM)) stroke="#555555" stroke-width="1" stroke-dasharray=(dash) {}
                        text x=(place(across.place(moment))) y=(place(y)) text-anchor="middle" font-size="11" fill="#000000" { (name) }
                    }
                }
                @for trace in &traces {
                    @if let Some(smooth_ml) = trace.smooth_ml {
                        polyline points=(points(&at, smooth_ml, &across, &up)) fill="none" stroke=(trace.colour) stroke-width="1.8" stroke-dasharray=(trace.dash) {}
                    }
                    @for (moment, ml) in at.iter().zip(trace.raw_ml) {
                        @if let Some(ml) = ml {
                            (trace.marker.draw(across.place(*moment), up.place(*ml), &trace.colour))
                        }
                    }
                }
                @for (trace, y) in ends {
                    (trace.marker.draw(RIGHT + 10.0, y - 4.0, &trace.colour))
                    text x=(place(RIGHT + 17.0)) y=(place(y)) font-size="12" fill="#000000" { (trace.name) }
                }
            }
            figcaption {
                "Markers: the volumes as measured. "
                @match smoothed {
                    Some(of) => { "Lines: smoothed (" code { (of.method) } "). " },
                    None => "They were not smoothed: that needs five neighbouring frames. ",
                }
                "ED and ES are those of the left ventricle"
                @if marks.iter().any(|(name, moment, ..)| name.ends_with("right") && moment.is_some()) { "; where those of the right ventricle differ, they have lines of their own" }
                "."
            }
        }
    })
}

fn points(at: &[f64], ml: &[f64], across: &Axis, up: &Axis) -> String {
    let points: Vec<String> = at
        .iter()
        .zip(ml)
        .map(|(&at, &ml)| format!("{},{}", place(across.place(at)), place(up.place(ml))))
        .collect();
    points.join(" ")
}

/// Where the names stand at the curves' ends, a line apart at least.
fn ends<'a>(traces: &'a [Trace<'a>], up: &Axis) -> Vec<(&'a Trace<'a>, f64)> {
    let mut ends: Vec<(&Trace<'_>, f64)> = traces
        .iter()
        .filter_map(|trace| {
            let last = trace.raw_ml.iter().rev().flatten().next()?;
            Some((trace, up.place(*last) + 4.0))
        })
        .collect();
    ends.sort_by(|a, b| a.1.total_cmp(&b.1));
    let mut above = f64::NEG_INFINITY;
    for (_, y) in &mut ends {
        *y = y.max(above + LINE);
        above = *y;
    }
    ends
}

#[cfg(test)]
mod tests {
    use super::*;

    fn axis(least: f64, most: f64) -> Axis {
        Axis {
            least,
            most,
            start: 0.0,
            end: 100.0,
        }
    }

    #[test]
    fn ticks_are_round_and_inside() {
        assert_eq!(axis(0.0, 168.0).ticks(), [0.0, 50.0, 100.0, 150.0]);
        assert_eq!(axis(0.0, 700.0).ticks(), [0.0, 200.0, 400.0, 600.0]);
        assert_eq!(axis(3.0, 3.0).ticks(), [3.0]);
        for most in [0.3, 1.05, 17.0, 999.0, 123_456.0] {
            let ticks = axis(0.0, most).ticks();
            assert!((3..=8).contains(&ticks.len()), "{most}: {ticks:?}");
        }
    }

    #[test]
    fn one_frame_alone_is_drawn_in_the_middle() {
        assert_eq!(axis(3.0, 3.0).place(3.0), 50.0);
        assert_eq!(axis(0.0, 4.0).place(1.0), 25.0);
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        let phases = PhasesJson {
            ed_frame: None,
            es_frame: None,
            method: String::new(),
            right_ventricle: cinecor_wire::PhasePairJson {
                ed_frame: None,
                es_frame: None,
            },
            runner_up: None,
        };
        assert!(draw(&CurveJson::default(), &phases).is_none());
    }
}
