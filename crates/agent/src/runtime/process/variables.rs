//! The variables of a workload: those of its specification, the few of the agent's that package installers need, and those
//! that say where everything is.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::notice;
use super::sandbox::Bind;

/// Variables of the agent that say where packages come from and whom to trust for them.
const PASSED: &[&str] = &[
    "CURL_CA_BUNDLE",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "PIP_CERT",
    "PIP_CONFIG_FILE",
    "PIP_DEFAULT_TIMEOUT",
    "PIP_DISABLE_PIP_VERSION_CHECK",
    "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS",
    "PIP_INDEX_URL",
    "PIP_TRUSTED_HOST",
    "REQUESTS_CA_BUNDLE",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TZ",
    "UV_CONFIG_FILE",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_INDEX",
    "UV_INDEX_URL",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];
/// Where packages that are installed inside go, below the home.
pub(crate) const SITE: &str = ".quire/site-packages";
/// Where programs are found after those of the environment.
const SYSTEM_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Those of the agent's own variables that workloads get, with what they name on the disk.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passed {
    variables: BTreeMap<String, String>,
    /// Files and folders that the variables name.
    pub(crate) binds: Vec<Bind>,
}

impl Passed {
    /// From `variables`. Folders that hold one of `secret` are named but not shown.
    pub(crate) fn choose(
        variables: impl Iterator<Item = (OsString, OsString)>,
        secret: &[PathBuf],
    ) -> Self {
        let mut passed = Self::default();
        for (name, value) in variables {
            let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) else {
                continue;
            };
            if !PASSED.contains(&name.as_str()) {
                continue;
            }
            if name.ends_with("CONFIG_FILE") && names_a_user(Path::new(&value)) {
                tracing::warn!(
                    name,
                    "this file names a user or a password: workloads do not get it, so give packages to them in a way that needs none"
                );
                continue;
            }
            let paths = value
                .split([' ', ':'])
                .map(PathBuf::from)
                .filter(|path| path.is_absolute() && path.exists());
            let harmless =
                paths.filter(|path| !secret.iter().any(|secret| secret.starts_with(path)));
            passed.binds.extend(harmless.map(Bind::in_place));
            let shown = without_users(&value);
            if shown != value {
                tracing::warn!(
                    name,
                    "this variable names a user or a password: workloads get it without, so give packages to them in a way that needs none"
                );
            }
            passed.variables.insert(name, shown);
        }
        passed
    }
}

/// Whether an address in the file has `user:password@`. One that cannot be read does, for all that is known.
fn names_a_user(file: &Path) -> bool {
    let apart = |letter: char| letter.is_whitespace() || "\"'=,".contains(letter);
    std::fs::read_to_string(file).map_or(file.exists(), |text| {
        text.split(apart)
            .any(|word| word.contains("://") && without_users(word) != word)
    })
}

/// Addresses, each as a word, without `user:password@`: what opens the operator's index or proxy is no workload's business.
fn without_users(words: &str) -> String {
    let strip = |word: &str| {
        let (scheme, rest) = match word.split_once("://") {
            Some((scheme, rest)) => (format!("{scheme}://"), rest),
            None => (String::new(), word),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let host = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        format!("{scheme}{host}{path}")
    };
    words.split(' ').map(strip).collect::<Vec<_>>().join(" ")
}

/// What the variables of one workload are made of.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    /// Of the agent.
    pub(crate) passed: &'a Passed,
    /// Of the specification.
    pub(crate) spec: &'a BTreeMap<String, String>,
    /// The environment; `None` = the system's own programs.
    pub(crate) environment: Option<&'a Path>,
    /// The volume, as the workload sees it.
    pub(crate) home: &'a Path,
    /// The folder of the socket, as the workload sees it.
    pub(crate) run: &'a Path,
    /// What its server asks of callers.
    pub(crate) token: &'a str,
    /// GPUs that it was granted, by UUID.
    pub(crate) gpus: &'a [String],
}

impl Sources<'_> {
    /// All variables.
    pub(crate) fn all(&self) -> BTreeMap<String, String> {
        let mut all = self.passed.variables.clone();
        all.insert("LANG".to_owned(), "C.UTF-8".to_owned());
        all.extend(
            self.spec
                .iter()
                .map(|(name, value)| (name.clone(), value.clone())),
        );
        all.extend(self.fixed().map(|(name, value)| (name.to_owned(), value)));
        if let Some(environment) = self.environment {
            all.insert("VIRTUAL_ENV".to_owned(), environment.display().to_string());
        }
        all
    }

    /// What no specification may change.
    fn fixed(&self) -> impl Iterator<Item = (&'static str, String)> {
        let home = self.home.display();
        let packages = format!("{home}/{SITE}");
        // Programs that come with what was installed inside; those of the environment go before them.
        let path = match self.environment {
            Some(environment) => {
                format!("{}/bin:{packages}/bin:{SYSTEM_PATH}", environment.display())
            }
            None => format!("{packages}/bin:{SYSTEM_PATH}"),
        };
        [
            ("CUDA_VISIBLE_DEVICES", self.gpus.join(",")),
            ("HOME", home.to_string()),
            ("PATH", path),
            // What a notebook installs must outlive it, and the environment belongs to all: it goes into the volume.
            ("PIP_TARGET", packages.clone()),
            ("PYTHONPATH", packages),
            (
                "QUIRE_HTTP_SOCKET",
                self.run.join("http.sock").display().to_string(),
            ),
            ("QUIRE_HTTP_TOKEN", self.token.to_owned()),
            (
                "QUIRE_NOTICE",
                self.run.join(notice::FILE).display().to_string(),
            ),
        ]
        .into_iter()
    }
}

/// Variables in the form in which `stage drop` reads them.
///
/// # Errors
/// The name of the variable that no process can have.
pub(crate) fn encode(variables: &BTreeMap<String, String>) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for (name, value) in variables {
        if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
            return Err(format!(
                "env: {name:?} cannot be a variable: names without = and texts without NUL are allowed"
            ));
        }
        bytes.extend(format!("{name}={value}\0").into_bytes());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(spec: &[(&str, &str)], passed: &Passed) -> Result<String, String> {
        let spec = spec
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let sources = Sources {
            passed,
            spec: &spec,
            environment: Some(Path::new("/env")),
            home: Path::new("/notebooks"),
            run: Path::new("/run/quire"),
            token: "t",
            gpus: &[],
        };
        encode(&sources.all()).map(|bytes| String::from_utf8(bytes).unwrap().replace('\0', "\n"))
    }

    #[test]
    fn the_agents_own_variables_stay_outside() {
        let own = [
            ("PIP_CERT", "/usr"),
            ("SECRET", "x"),
            ("PIP_FIND_LINKS", "/"),
        ];
        let own = own.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let passed = Passed::choose(own.into_iter(), &[PathBuf::from("/var/lib/quire")]);
        assert_eq!(passed.binds, [Bind::in_place("/usr")]);
        let text = encoded(&[], &passed).unwrap();
        assert!(
            text.contains("PIP_CERT=/usr\n") && !text.contains("SECRET"),
            "{text}"
        );
        assert!(
            text.contains(
                "PATH=/env/bin:/notebooks/.quire/site-packages/bin:/usr/local/bin:/usr/bin:/bin\n"
            ),
            "{text}"
        );
        assert!(
            text.contains("\nCUDA_VISIBLE_DEVICES=\n")
                || text.starts_with("CUDA_VISIBLE_DEVICES=\n"),
            "{text}"
        );
    }

    #[test]
    fn nobody_is_given_the_operators_passwords() {
        let table = [
            (
                "https://me:secret@index.lan/simple/",
                "https://index.lan/simple/",
            ),
            (
                "https://a.lan/ https://token@b.lan",
                "https://a.lan/ https://b.lan",
            ),
            (
                "own=https://me:p@ss@b.lan:8443/x",
                "own=https://b.lan:8443/x",
            ),
            ("me:secret@proxy.lan:3128", "proxy.lan:3128"),
            (
                "https://index.lan/@scope/a?b=c@d",
                "https://index.lan/@scope/a?b=c@d",
            ),
            ("/etc/ssl/a@b.pem", "/etc/ssl/a@b.pem"),
            ("localhost,.lan", "localhost,.lan"),
        ];
        for (value, shown) in table {
            assert_eq!(without_users(value), shown, "{value}");
        }
        let own = [(OsString::from("HTTPS_PROXY"), OsString::from(table[0].0))];
        let passed = Passed::choose(own.into_iter(), &[]);
        let text = encoded(&[], &passed).unwrap();
        assert!(
            text.contains("HTTPS_PROXY=https://index.lan/simple/\n"),
            "{text}"
        );
    }

    #[test]
    fn files_with_the_operators_passwords_are_shown_to_nobody() {
        let folder = tempfile::tempdir().unwrap();
        for (text, shown) in [
            ("[global]\nindex-url = https://index.lan/simple/", true),
            ("# of me@box.lan\n[global]\ntimeout = 9", true),
            (
                "[global]\nindex-url=https://me:secret@index.lan/simple/",
                false,
            ),
            (
                "[[index]]\nurl = \"https://token@index.lan/simple/\"",
                false,
            ),
        ] {
            let file = folder.path().join("conf");
            std::fs::write(&file, text).unwrap();
            let own = [(OsString::from("PIP_CONFIG_FILE"), file.into_os_string())];
            let passed = Passed::choose(own.into_iter(), &[]);
            assert_eq!(passed.variables.len(), usize::from(shown), "{text}");
            assert_eq!(passed.binds.len(), usize::from(shown), "{text}");
        }
    }

    #[test]
    fn a_specification_adds_but_does_not_take_over() {
        let text = encoded(
            &[("A", "1"), ("HOME", "/etc"), ("LANG", "de_DE.UTF-8")],
            &Passed::default(),
        )
        .unwrap();
        assert!(
            text.contains("A=1\n")
                && text.contains("HOME=/notebooks\n")
                && text.contains("LANG=de_DE.UTF-8\n"),
            "{text}"
        );
        for wrong in ["", "A=B", "A\0"] {
            assert!(
                encoded(&[(wrong, "x")], &Passed::default()).is_err(),
                "{wrong:?}"
            );
        }
    }
}
