//! The life of an attempt, by example and by property.

use contracts::scheduler::v1::{AttemptEnd, AttemptState, Fault};
use proptest::prelude::*;

use super::*;
use crate::runtime::Exit;

fn at(up_ms: u64) -> Moment {
    Moment {
        boot_id: "a".to_owned(),
        up_ms,
        at_micros: 0,
    }
}

fn exit(code: i32, ended_ms: u64) -> Ending {
    Ending::Exited(Exit {
        code: Some(code),
        signal: None,
        started_ms: 0,
        ended_ms,
        boot_id: "a".to_owned(),
        oom_kills: 0,
        memory_peak_bytes: 0,
        memory_limit_bytes: 0,
    })
}

fn killed(oom_kills: u64) -> Memory {
    Memory {
        oom_kills,
        peak_bytes: 63 << 20,
        limit_bytes: 64 << 20,
    }
}

fn running() -> Life {
    let mut life = Life::begin(at(0));
    for (seen, up_ms) in [
        (Seen::Prepared, 10),
        (Seen::Launched(Start::Fresh), 20),
        (Seen::Answered(String::new()), 30),
    ] {
        assert!(life.take(seen, at(up_ms)));
    }
    life
}

#[test]
fn what_it_does_before_it_answers_is_told_until_it_does() {
    let mut life = Life::begin(at(0));
    for seen in [Seen::Prepared, Seen::Launched(Start::Fresh)] {
        life.take(seen, at(10));
    }
    let step = || Seen::Progress("cloning".to_owned());
    assert!(
        life.take(step(), at(20)) && !life.take(step(), at(30)),
        "told once"
    );
    assert_eq!(life.report("at-1", 1, &at(30)).reason, "cloning");
    life.take(Seen::Answered(String::new()), at(40));
    assert!(!life.take(step(), at(50)), "it answers");
    assert_eq!(life.report("at-1", 1, &at(50)).reason, "");
}

#[test]
fn running_time_is_from_the_first_answer_to_the_end_that_the_shim_saw() {
    let mut life = running();
    assert_eq!(life.work(), Work::AwaitEnd);
    life.take(Seen::Alive, at(10_030));
    let report = life.report("at-1", 3, &at(10_130));
    assert_eq!(
        (report.ran_ms, report.age_ms, report.generation),
        (Some(10_000), 100, 3)
    );
    // Seen long after: the agent was not there.
    life.take(Seen::Over(exit(0, 12_030), String::new()), at(90_000));
    let report = life.report("at-1", 3, &at(90_000));
    assert_eq!(
        (report.ran_ms, report.end()),
        (Some(12_000), AttemptEnd::Completed)
    );
}

#[test]
fn what_a_boot_ended_ran_until_it_was_last_looked_at() {
    let mut life = running();
    life.take(Seen::Alive, at(5_030));
    let after = Moment {
        boot_id: "b".to_owned(),
        up_ms: 1,
        at_micros: 0,
    };
    life.take(Seen::Over(Ending::Rebooted, String::new()), after.clone());
    let report = life.report("at-1", 1, &after);
    assert_eq!((report.ran_ms, report.boot_id.as_str()), (Some(5_000), "a"));
    assert_eq!(
        (report.end(), report.fault()),
        (AttemptEnd::Failed, Fault::Platform)
    );
}

#[test]
fn a_wished_end_wins_and_the_first_wish_counts() {
    let mut life = running();
    assert!(life.take(Seen::StopWanted(End::stopped("idle")), at(40)));
    assert!(!life.take(Seen::StopWanted(End::stopped("other")), at(41)));
    assert_eq!(life.work(), Work::Stop);
    life.take(Seen::Over(exit(143, 50), "log".to_owned()), at(60));
    let report = life.report("at-1", 1, &at(60));
    assert_eq!(
        (report.end(), report.reason.as_str()),
        (AttemptEnd::Stopped, "idle")
    );
}

#[test]
fn who_loses_a_process_for_memory_hears_of_it_once_and_goes_on() {
    let mut life = running();
    assert!(!life.take(Seen::Memory(killed(0)), at(40)));
    assert!(life.take(Seen::Memory(killed(1)), at(50)));
    assert!(!life.take(Seen::Memory(killed(1)), at(60)));
    let report = life.report("at-1", 1, &at(60));
    let told = "out of memory: limit 64 MiB, peak 63 MiB; a process was ended, the rest goes on";
    assert_eq!((life.work(), report.ran_ms), (Work::AwaitEnd, Some(20)));
    assert_eq!(report.reason, told);
    assert!(life.take(Seen::Memory(killed(2)), at(70)));
}

#[test]
fn a_stop_before_the_start_ends_at_once_and_during_it_afterwards() {
    let mut life = Life::begin(at(0));
    life.take(Seen::StopWanted(End::stopped("user")), at(1));
    assert_eq!(
        (life.work(), life.report("a", 1, &at(1)).ran_ms),
        (Work::Rest, None)
    );

    let mut life = Life::begin(at(0));
    life.take(Seen::Prepared, at(1));
    life.take(Seen::StopWanted(End::stopped("user")), at(2));
    assert_eq!(life.work(), Work::Launch);
    life.take(Seen::Launched(Start::Fresh), at(3));
    assert_eq!(life.work(), Work::Stop);
}

/// What the scheduler says again and again.
fn notice(stop_in_ms: u32) -> Seen {
    Seen::NoticeWanted(Said {
        reason: "room is needed".to_owned(),
        stop_in_ms,
        ..Said::default()
    })
}

#[test]
fn a_notice_is_given_once_however_often_it_is_said() {
    let mut life = running();
    assert_eq!(life.notice_to_give(), None);
    assert!(life.take(notice(30_000), at(40)));
    assert!(!life.take(notice(29_000), at(1_040)), "said again");
    let given = life.notice_to_give().unwrap().clone();
    assert_eq!(
        given.stop_at(),
        "1970-01-01T00:00:30Z",
        "as it was first said"
    );
    let report = life.report("at-1", 1, &at(40));
    assert_eq!(
        report.reason,
        "will be stopped at 1970-01-01T00:00:30Z: room is needed"
    );
    assert_eq!(
        (report.state(), life.work()),
        (AttemptState::Running, Work::AwaitEnd)
    );

    // An agent that died before it had given it finds that out.
    let text = serde_json::to_string(&life).unwrap();
    life = serde_json::from_str(&text).unwrap();
    assert_eq!(life.notice_to_give(), Some(&given));
    assert!(life.take(Seen::NoticeGiven, at(50)));
    assert!(!life.take(Seen::NoticeGiven, at(51)) && !life.take(notice(28_000), at(2_040)));
    assert_eq!(life.notice_to_give(), None);
}

#[test]
fn only_what_runs_and_shall_run_on_is_given_a_notice() {
    let mut life = Life::begin(at(0));
    assert!(!life.take(notice(30_000), at(1)), "it is prepared");
    life.take(Seen::Prepared, at(2));
    assert!(!life.take(notice(30_000), at(3)), "there is no process yet");
    life.take(Seen::Launched(Start::Fresh), at(4));
    assert!(
        life.take(notice(30_000), at(5)),
        "its program may save already"
    );
    // What it is told is not lost over its first answer.
    let told = life.report("at-1", 1, &at(5)).reason;
    life.take(Seen::Answered("a note".to_owned()), at(6));
    assert_eq!(life.report("at-1", 1, &at(6)).reason, told);
    life.take(Seen::StopWanted(End::stopped("user")), at(7));
    assert_eq!(life.notice_to_give(), None, "it is being stopped already");

    let mut life = running();
    life.take(Seen::StopWanted(End::stopped("user")), at(40));
    assert!(!life.take(notice(30_000), at(50)), "it is being stopped");
    life.take(Seen::Over(exit(0, 60), String::new()), at(70));
    assert!(!life.take(notice(30_000), at(80)), "it is over");
}

#[test]
fn a_life_that_an_older_agent_kept_has_no_notice() {
    let mut kept = serde_json::to_value(running()).unwrap();
    let fields = kept.as_object_mut().unwrap();
    assert!(fields.remove("notice").is_some() && fields.remove("notice_given").is_some());
    assert_eq!(serde_json::from_value::<Life>(kept).unwrap(), running());
}

fn any_seen() -> impl Strategy<Value = Seen> {
    prop_oneof![
        "[ab]".prop_map(Seen::Progress),
        Just(Seen::Prepared),
        Just(Seen::Launched(Start::TakenOver)),
        Just(Seen::Answered(String::new())),
        Just(Seen::Alive),
        (0..3_u64).prop_map(|kills| Seen::Memory(killed(kills))),
        Just(Seen::Broken("no".to_owned())),
        (0..3_u32).prop_map(notice),
        Just(Seen::NoticeGiven),
        Just(Seen::StopWanted(End::stopped("stop"))),
        (0..3_i32, 0..100_u64)
            .prop_map(|(code, ended)| Seen::Over(exit(code, ended), String::new())),
        Just(Seen::Over(Ending::ShimLost, String::new())),
    ]
}

proptest! {
    #[test]
    fn reports_only_grow_and_an_end_is_final(all in prop::collection::vec(any_seen(), 0..20)) {
        let mut life = Life::begin(at(0));
        for (step, seen) in all.into_iter().enumerate() {
            let before = life.clone();
            let told = life.take(seen, at(u64::try_from(step).unwrap()));
            prop_assert_eq!(told, life != before);
            prop_assert_eq!(life.sequence, before.sequence + u64::from(told));
            prop_assert_eq!(life.phase == Phase::Ended, life.end.is_some());
            if before.phase == Phase::Ended {
                prop_assert!(!told);
            }
            let ran = life.report("a", 1, &at(0)).ran_ms;
            prop_assert!(ran.is_some() || before.ran_ms.is_none(), "running time is never lost");
            prop_assert!(!life.is_settled());
            let text = serde_json::to_string(&life).unwrap();
            prop_assert_eq!(serde_json::from_str::<Life>(&text).unwrap(), life.clone());
        }
    }
}
