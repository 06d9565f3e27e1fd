//! `quire login`.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use chassis::Address;
use chassis::authority::{Description, fetch, offered_by};
use contracts::identity::v1::GetSessionRequest;
use serde::Serialize;

use crate::api::Api;
use crate::authority::read;
use crate::cli::{LoginArgs, Output};
use crate::print;
use crate::profile::Profile;

/// A login, for programs.
#[derive(Debug, Serialize)]
struct Login {
    server: String,
    email: String,
    /// Namespace of the team.
    team: String,
}

/// Checks the key with the server, then writes the profile.
pub(crate) async fn login(args: LoginArgs, path: &Path, output: Output) -> Result<()> {
    let key = match &args.api_key {
        Some(key) => key.clone(),
        None => read_key()?,
    };
    let server: Address = args.server.parse().context("reading --server")?;
    let authority = match (&args.authority, &args.fingerprint) {
        (Some(file), _) => Some(read(file)?),
        (None, Some(fingerprint)) => Some(fetch(&server, fingerprint.parse()?).await?),
        (None, None) => known_authority(&args.server, path),
    };
    let profile = Profile {
        server: args.server,
        api_key: key.trim().to_owned().into(),
        authority,
    };
    let api = Api::new(&profile)?;
    let session = match api.identity().get_session(GetSessionRequest {}).await {
        Ok(session) => session.into_inner(),
        Err(status) => return Err(explain(&status, &profile, &server).await),
    };
    profile.save(path)?;
    let login = Login {
        server: profile.server,
        email: session.user.unwrap_or_default().email,
        team: session.team.unwrap_or_default().namespace,
    };
    if output == Output::Json {
        return print::json(&login);
    }
    let Login {
        server,
        email,
        team,
    } = login;
    print::note(&format!("logged in to {server} as {email} of team {team}"));
    Ok(())
}

/// What an earlier login to the same server came to trust.
fn known_authority(server: &str, path: &Path) -> Option<String> {
    Profile::load(path)
        .ok()
        .filter(|before| before.server == server)
        .and_then(|before| before.authority)
}

/// A server that answers those who believe anybody, and not those who look, has an authority that is not known here. The key was
/// not sent: a connection that is not trusted carries nothing.
async fn explain(status: &tonic::Status, profile: &Profile, server: &Address) -> anyhow::Error {
    let failure = crate::failure(status, &profile.server);
    let unreachable = chassis::Error::from(status.clone()).code().is_retryable();
    if !unreachable || !matches!(server, Address::Https(_)) {
        return failure;
    }
    let Ok(offer) = offered_by(server).await else {
        return failure;
    };
    let (server, found) = (&profile.server, offer.fingerprint);
    let known = profile.authority.as_deref();
    let known = known.and_then(|pem| Description::of_pem("authority", pem).ok());
    let why = match known {
        None => "its authority is not known here",
        Some(known) if known.fingerprint == found => {
            return anyhow!(
                "{server} has the authority that was expected, but shows no certificate that is valid for this address: {}\n  \
                 use a name that it is issued for; \"quire up --host NAME\" adds one",
                chassis::error::chain(status)
            );
        }
        Some(_) => "its authority is another one than was expected",
    };
    anyhow!(
        "{server} is not trusted: {why}. The fingerprint that it shows is\n  {found}\n\
         Compare it with \"quire authority show\" on the server, or with what its operator tells you. If it is the same:\n  \
         quire login --server {server} --fingerprint {found}"
    )
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
