//! What uses more memory than it has: the kernel that real Jupyter runs, killed by the limit of its notebook.

use crate::installation::Installation;
use crate::sandbox::says;

/// Takes all the memory that a C1 has (512 MiB) a moment after it was asked to.
const HUNGRY: &str = "import threading\n\
    threading.Timer(0.1, lambda: bytearray(2 << 30)).start()";

#[tokio::test(flavor = "multi_thread")]
async fn a_kernel_without_memory_is_told_of_and_costs_nobody_the_notebook() {
    let quire = Installation::shared();
    let made = quire.quire(&[
        "notebook",
        "create",
        "--name",
        "hungry",
        "--machine-type",
        "C1",
    ]);
    let jupyter = quire.jupyter(&made);
    let mut kernel = jupyter.kernel().await;
    says(&mut kernel, HUNGRY).await;

    let reason = testkit::eventually("the notebook to say so", || async {
        let shown = quire.quire(&["notebook", "show", "hungry"]);
        assert_eq!(shown["state"], "Running", "{shown}");
        let reason = shown["reason"].as_str().unwrap().to_owned();
        (!reason.is_empty()).then_some(reason)
    })
    .await;
    let peak = reason
        .strip_prefix("out of memory: limit 512 MiB, peak ")
        .and_then(|rest| rest.strip_suffix(" MiB; a process was ended, the rest goes on"));
    let peak: u32 = peak.expect(&reason).parse().unwrap();
    assert!((400..=512).contains(&peak), "{reason}");

    let mut next = jupyter.kernel().await;
    assert_eq!(says(&mut next, "print(6 * 7)").await, "42");
    quire.quire(&["notebook", "delete", "hungry", "--yes"]);
}
