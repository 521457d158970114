//! What a frame's probabilities say of its mask: sums over calibrated probabilities, gathered while labels are decided. No intervals
//! and no score here: those are measures.

use cinecor_volume::Label;

/// Half a step of a byte: the least probability that rounds to a confidence of 255 is one minus this.
const ROUNDS_OFF: f64 = 1.0 / 511.0;

/// What is summed for one structure of a frame, in voxels of its grid.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StructureEvidence {
    /// Sum of the probabilities: how many voxels it has if they are right.
    pub expected_voxels: f64,
    /// Sum of the probabilities where the mask has the structure.
    pub agreeing_voxels: f64,
    /// Sum of `p (1 − p)`: how many voxels are in doubt.
    pub uncertain_voxels: f64,
    /// Voxels that the clean-up took away.
    pub removed_voxels: u64,
}

/// What the probabilities of a frame say of its mask. Nothing counts of a structure where the clean-up took it away, and nothing
/// where the background is certain or was not seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Evidence {
    /// The cavity of the right ventricle.
    pub right_ventricle: StructureEvidence,
    /// The wall of the left ventricle.
    pub myocardium: StructureEvidence,
    /// The cavity of the left ventricle.
    pub left_ventricle: StructureEvidence,
}

impl Evidence {
    /// The structure of a label's code; there is none of the background.
    fn of_code(&mut self, code: u8) -> Option<&mut StructureEvidence> {
        match Label::from_code(code)? {
            Label::Background => None,
            Label::RightVentricle => Some(&mut self.right_ventricle),
            Label::Myocardium => Some(&mut self.myocardium),
            Label::LeftVentricle => Some(&mut self.left_ventricle),
        }
    }

    /// Takes voxels of `code` out again that the clean-up removed, with the `confidence` that they had.
    pub(crate) fn remove(&mut self, code: u8, confidence: &[u8]) {
        let Some(structure) = self.of_code(code) else {
            return;
        };
        for &byte in confidence {
            let p = f64::from(byte) / 255.0;
            structure.expected_voxels -= p;
            structure.agreeing_voxels -= p;
            structure.uncertain_voxels -= p * (1.0 - p);
        }
        structure.removed_voxels += confidence.len() as u64;
        for sum in [
            &mut structure.expected_voxels,
            &mut structure.agreeing_voxels,
            &mut structure.uncertain_voxels,
        ] {
            // A byte is a rounded probability: what is left may come out a hair below nothing.
            *sum = sum.max(0.0);
        }
    }
}

/// The sums of one row. Rows are short, so that single precision loses nothing that counts.
#[derive(Default)]
pub(crate) struct Sums {
    expected: [f32; 4],
    agreeing: [f32; 4],
    uncertain: [f32; 4],
}

impl Sums {
    /// Adds a voxel of calibrated probabilities `p` that is given the label `code`.
    #[inline]
    pub(crate) fn add(&mut self, p: &[f32; 4], code: u8) {
        for ((expected, uncertain), &p) in self.expected.iter_mut().zip(&mut self.uncertain).zip(p)
        {
            *expected += p;
            *uncertain += p * (1.0 - p);
        }
        let lane = usize::from(code & 3);
        self.agreeing[lane] += p[lane];
    }

    /// Adds the row to the frame.
    pub(crate) fn end(&self, evidence: &mut Evidence) {
        for code in 1..4_u8 {
            let lane = usize::from(code);
            if let Some(structure) = evidence.of_code(code) {
                structure.expected_voxels += f64::from(self.expected[lane]);
                structure.agreeing_voxels += f64::from(self.agreeing[lane]);
                structure.uncertain_voxels += f64::from(self.uncertain[lane]);
            }
        }
    }
}

/// A temperature, ready to be applied to many voxels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Calibration {
    /// One over the temperature.
    exponent: f32,
    /// From this probability on, what is left rounds off in a byte even after calibration: nothing is worked out there.
    pub(crate) sure: f32,
}

impl Calibration {
    /// Of a temperature above 0; 1 changes nothing.
    pub(crate) fn of(temperature: f64) -> Calibration {
        Calibration {
            exponent: (1.0 / temperature) as f32,
            sure: (1.0 - ROUNDS_OFF.powf(temperature)) as f32,
        }
    }

    /// The probabilities to the power of one over the temperature, made to sum to one again. `best` is the highest of them.
    #[inline]
    pub(crate) fn apply(self, p: &mut [f32; 4], best: f32) {
        if self.exponent == 1.0 || best >= self.sure {
            return;
        }
        let mut sum = 0.0;
        for p in p.iter_mut() {
            // Of what is next to nothing next to nothing is left: most voxels in doubt are between two labels only.
            *p = if *p > NEXT_TO_NOTHING {
                p.powf(self.exponent)
            } else {
                0.0
            };
            sum += *p;
        }
        if sum > 0.0 {
            for p in p {
                *p /= sum;
            }
        }
    }
}

/// A probability that is taken for none when powers are worked out: at a temperature of 2 it would become a thousandth.
const NEXT_TO_NOTHING: f32 = 1e-6;
