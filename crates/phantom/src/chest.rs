//! What surrounds the heart, and how bright everything is. Nothing here has a volume that anybody relies on.

use crate::heart::Place;
use crate::random::Random;

/// Grey values before coil and noise, in the proportions of balanced steady-state images at 1.5 T.
mod grey {
    pub(super) const LEFT_BLOOD: f64 = 225.0;
    pub(super) const RIGHT_BLOOD: f64 = 190.0;
    pub(super) const MUSCLE: f64 = 72.0;
    pub(super) const PAPILLARY: f64 = 85.0;
    pub(super) const FAT: f64 = 330.0;
    pub(super) const HEART_FAT: f64 = 230.0;
    pub(super) const LUNG: f64 = 14.0;
    pub(super) const LIVER: f64 = 82.0;
    pub(super) const BOWEL: f64 = 120.0;
    pub(super) const BONE: f64 = 60.0;
    pub(super) const DARK: f64 = 30.0;
    pub(super) const AIR: f64 = 0.0;
}

/// A smooth random field between about -1 and 1: a sum of waves.
struct Texture {
    waves: Vec<[f64; 4]>,
}

impl Texture {
    /// Waves from `shortest` to `longest` mm.
    fn new(random: &mut Random, shortest: f64, longest: f64) -> Texture {
        let waves = (0..7).map(|_| {
            let angle = random.between(0.0, std::f64::consts::TAU);
            let number = std::f64::consts::TAU / random.between(shortest, longest);
            [
                number * angle.cos(),
                number * angle.sin(),
                number * random.between(-0.4, 0.4),
                random.between(0.0, std::f64::consts::TAU),
            ]
        });
        Texture {
            waves: waves.collect(),
        }
    }

    fn at(&self, x: f64, y: f64, z: f64) -> f64 {
        let sum: f64 = self
            .waves
            .iter()
            .map(|[kx, ky, kz, shift]| (kx * x + ky * y + kz * z + shift).sin())
            .sum();
        sum / (self.waves.len() as f64).sqrt() / 1.4
    }
}

/// What does not move in a voxel.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Still {
    /// Grey of the chest without a heart.
    pub(crate) grey: f32,
    /// Factors of blood by its flow, of muscle and of fat by their texture, of the signal by the coil.
    pub(crate) flow: f32,
    pub(crate) muscle: f32,
    pub(crate) fat: f32,
    pub(crate) coil: f32,
}

impl Still {
    /// Grey of whatever of the heart is there.
    pub(crate) fn heart_grey(&self, place: Place) -> f32 {
        match place {
            Place::LeftCavity => grey::LEFT_BLOOD as f32 * self.flow,
            Place::RightCavity => grey::RIGHT_BLOOD as f32 * self.flow,
            Place::Vessel => 0.97 * grey::LEFT_BLOOD as f32 * self.flow,
            Place::Papillary | Place::Trabecula => grey::PAPILLARY as f32,
            Place::Wall => grey::MUSCLE as f32 * self.muscle,
            Place::RightWall | Place::VesselWall => 0.9 * grey::MUSCLE as f32,
            Place::Fat => grey::HEART_FAT as f32 * self.fat,
            Place::Pericardium => grey::DARK as f32,
            Place::Chest => self.grey,
        }
    }
}

/// The chest of one phantom.
pub(crate) struct Chest {
    fine: Texture,
    middle: Texture,
    coarse: Texture,
}

impl Chest {
    pub(crate) fn new(random: &mut Random) -> Chest {
        Chest {
            fine: Texture::new(random, 7.0, 16.0),
            middle: Texture::new(random, 18.0, 45.0),
            coarse: Texture::new(random, 70.0, 180.0),
        }
    }

    /// What does not move at a place: taken once for every voxel.
    pub(crate) fn still(&self, x: f64, y: f64, z: f64) -> Still {
        let (fine, middle) = (self.fine.at(x, y, z), self.middle.at(x, y, z));
        Still {
            grey: 0.0,
            flow: (1.0 + 0.07 * middle + 0.04 * fine) as f32,
            muscle: (1.0 + 0.06 * middle) as f32,
            fat: (1.0 + 0.25 * fine) as f32,
            coil: self.coil(x, y, z) as f32,
        }
    }

    /// Grey value of the chest without a heart. The slices tilt towards the apex: the chest wall comes nearer, the diaphragm
    /// rises.
    pub(crate) fn grey(&self, x: f64, y: f64, z: f64) -> f64 {
        let (x0, y0) = (x + 12.0, y - 52.0 - 0.22 * z);
        // Distance from the skin as a part of the chest's half axes; a body is flatter than an ellipse.
        let level = ((x0 / 166.0).abs().powf(2.4) + (y0 / 160.0).abs().powf(2.4)).powf(1.0 / 2.4);
        let depth_mm = (1.0 - level) * 160.0;
        let skin_fat = 13.0 + 4.0 * self.coarse.at(x, y, z) + 5.0 * (x0 / 166.0).powi(2);
        if depth_mm < 0.0 {
            return grey::AIR;
        }
        if depth_mm < 1.5 {
            return grey::MUSCLE;
        }
        if depth_mm < skin_fat {
            return grey::FAT * (1.0 + 0.08 * self.middle.at(x, y, z));
        }
        if depth_mm < skin_fat + 15.0 {
            return self.wall(x0, y0, depth_mm - skin_fat, z);
        }
        if depth_mm < skin_fat + 17.0 {
            return grey::DARK;
        }
        // Fat behind the breastbone.
        if depth_mm < skin_fat + 17.0 + 11.0 * (-((x + 25.0) / 34.0).powi(2)).exp() && y < 0.0 {
            return 0.95 * grey::FAT * (1.0 + 0.1 * self.middle.at(x, y, z));
        }
        self.inside(x, y, z)
    }

    /// Muscle with ribs in it.
    fn wall(&self, x0: f64, y0: f64, depth_mm: f64, z: f64) -> f64 {
        let along = (y0.atan2(x0) * 140.0 + 0.7 * z).rem_euclid(30.0) - 15.0;
        let rib = (along / 9.0).hypot((depth_mm - 8.0) / 4.5);
        if rib < 0.75 {
            grey::BONE + 70.0
        } else if rib < 1.0 {
            grey::DARK
        } else {
            0.85 * grey::MUSCLE * (1.0 + 0.2 * self.fine.at(x0, y0, z))
        }
    }

    fn inside(&self, x: f64, y: f64, z: f64) -> f64 {
        // The spine and the aorta before it.
        let spine = (x + 30.0).hypot((y - 128.0) / 0.9);
        if spine < 24.0 {
            return if spine < 21.0 {
                grey::BONE + 55.0 + 12.0 * self.fine.at(x, y, z)
            } else {
                grey::DARK
            };
        }
        let aorta = (x - 4.0).hypot(y - 96.0);
        if aorta < 13.0 {
            return if aorta < 11.5 {
                grey::LEFT_BLOOD * 0.95
            } else {
                grey::DARK + 30.0
            };
        }
        // The diaphragm: high on the right side of the patient, rising towards the apex.
        let dome = 38.0 - 0.12 * z + 0.0016 * (x + 40.0).powi(2)
            - 12.0 * (-((x + 60.0) / 60.0).powi(2)).exp();
        let below = y - dome;
        if below > 0.0 {
            return self.abdomen(x, y, z, below);
        }
        // Lung with vessels.
        let vessel = self.fine.at(x * 1.3, y * 1.3, z);
        if vessel > 0.92 {
            110.0
        } else {
            grey::LUNG * (1.0 + 0.4 * self.middle.at(x, y, z))
        }
    }

    fn abdomen(&self, x: f64, y: f64, z: f64, below: f64) -> f64 {
        if below < 2.0 {
            return grey::DARK + 20.0;
        }
        let edge = 24.0 + 14.0 * self.coarse.at(y, z, x) - 0.3 * z;
        if x < edge {
            let vessel = self.middle.at(x * 1.4, y * 1.4, z);
            return if vessel > 0.95 {
                150.0
            } else {
                grey::LIVER * (1.0 + 0.05 * self.fine.at(x, y, z))
            };
        }
        if x < edge + 3.0 {
            return 0.8 * grey::FAT;
        }
        // Stomach, spleen and bowel: islands in fat.
        let island = self.middle.at(x, y, 2.0 * z);
        if island > 0.15 {
            grey::BOWEL * (0.75 + 0.35 * self.fine.at(x, y, z).abs())
        } else if island > 0.02 {
            grey::DARK + 15.0
        } else {
            0.72 * grey::FAT
        }
    }

    /// How much of the signal the coil on the chest receives: most near it, less with depth and to the sides.
    fn coil(&self, x: f64, y: f64, z: f64) -> f64 {
        let (x0, y0) = (x - 15.0, y + 110.0);
        let distance = x0.hypot(1.15 * y0).hypot(0.5 * (z - 50.0));
        (0.5 + 0.95 * (-(distance / 135.0).powi(2)).exp()) * (1.0 + 0.06 * self.coarse.at(x, y, z))
    }
}
