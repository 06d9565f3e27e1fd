//! Between the domain and the contracts; used by calls and events.

use contracts::inventory::v1 as wire;
use contracts::to_wire_time;
use kernel::time::from_micros;

use crate::domain::edge::Edge;
use crate::domain::environment::Environment;
use crate::domain::lock;
use crate::domain::machine_type::{MachineType, Offer};
use crate::domain::node::{Gpu, Hardware, Liveness, Node, Schedulable};
use crate::domain::requirements::Wanted;
use crate::domain::warm::{Warm, WarmPool};
use crate::store::environments::Model;

/// Longest description, in characters.
const LONGEST_DESCRIPTION: usize = 200;

pub(crate) fn node(node: Node) -> wire::Node {
    wire::Node {
        id: node.id.into(),
        name: node.name,
        hardware: Some(hardware(node.report.hardware)),
        cpu_overcommit: node.cpu_overcommit,
        liveness: liveness(node.liveness).into(),
        schedulable: schedulable(node.schedulable).into(),
        last_seen_at: node.last_seen_at.map(to_wire_time),
        boot_id: node.report.boot_id,
        missing_isolation: node.report.missing_isolation,
        revision: node.revision,
        created_at: Some(to_wire_time(node.created_at)),
        given_up_at: node.given_up_at.map(to_wire_time),
        drain_deadline_at: node.drain_deadline_at.map(to_wire_time),
        warm: node.warm.map(warm),
    }
}

pub(crate) fn edge(edge: &Edge) -> wire::Edge {
    wire::Edge {
        id: edge.id.clone(),
        relay_address: edge.relay_address.clone(),
    }
}

pub(crate) fn machine_type(offer: Offer) -> wire::MachineType {
    let MachineType {
        name,
        resources,
        gpu_memory_mib,
        max_duration_seconds,
        free,
    } = offer.machine_type;
    wire::MachineType {
        name,
        resources: Some(resources.into()),
        gpu_memory_mib,
        max_duration_seconds,
        free,
        available: offer.available,
        hostable: offer.hostable,
    }
}

pub(crate) fn environment(environment: Environment) -> wire::Environment {
    wire::Environment {
        name: environment.name.to_owned(),
        description: environment.description.to_owned(),
        digest: environment.digest,
        lock: environment.lock.to_owned(),
        state: wire::EnvironmentState::Ready.into(),
        packages: lock::packages(environment.lock),
        ..wire::Environment::default()
    }
}

/// An environment of a team, with its lock.
pub(crate) fn team_environment(row: Model) -> wire::Environment {
    let wanted = wanted(&row);
    let described = format!("{} with {}", row.base, wanted.requirements.join(", "));
    wire::Environment {
        name: row.name,
        description: described.chars().take(LONGEST_DESCRIPTION).collect(),
        digest: row.digest,
        lock: row.lock,
        id: row.id,
        state: row.state,
        reason: row.reason,
        team_id: row.team_id,
        requirements: wanted.requirements,
        base: wanted.base,
        python_version: wanted.python_version,
        shared: row.shared,
        packages: u32::try_from(row.packages).unwrap_or(0),
        created_at: Some(to_wire_time(from_micros(row.created_at))),
        revision: u64::try_from(row.revision).unwrap_or(0),
    }
}

/// The same without its lock, which is long.
pub(crate) fn listed_environment(mut row: Model) -> wire::Environment {
    row.lock.clear();
    team_environment(row)
}

pub(crate) fn environment_state(row: &Model) -> wire::EnvironmentState {
    wire::EnvironmentState::try_from(row.state).unwrap_or_default()
}

/// What was asked for.
pub(crate) fn wanted(row: &Model) -> Wanted {
    Wanted {
        base: row.base.clone(),
        python_version: row.python_version.clone(),
        requirements: row.requirements.lines().map(str::to_owned).collect(),
    }
}

pub(crate) fn read_hardware(hardware: wire::Hardware) -> Hardware {
    let gpu = |gpu: wire::Gpu| Gpu {
        index: gpu.index,
        uuid: gpu.uuid,
        model: gpu.model,
        memory_mib: gpu.memory_mib,
    };
    Hardware {
        milli_cores: hardware.milli_cores,
        memory_mib: hardware.memory_mib,
        disk_gib: hardware.disk_gib,
        gpus: hardware.gpus.into_iter().map(gpu).collect(),
    }
}

pub(crate) fn read_warm(warm: wire::WarmPools) -> Warm {
    let pool = |pool: wire::WarmPool| WarmPool {
        environment: pool.environment,
        environment_digest: pool.environment_digest,
        ready: pool.ready,
        wanted: pool.wanted,
        memory_mib: pool.memory_mib,
        failures: pool.failures,
    };
    Warm {
        most: warm.most,
        reserved_mib: warm.reserved_mib,
        pools: warm.pools.into_iter().map(pool).collect(),
    }
}

fn warm(warm: Warm) -> wire::WarmPools {
    let pool = |pool: WarmPool| wire::WarmPool {
        environment: pool.environment,
        environment_digest: pool.environment_digest,
        ready: pool.ready,
        wanted: pool.wanted,
        memory_mib: pool.memory_mib,
        failures: pool.failures,
    };
    wire::WarmPools {
        most: warm.most,
        reserved_mib: warm.reserved_mib,
        pools: warm.pools.into_iter().map(pool).collect(),
    }
}

/// `None` = nothing was said.
pub(crate) fn read_schedulable(schedulable: wire::NodeSchedulable) -> Option<Schedulable> {
    match schedulable {
        wire::NodeSchedulable::Unspecified => None,
        wire::NodeSchedulable::Open => Some(Schedulable::Open),
        wire::NodeSchedulable::Cordoned => Some(Schedulable::Cordoned),
        wire::NodeSchedulable::Draining => Some(Schedulable::Draining),
    }
}

fn hardware(hardware: Hardware) -> wire::Hardware {
    let gpu = |gpu: Gpu| wire::Gpu {
        index: gpu.index,
        uuid: gpu.uuid,
        model: gpu.model,
        memory_mib: gpu.memory_mib,
    };
    wire::Hardware {
        milli_cores: hardware.milli_cores,
        memory_mib: hardware.memory_mib,
        disk_gib: hardware.disk_gib,
        gpus: hardware.gpus.into_iter().map(gpu).collect(),
    }
}

fn liveness(liveness: Liveness) -> wire::NodeLiveness {
    match liveness {
        Liveness::Ready => wire::NodeLiveness::Ready,
        Liveness::Silent => wire::NodeLiveness::Silent,
    }
}

fn schedulable(schedulable: Schedulable) -> wire::NodeSchedulable {
    match schedulable {
        Schedulable::Open => wire::NodeSchedulable::Open,
        Schedulable::Cordoned => wire::NodeSchedulable::Cordoned,
        Schedulable::Draining => wire::NodeSchedulable::Draining,
    }
}
