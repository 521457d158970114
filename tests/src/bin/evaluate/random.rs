//! Repeatable random numbers: the same seed gives the same resamples and the same noise, on every machine and in every run.

/// SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
pub(crate) struct SplitMix(u64);

impl SplitMix {
    /// A generator of this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A whole number below `count`, 0 where that is 0.
    pub(crate) fn below(&mut self, count: usize) -> usize {
        // The remainder's unevenness is below 1e-15 for the few patients of a set.
        usize::try_from(self.next() % (count as u64).max(1)).unwrap_or(0)
    }

    /// A number from 0 to 1, neither of them.
    pub(crate) fn unit(&mut self) -> f64 {
        // 53 bits are what a double holds exactly; the half keeps it off both ends.
        ((self.next() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    /// A number of the normal distribution with mean 0 and deviation 1 (Box and Muller, 1958).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * self.unit().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_numbers_are_those_of_the_published_generator() {
        // Of the reference implementation in C, seed 1234567.
        let mut random = SplitMix::new(1_234_567);
        assert_eq!(random.next(), 6_457_827_717_110_365_317);
        assert_eq!(random.next(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn normal_numbers_have_mean_nought_and_deviation_one() {
        let mut random = SplitMix::new(7);
        let drawn: Vec<f64> = (0..100_000).map(|_| random.normal()).collect();
        let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
        let square = drawn.iter().map(|x| x * x).sum::<f64>() / drawn.len() as f64;
        // Three standard errors of 100,000 numbers: 0.0095 of the mean, 0.0134 of the square.
        assert!(
            mean.abs() < 0.0095 && (square - 1.0).abs() < 0.0134,
            "{mean} {square}"
        );
    }
}
