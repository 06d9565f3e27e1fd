//! Configuration of billing.

use chassis::config::{Listens, ServiceConfig, TlsConfig};
use chassis::{Address, Error, Result};
use serde::{Deserialize, Serialize};

/// What billing needs to be told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BillingConfig {
    /// What every service needs.
    pub service: ServiceConfig,
    /// Where the scheduler is found.
    pub scheduler: Address,
    /// ISO 4217 code of the currency that the books are kept in, one with two decimals. Fixed at the first start.
    pub currency: String,
}

impl Default for BillingConfig {
    fn default() -> Self {
        Self {
            service: ServiceConfig::default(),
            scheduler: Address::Http("127.0.0.1:7713".to_owned()),
            currency: "USD".to_owned(),
        }
    }
}

impl BillingConfig {
    /// Checks what types cannot.
    ///
    /// # Errors
    /// [`Error::Invalid`] naming the key.
    pub fn check(&self) -> Result<()> {
        let code = &self.currency;
        if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Ok(());
        }
        let shown: String = code.chars().take(20).collect();
        Err(Error::invalid(
            "currency",
            format!(
                "{shown:?} is not an ISO 4217 code; expected three capital letters such as USD"
            ),
        ))
    }
}

impl Listens for BillingConfig {
    fn listen(&self) -> &Address {
        &self.service.listen
    }

    fn tls(&self) -> &TlsConfig {
        &self.service.tls
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currencies_are_codes() {
        assert!(BillingConfig::default().check().is_ok());
        for wrong in ["", "usd", "USDT", "€"] {
            let config = BillingConfig {
                currency: wrong.to_owned(),
                ..BillingConfig::default()
            };
            assert!(
                config
                    .check()
                    .unwrap_err()
                    .to_string()
                    .contains(&format!("{wrong:?}"))
            );
        }
    }
}
