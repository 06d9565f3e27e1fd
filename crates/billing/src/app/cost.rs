//! What single resources cost so far, in all their time.

use std::collections::BTreeMap;

use chassis::auth::User;
use chassis::{Error, Result};
use kernel::Micros;

use super::{App, out_of_range};
use crate::store::{cost, price};

/// Most resources that are asked about at once.
const MOST_RESOURCES: usize = 1_000;

/// What one resource costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ResourceCost {
    /// All of its attempts, what runs now included.
    pub(crate) total: Micros,
    /// The attempt that runs now.
    pub(crate) running: Option<Micros>,
}

impl App {
    /// What the caller's team owes for each of the resources, in the projects that they see. What never ran is left out.
    ///
    /// # Errors
    /// [`Error::Invalid`] when too many are asked about.
    pub(crate) async fn resource_costs(
        &self,
        user: &User,
        resources: &[String],
    ) -> Result<BTreeMap<String, ResourceCost>> {
        if resources.len() > MOST_RESOURCES {
            let problem = format!(
                "are {}; at most {MOST_RESOURCES} are allowed",
                resources.len()
            );
            return Err(Error::invalid("resource_ids", problem));
        }
        let hidden: Vec<_> = user
            .hidden_projects()
            .map(|hidden| hidden.to_string())
            .collect();
        let owed = cost::Asked {
            team: user.team,
            resources,
            hidden: &hidden,
        };
        let reader = self.database.reader();
        // What is not settled is read first, and its attempts are left out of the sums: one that is settled in between counts once.
        let unsettled = cost::unsettled(reader, &owed).await?;
        let left_out: Vec<_> = unsettled
            .iter()
            .map(|metered| metered.facts.attempt)
            .collect();
        let mut costs: BTreeMap<String, ResourceCost> = BTreeMap::new();
        for (resource, total) in cost::settled(reader, &owed, &left_out).await? {
            costs.entry(resource).or_default().total = total;
        }
        let prices = price::book(reader).await?;
        let now = self.clock.now();
        for metered in unsettled {
            let facts = &metered.facts;
            let until = metered.shown_until(now);
            let slices = prices.slices(&facts.machine_type, facts.billable_from, until);
            let mut amount = Micros(0);
            for slice in slices {
                amount = amount
                    .plus(slice.charge().map_err(out_of_range)?)
                    .map_err(out_of_range)?;
            }
            let cost = costs.entry(facts.owner.clone()).or_default();
            cost.total = cost.total.plus(amount).map_err(out_of_range)?;
            if facts.billable_until.is_none() {
                cost.running = Some(amount);
            }
        }
        Ok(costs)
    }
}
