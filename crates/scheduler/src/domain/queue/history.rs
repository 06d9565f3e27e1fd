//! What is learnt of durations that nobody declares: how long ended jobs ran, and how long those that are here have run so far.
//!
//! Time is cut into steps that grow. Of each step it is known how many got into it and how many ended in it (Kaplan and Meier, 1958).
//! A job's expected time is the smallest, over all ends of steps to come, of the time to be spent until then by the chance to end
//! until then: the inverse of Gittins' index, which is best for the mean of completion times on one machine when durations are not
//! known (Gittins, 1979). Where nothing is known it grows with the time attained: least attained service.

use super::order::Seen;

/// Steps of attained time.
const STEPS: usize = 90;
/// Length of the first step's doubling, in seconds.
const FIRST_S: f64 = 60.0;
/// Steps per doubling of time.
const PER_DOUBLING: f64 = 3.0;
/// The share of jobs that is thought to end in a step while nothing is known, and how many jobs that thought counts as.
const PRIOR: (f64, f64) = (0.1, 30.0);
/// How many jobs the knowledge of all sizes counts as for one size.
const OF_ALL: f64 = 10.0;
/// Sizes that are told apart: 1, up to 2, 4, ... 2^15 GPUs.
const SIZES: usize = 16;

/// How long jobs run, by size.
#[derive(Clone, Debug)]
pub(crate) struct History {
    all: Counts,
    sizes: Vec<Counts>,
    /// Expected time by size and step, as of the last look.
    expected: Vec<Vec<f64>>,
}

/// Of each step: jobs that ended in it, and those that are in it now.
#[derive(Clone, Debug)]
struct Counts {
    ended: Vec<f64>,
    here: Vec<f64>,
}

impl Default for History {
    fn default() -> Self {
        let counts = Counts {
            ended: vec![0.0; STEPS],
            here: vec![0.0; STEPS],
        };
        let mut history = Self {
            all: counts.clone(),
            sizes: vec![counts; SIZES],
            expected: Vec::new(),
        };
        history.look(&[]);
        history
    }
}

impl History {
    /// Notes that a job ended.
    pub(crate) fn ended(&mut self, seen: &Seen) {
        let step = step_of(seen.attained_s);
        let size = self.sizes.get_mut(size_of(seen.gpus));
        for counts in size.into_iter().chain([&mut self.all]) {
            if let Some(ended) = counts.ended.get_mut(step) {
                *ended += 1.0;
            }
        }
    }

    /// Counts anew what is expected, with those that are here.
    pub(crate) fn look(&mut self, here: &[Seen]) {
        for counts in self.sizes.iter_mut().chain([&mut self.all]) {
            counts.here.fill(0.0);
        }
        for seen in here {
            let step = step_of(seen.attained_s);
            let size = self.sizes.get_mut(size_of(seen.gpus));
            for counts in size.into_iter().chain([&mut self.all]) {
                if let Some(here) = counts.here.get_mut(step) {
                    *here += 1.0;
                }
            }
        }
        let of_all = self.all.hazards(&[PRIOR.0; STEPS], PRIOR.1);
        let sizes = self.sizes.iter();
        self.expected = sizes
            .map(|counts| expected(&counts.hazards(&of_all, OF_ALL)))
            .collect();
    }

    /// The time that a job is expected to need for each end, in seconds, as of the last look.
    pub(crate) fn expected_s(&self, seen: &Seen) -> f64 {
        let steps = self.expected.get(size_of(seen.gpus));
        let expected = steps.and_then(|steps| steps.get(step_of(seen.attained_s)));
        expected.copied().unwrap_or(f64::MAX)
    }
}

impl Counts {
    /// Of those that get into each step, the share that ends in it; `prior` counts as `weight` jobs.
    fn hazards(&self, prior: &[f64], weight: f64) -> Vec<f64> {
        let mut entered = 0.0;
        let steps = self.ended.iter().zip(&self.here).zip(prior).rev();
        let mut hazards: Vec<f64> = steps
            .map(|((ended, here), prior)| {
                // Who is in a step now has not been through it: it says nothing of it.
                entered += ended;
                let hazard = (ended + weight * prior) / (entered + weight);
                entered += here;
                hazard
            })
            .collect();
        hazards.reverse();
        hazards
    }
}

/// For each step, the least of time by chance to end, over all ends of steps from it on.
fn expected(hazards: &[f64]) -> Vec<f64> {
    let from = |step: usize| {
        let (mut alive, mut spent, mut best) = (1.0, 0.0, f64::MAX);
        for (step, hazard) in hazards.iter().enumerate().skip(step) {
            let ending = alive * hazard;
            // Those that end in a step do so half way through it.
            spent += (start_of(step + 1) - start_of(step)) * (alive - ending / 2.0);
            alive -= ending;
            best = f64::min(best, spent / (1.0 - alive));
        }
        best
    };
    (0..hazards.len()).map(from).collect()
}

fn step_of(attained_s: f64) -> usize {
    let step = (attained_s / FIRST_S + 1.0).log2() * PER_DOUBLING;
    // A cast of a float saturates; a negative time is no time.
    (step as usize).min(STEPS - 1)
}

fn start_of(step: usize) -> f64 {
    ((step as f64 / PER_DOUBLING).exp2() - 1.0) * FIRST_S
}

fn size_of(gpus: u32) -> usize {
    (gpus.max(1).next_power_of_two().trailing_zeros() as usize).min(SIZES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(gpus: u32, attained_s: f64) -> Seen {
        Seen {
            submitted_s: 0.0,
            gpus,
            attained_s,
        }
    }

    #[test]
    fn without_experience_it_is_least_attained_service() {
        let history = History::default();
        let at = |attained| history.expected_s(&seen(4, attained));
        let rising = [0.0, 100.0, 1_000.0, 10_000.0, 100_000.0].map(at);
        assert!(rising.is_sorted_by(|a, b| a < b), "{rising:?}");
    }

    #[test]
    fn who_comes_near_a_usual_end_goes_first() {
        let mut history = History::default();
        for _ in 0..300 {
            history.ended(&seen(1, 3_600.0));
        }
        history.look(&[]);
        let near = history.expected_s(&seen(1, 3_000.0));
        assert!(near < history.expected_s(&seen(1, 0.0)));
        assert!(
            near < history.expected_s(&seen(1, 20_000.0)),
            "beyond it nothing is known"
        );
        // Another size learns of it too, though less.
        assert!(history.expected_s(&seen(8, 3_000.0)) < history.expected_s(&seen(8, 0.0)));
    }
}
