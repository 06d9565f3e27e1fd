//! The calls: decode, ask the app, encode.

use chassis::auth::caller;
use contracts::billing::v1 as wire;
use contracts::billing::v1::billing_service_server::{BillingService, BillingServiceServer};
use contracts::common::v1::Money;
use contracts::{from_wire_time, to_wire_time};
use kernel::Micros;
use tonic::service::Routes;
use tonic::{Request, Response, Status};

use crate::app::{App, MonthlyInvoice, PricedType, ResourceCost, Usage, UsageLine};

/// The routes of billing's server.
pub(crate) fn routes(app: App) -> Routes {
    Routes::new(BillingServiceServer::new(Service(app)))
}

struct Service(App);

#[tonic::async_trait]
impl BillingService for Service {
    async fn list_prices(
        &self,
        _: Request<wire::ListPricesRequest>,
    ) -> Result<Response<wire::ListPricesResponse>, Status> {
        let prices = self.0.list_prices().await?;
        let prices = prices
            .iter()
            .map(|priced| wire_price(priced, &self.0.currency))
            .collect();
        Ok(Response::new(wire::ListPricesResponse { prices }))
    }

    async fn set_price(
        &self,
        request: Request<wire::SetPriceRequest>,
    ) -> Result<Response<wire::SetPriceResponse>, Status> {
        let request = request.into_inner();
        let priced = self
            .0
            .set_price(&request.machine_type, request.nanos_per_hour)
            .await?;
        Ok(Response::new(wire::SetPriceResponse {
            price: Some(wire_price(&priced, &self.0.currency)),
        }))
    }

    async fn get_usage(
        &self,
        request: Request<wire::GetUsageRequest>,
    ) -> Result<Response<wire::GetUsageResponse>, Status> {
        let principal = caller(&request)?;
        let request = request.into_inner();
        let time =
            |field, time: Option<_>| time.map(|time| from_wire_time(field, time)).transpose();
        let (from, to) = (
            time("from", request.from).map_err(chassis::Error::from)?,
            time("to", request.to).map_err(chassis::Error::from)?,
        );
        let usage = self.0.usage(principal.user()?, from, to).await?;
        Ok(Response::new(wire_usage(&usage, &self.0.currency)))
    }

    async fn get_resource_costs(
        &self,
        request: Request<wire::GetResourceCostsRequest>,
    ) -> Result<Response<wire::GetResourceCostsResponse>, Status> {
        let principal = caller(&request)?;
        let asked = &request.get_ref().resource_ids;
        let costs = self.0.resource_costs(principal.user()?, asked).await?;
        let currency = &self.0.currency;
        let cost = |(resource_id, cost): (String, ResourceCost)| wire::ResourceCost {
            resource_id,
            total: money(cost.total, currency),
            running: cost.running.and_then(|amount| money(amount, currency)),
        };
        Ok(Response::new(wire::GetResourceCostsResponse {
            costs: costs.into_iter().map(cost).collect(),
        }))
    }

    async fn get_invoice(
        &self,
        request: Request<wire::GetInvoiceRequest>,
    ) -> Result<Response<wire::GetInvoiceResponse>, Status> {
        let principal = caller(&request)?;
        let month = request.into_inner().month;
        let invoice = self.0.invoice(principal.user()?, &month).await?;
        Ok(Response::new(wire_invoice(&invoice, &self.0.currency)?))
    }

    async fn run_audit(
        &self,
        _: Request<wire::RunAuditRequest>,
    ) -> Result<Response<wire::RunAuditResponse>, Status> {
        let report = self.0.audit().await?;
        Ok(Response::new(wire::RunAuditResponse {
            attempts: report.attempts,
            transactions: report.transactions,
            differences: report.differences,
        }))
    }
}

/// A price as the wire carries it.
pub(crate) fn wire_price(priced: &PricedType, currency: &str) -> wire::Price {
    wire::Price {
        machine_type: priced.machine_type.clone(),
        nanos_per_hour: priced.price.rate.0,
        currency: currency.to_owned(),
        version: priced.price.version,
        valid_from: Some(to_wire_time(priced.price.valid_from)),
    }
}

fn money(amount: Micros, currency: &str) -> Option<Money> {
    Some(Money::new(amount, currency))
}

fn wire_usage(usage: &Usage, currency: &str) -> wire::GetUsageResponse {
    let line = |UsageLine {
                    metered,
                    slice,
                    part,
                    running,
                }: &UsageLine| wire::UsageLine {
        resource_id: metered.facts.owner.clone(),
        attempt_id: metered.facts.attempt.to_string(),
        machine_type: metered.facts.machine_type.clone(),
        from: Some(to_wire_time(part.from)),
        until: Some(to_wire_time(part.until)),
        milliseconds: part.milliseconds,
        nanos_per_hour: slice.rate.0,
        price_version: slice.version,
        amount: money(part.amount, currency),
        running: *running,
    };
    wire::GetUsageResponse {
        lines: usage.lines.iter().map(line).collect(),
        total: money(usage.total, currency),
    }
}

fn wire_invoice(
    monthly: &MonthlyInvoice,
    currency: &str,
) -> chassis::Result<wire::GetInvoiceResponse> {
    let lines = monthly.invoice.lines().map(|line| wire::InvoiceLine {
        machine_type: line.machine_type.to_owned(),
        milliseconds: line.milliseconds,
        nanos_per_hour: line.rate.0,
        exact: money(line.exact, currency),
        amount: money(line.amount, currency),
    });
    let failed = |error| chassis::Error::internal("computing an invoice", error);
    Ok(wire::GetInvoiceResponse {
        month: monthly.month.to_string(),
        lines: lines.collect(),
        total: money(monthly.invoice.total().map_err(failed)?, currency),
        rounding: money(monthly.invoice.rounding().map_err(failed)?, currency),
        open: monthly.open,
    })
}
