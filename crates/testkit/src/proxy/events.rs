//! Events on their way from a stream to a consumer, mistreated: twice, late, in another order.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::frame::next_frame;
use super::stream::{Reading, Writing};
use super::{Control, Counts, wait_until_open};

/// An event that waits for the next one to overtake it goes on after so long anyway.
const SWAPPED_WITHIN: Duration = Duration::from_millis(500);

/// How often events are mistreated: shares of all, which leave the rest as it is.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// What decides: the same seed, the same decisions.
    pub seed: u64,
    /// Share of events that are delivered twice.
    pub twice: f64,
    /// Share of events that are delivered late.
    pub late: f64,
    /// Share of events that are delivered after the one that follows them.
    pub swapped: f64,
    /// Longest time by which one is late.
    pub longest_delay: Duration,
}

/// What becomes of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Pass,
    Twice,
    Late(Duration),
    Swapped,
}

/// Decides on the events of one connection.
#[derive(Debug)]
pub(super) struct Chance {
    faults: Faults,
    random: StdRng,
}

impl Faults {
    pub(super) fn of_connection(self, number: u64) -> Chance {
        Chance {
            faults: self,
            random: StdRng::seed_from_u64(self.seed.wrapping_add(number)),
        }
    }
}

impl Chance {
    fn fate(&mut self) -> Fate {
        let Faults {
            twice,
            late,
            swapped,
            longest_delay,
            ..
        } = self.faults;
        let drawn: f64 = self.random.random_range(0.0..1.0);
        if drawn < twice {
            Fate::Twice
        } else if drawn < twice + late {
            Fate::Late(longest_delay.mul_f64(self.random.random_range(0.0..1.0)))
        } else if drawn < twice + late + swapped {
            Fate::Swapped
        } else {
            Fate::Pass
        }
    }
}

/// Events that go out later, by when.
#[derive(Debug, Default)]
struct Waiting {
    frames: BTreeMap<(Instant, u64), Bytes>,
    /// The one that goes out after the next delivery.
    swapped: Option<(Instant, u64)>,
    number: u64,
}

impl Waiting {
    fn put(&mut self, delay: Duration, frame: Bytes) -> (Instant, u64) {
        self.number += 1;
        let key = (Instant::now() + delay, self.number);
        self.frames.insert(key, frame);
        key
    }

    /// When the first one goes out.
    fn due(&self) -> Option<Instant> {
        self.frames.first_key_value().map(|((at, _), _)| *at)
    }

    fn take_due(&mut self) -> Option<Bytes> {
        self.due().filter(|at| *at <= Instant::now())?;
        self.frames.pop_first().map(|(_, frame)| frame)
    }

    fn take_swapped(&mut self) -> Option<Bytes> {
        self.frames.remove(&self.swapped.take()?)
    }
}

/// Passes on what the server says. Whole frames only: what is mistreated is when an event comes, never what the protocol is.
pub(super) async fn deliver(
    mut from: Reading,
    mut to: Writing,
    mut control: watch::Receiver<Control>,
    mut chance: Chance,
    counts: &Counts,
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    let mut waiting = Waiting::default();
    loop {
        while let Some(frame) = next_frame(&mut buffer)? {
            wait_until_open(&mut control).await;
            if !frame.delivery {
                to.write_all(&frame.bytes).await?;
                continue;
            }
            let fate = match chance.fate() {
                // One at a time.
                Fate::Swapped if waiting.swapped.is_some() => Fate::Pass,
                fate => fate,
            };
            count(counts, fate);
            match fate {
                Fate::Late(delay) => {
                    waiting.put(delay, frame.bytes);
                    continue;
                }
                Fate::Swapped => {
                    waiting.swapped = Some(waiting.put(SWAPPED_WITHIN, frame.bytes));
                    continue;
                }
                Fate::Twice => {
                    to.write_all(&[&frame.bytes[..], &frame.bytes[..]].concat())
                        .await?
                }
                Fate::Pass => to.write_all(&frame.bytes).await?,
            }
            if let Some(overtaken) = waiting.take_swapped() {
                to.write_all(&overtaken).await?;
            }
        }
        let due = waiting.due();
        tokio::select! {
            read = from.read_buf(&mut buffer) => if read? == 0 {
                return to.shutdown().await;
            },
            () = async { sleep_until(due.unwrap_or_else(Instant::now)).await }, if due.is_some() => {
                wait_until_open(&mut control).await;
                while let Some(frame) = waiting.take_due() {
                    to.write_all(&frame).await?;
                }
            }
        }
    }
}

fn count(counts: &Counts, fate: Fate) {
    let counter = match fate {
        Fate::Pass => &counts.passed,
        Fate::Twice => &counts.twice,
        Fate::Late(_) => &counts.late,
        Fate::Swapped => &counts.swapped,
    };
    counter.fetch_add(1, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: Faults = Faults {
        seed: 1,
        twice: 0.2,
        late: 0.3,
        swapped: 0.1,
        longest_delay: Duration::from_secs(1),
    };

    fn fates(faults: Faults, connection: u64) -> Vec<Fate> {
        let mut chance = faults.of_connection(connection);
        (0..1_000).map(|_| chance.fate()).collect()
    }

    #[test]
    fn a_seed_decides_all_and_shares_are_kept() {
        assert_eq!(fates(SOME, 3), fates(SOME, 3));
        assert_ne!(fates(SOME, 3), fates(SOME, 4));
        assert_ne!(fates(SOME, 3), fates(Faults { seed: 2, ..SOME }, 3));
        let share = |of: fn(&Fate) -> bool| fates(SOME, 0).iter().filter(|fate| of(fate)).count();
        assert!((150..250).contains(&share(|fate| *fate == Fate::Twice)));
        assert!((50..150).contains(&share(|fate| *fate == Fate::Swapped)));
        assert!((250..350).contains(&share(|fate| matches!(fate, Fate::Late(_)))));
        let longest =
            |fate: &Fate| matches!(fate, Fate::Late(delay) if *delay > SOME.longest_delay);
        assert!(!fates(SOME, 0).iter().any(longest));
    }

    #[test]
    fn without_shares_nothing_happens() {
        let none = Faults {
            twice: 0.0,
            late: 0.0,
            swapped: 0.0,
            ..SOME
        };
        assert!(fates(none, 0).iter().all(|fate| *fate == Fate::Pass));
    }
}
