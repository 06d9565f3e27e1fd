//! Finished sandboxes that wait on a node for notebooks: what the node says of them. It changes with every start, so it is
//! apart from what makes a node another one: no revision, no event.

use chassis::{Error, Result};
use kernel::text;
use serde::{Deserialize, Serialize};

/// Most environments that a node may speak of.
const MOST_POOLS: usize = 64;
/// Longest name, in characters.
const LONGEST_TEXT: usize = 300;

/// What waits on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Warm {
    /// How many may wait in all.
    pub(crate) most: u32,
    /// Memory that is set aside for them.
    pub(crate) reserved_mib: u32,
    /// By environment.
    pub(crate) pools: Vec<WarmPool>,
}

/// What waits for notebooks of one environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WarmPool {
    pub(crate) environment: String,
    pub(crate) environment_digest: String,
    pub(crate) ready: u32,
    pub(crate) wanted: u32,
    pub(crate) memory_mib: u32,
    pub(crate) failures: u32,
}

impl Warm {
    /// Checks that it is bounded.
    pub(crate) fn check(self) -> Result<Self> {
        if self.pools.len() > MOST_POOLS {
            let found = self.pools.len();
            let problem = format!("has {found} entries; at most {MOST_POOLS} are allowed");
            return Err(Error::invalid("warm.pools", problem));
        }
        for pool in &self.pools {
            if !pool.environment.is_empty() {
                text::name("warm.pools.environment", &pool.environment, LONGEST_TEXT)?;
            }
            let digest = &pool.environment_digest;
            text::name("warm.pools.environment_digest", digest, LONGEST_TEXT)?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_says_is_bounded() {
        let pool = |environment: &str| WarmPool {
            environment: environment.to_owned(),
            environment_digest: "d".to_owned(),
            ..WarmPool::default()
        };
        let warm = |pools: Vec<WarmPool>| Warm {
            pools,
            ..Warm::default()
        };
        assert!(warm(vec![pool("python"), pool("")]).check().is_ok());
        assert!(warm(vec![pool(&"x".repeat(301))]).check().is_err());
        assert!(warm(vec![pool("python"); 65]).check().is_err());
        assert!(
            warm(vec![WarmPool::default()]).check().is_err(),
            "a digest is needed"
        );
    }
}
