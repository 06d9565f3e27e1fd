//! What can be launched.

use chassis::Result;

use super::App;
use crate::domain::machine_type::{Offer, offers};
use crate::store::nodes;

impl App {
    /// Machine types with whether they can be had now, smallest first.
    pub(crate) async fn list_machine_types(&self) -> Result<Vec<Offer>> {
        let mut nodes = nodes::all(self.database.reader()).await?;
        nodes.retain(|node| node.given_up_at.is_none());
        Ok(offers(&self.catalogue, &nodes))
    }
}
