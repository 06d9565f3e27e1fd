//! Answers: tables for people, JSON for programs.

use std::io::{IsTerminal as _, Write as _};

use anyhow::Result;
use chrono::{DateTime, SecondsFormat, Utc};
use comfy_table::{Table, presets};
use kernel::{Micros, NanosPerHour};
use serde::Serialize;

use crate::cli::Output;

/// Writes a line of the answer.
macro_rules! out {
    ($($part:tt)*) => { $crate::print::line(&format!($($part)*)) };
}
pub(crate) use out;

/// Writes a line of the answer. A reader that went away, such as `head`, ends the program quietly.
pub(crate) fn line(text: &str) {
    if writeln!(std::io::stdout().lock(), "{text}").is_err() {
        std::process::exit(0);
    }
}

/// Goes back before the last lines on a terminal, and clears them (ECMA-48, CUU and ED).
pub(crate) fn up(lines: usize) {
    if write!(std::io::stdout().lock(), "\x1b[{lines}A\x1b[J").is_err() {
        std::process::exit(0);
    }
}

/// What can be a row of a table.
pub(crate) trait Row: Serialize {
    /// Names of the columns.
    const COLUMNS: &'static [&'static str];
    /// One text a column.
    fn cells(&self) -> Vec<String>;
}

fn table<R: Row>(rows: &[R]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(R::COLUMNS);
    for row in rows {
        table.add_row(row.cells());
    }
    table
}

/// Prints a list.
pub(crate) fn list<R: Row>(output: Output, rows: &[R], empty: &str) -> Result<()> {
    match output {
        Output::Json => json(&rows)?,
        Output::Table if rows.is_empty() => out!("{empty}"),
        Output::Table => out!("{}", table(rows)),
    }
    Ok(())
}

/// Prints one thing: its fields one below the other.
pub(crate) fn one<R: Row>(output: Output, row: &R) -> Result<()> {
    match output {
        Output::Json => json(row),
        Output::Table => {
            let width = R::COLUMNS
                .iter()
                .map(|column| column.len())
                .max()
                .unwrap_or(0);
            for (column, cell) in R::COLUMNS.iter().zip(row.cells()) {
                out!("{column:<width$}  {cell}");
            }
            Ok(())
        }
    }
}

/// Prints JSON.
pub(crate) fn json<T: Serialize + ?Sized>(value: &T) -> Result<()> {
    out!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Tells people about progress, apart from the answer.
pub(crate) fn note(text: &str) {
    eprintln!("{text}");
}

/// What was asked for; `None`, with a note, when it could not be had and the rest is shown without it.
pub(crate) fn or_note<T>(what: &str, answer: Result<T>) -> Option<T> {
    answer
        .inspect_err(|error| note(&format!("{what}: not known: {error:#}")))
        .ok()
}

/// Whether progress can move on the spot.
pub(crate) fn is_terminal() -> bool {
    std::io::stderr().is_terminal()
}

/// A time of the wire as text; empty when absent.
pub(crate) fn time(wire: Option<prost_types::Timestamp>) -> String {
    wire.and_then(|wire| {
        DateTime::<Utc>::from_timestamp(wire.seconds, u32::try_from(wire.nanos).unwrap_or(0))
    })
    .map(|time| time.to_rfc3339_opts(SecondsFormat::Millis, true))
    .unwrap_or_default()
}

/// An amount of money, with all six decimals.
pub(crate) fn money(wire: Option<contracts::common::v1::Money>) -> String {
    wire.map(|money| format!("{} {}", Micros(money.micros), money.currency))
        .unwrap_or_default()
}

/// A rate.
pub(crate) fn rate(nanos_per_hour: i64) -> String {
    NanosPerHour(nanos_per_hour).to_string()
}

/// Milliseconds as seconds.
pub(crate) fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1_000, milliseconds % 1_000)
}
