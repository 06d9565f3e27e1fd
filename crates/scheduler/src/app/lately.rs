//! What queues used before this leader led, by the attempts that there were: use is not forgotten with a leader.

use chassis::Result;

use super::{App, unsigned};
use crate::domain::cluster;
use crate::domain::engine::NodeView;
use crate::domain::queue::{Amount, Book, Lately, Owner, Span};
use crate::store::{self, RecentAttempt};

/// Attempts that are looked at, the newest first: what is older than these weighs little.
const NEWEST: u64 = 20_000;
/// What is older than so many half-lives weighs nothing.
const HALF_LIVES: u64 = 6;

impl App {
    /// What queues of this book used on these nodes until now.
    pub(super) async fn lately(&self, book: &Book, nodes: &[NodeView]) -> Result<Lately> {
        let now_ms = unsigned(self.clock.now().timestamp_millis());
        let since_ms = now_ms.saturating_sub(HALF_LIVES * self.rules.half_life_ms);
        let attempts = store::recent_attempts(self.database.reader(), NEWEST).await?;
        let spans: Vec<Span> = attempts
            .into_iter()
            .map(|attempt| span(attempt, now_ms))
            .filter(|span| span.until_ms > since_ms)
            .collect();
        let total = cluster::total(nodes);
        // A book that cannot be has no use of its own; placement goes on without.
        let lately = Lately::of_spans(book, &spans, total, self.rules.half_life_ms, now_ms);
        Ok(lately.unwrap_or_default())
    }
}

fn span(attempt: RecentAttempt, now_ms: u64) -> Span {
    let gpus = attempt.gpu_uuids.split_whitespace().count();
    let gpus = i64::try_from(gpus).unwrap_or(i64::MAX);
    let ended = attempt.ended_at.map(|at| unsigned(at / 1_000));
    Span {
        owner: Owner {
            team_id: attempt.team_id,
            project_id: attempt.project_id,
            free: attempt.free,
        },
        amount: Amount([
            gpus.saturating_mul(1_000),
            attempt.milli_cores,
            attempt.memory_mib,
        ]),
        from_ms: unsigned(attempt.placed_at / 1_000),
        until_ms: ended.unwrap_or(now_ms),
    }
}
