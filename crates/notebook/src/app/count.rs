//! How many notebooks there are, for who watches the house.

use std::collections::BTreeMap;

use chassis::Result;
use chassis::database::count_by;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{App, view};
use crate::store::entity::{Column, Entity};

impl App {
    /// Counts the notebooks that are not deleted, by state.
    pub(crate) async fn count(&self) -> Result<()> {
        let rows = Entity::find().filter(Column::DeletedAt.is_null());
        let counted = count_by::<_, i32>(rows, Column::State, self.database.reader()).await?;
        let mut by_state = BTreeMap::<String, u64>::new();
        for (state, count) in counted {
            let state = format!("{:?}", view::state_of(state)).to_lowercase();
            *by_state.entry(state).or_default() += count;
        }
        self.metrics.notebooks.set(by_state);
        Ok(())
    }
}
