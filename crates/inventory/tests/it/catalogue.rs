//! What can be launched.

use contracts::common::v1::Role;
use contracts::inventory::v1::{
    ListEnvironmentsRequest, ListMachineTypesRequest, MachineType, NodeSchedulable,
    SetNodeSchedulableRequest,
};
use kernel::id::TeamId;
use testkit::{Engine, person};

use crate::house::House;

async fn machine_types(house: &House) -> Vec<MachineType> {
    let mut viewer = house.client(&person(TeamId::generate(), Role::Viewer));
    viewer
        .list_machine_types(ListMachineTypesRequest {})
        .await
        .unwrap()
        .into_inner()
        .machine_types
}

async fn available(house: &House, name: &str) -> bool {
    machine_types(house)
        .await
        .iter()
        .find(|one| one.name == name)
        .unwrap()
        .available
}

async fn what_a_node_brings_can_be_had(engine: Engine) {
    let house = House::open(engine).await;
    assert!(
        machine_types(&house)
            .await
            .iter()
            .all(|machine_type| !machine_type.available)
    );
    let mut member = house.join("box").await;
    assert!(!available(&house, "C1").await, "it was not heard yet");
    member.beat().await;
    for (name, there) in [
        ("C1", true),
        ("C10", true),
        ("H100", true),
        ("H100x8", false),
        ("A100", false),
    ] {
        assert_eq!(available(&house, name).await, there, "{name}");
    }
    let cordon = SetNodeSchedulableRequest {
        node: "box".to_owned(),
        schedulable: NodeSchedulable::Cordoned.into(),
        ..SetNodeSchedulableRequest::default()
    };
    house.operator().set_node_schedulable(cordon).await.unwrap();
    assert!(!available(&house, "C1").await);
}

async fn a_new_gpu_model_becomes_a_machine_type(engine: Engine) {
    let house = House::open(engine).await;
    let mut member = house.join("box").await;
    let mut report = member.report();
    for gpu in &mut report.hardware.as_mut().unwrap().gpus {
        gpu.model = "H200".to_owned();
        gpu.memory_mib = 143_771;
    }
    member.say(report).await.unwrap();
    let types = machine_types(&house).await;
    let found = |name: &str| types.iter().find(|one| one.name == name).unwrap().clone();
    let (one, two) = (found("H200"), found("H200x2"));
    let resources = one.resources.unwrap();
    assert_eq!(
        (resources.milli_cores, resources.memory_mib, resources.gpus),
        (32_000, 524_288, 1)
    );
    assert_eq!(
        (resources.gpu_model.as_str(), one.gpu_memory_mib),
        ("H200", 143_771)
    );
    assert!(one.available && two.available && !one.free);
}

async fn environments_come_with_their_locks(engine: Engine) {
    let house = House::open(engine).await;
    let mut viewer = house.client(&person(TeamId::generate(), Role::Viewer));
    let answer = viewer
        .list_environments(ListEnvironmentsRequest::default())
        .await
        .unwrap()
        .into_inner();
    let names: Vec<_> = answer
        .environments
        .iter()
        .map(|environment| environment.name.as_str())
        .collect();
    assert_eq!(
        names,
        ["datascience", "generative", "python", "pytorch", "rapids"]
    );
    for environment in answer.environments {
        assert_eq!(
            environment.digest,
            chassis::seal::sha256_hex(&environment.lock)
        );
        assert!(
            environment.lock.contains("jupyterlab=="),
            "{}",
            environment.name
        );
    }
}

testkit::on_each_engine!(
    what_a_node_brings_can_be_had,
    a_new_gpu_model_becomes_a_machine_type,
    environments_come_with_their_locks,
);
