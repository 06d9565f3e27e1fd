//! A queue that gains or loses by a change.

use contracts::scheduler::v1::QueueChange;
use serde::Serialize;

use super::amount::Amount;
use super::teams::Teams;
use crate::print::Row;

/// A queue that gains or loses, as programs see it. Fields are only added.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ChangeRow {
    name: String,
    /// Null: the queue is not there.
    share_before: Option<Amount>,
    share_after: Option<Amount>,
    held: Amount,
    /// What it holds beyond its share: others may take it back from work that is preemptible.
    pub(super) reclaimable: Amount,
    #[serde(skip)]
    dry_run: bool,
    /// Its name for people.
    #[serde(skip)]
    shown: String,
}

impl ChangeRow {
    pub(super) fn new(change: QueueChange, teams: &Teams, dry_run: bool) -> Self {
        Self {
            shown: teams.queue(&change.name),
            name: change.name,
            share_before: change.share_before.map(Amount::from),
            share_after: change.share_after.map(Amount::from),
            held: Amount::of(change.held),
            reclaimable: Amount::of(change.reclaimable),
            dry_run,
        }
    }

    /// What the change is for it, in words.
    fn effect(&self) -> String {
        let side = |share: Option<Amount>| share.unwrap_or_default();
        let more = side(self.share_after).minus(side(self.share_before));
        let part = |of: fn(i64) -> i64| Amount {
            milli_gpus: of(more.milli_gpus),
            milli_cores: of(more.milli_cores),
            memory_mib: of(more.memory_mib),
        };
        let (gained, lost) = (part(|more| more.max(0)), part(|more| (-more).max(0)));
        let (gains, loses) = if self.dry_run {
            ("would gain", "would lose")
        } else {
            ("gains", "loses")
        };
        let said = [(gains, gained), (loses, lost)];
        let said = said
            .into_iter()
            .filter(|(_, amount)| *amount != Amount::default())
            .map(|(what, amount)| format!("{what} {}", amount.text()));
        let said = said.collect::<Vec<_>>().join("; ");
        if said.is_empty() {
            return "other work, the same share".to_owned();
        }
        said
    }
}

impl Row for ChangeRow {
    const COLUMNS: &'static [&'static str] = &[
        "QUEUE",
        "GAINS OR LOSES",
        "SHARE BEFORE",
        "SHARE AFTER",
        "HOLDS",
        "OF THAT BEYOND ITS SHARE",
    ];

    fn cells(&self) -> Vec<String> {
        let share = |share: Option<Amount>| share.map_or("no queue".to_owned(), Amount::text);
        vec![
            self.shown.clone(),
            self.effect(),
            share(self.share_before),
            share(self.share_after),
            self.held.text(),
            self.reclaimable.text(),
        ]
    }
}

#[cfg(test)]
mod tests {
    use contracts::scheduler::v1::QueueAmount;

    use super::*;

    fn gpus(milli_gpus: i64) -> Option<QueueAmount> {
        Some(QueueAmount {
            milli_gpus,
            ..QueueAmount::default()
        })
    }

    #[test]
    fn a_change_is_told_in_words() {
        let change = |before, after| QueueChange {
            name: "lab".to_owned(),
            share_before: before,
            share_after: after,
            held: gpus(8_000),
            reclaimable: gpus(1_500),
        };
        let told = |before, after, dry| {
            ChangeRow::new(change(before, after), &Teams::default(), dry).cells()
        };
        assert_eq!(
            told(gpus(4_000), gpus(2_500), true),
            [
                "lab",
                "would lose 1.5 GPU",
                "4 GPU",
                "2.5 GPU",
                "8 GPU",
                "1.5 GPU"
            ]
        );
        assert_eq!(
            told(None, gpus(1_000), false)[1..3],
            ["gains 1 GPU", "no queue"]
        );
        assert_eq!(
            told(gpus(0), gpus(0), true)[1],
            "other work, the same share"
        );
        let mixed = ChangeRow::new(
            change(
                Some(QueueAmount {
                    milli_gpus: 1_000,
                    milli_cores: 0,
                    memory_mib: 1_536,
                }),
                Some(QueueAmount {
                    milli_gpus: 0,
                    milli_cores: 2_000,
                    memory_mib: 1_536,
                }),
            ),
            &Teams::default(),
            true,
        );
        assert_eq!(mixed.effect(), "would gain 2 CPU; would lose 1 GPU");
        assert_eq!(mixed.cells()[2], "1 GPU, 1.5 GiB");
    }
}
