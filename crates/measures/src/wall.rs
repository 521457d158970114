//! How thick the left ventricle's wall is, on the segments of the American Heart Association, and how wide its cavity.
//!
//! Rays run from the middle of the cavity outwards in each slice; the wall's thickness is the way of a ray through the wall, in the plane of
//! the slice. That is more than the thickness across the wall where the wall leans, as it does near the apex. Papillary muscles are
//! cavity, so they do not thicken it.
//!
//! Which slices: those whose wall closes around a cavity, divided from base to apex into three equal parts (Cerqueira et al., Circulation
//! 2002;105:539, which asks for slices with wall all around). Which sectors: six of 60 degrees in the basal and middle parts, four of 90 in
//! the apical one, laid so that the middle of the septum, half-way between the two places where the right ventricle meets the left, is
//! the border of the two septal sectors, or the middle of the apical one. The front is where the patient's is, by the axes of the file. The apical cap, segment 17, lies beyond the last cavity, where
//! a short-axis slice shows no thickness; it is not measured, so there are 16 values.

use std::f64::consts::TAU;

use cinecor_volume::{Label, Spacing};
use ndarray::ArrayView2;

/// How many segments are measured: all of the American Heart Association's 17 but the apical cap.
pub const SEGMENTS: usize = 16;

/// Rule of the wall's thickness, by name.
pub const WALL_RULE: &str = "in_plane_along_rays_from_the_cavitys_middle";

/// Rule of the cavity's width, by name.
pub const DIAMETER_RULE: &str = "from_mid_septum_to_lateral_wall_in_the_widest_slice";

/// Rule of the apex, by name.
pub const APEX_RULE: &str = "apical_cap_not_measured";

/// Rays of a slice; 3 degrees apart.
const RAYS: usize = 120;

/// How far a ray may have to go, mm: no ventricle is 30 cm wide.
const REACH_MM: f64 = 150.0;

/// How far beyond the wall the right cavity may begin for a ray to be septal, mm: two pixels, since an automatic mask may leave one free.
const SEPTAL_GAP_MM: f64 = 4.0;

/// Rays that may be missing within the septum: a fold of the right ventricle is no end of the septum. 15 degrees.
const SEPTAL_HOLE_RAYS: usize = 5;

/// The least and the most of the wall that is taken for a septum: 30 and 240 degrees. What is outside comes of a right ventricle that is not
/// beside the left.
const SEPTUM_RAYS: std::ops::RangeInclusive<usize> = RAYS / 12..=RAYS * 2 / 3;

/// The part of the rays that have to cross the wall for it to be closed; below 1, so that a hole of a pixel does not take a slice away.
const CLOSED: f64 = 0.95;

/// The wall and the cavity of one frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wall {
    /// Mean thickness in mm of the segments 1 to 16, in their order; `None` where no slice shows the segment, all of them when no slice
    /// shows where the ventricles meet.
    pub segments_mm: [Option<f64>; SEGMENTS],
    /// The widest distance from the septum's middle to the lateral wall through the middle of the cavity, inside the wall, in any slice
    /// whose wall is closed; mm.
    pub diameter_mm: Option<f64>,
}

/// What one slice adds to the [`Wall`] of its frame; nothing where its wall is not closed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WallShare {
    /// To the segments 1 to 16, in their order.
    pub segments: [SegmentShare; SEGMENTS],
    /// The cavity's width in this slice, mm.
    pub diameter_mm: Option<f64>,
}

/// The rays of one slice that meet the wall in one segment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SegmentShare {
    /// How many there are.
    pub rays: u32,
    /// Their ways through the wall together, mm.
    pub sum_mm: f64,
}

/// The wall at end-diastole and end-systole. Everything is `None` where a frame or a segment is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RegionalWall {
    /// Thickness of the segments 1 to 16 at end-diastole, mm.
    pub ed_mm: [Option<f64>; SEGMENTS],
    /// Thickness of the segments 1 to 16 at end-systole, mm.
    pub es_mm: [Option<f64>; SEGMENTS],
    /// How much thicker each segment is at end-systole, % of end-diastole.
    pub thickening_percent: [Option<f64>; SEGMENTS],
    /// [`Wall::diameter_mm`] at end-diastole.
    pub ed_diameter_mm: Option<f64>,
    /// [`Wall::diameter_mm`] at end-systole.
    pub es_diameter_mm: Option<f64>,
}

impl RegionalWall {
    /// Of the walls of both phases.
    pub fn of(ed: Option<Wall>, es: Option<Wall>) -> RegionalWall {
        RegionalWall {
            ed_mm: ed.map_or([None; SEGMENTS], |wall| wall.segments_mm),
            es_mm: es.map_or([None; SEGMENTS], |wall| wall.segments_mm),
            thickening_percent: match (&ed, &es) {
                (Some(ed), Some(es)) => es.thickening_percent(ed),
                _ => [None; SEGMENTS],
            },
            ed_diameter_mm: ed.and_then(|wall| wall.diameter_mm),
            es_diameter_mm: es.and_then(|wall| wall.diameter_mm),
        }
    }
}

/// What the rays of one slice found. `None` when the slice has no cavity.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SliceWall {
    rays: Vec<Ray>,
    /// Direction of the septum's middle as a ray, where the slice shows it.
    septum: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Ray {
    /// From the middle to the wall, mm.
    cavity_mm: f64,
    /// Through the wall, mm; `None` when it meets none.
    wall_mm: Option<f64>,
    /// Whether the right cavity is behind the wall.
    septal: bool,
}

impl SliceWall {
    pub(crate) fn of(labels: ArrayView2<'_, u8>, spacing: &Spacing) -> Option<Self> {
        let (mut row_sum, mut column_sum, mut voxels) = (0.0, 0.0, 0.0);
        for ((row, column), &code) in labels.indexed_iter() {
            if code == Label::LeftVentricle.code() {
                row_sum += row as f64;
                column_sum += column as f64;
                voxels += 1.0;
            }
        }
        if voxels == 0.0 {
            return None;
        }
        let middle = [row_sum / voxels, column_sum / voxels];
        let rays: Vec<Ray> = (0..RAYS)
            .map(|ray| cast(labels, spacing, middle, ray as f64 / RAYS as f64 * TAU))
            .collect();
        let septal: Vec<bool> = rays.iter().map(|ray| ray.septal).collect();
        Some(SliceWall {
            septum: septum(&septal),
            rays,
        })
    }

    fn is_closed(&self) -> bool {
        let crossing = self.rays.iter().filter(|ray| ray.wall_mm.is_some()).count();
        crossing as f64 >= CLOSED * RAYS as f64
    }
}

/// One ray from `middle` (row and column) at an angle from the columns' direction towards the rows': the voxels that it crosses, one after
/// the other, and how far it goes in each (Amanatides and Woo, Eurographics 1987).
fn cast(labels: ArrayView2<'_, u8>, spacing: &Spacing, middle: [f64; 2], angle: f64) -> Ray {
    let mut axes = [
        Crossings::along(middle[0], angle.sin() / spacing.row_mm),
        Crossings::along(middle[1], angle.cos() / spacing.column_mm),
    ];
    let mut ray = Ray::default();
    let (mut wall_mm, mut beyond_mm, mut here_mm) = (0.0, 0.0, 0.0);
    while here_mm < REACH_MM {
        let place = axes.map(|axis| axis.voxel as usize);
        let inside = axes.iter().all(|axis| axis.voxel >= 0.0);
        // The image ends here.
        let Some(label) = inside
            .then(|| labels.get(place))
            .flatten()
            .and_then(|&code| Label::from_code(code))
        else {
            break;
        };
        let nearer = usize::from(axes[1].next_mm < axes[0].next_mm);
        let until_mm = axes[nearer].next_mm.min(REACH_MM);
        let length_mm = until_mm - here_mm;
        match label {
            Label::Myocardium if beyond_mm == 0.0 => wall_mm += length_mm,
            Label::LeftVentricle if wall_mm == 0.0 => ray.cavity_mm += length_mm,
            _ if wall_mm == 0.0 => break,
            // A corner that is but touched is not crossed.
            Label::RightVentricle if length_mm > 0.0 => {
                ray.septal = true;
                break;
            }
            _ => {
                beyond_mm += length_mm;
                if beyond_mm > SEPTAL_GAP_MM {
                    break;
                }
            }
        }
        here_mm = until_mm;
        axes[nearer].cross();
    }
    ray.wall_mm = (wall_mm > 0.0).then_some(wall_mm);
    ray
}

/// Where a ray crosses from voxel to voxel along one axis. Voxel `i` reaches from `i − ½` to `i + ½`.
#[derive(Clone, Copy)]
struct Crossings {
    /// The voxel that it is in, a whole number.
    voxel: f64,
    /// How far along the ray the next border is, mm; infinite for a ray across the axis.
    next_mm: f64,
    /// How far borders are apart, mm.
    apart_mm: f64,
    /// The direction, 1 or -1.
    step: f64,
}

impl Crossings {
    /// Of a ray from `place`, by `per_mm` voxels a mm.
    fn along(place: f64, per_mm: f64) -> Crossings {
        let voxel = (place + 0.5).floor();
        let step = if per_mm < 0.0 { -1.0 } else { 1.0 };
        let border = voxel + 0.5 * step;
        Crossings {
            voxel,
            next_mm: if per_mm == 0.0 {
                f64::INFINITY
            } else {
                (border - place) / per_mm
            },
            apart_mm: (1.0 / per_mm).abs(),
            step,
        }
    }

    fn cross(&mut self) {
        self.voxel += self.step;
        self.next_mm += self.apart_mm;
    }
}

/// The middle of the longest run of septal rays, as a ray; holes of a few rays are part of a run.
fn septum(septal: &[bool]) -> Option<f64> {
    let count = septal.len();
    let around = || septal.iter().copied().cycle();
    // Counting starts behind a gap that is no hole, so that no run goes over the list's end. Without such a gap nothing is a septum.
    let mut free = 0;
    let start = around().take(2 * count).position(|septal| {
        free = if septal { 0 } else { free + 1 };
        free > SEPTAL_HOLE_RAYS
    })?;
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for (ray, _) in (start..)
        .zip(around().skip(start).take(count))
        .filter(|(_, septal)| *septal)
    {
        match runs.last_mut() {
            Some((_, last)) if ray - *last <= SEPTAL_HOLE_RAYS + 1 => *last = ray,
            _ => runs.push((ray, ray)),
        }
    }
    let (first, last) = runs.into_iter().reduce(|best, run| {
        if run.1 - run.0 > best.1 - best.0 {
            run
        } else {
            best
        }
    })?;
    SEPTUM_RAYS
        .contains(&(last - first + 1))
        .then(|| ((first + last) as f64 / 2.0).rem_euclid(count as f64))
}

impl WallShare {
    /// Of each slice of a frame. `toward_apex` says whether the slices' order runs from base to apex, `None` when there is no ventricle;
    /// the rest is as in [`crate::Grid`].
    pub(crate) fn of(
        slices: &[Option<SliceWall>],
        toward_apex: Option<bool>,
        right_handed: Option<bool>,
        mirrored: bool,
    ) -> Vec<WallShare> {
        let mut shares = vec![WallShare::default(); slices.len()];
        let Some(toward_apex) = toward_apex else {
            return shares;
        };
        let mut closed: Vec<(usize, &SliceWall)> = slices
            .iter()
            .enumerate()
            .filter_map(|(z, slice)| Some((z, slice.as_ref()?)))
            .filter(|(_, slice)| slice.is_closed())
            .collect();
        if !toward_apex {
            closed.reverse();
        }
        let known: Vec<(usize, f64)> = closed
            .iter()
            .filter_map(|&(z, slice)| Some((z, slice.septum?)))
            .collect();
        // Towards the front is the cross product of the direction to the right ventricle and that to the apex, in the patient. In a
        // right-handed image with slices towards the apex, angles run from columns to rows and the front lies against them.
        let forward = match right_handed {
            Some(right_handed) if right_handed == toward_apex => -1.0,
            None if mirrored => -1.0,
            _ => 1.0,
        };
        for (index, &(z, slice)) in closed.iter().enumerate() {
            // Towards the apex the right ventricle ends first: there the nearest slice that shows the septum tells where it is.
            let Some(&(_, septum)) = known.iter().min_by_key(|(other, _)| other.abs_diff(z)) else {
                break;
            };
            let Some(share) = shares.get_mut(z) else {
                break;
            };
            let part = 3 * index / closed.len();
            for (ray, found) in slice.rays.iter().enumerate() {
                let turn = (forward * (ray as f64 - septum) / RAYS as f64).rem_euclid(1.0);
                let of = share.segments.get_mut(segment(part, turn));
                if let (Some(mm), Some(of)) = (found.wall_mm, of) {
                    of.sum_mm += mm;
                    of.rays += 1;
                }
            }
            share.diameter_mm = diameter_mm(slice, septum);
        }
        shares
    }
}

impl Wall {
    /// Of some or all slices of a frame.
    pub(crate) fn of(shares: impl IntoIterator<Item = WallShare>) -> Wall {
        let mut all = WallShare::default();
        for share in shares {
            for (sum, more) in all.segments.iter_mut().zip(share.segments) {
                sum.rays += more.rays;
                sum.sum_mm += more.sum_mm;
            }
            let widest = all.diameter_mm.into_iter().chain(share.diameter_mm);
            all.diameter_mm = widest.reduce(f64::max);
        }
        let mean = |of: SegmentShare| (of.rays > 0).then(|| of.sum_mm / f64::from(of.rays));
        Wall {
            segments_mm: all.segments.map(mean),
            diameter_mm: all.diameter_mm,
        }
    }

    /// The mean of the segments that were measured, mm; each weighs the same.
    pub fn mean_mm(&self) -> Option<f64> {
        let known: Vec<f64> = self.segments_mm.iter().flatten().copied().collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
    }

    /// How much thicker each segment is here than in `end_diastole`, in %.
    pub fn thickening_percent(&self, end_diastole: &Wall) -> [Option<f64>; SEGMENTS] {
        let mut percent = [None; SEGMENTS];
        for ((percent, now), before) in percent
            .iter_mut()
            .zip(self.segments_mm)
            .zip(end_diastole.segments_mm)
        {
            // A measured thickness is above 0.
            *percent = now
                .zip(before)
                .map(|(now, before)| 100.0 * (now - before) / before);
        }
        percent
    }
}

/// Index of the segment, from 0, of a part (0 base, 1 middle, 2 apex) and a turn from the septum's middle forwards, 0 to 1.
fn segment(part: usize, turn: f64) -> usize {
    /// From the septum's middle forwards: anteroseptal, anterior, anterolateral, inferolateral, inferior, inferoseptal.
    const OF_SIX: [usize; 6] = [1, 0, 5, 4, 3, 2];
    /// From the septal sector forwards: septal, anterior, lateral, inferior.
    const OF_FOUR: [usize; 4] = [13, 12, 15, 14];
    // A turn that rounding has made 1 is that of the last sector.
    match part {
        0 | 1 => 6 * part + OF_SIX[((turn * 6.0) as usize).min(5)],
        _ => OF_FOUR[((turn * 4.0 + 0.5) as usize) % 4],
    }
}

/// From the septum's middle to the opposite wall, inside; each end is the mean of the rays within 15 degrees.
fn diameter_mm(slice: &SliceWall, septum: f64) -> Option<f64> {
    let half = RAYS as f64 / 24.0;
    let end = |toward: f64| {
        let near: Vec<f64> = slice
            .rays
            .iter()
            .enumerate()
            .filter(|(ray, found)| {
                let off = (*ray as f64 - toward).rem_euclid(RAYS as f64);
                found.wall_mm.is_some() && off.min(RAYS as f64 - off) <= half
            })
            .map(|(_, found)| found.cavity_mm)
            .collect();
        (!near.is_empty()).then(|| near.iter().sum::<f64>() / near.len() as f64)
    };
    Some(end(septum)? + end(septum + RAYS as f64 / 2.0)?)
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    const SPACING: Spacing = Spacing {
        row_mm: 0.5,
        column_mm: 0.5,
        slice_mm: 8.0,
    };

    /// A ring of 20 to 28 mm around the middle of an image of 100 mm, with the right ventricle beyond it on the side of a direction
    /// (towards columns, towards rows), 60 degrees to either side.
    fn ring(toward: [f64; 2], thick_mm: impl Fn(f64, f64) -> f64) -> Array2<u8> {
        Array2::from_shape_fn((200, 200), |(row, column)| {
            let (y, x) = ((row as f64 - 99.5) * 0.5, (column as f64 - 99.5) * 0.5);
            let reach = x.hypot(y);
            let outer = 20.0 + thick_mm(x, y);
            let beside = (x * toward[0] + y * toward[1]) / reach;
            match reach {
                _ if reach < 20.0 => 3,
                _ if reach < outer => 2,
                _ if reach < outer + 12.0 && beside > 0.5 => 1,
                _ => 0,
            }
        })
    }

    fn wall(slices: &[Array2<u8>], toward_apex: bool, right_handed: bool) -> Wall {
        let right_handed = Some(right_handed);
        let slices: Vec<_> = slices
            .iter()
            .map(|slice| SliceWall::of(slice.view(), &SPACING))
            .collect();
        Wall::of(WallShare::of(
            &slices,
            Some(toward_apex),
            right_handed,
            false,
        ))
    }

    #[test]
    fn a_ring_is_as_thick_and_as_wide_as_it_was_drawn() {
        let slices = vec![ring([-1.0, 0.0], |_, _| 8.0); 3];
        let found = wall(&slices, true, false);
        for mm in found.segments_mm {
            // Half a pixel of either outline at most, and less in the mean of sixty degrees.
            assert!((mm.unwrap() - 8.0).abs() < 0.1, "{mm:?}");
        }
        assert!(
            (found.diameter_mm.unwrap() - 40.0).abs() < 0.2,
            "{:?}",
            found.diameter_mm
        );
        assert!((found.mean_mm().unwrap() - 8.0).abs() < 0.1);
    }

    #[test]
    fn the_thick_segment_is_the_one_that_was_thickened() {
        // As images are shown: columns to the patient's left, rows to the back, slices to the apex, which is a left-handed system. The
        // right ventricle is on the left, so that the upper wall is the anterior one.
        let upper = |x: f64, y: f64| if -y > x.abs() * 1.75 { 12.0 } else { 8.0 };
        let found = wall(&vec![ring([-1.0, 0.0], upper); 3], true, false);
        let thick = |segment: usize| found.segments_mm[segment - 1].unwrap();
        for anterior in [1, 7] {
            assert!((thick(anterior) - 12.0).abs() < 0.3, "{}", thick(anterior));
        }
        for other in [2, 3, 4, 5, 6, 14, 15, 16] {
            assert!(
                (thick(other) - 8.0).abs() < 0.3,
                "{other}: {}",
                thick(other)
            );
        }
        // The apical sector is 90 degrees wide, the thick part 59.5.
        assert!((10.3..11.0).contains(&thick(13)), "{}", thick(13));
        // Seen from the other side it is the lower wall that would be upper: the other system makes it the inferior segment.
        let other = wall(&vec![ring([-1.0, 0.0], upper); 3], true, true);
        assert!((other.segments_mm[3].unwrap() - 12.0).abs() < 0.3);
    }

    #[test]
    fn without_a_handedness_the_front_is_where_images_are_shown_to_have_it() {
        let upper = |x: f64, y: f64| if -y > x.abs() * 1.75 { 12.0 } else { 8.0 };
        let slices = vec![ring([-1.0, 0.0], upper); 3];
        let of = |toward_apex: bool| {
            let walls: Vec<_> = slices
                .iter()
                .map(|slice| SliceWall::of(slice.view(), &SPACING))
                .collect();
            Wall::of(WallShare::of(&walls, Some(toward_apex), None, false))
        };
        assert_eq!(of(true), wall(&slices, true, false));
        // Whichever way the slices run.
        assert_eq!(of(false), of(true));
    }

    #[test]
    fn slices_from_apex_to_base_give_the_same_segments() {
        let mut slices = vec![
            ring([-0.6, -0.8], |x, y| 8.0 + (x + 2.0 * y) / 20.0),
            ring([-0.6, -0.8], |x, y| 7.0 + (x + 2.0 * y) / 20.0),
            ring([-0.6, -0.8], |x, y| 6.0 + (x + 2.0 * y) / 20.0),
        ];
        let straight = wall(&slices, true, false);
        slices.reverse();
        // Turning the order of the slices around turns the system's handedness too.
        assert_eq!(wall(&slices, false, true), straight);
    }

    #[test]
    fn a_slice_without_right_ventricle_takes_the_septum_of_the_nearest() {
        let upper = |x: f64, y: f64| if -y > x.abs() { 12.0 } else { 8.0 };
        let mut slices = vec![ring([-1.0, 0.0], upper); 3];
        let with = wall(&slices, true, false);
        for code in &mut slices[2] {
            *code = if *code == 1 { 0 } else { *code };
        }
        assert_eq!(wall(&slices, true, false), with);
    }

    #[test]
    fn without_a_septum_or_a_closed_wall_nothing_is_said() {
        let mut slices = vec![ring([-1.0, 0.0], |_, _| 8.0); 2];
        for slice in &mut slices {
            slice.mapv_inplace(|code| if code == 1 { 0 } else { code });
        }
        assert_eq!(wall(&slices, true, false).segments_mm, [None; SEGMENTS]);
        // A quarter of the wall is missing.
        let open = ring([-1.0, 0.0], |x, y| if x > y.abs() { 0.0 } else { 8.0 });
        assert_eq!(wall(&[open], true, false).segments_mm, [None; SEGMENTS]);
        assert_eq!(wall(&[], true, false).diameter_mm, None);
    }

    #[test]
    fn thickening_by_hand() {
        let of = |mm: f64| Wall {
            segments_mm: [Some(mm); SEGMENTS],
            diameter_mm: None,
        };
        assert_eq!(
            of(12.0).thickening_percent(&of(8.0)),
            [Some(50.0); SEGMENTS]
        );
        let mut missing = of(8.0);
        missing.segments_mm[4] = None;
        assert_eq!(of(12.0).thickening_percent(&missing)[4], None);
    }

    #[test]
    fn the_septum_is_the_longest_run_and_may_have_a_hole() {
        let rays = |runs: &[(usize, usize)]| -> Vec<bool> {
            (0..RAYS)
                .map(|ray| runs.iter().any(|&(from, to)| (from..to).contains(&ray)))
                .collect()
        };
        assert_eq!(septum(&rays(&[(20, 41)])), Some(30.0));
        assert_eq!(septum(&rays(&[(20, 28), (33, 41)])), Some(30.0));
        assert_eq!(septum(&rays(&[(50, 54), (20, 41)])), Some(30.0));
        // Over the list's end: rays 110 to 119 and 0 to 10.
        assert_eq!(septum(&rays(&[(110, 120), (0, 11)])), Some(0.0));
        assert_eq!(septum(&rays(&[(20, 24)])), None);
        assert_eq!(septum(&rays(&[(0, 120)])), None);
        assert_eq!(septum(&rays(&[])), None);
    }
}
