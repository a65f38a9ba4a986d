//! Who holds a lease: in words for people, and so that one that was killed on this machine is known to be dead.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

/// Somebody who holds a lease, or wants to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// An id that nobody else has.
    pub(super) owner: String,
    /// Who that is, for people: `ann@laptop (pid 12, hitctl deploy)`.
    pub(super) who: String,
    /// Where the process can be looked up; `None` where that cannot be told for sure.
    pub(super) process: Option<Process>,
}

/// A process, so that no other can be taken for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Process {
    /// The boot of the machine, and the namespace that gives out the ids.
    pub(super) machine: String,
    /// Its id there.
    pub(super) pid: u64,
    /// When it was started, in the machine's own count: ids are given out again.
    pub(super) started: u64,
}

/// The leases that this process holds.
static OWN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

impl Holder {
    /// This run of the program, with the environment that it has.
    pub fn of(env: &BTreeMap<String, String>, command: &str) -> Self {
        let of =
            |names: &[&str]| names.iter().find_map(|name| env.get(*name).filter(|value| !value.is_empty()));
        let user = of(&["GITHUB_ACTOR", "GITLAB_USER_LOGIN", "USER", "LOGNAME", "USERNAME"]);
        let host = of(&["HOSTNAME", "COMPUTERNAME"]).cloned().or_else(|| {
            let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
            Some(name.trim().to_owned()).filter(|name| !name.is_empty())
        });
        let run = of(&["GITHUB_RUN_ID", "CI_JOB_ID", "BUILD_ID"]);
        let run = run.map(|run| format!(", CI run {run}")).unwrap_or_default();
        let user = user.map_or("somebody", String::as_str);
        let host = host.as_deref().unwrap_or("some machine");
        let pid = std::process::id();
        Self {
            owner: unique(),
            who: format!("{user}@{host} (pid {pid}, hitctl {command}{run})"),
            process: Process::own(),
        }
    }

    /// Notes that it holds a lease now.
    pub(super) fn holds(&self) {
        OWN.lock().unwrap_or_else(PoisonError::into_inner).insert(self.owner.clone());
    }

    /// Notes that it does no longer.
    pub(super) fn lets_go(&self) {
        OWN.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.owner);
    }

    /// Whether it is known for sure that it has ended without letting go.
    pub(super) fn is_dead(&self) -> bool {
        let Some((process, own)) = self.process.as_ref().zip(Process::own()) else { return false };
        if process.machine != own.machine {
            return false;
        }
        if *process == own {
            return !OWN.lock().unwrap_or_else(PoisonError::into_inner).contains(&self.owner);
        }
        started(&process.pid.to_string()) != Some(process.started)
    }
}

impl Process {
    /// This process; `None` where the system does not tell enough to know one machine from another.
    fn own() -> Option<Self> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let space = std::fs::read_link("/proc/self/ns/pid").ok()?;
        Some(Self {
            machine: format!("{} {}", boot.trim(), space.display()),
            pid: u64::from(std::process::id()),
            started: started("self")?,
        })
    }
}

/// When a process was started; `None` when there is none, or when it is only waited for.
fn started(pid: &str) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in parentheses, may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

/// Random enough never to come again: the system seeds each hasher.
pub fn unique() -> String {
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
    fn says_who_it_is() {
        let pid = std::process::id();
        let ann = Holder::of(&env(&[("USER", "ann"), ("HOSTNAME", "laptop")]), "deploy");
        assert_eq!(ann.who, format!("ann@laptop (pid {pid}, hitctl deploy)"));
        let ci =
            env(&[("USER", "runner"), ("GITHUB_ACTOR", "bob"), ("GITHUB_RUN_ID", "77"), ("HOSTNAME", "vm")]);
        assert_eq!(Holder::of(&ci, "destroy").who, format!("bob@vm (pid {pid}, hitctl destroy, CI run 77)"));
        assert_ne!(ann.owner, Holder::of(&ci, "destroy").owner);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn knows_the_dead() {
        let own = Holder::of(&BTreeMap::new(), "deploy");
        own.holds();
        assert!(!own.is_dead());
        own.lets_go();
        assert!(own.is_dead(), "it has let go, or has failed to");
        let mut child =
            std::process::Command::new("cat").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let pid = u64::from(child.id());
        let process = Process { pid, started: started(&pid.to_string()).unwrap(), ..Process::own().unwrap() };
        let other = Holder { process: Some(process.clone()), ..own.clone() };
        assert!(!other.is_dead());
        let elsewhere = Process { machine: "another".to_owned(), ..process.clone() };
        let reused = Process { started: process.started + 1, ..process };
        assert!(Holder { process: Some(reused), ..own.clone() }.is_dead(), "another one has its id now");
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(other.is_dead());
        assert!(!Holder { process: Some(elsewhere), ..own.clone() }.is_dead(), "who can tell");
        assert!(!Holder { process: None, ..own }.is_dead());
    }
}
