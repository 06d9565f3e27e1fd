//! Making notebooks: what is chosen, what is asked of the scheduler, what is refused.

use contracts::notebook::v1::{CreateNotebookRequest, NotebookState};
use contracts::scheduler::v1::{AttemptEnd, Fault, OnSilence};
use contracts::to_wire_time;
use futures::future::join_all;
use kernel::Clock as _;
use kernel::id::TeamId;
use testkit::{Engine, eventually, person};
use tonic::Code;

use crate::house::{House, on};
use crate::scheduler::{end, place, run};

async fn nothing_asked_gives_a_good_notebook(engine: Engine) {
    let house = House::open(engine).await;
    let made = house
        .try_create(CreateNotebookRequest::default())
        .await
        .unwrap();
    assert_eq!(
        made.name,
        format!("notebook-{}", &made.id[made.id.len() - 6..])
    );
    assert_eq!(
        (made.machine_type.as_str(), made.environment.as_str()),
        ("C3", "python")
    );
    assert_eq!((made.state(), made.revision), (NotebookState::Pending, 1));
    assert_eq!(
        (made.idle_timeout_seconds, made.shutdown_timeout_seconds),
        (3_600, 0)
    );
    assert_eq!(made.url, format!("http://{}.lab.example:7701/", made.id));
    assert_eq!(made.fqdn, format!("{}.lab.example", made.id));
    assert_eq!(made.created_at, Some(to_wire_time(house.clock.now())));
    assert!(
        made.project_id.starts_with("pr-") && made.token.len() > 30 && made.started_at.is_none()
    );

    let workload = house.workload(&made.id, 1).await;
    assert_eq!(
        (workload.team_id, workload.owner_id),
        (made.team_id, made.id.clone())
    );
    let (asked, _) = house.scheduler.state().submitted[&format!("{}/1", made.id)].clone();
    assert_eq!(
        (asked.project_id, asked.user_id),
        (made.project_id, made.user_id)
    );
    let spec = asked.spec.unwrap();
    assert_eq!(
        (spec.kind.as_str(), spec.machine_type.as_str()),
        ("notebook", "C3")
    );
    assert_eq!(spec.resources.as_ref().unwrap().memory_mib, 4_096);
    assert_eq!(
        (
            spec.environment_digest.as_str(),
            spec.environment_lock.as_str()
        ),
        ("sha256:python", "jupyterlab==4.5.1")
    );
    assert!(
        spec.command[2].contains("exec jupyter lab"),
        "{:?}",
        spec.command
    );
    assert_eq!(spec.volume_id, house.notebook(&made.id).await.volume_id);
    assert_eq!(
        (spec.max_duration_seconds, spec.on_silence()),
        (0, OnSilence::Keep)
    );
    assert!(
        !format!("{spec:?}").contains(&made.token),
        "a secret is never part of a spec"
    );
}

async fn an_environment_of_the_team_stays_what_it_was(engine: Engine) {
    let house = House::open(engine).await;
    let in_environment = |name: &str| CreateNotebookRequest {
        environment: name.to_owned(),
        ..CreateNotebookRequest::default()
    };
    let made = house.try_create(in_environment("frames")).await.unwrap();
    assert_eq!(made.environment, "frames");
    house.workload(&made.id, 1).await;
    let (asked, _) = house.scheduler.state().submitted[&format!("{}/1", made.id)].clone();
    // Started by its digest: nobody need find the name any more.
    assert_eq!(asked.spec.unwrap().environment_digest, "sha256:frames");
    for (name, told) in [
        ("soon", "environment soon is still being resolved"),
        ("never", "environment never cannot be had: no such version"),
    ] {
        let refused = house.try_create(in_environment(name)).await.unwrap_err();
        assert_eq!(refused.code(), Code::FailedPrecondition);
        assert!(refused.message().starts_with(told), "{refused}");
    }
}

/// What the start of this number runs.
async fn command(house: &House, id: &str, start: u32) -> Vec<String> {
    house.workload(id, start).await;
    let (asked, _) = house.scheduler.state().submitted[&format!("{id}/{start}")].clone();
    asked.spec.unwrap().command
}

/// The start of this number is over, by its own fault.
async fn fails(house: &House, id: &str, start: u32) {
    let workload = house.workload(id, start).await;
    if workload.attempt.is_none() {
        house
            .moves(&workload.id, |workload| place(workload, "no-1"))
            .await;
    }
    house
        .moves(&workload.id, |workload| {
            end(workload, AttemptEnd::Failed, Fault::User, "cannot clone")
        })
        .await;
    let seen = house.until_state(id, NotebookState::Failed).await;
    assert_eq!(seen.reason, "cannot clone");
}

async fn what_it_is_made_with_is_brought_until_jupyter_answered(engine: Engine) {
    let house = House::open(engine).await;
    let asked = CreateNotebookRequest {
        template: "scratch".to_owned(),
        repository: "https://git.lan/team/code.git".to_owned(),
        repository_ref: "v1".to_owned(),
        ..CreateNotebookRequest::default()
    };
    let made = house.try_create(asked.clone()).await.unwrap();
    assert_eq!(
        (made.environment.as_str(), made.template.as_str()),
        ("python", "scratch")
    );
    assert_eq!(
        (made.repository.as_str(), made.repository_ref.as_str()),
        ("https://git.lan/team/code.git", "v1")
    );
    let first = command(&house, &made.id, 1).await;
    for word in [
        "place",
        "scratch",
        "https://git.lan/team/code.git",
        "v1",
        "code",
    ] {
        assert!(first.iter().any(|one| one == word), "{word}");
    }
    let (submitted, _) = house.scheduler.state().submitted[&format!("{}/1", made.id)].clone();
    let spec = submitted.spec.unwrap();
    assert_eq!(
        (spec.first_step.as_str(), spec.ready_timeout_seconds),
        (
            "bringing the files of template scratch, cloning https://git.lan/team/code.git",
            1_800
        )
    );

    // Over before it answered: brought again.
    fails(&house, &made.id, 1).await;
    house.start(&made.id).await.unwrap();
    assert_eq!(command(&house, &made.id, 2).await, first);
    let second = house.workload(&made.id, 2).await.id;
    let now = house.clock.now();
    house
        .moves(&second, |workload| place(workload, "no-1"))
        .await;
    house.moves(&second, |workload| run(workload, now)).await;
    house.until_state(&made.id, NotebookState::Running).await;
    fails(&house, &made.id, 2).await;
    house.start(&made.id).await.unwrap();
    let third = command(&house, &made.id, 3).await;
    assert_eq!(third.len(), 3, "nothing but Jupyter: {third:?}");

    for (asked, told) in [
        (
            CreateNotebookRequest {
                repository: "ext::sh -c id".to_owned(),
                ..CreateNotebookRequest::default()
            },
            "repository: must begin with https://",
        ),
        (
            CreateNotebookRequest {
                template: "rapids".to_owned(),
                ..CreateNotebookRequest::default()
            },
            "template: rapids needs a GPU",
        ),
    ] {
        let refused = house.try_create(asked).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(told), "{refused}");
    }
}

async fn what_is_asked_is_given(engine: Engine) {
    let house = House::open(engine).await;
    let first = house.create("first").await;
    let asked = CreateNotebookRequest {
        name: "Größe 3".to_owned(),
        project: first.project_id.clone(),
        machine_type: "free-cpu".to_owned(),
        environment: "torch".to_owned(),
        idle_timeout_seconds: Some(0),
        shutdown_timeout_seconds: 600,
        request_id: String::new(),
        ..CreateNotebookRequest::default()
    };
    let made = house.try_create(asked).await.unwrap();
    assert_eq!(
        (made.name.as_str(), made.machine_type.as_str()),
        ("Größe 3", "Free-CPU")
    );
    assert_eq!(
        (made.environment.as_str(), made.project_id),
        ("torch", first.project_id)
    );
    assert_eq!(
        (made.idle_timeout_seconds, made.shutdown_timeout_seconds),
        (0, 600)
    );
    house.workload(&made.id, 1).await;
    let (asked, _) = house.scheduler.state().submitted[&format!("{}/1", made.id)].clone();
    assert_eq!(
        asked.spec.unwrap().max_duration_seconds,
        600,
        "less than the free machine's six hours"
    );
}

async fn a_request_makes_one_notebook(engine: Engine) {
    let house = House::open(engine).await;
    let asked = CreateNotebookRequest {
        request_id: "r1".to_owned(),
        ..on("C3")
    };
    let made = join_all((0..6).map(|_| house.try_create(asked.clone()))).await;
    let made: Vec<_> = made.into_iter().map(Result::unwrap).collect();
    assert!(
        made.iter()
            .all(|notebook| notebook.id == made[0].id && notebook.token == made[0].token)
    );
    assert_eq!(house.texts("SELECT id FROM notebooks").await.len(), 1);

    let other = CreateNotebookRequest {
        name: "other".to_owned(),
        ..asked.clone()
    };
    assert_eq!(
        house.try_create(other).await.unwrap_err().code(),
        Code::AlreadyExists
    );
    let stranger = person(TeamId::generate(), contracts::common::v1::Role::Member);
    let theirs = house
        .client(&stranger)
        .create_notebook(asked)
        .await
        .unwrap()
        .into_inner();
    assert_ne!(theirs.notebook.unwrap().id, made[0].id);
}

async fn a_request_is_not_answered_with_what_is_deleted(engine: Engine) {
    let house = House::open(engine).await;
    let asked = CreateNotebookRequest {
        request_id: "r1".to_owned(),
        ..on("C3")
    };
    let made = house.try_create(asked.clone()).await.unwrap();
    house.workload(&made.id, 1).await;
    house.delete(&made.id).await;
    let refused = || async {
        let again = house.try_create(asked.clone()).await;
        again
            .err()
            .filter(|refused| refused.code() == Code::AlreadyExists)
    };
    let refused = eventually("the end of the first", refused).await;
    assert!(
        refused
            .message()
            .contains("\"r1\" was used before for a notebook that is deleted"),
        "{refused}"
    );
}

async fn what_is_not_there_is_refused_with_what_is(engine: Engine) {
    let house = House::open(engine).await;
    let python2 = CreateNotebookRequest {
        environment: "python2".to_owned(),
        ..on("C3")
    };
    let nowhere = CreateNotebookRequest {
        project: "nowhere".to_owned(),
        ..on("C3")
    };
    for (asked, code, text) in [
        (
            on("Z9"),
            Code::InvalidArgument,
            "machine_type: \"Z9\" is unknown; types that fit here: C1, Free-CPU, C3, V100, A100",
        ),
        (
            on("C10"),
            Code::FailedPrecondition,
            "no node could ever host the machine type \"C10\"; types that fit here: C1, Free-CPU, C3, V100, A100",
        ),
        (
            python2,
            Code::InvalidArgument,
            "environment: \"python2\" is unknown; there are python, torch",
        ),
        (nowhere, Code::NotFound, "project \"nowhere\" not found"),
    ] {
        let refused = house.try_create(asked).await.unwrap_err();
        assert_eq!((refused.code(), refused.message()), (code, text));
    }
    house.create("mine").await;
    let again = CreateNotebookRequest {
        name: "mine".to_owned(),
        ..on("C3")
    };
    let refused = house.try_create(again).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert!(
        refused.message().contains("\"mine\" exists already"),
        "{refused}"
    );
}

async fn what_is_asked_is_bounded(engine: Engine) {
    let house = House::open(engine).await;
    let long = "x".repeat(201);
    let month = 31 * 24 * 3_600;
    let with = |change: fn(&mut CreateNotebookRequest, String)| {
        let mut asked = on("C3");
        change(&mut asked, long.clone());
        asked
    };
    for (asked, field) in [
        (with(|asked, long| asked.name = long), "name"),
        (with(|asked, _| asked.name = " a".to_owned()), "name"),
        (with(|asked, long| asked.project = long), "project"),
        (
            with(|asked, long| asked.machine_type = long),
            "machine_type",
        ),
        (with(|asked, long| asked.environment = long), "environment"),
        (with(|asked, long| asked.request_id = long), "request_id"),
        (
            CreateNotebookRequest {
                idle_timeout_seconds: Some(month + 1),
                ..on("C3")
            },
            "idle_timeout_seconds",
        ),
        (
            CreateNotebookRequest {
                shutdown_timeout_seconds: month + 1,
                ..on("C3")
            },
            "shutdown_timeout_seconds",
        ),
    ] {
        let refused = house.try_create(asked).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{field}");
        assert!(
            refused.message().starts_with(&format!("{field}: ")),
            "{refused}"
        );
        assert!(refused.message().len() < 300, "{refused}");
    }
    let most = CreateNotebookRequest {
        idle_timeout_seconds: Some(month),
        shutdown_timeout_seconds: month,
        name: "x".repeat(100),
        ..on("C3")
    };
    house.try_create(most).await.unwrap();
}

testkit::on_each_engine!(
    nothing_asked_gives_a_good_notebook,
    an_environment_of_the_team_stays_what_it_was,
    what_it_is_made_with_is_brought_until_jupyter_answered,
    what_is_asked_is_given,
    a_request_makes_one_notebook,
    a_request_is_not_answered_with_what_is_deleted,
    what_is_not_there_is_refused_with_what_is,
    what_is_asked_is_bounded,
);
