//! Where the American Heart Association's segments lie on a bull's-eye (Cerqueira et al., Circulation 2002;105:539), for everyone who draws
//! one: the report, the page, other programs.
//!
//! The plot looks from the apex to the base. The front is up, the septum left, the lateral wall right. Angles are in degrees, against the
//! clock, from the right: 90 is up. Radii are parts of the plot's radius: the basal ring is the outermost, and the disk within the apical
//! ring is the apical cap, segment 17, which is not measured.

use crate::SEGMENTS;

/// A ring of segments, from base to apex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ring {
    /// Segments 1 to 6.
    Basal,
    /// Segments 7 to 12.
    Middle,
    /// Segments 13 to 16.
    Apical,
}

impl Ring {
    /// Every ring.
    pub const ALL: [Ring; 3] = [Ring::Basal, Ring::Middle, Ring::Apical];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Ring::Basal => "basal",
            Ring::Middle => "mid",
            Ring::Apical => "apical",
        }
    }

    /// Where the ring begins, part of the plot's radius.
    pub fn inner(self) -> f64 {
        self.outer() - 0.25
    }

    /// Where the ring ends, part of the plot's radius.
    pub fn outer(self) -> f64 {
        match self {
            Ring::Basal => 1.0,
            Ring::Middle => 0.75,
            Ring::Apical => 0.5,
        }
    }
}

/// One segment: its number, its name and its sector.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SegmentPlace {
    /// From 1.
    pub number: usize,
    /// Which part of the wall it is, without its ring: `anteroseptal`.
    pub wall: &'static str,
    /// Its ring.
    pub ring: Ring,
    /// Where its sector begins, degrees against the clock from the right.
    pub from_degrees: f64,
    /// Where it ends; above `from_degrees`, up to 405.
    pub to_degrees: f64,
}

/// The segments 1 to 16, in the order in which values are given.
pub const SEGMENT_PLACES: [SegmentPlace; SEGMENTS] = {
    const WALLS: [&str; 6] = [
        "anterior",
        "anteroseptal",
        "inferoseptal",
        "inferior",
        "inferolateral",
        "anterolateral",
    ];
    const APEX: [&str; 4] = ["anterior", "septal", "inferior", "lateral"];
    let nothing = SegmentPlace {
        number: 0,
        wall: "",
        ring: Ring::Basal,
        from_degrees: 0.0,
        to_degrees: 0.0,
    };
    let mut places = [nothing; SEGMENTS];
    let mut at = 0;
    while at < SEGMENTS {
        // The first segment of each ring is the anterior one, whose middle is up; the others follow against the clock.
        let (wall, ring, from, wide) = if at < 12 {
            let ring = if at < 6 { Ring::Basal } else { Ring::Middle };
            (WALLS[at % 6], ring, 60 * (at % 6 + 1), 60)
        } else {
            (APEX[at - 12], Ring::Apical, 90 * (at - 12) + 45, 90)
        };
        places[at] = SegmentPlace {
            number: at + 1,
            wall,
            ring,
            from_degrees: from as f64,
            to_degrees: (from + wide) as f64,
        };
        at += 1;
    }
    places
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_lie_where_the_association_draws_them() {
        let middle = |number: usize| {
            let place = &SEGMENT_PLACES[number - 1];
            assert_eq!(place.number, number);
            let middle = (place.from_degrees + place.to_degrees) / 2.0;
            (place.ring.name(), place.wall, middle % 360.0)
        };
        assert_eq!(middle(1), ("basal", "anterior", 90.0));
        assert_eq!(middle(2), ("basal", "anteroseptal", 150.0));
        assert_eq!(middle(3), ("basal", "inferoseptal", 210.0));
        assert_eq!(middle(4), ("basal", "inferior", 270.0));
        assert_eq!(middle(5), ("basal", "inferolateral", 330.0));
        assert_eq!(middle(6), ("basal", "anterolateral", 30.0));
        assert_eq!(middle(7), ("mid", "anterior", 90.0));
        assert_eq!(middle(12), ("mid", "anterolateral", 30.0));
        assert_eq!(middle(13), ("apical", "anterior", 90.0));
        assert_eq!(middle(14), ("apical", "septal", 180.0));
        assert_eq!(middle(15), ("apical", "inferior", 270.0));
        assert_eq!(middle(16), ("apical", "lateral", 0.0));
    }

    #[test]
    fn every_ring_is_closed_and_rings_touch() {
        for ring in Ring::ALL {
            let mut of: Vec<_> = SEGMENT_PLACES
                .iter()
                .filter(|place| place.ring == ring)
                .collect();
            let covered: f64 = of
                .iter()
                .map(|place| place.to_degrees - place.from_degrees)
                .sum();
            assert_eq!(covered, 360.0);
            of.sort_by(|a, b| a.from_degrees.total_cmp(&b.from_degrees));
            for pair in of.windows(2) {
                assert_eq!(pair[0].to_degrees, pair[1].from_degrees);
            }
        }
        assert_eq!(Ring::Basal.inner(), Ring::Middle.outer());
        assert_eq!(Ring::Middle.inner(), Ring::Apical.outer());
        assert_eq!(Ring::Apical.inner(), 0.25);
    }
}
