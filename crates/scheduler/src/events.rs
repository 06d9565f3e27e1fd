//! Events that the scheduler listens to.

use bus::{Delivery, Handler};
use contracts::inventory::v1::NodeChanged;

use crate::app::App;

/// Takes over what inventory says of nodes.
#[derive(Clone, Debug)]
pub(crate) struct Nodes(pub(crate) App);

#[async_trait::async_trait]
impl Handler for Nodes {
    async fn handle(&self, delivery: &Delivery) -> chassis::Result<bool> {
        let Some(event) = delivery.decode::<NodeChanged>()? else {
            return Ok(false);
        };
        if let Some(node) = event.node {
            self.0.take_over(node, event.deleted).await?;
        }
        Ok(true)
    }
}
