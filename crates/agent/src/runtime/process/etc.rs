//! The workload's `/etc`: what programs need to find users, names and certificates, and nothing else of the host's.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use super::sandbox::{Access, Bind, NOTEBOOKS};
use crate::files;

/// What is shown as the host has it, where it has it.
const FROM_HOST: &[&str] = &[
    "/etc/alternatives",
    "/etc/ca-certificates",
    "/etc/fonts",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/etc/OpenCL",
    "/etc/pip.conf",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
    "/etc/protocols",
    "/etc/services",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/uv",
    "/etc/vulkan",
];

/// Writes the workload's own files into `folder`, and says what is to be shown where.
///
/// # Errors
/// Those of the file system.
pub(crate) fn prepare(folder: &Path, user: u32) -> io::Result<Vec<Bind>> {
    files::private_folder(folder)?;
    let own = [
        (
            "passwd",
            format!(
                "root:x:0:0:root:/:/usr/sbin/nologin\nnotebook:x:{user}:{user}:notebook:{NOTEBOOKS}:/bin/bash\n\
                 nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"
            ),
        ),
        (
            "group",
            format!("root:x:0:\nnotebook:x:{user}:\nnogroup:x:65534:\n"),
        ),
        (
            "hosts",
            "127.0.0.1 localhost notebook\n::1 localhost\n".to_owned(),
        ),
        ("hostname", "notebook\n".to_owned()),
        (
            "nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\n".to_owned(),
        ),
        ("resolv.conf", resolver_file().1),
    ];
    let mut binds = Vec::new();
    for (name, content) in own {
        let source = folder.join(name);
        fs::write(&source, content)?;
        open_to_all(&source)?;
        binds.push(Bind {
            source,
            target: Path::new("/etc").join(name),
            access: Access::Read,
        });
    }
    let there = FROM_HOST
        .iter()
        .map(PathBuf::from)
        .filter(|path| path.exists());
    binds.extend(there.map(Bind::in_place));
    Ok(binds)
}

fn open_to_all(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))
}

/// The name servers that workloads ask, and the file that names them. A host whose own file names only a server of its own
/// (on loopback) usually keeps the true ones where systemd-resolved writes them.
pub(crate) fn resolver_file() -> (Vec<IpAddr>, String) {
    let files = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];
    let mut found = files
        .map(|path| fs::read_to_string(path).unwrap_or_default())
        .map(|text| (servers(&text), text));
    let best = found
        .iter()
        .position(|(servers, _)| servers.iter().any(|server| !server.is_loopback()));
    found
        .get_mut(best.unwrap_or(0))
        .map(std::mem::take)
        .unwrap_or_default()
}

fn servers(text: &str) -> Vec<IpAddr> {
    let words = text.lines().map(|line| line.split_whitespace());
    words
        .filter_map(|mut words| {
            (words.next() == Some("nameserver"))
                .then(|| words.next())
                .flatten()
        })
        .filter_map(|address| address.split('%').next()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_servers_are_read() {
        let text = "# comment\nsearch lan\nnameserver 10.0.0.53\nnameserver fe80::1%eth0\noptions ndots:1\nnameserver\n";
        let wanted: Vec<IpAddr> = vec!["10.0.0.53".parse().unwrap(), "fe80::1".parse().unwrap()];
        assert_eq!(servers(text), wanted);
    }

    #[test]
    fn users_are_the_workloads_own() {
        let folder = tempfile::tempdir().unwrap();
        let binds = prepare(&folder.path().join("etc"), 200_007).unwrap();
        let passwd = fs::read_to_string(folder.path().join("etc/passwd")).unwrap();
        assert!(
            passwd.contains("notebook:x:200007:200007:notebook:/notebooks:"),
            "{passwd}"
        );
        assert!(
            binds
                .iter()
                .any(|bind| bind.target == Path::new("/etc/resolv.conf"))
        );
        assert!(
            !binds
                .iter()
                .any(|bind| bind.target.ends_with("shadow") || bind.target == Path::new("/etc"))
        );
    }
}
