//! What journal is told.

use std::time::Duration;

use chassis::config::{Listens, ServiceConfig, TlsConfig};
use chassis::{Address, Error, Result};
use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

/// Configuration of the journal service.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JournalConfig {
    /// What every service needs to be told.
    pub service: ServiceConfig,
    /// Events are kept for so many days, 1 to 3,650.
    pub keep_days: u32,
    /// Events are tailed by at most so many readers at once.
    pub tails: u32,
    /// A reader that takes nothing for so many milliseconds is sent away.
    pub slow_reader_ms: u32,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self {
            service: ServiceConfig::default(),
            keep_days: 30,
            tails: 1_000,
            slow_reader_ms: 30_000,
        }
    }
}

/// The configuration, checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) kept: TimeDelta,
    pub(crate) tails: usize,
    pub(crate) slow_reader: Duration,
}

impl JournalConfig {
    pub(crate) fn limits(&self) -> Result<Limits> {
        let refused = |field, value: u32, right: &str| {
            Err(Error::invalid(field, format!("is {value}; {right}")))
        };
        if !(1..=3_650).contains(&self.keep_days) {
            return refused("keep_days", self.keep_days, "1 to 3650 are allowed");
        }
        if !(1..=100_000).contains(&self.tails) {
            return refused("tails", self.tails, "1 to 100000 are allowed");
        }
        if self.slow_reader_ms == 0 {
            return refused("slow_reader_ms", 0, "1 or more is needed");
        }
        Ok(Limits {
            kept: TimeDelta::days(i64::from(self.keep_days)),
            tails: usize::try_from(self.tails).unwrap_or(usize::MAX),
            slow_reader: Duration::from_millis(u64::from(self.slow_reader_ms)),
        })
    }
}

impl Listens for JournalConfig {
    fn listen(&self) -> &Address {
        &self.service.listen
    }

    fn tls(&self) -> &TlsConfig {
        &self.service.tls
    }
}
