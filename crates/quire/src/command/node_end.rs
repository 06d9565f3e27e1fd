//! `quire node give-up` and `quire node delete`.

use std::io::{IsTerminal as _, Write as _};

use anyhow::{Result, bail};
use contracts::inventory::v1::GiveUpNodeRequest;
use contracts::scheduler::v1::{DeleteNodeRequest, GetNodeWorkRequest};

use super::node::{self, NodeRow};
use crate::api::Api;
use crate::cli::Output;
use crate::print;

/// Gives a node up, after its name was typed once more.
pub(super) async fn give_up(api: &Api, output: Output, wanted: &str, yes: bool) -> Result<()> {
    let node = node::find(api, wanted).await?;
    if !yes {
        confirm(api, &node).await?;
    }
    let request = GiveUpNodeRequest { node: node.id };
    let answer = api.ask(api.inventory().give_up_node(request)).await?;
    print::one(output, &NodeRow::from(answer.node.unwrap_or_default()))
}

async fn confirm(api: &Api, node: &NodeRow) -> Result<()> {
    let (id, name) = (node.id.clone(), &node.name);
    let request = GetNodeWorkRequest { node: id };
    let still = api.ask(api.scheduler().get_node_work(request)).await?;
    print::note(&format!(
        "Giving {name} up cannot be undone. What ran there ({}) is over and costs nothing since the node fell silent.\n\
         The files of {} volumes lie there and nowhere else: they are lost, and notebooks that need them can only be deleted.\n\
         If the machine comes back, it stops what it runs and is refused; it can join anew as another node.",
        still.work.len(),
        still.volumes
    ));
    if !std::io::stdin().is_terminal() {
        bail!("nobody is there to confirm it; pass --yes");
    }
    eprint!("Type the name of the node to give it up: ");
    std::io::stderr().flush()?;
    let mut typed = String::new();
    std::io::stdin().read_line(&mut typed)?;
    if typed.trim() == name {
        Ok(())
    } else {
        bail!("that is not {name}; nothing was done")
    }
}

/// Takes a node off the list.
pub(super) async fn delete(api: &Api, output: Output, wanted: &str) -> Result<()> {
    let node = node::find(api, wanted).await?;
    let request = DeleteNodeRequest { node: node.id };
    let answer = api.ask(api.scheduler().delete_node(request)).await?;
    if output == Output::Json {
        return print::json(&serde_json::json!({ "id": answer.node_id }));
    }
    print::note(&format!("node {} is off the list", node.name));
    Ok(())
}
