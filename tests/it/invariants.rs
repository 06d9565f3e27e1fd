//! What must hold after whatever happened: nothing lost, nothing doubled, every second paid once, nothing left behind. Asked of the
//! databases themselves and of the machine, because these are what would have to be wrong.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::life::Life;
use crate::rest::{Rest, patiently};
use crate::split::{SERVICES, Split};

/// What a millisecond of a C3 costs, as a fraction: 0.018 an hour, in millionths.
const C3: (i64, i64) = (18_000, 3_600_000);

/// Holds everything against `lives`, which are all that ever ran here and are over.
pub(crate) async fn hold(split: &Split, rest: &Rest, lives: &[Life]) {
    let quiet = "SELECT 1 FROM workloads WHERE state NOT IN (3, 4) UNION ALL SELECT 1 FROM attempts WHERE state <> 5";
    none(
        split,
        "scheduler",
        quiet,
        "workloads and attempts that are not over",
    )
    .await;
    one_chain_a_start(split, lives);
    let node = "SELECT name FROM nodes WHERE free_milli_cores <> total_milli_cores OR free_memory_mib <> total_memory_mib \
                OR free_disk_gib <> total_disk_gib";
    none(
        split,
        "scheduler",
        node,
        "nodes that do not have everything free",
    )
    .await;
    none(
        split,
        "volume",
        "SELECT id FROM volumes WHERE (state <> 'deleted' AND NOT shared) OR attempt_id IS NOT NULL",
        "volumes that are left",
    )
    .await;
    none(
        split,
        "notebook",
        "SELECT id FROM notebooks WHERE deleted_at IS NULL",
        "notebooks that are left",
    )
    .await;
    for service in SERVICES {
        none(
            split,
            service,
            "SELECT id FROM outbox WHERE sent_at IS NULL",
            "events that were never sent",
        )
        .await;
    }
    billed(split, lives).await;
    books_balance(split, rest, lives).await;
    patiently("no route to be left", || async {
        split.nats.routes().await?.is_empty().then_some(())
    })
    .await;
    nothing_on_the_machine(split).await;
}

/// Waits until a statement finds nothing.
async fn none(split: &Split, service: &str, statement: &str, what: &str) {
    patiently(&format!("no {what} ({service})"), || async {
        split.query(service, statement)?.is_empty().then_some(())
    })
    .await;
}

fn number(text: &str) -> i64 {
    text.parse()
        .unwrap_or_else(|_| panic!("{text:?} is no number"))
}

/// Each start made one workload, each workload attempts numbered without gaps, of which one ran.
fn one_chain_a_start(split: &Split, lives: &[Life]) {
    let statement = "SELECT w.owner_id, w.request_id, w.generation, count(a.id), count(a.billable_from), max(a.generation), \
                     string_agg(a.reason, '; ') FROM workloads w LEFT JOIN attempts a ON a.workload_id = w.id \
                     GROUP BY w.id ORDER BY w.request_id";
    let rows = split.query("scheduler", statement).unwrap();
    let expected: BTreeSet<String> = lives
        .iter()
        .flat_map(|life| {
            (1..=life.runs.len()).map(move |start| format!("{}/{start}", life.notebook))
        })
        .collect();
    let found: BTreeSet<String> = rows.iter().map(|row| row[1].clone()).collect();
    assert_eq!(found, expected, "one workload a start");
    assert_eq!(found.len(), rows.len(), "no start has two");
    for row in rows {
        let [_, request, generation, attempts, ran, newest, reasons] = &row[..] else {
            panic!("{row:?}")
        };
        assert_eq!(
            (generation, attempts),
            (newest, newest),
            "attempts of {request} are numbered without gaps: {reasons}"
        );
        assert_eq!(ran, "1", "one attempt of {request} ran: {reasons}");
    }
}

/// Every attempt that ran is billed once, for exactly what the scheduler fixed, and for no more and no less than was seen.
async fn billed(split: &Split, lives: &[Life]) {
    none(
        split,
        "billing",
        "SELECT id FROM attempts WHERE billable_until IS NULL OR settled_at IS NULL",
        "attempts that are not settled",
    )
    .await;
    let fixed = "SELECT a.id, w.request_id, (a.billable_until - a.billable_from) / 1000 FROM attempts a \
                 JOIN workloads w ON w.id = a.workload_id WHERE a.billable_from IS NOT NULL ORDER BY a.id";
    let charged = "SELECT attempt_id, sum(milliseconds), sum(micros) FROM charges GROUP BY attempt_id ORDER BY attempt_id";
    let (fixed, charged) = (
        split.query("scheduler", fixed).unwrap(),
        split.query("billing", charged).unwrap(),
    );
    let attempts = |rows: &[Vec<String>]| rows.iter().map(|row| row[0].clone()).collect::<Vec<_>>();
    assert_eq!(attempts(&fixed), attempts(&charged), "what ran is billed");
    for (fixed, charged) in fixed.iter().zip(&charged) {
        let (request, milliseconds) = (&fixed[1], number(&fixed[2]));
        assert_eq!(
            number(&charged[1]),
            milliseconds,
            "{request} is billed for what the scheduler fixed"
        );
        assert_eq!(
            number(&charged[2]),
            milliseconds * C3.0 / C3.1,
            "{request} costs what its time costs"
        );
        let (notebook, start) = request.split_once('/').unwrap();
        let life = lives.iter().find(|life| life.notebook == notebook).unwrap();
        let run = life.runs[usize::try_from(number(start)).unwrap() - 1];
        let (least, most) = run.bounds();
        assert!(
            (least..=most).contains(&milliseconds),
            "{request} ran {least} to {most} ms and is billed for {milliseconds}"
        );
    }
}

/// The ledger sums to zero, transaction by transaction; usage and audit say the same as the books.
async fn books_balance(split: &Split, rest: &Rest, lives: &[Life]) {
    let unbalanced =
        "SELECT transaction_id FROM ledger_entries GROUP BY transaction_id HAVING sum(micros) <> 0";
    none(
        split,
        "billing",
        unbalanced,
        "transactions that do not sum to zero",
    )
    .await;
    let differing = "SELECT c.attempt_id FROM charges c LEFT JOIN (SELECT t.attempt_id, sum(e.micros) AS micros FROM ledger_transactions t \
                     JOIN ledger_entries e ON e.transaction_id = t.id WHERE t.kind = 'charge' AND e.micros > 0 GROUP BY t.attempt_id) \
                     AS p ON p.attempt_id = c.attempt_id GROUP BY c.attempt_id, p.micros \
                     HAVING sum(c.micros) <> COALESCE(p.micros, 0)";
    none(
        split,
        "billing",
        differing,
        "charges that were posted twice or not at all",
    )
    .await;
    assert_eq!(
        rest.audit().await,
        serde_json::json!([]),
        "the audit finds differences"
    );
    let usage = rest.usage().await;
    let lines = usage.as_array().unwrap();
    let runs: usize = lives.iter().map(|life| life.runs.len()).sum();
    assert_eq!(lines.len(), runs, "one line of usage a run: {usage}");
}

/// Nothing that belonged to an attempt is left: no process, control group, network or file.
async fn nothing_on_the_machine(split: &Split) {
    let attempts = split.query("scheduler", "SELECT id FROM attempts").unwrap();
    let attempts: Vec<String> = attempts.into_iter().flatten().collect();
    // What the team shares stays.
    let shared = "SELECT id FROM volumes WHERE shared AND state <> 'deleted'";
    let shared = split.query("volume", shared).unwrap();
    let is_shared = |path: &String| {
        let mut ids = shared.iter().flatten();
        ids.any(|id| path.ends_with(&format!("volumes/{id}")))
    };
    patiently("nothing to be left on the machine", || async {
        let mut left = left_on_the_machine(&split.folder, &attempts);
        left.retain(|path| !is_shared(path));
        (left.is_empty()).then_some(())
    })
    .await;
}

/// Whether a command line names a sandbox of an agent below `folder` that waits for no notebook any more.
fn of_taken_sandbox(folder: &Path, command: &str) -> bool {
    ["agent", "agent2"].iter().any(|agent| {
        let waits = folder.join(agent).join("sandboxes");
        let named = command.split_once(&format!("{}/", waits.display()));
        named.is_some_and(|(_, after)| {
            let name = after.split(|end: char| !end.is_ascii_alphanumeric() && end != '-');
            let name = name.into_iter().next().unwrap_or_default();
            !waits.join(name).exists()
        })
    })
}

fn left_on_the_machine(folder: &Path, attempts: &[String]) -> Vec<String> {
    let of_attempt = |text: &str| {
        attempts
            .iter()
            .any(|attempt| text.contains(attempt.as_str()))
    };
    let names = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path().to_string_lossy().into_owned())
            .collect()
    };
    let processes = names(Path::new("/proc")).into_iter().filter(|process| {
        let command = fs::read(Path::new(process).join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command);
        of_attempt(&command) || of_taken_sandbox(folder, &command)
    });
    let controllers = names(Path::new("/sys/fs/cgroup"))
        .into_iter()
        .chain(["/sys/fs/cgroup".to_owned()]);
    let instances = controllers.flat_map(|controller| names(&Path::new(&controller).join("quire")));
    let groups = instances.flat_map(|instance| names(Path::new(&instance)));
    let networks = names(Path::new("/run/netns")).into_iter();
    let mut left: Vec<String> = groups
        .chain(networks)
        .filter(|name| of_attempt(name))
        .collect();
    left.extend(processes);
    for agent in ["agent", "agent2"] {
        for below in ["attempts", "homes", "volumes"] {
            left.extend(names(&folder.join(agent).join(below)));
        }
        // What waits for a notebook has a home, too.
        let waits = folder.join(agent).join("sandboxes");
        left.retain(|path| {
            let name = Path::new(path).file_name().unwrap_or_default();
            !waits.join(name).exists()
        });
    }
    left
}
