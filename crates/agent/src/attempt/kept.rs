//! What is left of attempts whose end is acknowledged: their logs, for people who look afterwards, and how they ended, so that
//! a late order for one of them finds it done instead of running it again. Only the newest are kept.

use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{fs, io};

use super::folder::Folder;
use super::life::Life;
use crate::files;
use crate::runtime::Job;

/// How many attempts are kept.
const MAX_KEPT: usize = 50;
/// What of an attempt's folder is kept.
const FILES: [&str; 4] = ["log", "log.1", "state.json", "assignment"];
/// The two files of a log.
const LOGS: [&str; 2] = ["log", "log.1"];

/// Past attempts of one node.
#[derive(Debug)]
pub(crate) struct Kept {
    root: PathBuf,
}

/// One past attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Past {
    pub(crate) workload: String,
    pub(crate) generation: u64,
    pub(crate) attempt: String,
    /// Where its log lies.
    pub(crate) folder: PathBuf,
}

impl Kept {
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self {
            root: data_dir.join("kept"),
        }
    }

    /// Keeps what shall stay of an attempt and removes the rest.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn keep(&self, job: &Job) -> io::Result<()> {
        let (assignment, root) = (&job.assignment, job.folder.root());
        if assignment.workload_id.is_empty() {
            return files::remove_folder(root);
        }
        files::private_folder(&self.root)?;
        gather_logs(&job.folder)?;
        let name = format!(
            "{}.{}.{}",
            assignment.workload_id,
            assignment.generation,
            job.id()
        );
        let folder = self.root.join(name);
        // In one step: whoever looks for the log finds it in one place or the other.
        fs::rename(root, &folder)?;
        remove_others(&folder)?;
        self.prune();
        Ok(())
    }

    /// Takes an attempt out again, as its end was, into `folder`; `None` when it is not kept.
    pub(crate) fn take_out(&self, attempt: &str, folder: &Folder) -> Option<Life> {
        let past = self
            .all()
            .into_iter()
            .find(|past| past.attempt == attempt)?;
        fs::rename(&past.folder, folder.root()).ok()?;
        let mut life: Life = files::read_json(&folder.state()).ok().flatten()?;
        // A new report of the same: the line carries each number once.
        life.sequence += 1;
        Some(life)
    }

    /// The past attempt of a workload with this generation.
    pub(crate) fn find(&self, workload: &str, generation: u64) -> Option<Past> {
        self.all()
            .into_iter()
            .find(|past| past.workload == workload && past.generation == generation)
    }

    /// The highest generation of a workload that ran here and is kept.
    pub(crate) fn highest_generation(&self, workload: &str) -> Option<u64> {
        self.all()
            .into_iter()
            .filter(|past| past.workload == workload)
            .map(|past| past.generation)
            .max()
    }

    fn all(&self) -> Vec<Past> {
        let entries = fs::read_dir(&self.root).into_iter().flatten().flatten();
        entries.filter_map(|entry| past(entry.path())).collect()
    }

    fn prune(&self) {
        let age = |past: &Past| {
            fs::metadata(&past.folder)
                .and_then(|data| data.modified())
                .unwrap_or(SystemTime::UNIX_EPOCH)
        };
        let mut all = self.all();
        all.sort_by_key(|past| std::cmp::Reverse(age(past)));
        for past in all.iter().skip(MAX_KEPT) {
            files::remove_folder(&past.folder).ok();
        }
    }
}

/// The log of a sandbox that was taken over lies in its folder, which goes.
fn gather_logs(folder: &Folder) -> io::Result<()> {
    for name in LOGS {
        match fs::rename(folder.taken().join(name), folder.root().join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}

fn remove_others(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if FILES.iter().any(|kept| entry.file_name() == *kept) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            files::remove_folder(&entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn past(folder: PathBuf) -> Option<Past> {
    let name = folder.file_name()?.to_str()?.to_owned();
    let mut parts = name.split('.');
    let (workload, generation, attempt) =
        (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
    Some(Past {
        workload: workload.to_owned(),
        generation,
        attempt: attempt.to_owned(),
        folder,
    })
}

#[cfg(test)]
mod tests {
    use contracts::agent::v1::Assignment;

    use super::*;
    use crate::attempt::life::Seen;
    use crate::moment::Moment;

    fn ended(data: &Path, generation: u64) -> Job {
        let id = format!("at-{generation}");
        let assignment = Assignment {
            attempt_id: id.clone(),
            workload_id: "wo-1".to_owned(),
            generation,
            ..Assignment::default()
        };
        let job = Job {
            folder: Folder::new(data, data, &id),
            assignment: assignment.into(),
        };
        job.folder.keep_assignment(&job.assignment).unwrap();
        let now = Moment {
            boot_id: "a".to_owned(),
            up_ms: 1,
            at_micros: 1,
        };
        let mut life = Life::begin(now.clone());
        life.take(Seen::Broken("no".to_owned()), now);
        life.acknowledged = life.sequence;
        files::write(&job.folder.state(), &serde_json::to_vec(&life).unwrap()).unwrap();
        fs::write(job.folder.log(), format!("log {generation}")).unwrap();
        fs::write(job.folder.token(), "secret").unwrap();
        job
    }

    #[test]
    fn logs_stay_and_the_rest_goes() {
        let data = tempfile::tempdir().unwrap();
        let kept = Kept::new(data.path());
        for generation in 1..=60 {
            let job = ended(data.path(), generation);
            kept.keep(&job).unwrap();
            assert!(!job.folder.root().exists());
        }
        assert_eq!(
            (kept.all().len(), kept.highest_generation("wo-1")),
            (MAX_KEPT, Some(60))
        );
        let past = kept.find("wo-1", 60).unwrap();
        assert_eq!(
            fs::read_to_string(past.folder.join("log")).unwrap(),
            "log 60"
        );
        assert!(!past.folder.join("token").exists());

        let folder = Folder::new(data.path(), data.path(), "at-60");
        let life = kept.take_out("at-60", &folder).unwrap();
        assert!(!life.is_settled() && folder.log().exists());
        assert_eq!(kept.find("wo-1", 60), None);
    }
}
