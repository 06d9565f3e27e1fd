use super::*;

const HEAD: &str = "submit_s,duration_s,gpus,queue\n";

fn played(rows: &str, nodes: &str, quotas: Option<&str>, policy: &str) -> Outcome {
    let trace = JobsTrace::read(&format!("{HEAD}{rows}"), nodes, quotas).unwrap();
    jobs(&trace, policy.parse().unwrap()).unwrap()
}

#[test]
fn figures_are_counted_out_exactly() {
    // One node: the second waits 90 s for the first, whoever decides.
    let rows = "0,100,8,a\n10,50,8,a\n";
    for policy in ["default", "fifo", "easy"] {
        let found = played(rows, "1x8", None, policy);
        assert_eq!(found.overall.jobs, 2);
        assert_eq!(found.overall.queue_delay_s.mean, 45.0, "{policy}");
        assert_eq!(found.overall.queue_delay_s.p99, 90.0, "{policy}");
        assert_eq!(found.overall.slowdown.p99, 2.8, "{policy}");
        assert_eq!(found.makespan_s, 150.0, "{policy}");
    }
}

#[test]
fn easy_lets_short_jobs_ahead_and_fifo_nobody() {
    let rows = "0,100,8,a\n1,100,16,a\n2,90,8,a\n";
    let delay = |policy| played(rows, "2x8", None, policy).overall.queue_delay_s.mean;
    assert_eq!(delay("easy"), 99.0 / 3.0);
    assert!(delay("fifo") > delay("easy"));
}

#[test]
fn a_preemption_costs_a_restart() {
    // "a" borrows all; after the minimum of a minute "b" gets back its node: 30 s for the restart of 8 GPUs.
    let rows = "0,200,8,a\n0,200,8,a\n5,10,8,b\n";
    let found = played(rows, "2x8", Some("queue,nodes\na,1\nb,1\n"), "default");
    let (a, b) = (&found.queues["a"], &found.queues["b"]);
    assert_eq!((a.preemptions, b.preemptions), (1, 0));
    assert_eq!(b.queue_delay_s.mean, 55.0);
    assert_eq!(a.queue_delay_s.mean, 5.0, "10 s for one of two");
    assert_eq!(found.makespan_s, 70.0 + 30.0 + 140.0);
    assert_eq!(
        found,
        played(rows, "2x8", Some("queue,nodes\na,1\nb,1\n"), "default")
    );
}

#[test]
fn what_never_fits_is_counted_and_left_out() {
    for policy in ["default", "fifo", "easy"] {
        let found = played("0,10,17,a\n0,10,16,a\n", "2x8", None, policy);
        assert_eq!((found.refused, found.overall.jobs), (1, 1), "{policy}");
    }
}

#[test]
fn what_cannot_be_read_is_named() {
    let refused = |rows: &str, nodes: &str, quotas: Option<&str>| {
        JobsTrace::read(&format!("{HEAD}{rows}"), nodes, quotas).unwrap_err()
    };
    assert_eq!(
        refused("0,5,1,a\n0,soon,1,a\n", "1x8", None),
        "trace, line 3: duration_s is \"soon\"; a number from 0 to 1e15 is needed"
    );
    assert_eq!(
        refused("0,5,0,a\n", "1x8", None),
        "trace, line 2: gpus is \"0\"; a whole number of 1 or more is needed"
    );
    assert!(refused("0,5,1,a\n", "8", None).contains("such as 88x8 is needed"));
    assert_eq!(
        refused("0,5,1,a\n", "1x8", Some("queue,nodes\na,-1\n")),
        "quotas, line 2: nodes is \"-1\"; a whole number is needed"
    );
    assert!(
        refused("0,5,1,a\n", "1x8", Some("queue,nodes\na,2\n"))
            .contains("they can deserve 8000 at most")
    );
    assert!(
        refused("0,5,1,a\n", "1x8", Some("queue,nodes\na,0\na,1\n"))
            .contains("\"a\" is there twice")
    );
    assert_eq!(
        refused("", "1x8", None),
        "trace: a simulation needs a job at least"
    );
}
