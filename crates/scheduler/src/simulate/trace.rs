//! The input of openb: nodes and pods as their authors publish them.

use super::table::{Line, Table};
use crate::domain::engine::{Ask, Gpu, Gpus, Models, Server, WHOLE};

/// Models that are told apart.
const MOST_MODELS: usize = 64;

/// What there is and what comes.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    pub(super) servers: Vec<Server>,
    pub(super) asks: Vec<Ask>,
}

impl Trace {
    /// Reads the node list (`cpu_milli,memory_mib,gpu,model`) and the pod list
    /// (`name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec`); other columns are passed over.
    ///
    /// # Errors
    /// The table, line, column and value that cannot be used, in words.
    pub fn read(nodes: &str, pods: &str) -> Result<Self, String> {
        let mut models: Vec<String> = Vec::new();
        let nodes = Table::read("nodes", nodes)?;
        let mut servers = Vec::new();
        for row in &nodes.rows {
            let model = numbered(nodes.text(row, "model")?, &mut models)?;
            let gpu = Gpu {
                model,
                memory_mib: 0,
                free_milli: WHOLE,
                nvlink: None,
                numa: None,
            };
            servers.push(Server {
                open: true,
                milli_cores: nodes.number(row, "cpu_milli")?,
                memory_mib: nodes.number(row, "memory_mib")?,
                gpus: vec![gpu; nodes.number(row, "gpu")? as usize],
                ..Server::default()
            });
        }
        let pods = Table::read("pods", pods)?;
        let mut asks = Vec::new();
        for row in &pods.rows {
            asks.push((pods.text(row, "name")?, ask(&pods, row, &models)?));
        }
        asks.sort_by_key(|(name, _)| *name);
        if servers.iter().all(|server| server.gpus.is_empty()) || asks.is_empty() {
            return Err("a simulation needs a GPU and a pod at least".to_owned());
        }
        Ok(Self {
            servers,
            asks: asks.into_iter().map(|(_, ask)| ask).collect(),
        })
    }
}

fn numbered(model: &str, models: &mut Vec<String>) -> Result<u8, String> {
    let at = match models.iter().position(|known| known == model) {
        Some(at) => at,
        None if models.len() < MOST_MODELS => {
            models.push(model.to_owned());
            models.len() - 1
        }
        None => return Err(format!("nodes have more than {MOST_MODELS} models of GPUs")),
    };
    u8::try_from(at).map_err(|_| format!("{model}: one model too many"))
}

fn ask(pods: &Table<'_>, row: &Line<'_>, models: &[String]) -> Result<Ask, String> {
    let count = pods.number(row, "num_gpu")?;
    let milli = pods.number(row, "gpu_milli")?;
    let gpus = match (count, milli) {
        (0, _) => Gpus::None,
        (1, 1..WHOLE) => Gpus::Share(milli),
        (count, WHOLE) => Gpus::Whole(count),
        (count, milli) => {
            let line = row.number;
            return Err(format!(
                "pods, line {line}: gpu_milli is {milli} of each of {count} GPUs; 1 to 999 of one, or 1000 of each, can be had"
            ));
        }
    };
    let wanted = pods.text(row, "gpu_spec")?;
    let is_wanted = |model: &String| wanted.split('|').any(|name| name == model);
    let bits = (0_u64..)
        .zip(models)
        .filter(|(_, model)| is_wanted(model))
        .fold(0, |bits, (at, _)| bits | 1 << at);
    Ok(Ask {
        milli_cores: pods.number(row, "cpu_milli")?,
        memory_mib: pods.number(row, "memory_mib")?,
        gpus,
        models: if wanted.is_empty() {
            Models::ANY
        } else {
            Models(bits)
        },
        ..Ask::default()
    })
}
