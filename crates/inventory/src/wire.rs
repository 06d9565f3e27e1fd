//! Between the domain and the contracts; used by calls and events.

use contracts::inventory::v1 as wire;
use contracts::to_wire_time;

use crate::domain::edge::Edge;
use crate::domain::environment::Environment;
use crate::domain::machine_type::{MachineType, Offer};
use crate::domain::node::{Gpu, Hardware, Liveness, Node, Schedulable};

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
