//! The shapes of the heart over a beat and their volumes. All lengths in mm.
//!
//! Coordinates: z runs from the base plane in diastole to the apex; x and y are those of the image. Depth is measured from the
//! base plane, which comes down by a part of the stroke. The long axis of the left ventricle is tilted a little against the
//! slices by shifting cross-sections, which changes no area.

use crate::{PhantomError, Settings};

/// Extent in the plane that holds every heart that [`Settings`] allow, mm.
const WIDTH_MM: f64 = 200.0;

/// Middle of the left ventricle at the base in the image, mm from the image's middle.
const CENTER: [f64; 2] = [10.0, -6.0];

/// Shift of the long axis per mm towards the apex.
const TILT: [f64; 2] = [0.04, 0.05];

/// Half the region around the long axis in which anything of the heart can be, mm.
const REACH_MM: f64 = 98.0;

/// Length of the left cavity in diastole for a volume of 130 ml, mm; scales with the cube root of the volume.
const LENGTH_MM: f64 = 80.0;

/// Descent of the base plane for an ejection fraction of 60 %, mm (12 to 15 mm in health).
const DESCENT_MM: f64 = 12.0;

/// Apical wall over lateral wall: the apex is thin.
const APICAL_WALL: f64 = 0.6;

/// Half axes of the right ventricle's ellipsoid at scale 1: away from the septum, and along it.
const RIGHT_AXES_MM: [f64; 2] = [34.0, 44.0];

/// The right ventricle ends this part of the way to the left cavity's apex.
const RIGHT_LENGTH: f64 = 0.92;

/// Middle of the right ellipse, as a part of the epicardial radius at the same depth.
const RIGHT_OFFSET: f64 = 0.92;

/// Direction of the right ventricle from the left, in the image: cosine and sine of 29 degrees upwards of left.
const RIGHTWARD: [f64; 2] = [0.8746, 0.4848];

/// Thickness of the right ventricle's free wall, mm; not labelled, as in ACDC.
const RIGHT_WALL_MM: f64 = 2.0;

/// Thickness of the trabeculated lining of the left cavity in diastole, mm, and by how much more at the end of systole, when the
/// strands are pressed together.
const LINING_MM: [f64; 2] = [2.5, 1.0];

/// Thickness of the dark line of the pericardium, mm.
const PERICARDIUM_MM: f64 = 1.5;

/// Steps of the right ventricle's volume integral along depth and along the septum.
const INTEGRAL_STEPS: usize = 240;

/// The volumes that the heart has in a frame, ml.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Truth {
    /// Left cavity, papillary muscles included.
    pub left_ventricle_ml: f64,
    /// Right cavity.
    pub right_ventricle_ml: f64,
    /// Wall of the left ventricle.
    pub myocardium_ml: f64,
}

/// The frame in which systole ends: the one nearest to 35 % of the beat, so that the smallest volume is that of a frame.
pub(crate) fn es_frame(frames: usize) -> usize {
    (0.35 * frames as f64).round() as usize
}

/// How far the heart has contracted, 0 in diastole and 1 at the end of systole, in one of so many frames of the beat.
///
/// Three quarters of the filling are early, then the heart rests through diastasis, and the atria add what is left.
pub(crate) fn contraction(frame: usize, frames: usize) -> f64 {
    let phase = frame as f64 / frames as f64;
    let end_systole = es_frame(frames) as f64 / frames as f64;
    const EARLY_FILLING: f64 = 0.60;
    const ATRIAL_KICK: f64 = 0.85;
    const LEFT_TO_ATRIA: f64 = 0.25;
    let ease = |part: f64| part * part * (3.0 - 2.0 * part);
    let part = |from: f64, to: f64| ((phase - from) / (to - from)).clamp(0.0, 1.0);
    if phase <= end_systole {
        if frame == 0 {
            0.0
        } else {
            ease(part(0.0, end_systole))
        }
    } else if phase < ATRIAL_KICK {
        1.0 - (1.0 - LEFT_TO_ATRIA) * ease(part(end_systole, EARLY_FILLING))
    } else {
        LEFT_TO_ATRIA * (1.0 - ease(part(ATRIAL_KICK, 1.0)))
    }
}

/// What is at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    LeftCavity,
    Papillary,
    Wall,
    RightCavity,
    Trabecula,
    RightWall,
    /// Atria and great vessels above the base plane.
    Vessel,
    VesselWall,
    /// The fat that fills the grooves and the layer under the pericardium.
    Fat,
    Pericardium,
    /// Nothing of the heart.
    Chest,
}

/// A heart that can be at every phase.
pub(crate) struct Heart {
    lv_edv_ml: f64,
    lv_esv_ml: f64,
    rv_edv_ml: f64,
    rv_esv_ml: f64,
    myocardium_ml: f64,
    length_mm: f64,
    descent_mm: f64,
}

impl Heart {
    pub(crate) fn new(settings: &Settings) -> Heart {
        let ejected = 1.0 - settings.lv_esv_ml / settings.lv_edv_ml;
        Heart {
            lv_edv_ml: settings.lv_edv_ml,
            lv_esv_ml: settings.lv_esv_ml,
            rv_edv_ml: settings.rv_edv_ml,
            rv_esv_ml: settings.rv_esv_ml,
            myocardium_ml: settings.myocardium_ml,
            length_mm: LENGTH_MM * (settings.lv_edv_ml / 130.0).cbrt(),
            // Whole slices: a slice that ends up half above the base plane belongs to the ventricle or not by a reader's rule,
            // and a truth that depends on a rule would be none.
            descent_mm: (DESCENT_MM * ejected / 0.6 / settings.spacing.slice_mm).round()
                * settings.spacing.slice_mm,
        }
    }

    /// That the field of view holds the heart.
    pub(crate) fn fits(&self, settings: &Settings) -> Result<(), PhantomError> {
        let (shape, spacing) = (settings.shape, settings.spacing);
        for (axis, count, step_mm, needed_mm) in [
            ("columns", shape.columns, spacing.column_mm, WIDTH_MM),
            ("rows", shape.rows, spacing.row_mm, WIDTH_MM),
            ("slices", shape.slices, spacing.slice_mm, self.length_mm()),
        ] {
            let found_mm = count as f64 * step_mm;
            if found_mm < needed_mm {
                return Err(PhantomError::FieldTooSmall {
                    axis,
                    found_mm,
                    needed_mm,
                });
            }
        }
        Ok(())
    }

    /// From the base plane in diastole to the outside of the apex at its thickest, mm.
    fn length_mm(&self) -> f64 {
        let beat = self.beat(1.0);
        beat.base + beat.epi_length
    }

    pub(crate) fn beat(&self, contraction: f64) -> Beat {
        let between = |ed: f64, es: f64| ed + (es - ed) * contraction;
        let left_ml = between(self.lv_edv_ml, self.lv_esv_ml);
        let right_ml = between(self.rv_edv_ml, self.rv_esv_ml);
        let base = self.descent_mm * contraction;
        let length = self.length_mm - base;
        let radius = (left_ml * 1000.0 / half_ellipsoid(1.0, length)).sqrt();
        let both_mm3 = (left_ml + self.myocardium_ml) * 1000.0;
        let wall = solve(0.0, 100.0, |wall| {
            half_ellipsoid(radius + wall, length + APICAL_WALL * wall) - both_mm3
        });
        let mut beat = Beat {
            base,
            length,
            radius,
            epi_length: length + APICAL_WALL * wall,
            epi_radius: radius + wall,
            right_scale: 1.0,
            contraction,
            truth: Truth {
                left_ventricle_ml: left_ml,
                right_ventricle_ml: right_ml,
                myocardium_ml: self.myocardium_ml,
            },
        };
        beat.right_scale = solve(0.2, 4.0, |scale| {
            Beat {
                right_scale: scale,
                ..beat
            }
            .right_mm3()
                - right_ml * 1000.0
        });
        beat
    }
}

/// Volume of half an ellipsoid of revolution, mm^3.
fn half_ellipsoid(radius: f64, length: f64) -> f64 {
    2.0 / 3.0 * std::f64::consts::PI * radius * radius * length
}

/// Where a growing function crosses zero, by halving.
fn solve(mut low: f64, mut high: f64, function: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..48 {
        let middle = (low + high) / 2.0;
        if function(middle) < 0.0 {
            low = middle
        } else {
            high = middle
        }
    }
    (low + high) / 2.0
}

/// The heart at one phase.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Beat {
    /// z of the base plane.
    base: f64,
    /// From the base plane to the apex of the cavity, and of the epicardium.
    length: f64,
    epi_length: f64,
    /// Radius at the base plane of the cavity, and of the epicardium.
    radius: f64,
    epi_radius: f64,
    right_scale: f64,
    contraction: f64,
    truth: Truth,
}

impl Beat {
    pub(crate) fn truth(&self) -> Truth {
        self.truth
    }

    /// Thickness of the left ventricle's wall in the plane at a z, mm: the same all around. `None` above the base and beyond the cavity.
    pub(crate) fn wall_mm(&self, z: f64) -> Option<f64> {
        let depth = z - self.base;
        (0.0..self.length).contains(&depth).then(|| {
            self.epi_radius * section(depth, self.epi_length)
                - self.radius * section(depth, self.length)
        })
    }

    /// Whether a place is near enough for [`Beat::at`] to be asked.
    pub(crate) fn may_reach(x: f64, y: f64, z: f64) -> bool {
        let [x, y] = centered(x, y, z);
        x * x + y * y < REACH_MM * REACH_MM
    }

    /// What is at a place of the chest.
    pub(crate) fn at(&self, x: f64, y: f64, z: f64) -> Place {
        let [x, y] = centered(x, y, z);
        // Along the line from the left ventricle to the right, and along the septum.
        let [along, across] = RIGHTWARD;
        let (toward, beside) = (-x * along - y * across, x * across - y * along);
        let depth = z - self.base;
        if depth < 0.0 {
            return above_base(toward, beside);
        }
        let distance = (toward * toward + beside * beside).sqrt();
        let section = section(depth, self.length);
        let epi = self.epi_radius * self::section(depth, self.epi_length);
        if distance < self.radius * section {
            let to_wall = self.radius * section - distance;
            let muscle = self.in_papillary(toward, beside, depth)
                || self.in_lining(toward, beside, depth, to_wall);
            return if muscle {
                Place::Papillary
            } else {
                Place::LeftCavity
            };
        }
        if distance < epi {
            return Place::Wall;
        }
        let [half_out, half_along, middle] = self.right_section(depth);
        let level = |grown: f64| {
            let out = (toward - middle) / (half_out + grown);
            let along = beside / (half_along + grown);
            out * out + along * along
        };
        if half_out > 0.0 && level(0.0) < 1.0 {
            return if self.in_trabecula(toward - middle, beside, depth) {
                Place::Trabecula
            } else {
                Place::RightCavity
            };
        }
        let near_right = half_out > 0.0;
        if near_right && level(RIGHT_WALL_MM) < 1.0 {
            return Place::RightWall;
        }
        // Fat fills the grooves between the ventricles and lies thin on the left one; the free wall of the right has none.
        if depth < 0.85 * self.epi_length {
            let in_groove =
                toward > 0.0 && toward < middle && beside.abs() < half_along + RIGHT_WALL_MM + 2.0;
            let fat = if in_groove { 9.0 } else { 2.0 };
            let outside = distance - epi;
            if outside < fat {
                return Place::Fat;
            }
            if outside < fat + PERICARDIUM_MM {
                return Place::Pericardium;
            }
        }
        Place::Chest
    }

    /// The trabeculated lining of the left cavity: blood between strands of muscle, counted as cavity as readers do.
    fn in_lining(&self, toward: f64, beside: f64, depth: f64, to_wall: f64) -> bool {
        let [diastole, more] = LINING_MM;
        let thick = diastole + more * self.contraction;
        if to_wall > thick {
            return false;
        }
        // Strands run along the cavity and wander around it; they fuse towards the wall.
        let around = beside.atan2(toward) * self.radius;
        let strand = 0.8 * (around * 0.83 + 0.8 * (depth * 0.21).sin()).sin()
            + 0.7 * (around * 0.51 - depth * 0.3 + 1.0).sin()
            + 0.6 * (around * 0.29 + depth * 0.17).sin();
        strand > 2.4 * to_wall / thick - 1.2
    }

    /// Half axes of the right ellipse at a depth, and its middle's distance from the long axis; zeros beyond its end.
    fn right_section(&self, depth: f64) -> [f64; 3] {
        let part = section(depth, RIGHT_LENGTH * self.length);
        let epi = self.epi_radius * section(depth, self.epi_length);
        let [out, along] = RIGHT_AXES_MM;
        // The free wall moves towards the septum; along the septum the cavity shortens less.
        [
            out * self.right_scale * part,
            along * (0.45 + 0.55 * self.right_scale) * part,
            RIGHT_OFFSET * epi,
        ]
    }

    /// Volume of the right cavity, mm^3: over depth and along the septum, the length of the ellipse's chord that is not the
    /// epicardium's.
    fn right_mm3(&self) -> f64 {
        let length = RIGHT_LENGTH * self.length;
        let steps = INTEGRAL_STEPS as f64;
        let mut sum = 0.0;
        for depth_step in 0..INTEGRAL_STEPS {
            let depth = (depth_step as f64 + 0.5) / steps * length;
            let [half_out, half_along, middle] = self.right_section(depth);
            let epi = self.epi_radius * section(depth, self.epi_length);
            let mut area = 0.0;
            for along_step in 0..INTEGRAL_STEPS {
                let part = 2.0 * (along_step as f64 + 0.5) / steps - 1.0;
                let half = half_out * (1.0 - part * part).sqrt();
                let beside = part * half_along;
                let chord = (epi * epi - beside * beside).max(0.0).sqrt();
                let overlap = (chord.min(middle + half) - (-chord).max(middle - half)).max(0.0);
                area += 2.0 * half - overlap;
            }
            sum += area * 2.0 * half_along / steps;
        }
        sum * length / steps
    }

    /// Two papillary muscles, a third of the way round from one another, from the middle of the cavity to its apical third.
    fn in_papillary(&self, toward: f64, beside: f64, depth: f64) -> bool {
        let part = depth / self.length;
        if !(0.28..0.74).contains(&part) {
            return false;
        }
        let radius = self.radius * section(depth, self.length);
        // They thicken as the wall does and keep to it.
        let thick =
            (3.4 + 0.8 * self.contraction) * (1.0 - (2.0 * (part - 0.5) / 0.5).powi(2) * 0.5);
        [(-0.55, 0.45), (-0.35, -0.62)].iter().any(|(out, along)| {
            let (out, along) = (toward - out * radius * 0.98, beside - along * radius * 0.98);
            out.hypot(along) < thick
        })
    }

    /// The moderator band and some trabeculae of the right ventricle.
    fn in_trabecula(&self, out: f64, beside: f64, depth: f64) -> bool {
        let part = depth / (RIGHT_LENGTH * self.length);
        let spot = |at: f64, out_at: f64, along_at: f64, thick: f64| {
            (part - at).abs() < 0.13
                && (out - out_at * self.right_scale).hypot(beside - along_at) < thick
        };
        spot(0.45, 16.0, 6.0, 2.4)
            || spot(0.55, 20.0, -10.0, 2.2)
            || spot(0.7, 14.0, 2.0, 2.6)
            || spot(0.62, 8.0, 14.0, 2.0)
    }
}

/// Radius of an ellipsoid's cross-section at a depth, as a part of its radius at the base.
fn section(depth: f64, length: f64) -> f64 {
    let part = depth / length;
    (1.0 - part * part).max(0.0).sqrt()
}

/// In-plane coordinates from the long axis.
fn centered(x: f64, y: f64, z: f64) -> [f64; 2] {
    let [x0, y0] = CENTER;
    let [tilt_x, tilt_y] = TILT;
    [x - x0 - tilt_x * z, y - y0 - tilt_y * z]
}

/// Atria and great vessels, which come into the first slices when the base plane descends.
fn above_base(toward: f64, beside: f64) -> Place {
    /// Middle towards the right ventricle and along the septum (image's upper right is negative), radius, mm.
    const CHAMBERS: [[f64; 3]; 4] = [
        [-4.0, -14.0, 23.0], // left atrium
        [14.0, 12.0, 14.0],  // aortic root
        [50.0, -16.0, 24.0], // right atrium
        [34.0, 30.0, 15.0],  // outflow of the right ventricle
    ];
    const WALL_MM: f64 = 2.0;
    let nearest = CHAMBERS
        .iter()
        .map(|[out, along, radius]| (toward - out).hypot(beside - along) - radius)
        .fold(f64::INFINITY, f64::min);
    if nearest < 0.0 {
        Place::Vessel
    } else if nearest < WALL_MM {
        Place::VesselWall
    } else if nearest < WALL_MM + 5.0 {
        Place::Fat
    } else {
        Place::Chest
    }
}

#[cfg(test)]
mod tests {
    use cinecor_volume::Label;

    use super::*;

    fn heart() -> Heart {
        Heart::new(&Settings::default())
    }

    #[test]
    fn contraction_is_none_in_the_first_frame_and_full_in_one() {
        for frames in [2, 3, 4, 10, 25, 30, 100] {
            assert_eq!(contraction(0, frames), 0.0);
            assert_eq!(contraction(es_frame(frames), frames), 1.0, "{frames}");
            let full = (0..frames)
                .filter(|frame| contraction(*frame, frames) > 0.999_999)
                .count();
            assert_eq!(full, 1, "{frames}");
            // The last frame is as far from the next beat as frames are apart.
            assert!(contraction(frames - 1, frames) <= 1.0);
        }
        assert_eq!(contraction(0, 1), 0.0);
        assert!(contraction(99, 100) < 0.01);
    }

    #[test]
    fn shapes_hold_the_volumes_that_are_told() {
        // A sum over cubes of half a millimetre: another way to the same volumes.
        const STEP: f64 = 0.5;
        for contraction in [0.0, 0.5, 1.0] {
            let beat = heart().beat(contraction);
            let mut found = [0.0; 4];
            let steps = |from: f64, to: f64| {
                let count = ((to - from) / STEP) as usize;
                (0..count).map(move |step| from + (step as f64 + 0.5) * STEP)
            };
            for z in steps(0.0, 110.0) {
                for y in steps(-100.0, 100.0) {
                    for x in steps(-100.0, 100.0) {
                        if Beat::may_reach(x, y, z) {
                            found[usize::from(beat.at(x, y, z).label().code())] +=
                                STEP.powi(3) / 1000.0;
                        }
                    }
                }
            }
            let truth = beat.truth();
            let expected = [
                truth.right_ventricle_ml,
                truth.myocardium_ml,
                truth.left_ventricle_ml,
            ];
            for (label, expected) in Label::STRUCTURES.into_iter().zip(expected) {
                let found = found[usize::from(label.code())];
                assert!(
                    (found / expected - 1.0).abs() < 0.003,
                    "{}: {found} of {expected} ml",
                    label.name()
                );
            }
        }
    }

    #[test]
    fn wall_thickens_and_base_descends_in_systole() {
        let (ed, es) = (heart().beat(0.0), heart().beat(1.0));
        let wall = |beat: &Beat| beat.epi_radius - beat.radius;
        assert!((6.0..11.0).contains(&wall(&ed)), "{}", wall(&ed));
        // Systolic thickening is 30 to 60 percent in health.
        assert!(
            (1.3..1.6).contains(&(wall(&es) / wall(&ed))),
            "{}",
            wall(&es) / wall(&ed)
        );
        // One and a half slices of 8 mm, rounded to two.
        assert_eq!(es.base - ed.base, 16.0);
    }

    #[test]
    fn papillary_muscles_are_cavity() {
        assert_eq!(Place::Papillary.label(), Label::LeftVentricle);
        assert_eq!(Place::RightWall.label(), Label::Background);
    }
}
