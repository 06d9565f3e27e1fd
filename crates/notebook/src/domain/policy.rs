//! Which idle policy counts for a notebook: the most specific one that there is.

use super::idle::Policy;

/// A notebook without activity is stopped after an hour where nobody says anything else.
pub(crate) const DEFAULT_SECONDS: u32 = 3_600;
/// Shortest time that a policy can set: what is shorter would stop what people only look away from.
pub(crate) const LEAST_SECONDS: u32 = 60;
/// Longest times that can be asked for: a month.
pub(crate) const MOST_SECONDS: u32 = 31 * 24 * 3_600;
/// Longest warning where none is set.
const DEFAULT_WARN_SECONDS: u32 = 300;

/// What a policy is about, the most specific first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Project,
    Team,
    MachineType,
}

/// What a policy is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scope {
    pub(crate) kind: Kind,
    /// Empty for machine types: they are all teams'.
    pub(crate) team_id: String,
    /// The project's identifier or the machine type's name; empty for a team.
    pub(crate) name: String,
}

/// What somebody set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Set {
    pub(crate) scope: Scope,
    /// 0 = never.
    pub(crate) timeout_seconds: u32,
    /// 0 = as usual.
    pub(crate) warn_seconds: u32,
}

/// A notebook, as far as policies are about it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) team_id: &'a str,
    pub(crate) project_id: &'a str,
    pub(crate) machine_type: &'a str,
    /// What it says itself; `None` = nothing.
    pub(crate) own_seconds: Option<u32>,
}

/// What is wrong with a policy: the field, and why.
pub(crate) fn check(timeout_seconds: u32, warn_seconds: u32) -> Result<(), (&'static str, String)> {
    let fine = timeout_seconds == 0 || (LEAST_SECONDS..=MOST_SECONDS).contains(&timeout_seconds);
    if !fine {
        let problem =
            format!("is {timeout_seconds}; use {LEAST_SECONDS} to {MOST_SECONDS}, or 0 for never");
        return Err(("timeout_seconds", problem));
    }
    if warn_seconds > 0 && warn_seconds >= timeout_seconds {
        let problem = format!(
            "is {warn_seconds}; it must be less than timeout_seconds, which is {timeout_seconds}"
        );
        return Err(("warn_seconds", problem));
    }
    Ok(())
}

/// The policy that counts for a notebook.
pub(crate) fn effective(all: &[Set], subject: Subject<'_>) -> Policy {
    let about = |set: &&Set| {
        let Scope {
            kind,
            team_id,
            name,
        } = &set.scope;
        match kind {
            Kind::Project => team_id == subject.team_id && name == subject.project_id,
            Kind::Team => team_id == subject.team_id,
            Kind::MachineType => name == subject.machine_type,
        }
    };
    let set = all.iter().filter(about).min_by_key(|set| set.scope.kind);
    let timeout_seconds = subject
        .own_seconds
        .or(set.map(|set| set.timeout_seconds))
        .unwrap_or(DEFAULT_SECONDS);
    let usual = (timeout_seconds / 10).clamp(1, DEFAULT_WARN_SECONDS);
    let warn_seconds = set
        .map(|set| set.warn_seconds)
        .filter(|warn| (1..timeout_seconds).contains(warn))
        .unwrap_or(usual);
    Policy {
        timeout_seconds,
        warn_seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(kind: Kind, team_id: &str, name: &str, timeout_seconds: u32) -> Set {
        Set {
            scope: Scope {
                kind,
                team_id: team_id.to_owned(),
                name: name.to_owned(),
            },
            timeout_seconds,
            warn_seconds: 0,
        }
    }

    #[test]
    fn the_most_specific_counts() {
        let mut all = vec![
            set(Kind::MachineType, "", "C3", 600),
            set(Kind::Team, "te-1", "", 1_200),
            set(Kind::Project, "te-1", "pr-1", 0),
            set(Kind::Project, "te-2", "pr-1", 999),
        ];
        let subject = Subject {
            team_id: "te-1",
            project_id: "pr-1",
            machine_type: "C3",
            own_seconds: None,
        };
        let timeout = |all: &[Set], subject| effective(all, subject).timeout_seconds;
        let own = Subject {
            own_seconds: Some(77),
            ..subject
        };
        assert_eq!(timeout(&all, own), 77);
        assert_eq!(timeout(&all, subject), 0);
        all.remove(2);
        assert_eq!(timeout(&all, subject), 1_200);
        all.remove(1);
        assert_eq!(timeout(&all, subject), 600);
        let other = Subject {
            machine_type: "C4",
            ..subject
        };
        assert_eq!(timeout(&all, other), DEFAULT_SECONDS);
    }

    #[test]
    fn a_warning_is_shorter_than_the_time_itself() {
        let warned = |timeout_seconds, warn_seconds| {
            let team = Set {
                warn_seconds,
                ..set(Kind::Team, "te-1", "", timeout_seconds)
            };
            let subject = Subject {
                team_id: "te-1",
                project_id: "",
                machine_type: "",
                own_seconds: None,
            };
            effective(&[team], subject).warn_seconds
        };
        assert_eq!(warned(3_600, 0), 300);
        assert_eq!(warned(600, 0), 60);
        assert_eq!(warned(600, 599), 599);
        assert_eq!(warned(600, 600), 60);
        assert_eq!(warned(5, 0), 1);
    }

    #[test]
    fn bounds_are_named() {
        for fine in [(0, 0), (60, 0), (60, 59), (MOST_SECONDS, 300)] {
            check(fine.0, fine.1).unwrap();
        }
        for (timeout, warn, field) in [
            (59, 0, "timeout_seconds"),
            (MOST_SECONDS + 1, 0, "timeout_seconds"),
            (60, 60, "warn_seconds"),
            (0, 1, "warn_seconds"),
        ] {
            assert_eq!(check(timeout, warn).unwrap_err().0, field);
        }
    }
}
