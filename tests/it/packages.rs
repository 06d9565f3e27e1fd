//! Packages of one's own: resolved by the real resolver, installed on the node, imported in a real kernel; also what is installed by
//! pip inside, and survives a stop.

use crate::installation::Installation;

#[tokio::test(flavor = "multi_thread")]
async fn a_notebook_has_the_packages_that_it_was_made_with() {
    let quire = Installation::shared();
    let made = quire.quire(
        &[
            &["notebook", "create", "--name", "packed"][..],
            &["--package", "six==1.17.0", "--package", "tomli # small"],
        ]
        .concat(),
    );
    let environment = made["environment"].as_str().unwrap();
    assert!(environment.starts_with("packages-"), "{made}");
    let jupyter = quire.jupyter(&made);
    let mut kernel = jupyter.kernel().await;
    let versions = "import six, tomli, sys; print(six.__version__, tomli.__name__)";
    assert_eq!(kernel.run(versions).await, Ok("1.17.0 tomli".to_owned()));

    // What pip installs goes into the volume, with its commands.
    let install = "import subprocess, sys\n\
        done = subprocess.run([sys.executable, '-m', 'pip', 'install', '-q', 'tabulate==0.9.0'], capture_output=True, text=True)\n\
        print(done.returncode, done.stderr[-500:])";
    let installed = kernel.run(install).await.unwrap();
    assert!(installed.starts_with('0'), "{installed}");
    quire.quire(&["notebook", "stop", "packed"]);

    // It starts in the same set also after that left the list.
    quire.quire(&["environment", "delete", environment]);
    quire.quire(&["notebook", "start", "packed"]);
    let mut kernel = jupyter.kernel().await;
    let both = "import six, subprocess, tabulate\n\
        ran = subprocess.run(['tabulate', '--help'], stdout=subprocess.DEVNULL).returncode\n\
        print(tabulate.__version__, six.__version__, ran)";
    assert_eq!(kernel.run(both).await, Ok("0.9.0 1.17.0 0".to_owned()));
    quire.quire(&["notebook", "delete", "packed", "--yes"]);
}

#[test]
fn what_cannot_be_had_says_why_and_leaves_nothing() {
    let quire = Installation::shared();
    let team = quire.quire(&["team", "create", "packers"]);
    let profile = quire.profile("packers");
    let key = team["key"].as_str().unwrap();
    let login = quire.login(&profile, key);
    assert!(login.status.success());
    let create = [
        &["notebook", "create", "--name", "torn"][..],
        &["--package", "six==1.17.0", "--package", "six<1"],
    ]
    .concat();
    let refused = quire.quire_as(&profile, &create);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success(), "{said}");
    assert!(
        said.contains("requirements: these packages cannot be had together: ")
            && said.contains("six==1.17.0"),
        "{said}"
    );
    for list in [["notebook", "list"], ["environment", "list"]] {
        let listed = quire.quire_as(&profile, &[&list[..], &["--output", "json"]].concat());
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        assert!(
            !listed.contains("torn") && !listed.contains("packages-"),
            "{listed}"
        );
    }
    let file = quire.profile("requirements");
    std::fs::write(&file, "six\n--index-url https://example.org\n").unwrap();
    let file = file.display().to_string();
    let refused = quire.refusal(&["environment", "create", "odd", "--requirements", &file]);
    assert!(
        refused.contains("requirements: \"--index-url https://example.org\" is an option"),
        "{refused}"
    );
}
