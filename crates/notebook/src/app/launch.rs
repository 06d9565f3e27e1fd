//! What a start of a notebook asks of the scheduler.

use chassis::{Error, Result};
use contracts::scheduler::v1::{OnSilence, SubmitWorkloadRequest, WorkloadSpec};
use contracts::volume::v1::VolumeState;

use super::loss::lost;
use super::{App, unsigned_32};
use crate::store::entity::Model;

/// How often a start is tried again after a fault of the platform.
const RETRIES: u32 = 2;
/// `JupyterLab` on the socket and with the token that the agent gives it. Everything else of its configuration is the user's,
/// in the notebook's own files. The extension manager only shows: what it would install goes beside an environment that belongs to
/// all and where `JupyterLab` does not look; for that it would load an HTTP client and all certificates at every start.
const COMMAND: &str = "JUPYTER_TOKEN=\"$QUIRE_HTTP_TOKEN\" exec jupyter lab --no-browser \
    --ServerApp.sock=\"$QUIRE_HTTP_SOCKET\" --ServerApp.root_dir=\"$HOME\" --ServerApp.base_url=/ \
    --ServerApp.port_retries=0 --ServerApp.allow_remote_access=True --ServerApp.trust_xheaders=True \
    --LabApp.extension_manager=readonly";

/// The shorter of two limits, where 0 is none.
pub(super) fn shorter(one: u32, other: u32) -> u32 {
    match (one, other) {
        (0, limit) | (limit, 0) => limit,
        (one, other) => one.min(other),
    }
}

impl App {
    /// The workload of a notebook's newest start.
    pub(super) async fn launch(&self, row: &Model) -> Result<SubmitWorkloadRequest> {
        // None needs the answer of another, and somebody waits for all of them.
        let (types, environment, volume) = tokio::join!(
            self.machine_types(),
            self.environment_of(row),
            self.claim_volume(row)
        );
        // Whether a node could host it now was asked with the wish; the scheduler knows what became of the nodes since.
        let machine = types?
            .into_iter()
            .find(|machine| machine.name == row.machine_type)
            .ok_or_else(|| Error::not_found("machine type", &row.machine_type))?;
        let (environment, volume) = (environment?, volume?);
        if volume.state() == VolumeState::Lost {
            return Err(Error::Precondition(lost(&volume.reason)));
        }
        let asked = unsigned_32(row.shutdown_timeout_seconds);
        let spec = WorkloadSpec {
            kind: "notebook".to_owned(),
            machine_type: machine.name,
            resources: machine.resources,
            environment: environment.name,
            environment_digest: environment.digest,
            environment_lock: environment.lock,
            command: ["sh", "-c", COMMAND].map(str::to_owned).to_vec(),
            volume_id: row.volume_id.clone(),
            node_id: volume.node_id,
            ready_path: "/api/status".to_owned(),
            max_duration_seconds: shorter(machine.max_duration_seconds, asked),
            on_silence: OnSilence::Keep.into(),
            retries: RETRIES,
            ..WorkloadSpec::default()
        };
        Ok(SubmitWorkloadRequest {
            team_id: row.team_id.clone(),
            project_id: row.project_id.clone(),
            user_id: row.user_id.clone(),
            owner_id: row.id.clone(),
            request_id: format!("{}/{}", row.id, row.start_number),
            spec: Some(spec),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_is_not_the_shortest() {
        assert_eq!(shorter(0, 0), 0);
        assert_eq!(shorter(0, 60), 60);
        assert_eq!(shorter(60, 0), 60);
        assert_eq!(shorter(60, 30), 30);
    }
}
