//! The holder of a lease: a description for people, and the process ID, by which a holder that was killed on
//! this machine is detected.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use hitctl_platform::{ProcessState, process_state};

/// A run of the program that holds a lease or requests one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaseHolder {
    /// The ID of the run; unique.
    pub(super) owner: String,
    /// A description for people: `ann@laptop (pid 12, hitctl deploy)`.
    pub(super) description: String,
    /// The process of the run. `None` on systems where it cannot be identified reliably.
    pub(super) process: Option<ProcessIdentity>,
}

/// A process, identified unambiguously.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProcessIdentity {
    /// The boot ID of the machine and the PID namespace.
    pub(super) machine: String,
    /// The process ID in that namespace.
    pub(super) pid: u64,
    /// The start time of the process in clock ticks since boot. Process IDs are reused.
    pub(super) start_time: u64,
}

/// The owner IDs of the leases that this process holds.
static HELD_LEASES: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

impl LeaseHolder {
    /// Returns the holder for this run of the program, described by the environment variables and the
    /// command.
    pub fn new(env: &BTreeMap<String, String>, command: &str) -> Self {
        let (user, run) = (user_and_machine(env), ci_run(env).map(|run| format!(", {run}")));
        let run = run.unwrap_or_default();
        let pid = std::process::id();
        Self {
            owner: unique_id(),
            description: format!("{user} (pid {pid}, hitctl {command}{run})"),
            process: ProcessIdentity::current(),
        }
    }

    /// Records that this run holds a lease.
    pub(super) fn record_held(&self) {
        HELD_LEASES.lock().unwrap_or_else(PoisonError::into_inner).insert(self.owner.clone());
    }

    /// Records that this run no longer holds a lease.
    pub(super) fn record_released(&self) {
        HELD_LEASES.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.owner);
    }

    /// Whether the run has certainly ended without releasing the lease.
    pub(super) fn is_dead(&self) -> bool {
        let Some((process, current)) = self.process.as_ref().zip(ProcessIdentity::current()) else {
            return false;
        };
        if process.machine != current.machine {
            return false;
        }
        // A run in this process has ended if its lease is no longer recorded.
        if *process == current {
            return !HELD_LEASES.lock().unwrap_or_else(PoisonError::into_inner).contains(&self.owner);
        }
        start_time(process.pid) != Some(process.start_time)
    }
}

impl ProcessIdentity {
    /// Returns this process. `None` on systems that do not identify machines reliably.
    fn current() -> Option<Self> {
        let pid = u64::from(std::process::id());
        Some(Self { machine: hitctl_platform::boot_id()?, pid, start_time: start_time(pid)? })
    }
}

/// Returns the start time of a process in clock ticks since boot. `None` if the process has ended.
fn start_time(pid: u64) -> Option<u64> {
    match process_state(u32::try_from(pid).ok()?) {
        ProcessState::Running { start_time, .. } => start_time,
        ProcessState::Ended | ProcessState::Unknown => None,
    }
}

/// Describes the user of this run: `ann@laptop`, or in CI `ann@runner (CI run 77)`.
pub(crate) fn describe_user(env: &BTreeMap<String, String>) -> String {
    let run = ci_run(env).map(|run| format!(" ({run})")).unwrap_or_default();
    format!("{}{run}", user_and_machine(env))
}

fn user_and_machine(env: &BTreeMap<String, String>) -> String {
    let user = first_set(env, &["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "USER", "LOGNAME", "USERNAME"]);
    let host =
        first_set(env, &["HOSTNAME", "COMPUTERNAME"]).map(str::to_owned).or_else(hitctl_platform::host_name);
    let host = host.as_deref().unwrap_or("unknown host");
    user.map_or(host.to_owned(), |user| format!("{user}@{host}"))
}

fn ci_run(env: &BTreeMap<String, String>) -> Option<String> {
    first_set(env, &["GITHUB_RUN_ID", "CI_JOB_ID", "BUILD_ID"]).map(|run| format!("CI run {run}"))
}

/// Returns the first of these environment variables that is not empty.
fn first_set<'a>(env: &'a BTreeMap<String, String>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| env.get(*name).filter(|value| !value.is_empty())).map(String::as_str)
}

/// Returns a random ID of 32 hex digits. The standard library gives each hasher random keys.
pub fn unique_id() -> String {
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn holder_description_names_user_host_and_command() {
        let pid = std::process::id();
        let holder = LeaseHolder::new(&env(&[("USER", "ann"), ("HOSTNAME", "laptop")]), "deploy");
        assert_eq!(holder.description, format!("ann@laptop (pid {pid}, hitctl deploy)"));
        let ci =
            env(&[("USER", "runner"), ("GITHUB_ACTOR", "bob"), ("GITHUB_RUN_ID", "77"), ("HOSTNAME", "vm")]);
        assert_eq!(
            LeaseHolder::new(&ci, "destroy").description,
            format!("bob@vm (pid {pid}, hitctl destroy, CI run 77)")
        );
        assert_eq!(describe_user(&ci), "bob@vm (CI run 77)");
        assert_ne!(holder.owner, LeaseHolder::new(&ci, "destroy").owner);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn holder_is_dead_after_its_process_ended() {
        let own = LeaseHolder::new(&BTreeMap::new(), "deploy");
        own.record_held();
        assert!(!own.is_dead());
        own.record_released();
        assert!(own.is_dead(), "the lease was released");
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pid = u64::from(child.id());
        let process = ProcessIdentity {
            pid,
            start_time: start_time(pid).unwrap(),
            ..ProcessIdentity::current().unwrap()
        };
        let other = LeaseHolder { process: Some(process.clone()), ..own.clone() };
        assert!(!other.is_dead());
        let other_machine = ProcessIdentity { machine: "another".to_owned(), ..process.clone() };
        let reused_pid = ProcessIdentity { start_time: process.start_time + 1, ..process };
        assert!(
            LeaseHolder { process: Some(reused_pid), ..own.clone() }.is_dead(),
            "another process has the ID now"
        );
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(other.is_dead());
        assert!(
            !LeaseHolder { process: Some(other_machine), ..own.clone() }.is_dead(),
            "a process on another machine cannot be checked"
        );
        assert!(!LeaseHolder { process: None, ..own }.is_dead());
    }
}
