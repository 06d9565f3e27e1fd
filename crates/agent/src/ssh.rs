//! `sshd` inside a sandbox: the command that serves one visit by standard input and output.

use std::collections::BTreeMap;
use std::path::Path;

use chassis::{Error, Result};

/// OpenSSH's server, of the host; workloads see it below `/usr`.
const SERVER: &str = "/usr/sbin/sshd";
/// What a workload is known by, and whom it lets in, below its home. The key lies with the files, so that it stays the same over
/// stops, and wherever they go.
const FOLDER: &str = ".quire/ssh";

/// Makes the workload's key where it has none, says its public half as the first line of the errors, and becomes the server. What
/// it lets in, and how, comes anew with each visit. Files are put in place whole: visits come at the same time.
const SCRIPT: &str = r#"umask 077
folder=$HOME/$1
config=$2
shift 2
mkdir -p "$folder" && cd "$folder" || exit
if ! [ -s host_key ]; then
    new=$(mktemp -d ./new.XXXXXX) || exit
    /usr/bin/ssh-keygen -q -t ed25519 -N '' -C '' -f "$new/key" || exit
    ln "$new/key" host_key 2> /dev/null
    rm -r "$new"
fi
printf '%s\n' "$@" > authorized_keys.$$ && mv authorized_keys.$$ authorized_keys || exit
printf '%s' "$config" > sshd_config.$$ && mv sshd_config.$$ sshd_config || exit
/usr/bin/ssh-keygen -y -f host_key >&2 || exit
exec /usr/sbin/sshd -i -e -f "$folder/sshd_config""#;

/// Checks that this host has the server.
///
/// # Errors
/// [`Error::Precondition`] with what to do.
pub(crate) fn is_there() -> Result<()> {
    match lack() {
        None => Ok(()),
        Some(lack) => Err(Error::Precondition(lack.to_owned())),
    }
}

/// What is missing for visits by ssh, in words.
pub(crate) fn lack() -> Option<&'static str> {
    (!has_ssh_server()).then_some(
        "this node has no sshd, so nobody can come in by ssh; its operator installs openssh-server (no daemon need run)",
    )
}

/// Whether this host has what visits by ssh take; no daemon need run.
pub fn has_ssh_server() -> bool {
    let needed = [SERVER, "/usr/bin/ssh-keygen"];
    needed.iter().all(|path| Path::new(path).is_file())
}

/// The command that serves one visit of somebody with one of `keys`. `variables` are those of the workload.
pub(crate) fn server<'a>(
    variables: &BTreeMap<String, String>,
    keys: impl Iterator<Item = &'a str>,
) -> Vec<String> {
    let home = variables.get("HOME").map_or("/", String::as_str);
    let before = ["sh", "-c", SCRIPT, "sshd", FOLDER].map(str::to_owned);
    let keys = keys.map(str::to_owned);
    before
        .into_iter()
        .chain([config(home, variables)])
        .chain(keys)
        .collect()
}

/// `sshd_config(5)`: keys only, no other user, and what the workload may do anyway. Folders above the home are not its user's, and
/// need not be checked: all files are of the one user who reads them.
fn config(home: &str, variables: &BTreeMap<String, String>) -> String {
    let host_key = quoted(&format!("{home}/{FOLDER}/host_key"));
    // This one has tokens that begin so.
    let keys = format!("{home}/{FOLDER}/authorized_keys").replace('%', "%%");
    let keys = quoted(&keys);
    let set: Vec<_> = variables
        .iter()
        // A line of the file cannot hold these.
        .filter(|(name, value)| {
            !name.contains(['\n', '\r', '"', ' ', '\\']) && !value.contains(['\n', '\r'])
        })
        .map(|(name, value)| quoted(&format!("{name}={value}")))
        .collect();
    format!(
        "HostKey {host_key}\n\
         AuthorizedKeysFile {keys}\n\
         AuthenticationMethods publickey\n\
         PasswordAuthentication no\n\
         KbdInteractiveAuthentication no\n\
         UsePAM no\n\
         StrictModes no\n\
         PidFile none\n\
         PrintMotd no\n\
         PrintLastLog no\n\
         UseDNS no\n\
         X11Forwarding no\n\
         MaxSessions 100\n\
         LogLevel ERROR\n\
         Subsystem sftp internal-sftp\n\
         SetEnv {}\n",
        set.join(" ")
    )
}

/// A word of the file, as OpenSSH reads it back: within quotation marks, of which and of backslashes each has a backslash before it.
fn quoted(word: &str) -> String {
    let escaped = word.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::Command;

    use super::*;

    fn variables(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    /// A program as workloads run it: of root the server asks for more.
    fn unprivileged(program: &str) -> Command {
        if !rustix::process::geteuid().is_root() {
            return Command::new(program);
        }
        let mut command = Command::new("setpriv");
        command.args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            program,
        ]);
        command
    }

    /// The environment that OpenSSH itself reads out of it.
    #[test]
    fn the_server_reads_what_is_written() {
        let hostile = variables(&[
            ("HOME", "/note books"),
            ("A", "one two"),
            ("B", "with \"marks\", back\\slashes\\ and # signs"),
            ("C", "'single'\t"),
            ("D", "first\nPermitRootLogin yes"),
            ("EMPTY", ""),
        ]);
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let (file, key) = (folder.path().join("config"), folder.path().join("key"));
        fs::write(&file, config("/note books", &hostile)).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        let mut making = unprivileged("/usr/bin/ssh-keygen");
        making.args(["-q", "-t", "ed25519", "-N", "", "-f"]);
        assert!(making.arg(&key).status().unwrap().success());
        // -T reads the whole file and says what it understood; it wants a key that is there.
        let mut telling = unprivileged(SERVER);
        telling.args(["-T", "-f"]).arg(&file).arg("-h").arg(&key);
        let told = telling.output().unwrap();
        let errors = String::from_utf8_lossy(&told.stderr);
        assert!(told.status.success(), "{errors}");
        let told = String::from_utf8_lossy(&told.stdout);
        let set: Vec<_> = told
            .lines()
            .filter_map(|line| line.strip_prefix("setenv "))
            .collect();
        assert_eq!(
            set,
            [
                "A=one two",
                "B=with \"marks\", back\\slashes\\ and # signs",
                "C='single'\t",
                "EMPTY=",
                "HOME=/note books",
            ]
        );
        for line in [
            "authorizedkeysfile /note books/.quire/ssh/authorized_keys",
            "passwordauthentication no",
            "strictmodes no",
            "subsystem sftp internal-sftp",
        ] {
            assert!(told.lines().any(|told| told == line), "{line}: {told}");
        }
        assert!(!told.contains("permitrootlogin yes"), "{told}");
    }

    #[test]
    fn keys_are_words_of_their_own() {
        let command = server(&variables(&[("HOME", "/h")]), "a b\nc d\n".lines());
        assert_eq!(command[..2], ["sh", "-c"]);
        assert_eq!(command[4], FOLDER);
        assert_eq!(command[6..], ["a b", "c d"]);
    }
}
