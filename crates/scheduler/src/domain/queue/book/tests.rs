//! What a book of queues refuses, and which tree grows from it.

use proptest::prelude::*;

use super::*;

fn written(name: &str, parent: Option<&str>, serves: Serves, gpus: Option<i64>) -> Written {
    Written {
        name: name.to_owned(),
        parent: parent.map(str::to_owned),
        serves,
        deserved: [gpus.map(|gpus| gpus * 1_000), None, None],
        limit: [None; 3],
        over_quota_weight: 1,
    }
}

fn owner(team: &str, project: &str, free: bool) -> Owner {
    Owner {
        team_id: team.to_owned(),
        project_id: project.to_owned(),
        free,
    }
}

fn team(id: &str) -> Serves {
    Serves::Team(id.to_owned())
}

fn project(id: &str) -> Serves {
    Serves::Project(id.to_owned())
}

/// 8 GPUs, 64 cores, 100 MiB.
const TOTAL: Amount = Amount([8_000, 64_000, 100]);

#[test]
fn a_book_that_cannot_be_is_refused_and_the_queue_named() {
    let nobody = |name, parent, gpus| written(name, parent, Serves::Nobody, gpus);
    let limited = Written {
        limit: [Some(1_000), None, None],
        ..nobody("a", None, Some(2))
    };
    for (what, book, says) in [
        (
            "bad name",
            vec![nobody("Big One", None, None)],
            "\"Big One\" is refused",
        ),
        (
            "taken name",
            vec![nobody("free", None, None)],
            "choose another name",
        ),
        (
            "no name of a team",
            vec![written("a", None, team(""), None)],
            "give its identifier",
        ),
        (
            "two for one team",
            vec![
                written("b", None, team("te-1"), None),
                written("a", None, team("te-1"), None),
            ],
            "queues \"a\" and \"b\" both serve team \"te-1\"; one queue can",
        ),
        (
            "two for one project",
            vec![
                written("a", None, project("pr-1"), None),
                written("b", None, project("pr-1"), None),
            ],
            "both serve project \"pr-1\"",
        ),
        (
            "cycle",
            vec![nobody("a", Some("b"), None), nobody("b", Some("a"), None)],
            "\"a\" is below itself",
        ),
        (
            "negative",
            vec![nobody("a", None, Some(-1))],
            "deserved is -1000 milli-GPUs",
        ),
        (
            "no parent",
            vec![nobody("a", Some("z"), None)],
            "its parent \"z\" is not there",
        ),
        (
            "twice",
            vec![nobody("a", None, None), nobody("a", None, None)],
            "is there twice",
        ),
        (
            "limit below deserved",
            vec![limited],
            "a limit cannot be less",
        ),
        (
            "more than there is",
            vec![nobody("a", None, Some(5)), nobody("b", None, Some(4))],
            "the cluster has 8000 milli-GPUs, the queues below it deserve 9000 together",
        ),
    ] {
        let refused = Book::new(book).check(TOTAL).unwrap_err();
        assert!(refused.contains(says), "{what}: {refused}");
    }
}

#[test]
fn cores_and_memory_follow_the_gpus_unless_they_are_given() {
    let mut queue = written("a", None, Serves::Nobody, Some(3));
    assert_eq!(queue.deserves(TOTAL), Amount([3_000, 24_000, 37]));
    assert_eq!(
        queue.deserves(Amount([0, 64_000, 100])),
        Amount([3_000, 0, 0])
    );
    queue.deserved[1] = Some(1_000);
    queue.limit[2] = Some(10);
    assert_eq!(queue.deserves(TOTAL), Amount([3_000, 1_000, 10]));
    assert_eq!(queue.limit(), Some(Amount([i64::MAX, i64::MAX, 10])));
    queue.deserved = [None, Some(5), None];
    assert_eq!(queue.deserves(TOTAL), Amount([0, 5, 0]));
    Book::new(vec![queue]).check(TOTAL).unwrap();
}

#[test]
fn everybody_has_a_leaf_with_no_administration_at_all() {
    let owners = [
        owner("te-2", "pr-2", false),
        owner("te-1", "pr-1", true),
        owner("te-1", "pr-1", false),
        owner("te-1", "pr-3", false),
    ];
    let grown = Book::default().grow(&owners.into(), TOTAL).unwrap();
    assert_eq!(grown.names, ["team te-1", "free", "team te-2"]);
    assert_eq!(grown.leaves.into_values().collect::<Vec<_>>(), [0, 1, 0, 2]);
    let weights: Vec<f64> = grown.tree.queues.iter().map(|queue| queue.weight).collect();
    assert_eq!(weights, [1.0, 0.0, 1.0]);
}

#[test]
fn work_goes_to_the_queue_of_its_project_then_of_its_team_then_to_what_is_left_there() {
    let book = Book::new(vec![
        written("vision", Some("lab"), project("pr-v"), Some(2)),
        written("lab", None, team("te-lab"), Some(4)),
        written("idle", None, Serves::Nobody, None),
        written("guests", None, team("te-guests"), None),
    ]);
    book.check(TOTAL).unwrap();
    let owners = [
        owner("te-guests", "pr-g", false),
        owner("te-lab", "pr-other", false),
        owner("te-lab", "pr-v", false),
        owner("te-lab", "pr-v", true),
    ];
    let grown = book.grow(&owners.into(), TOTAL).unwrap();
    let names = ["guests", "idle", "lab", "vision", "lab (rest)", "free"];
    assert_eq!(grown.names, names);
    assert_eq!(grown.leaves.into_values().collect::<Vec<_>>(), [0, 4, 3, 5]);
    assert_eq!(grown.tree.queues[2].children, [3, 4]);
    assert_eq!(grown.tree.queues[4].deserved, Amount::default());
}

#[test]
fn what_was_promised_of_nodes_that_are_gone_is_taken_back_step_by_step() {
    let of = |first, second| {
        let queues = [("a", first), ("b", second)];
        Book::new(
            queues
                .map(|(name, gpus)| written(name, None, Serves::Nobody, Some(gpus)))
                .into(),
        )
    };
    let before = of(8, 8);
    of(8, 3).check_after(&before, TOTAL).unwrap();
    let refused = of(8, 9).check_after(&before, TOTAL).unwrap_err();
    assert!(refused.contains("deserve 17000 together"), "{refused}");
    assert!(of(8, 1).check_after(&of(8, 0), TOTAL).is_err());
}

#[test]
fn a_tree_grows_also_while_nodes_are_away() {
    let book = Book::new(vec![written("a", None, team("te-1"), Some(8))]);
    let few = Amount([1_000, 8_000, 10]);
    assert!(book.check(few).is_err());
    let grown = book.grow(&[owner("te-1", "pr-1", false)].into(), few);
    assert_eq!(grown.unwrap().names, ["a"]);
}

fn any_written() -> impl Strategy<Value = Written> {
    let name = || prop::sample::select(vec!["a", "b", "c", "d", "free", "team t1", "a (rest)"]);
    let serves = prop_oneof![
        Just(Serves::Nobody),
        "t[1-3]".prop_map(Serves::Team),
        "p[1-3]".prop_map(Serves::Project),
    ];
    let amount =
        || prop::array::uniform3(prop::option::of(prop_oneof![0_i64..9_000, any::<i64>()]));
    let parent = prop::option::of(name());
    (name(), parent, serves, amount(), amount(), any::<u32>()).prop_map(
        |(name, parent, serves, deserved, limit, over_quota_weight)| Written {
            name: name.to_owned(),
            parent: parent.map(str::to_owned),
            serves,
            deserved,
            limit,
            over_quota_weight,
        },
    )
}

proptest! {
    #[test]
    fn every_owner_has_one_leaf_and_it_is_one(
        queues in prop::collection::vec(any_written(), 0..6),
        owners in prop::collection::btree_set(("t[1-4]", "p[1-4]", any::<bool>()), 0..8),
        total in prop::array::uniform3(prop_oneof![0_i64..100_000, any::<i64>()]),
    ) {
        let total = Amount(total);
        let owners: BTreeSet<Owner> = owners
            .iter()
            .map(|(team, project, free)| owner(team, project, *free))
            .collect();
        let mut turned = queues.clone();
        turned.reverse();
        let (book, turned) = (Book::new(queues), Book::new(turned));
        let grown = book.grow(&owners, total);
        if book.check(total).is_ok() {
            let again = turned.grow(&owners, total).unwrap();
            let grown = grown.as_ref().unwrap();
            prop_assert_eq!(&grown.names, &again.names);
            prop_assert_eq!(&grown.leaves, &again.leaves);
        }
        if let Ok(grown) = grown {
            prop_assert_eq!(grown.leaves.keys().collect::<Vec<_>>(), owners.iter().collect::<Vec<_>>());
            prop_assert_eq!(grown.names.len(), grown.tree.queues.len());
            for (owner, leaf) in &grown.leaves {
                prop_assert!(grown.tree.queues[*leaf].children.is_empty());
                prop_assert_eq!(grown.names[*leaf] == FREE, owner.free);
            }
        }
    }
}
