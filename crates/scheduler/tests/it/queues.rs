//! Queues that operators write down: changed, refused, told, and what a change would do.

use chassis::auth::Principal;
use contracts::common::v1::Role;
use contracts::scheduler::v1::queue_service_client::QueueServiceClient;
use contracts::scheduler::v1::{
    DeleteQueueRequest, ListQueuesRequest, Queue, QueueAmount, QueueChange, QueueQuota,
    QueueStatus, SetQueueRequest,
};
use kernel::id::{ProjectId, TeamId};
use testkit::{Engine, TestChannel, eventually, person};
use tonic::{Code, Status};

use crate::house::{House, gpu_spec, node};

type Client = QueueServiceClient<TestChannel>;

fn client_of(house: &House, who: &Principal) -> Client {
    Client::new(house.replicas[0].channel(&house.identity.token(who)))
}

fn operator(house: &House) -> Client {
    client_of(house, &person(house.team, Role::Operator))
}

fn queue(name: &str, gpus: i64) -> Queue {
    Queue {
        name: name.to_owned(),
        deserved: Some(QueueQuota {
            milli_gpus: Some(gpus * 1_000),
            ..QueueQuota::default()
        }),
        ..Queue::default()
    }
}

fn below(parent: &str, queue: Queue) -> Queue {
    let parent = parent.to_owned();
    Queue { parent, ..queue }
}

fn of_team(team: &TeamId, queue: Queue) -> Queue {
    let team_id = team.to_string();
    Queue { team_id, ..queue }
}

async fn ask(client: &Client, queue: Queue, dry_run: bool) -> Result<Vec<QueueChange>, Status> {
    let queue = Some(queue);
    let request = SetQueueRequest { queue, dry_run };
    let answer = client.clone().set_queue(request).await?;
    Ok(answer.into_inner().changes)
}

async fn set(client: &Client, queue: Queue) -> Vec<QueueChange> {
    ask(client, queue, false).await.unwrap()
}

async fn delete(client: &Client, name: &str, dry_run: bool) -> Result<Vec<QueueChange>, Status> {
    let name = name.to_owned();
    let request = DeleteQueueRequest { name, dry_run };
    let answer = client.clone().delete_queue(request).await?;
    Ok(answer.into_inner().changes)
}

async fn list(client: &Client) -> Vec<QueueStatus> {
    let answer = client.clone().list_queues(ListQueuesRequest {}).await;
    answer.unwrap().into_inner().queues
}

fn names(queues: &[QueueStatus]) -> Vec<String> {
    let name = |status: &QueueStatus| status.queue.clone().unwrap().name;
    queues.iter().map(name).collect()
}

fn named(queues: &[QueueStatus], name: &str) -> QueueStatus {
    let is = |status: &&QueueStatus| status.queue.as_ref().unwrap().name == name;
    queues.iter().find(is).unwrap().clone()
}

fn gpus(amount: Option<QueueAmount>) -> Option<i64> {
    amount.map(|amount| amount.milli_gpus / 1_000)
}

async fn queues_are_written_down_changed_and_taken_away(engine: Engine) {
    let house = House::open(engine).await;
    house.tell(node("box", 64_000, 65_536, 8)).await;
    let operator = operator(&house);
    assert_eq!(list(&operator).await, []);

    set(&operator, queue("lab", 6)).await;
    set(
        &operator,
        below("lab", of_team(&house.team, queue("vision", 4))),
    )
    .await;
    let found = list(&operator).await;
    assert_eq!(names(&found), ["lab", "vision"]);
    let vision = named(&found, "vision");
    assert_eq!(vision.queue.as_ref().unwrap().over_quota_weight, Some(1));
    assert!(!vision.implicit);
    // Half of the GPUs: half of the cores and of the memory.
    let half = QueueAmount {
        milli_gpus: 4_000,
        milli_cores: 32_000,
        memory_mib: 32_768,
    };
    assert_eq!(vision.deserved, Some(half));

    // The whole queue as it is wished, and the same once more is no change.
    let revision = "SELECT last FROM queue_changes";
    let narrow = Queue {
        limit: Some(QueueQuota {
            milli_gpus: Some(5_000),
            ..QueueQuota::default()
        }),
        over_quota_weight: Some(0),
        ..below("lab", queue("vision", 2))
    };
    set(&operator, narrow.clone()).await;
    let written = house.number(revision).await;
    set(&operator, narrow.clone()).await;
    assert_eq!(house.number(revision).await, written);
    let vision = named(&list(&operator).await, "vision");
    assert_eq!(
        vision.queue.unwrap(),
        Queue {
            limit: narrow.limit,
            ..narrow
        }
    );

    let refused = delete(&operator, "lab", false).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    assert!(
        refused.message().contains("queues below it: vision;"),
        "{refused}"
    );
    delete(&operator, "vision", false).await.unwrap();
    delete(&operator, "lab", false).await.unwrap();
    let refused = delete(&operator, "lab", false).await.unwrap_err();
    assert_eq!(refused.code(), Code::NotFound);
    assert_eq!(list(&operator).await, []);
}

async fn what_cannot_be_is_refused_and_named(engine: Engine) {
    let house = House::open(engine).await;
    house.tell(node("box", 64_000, 65_536, 8)).await;
    let operator = operator(&house);
    let team = TeamId::generate();
    set(&operator, of_team(&team, queue("a", 5))).await;
    set(&operator, below("a", queue("b", 3))).await;
    let before = list(&operator).await;
    let limited = Queue {
        limit: Some(QueueQuota {
            milli_gpus: Some(500),
            ..QueueQuota::default()
        }),
        ..queue("c", 1)
    };
    let both = Queue {
        project_id: ProjectId::generate().to_string(),
        ..of_team(&team, queue("c", 0))
    };
    let nobody = Queue {
        team_id: "the best".to_owned(),
        ..queue("c", 0)
    };
    for (wrong, says) in [
        (
            below("b", queue("a", 5)),
            "\"a\" is below itself; a tree has no cycle",
        ),
        (
            queue("c", -1),
            "\"c\": deserved is -1000 milli-GPUs; 0 or more is needed",
        ),
        (
            queue("c", 4),
            "the cluster has 8000 milli-GPUs, the queues below it deserve 9000 together",
        ),
        (
            below("a", queue("c", 3)),
            "\"a\" deserves 5000 milli-GPUs, the queues below it deserve 6000",
        ),
        (below("z", queue("c", 0)), "its parent \"z\" is not there"),
        (
            of_team(&team, queue("c", 0)),
            "queues \"a\" and \"c\" both serve team",
        ),
        (limited, "its limit is 500 milli-GPUs and it deserves 1000"),
        (both, "a queue serves one of them"),
        (nobody, "\"the best\" is not the identifier of a team"),
        (queue("Lab 7", 0), "allowed are 1 to 39 lower-case letters"),
        (queue("free", 0), "choose another name"),
        (queue("", 0), "allowed are 1 to 39 lower-case letters"),
    ] {
        for dry_run in [true, false] {
            let refused = ask(&operator, wrong.clone(), dry_run).await.unwrap_err();
            assert_eq!(refused.code(), Code::InvalidArgument, "{says}");
            assert!(refused.message().contains(says), "{says}: {refused}");
        }
    }
    assert_eq!(list(&operator).await, before);
}

async fn a_dry_run_tells_who_gains_and_loses_and_changes_nothing(engine: Engine) {
    let house = House::open(engine).await;
    house.tell(node("box", 64_000, 65_536, 8)).await;
    let operator = operator(&house);
    let other = TeamId::generate();
    let mine = format!("team {}", house.team);
    for (request, gpus) in [("r1", 4), ("r2", 4), ("r3", 3)] {
        house.submit(request, gpu_spec(gpus)).await;
        // One after the other, so that the third waits.
        eventually("a decision", || async {
            let queues = list(&operator).await;
            let mine = named(&queues, &mine);
            (mine.waiting == 0 || request == "r3").then_some(())
        })
        .await;
    }
    let mut asked = house.request("r4", gpu_spec(6));
    asked.team_id = other.to_string();
    house.try_submit(asked).await.unwrap();
    let mut asked = house.request("r5", gpu_spec(1));
    asked.spec.as_mut().unwrap().free = true;
    house.try_submit(asked).await.unwrap();

    let theirs = format!("team {other}");
    let before = list(&operator).await;
    let standing = named(&before, &mine);
    assert!(standing.implicit);
    assert_eq!(
        (gpus(standing.held), gpus(standing.wanted)),
        (Some(8), Some(3))
    );
    assert_eq!((standing.waiting, gpus(standing.share)), (1, Some(4)));
    assert_eq!(standing.held.unwrap().memory_mib, 2_048);
    let standing = named(&before, &theirs);
    assert_eq!(
        (gpus(standing.held), gpus(standing.wanted)),
        (Some(0), Some(6))
    );
    let free = named(&before, "free");
    assert_eq!((gpus(free.wanted), gpus(free.share)), (Some(1), Some(0)));
    assert_eq!(free.queue.unwrap().over_quota_weight, Some(0));

    let wished = of_team(&other, queue("theirs", 6));
    let told = ask(&operator, wished.clone(), true).await.unwrap();
    let shares: Vec<_> = told
        .iter()
        .map(|change| {
            let sides = (gpus(change.share_before), gpus(change.share_after));
            (change.name.as_str(), sides, gpus(change.reclaimable))
        })
        .collect();
    let mut expected = vec![
        (mine.as_str(), (Some(4), Some(2)), Some(6)),
        (theirs.as_str(), (Some(4), None), Some(0)),
        ("theirs", (None, Some(6)), Some(0)),
    ];
    expected.sort();
    assert_eq!(shares, expected);
    assert_eq!(list(&operator).await, before);

    assert_eq!(set(&operator, wished).await, told);
    let after = list(&operator).await;
    assert_eq!(names(&after), ["theirs", "free", mine.as_str()]);
    assert_eq!(gpus(named(&after, "theirs").wanted), Some(6));
    let back = delete(&operator, "theirs", true).await.unwrap();
    assert_eq!(back.len(), 3);
    assert_eq!(list(&operator).await, after);
}

async fn changes_at_the_same_time_do_not_promise_too_much_together(engine: Engine) {
    let house = House::open(engine).await;
    house.tell(node("box", 64_000, 65_536, 8)).await;
    let operator = operator(&house);
    for round in 0..5 {
        let [one, other] = ["one", "other"].map(|name| format!("{name}-{round}"));
        let (one, other) = tokio::join!(
            ask(&operator, queue(&one, 5), false),
            ask(&operator, queue(&other, 5), false)
        );
        let refused = one.err().xor(other.err()).unwrap();
        assert!(
            refused.message().contains("deserve 10000 together"),
            "{refused}"
        );
        let kept = names(&list(&operator).await);
        assert_eq!(kept.len(), 1);
        delete(&operator, &kept[0], false).await.unwrap();
    }
}

async fn placement_goes_by_what_is_written_down_at_once(engine: Engine) {
    let house = House::open(engine).await;
    house.tell(node("box", 64_000, 65_536, 8)).await;
    let operator = operator(&house);
    let limited = |gpus: i64| Queue {
        limit: Some(QueueQuota {
            milli_gpus: Some(gpus * 1_000),
            ..QueueQuota::default()
        }),
        ..of_team(&house.team, queue("lab", 0))
    };
    set(&operator, limited(2)).await;
    let first = house.submit("r1", gpu_spec(2)).await;
    house
        .until(&first.id, "a place", |found| found.attempt.is_some())
        .await;
    let second = house.submit("r2", gpu_spec(1)).await;
    let waits = house
        .until(&second.id, "its reason", |found| {
            found.reason.contains("limit")
        })
        .await;
    assert!(waits.reason.contains("lab"), "{}", waits.reason);
    set(&operator, limited(3)).await;
    house
        .until(&second.id, "a place", |found| found.attempt.is_some())
        .await;
}

async fn only_operators_may(engine: Engine) {
    let house = House::open(engine).await;
    let owner = person(house.team, Role::Owner);
    for who in [owner, Principal::Service("notebook".to_owned())] {
        let client = client_of(&house, &who);
        let refused = [
            ask(&client, queue("a", 0), true).await.err(),
            delete(&client, "a", true).await.err(),
            client.clone().list_queues(ListQueuesRequest {}).await.err(),
        ];
        for refused in refused {
            assert_eq!(refused.unwrap().code(), Code::PermissionDenied);
        }
    }
}

/// The turn is counted among what waits in the same queue: a project's own is apart from its team's.
async fn a_turn_is_one_of_its_own_queue(engine: Engine) {
    let house = House::open(engine).await;
    house.tell(node("box", 8_000, 16_384, 1)).await;
    let project = ProjectId::generate().to_string();
    let mut apart = queue("apart", 0);
    apart.project_id.clone_from(&project);
    set(&operator(&house), apart).await;
    let submit = async |name: &str, project: Option<&String>, free: bool| {
        let mut request = house.request(name, gpu_spec(1));
        request.project_id = project.cloned().unwrap_or(request.project_id);
        request.spec.as_mut().unwrap().free = free;
        house.try_submit(request).await.unwrap().id
    };
    let first = submit("holds it", None, false).await;
    house
        .until(&first, "a place", |found| found.attempt.is_some())
        .await;
    let mut waiting = Vec::new();
    for (name, project, free, turn) in [
        ("a", None, false, 1),
        ("b", Some(&project), false, 1),
        ("c", None, true, 1),
        ("d", Some(&project), true, 2),
        ("e", Some(&project), false, 2),
        ("f", None, false, 2),
    ] {
        waiting.push((submit(name, project, free).await, name, turn));
    }
    for (id, name, turn) in waiting {
        assert_eq!(house.explain(&id).await.queue_position, turn, "{name}");
    }
}

testkit::on_each_engine!(
    a_turn_is_one_of_its_own_queue,
    queues_are_written_down_changed_and_taken_away,
    what_cannot_be_is_refused_and_named,
    a_dry_run_tells_who_gains_and_loses_and_changes_nothing,
    changes_at_the_same_time_do_not_promise_too_much_together,
    placement_goes_by_what_is_written_down_at_once,
    only_operators_may,
);
