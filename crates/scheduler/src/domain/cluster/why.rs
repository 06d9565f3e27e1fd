//! Why a workload waits.

use chrono::DateTime;

use super::{Cluster, Work};

/// Why a workload waits: the dominant thing, as a word and in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Why {
    /// "gpu", "cpu", "memory", "disk", "node", "volume", "limit", "guarantee", "room", "turn".
    pub(crate) what: &'static str,
    pub(crate) detail: String,
}

impl Cluster {
    /// Why the workload waits, as of the last decision; `None` when it does not.
    pub(crate) fn why(&mut self, id: &str) -> Option<Why> {
        let number = *self.numbers.get(id)?;
        let work = self.known.get(&number).filter(|known| known.run.is_none());
        let work = work?.work.clone();
        let leaf = *self.leaf_of.get(&work.owner)?;
        if let Some(why) = self.why_promised(number) {
            return Some(why);
        }
        let kind = (leaf, work.request.clone(), work.preemptible, work.priority);
        if let Some(why) = self.whys.get(&kind) {
            return Some(why.clone());
        }
        let why = self.why_of(number, &work)?;
        self.whys.insert(kind, why.clone());
        Some(why)
    }

    fn why_promised(&self, number: u64) -> Option<Why> {
        let count = self.queues.makes_room(number);
        let others = match count {
            0 => return None,
            1 => "another workload makes".to_owned(),
            count => format!("{count} other workloads make"),
        };
        Some(Why {
            what: "room",
            detail: format!("{others} room for it; it starts when they have stopped"),
        })
    }

    fn why_of(&mut self, number: u64, work: &Work) -> Option<Why> {
        let job = self.job(number, work)?;
        if let Some((queue, limit)) = self.queues.limit_in_the_way(&job) {
            let name = self.names.get(queue).map_or("", String::as_str);
            let detail = format!(
                "queue {name:?} is at its limit of {limit}; it starts when other work of this queue has ended"
            );
            return Some(Why {
                what: "limit",
                detail,
            });
        }
        if !self.queues.leaves_guarantees(&job) {
            let detail = "what is left is guaranteed to other queues, and only work that may be stopped for them can borrow it: \
                          start it as preemptible, or wait until work of its own queue has ended";
            return Some(Why {
                what: "guarantee",
                detail: detail.to_owned(),
            });
        }
        let lower = self.queues.lower_may_go_from(&job);
        let lower = lower.and_then(|at| DateTime::from_timestamp_millis(i64::try_from(at).ok()?));
        let lower = lower.map_or_else(String::new, |at| {
            let at = at.format("%H:%M:%S UTC");
            format!(
                "; work of lower priority may be stopped for it from {at} on, if that makes room"
            )
        });
        let first = self.board.obstacles(&work.request).first();
        let why = first.map(|obstacle| Why {
            what: obstacle.what,
            detail: format!("{}{lower}", obstacle.detail),
        });
        Some(why.unwrap_or_else(|| Why {
            what: "turn",
            detail: "others go first".to_owned(),
        }))
    }
}
