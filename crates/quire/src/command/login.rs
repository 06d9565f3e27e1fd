//! `quire login`.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use anyhow::{Context, Result, bail};
use contracts::identity::v1::GetSessionRequest;

use crate::api::Api;
use crate::cli::LoginArgs;
use crate::print;
use crate::profile::Profile;

/// Checks the key with the server, then writes the profile.
pub(crate) async fn login(args: LoginArgs, path: &Path) -> Result<()> {
    let key = match args.api_key {
        Some(key) => key,
        None => read_key()?,
    };
    let authority = args.authority.map(|file| {
        std::fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))
    });
    let profile = Profile {
        server: args.server,
        authority: authority.transpose()?,
        api_key: key.trim().to_owned().into(),
    };
    let api = Api::new(&profile)?;
    let session = api
        .ask(api.identity().get_session(GetSessionRequest {}))
        .await?;
    profile.save(path)?;
    let user = session.user.unwrap_or_default().email;
    let team = session.team.unwrap_or_default().namespace;
    print::note(&format!(
        "logged in to {} as {user} of team {team}",
        profile.server
    ));
    Ok(())
}

fn read_key() -> Result<String> {
    if std::io::stdin().is_terminal() {
        bail!("give the key with --api-key KEY, in QUIRE_API_KEY, or on standard input");
    }
    let mut key = String::new();
    std::io::stdin()
        .take(4_096)
        .read_to_string(&mut key)
        .context("reading the key")?;
    Ok(key)
}
