//! Figures over many jobs.

/// What became of all jobs, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Summary {
    /// Mean time from submission to end.
    pub mean_completion_s: f64,
    /// From time 0 to the last end.
    pub makespan_s: f64,
    /// 99 of 100 jobs took at most so long from submission to end.
    pub p99_completion_s: f64,
}

/// Notes completions.
#[derive(Clone, Debug, Default)]
pub(super) struct Marks {
    times_s: Vec<f64>,
    last_s: f64,
}

impl Marks {
    /// A job ended at `now`, so long after it was submitted.
    pub(super) fn completion(&mut self, now_s: f64, took_s: f64) {
        self.times_s.push(took_s);
        self.last_s = self.last_s.max(now_s);
    }

    pub(super) fn summary(self) -> Summary {
        let times = Spread::of(self.times_s);
        Summary {
            mean_completion_s: times.mean,
            makespan_s: self.last_s,
            p99_completion_s: times.p99,
        }
    }
}

/// How values are spread. A percentile is the smallest value that so many percent of all do not exceed (nearest rank).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// Arithmetic mean.
    pub mean: f64,
    /// The 50th percentile.
    pub median: f64,
    /// The 90th percentile.
    pub p90: f64,
    /// The 99th percentile.
    pub p99: f64,
}

impl Spread {
    /// The spread of these values; zeros of none.
    #[must_use]
    pub(super) fn of(mut values: Vec<f64>) -> Self {
        values.sort_by(f64::total_cmp);
        let at = |percent: usize| {
            let rank = (values.len() * percent).div_ceil(100).max(1);
            values.get(rank - 1).copied().unwrap_or(0.0)
        };
        Self {
            mean: values.iter().sum::<f64>() / values.len().max(1) as f64,
            median: at(50),
            p90: at(90),
            p99: at(99),
        }
    }
}
