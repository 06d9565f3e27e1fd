use kernel::time::from_micros;
use proptest::prelude::*;

use super::*;

fn volume() -> Volume {
    Volume::new(
        TeamId::generate(),
        String::new(),
        String::new(),
        0,
        from_micros(1),
    )
}

fn attempt() -> Attachment {
    Attachment {
        attempt: AttemptId::generate(),
        generation: 1,
    }
}

#[test]
fn one_owner_at_a_time_and_what_is_kept_can_be_claimed() {
    let mut volume = volume();
    assert!(volume.check_unused().is_ok());
    assert_eq!(volume.claim("nb-1").unwrap(), Change::Made);
    assert_eq!(volume.claim("nb-1").unwrap(), Change::None);
    for refused in [
        volume.claim("nb-2").unwrap_err(),
        volume.check_unused().unwrap_err(),
    ] {
        assert!(
            refused.to_string().contains("nb-1"),
            "the owner is named: {refused}"
        );
    }
    assert_eq!(volume.keep("nb-2", "not theirs"), Change::None);
    assert_eq!(volume.keep("nb-1", "files of first"), Change::Made);
    assert_eq!(
        (volume.owner.as_str(), volume.label.as_str()),
        ("", "files of first")
    );
    assert_eq!(volume.keep("nb-1", "again"), Change::None);
    assert_eq!(volume.claim("nb-2").unwrap(), Change::Made);
}

#[test]
fn what_a_team_shares_is_attached_to_nothing() {
    let node = NodeId::generate();
    let mut shared = Volume::of_team(TeamId::generate(), node, 0, from_micros(1));
    let refusals = [
        shared.claim("nb-1").unwrap_err(),
        shared.attach(attempt(), node).unwrap_err(),
        shared.begin_copy(CopyId::generate()).unwrap_err(),
    ];
    for refused in refusals {
        assert!(refused.to_string().contains("/storage"), "{refused}");
    }
    assert_eq!(shared.delete().unwrap(), Change::Made);
    assert_eq!(shared.state, State::Deleting, "its node removes the files");
}

#[test]
fn what_goes_cannot_be_claimed() {
    let mut deleted = volume();
    deleted.delete().unwrap();
    assert!(deleted.claim("nb-1").is_err());
    let mut lost = volume();
    lost.attach(attempt(), NodeId::generate()).unwrap();
    lost.lose("its node was given up");
    let refused = lost.claim("nb-1").unwrap_err().to_string();
    assert!(refused.contains("its node was given up"), "{refused}");
}

#[test]
fn one_attempt_at_a_time_on_one_node() {
    let (mut volume, node) = (volume(), NodeId::generate());
    let (one, two) = (attempt(), attempt());
    assert_eq!(volume.attach(one, node).unwrap(), Change::Made);
    assert_eq!(volume.attach(one, node).unwrap(), Change::None);
    let refused = volume.attach(two, node).unwrap_err().to_string();
    assert!(
        refused.contains(&one.attempt.to_string()),
        "the holder is named: {refused}"
    );
    let newer = Attachment {
        generation: 2,
        ..one
    };
    assert!(volume.attach(newer, node).is_err());

    assert_eq!(volume.detach(two.attempt), Change::None);
    assert_eq!(volume.detach(one.attempt), Change::Made);
    let elsewhere = volume
        .attach(two, NodeId::generate())
        .unwrap_err()
        .to_string();
    assert!(elsewhere.contains(&node.to_string()), "{elsewhere}");
    assert_eq!(volume.attach(two, node).unwrap(), Change::Made);
}

#[test]
fn files_go_when_nobody_writes() {
    let (mut volume, one, node) = (volume(), attempt(), NodeId::generate());
    assert!(volume.confirm_deletion().is_err());
    volume.attach(one, node).unwrap();
    assert!(
        volume
            .delete()
            .unwrap_err()
            .to_string()
            .contains(&one.attempt.to_string())
    );
    volume.detach(one.attempt);
    assert_eq!(
        (volume.delete().unwrap(), volume.state),
        (Change::Made, State::Deleting)
    );
    assert_eq!(volume.delete().unwrap(), Change::None);
    assert!(volume.attach(one, node).is_err());
    assert_eq!(
        (volume.confirm_deletion().unwrap(), volume.state),
        (Change::Made, State::Deleted)
    );
    assert_eq!(volume.confirm_deletion().unwrap(), Change::None);
    assert_eq!(volume.delete().unwrap(), Change::None);
}

#[test]
fn files_that_were_never_made_are_gone_at_once() {
    let mut volume = volume();
    assert_eq!(
        (volume.delete().unwrap(), volume.state),
        (Change::Made, State::Deleted)
    );
}

#[test]
fn files_are_lost_with_their_node_and_nothing_else() {
    let (mut volume, one, node) = (volume(), attempt(), NodeId::generate());
    assert_eq!(volume.lose("gone"), Change::None, "it has no files yet");
    volume.attach(one, node).unwrap();
    assert_eq!(volume.lose("its node was given up"), Change::Made);
    assert_eq!((volume.state, volume.attachment), (State::Lost, None));
    assert_eq!(volume.lose("again"), Change::None);
    let refused = volume.attach(one, node).unwrap_err().to_string();
    assert!(refused.contains("its node was given up"), "{refused}");
    assert!(volume.confirm_deletion().is_err());
    assert_eq!(
        (volume.delete().unwrap(), volume.state),
        (Change::Made, State::Deleted),
        "nobody is left to remove the files"
    );

    let mut going = self::volume();
    going.attach(one, node).unwrap();
    going.detach(one.attempt);
    going.delete().unwrap();
    assert_eq!(
        (going.lose("gone"), going.state),
        (Change::Made, State::Deleted)
    );
}

#[test]
fn nothing_writes_while_files_are_copied() {
    let (mut volume, one, node) = (volume(), attempt(), NodeId::generate());
    let copy = CopyId::generate();
    assert!(volume.begin_copy(copy).is_err(), "it has no files yet");
    volume.attach(one, node).unwrap();
    let refused = volume.begin_copy(copy).unwrap_err().to_string();
    assert!(refused.contains("stop the notebook first"), "{refused}");
    volume.detach(one.attempt);
    assert_eq!(volume.begin_copy(copy).unwrap(), node);
    assert!(volume.begin_copy(CopyId::generate()).is_err());
    let waits = volume.attach(one, node).unwrap_err().to_string();
    assert!(waits.contains("are being copied"), "{waits}");
    assert_eq!(volume.end_copy(CopyId::generate()), Change::None);
    assert_eq!(volume.end_copy(copy), Change::Made);
    assert_eq!(volume.attach(one, node).unwrap(), Change::Made);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Attach(usize, usize),
    Detach(usize),
    Delete,
    Confirm,
    Lose,
    BeginCopy,
    EndCopy,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_usize..4, 0_usize..2).prop_map(|(attempt, node)| Step::Attach(attempt, node)),
        4 => (0_usize..4).prop_map(Step::Detach),
        1 => Just(Step::Delete),
        1 => Just(Step::Confirm),
        1 => Just(Step::Lose),
        2 => Just(Step::BeginCopy),
        2 => Just(Step::EndCopy),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    /// Whatever is asked in whatever order.
    #[test]
    fn the_rules_hold(steps in steps()) {
        let attempts: Vec<_> = (0..4).map(|_| attempt()).collect();
        let nodes = [NodeId::generate(), NodeId::generate()];
        let copy = CopyId::generate();
        let mut volume = volume();
        for step in steps {
            let before = volume.clone();
            let change = match step {
                Step::Attach(attempt, node) => volume.attach(attempts[attempt], nodes[node]),
                Step::Detach(attempt) => Ok(volume.detach(attempts[attempt].attempt)),
                Step::Delete => volume.delete(),
                Step::Confirm => volume.confirm_deletion(),
                Step::Lose => Ok(volume.lose("its node was given up")),
                Step::BeginCopy => volume.begin_copy(copy).map(|_| Change::Made),
                Step::EndCopy => Ok(volume.end_copy(copy)),
            };
            match change {
                Ok(Change::Made) => prop_assert_eq!(volume.revision, before.revision + 1),
                Ok(Change::None) | Err(_) => prop_assert_eq!(&volume, &before),
            }
            prop_assert!(before.node.is_none() || volume.node == before.node, "it moved");
            let taken = before.attachment.is_some() && volume.attachment.is_some();
            prop_assert!(!taken || volume.attachment == before.attachment, "the writer changed without an end");
            prop_assert!(volume.attachment.is_none() || volume.state == State::Ready, "a writer on files that go");
            prop_assert!(volume.attachment.is_none() || volume.node.is_some());
            prop_assert!(volume.attachment.is_none() || volume.copy.is_none(), "a writer on files that are copied");
            let rose = before.state == State::Lost && volume.state == State::Ready;
            prop_assert!(!rose, "lost files came back");
            prop_assert_eq!(volume.reason.is_empty(), volume.state != State::Lost && before.reason.is_empty());
        }
    }
}
