//! Keeping a notebook alive, and the policies that say when one is idle.

use chassis::auth::Principal;
use chrono::TimeDelta;
use contracts::common::v1::Role;
use contracts::notebook::v1::{
    CreateNotebookRequest, DeleteProjectRequest, ExtendNotebookRequest, ExtendNotebookResponse,
    ExtendVisitedNotebookRequest, IdlePolicy, IdleScope, ListIdlePoliciesRequest, Notebook,
    NotebookExtended, RemoveIdlePolicyRequest, RestartNotebookRequest, SetIdlePolicyRequest,
    UpdateNotebookRequest, idle_scope::About,
};
use contracts::to_wire_time;
use kernel::Clock as _;
use kernel::id::TeamId;
use testkit::{Engine, eventually, person};
use tonic::{Code, Status};

use crate::house::{Client, House, on};
use crate::idle::{a_round, activities, running, stopping, that_answers, warned};

async fn extend(house: &House, id: &str, seconds: u32) -> Result<ExtendNotebookResponse, Status> {
    let asked = ExtendNotebookRequest {
        notebook: id.to_owned(),
        seconds,
    };
    Ok(house.member().extend_notebook(asked).await?.into_inner())
}

async fn who_is_kept_is_not_stopped(engine: Engine) {
    let house = House::open(engine).await;
    let notebook = that_answers(&house, None, activities(&[], &[])).await;
    house.advance(3_300);
    warned(&house, &notebook).await;
    let until = house.clock.now() + TimeDelta::seconds(7_200);
    for _ in 0..2 {
        let kept = extend(&house, &notebook.id, 7_200).await.unwrap();
        assert_eq!(kept.kept_until, Some(to_wire_time(until)));
        assert_eq!((kept.id, kept.note.as_str()), (notebook.id.clone(), ""));
    }
    let seen = house.notebook(&notebook.id).await;
    assert_eq!(
        (seen.stops_at, seen.kept_until),
        (None, Some(to_wire_time(until)))
    );
    // Less than that takes nothing away.
    let kept = extend(&house, &notebook.id, 60).await.unwrap();
    assert_eq!(kept.kept_until, Some(to_wire_time(until)));
    // A visitor does the same, by way of an edge.
    let edge = house.client(&Principal::Service("edge".to_owned()));
    let asked = ExtendVisitedNotebookRequest {
        notebook_id: notebook.id.clone(),
        seconds: 7_260,
    };
    let kept = edge.clone().extend_visited_notebook(asked).await.unwrap();
    let until = until + TimeDelta::seconds(60);
    assert_eq!(kept.into_inner().kept_until, Some(to_wire_time(until)));

    let asked = eventually("what was said", || async {
        let said: Vec<NotebookExtended> = house.nats.events().await;
        let asked = said
            .iter()
            .map(|event| (event.asked_seconds, event.user_id.is_empty()));
        Some(asked.collect::<Vec<_>>()).filter(|asked| asked.len() >= 2)
    })
    .await;
    assert_eq!(
        asked,
        [(7_200, false), (7_260, true)],
        "once for each change"
    );

    house.advance(7_260 - 300);
    let seen = warned(&house, &notebook).await;
    assert_eq!(seen.stops_at, Some(to_wire_time(until)));
    house.advance(300);
    stopping(&house, &notebook).await;
    let refused = extend(&house, &notebook.id, 60).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(refused.message().contains("does not run"), "{refused}");
}

async fn nobody_is_kept_beyond_the_longest_time(engine: Engine) {
    let house = House::open(engine).await;
    let asked = CreateNotebookRequest {
        shutdown_timeout_seconds: 3_600,
        ..on("C3")
    };
    let (notebook, _) = house.running(asked).await;
    let end = house.clock.now() + TimeDelta::seconds(3_600);
    house.advance(60);
    let kept = extend(&house, &notebook.id, 7_200).await.unwrap();
    assert_eq!(kept.kept_until, Some(to_wire_time(end)));
    assert!(
        kept.note.starts_with("its longest time is over at "),
        "{kept:?}"
    );
    for (seconds, shown) in [(59, "seconds: is 59;"), (2_678_401, "seconds: is 2678401;")] {
        let refused = extend(&house, &notebook.id, seconds).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument);
        assert!(refused.message().starts_with(shown), "{refused}");
    }
    let viewer = house.client(&person(house.team, Role::Viewer));
    let stranger = house.client(&person(TeamId::generate(), Role::Owner));
    let service = house.client(&Principal::Service("edge".to_owned()));
    for (client, code) in [
        (viewer, Code::PermissionDenied),
        (stranger, Code::NotFound),
        (service, Code::PermissionDenied),
    ] {
        let asked = ExtendNotebookRequest {
            notebook: notebook.id.clone(),
            seconds: 60,
        };
        let refused = client.clone().extend_notebook(asked).await.unwrap_err();
        assert_eq!(refused.code(), code);
    }
    for principal in [
        person(house.team, Role::Owner),
        Principal::Service("billing".to_owned()),
    ] {
        let asked = ExtendVisitedNotebookRequest {
            notebook_id: notebook.id.clone(),
            seconds: 60,
        };
        let mut client = house.client(&principal);
        let refused = client.extend_visited_notebook(asked).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
    }
}

fn scope(about: About) -> Option<IdleScope> {
    Some(IdleScope { about: Some(about) })
}

async fn set(client: &Client, about: About, timeout: u32, warn: u32) -> Result<IdlePolicy, Status> {
    let policy = IdlePolicy {
        scope: scope(about),
        timeout_seconds: timeout,
        warn_seconds: warn,
        modified_at: None,
    };
    let asked = SetIdlePolicyRequest {
        policy: Some(policy),
    };
    let answer = client.clone().set_idle_policy(asked).await?;
    Ok(answer.into_inner().policy.unwrap())
}

async fn the_most_specific_policy_counts(engine: Engine) {
    let house = House::open(engine).await;
    let admin = house.client(&person(house.team, Role::Operator));
    let own = running(&house, Some(900)).await;
    let notebook = running(&house, None).await;
    let timeouts = |seen: &Notebook| (seen.idle_timeout_seconds, seen.idle_warn_seconds);
    assert_eq!(timeouts(&notebook), (3_600, 300));
    let follows = async |expected: (u32, u32)| {
        let same = |seen: &Notebook| timeouts(seen) == expected;
        house.until(&notebook.id, "the policy", same).await;
    };
    set(&admin, About::MachineType("c3".to_owned()), 600, 0)
        .await
        .unwrap();
    follows((600, 60)).await;
    set(&admin, About::Team(true), 1_800, 600).await.unwrap();
    follows((1_800, 600)).await;
    let project = About::Project(notebook.project_id.clone());
    set(&admin, project.clone(), 0, 0).await.unwrap();
    follows((0, 1)).await;
    set(&admin, project.clone(), 120, 10).await.unwrap();
    follows((120, 10)).await;

    let listed = admin
        .clone()
        .list_idle_policies(ListIdlePoliciesRequest {})
        .await
        .unwrap()
        .into_inner()
        .policies;
    let about: Vec<_> = listed
        .into_iter()
        .map(|policy| (policy.scope.unwrap().about.unwrap(), policy.timeout_seconds))
        .collect();
    let machine_type = About::MachineType("C3".to_owned());
    let expected = [
        (project.clone(), 120),
        (About::Team(true), 1_800),
        (machine_type.clone(), 600),
    ];
    assert_eq!(about, expected);
    // Another team has only what is for all.
    let stranger = house.client(&person(TeamId::generate(), Role::Viewer));
    let listed = stranger
        .clone()
        .list_idle_policies(ListIdlePoliciesRequest {})
        .await
        .unwrap();
    assert_eq!(listed.into_inner().policies.len(), 1);

    let remove = async |about: About| {
        let asked = RemoveIdlePolicyRequest {
            scope: scope(about),
        };
        admin.clone().remove_idle_policy(asked).await
    };
    remove(project.clone()).await.unwrap();
    follows((1_800, 600)).await;
    assert_eq!(remove(project).await.unwrap_err().code(), Code::NotFound);
    remove(About::Team(true)).await.unwrap();
    remove(machine_type).await.unwrap();
    follows((3_600, 300)).await;
    assert_eq!(house.notebook(&own.id).await.idle_timeout_seconds, 900);
}

/// What somebody says of the notebook itself beats all policies from then on.
async fn what_is_changed_later_is_the_notebooks_own_wish(engine: Engine) {
    let house = House::open(engine).await;
    let admin = house.client(&person(house.team, Role::Admin));
    let notebook = running(&house, None).await;
    let update = UpdateNotebookRequest {
        notebook: notebook.id.clone(),
        // As the policies say by now, too.
        idle_timeout_seconds: Some(3_600),
        ..UpdateNotebookRequest::default()
    };
    house.member().update_notebook(update).await.unwrap();
    let other = running(&house, None).await;
    let project = About::Project(notebook.project_id.clone());
    set(&admin, project, 600, 30).await.unwrap();
    let follows = |seen: &Notebook| seen.idle_timeout_seconds == 600;
    house.until(&other.id, "the policy", follows).await;
    let seen = house.notebook(&notebook.id).await;
    // Only when it is warned the policy still says.
    assert_eq!(
        (seen.idle_timeout_seconds, seen.idle_warn_seconds),
        (3_600, 30)
    );
}

async fn a_policy_goes_with_its_project(engine: Engine) {
    let house = House::open(engine).await;
    let admin = house.client(&person(house.team, Role::Admin));
    let project = About::Project("default".to_owned());
    set(&admin, project, 600, 30).await.unwrap();
    set(&admin, About::Team(true), 900, 30).await.unwrap();
    let ended = DeleteProjectRequest {
        project: "default".to_owned(),
    };
    admin.clone().delete_project(ended).await.unwrap();
    let left = house.texts("SELECT name FROM idle_policies").await;
    assert_eq!(left, [""], "the team's");
}

/// What is stopped anyway is not warned of, and not stopped for being idle.
async fn a_restart_forgets_the_warning(engine: Engine) {
    let house = House::open(engine).await;
    let notebook = that_answers(&house, None, activities(&[], &[])).await;
    let other = that_answers(&house, None, activities(&[], &[])).await;
    house.advance(3_300);
    warned(&house, &notebook).await;
    warned(&house, &other).await;
    let restart = RestartNotebookRequest {
        notebook: notebook.id.clone(),
    };
    let answer = house.member().restart_notebook(restart).await.unwrap();
    let seen = answer.into_inner().notebook.unwrap();
    assert_eq!((seen.stops_at, seen.stops_because.as_str()), (None, ""));
    house.advance(10);
    a_round(&house, &[&other]).await;
    let seen = house.notebook(&notebook.id).await;
    assert_eq!((seen.stops_at, seen.restarting), (None, true));
}

async fn who_may_not_or_asks_wrongly_is_refused(engine: Engine) {
    let house = House::open(engine).await;
    let admin = house.client(&person(house.team, Role::Admin));
    let c3 = || About::MachineType("C3".to_owned());
    for (client, about, timeout, warn, code, shown) in [
        (
            &house.member(),
            About::Team(true),
            600,
            0,
            Code::PermissionDenied,
            "",
        ),
        (
            &admin,
            c3(),
            600,
            0,
            Code::PermissionDenied,
            "only operators",
        ),
        (
            &admin,
            About::Team(false),
            600,
            0,
            Code::InvalidArgument,
            "scope: ",
        ),
        (
            &admin,
            About::Team(true),
            59,
            0,
            Code::InvalidArgument,
            "timeout_seconds: is 59",
        ),
        (
            &admin,
            About::Team(true),
            60,
            60,
            Code::InvalidArgument,
            "warn_seconds: is 60",
        ),
        (
            &house.client(&person(house.team, Role::Operator)),
            About::MachineType("Z9".to_owned()),
            600,
            0,
            Code::InvalidArgument,
            "machine_type: \"Z9\" is unknown",
        ),
    ] {
        let refused = set(client, about, timeout, warn).await.unwrap_err();
        assert_eq!(refused.code(), code, "{refused}");
        assert!(refused.message().contains(shown), "{refused}");
    }
    let listed = admin
        .clone()
        .list_idle_policies(ListIdlePoliciesRequest {})
        .await
        .unwrap();
    assert_eq!(listed.into_inner().policies, []);
}

testkit::on_each_engine!(
    who_is_kept_is_not_stopped,
    nobody_is_kept_beyond_the_longest_time,
    the_most_specific_policy_counts,
    what_is_changed_later_is_the_notebooks_own_wish,
    a_policy_goes_with_its_project,
    a_restart_forgets_the_warning,
    who_may_not_or_asks_wrongly_is_refused,
);
