//! Which slices count. Rules are told, named in the answer, and applied to a frame's slices without touching the mask.

use crate::profile::base_to_apex;
use crate::{Counts, Error, FrameCounts, FrameProfile, SliceProfile, Wall, WallShare};

/// Which basal slices count to the left ventricle, cavity and wall.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BasalRule {
    /// Those that the mask labels.
    #[default]
    AsSegmented,
    /// Those whose cavity is bordered by the wall over at least half of its outline (JACC Cardiovasc Imaging 2008;1:413, figure 2: "most
    /// of the circumference"). A rule for each slice of each frame; the right ventricle counts as the mask labels it.
    MostlyEnclosed,
}

impl BasalRule {
    /// Every rule.
    pub const ALL: [BasalRule; 2] = [BasalRule::AsSegmented, BasalRule::MostlyEnclosed];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            BasalRule::AsSegmented => crate::BASAL_RULE,
            BasalRule::MostlyEnclosed => "mostly_enclosed",
        }
    }

    /// The rule of a name on the wire.
    pub fn from_name(name: &str) -> Option<BasalRule> {
        BasalRule::ALL.into_iter().find(|rule| rule.name() == name)
    }
}

/// Which slices count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// At the base.
    pub basal_rule: BasalRule,
    /// Slices that count to nothing, by index, in every frame.
    pub excluded_slices: Vec<usize>,
}

impl Rules {
    /// That every excluded slice is one of `slices` and that one is left.
    ///
    /// # Errors
    /// [`Error::UnknownSlice`] and [`Error::NoSlices`].
    pub fn check(&self, slices: usize) -> Result<(), Error> {
        if let Some(&found) = self.excluded_slices.iter().find(|&&slice| slice >= slices) {
            return Err(Error::UnknownSlice { found, slices });
        }
        if (0..slices).all(|slice| self.excluded_slices.contains(&slice)) {
            return Err(Error::NoSlices);
        }
        Ok(())
    }

    /// The wall in the slices that count. Which part of the ventricle a slice is of does not change with others that are left out: where
    /// all slices of a part are, its segments are not known. Nothing is known, either, where a slice with a cavity is left out and
    /// nobody has looked at what each slice adds.
    pub fn wall(&self, profile: &FrameProfile) -> Wall {
        let of_cavity = |slice: &usize| {
            let slice = profile.slices.get(*slice);
            slice.is_some_and(|slice| slice.counts.left_ventricle > 0)
        };
        if !self.excluded_slices.iter().any(of_cavity) {
            return profile.wall;
        }
        let shares = self.counting(profile).map(|slice| slice.wall);
        let shares: Option<Vec<WallShare>> = shares.collect();
        Wall::of(shares.unwrap_or_default())
    }

    /// Whether a slice counts.
    pub(crate) fn counts_slice(&self, slice: usize) -> bool {
        !self.excluded_slices.contains(&slice)
    }

    /// The slices of a frame that count.
    fn counting<'a>(&self, profile: &'a FrameProfile) -> impl Iterator<Item = &'a SliceProfile> {
        let slices = profile.slices.iter().enumerate();
        slices.filter_map(|(index, slice)| self.counts_slice(index).then_some(slice))
    }

    /// Voxels that are not of their structure's largest piece, in the slices that count: a piece that two parts of a structure hang together
    /// by stays one. All of the frame, and no more than there are, where nobody has looked at which slices they are in.
    pub(crate) fn stray(&self, profile: &FrameProfile) -> Counts {
        if profile.has_stray_by_slice() {
            let sum = |sum: Counts, slice: &SliceProfile| sum + slice.stray;
            return self.counting(profile).fold(Counts::default(), sum);
        }
        let there = self
            .counting(profile)
            .fold(Counts::default(), |sum, slice| sum + slice.counts);
        Counts {
            right_ventricle: profile.stray.right_ventricle.min(there.right_ventricle),
            myocardium: profile.stray.myocardium.min(there.myocardium),
            left_ventricle: profile.stray.left_ventricle.min(there.left_ventricle),
        }
    }

    /// Voxels of each structure in the slices that count.
    pub fn counts(&self, profile: &FrameProfile) -> Counts {
        let counting = self.counting(profile).map(|slice| self.of_slice(slice));
        counting.fold(Counts::default(), |sum, counts| sum + counts)
    }

    /// The same for each frame.
    pub(crate) fn counts_of(&self, frames: &[FrameProfile]) -> Vec<FrameCounts> {
        let counts = |profile: &FrameProfile| FrameCounts {
            frame: profile.frame,
            counts: self.counts(profile),
        };
        frames.iter().map(counts).collect()
    }

    /// What a slice that is not excluded counts to.
    fn of_slice(&self, slice: &SliceProfile) -> Counts {
        let open = slice.enclosed.is_some_and(|part| part < 0.5);
        match self.basal_rule {
            BasalRule::MostlyEnclosed if open => Counts {
                right_ventricle: slice.counts.right_ventricle,
                ..Counts::default()
            },
            _ => slice.counts,
        }
    }

    /// The most basal slice in which the left cavity of a frame counts, and these rules with it excluded; `None` where no other slice would
    /// be left to the cavity.
    pub(crate) fn without_basal_slice(&self, profile: &FrameProfile) -> Option<(usize, Rules)> {
        let counts = |slice: &usize| {
            let found = profile.slices.get(*slice);
            self.counts_slice(*slice)
                && found.is_some_and(|found| self.of_slice(found).left_ventricle > 0)
        };
        let mut along = base_to_apex(&profile.slices).into_iter().filter(counts);
        let basal = along.next()?;
        along.next()?;
        let mut fewer = self.clone();
        fewer.excluded_slices.push(basal);
        Some((basal, fewer))
    }
}
