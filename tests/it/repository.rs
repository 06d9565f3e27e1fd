//! A notebook made with a git repository, which a server on another host gives by https under a certificate of its own authority.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use chassis::authority::Authority;
use kernel::Clock as _;
use kernel::time::SystemClock;
use secrecy::ExposeSecret as _;

use crate::host::{Host, Switch};
use crate::installation::Installation;

/// A server with one repository, "code"; it ends with this value.
struct GitServer {
    child: Child,
    url: String,
    /// Whom it must be trusted by.
    authority: PathBuf,
    /// The first of its three commits.
    first: String,
    _folder: tempfile::TempDir,
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let said = Command::new("git")
        .args(["-c", "user.name=t", "-c", "user.email=t@example.org"])
        .args(["-c", "init.defaultBranch=main"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    let complaint = String::from_utf8_lossy(&said.stderr);
    assert!(said.status.success(), "{arguments:?}: {complaint}");
    String::from_utf8(said.stdout).unwrap().trim().to_owned()
}

/// Three commits: the first, one that is tagged "v1", and the newest of "main".
fn make_repository(folder: &Path) -> String {
    fs::create_dir(folder).unwrap();
    git(folder, &["init", "--quiet"]);
    let commit = |text: &str| {
        fs::write(folder.join("word.txt"), text).unwrap();
        git(folder, &["add", "word.txt"]);
        git(folder, &["commit", "--quiet", "--message", text]);
        git(folder, &["rev-parse", "HEAD"])
    };
    let first = commit("one");
    commit("two");
    git(folder, &["tag", "v1"]);
    commit("three");
    first
}

impl GitServer {
    fn start(host: &Host<'_>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let first = make_repository(&at("code"));
        let address = host.address().to_string();
        let now = SystemClock.now();
        let authority = Authority::create("git", now).unwrap();
        let issued = authority
            .issue_server(std::slice::from_ref(&address), now)
            .unwrap();
        // Whom the machine trusts stays trusted: packages come that way.
        let trusted = fs::read_to_string("/etc/ssl/certs/ca-certificates.crt").unwrap_or_default();
        fs::write(at("authority.pem"), trusted + authority.certificate_pem()).unwrap();
        fs::write(at("certificate.pem"), issued.chain_pem).unwrap();
        fs::write(at("key.pem"), issued.key_pem.expose_secret()).unwrap();
        let mut child = host
            .door()
            .args(["python3", "-c", include_str!("git_server.py"), &address])
            .args([folder.path(), &at("certificate.pem"), &at("key.pem")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut port).unwrap();
        // What it says later is read by nobody, and must not hold it up.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self {
            child,
            url: format!("https://{address}:{}/code", port.trim()),
            authority: at("authority.pem"),
            first,
            _folder: folder,
        }
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_is_there_when_jupyter_is_and_stays_what_its_people_make_of_it() {
    let switch = Switch::new();
    let host = switch.host(2);
    let server = GitServer::start(&host);
    let quire = Installation::start_trusting(&server.authority);
    let repo = |at: &str| format!("{}{at}", server.url);
    let create = |name: &str, at: &str| {
        quire.quire(&["notebook", "create", "--name", name, "--repo", &repo(at)])
    };
    let looked = "print(open('code/word.txt').read(), end=' ')\n\
        import subprocess; print(subprocess.run('git -C code rev-list --count --all', shell=True, capture_output=True, text=True).stdout.strip())";

    let made = create("newest", "");
    assert_eq!(made["repository"], server.url.as_str(), "{made}");
    let jupyter = quire.jupyter(&made);
    let mut kernel = jupyter.kernel().await;
    assert_eq!(
        kernel.run(looked).await,
        Ok("three 1".to_owned()),
        "without history"
    );

    // Neither what was changed nor what was removed comes again.
    let change =
        "open('code/word.txt', 'w').write('mine'); open('code/new', 'w').write('x'); print('done')";
    assert_eq!(kernel.run(change).await, Ok("done".to_owned()));
    quire.quire(&["notebook", "restart", "newest"]);
    let mut kernel = jupyter.kernel().await;
    let mine = "print(open('code/word.txt').read()); import shutil; shutil.rmtree('code')";
    assert_eq!(kernel.run(mine).await, Ok("mine".to_owned()));
    quire.quire(&["notebook", "restart", "newest"]);
    let mut kernel = jupyter.kernel().await;
    let gone = "import os; print(os.path.exists('code'), [name for name in os.listdir() if 'clone' in name])";
    assert_eq!(kernel.run(gone).await, Ok("False []".to_owned()));
    quire.quire(&["notebook", "delete", "newest", "--yes"]);

    for (at, seen) in [
        ("@v1", "two 1"),
        (&format!("@{}", server.first), "one 1"),
        (&format!("@{}", &server.first[..9]), "one 3"),
    ] {
        let made = create("older", at);
        let mut kernel = quire.jupyter(&made).kernel().await;
        assert_eq!(kernel.run(looked).await, Ok(seen.to_owned()), "{at}");
        quire.quire(&["notebook", "delete", "older", "--yes"]);
    }

    // What cannot be cloned: nothing runs or costs, the reason is shown, and the next start tries again.
    let refused = quire.refusal(&[
        "notebook",
        "create",
        "--name",
        "wrong",
        "--repo",
        &repo("@nothing"),
    ]);
    assert!(
        refused.contains("cannot clone") && refused.contains("at nothing"),
        "{refused}"
    );
    let shown = quire.quire(&["notebook", "show", "wrong"]);
    assert_eq!(shown["state"], "Failed", "{shown}");
    assert_eq!(shown["startedAt"], serde_json::Value::Null, "{shown}");
    let why = quire.quire(&["why", "wrong"]).to_string();
    assert!(why.contains("cannot clone"), "{why}");
    quire.quire(&["notebook", "delete", "wrong", "--yes"]);

    for (repo, told) in [
        ("ext::sh -c id", "must begin with https://"),
        ("file:///etc", "must begin with https://"),
        ("https://me:secret@10.0.0.1/a", "a user or a password"),
    ] {
        let refused = quire.refusal(&["notebook", "create", "--name", "wrong", "--repo", repo]);
        assert!(
            refused.contains(told) && !refused.contains("secret"),
            "{refused}"
        );
    }
}
