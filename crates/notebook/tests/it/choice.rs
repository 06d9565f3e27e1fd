//! A machine chosen by what it must have, and what a notebook will cost, said before it is made.

use contracts::common::v1::Resources;
use contracts::notebook::v1::{
    CreateNotebookRequest, CreateNotebookResponse, ListNotebooksRequest, NotebookPlan,
};
use testkit::Engine;
use tonic::{Code, Status};

use crate::house::{House, on};

fn gpus(gpus: u32, model: &str) -> CreateNotebookRequest {
    CreateNotebookRequest {
        resources: Some(Resources {
            gpus,
            gpu_model: model.to_owned(),
            ..Resources::default()
        }),
        ..CreateNotebookRequest::default()
    }
}

async fn ask(
    house: &House,
    asked: CreateNotebookRequest,
) -> Result<CreateNotebookResponse, Status> {
    Ok(house.member().create_notebook(asked).await?.into_inner())
}

async fn dry(house: &House, asked: CreateNotebookRequest) -> Result<NotebookPlan, Status> {
    let asked = CreateNotebookRequest {
        dry_run: true,
        ..asked
    };
    let answer = ask(house, asked).await?;
    assert_eq!(answer.notebook, None);
    Ok(answer.plan.unwrap())
}

async fn notebooks(house: &House) -> usize {
    let mut member = house.member();
    let listed = member.list_notebooks(ListNotebooksRequest::default());
    listed.await.unwrap().into_inner().notebooks.len()
}

async fn the_cheapest_is_chosen_at_the_prices_in_force(engine: Engine) {
    let house = House::open(engine).await;
    let created = ask(&house, gpus(1, "")).await.unwrap();
    assert_eq!(created.notebook.unwrap().machine_type, "V100");
    let plan = created.plan.unwrap();
    assert_eq!(
        (plan.nanos_per_hour, plan.currency.as_str(), plan.most),
        (2_300_000_000, "USD", None)
    );
    // Prices changed: so does the choice.
    *house.billing.prices.lock().unwrap() = vec![("V100", 9_000_000_000), ("A100", 3_000_000_000)];
    assert_eq!(dry(&house, gpus(1, "")).await.unwrap().machine_type, "A100");
    assert_eq!(
        dry(&house, gpus(1, "v1")).await.unwrap().machine_type,
        "V100"
    );

    let refused = dry(&house, gpus(2, "a100")).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    for part in [
        "no available machine type has 2 x A100; nearest: ",
        "A100x2 (no node that takes work could host it)",
        "A100 (has 1 x A100)",
    ] {
        assert!(refused.message().contains(part), "{refused}");
    }
    let unknown = dry(&house, gpus(1, "nosuch")).await.unwrap_err();
    assert!(
        unknown
            .message()
            .contains("resources.gpu_model: \"nosuch\" is no GPU model"),
        "{unknown}"
    );
    let both = CreateNotebookRequest {
        machine_type: "C3".to_owned(),
        ..gpus(1, "")
    };
    let both = dry(&house, both).await.unwrap_err();
    assert!(
        both.message()
            .starts_with("machine_type: is given together with resources"),
        "{both}"
    );
}

async fn a_dry_run_checks_everything_and_makes_nothing(engine: Engine) {
    let house = House::open(engine).await;
    let asked = CreateNotebookRequest {
        shutdown_timeout_seconds: 7_200,
        request_id: "once".to_owned(),
        ..on("c3")
    };
    let plan = dry(&house, asked.clone()).await.unwrap();
    assert_eq!(
        (
            plan.machine_type.as_str(),
            plan.environment.as_str(),
            plan.max_duration_seconds
        ),
        ("C3", "python", 7_200)
    );
    assert_eq!(plan.most.unwrap().micros, 36_000, "two hours at 0.018");
    assert_eq!(notebooks(&house).await, 0);
    // The request id was not spent.
    let made = ask(&house, asked).await.unwrap();
    assert_eq!(made.plan.unwrap().most.unwrap().micros, 36_000);

    house.try_create(on("Free-CPU")).await.unwrap();
    let second = dry(&house, on("Free-CPU")).await.unwrap_err();
    assert_eq!(
        second.code(),
        Code::ResourceExhausted,
        "one free notebook a team"
    );
    let taken = CreateNotebookRequest {
        name: made.notebook.unwrap().name,
        ..on("C3")
    };
    assert_eq!(
        dry(&house, taken).await.unwrap_err().code(),
        Code::AlreadyExists
    );
    let nowhere = CreateNotebookRequest {
        environment: "nowhere".to_owned(),
        ..on("C3")
    };
    assert_eq!(
        dry(&house, nowhere).await.unwrap_err().code(),
        Code::InvalidArgument
    );
    assert_eq!(notebooks(&house).await, 2);
}

async fn work_whose_machine_is_named_does_not_wait_for_prices(engine: Engine) {
    let house = House::open(engine).await;
    *house.billing.away.lock().unwrap() = true;
    let made = ask(&house, on("C3")).await.unwrap();
    assert!(made.notebook.is_some() && made.plan.is_none());
    for refused in [
        dry(&house, on("C3")).await.unwrap_err(),
        ask(&house, gpus(1, "")).await.unwrap_err(),
    ] {
        assert_eq!(refused.code(), Code::Unavailable);
        assert!(
            refused.message().contains("prices cannot be had now"),
            "{refused}"
        );
    }
}

testkit::on_each_engine!(
    the_cheapest_is_chosen_at_the_prices_in_force,
    a_dry_run_checks_everything_and_makes_nothing,
    work_whose_machine_is_named_does_not_wait_for_prices
);
