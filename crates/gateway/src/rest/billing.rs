//! Prices, usage, invoices, and the proof that they agree.

use axum::Json;
use chassis::Error;
use contracts::billing::v1::{
    GetInvoiceRequest, GetUsageRequest, InvoiceLine as WireInvoiceLine, ListPricesRequest,
    Price as WirePrice, RunAuditRequest, SetPriceRequest, UsageLine as WireUsageLine,
};
use contracts::inventory::v1::ListMachineTypesRequest;
use kernel::NanosPerHour;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Answer;
use super::caller::Caller;
use super::extract::{Id, Params};
use super::failure::Failure;
use super::json_body::{JsonBody, Nothing};
use super::page::{List, Order, PageQuery};
use super::values::{Money, Time, present};

/// What one hour of a machine type costs.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Price {
    machine_type: String,
    /// Decimal text.
    #[schema(example = "0.0045")]
    price_per_hour: String,
    /// The same in billionths of the currency's unit.
    nanos_per_hour: i64,
    /// ISO 4217 code.
    currency: String,
    /// Counts the versions of this price from 1.
    version: u32,
    /// In force from then on.
    dt_valid_from: Time,
}

impl TryFrom<WirePrice> for Price {
    type Error = Failure;

    fn try_from(price: WirePrice) -> Result<Self, Failure> {
        Ok(Self {
            machine_type: price.machine_type,
            price_per_hour: NanosPerHour(price.nanos_per_hour).to_string(),
            nanos_per_hour: price.nanos_per_hour,
            currency: price.currency,
            version: price.version,
            dt_valid_from: Time::required("valid_from", price.valid_from)?,
        })
    }
}

/// List the prices in force
#[utoipa::path(
    get, path = "/v1/prices", tag = "Billing",
    params(PageQuery), responses((status = 200, body = List<Price>))
)]
pub(super) async fn list_prices(
    caller: Caller,
    Params(page): Params<PageQuery>,
) -> Answer<List<Price>> {
    let page = page.read(["machineType"], Order::Ascending)?;
    let answer = caller
        .billing()
        .list_prices(ListPricesRequest {})
        .await?
        .into_inner();
    let prices = answer
        .prices
        .into_iter()
        .map(Price::try_from)
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Json(page.cut(prices, |price| price.machine_type.clone())))
}

/// A new version of a price.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewPrice {
    /// Decimal text, 0 or more, at most nine decimals.
    #[schema(example = "0.0045")]
    price_per_hour: String,
}

/// Set a price, in force from now on
#[utoipa::path(
    put, path = "/v1/prices/{machineType}", tag = "Billing",
    params(("machineType" = String, Path, description = "Label of the machine type")),
    request_body = NewPrice, responses((status = 200, body = Price))
)]
pub(super) async fn set_price(
    caller: Caller,
    Id(machine_type): Id,
    JsonBody(new): JsonBody<NewPrice>,
) -> Answer<Price> {
    let rate = new.price_per_hour.parse::<NanosPerHour>();
    let NanosPerHour(nanos_per_hour) =
        rate.map_err(|error| Error::invalid("pricePerHour", error.to_string()))?;
    let machine_type = known_type(&caller, &machine_type).await?;
    let answer = caller
        .billing()
        .set_price(SetPriceRequest {
            machine_type,
            nanos_per_hour,
        })
        .await?
        .into_inner();
    Ok(Json(present("price", answer.price)?.try_into()?))
}

/// The machine type that `wanted` names, however its letters are written: one that nodes have, or that has a price already. The
/// price of a name that nothing has would change nothing and look as if it did.
async fn known_type(caller: &Caller, wanted: &str) -> Result<String, Failure> {
    let (mut inventory, mut billing) = (caller.inventory(), caller.billing());
    let (types, prices) = tokio::try_join!(
        inventory.list_machine_types(ListMachineTypesRequest {}),
        billing.list_prices(ListPricesRequest {}),
    )?;
    let types = types.into_inner().machine_types.into_iter();
    let prices = prices.into_inner().prices.into_iter();
    let names = types
        .map(|known| known.name)
        .chain(prices.map(|price| price.machine_type));
    names
        .filter(|name| name.eq_ignore_ascii_case(wanted))
        .max_by_key(|name| name == wanted)
        .ok_or_else(|| {
            let problem = "is none that this installation has or has priced; see /v1/machine-types and /v1/prices";
            Error::invalid("machineType", problem).into()
        })
}

/// What one resource used at one price.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UsageLine {
    /// What used it, such as a notebook.
    resource_id: String,
    attempt_id: String,
    machine_type: String,
    from: Time,
    until: Time,
    /// Billable milliseconds.
    milliseconds: u64,
    #[schema(example = "0.0045")]
    price_per_hour: String,
    price_version: u32,
    amount: Money,
    /// It still runs: the numbers grow.
    running: bool,
}

impl TryFrom<WireUsageLine> for UsageLine {
    type Error = Failure;

    fn try_from(line: WireUsageLine) -> Result<Self, Failure> {
        Ok(Self {
            resource_id: line.resource_id,
            attempt_id: line.attempt_id,
            machine_type: line.machine_type,
            from: Time::required("from", line.from)?,
            until: Time::required("until", line.until)?,
            milliseconds: line.milliseconds,
            price_per_hour: NanosPerHour(line.nanos_per_hour).to_string(),
            price_version: line.price_version,
            amount: Money::required("amount", line.amount)?,
            running: line.running,
        })
    }
}

/// What the team used.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Usage {
    /// In the order of their start.
    lines: Vec<UsageLine>,
    total: Money,
}

/// The time that usage is asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(super) struct UsageQuery {
    /// From when: ISO 8601, or a day. The start of this calendar month (UTC) when it is absent.
    from: Option<String>,
    /// Until when. Now when it is absent.
    to: Option<String>,
}

/// Get the team's usage, what runs now included
#[utoipa::path(
    get, path = "/v1/usage", tag = "Billing",
    params(UsageQuery), responses((status = 200, body = Usage))
)]
pub(super) async fn get_usage(caller: Caller, Params(query): Params<UsageQuery>) -> Answer<Usage> {
    let request = GetUsageRequest {
        from: query
            .from
            .map(|text| Time::parse("from", &text))
            .transpose()?,
        to: query.to.map(|text| Time::parse("to", &text)).transpose()?,
    };
    let answer = caller.billing().get_usage(request).await?.into_inner();
    let lines = answer
        .lines
        .into_iter()
        .map(UsageLine::try_from)
        .collect::<Result<_, _>>()?;
    Ok(Json(Usage {
        lines,
        total: Money::required("total", answer.total)?,
    }))
}

/// A machine type at one price, on an invoice.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct InvoiceLine {
    machine_type: String,
    /// Billable milliseconds.
    milliseconds: u64,
    #[schema(example = "0.0045")]
    price_per_hour: String,
    /// Sum of the postings.
    exact: Money,
    /// The same, rounded to the currency's minor unit.
    amount: Money,
}

impl TryFrom<WireInvoiceLine> for InvoiceLine {
    type Error = Failure;

    fn try_from(line: WireInvoiceLine) -> Result<Self, Failure> {
        Ok(Self {
            machine_type: line.machine_type,
            milliseconds: line.milliseconds,
            price_per_hour: NanosPerHour(line.nanos_per_hour).to_string(),
            exact: Money::required("exact", line.exact)?,
            amount: Money::required("amount", line.amount)?,
        })
    }
}

/// What the team owes for one calendar month.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Invoice {
    /// `YYYY-MM`, UTC.
    month: String,
    /// By machine type.
    lines: Vec<InvoiceLine>,
    /// Sum of the rounded lines.
    total: Money,
    /// Exact sum less rounded sum.
    rounding: Money,
    /// The month is not over: the numbers grow.
    open: bool,
}

/// Get the invoice of a month
#[utoipa::path(
    get, path = "/v1/invoices/{month}", tag = "Billing",
    params(("month" = String, Path, description = "`YYYY-MM`")), responses((status = 200, body = Invoice))
)]
pub(super) async fn get_invoice(caller: Caller, Id(month): Id) -> Answer<Invoice> {
    let answer = caller
        .billing()
        .get_invoice(GetInvoiceRequest { month })
        .await?
        .into_inner();
    Ok(Json(Invoice {
        month: answer.month,
        lines: answer
            .lines
            .into_iter()
            .map(InvoiceLine::try_from)
            .collect::<Result<_, _>>()?,
        total: Money::required("total", answer.total)?,
        rounding: Money::required("rounding", answer.rounding)?,
        open: answer.open,
    }))
}

/// What an audit found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Audit {
    /// Attempts looked at.
    attempts: u64,
    /// Ledger transactions looked at.
    transactions: u64,
    /// Every difference, in words; empty is clean.
    differences: Vec<String>,
}

/// Recompute the money of all teams and name every difference
#[utoipa::path(post, path = "/v1/audit", tag = "Billing", responses((status = 200, body = Audit)))]
pub(super) async fn run_audit(
    caller: Caller,
    JsonBody(Nothing {}): JsonBody<Nothing>,
) -> Answer<Audit> {
    let answer = caller
        .billing()
        .run_audit(RunAuditRequest {})
        .await?
        .into_inner();
    Ok(Json(Audit {
        attempts: answer.attempts,
        transactions: answer.transactions,
        differences: answer.differences,
    }))
}
