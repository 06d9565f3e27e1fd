//! Plays billing.

use chassis::Error;
use contracts::billing::v1::billing_service_server::BillingService;
use contracts::billing::v1::*;
use contracts::common::v1::Money;
use tonic::{Request, Response, Status};

type Reply<T> = Result<Response<T>, Status>;

/// Plays billing: one price, one line.
pub(crate) struct Billing;

fn dollars(micros: i64) -> Option<Money> {
    Some(Money {
        micros,
        currency: "USD".to_owned(),
    })
}

fn price(machine_type: String, nanos_per_hour: i64) -> Price {
    let valid_from = Some(prost_types::Timestamp {
        seconds: 1_790_000_000,
        nanos: 0,
    });
    Price {
        machine_type,
        nanos_per_hour,
        currency: "USD".to_owned(),
        version: 2,
        valid_from,
    }
}

#[tonic::async_trait]
impl BillingService for Billing {
    async fn list_prices(&self, _: Request<ListPricesRequest>) -> Reply<ListPricesResponse> {
        Ok(Response::new(ListPricesResponse {
            prices: vec![price("C3".to_owned(), 4_500_000)],
        }))
    }

    async fn set_price(&self, request: Request<SetPriceRequest>) -> Reply<SetPriceResponse> {
        let request = request.into_inner();
        let price = Some(price(request.machine_type, request.nanos_per_hour));
        Ok(Response::new(SetPriceResponse { price }))
    }

    async fn get_resource_costs(
        &self,
        request: Request<GetResourceCostsRequest>,
    ) -> Reply<GetResourceCostsResponse> {
        let ids = request.into_inner().resource_ids.into_iter();
        let costs = ids
            .filter(|id| id != "nb-new")
            .map(|resource_id| ResourceCost {
                resource_id,
                total: dollars(4_500),
                running: None,
            });
        Ok(Response::new(GetResourceCostsResponse {
            costs: costs.collect(),
        }))
    }

    async fn get_usage(&self, request: Request<GetUsageRequest>) -> Reply<GetUsageResponse> {
        let request = request.into_inner();
        let line = UsageLine {
            resource_id: "nb-1".to_owned(),
            from: request.from.or(Some(prost_types::Timestamp::default())),
            until: request.to.or(Some(prost_types::Timestamp::default())),
            milliseconds: 3_600_000,
            nanos_per_hour: 4_500_000,
            amount: dollars(4_500),
            running: true,
            ..UsageLine::default()
        };
        Ok(Response::new(GetUsageResponse {
            lines: vec![line],
            total: dollars(4_500),
        }))
    }

    async fn get_invoice(&self, request: Request<GetInvoiceRequest>) -> Reply<GetInvoiceResponse> {
        let month = request.into_inner().month;
        if month.len() != 7 {
            return Err(Error::invalid(
                "month",
                format!("{month:?} is not a month; write 2026-01"),
            )
            .into());
        }
        Ok(Response::new(GetInvoiceResponse {
            month,
            lines: vec![InvoiceLine {
                exact: dollars(4_500),
                amount: dollars(0),
                ..InvoiceLine::default()
            }],
            total: dollars(0),
            rounding: dollars(4_500),
            open: true,
        }))
    }

    async fn run_audit(&self, _: Request<RunAuditRequest>) -> Reply<RunAuditResponse> {
        let differences = vec!["at-1 is billed 1 ms too long".to_owned()];
        Ok(Response::new(RunAuditResponse {
            attempts: 3,
            transactions: 4,
            differences,
        }))
    }
}
