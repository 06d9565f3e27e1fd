//! What notebooks cost so far and per hour: asked once for all that are shown.

use std::collections::HashMap;

use contracts::billing::v1::{GetResourceCostsRequest, ListPricesRequest, Price, ResourceCost};
use contracts::notebook::v1::Notebook;

use crate::api::Api;
use crate::print;

/// Most notebooks that billing is asked about at once.
const AT_ONCE: usize = 1_000;

/// What is known of the costs of some notebooks. What could not be had is `None`: the rest is shown without it.
#[derive(Debug, Default)]
pub(super) struct Bills {
    prices: Option<HashMap<String, Price>>,
    costs: Option<HashMap<String, ResourceCost>>,
}

/// The costs of one notebook.
#[derive(Debug, Default)]
pub(super) struct Bill {
    /// In millionths; `None` = not known.
    pub(super) total_micros: Option<i64>,
    /// What the run that goes on costs so far, in millionths; `None` = none does, or not known.
    pub(super) running_micros: Option<i64>,
    /// Of its machine type; `None` = not known.
    pub(super) nanos_per_hour: Option<i64>,
    pub(super) currency: String,
}

impl Bills {
    pub(super) async fn of(api: &Api, notebooks: &[Notebook]) -> Self {
        let prices = api
            .ask(api.billing().list_prices(ListPricesRequest {}))
            .await;
        let prices = print::or_note("prices", prices).map(|answer| {
            let prices = answer.prices.into_iter();
            prices
                .map(|price| (price.machine_type.clone(), price))
                .collect()
        });
        let mut known = Vec::new();
        for part in notebooks.chunks(AT_ONCE) {
            let request = GetResourceCostsRequest {
                resource_ids: part.iter().map(|notebook| notebook.id.clone()).collect(),
            };
            let costs = api.ask(api.billing().get_resource_costs(request)).await;
            let Some(answer) = print::or_note("what they cost so far", costs) else {
                return Self {
                    prices,
                    costs: None,
                };
            };
            known.extend(answer.costs);
        }
        let costs = known.into_iter();
        Self {
            prices,
            costs: Some(costs.map(|cost| (cost.resource_id.clone(), cost)).collect()),
        }
    }

    /// What never ran costs nothing, and neither does what has no price.
    pub(super) fn bill(&self, notebook: &Notebook) -> Bill {
        let cost = self
            .costs
            .as_ref()
            .map(|costs| costs.get(&notebook.id).cloned().unwrap_or_default());
        let price = self.prices.as_ref().map(|prices| {
            prices
                .get(&notebook.machine_type)
                .cloned()
                .unwrap_or_default()
        });
        let currencies = [
            price.as_ref().map(|price| price.currency.clone()),
            cost.as_ref()
                .and_then(|cost| cost.total.clone())
                .map(|total| total.currency),
        ];
        Bill {
            total_micros: cost
                .as_ref()
                .map(|cost| cost.total.clone().unwrap_or_default().micros),
            running_micros: cost.and_then(|cost| Some(cost.running?.micros)),
            nanos_per_hour: price.map(|price| price.nanos_per_hour),
            currency: currencies
                .into_iter()
                .flatten()
                .find(|currency| !currency.is_empty())
                .unwrap_or_default(),
        }
    }
}

impl Bill {
    /// Such as `0.018 USD`; `None` = not known.
    pub(super) fn per_hour(&self) -> Option<String> {
        let rate = print::rate(self.nanos_per_hour?);
        Some(format!("{rate} {}", self.currency).trim_end().to_owned())
    }
}
