//! What a connection is doing, and when it has done that for too long.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Waits for the rest of a request's head, which began then.
    Reading(Instant),
    /// Has so many requests to answer.
    Busy(usize),
    /// Has had nothing to do since.
    Idle(Instant),
}

/// What a connection overstayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overstayed {
    /// The time for a request's head.
    Head,
    /// The time between requests.
    Idle,
}

/// The phases of one connection.
#[derive(Debug)]
pub(crate) struct Pulse {
    phase: Mutex<Phase>,
    changed: Notify,
}

/// A request that is being answered.
#[derive(Debug)]
pub(crate) struct Answering(Arc<Pulse>);

impl Default for Pulse {
    fn default() -> Self {
        Self {
            phase: Mutex::new(Phase::Reading(Instant::now())),
            changed: Notify::new(),
        }
    }
}

impl Pulse {
    /// Bytes came in.
    pub(crate) fn read(&self) {
        let mut phase = self.lock();
        if let Phase::Idle(_) = *phase {
            *phase = Phase::Reading(Instant::now());
            self.changed.notify_one();
        }
    }

    /// A head is complete; the request lasts as long as the value.
    pub(crate) fn begin(self: &Arc<Self>) -> Answering {
        let mut phase = self.lock();
        *phase = match *phase {
            Phase::Busy(requests) => Phase::Busy(requests + 1),
            Phase::Reading(_) | Phase::Idle(_) => Phase::Busy(1),
        };
        Answering(self.clone())
    }

    /// Waits until the connection has been at the same thing for too long.
    pub(crate) async fn overstayed(&self, head: Duration, idle: Duration) -> Overstayed {
        loop {
            let (deadline, overstayed) = match *self.lock() {
                Phase::Busy(_) => (None, Overstayed::Idle),
                Phase::Reading(since) => (Some(since + head), Overstayed::Head),
                Phase::Idle(since) => (Some(since + idle), Overstayed::Idle),
            };
            let Some(deadline) = deadline else {
                self.changed.notified().await;
                continue;
            };
            if deadline <= Instant::now() {
                return overstayed;
            }
            tokio::select! {
                () = tokio::time::sleep_until(deadline) => {}
                () = self.changed.notified() => {}
            }
        }
    }

    /// Waits until no request is being answered.
    pub(crate) async fn quiet(&self) {
        while matches!(*self.lock(), Phase::Busy(_)) {
            self.changed.notified().await;
        }
    }

    fn end(&self) {
        let mut phase = self.lock();
        *phase = match *phase {
            Phase::Busy(requests) if requests > 1 => Phase::Busy(requests - 1),
            Phase::Busy(_) | Phase::Reading(_) | Phase::Idle(_) => Phase::Idle(Instant::now()),
        };
        self.changed.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, Phase> {
        self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(100);

    async fn overstays(pulse: &Pulse) -> (Overstayed, u64) {
        let began = Instant::now();
        let what = pulse.overstayed(HEAD, IDLE).await;
        (what, began.elapsed().as_secs())
    }

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_time() {
        let pulse = Arc::new(Pulse::default());
        assert_eq!(overstays(&pulse).await, (Overstayed::Head, 10));
        drop(pulse.begin());
        assert_eq!(overstays(&pulse).await, (Overstayed::Idle, 100));
        pulse.read();
        tokio::time::advance(Duration::from_secs(4)).await;
        pulse.read();
        assert_eq!(overstays(&pulse).await, (Overstayed::Head, 6));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_may_take_its_time_and_the_last_one_ends_it() {
        let pulse = Arc::new(Pulse::default());
        let (first, second) = (pulse.begin(), pulse.begin());
        let requests = async {
            tokio::time::sleep(Duration::from_secs(1_000)).await;
            drop(first);
            pulse.read();
            tokio::time::sleep(Duration::from_secs(1_000)).await;
            drop(second);
        };
        let (overstayed, ()) = tokio::join!(overstays(&pulse), requests);
        assert_eq!(overstayed, (Overstayed::Idle, 2_100));
        pulse.quiet().await;
    }
}
