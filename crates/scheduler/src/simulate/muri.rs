//! The protocol of Muri's simulator (SIGCOMM'22): 8 nodes of 8 GPUs; at every arrival and completion everything that runs is
//! charged a restart and the cluster is placed anew in the order of a policy, passing over what does not fit.

use super::course::{Marks, Summary};
use super::table::{Line, Table};
use crate::domain::queue::{Blind, Declared, History, Order, Seen};

const NODES: usize = 8;
const GPUS: u32 = 8;
/// The authors' share of time that is lost in every iteration.
const SLOWER: f64 = 1.015;
/// Seconds of a restart by model, on 1, 2, 4, 8, 16 and 32 GPUs, as the authors measured them.
const RESTARTS: [(&str, [u32; 6]); 8] = [
    ("vgg16", [7, 7, 8, 9, 9, 10]),
    ("vgg19", [7, 7, 8, 9, 10, 10]),
    ("resnet18", [4, 5, 5, 7, 7, 7]),
    ("shufflenet_v2_x1_0", [4, 4, 5, 5, 7, 8]),
    ("bert", [10; 6]),
    ("gpt2", [10; 6]),
    ("a2c", [38, 39, 39, 46, 46, 46]),
    ("dqn", [5, 5, 6, 6, 8, 8]),
];
/// And of a model that is not among them.
const OTHER_RESTART: u32 = 10;

/// An order of jobs in Muri's protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MuriPolicy(Order);

impl MuriPolicy {
    /// Names and what they mean.
    pub const ALL: [(&'static str, Self); 6] = [
        ("default", Self(Order::Blind(Blind::Learned))),
        ("srtf", Self(Order::Declared(Declared::Srtf))),
        ("srsf", Self(Order::Declared(Declared::Srsf))),
        ("las", Self(Order::Blind(Blind::Learned))),
        ("las-plain", Self(Order::Blind(Blind::LeastAttained))),
        ("fifo", Self(Order::Blind(Blind::Fifo))),
    ];
}

impl std::str::FromStr for MuriPolicy {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        super::named("muri", &Self::ALL, name)
    }
}

/// Jobs as the authors of Muri publish them.
#[derive(Clone, Debug)]
pub struct MuriTrace(Vec<Job>);

#[derive(Clone, Debug)]
struct Job {
    submitted_s: f64,
    gpus: u32,
    restart_s: f64,
    left_s: f64,
    attained_s: f64,
    looked_s: f64,
    /// Set while it runs: when it ends if nothing happens before.
    ends_s: Option<f64>,
}

impl MuriTrace {
    /// Reads `num_gpu,submit_time,iterations,iteration_time,model_name` (times in ms); other columns are passed over.
    ///
    /// # Errors
    /// The line, column and value that cannot be used, in words.
    pub fn read(text: &str) -> Result<Self, String> {
        let table = Table::read("trace", text)?;
        let jobs: Result<Vec<Job>, String> =
            table.rows.iter().map(|row| job(&table, row)).collect();
        let mut jobs = jobs?;
        if jobs.is_empty() {
            return Err("trace: a simulation needs a job at least".to_owned());
        }
        jobs.sort_by(|one, other| one.submitted_s.total_cmp(&other.submitted_s));
        Ok(Self(jobs))
    }
}

fn job(table: &Table<'_>, row: &Line<'_>) -> Result<Job, String> {
    let gpus = table.count(row, "num_gpu")?;
    let at = [1, 2, 4, 8, 16, 32].iter().position(|size| *size == gpus);
    let at =
        at.ok_or_else(|| table.refused(row, "num_gpu", &gpus, "1, 2, 4, 8, 16 or 32 is needed"))?;
    let model = table.text(row, "model_name")?;
    let known = RESTARTS.iter().find(|(name, _)| *name == model);
    let restart = known.and_then(|(_, costs)| costs.get(at));
    let work_ms = table.amount(row, "iterations")? * table.amount(row, "iteration_time")?;
    let submitted_s = table.amount(row, "submit_time")? / 1_000.0;
    Ok(Job {
        submitted_s,
        gpus,
        restart_s: restart.copied().unwrap_or(OTHER_RESTART).into(),
        left_s: work_ms * SLOWER / 1_000.0,
        attained_s: 0.0,
        looked_s: submitted_s,
        ends_s: None,
    })
}

/// Plays the trace.
#[must_use]
pub fn muri(trace: &MuriTrace, policy: MuriPolicy) -> Summary {
    let mut jobs = trace.0.clone();
    let mut history = History::default();
    let mut marks = Marks::default();
    let (mut next, mut here): (usize, Vec<usize>) = (0, Vec::new());
    while next < jobs.len() || !here.is_empty() {
        let comes = jobs.get(next).map_or(f64::INFINITY, |job| job.submitted_s);
        let ends = here.iter().filter_map(|at| jobs.get(*at)?.ends_s);
        let now = ends.fold(comes, f64::min);
        here.retain(|at| {
            let Some(job) = jobs.get_mut(*at).filter(|job| job.ends_s == Some(now)) else {
                return true;
            };
            job.attained_s += now - job.looked_s;
            history.ended(&job.seen());
            marks.completion(now, now - job.submitted_s);
            false
        });
        while jobs.get(next).is_some_and(|job| job.submitted_s == now) {
            here.push(next);
            next += 1;
        }
        for at in &here {
            if let Some(job) = jobs.get_mut(*at) {
                job.look(now);
            }
        }
        sort(&mut here, &jobs, policy, &mut history);
        place(&here, &mut jobs, now);
    }
    marks.summary()
}

impl Job {
    fn seen(&self) -> Seen {
        Seen {
            submitted_s: self.submitted_s,
            gpus: self.gpus,
            attained_s: self.attained_s,
        }
    }

    /// Counts what was done since the last look. A restart is charged whether or not it was moved: the authors do so.
    fn look(&mut self, now: f64) {
        if self.ends_s.is_some() {
            let passed = now - self.looked_s;
            self.left_s -= (passed - self.restart_s).max(0.0);
            self.attained_s += passed;
        }
        self.looked_s = now;
    }
}

/// Puts those that are here in the order of the policy; equals keep the order that they had.
fn sort(here: &mut [usize], jobs: &[Job], policy: MuriPolicy, history: &mut History) {
    if policy.0 == Order::Blind(Blind::Learned) {
        let seen = here.iter().filter_map(|at| jobs.get(*at)).map(Job::seen);
        history.look(&seen.collect::<Vec<_>>());
    }
    let key = |at: &usize| {
        jobs.get(*at).map_or(f64::MAX, |job| match policy.0 {
            Order::Blind(blind) => blind.key(&job.seen(), history),
            Order::Declared(declared) => declared.key(&job.seen(), job.left_s),
        })
    };
    here.sort_by(|one, other| key(one).total_cmp(&key(other)));
}

/// Gives the cluster away anew: the first node that fits, or the first nodes that are wholly free.
fn place(here: &[usize], jobs: &mut [Job], now: f64) {
    let mut free = [GPUS; NODES];
    for at in here {
        let Some(job) = jobs.get_mut(*at) else {
            continue;
        };
        let (each, count) = (job.gpus.min(GPUS), (job.gpus / GPUS).max(1) as usize);
        let fitting = || free.iter().filter(|free| **free >= each);
        let fits = fitting().count() >= count;
        if fits {
            let fitting = free.iter_mut().filter(|free| **free >= each);
            fitting.take(count).for_each(|free| *free -= each);
        }
        job.ends_s = fits.then_some(now + job.left_s);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "num_gpu,submit_time,iterations,iteration_time,model_name\n";

    fn played(rows: &str, policy: &str) -> Summary {
        let trace = MuriTrace::read(&format!("{HEAD}{rows}")).unwrap();
        muri(&trace, policy.parse().unwrap())
    }

    #[test]
    fn a_job_alone_takes_its_work_and_the_authors_share() {
        let found = played("8,5000,1000,100,bert\n", "srtf");
        assert!((found.mean_completion_s - 101.5).abs() < 1e-6, "{found:?}");
        assert!((found.makespan_s - 106.5).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn every_event_charges_a_restart_to_what_runs() {
        // The second comes at 50 s, fits beside the first, and costs it 10 s all the same.
        let rows = "8,0,1000,100,bert\n8,50000,10,100,bert\n";
        for policy in ["srtf", "las", "fifo"] {
            let found = played(rows, policy);
            // The first: 50 s of which 10 are lost, 1.015 s until the second ends, all of them lost, then the rest.
            let first: f64 = 50.0 + 1.015 + (101.5 - 40.0);
            assert!(
                (found.makespan_s - first).abs() < 1e-6,
                "{policy}: {found:?}"
            );
            assert_eq!(found, played(rows, policy), "equal input, equal figures");
        }
    }

    #[test]
    fn only_orders_with_declared_durations_see_them() {
        // 64 GPUs each; the second is shorter. Who does not know that leaves the first of equals in front.
        let rows = "32,0,1000,1000,bert\n32,0,1000,1000,bert\n32,0,10,100,bert\n";
        assert!(played(rows, "srtf").mean_completion_s < played(rows, "fifo").mean_completion_s);
        let longer = rows.replace("10,100", "11,100");
        let order = |rows: &str| played(rows, "las").makespan_s > played(rows, "srtf").makespan_s;
        assert_eq!(order(rows), order(&longer));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let refused = |rows: &str| MuriTrace::read(&format!("{HEAD}{rows}")).unwrap_err();
        assert_eq!(
            refused("1,0,1,1,bert\n3,0,1,1,bert\n"),
            "trace, line 3: num_gpu is 3; 1, 2, 4, 8, 16 or 32 is needed"
        );
        assert_eq!(
            refused("1,-4,1,1,bert\n"),
            "trace, line 2: submit_time is \"-4\"; a number from 0 to 1e15 is needed"
        );
        assert_eq!(refused("1,0,1\n"), "trace, line 2: model_name is missing");
        assert_eq!(refused(""), "trace: a simulation needs a job at least");
        let unknown = "fastest".parse::<MuriPolicy>().unwrap_err();
        assert!(unknown.contains("srtf, srsf, las"), "{unknown}");
    }
}
