//! `quire usage`, `quire invoice`, `quire audit`, `quire price`.

use std::collections::HashMap;

use anyhow::{Result, anyhow, bail};
use contracts::billing::v1::{
    GetInvoiceRequest, GetUsageRequest, InvoiceLine, ListPricesRequest, Price, RunAuditRequest,
    SetPriceRequest, UsageLine,
};
use contracts::inventory::v1::ListMachineTypesRequest;
use kernel::{Micros, NanosPerHour};
use serde::Serialize;

use super::notebook;
use crate::api::Api;
use crate::cli::{InvoiceCommand, Output, PriceCommand};
use crate::print::out;
use crate::print::{self, Row};
use crate::when;

/// Usage as programs see it: amounts in millionths, times in milliseconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Usage {
    resource_id: String,
    /// Empty when there is no notebook with this identifier any more.
    resource_name: String,
    attempt_id: String,
    machine_type: String,
    from: String,
    until: String,
    milliseconds: u64,
    price_per_hour: String,
    price_version: u32,
    amount_micros: i64,
    currency: String,
    running: bool,
}

impl Usage {
    fn new(line: UsageLine, names: &HashMap<String, String>) -> Self {
        let amount = line.amount.unwrap_or_default();
        Self {
            from: print::time(line.from),
            until: print::time(line.until),
            resource_name: names.get(&line.resource_id).cloned().unwrap_or_default(),
            resource_id: line.resource_id,
            attempt_id: line.attempt_id,
            machine_type: line.machine_type,
            milliseconds: line.milliseconds,
            price_per_hour: print::rate(line.nanos_per_hour),
            price_version: line.price_version,
            amount_micros: amount.micros,
            currency: amount.currency,
            running: line.running,
        }
    }
}

impl Row for Usage {
    const COLUMNS: &'static [&'static str] = &[
        "NAME", "RESOURCE", "MACHINE", "FROM", "SECONDS", "PER HOUR", "AMOUNT", "",
    ];

    fn cells(&self) -> Vec<String> {
        let running = if self.running { "running" } else { "" };
        vec![
            self.resource_name.clone(),
            self.resource_id.clone(),
            self.machine_type.clone(),
            self.from.clone(),
            print::seconds(self.milliseconds),
            self.price_per_hour.clone(),
            format!("{} {}", Micros(self.amount_micros), self.currency),
            running.to_owned(),
        ]
    }
}

pub(crate) async fn usage(
    api: &Api,
    output: Output,
    from: Option<&str>,
    to: Option<&str>,
) -> Result<()> {
    let request = GetUsageRequest {
        from: from.map(|text| when::parse("from", text)).transpose()?,
        to: to.map(|text| when::parse("to", text)).transpose()?,
    };
    let answer = api.ask(api.billing().get_usage(request)).await?;
    let total = answer.total.clone().unwrap_or_default();
    let names = print::or_note("names of notebooks", notebook::names(api).await);
    let names = names.unwrap_or_default();
    let lines: Vec<_> = answer
        .lines
        .into_iter()
        .map(|line| Usage::new(line, &names))
        .collect();
    if output == Output::Json {
        return print::json(&serde_json::json!({
            "lines": lines,
            "totalMicros": total.micros,
            "currency": total.currency,
        }));
    }
    print::list(output, &lines, "nothing was used in this time")?;
    out!("total  {}", print::money(answer.total));
    Ok(())
}

/// A line of an invoice as programs see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    machine_type: String,
    milliseconds: u64,
    price_per_hour: String,
    exact_micros: i64,
    amount_micros: i64,
    currency: String,
}

impl From<InvoiceLine> for Line {
    fn from(line: InvoiceLine) -> Self {
        let amount = line.amount.unwrap_or_default();
        Self {
            machine_type: line.machine_type,
            milliseconds: line.milliseconds,
            price_per_hour: print::rate(line.nanos_per_hour),
            exact_micros: line.exact.unwrap_or_default().micros,
            amount_micros: amount.micros,
            currency: amount.currency,
        }
    }
}

impl Row for Line {
    const COLUMNS: &'static [&'static str] = &["MACHINE", "SECONDS", "PER HOUR", "EXACT", "AMOUNT"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.machine_type.clone(),
            print::seconds(self.milliseconds),
            self.price_per_hour.clone(),
            Micros(self.exact_micros).to_string(),
            format!("{} {}", cents(self.amount_micros), self.currency),
        ]
    }
}

/// An amount that is rounded to cents.
fn cents(micros: i64) -> String {
    let text = Micros(micros).to_string();
    text.get(..text.len().saturating_sub(4))
        .unwrap_or(&text)
        .to_owned()
}

pub(crate) async fn invoice(api: &Api, output: Output, command: InvoiceCommand) -> Result<()> {
    let InvoiceCommand::Show { month } = command;
    let request = GetInvoiceRequest {
        month: month.unwrap_or_default(),
    };
    let answer = api.ask(api.billing().get_invoice(request)).await?;
    let total = answer.total.unwrap_or_default();
    let rounding = answer.rounding.unwrap_or_default();
    let lines: Vec<_> = answer.lines.into_iter().map(Line::from).collect();
    if output == Output::Json {
        return print::json(&serde_json::json!({
            "month": answer.month,
            "open": answer.open,
            "lines": lines,
            "totalMicros": total.micros,
            "roundingMicros": rounding.micros,
            "currency": total.currency,
        }));
    }
    let open = if answer.open {
        " (not over yet: the numbers grow)"
    } else {
        ""
    };
    out!("invoice of {}{open}", answer.month);
    print::list(output, &lines, "nothing was used in this month")?;
    out!("total  {} {}", cents(total.micros), total.currency);
    out!(
        "rounding  {} {}",
        Micros(rounding.micros),
        rounding.currency
    );
    Ok(())
}

pub(crate) async fn audit(api: &Api, output: Output) -> Result<()> {
    let answer = api
        .ask(api.lasting_billing().run_audit(RunAuditRequest {}))
        .await?;
    if output == Output::Json {
        print::json(&serde_json::json!({
            "attempts": answer.attempts,
            "transactions": answer.transactions,
            "differences": answer.differences,
        }))?;
    } else {
        out!(
            "{} attempts and {} ledger transactions recomputed",
            answer.attempts,
            answer.transactions
        );
        for difference in &answer.differences {
            out!("  {difference}");
        }
    }
    match answer.differences.len() {
        0 if output == Output::Table => out!("clean"),
        0 => {}
        count => bail!("{count} differences"),
    }
    Ok(())
}

/// A price as programs see it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PriceRow {
    machine_type: String,
    price_per_hour: String,
    currency: String,
    version: u32,
    valid_from: String,
}

impl From<Price> for PriceRow {
    fn from(price: Price) -> Self {
        Self {
            machine_type: price.machine_type,
            price_per_hour: print::rate(price.nanos_per_hour),
            currency: price.currency,
            version: price.version,
            valid_from: print::time(price.valid_from),
        }
    }
}

impl Row for PriceRow {
    const COLUMNS: &'static [&'static str] = &["MACHINE", "PER HOUR", "VERSION", "VALID FROM"];

    fn cells(&self) -> Vec<String> {
        let price = format!("{} {}", self.price_per_hour, self.currency);
        vec![
            self.machine_type.clone(),
            price,
            self.version.to_string(),
            self.valid_from.clone(),
        ]
    }
}

pub(crate) async fn price(api: &Api, output: Output, command: PriceCommand) -> Result<()> {
    match command {
        PriceCommand::List => {
            let answer = api
                .ask(api.billing().list_prices(ListPricesRequest {}))
                .await?;
            let rows: Vec<_> = answer.prices.into_iter().map(PriceRow::from).collect();
            print::list(
                output,
                &rows,
                "nothing has a price: everything is free of charge",
            )
        }
        PriceCommand::Set {
            machine_type,
            per_hour,
        } => {
            let NanosPerHour(nanos_per_hour) = per_hour
                .parse::<NanosPerHour>()
                .map_err(|error| anyhow!("per hour: {error}"))?;
            let machine_type = known_type(api, &machine_type).await?;
            let request = SetPriceRequest {
                machine_type,
                nanos_per_hour,
            };
            let answer = api.ask(api.billing().set_price(request)).await?;
            print::one(output, &PriceRow::from(answer.price.unwrap_or_default()))
        }
    }
}

/// The machine type that `wanted` names, however its letters are written: one that nodes have, or that has a price already.
async fn known_type(api: &Api, wanted: &str) -> Result<String> {
    let types = api
        .ask(
            api.inventory()
                .list_machine_types(ListMachineTypesRequest {}),
        )
        .await?;
    let prices = api
        .ask(api.billing().list_prices(ListPricesRequest {}))
        .await?;
    let types = types.machine_types.into_iter().map(|known| known.name);
    let priced = prices.prices.into_iter().map(|price| price.machine_type);
    named(wanted, types.chain(priced)).ok_or_else(|| {
        anyhow!(
            "machine type {wanted:?} is none that this installation has or has priced; see \"quire machine-type list\" and \
             \"quire price list\""
        )
    })
}

/// Of `names` the one that `wanted` is, else the one that it is but for the size of its letters.
fn named(wanted: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let mut same: Vec<_> = names
        .filter(|name| name.eq_ignore_ascii_case(wanted))
        .collect();
    same.sort_by_key(|name| name != wanted);
    same.into_iter().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_another_size_name_the_same_type() {
        let names = || ["C1", "c3", "C3"].map(str::to_owned).into_iter();
        for (wanted, found) in [
            ("c1", Some("C1")),
            ("C3", Some("C3")),
            ("c3", Some("c3")),
            ("C4", None),
        ] {
            assert_eq!(named(wanted, names()).as_deref(), found, "{wanted}");
        }
    }

    #[test]
    fn rounded_amounts_show_cents() {
        assert_eq!(cents(1_230_000), "1.23");
        assert_eq!(cents(-10_000), "-0.01");
        assert_eq!(cents(0), "0.00");
    }
}
