//! `quire notebook rm`: files of a notebook go, whether it runs or not.

use anyhow::{Result, bail};

use super::copy::End;
use super::door::Door;
use super::files;
use super::find::get;
use crate::api::Api;
use crate::cli::Output;
use crate::print;

pub(super) async fn rm(api: &Api, output: Output, paths: &[String]) -> Result<()> {
    for path in paths {
        let End::There(notebook, inside) = End::read(path) else {
            bail!("{path} is not in a notebook; write NOTEBOOK:PATH");
        };
        let door = Door::of(api, get(api, &notebook).await?)?;
        if !files::remove(&door, &inside).await? {
            bail!("{path} is not there");
        }
    }
    match output {
        Output::Json => print::json(&serde_json::json!({ "removed": paths })),
        Output::Table => Ok(()),
    }
}
