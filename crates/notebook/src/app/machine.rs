//! Machine types as inventory describes them: the one that is named, or the cheapest that has what is needed.

use std::collections::BTreeMap;

use chassis::{Error, Result};
use contracts::billing::v1::{ListPricesRequest, Price};
use contracts::common::v1::Resources;
use contracts::inventory::v1::{ListMachineTypesRequest, MachineType};
use kernel::NanosPerHour;

use super::App;
use crate::domain::choice::{self, Gpus, Machine, Needs, Refusal};

/// Longest name of a GPU model.
const LONGEST_MODEL: usize = 64;

impl App {
    /// The machine type with this name, in any case; the smallest comfortable one when none is named.
    pub(super) async fn machine(&self, wanted: &str) -> Result<MachineType> {
        let types = self.machine_types().await?;
        let machines: Vec<_> = types.iter().map(machine).collect();
        let chosen =
            choice::choose(&machines, wanted).map_err(|refusal| refused(refusal, wanted))?;
        described(&types, &chosen.name)
    }

    /// The cheapest machine type that has what is needed.
    pub(super) async fn cheapest_machine(&self, needs: &Needs) -> Result<MachineType> {
        let (types, prices) = tokio::try_join!(self.machine_types(), self.prices())?;
        let machines: Vec<_> = types.iter().map(machine).collect();
        let rates: BTreeMap<_, _> = prices
            .into_iter()
            .map(|price| (price.machine_type, NanosPerHour(price.nanos_per_hour)))
            .collect();
        let chosen =
            choice::cheapest(&machines, &rates, needs).map_err(|refusal| refused(refusal, ""))?;
        described(&types, &chosen.name)
    }

    pub(super) async fn machine_types(&self) -> Result<Vec<MachineType>> {
        let mut inventory = self.inventory.clone();
        let answer = inventory.list_machine_types(ListMachineTypesRequest {});
        Ok(answer.await?.into_inner().machine_types)
    }

    /// Prices in force. Asked for when they are needed and never kept: work whose machine type is named does not wait for billing.
    pub(super) async fn prices(&self) -> Result<Vec<Price>> {
        let mut billing = self.billing.clone();
        let answer = billing.list_prices(ListPricesRequest {}).await;
        match answer.map_err(Error::from) {
            Ok(answer) => Ok(answer.into_inner().prices),
            Err(error) if error.code().is_retryable() => Err(Error::Unavailable(format!(
                "prices cannot be had now ({}); try again, or name a machine type",
                error.public_text()
            ))),
            Err(error) => Err(error),
        }
    }
}

/// What is needed, as the wire says it.
pub(super) fn needs(wire: &Resources) -> Result<Needs> {
    let invalid =
        |field: &str, problem: &str| Err(Error::invalid(format!("resources.{field}"), problem));
    let Resources {
        milli_cores,
        memory_mib,
        disk_gib,
        gpus,
        gpu_model,
    } = wire;
    if gpu_model.len() > LONGEST_MODEL {
        return invalid("gpu_model", "must have at most 64 characters");
    }
    if *gpus == 0 && !gpu_model.is_empty() {
        return invalid("gpus", "is 0, but a model is named; ask for 1 or more");
    }
    if [*milli_cores, *memory_mib, *disk_gib, *gpus] == [0; 4] {
        return Err(Error::invalid(
            "resources",
            "ask for nothing; say how many GPUs, cores or MiB of memory are needed",
        ));
    }
    Ok(Needs {
        gpus: match (*gpus, gpu_model.as_str()) {
            (0, _) => Gpus::None,
            (count, "") => Gpus::Any(count),
            (count, name) => Gpus::Model {
                name: name.to_owned(),
                count,
            },
        },
        milli_cores: *milli_cores,
        memory_mib: *memory_mib,
        disk_gib: *disk_gib,
    })
}

fn machine(wire: &MachineType) -> Machine {
    Machine {
        name: wire.name.clone(),
        resources: wire.resources.clone().unwrap_or_default().into(),
        free: wire.free,
        available: wire.available,
        hostable: wire.hostable,
    }
}

fn described(types: &[MachineType], name: &str) -> Result<MachineType> {
    let found = types.iter().find(|candidate| candidate.name == name);
    found
        .cloned()
        .ok_or_else(|| Error::not_found("machine type", name))
}

fn refused(refusal: Refusal, wanted: &str) -> Error {
    match refusal {
        Refusal::Unknown { known } => Error::invalid(
            "machine_type",
            format!("{wanted:?} is unknown; types that fit here: {known}"),
        ),
        Refusal::Unhostable { fitting } => Error::Precondition(format!(
            "no node could ever host the machine type {wanted:?}; types that fit here: {fitting}"
        )),
        Refusal::UnknownModel {
            wanted,
            models,
            several: false,
        } => Error::invalid(
            "resources.gpu_model",
            format!("{wanted:?} is no GPU model that is known; there are {models}"),
        ),
        Refusal::UnknownModel { wanted, models, .. } => Error::invalid(
            "resources.gpu_model",
            format!("{wanted:?} could be {models}; give more of it"),
        ),
        Refusal::TooSmall { needs, nearest } => Error::Precondition(format!(
            "no available machine type has {needs}; nearest: {nearest}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_must_be_something() {
        let wire = |gpus, gpu_model: &str, memory_mib| Resources {
            gpus,
            gpu_model: gpu_model.to_owned(),
            memory_mib,
            ..Resources::default()
        };
        assert_eq!(needs(&wire(2, "", 0)).unwrap().gpus, Gpus::Any(2));
        assert_eq!(needs(&wire(0, "", 1)).unwrap().gpus, Gpus::None);
        for (wrong, field) in [
            (wire(0, "", 0), "resources: "),
            (wire(0, "A100", 1), "resources.gpus: "),
            (wire(1, &"x".repeat(65), 0), "resources.gpu_model: "),
        ] {
            let refusal = needs(&wrong).unwrap_err().to_string();
            assert!(refusal.starts_with(field), "{refusal}");
        }
    }
}
