//! The one thing that Quire adds to environments: what makes `JupyterLab` show when an idle notebook will stop.
//!
//! `JupyterLab` looks for prebuilt extensions below its own Python, at each page that it gives, and loads the script that their
//! `package.json` names. This one's script is at the notebook's door, so that nothing but the name lies here, and an environment of
//! any age shows the notice of the door that it is seen through.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Where `JupyterLab` looks for it.
const FOLDER: &str = "share/jupyter/labextensions/quire-idle";
/// Its script is `/.quire/notice.js`, as a page sees it from `/lab/extensions/quire-idle/`.
const PACKAGE: &str = r#"{"name":"quire-idle","version":"1.0.0","jupyterlab":{"extension":true,"_build":{"load":"../../../.quire/notice.js","extension":"./extension"}}}
"#;

/// Adds the notice to an environment that may have it already, for all users to read.
///
/// # Errors
/// Those of the file system.
pub(super) fn add(environment: &Path) -> io::Result<()> {
    let folder = environment.join(FOLDER);
    let path = folder.join("package.json");
    if fs::read(&path).is_ok_and(|there| there == PACKAGE.as_bytes()) {
        return Ok(());
    }
    fs::create_dir_all(&folder)?;
    for made in folder.ancestors().take_while(|made| *made != environment) {
        fs::set_permissions(made, Permissions::from_mode(0o755))?;
    }
    // Another agent may do the same at the same time.
    let temporary = folder.join(format!("{}.new", std::process::id()));
    fs::write(&temporary, PACKAGE)?;
    fs::set_permissions(&temporary, Permissions::from_mode(0o644))?;
    fs::rename(&temporary, &path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_added_once_and_replaces_another() {
        let environment = tempfile::tempdir().unwrap();
        let path = environment.path().join(FOLDER).join("package.json");
        for _ in 0..2 {
            add(environment.path()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), PACKAGE);
            let package: serde_json::Value = serde_json::from_str(PACKAGE).unwrap();
            assert_eq!(package["name"], "quire-idle");
        }
        fs::write(&path, "{}").unwrap();
        add(environment.path()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), PACKAGE);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
