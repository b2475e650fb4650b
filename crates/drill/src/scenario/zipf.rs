//! Demand as it is: few events that everybody wants, many that few want.

use rand::RngExt;
use rand::rngs::SmallRng;

/// Draws numbers below n, the number k with a weight of 1 / (k + 1).
#[derive(Debug)]
pub(crate) struct Zipf {
    /// The sum of the weights up to each number, as a share of all.
    sums: Vec<f64>,
}

impl Zipf {
    /// Over the numbers below `count`; all alike if not `shaped`.
    pub(crate) fn new(count: usize, shaped: bool) -> Self {
        let mut sum = 0.0;
        let mut sums: Vec<f64> = (0..count)
            .map(|number| {
                sum += if shaped { 1.0 / (number as f64 + 1.0) } else { 1.0 };
                sum
            })
            .collect();
        for value in &mut sums {
            *value /= sum;
        }
        Self { sums }
    }

    /// One number.
    pub(crate) fn draw(&self, random: &mut SmallRng) -> usize {
        let point: f64 = random.random();
        self.sums.partition_point(|sum| *sum <= point).min(self.sums.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn draws(zipf: &Zipf, count: usize) -> Vec<i32> {
        let mut random = SmallRng::seed_from_u64(1);
        let mut seen = vec![0_i32; zipf.sums.len()];
        for _ in 0..count {
            seen[zipf.draw(&mut random)] += 1;
        }
        seen
    }

    #[test]
    fn the_second_is_wanted_half_as_much_as_the_first() {
        let seen = draws(&Zipf::new(100, true), 100_000);
        let ratio = f64::from(seen[0]) / f64::from(seen[1]);
        assert!((1.9..2.1).contains(&ratio), "{ratio}");
        // the harmonic number of 100 is 5.187
        assert!((18_800..19_800).contains(&seen[0]), "{}", seen[0]);
        assert!(seen.iter().all(|count| *count > 0));
    }

    #[test]
    fn without_a_shape_all_are_wanted_alike() {
        let seen = draws(&Zipf::new(4, false), 40_000);
        assert!(seen.iter().all(|count| (9_500..10_500).contains(count)), "{seen:?}");
        assert_eq!(draws(&Zipf::new(1, true), 3), [3]);
    }
}
