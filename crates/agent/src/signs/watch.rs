//! What successive measurements of a workload say about when it last worked. Pure.

/// Processor use from here on is work: what Jupyter and idle kernels take for themselves stays below.
pub(crate) const CPU_PERCENT: u64 = 5;
/// Use of a GPU from here on is work.
pub(crate) const GPU_PERCENT: u32 = 5;
/// Bytes a second from here on are work: below are the signs of life that open connections send by themselves.
pub(crate) const NETWORK_BYTES: u64 = 1_024;

/// What is counted at one moment; `None` = this node cannot count it for one workload.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    /// When, in milliseconds of this boot.
    pub(crate) at_ms: u64,
    /// Processor time since it began, in microseconds.
    pub(crate) cpu_us: Option<u64>,
    /// Bytes that went over its own network since it began, both ways, and its connections to the outside that are open.
    pub(crate) network: Option<(u64, usize)>,
    /// Use of its GPUs in percent, the highest of all; `Err` when the driver does not answer; `None` = it has none.
    pub(crate) gpu: Option<Result<u32, String>>,
    /// Names of programs that run in terminals, shells that wait excepted.
    pub(crate) programs: Option<Vec<String>>,
}

/// One thing by which a workload shows that it works, as it is told.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Sign {
    /// "CPU", "GPUs", "network", "programs in terminals".
    pub(crate) name: &'static str,
    /// Milliseconds since it was last active, 0 = it is; absent = not known.
    pub(crate) idle_ms: Option<u64>,
    /// What was measured, for people.
    pub(crate) detail: String,
}

/// When something was last active.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Last {
    /// `None` = the newest measurement says nothing.
    active_ms: Option<u64>,
    detail: String,
}

/// What is known of one workload.
#[derive(Clone, Debug)]
pub(crate) struct Watch {
    newest: Counted,
    cpu: Option<Last>,
    network: Option<Last>,
    gpu: Option<Last>,
    programs: Option<Last>,
}

impl Watch {
    /// Begins with a first measurement: what was before is not known and counts as work.
    pub(crate) fn begin(first: Counted) -> Self {
        let now = || {
            Some(Last {
                active_ms: Some(first.at_ms),
                detail: "not measured for long enough yet".to_owned(),
            })
        };
        Self {
            cpu: first.cpu_us.and_then(|_| now()),
            network: first.network.and_then(|_| now()),
            gpu: first.gpu.as_ref().and_then(|_| now()),
            programs: first.programs.as_ref().and_then(|_| now()),
            newest: first,
        }
    }

    /// Takes the next measurement in.
    pub(crate) fn take(&mut self, next: Counted) {
        let now = next.at_ms;
        let passed_ms = now.saturating_sub(self.newest.at_ms).max(1);
        let cpu = next.cpu_us.zip(self.newest.cpu_us).map(|(new, old)| {
            // Microseconds by milliseconds are thousandths.
            let per_mille = new.saturating_sub(old) / passed_ms;
            let detail = format!("{}.{} % of one core", per_mille / 10, per_mille % 10);
            (per_mille >= CPU_PERCENT * 10, detail)
        });
        let network = next.network.zip(self.newest.network);
        let network = network.map(|((new, open), (old, _))| {
            let rate = new.saturating_sub(old).saturating_mul(1_000) / passed_ms;
            let detail = format!("{rate} bytes a second, {open} connections to the outside");
            (rate >= NETWORK_BYTES, detail)
        });
        let gpu = next.gpu.as_ref().and_then(|used| used.as_ref().ok());
        let gpu = gpu.map(|used| (*used >= GPU_PERCENT, format!("{used} % in use")));
        let programs = next.programs.as_ref().map(|names| match names.as_slice() {
            [] => (false, "none".to_owned()),
            names => (true, names.join(", ")),
        });
        self.cpu = follow(self.cpu.take(), cpu, now);
        self.network = follow(self.network.take(), network, now);
        self.programs = follow(self.programs.take(), programs, now);
        self.gpu = match &next.gpu {
            Some(Err(problem)) => Some(Last {
                active_ms: None,
                detail: format!("the driver does not answer: {problem}"),
            }),
            Some(Ok(_)) | None => follow(self.gpu.take(), gpu, now),
        };
        self.newest = next;
    }

    /// What is told at `now_ms`; a measurement older than `longest_ms` says nothing any more.
    pub(crate) fn signs(&self, now_ms: u64, longest_ms: u64) -> Vec<Sign> {
        let stale = now_ms.saturating_sub(self.newest.at_ms) > longest_ms;
        let all = [
            ("CPU", &self.cpu),
            ("network", &self.network),
            ("GPUs", &self.gpu),
            ("programs in terminals", &self.programs),
        ];
        let known = all
            .into_iter()
            .filter_map(|(name, last)| Some((name, last.as_ref()?)));
        known
            .map(|(name, last)| Sign {
                name,
                idle_ms: last.active_ms.filter(|_| !stale).map(|active| {
                    match active == self.newest.at_ms {
                        // It was at work when it was last looked at.
                        true => 0,
                        false => now_ms.saturating_sub(active).max(1),
                    }
                }),
                detail: match stale {
                    true => "not measured lately".to_owned(),
                    false => last.detail.clone(),
                },
            })
            .collect()
    }
}

/// The last activity after one more look; a look that shows nothing makes it unknown.
fn follow(last: Option<Last>, seen: Option<(bool, String)>, now: u64) -> Option<Last> {
    match (last, seen) {
        (None, None) => None,
        (Some(_), None) => Some(Last {
            active_ms: None,
            detail: "cannot be measured now".to_owned(),
        }),
        // Seen for the first time, or again: what was meanwhile is not known.
        (
            None
            | Some(Last {
                active_ms: None, ..
            }),
            Some((_, detail)),
        )
        | (_, Some((true, detail))) => Some(Last {
            active_ms: Some(now),
            detail,
        }),
        (Some(last), Some((false, detail))) => Some(Last { detail, ..last }),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counted(at_ms: u64, cpu_us: u64, bytes: u64, gpu: u32, programs: &[&str]) -> Counted {
        Counted {
            at_ms,
            cpu_us: Some(cpu_us),
            network: Some((bytes, 1)),
            gpu: Some(Ok(gpu)),
            programs: Some(programs.iter().map(ToString::to_string).collect()),
        }
    }

    fn idle(watch: &Watch, now: u64) -> Vec<Option<u64>> {
        let signs = watch.signs(now, 30_000);
        signs.into_iter().map(|sign| sign.idle_ms).collect()
    }

    #[test]
    fn each_sign_has_its_own_threshold() {
        let mut watch = Watch::begin(counted(1_000, 0, 0, 0, &[]));
        assert_eq!(idle(&watch, 1_000), [Some(0); 4]);
        // 4.9 % of a core, 1,023 bytes a second, 4 % of the GPU, a shell that waits.
        watch.take(counted(11_000, 490_000, 10_239, 4, &[]));
        assert_eq!(idle(&watch, 12_000), [Some(11_000); 4]);
        watch.take(counted(21_000, 990_000, 20_479, 5, &["vim"]));
        assert_eq!(idle(&watch, 22_000), [Some(0); 4]);
        let details: Vec<_> = watch
            .signs(22_000, 30_000)
            .into_iter()
            .map(|sign| sign.detail)
            .collect();
        let expected = [
            "5.0 % of one core",
            "1024 bytes a second, 1 connections to the outside",
            "5 % in use",
            "vim",
        ];
        assert_eq!(details, expected);
        // What is not measured any more is not known.
        assert_eq!(idle(&watch, 51_001), [None; 4]);
    }

    #[test]
    fn what_does_not_answer_is_not_known_and_begins_anew() {
        let mut watch = Watch::begin(counted(1_000, 0, 0, 0, &[]));
        watch.take(Counted {
            gpu: Some(Err("it fell off the bus".to_owned())),
            cpu_us: None,
            ..counted(11_000, 0, 0, 0, &[])
        });
        let signs = watch.signs(11_000, 30_000);
        let unknown: Vec<_> = signs.iter().filter(|sign| sign.idle_ms.is_none()).collect();
        assert_eq!(
            unknown.iter().map(|sign| sign.name).collect::<Vec<_>>(),
            ["CPU", "GPUs"]
        );
        assert!(unknown[1].detail.ends_with("it fell off the bus"));
        watch.take(counted(21_000, 0, 0, 0, &[]));
        watch.take(counted(31_000, 0, 0, 0, &[]));
        assert_eq!(
            idle(&watch, 31_000),
            [Some(0), Some(30_000), Some(10_000), Some(30_000)]
        );
    }

    #[test]
    fn what_a_node_cannot_measure_is_left_out() {
        let nothing = |at_ms| Counted {
            at_ms,
            ..Counted::default()
        };
        let mut watch = Watch::begin(nothing(1));
        watch.take(nothing(2));
        assert_eq!(watch.signs(2, 30_000), []);
    }

    proptest! {
        /// However it works: it never seems to rest for longer than since its last work.
        #[test]
        fn rest_is_never_longer_than_it_was(work in prop::collection::vec(0_u64..20_000_000, 1..20)) {
            let mut watch = Watch::begin(counted(0, 0, 0, 0, &[]));
            let (mut cpu, mut last) = (0, 0);
            for (turn, more) in (1_u64..).zip(work) {
                let now = turn * 10_000;
                cpu += more;
                watch.take(counted(now, cpu, 0, 0, &[]));
                // 5 % of ten seconds.
                if more >= 500_000 {
                    last = now;
                }
                let idle = idle(&watch, now)[0].unwrap();
                prop_assert_eq!(idle, now - last);
            }
        }
    }
}
