//! A node: what it says of itself, and what is said of it.

use std::collections::BTreeSet;

use chassis::{Error, Result};
use kernel::id::NodeId;
use kernel::{Timestamp, text};

use super::warm::Warm;

/// Most GPUs of one node.
const MOST_GPUS: usize = 64;
/// Most protections that a node can miss.
const MOST_MISSING: usize = 32;
/// Longest text that a node may report, in characters.
const LONGEST_TEXT: usize = 300;
/// Longest name of a node, in characters.
const LONGEST_NAME: usize = 63;
/// Most CPU that may be promised for each CPU that is there.
const MOST_OVERCOMMIT: u32 = 16;

/// One GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gpu {
    pub(crate) index: u32,
    pub(crate) uuid: String,
    pub(crate) model: String,
    pub(crate) memory_mib: u32,
}

/// What a node has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Hardware {
    pub(crate) milli_cores: u32,
    pub(crate) memory_mib: u32,
    pub(crate) disk_gib: u32,
    pub(crate) gpus: Vec<Gpu>,
}

/// What a node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) boot_id: String,
    pub(crate) hardware: Hardware,
    pub(crate) missing_isolation: Vec<String>,
}

/// Whether a node answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Liveness {
    Ready,
    Silent,
}

/// Whether a node takes work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schedulable {
    Open,
    Cordoned,
    Draining,
}

/// What a node wants to be when it joins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewNode {
    pub(crate) name: String,
    pub(crate) cpu_overcommit: u32,
}

/// A host that runs workloads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) name: String,
    pub(crate) cpu_overcommit: u32,
    pub(crate) report: Report,
    /// What waits there; `None` = it does not say.
    pub(crate) warm: Option<Warm>,
    pub(crate) liveness: Liveness,
    pub(crate) schedulable: Schedulable,
    /// `None` = it joined and was never heard.
    pub(crate) last_seen_at: Option<Timestamp>,
    /// When what has not left a draining node is stopped; `None` = never.
    pub(crate) drain_deadline_at: Option<Timestamp>,
    /// When a person gave it up.
    pub(crate) given_up_at: Option<Timestamp>,
    /// When it left the list.
    pub(crate) deleted_at: Option<Timestamp>,
    pub(crate) revision: u64,
    pub(crate) created_at: Timestamp,
}

impl NewNode {
    /// Checks what was asked. A name that looks like an identifier would make two nodes answer to one word.
    pub(crate) fn check(self) -> Result<Self> {
        text::name("name", &self.name, LONGEST_NAME)?;
        if self.name.parse::<NodeId>().is_ok() {
            return Err(Error::invalid(
                "name",
                "has the form of an identifier; choose a name for people",
            ));
        }
        if !(1..=MOST_OVERCOMMIT).contains(&self.cpu_overcommit) {
            let problem = format!(
                "is {}; 1 to {MOST_OVERCOMMIT} are allowed",
                self.cpu_overcommit
            );
            return Err(Error::invalid("cpu_overcommit", problem));
        }
        Ok(self)
    }

    /// The node as it joins: silent until its first heartbeat.
    pub(crate) fn join(self, now: Timestamp) -> Node {
        Node {
            id: NodeId::generate(),
            name: self.name,
            cpu_overcommit: self.cpu_overcommit,
            report: Report::default(),
            warm: None,
            liveness: Liveness::Silent,
            schedulable: Schedulable::Open,
            last_seen_at: None,
            drain_deadline_at: None,
            given_up_at: None,
            deleted_at: None,
            revision: 1,
            created_at: now,
        }
    }
}

impl Report {
    /// Checks that the report is one that a node can send, and is bounded. GPUs are put into their order.
    pub(crate) fn check(mut self) -> Result<Self> {
        text::name("boot_id", &self.boot_id, LONGEST_TEXT)?;
        let too_many = |field, found: usize, most: usize| {
            Err(Error::invalid(
                field,
                format!("has {found} entries; at most {most} are allowed"),
            ))
        };
        self.hardware.gpus.sort_by_key(|gpu| gpu.index);
        let gpus = &self.hardware.gpus;
        if gpus.len() > MOST_GPUS {
            return too_many("hardware.gpus", gpus.len(), MOST_GPUS);
        }
        if self.missing_isolation.len() > MOST_MISSING {
            return too_many(
                "missing_isolation",
                self.missing_isolation.len(),
                MOST_MISSING,
            );
        }
        for missing in &self.missing_isolation {
            text::name("missing_isolation", missing, LONGEST_TEXT)?;
        }
        for gpu in gpus {
            text::name("hardware.gpus.uuid", &gpu.uuid, LONGEST_TEXT)?;
            text::name("hardware.gpus.model", &gpu.model, LONGEST_TEXT)?;
        }
        if gpus
            .iter()
            .any(|gpu| gpu.uuid.contains(char::is_whitespace))
        {
            return Err(Error::invalid(
                "hardware.gpus.uuid",
                "has white space inside; the driver's names have none",
            ));
        }
        let uuids: BTreeSet<_> = gpus.iter().map(|gpu| &gpu.uuid).collect();
        let indexes: BTreeSet<_> = gpus.iter().map(|gpu| gpu.index).collect();
        if uuids.len() < gpus.len() || indexes.len() < gpus.len() {
            return Err(Error::invalid(
                "hardware.gpus",
                "names a GPU twice; each uuid and index must be unique",
            ));
        }
        Ok(self)
    }
}

impl Node {
    /// Takes a heartbeat in; whether anything but the time changed.
    pub(crate) fn hear(&mut self, report: &Report, now: Timestamp) -> bool {
        self.last_seen_at = Some(now);
        if self.liveness == Liveness::Ready && self.report == *report {
            return false;
        }
        self.liveness = Liveness::Ready;
        self.report = report.clone();
        self.revision += 1;
        true
    }

    /// Marks it silent, when it was not heard since `last_seen_at`; whether that is a change.
    pub(crate) fn fall_silent(&mut self, last_seen_at: Timestamp) -> bool {
        if self.liveness == Liveness::Silent || self.last_seen_at != Some(last_seen_at) {
            return false;
        }
        self.liveness = Liveness::Silent;
        self.revision += 1;
        true
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use kernel::time::from_micros;

    use super::*;

    /// A node that is ready and open, with GPUs of one model.
    pub(crate) fn node(milli_cores: u32, memory_mib: u32, gpus: u32, model: &str) -> Node {
        let gpus = (0..gpus).map(|index| Gpu {
            index,
            uuid: format!("GPU-{index}"),
            model: model.to_owned(),
            memory_mib: 81_920,
        });
        let hardware = Hardware {
            milli_cores,
            memory_mib,
            disk_gib: 500,
            gpus: gpus.collect(),
        };
        let report = Report {
            boot_id: "b1".to_owned(),
            hardware,
            missing_isolation: Vec::new(),
        };
        let new = NewNode {
            name: "box".to_owned(),
            cpu_overcommit: 1,
        };
        let mut node = new.join(from_micros(0));
        assert!(node.hear(&report.check().unwrap(), from_micros(1)));
        node
    }

    #[test]
    fn a_revision_is_a_change() {
        let mut node = node(8_000, 32_768, 2, "H100");
        assert_eq!((node.liveness, node.revision), (Liveness::Ready, 2));
        let mut report = node.report.clone();
        assert!(!node.hear(&report, from_micros(2)));
        report.boot_id = "b2".to_owned();
        assert!(node.hear(&report, from_micros(3)));
        assert!(node.set_schedulable(Schedulable::Draining, None).unwrap());
        assert!(!node.set_schedulable(Schedulable::Draining, None).unwrap());
        assert_eq!(
            (node.revision, node.last_seen_at),
            (4, Some(from_micros(3)))
        );
    }

    #[test]
    fn a_heartbeat_after_the_look_saves_a_node_from_silence() {
        let mut node = node(8_000, 32_768, 0, "");
        let report = node.report.clone();
        node.hear(&report, from_micros(9));
        assert!(!node.fall_silent(from_micros(1)));
        assert!(node.fall_silent(from_micros(9)));
        assert!(!node.fall_silent(from_micros(9)));
        assert!(node.hear(&report, from_micros(10)));
        assert_eq!((node.liveness, node.revision), (Liveness::Ready, 4));
    }

    #[test]
    fn reports_are_bounded() {
        let good = node(8_000, 32_768, 64, "H100").report;
        let long = "x".repeat(LONGEST_TEXT + 1);
        type Spoil = fn(&mut Report, String);
        let wrong: [(&str, Spoil); 8] = [
            ("hardware.gpus.uuid", |report, _| {
                report.hardware.gpus[3].uuid = "GPU 3".to_owned();
            }),
            ("boot_id", |report, long| report.boot_id = long),
            ("boot_id", |report, _| report.boot_id.clear()),
            ("missing_isolation", |report, long| {
                report.missing_isolation.push(long)
            }),
            ("missing_isolation", |report, _| {
                report.missing_isolation = vec!["x".to_owned(); MOST_MISSING + 1]
            }),
            ("hardware.gpus.model", |report, long| {
                report.hardware.gpus[3].model = long
            }),
            ("hardware.gpus", |report, _| {
                report.hardware.gpus[3].index = 2
            }),
            ("hardware.gpus", |report, _| {
                let one_more = Gpu {
                    index: 64,
                    ..report.hardware.gpus[0].clone()
                };
                report.hardware.gpus.push(one_more);
            }),
        ];
        for (field, spoil) in wrong {
            let mut report = good.clone();
            spoil(&mut report, long.clone());
            let error = report.check().unwrap_err().to_string();
            assert!(error.starts_with(&format!("{field}: ")), "{field}: {error}");
        }
        assert!(good.check().is_ok());
    }

    #[test]
    fn nodes_are_named_for_people() {
        let new = |name: &str, cpu_overcommit| {
            NewNode {
                name: name.to_owned(),
                cpu_overcommit,
            }
            .check()
        };
        assert!(new("gpu-box.lan", 16).is_ok());
        assert!(new(&NodeId::generate().to_string(), 1).is_err());
        for (name, overcommit) in [
            ("", 1),
            ("a\nb", 1),
            (&*"x".repeat(64), 1),
            ("a", 0),
            ("a", 17),
        ] {
            assert!(new(name, overcommit).is_err(), "{name:?} {overcommit}");
        }
    }
}
