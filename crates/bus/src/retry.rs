//! What becomes of an event that failed: when it comes again, and when it is parked.

use std::collections::HashMap;
use std::time::Duration;

use kernel::Code;

/// An event with which something is wrong is tried this often before it is parked.
const TRIES: u32 = 5;
/// Pause after the first failed try; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// Longest pause: so long after an outage, at most, its events have all come again.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How often each event was refused for what it is. Tries that failed for something else do not count, and the server counts
/// all of them; a consumer that starts anew begins to count anew.
#[derive(Default)]
pub(crate) struct Refused(HashMap<String, u32>);

impl Refused {
    /// Takes note that a try of `event` failed with `code`; `true` when it is not to be tried again.
    pub(crate) fn at_last(&mut self, event: &str, code: Code) -> bool {
        if !of_the_event(code) {
            return false;
        }
        let times = self.0.entry(event.to_owned()).or_default();
        *times += 1;
        let last = *times >= TRIES;
        if last {
            self.forget(event);
        }
        last
    }

    /// The event is done with.
    pub(crate) fn forget(&mut self, event: &str) {
        self.0.remove(event);
    }
}

/// Whether an error says that something is wrong with the event, not with what its handler stands on. What is internal, such as
/// a database that is away, is never the event's fault.
const fn of_the_event(code: Code) -> bool {
    match code {
        Code::InvalidArgument
        | Code::PermissionDenied
        | Code::NotFound
        | Code::Conflict
        | Code::FailedPrecondition => true,
        Code::Unauthenticated
        | Code::ResourceExhausted
        | Code::Unavailable
        | Code::DeadlineExceeded
        | Code::Internal => false,
    }
}

/// The pause after the try number `tried`.
pub(crate) fn pause_after(tried: i64) -> Duration {
    let doublings = u32::try_from(tried.saturating_sub(1).clamp(0, 30)).unwrap_or(0);
    FIRST_PAUSE
        .saturating_mul(2_u32.pow(doublings))
        .min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wrong_with_the_event_itself_counts() {
        let mut refused = Refused::default();
        for _ in 1..TRIES {
            assert!(!refused.at_last("ev-1", Code::InvalidArgument));
            assert!(!refused.at_last("ev-2", Code::NotFound), "each for itself");
        }
        for outage in [
            Code::Internal,
            Code::Unavailable,
            Code::DeadlineExceeded,
            Code::ResourceExhausted,
            Code::Unauthenticated,
        ] {
            for _ in 0..100 {
                assert!(!refused.at_last("ev-1", outage), "{outage:?}");
            }
        }
        refused.forget("ev-2");
        assert!(!refused.at_last("ev-2", Code::NotFound));
        assert!(refused.at_last("ev-1", Code::Conflict));
        assert!(
            !refused.at_last("ev-1", Code::Conflict),
            "sent again, it begins anew"
        );
    }

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let pauses = [1, 2, 3, 7, 8, 9, 100, i64::MAX].map(pause_after);
        let millis = pauses.map(|pause| pause.as_millis());
        assert_eq!(
            millis,
            [250, 500, 1_000, 16_000, 30_000, 30_000, 30_000, 30_000]
        );
        assert_eq!(pause_after(0), FIRST_PAUSE);
    }
}
