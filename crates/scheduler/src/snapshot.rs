//! The file of `quire scheduler snapshot`, and its replay: the same inputs give the same decisions, bit for bit.

use serde::{Deserialize, Serialize};

use crate::domain::cluster::{Record, Replayed};

/// The form of the file; another one is refused.
const FORMAT: u32 = 2;

/// What the newest decisions of a leader rest on: the life of its cluster, and of the one before.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Snapshot {
    format: u32,
    /// The oldest first.
    clusters: Vec<Record>,
}

/// What playing a snapshot again has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// Decisions that came out the same.
    pub same: usize,
    /// The first that came out differently, and how it was written down.
    pub different: Option<(String, String)>,
}

impl Snapshot {
    pub(crate) fn of(clusters: Vec<Record>) -> Self {
        let format = FORMAT;
        Self { format, clusters }
    }
}

/// Plays the text of a snapshot again, until a decision comes out differently.
///
/// # Errors
/// In words, when it is no snapshot that this program can read.
pub fn replay(text: &str) -> Result<Replay, String> {
    let snapshot: Snapshot =
        serde_json::from_str(text).map_err(|error| format!("is no snapshot: {error}"))?;
    if snapshot.format != FORMAT {
        let format = snapshot.format;
        return Err(format!("is a snapshot of form {format}; {FORMAT} is known"));
    }
    let mut same = 0;
    for cluster in snapshot.clusters {
        let Replayed {
            same: played,
            different,
        } = cluster.replay();
        same += played;
        if different.is_some() {
            return Ok(Replay { same, different });
        }
    }
    Ok(Replay {
        same,
        different: None,
    })
}
