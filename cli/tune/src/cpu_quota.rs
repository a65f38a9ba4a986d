//! The CPU that Lambda gives to a memory size, set by a cgroup: 1,769 MB have one vCPU, less has less in proportion (Lambda's
//! documentation, "Configure Lambda function memory"). That takes root, or a group that was delegated to the user; where neither
//! is there it is said, and nothing is measured as if.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io};

use rustix::process::{Pid, Signal, kill_process};

use super::process_tag::{self, Mark};

/// The memory that has one vCPU, in MB.
pub(super) const MB_A_VCPU: f64 = 1_769.0;
/// How often the CPU time of a group is given out anew, in microseconds.
const PERIOD_US: u32 = 20_000;
/// The kernel gives no group less than that in a period.
const LEAST_US: u32 = 1_000;
/// How long a group that is not empty yet is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many vCPUs a memory size has.
pub fn vcpus(memory_mb: u32) -> f64 {
    f64::from(memory_mb) / MB_A_VCPU
}

/// The CPU time in each period, in microseconds.
fn quota_us(memory_mb: u32) -> u32 {
    let us = (f64::from(PERIOD_US) * vcpus(memory_mb)).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 6 periods")]
    let us = us as u32;
    us.max(LEAST_US)
}

/// How the kernel takes limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    /// One hierarchy a controller: `cpu.cfs_quota_us`.
    V1,
    /// One hierarchy: `cpu.max`.
    V2,
}

/// Where groups can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shares {
    parent: PathBuf,
    version: Version,
}

impl Shares {
    /// Finds where this process may make groups with a share of the CPU; else why it may not. Removes what killed runs left
    /// there.
    pub fn find() -> Result<Self, String> {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let mut why = "this system has no cgroup for the CPU".to_owned();
        for shares in candidates(&read("/proc/mounts"), &read("/proc/self/cgroup")) {
            shares.sweep();
            match shares.probe() {
                Ok(()) => return Ok(shares),
                Err(error) => why = format!("{}: {error}", shares.parent.display()),
            }
        }
        Err(why)
    }

    /// The group of a memory size. Nothing runs in it yet.
    pub fn of(&self, memory_mb: u32) -> io::Result<Share> {
        /// Tells the groups of this process apart.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = self.parent.join(format!("{}-{number}", Mark::own().name()));
        fs::create_dir(&dir)?;
        let share = Share { dir };
        let quota = quota_us(memory_mb).to_string();
        let period = PERIOD_US.to_string();
        match self.version {
            Version::V1 => {
                share.write("cpu.cfs_period_us", &period)?;
                share.write("cpu.cfs_quota_us", &quota)?;
            }
            Version::V2 => share.write("cpu.max", &format!("{quota} {period}"))?,
        }
        Ok(share)
    }

    /// Tries it out, with a process that waits for nothing.
    fn probe(&self) -> io::Result<()> {
        let share = self.of(128)?;
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", "read -r _"])
            .stdin(std::process::Stdio::piped())
            .spawn()?;
        let added = share.add(child.id());
        drop(child.stdin.take());
        child.wait()?;
        added
    }

    /// Removes the groups of processes that are no more, with what still runs in them.
    fn sweep(&self) {
        for dir in process_tag::left_in(&self.parent) {
            drop(Share { dir });
        }
    }
}

/// A group with a share of the CPU. It goes, with what runs in it, when this is dropped.
#[derive(Debug)]
pub struct Share {
    dir: PathBuf,
}

impl Share {
    /// Moves a process into it.
    pub fn add(&self, pid: u32) -> io::Result<()> {
        self.write("cgroup.procs", &pid.to_string())
    }

    /// Writes to a file that the kernel has made.
    fn write(&self, file: &str, text: &str) -> io::Result<()> {
        use std::io::Write as _;
        fs::OpenOptions::new().write(true).open(self.dir.join(file))?.write_all(text.as_bytes())
    }

    fn kill(&self) {
        let pids = fs::read_to_string(self.dir.join("cgroup.procs")).unwrap_or_default();
        for pid in pids.lines().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
            // It may have gone by itself in between.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

impl Drop for Share {
    /// Usually it is empty. What was killed here takes a moment to go, and sends no word: it is nobody's child any more.
    fn drop(&mut self) {
        let begun = Instant::now();
        while let Err(error) = fs::remove_dir(&self.dir) {
            let is_busy = error.kind() == io::ErrorKind::ResourceBusy;
            if !is_busy || begun.elapsed() > PATIENCE {
                // The next run finds it by its name.
                return;
            }
            self.kill();
            std::thread::yield_now();
        }
    }
}

/// Where groups might be made, the nearest first: the mounts and this process's own groups, as `/proc` has them.
fn candidates(mounts: &str, own: &str) -> Vec<Shares> {
    let group = |controller: &str| {
        own.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let names = parts.next()?;
            let path = parts.next()?;
            (names == controller || names.split(',').any(|name| name == controller)).then_some(path)
        })
    };
    let mut found = Vec::new();
    for mount in mounts.lines() {
        let fields: Vec<&str> = mount.split(' ').collect();
        let [_, at, kind, options, ..] = fields[..] else { continue };
        let at = Path::new(at);
        let below = |path: Option<&str>| at.join(path.unwrap_or("/").trim_start_matches('/'));
        match kind {
            "cgroup2" => {
                let own = below(group(""));
                let parents = own.ancestors().take_while(|dir| dir.starts_with(at));
                // A group gives shares to those below it only where the controller is on.
                let gives = |dir: &&Path| {
                    let on = fs::read_to_string(dir.join("cgroup.subtree_control")).unwrap_or_default();
                    on.split_whitespace().any(|name| name == "cpu")
                };
                found.extend(
                    parents.filter(gives).map(|dir| Shares { parent: dir.to_owned(), version: Version::V2 }),
                );
            }
            "cgroup" if options.split(',').any(|option| option == "cpu") => {
                let mut parents = vec![below(group("cpu")), at.to_owned()];
                parents.dedup();
                // In a container, the own group may be named as the machine outside sees it.
                let there = parents.into_iter().filter(|dir| dir.is_dir());
                found.extend(there.map(|parent| Shares { parent, version: Version::V1 }));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_its_share() {
        let seen: Vec<_> = [128, 512, 1769, 3538, 1].map(quota_us).to_vec();
        assert_eq!(seen, [1_447, 5_789, 20_000, 40_000, 1_000]);
        assert!((vcpus(1769) - 1.0).abs() < 1e-9);
    }

    /// A tree that looks like the kernel's, as far as it is read.
    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let user = dir.path().join("user.slice/app.slice/run.scope");
        fs::create_dir_all(&user).unwrap();
        fs::write(dir.path().join("cgroup.subtree_control"), "cpu memory\n").unwrap();
        fs::write(dir.path().join("user.slice/cgroup.subtree_control"), "memory\n").unwrap();
        fs::write(dir.path().join("user.slice/app.slice/cgroup.subtree_control"), "cpu pids\n").unwrap();
        fs::write(user.join("cgroup.subtree_control"), "\n").unwrap();
        dir
    }

    #[test]
    fn the_nearest_group_that_gives_shares_comes_first() {
        let dir = tree();
        let at = dir.path().display();
        let mounts = format!("proc /proc proc rw 0 0\ncgroup2 {at} cgroup2 rw,nosuid 0 0\n");
        let found = candidates(&mounts, "0::/user.slice/app.slice/run.scope\n");
        let parents: Vec<_> = found.iter().map(|shares| shares.parent.clone()).collect();
        assert_eq!(parents, [dir.path().join("user.slice/app.slice"), dir.path().to_path_buf()]);
        assert!(found.iter().all(|shares| shares.version == Version::V2));

        let mounts = format!("cgroup {at} cgroup rw,cpu,cpuacct 0 0\ncgroup /none cgroup rw,memory 0 0\n");
        let found = candidates(&mounts, "4:memory:/x\n3:cpu,cpuacct:/user.slice\n1:name=systemd:/\n");
        let parents: Vec<_> = found.iter().map(|shares| shares.parent.clone()).collect();
        assert_eq!(parents, [dir.path().join("user.slice"), dir.path().to_path_buf()]);
        assert_eq!(candidates("", ""), []);
        assert_eq!(candidates("cgroup2\n", ":\n"), []);
    }

    #[test]
    fn a_group_that_cannot_be_limited_is_none_and_is_gone() {
        let dir = tree();
        // Only a kernel puts the files of a group into it.
        for version in [Version::V1, Version::V2] {
            let shares = Shares { parent: dir.path().join("user.slice"), version };
            assert_eq!(shares.of(128).unwrap_err().kind(), io::ErrorKind::NotFound);
            assert!(shares.probe().is_err());
        }
        assert_eq!(process_tag::left_in(dir.path()), Vec::<PathBuf>::new());
        let names: Vec<_> = fs::read_dir(dir.path().join("user.slice")).unwrap().flatten().collect();
        assert_eq!(names.len(), 2, "{names:?}");
    }

    /// Where this machine lets us: a process is moved, and the group goes with it, also after a kill.
    #[test]
    fn what_runs_in_a_group_goes_with_it() {
        let Ok(shares) = Shares::find() else {
            // Said by the command too, and measured without: see the tests of the command line.
            assert!(Shares::find().unwrap_err().len() > 10);
            return;
        };
        let share = shares.of(256).unwrap();
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        share.add(child.id()).unwrap();
        let procs = fs::read_to_string(share.dir.join("cgroup.procs")).unwrap();
        assert_eq!(procs.trim(), child.id().to_string());
        // A killed run's: nobody has ended what runs in it. Below our own, where nobody else looks.
        let left = share.dir.join(format!("hitctl-tune-{}-1-0", u32::MAX));
        fs::create_dir(&left).unwrap();
        std::mem::ManuallyDrop::new(Share { dir: left.clone() }).add(child.id()).unwrap();
        let reaper = std::thread::spawn(move || child.wait().unwrap());
        Shares { parent: share.dir.clone(), ..shares }.sweep();
        assert!(!left.exists(), "found by its name and removed");
        assert!(!reaper.join().unwrap().success());
        let dir = share.dir.clone();
        drop(share);
        assert!(!dir.exists());
    }
}
