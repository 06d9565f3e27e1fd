//! How much room there is for workloads of some sizes.

use chassis::{Error, Result};
use contracts::common::v1::Resources as WireResources;
use contracts::scheduler::v1::Capacity;
use kernel::Resources;

use super::App;
use super::nodes::checked_node_id;
use crate::domain::capacity::{Room, room};

/// Most sizes that are counted at once.
const MOST_SIZES: usize = 1_000;

impl App {
    /// The room for each of the sizes, on all nodes that take work or only on the one that is named. The nodes are read once.
    pub(crate) async fn capacities(
        &self,
        sizes: Vec<WireResources>,
        node_id: &str,
    ) -> Result<Vec<Capacity>> {
        if sizes.len() > MOST_SIZES {
            let problem = format!("are {}; at most {MOST_SIZES} are allowed", sizes.len());
            return Err(Error::invalid("sizes", problem));
        }
        if !node_id.is_empty() && checked_node_id(node_id).is_err() {
            return Err(Error::invalid("node_id", "is not the identifier of a node"));
        }
        let node = Some(node_id).filter(|id| !id.is_empty());
        let nodes = self.node_views(self.database.reader()).await?;
        let capacity = |size: WireResources| {
            let Room { free, total } = room(&nodes, &Resources::from(size), node);
            Capacity { free, total }
        };
        Ok(sizes.into_iter().map(capacity).collect())
    }
}
