//! The scheduler as billing sees it: a list of attempts in the order of their last change.

use chassis::grpc::{Caller, retry};
use chassis::{Error, Result};
use contracts::from_wire_time;
use contracts::scheduler::v1 as wire;
use contracts::scheduler::v1::scheduler_service_client::SchedulerServiceClient;
use kernel::id::ParseIdError;

use crate::domain::usage::{Input, Sighting};

/// Attempts asked for at once; with reasons of ordinary length far below the largest message.
const PAGE: u32 = 500;
/// Most characters of a text that billing keeps of an attempt.
const LONGEST: usize = 200;

/// A client of the scheduler.
#[derive(Clone, Debug)]
pub(crate) struct Scheduler(SchedulerServiceClient<Caller>);

impl Scheduler {
    /// Calls through `caller`.
    pub(crate) fn new(caller: Caller) -> Self {
        Self(SchedulerServiceClient::new(caller))
    }

    /// The attempts that changed after `after_change`.
    ///
    /// # Errors
    /// What the scheduler says, and an answer that has more but does not move on.
    pub(crate) async fn page(&self, after_change: u64) -> Result<wire::ListAttemptsResponse> {
        let page = retry(|| {
            let mut client = self.0.clone();
            let request = wire::ListAttemptsRequest {
                after_change,
                limit: PAGE,
            };
            async move { Ok(client.list_attempts(request).await?.into_inner()) }
        })
        .await?;
        if page.has_more && page.last_change <= after_change {
            let problem = format!(
                "there is more after change {after_change}, but the answer ends with {}",
                page.last_change
            );
            return Err(Error::internal("listing attempts", problem));
        }
        Ok(page)
    }
}

/// Reads what the scheduler says about an attempt.
///
/// # Errors
/// [`Error::Invalid`] naming the field.
pub(crate) fn read_attempt(attempt: wire::Attempt) -> Result<Sighting> {
    let wrong_id =
        |field: &'static str| move |error: ParseIdError| Error::invalid(field, error.to_string());
    let bounded = |field: &'static str, text: String| match text.chars().count() {
        0..=LONGEST => Ok(text),
        length => Err(Error::invalid(
            field,
            format!("has {length} characters; at most {LONGEST} are allowed"),
        )),
    };
    let time = |field: &'static str, time: Option<_>| {
        time.map(|time| from_wire_time(field, time)).transpose()
    };
    Ok(Sighting {
        input: Input {
            attempt: attempt.id.parse().map_err(wrong_id("id"))?,
            revision: attempt.revision,
            team: attempt.team_id.parse().map_err(wrong_id("team_id"))?,
            project: bounded("project_id", attempt.project_id)?,
            owner: bounded("owner_id", attempt.owner_id)?,
            machine_type: bounded("machine_type", attempt.machine_type)?,
            billable_from: time("billable_from", attempt.billable_from)?,
            billable_until: time("billable_until", attempt.billable_until)?,
        },
        confirmed_until: time("confirmed_until", attempt.confirmed_until)?,
        unreachable_since: time("unreachable_since", attempt.unreachable_since)?,
    })
}

#[cfg(test)]
mod tests {
    use kernel::id::{AttemptId, TeamId};

    use super::*;

    #[test]
    fn what_cannot_be_read_is_named() {
        let attempt = || wire::Attempt {
            id: AttemptId::generate().to_string(),
            team_id: TeamId::generate().to_string(),
            ..wire::Attempt::default()
        };
        assert!(read_attempt(attempt()).is_ok());
        let mut long_ago = contracts::to_wire_time(chrono::DateTime::UNIX_EPOCH);
        long_ago.seconds = -1;
        let cases = [
            (
                wire::Attempt {
                    id: "nb-1".to_owned(),
                    ..attempt()
                },
                "id: \"nb-1\" is not",
            ),
            (
                wire::Attempt {
                    team_id: String::new(),
                    ..attempt()
                },
                "team_id: ",
            ),
            (
                wire::Attempt {
                    owner_id: "x".repeat(201),
                    ..attempt()
                },
                "owner_id: has 201 characters",
            ),
            (
                wire::Attempt {
                    billable_until: Some(long_ago),
                    ..attempt()
                },
                "billable_until: is not a time",
            ),
        ];
        for (attempt, expected) in cases {
            let error = read_attempt(attempt).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
