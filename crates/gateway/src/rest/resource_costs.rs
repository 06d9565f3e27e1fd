//! What single resources cost so far.

use axum::Json;
use contracts::billing::v1::{GetResourceCostsRequest, ResourceCost as WireCost};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use super::caller::Caller;
use super::extract::Params;
use super::failure::Failure;
use super::values::Money;

/// Which resources are asked about.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct CostQuery {
    /// Identifiers of notebooks, with commas between them; at most 1,000.
    ids: String,
}

/// What some resources cost so far.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ResourceCosts {
    /// Those that ever ran; what never ran is left out.
    costs: Vec<ResourceCost>,
}

/// What one resource costs so far.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ResourceCost {
    resource_id: String,
    /// All of its runs, what runs now included.
    total: Money,
    /// The run that goes on; null when none does.
    #[schema(required)]
    running: Option<Money>,
}

impl TryFrom<WireCost> for ResourceCost {
    type Error = Failure;

    fn try_from(cost: WireCost) -> Result<Self, Failure> {
        Ok(Self {
            resource_id: cost.resource_id,
            total: Money::required("total", cost.total)?,
            running: cost.running.map(Money::from),
        })
    }
}

/// Get what resources cost so far, in all their time
#[utoipa::path(
    get, path = "/v1/resource-costs", tag = "Billing",
    params(CostQuery), responses((status = 200, body = ResourceCosts))
)]
pub(super) async fn get_resource_costs(
    caller: Caller,
    Params(query): Params<CostQuery>,
) -> Answer<ResourceCosts> {
    let ids = query.ids.split(',').map(str::trim);
    let request = GetResourceCostsRequest {
        resource_ids: ids.filter(|id| !id.is_empty()).map(str::to_owned).collect(),
    };
    let answer = caller.billing().get_resource_costs(request).await?;
    let costs = answer.into_inner().costs.into_iter();
    Ok(Json(ResourceCosts {
        costs: costs
            .map(ResourceCost::try_from)
            .collect::<Result<_, _>>()?,
    }))
}
