//! Limits the CPU of a process with a cgroup as Lambda does for a memory size: 1,769 MB have one vCPU, other sizes in
//! proportion (Lambda's documentation, "Configure Lambda function memory"). This needs root, or a cgroup that is
//! delegated to the user. Otherwise [`CpuGroups::find`] returns an error, and the function can only be measured without
//! a limit.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io};

use super::process_tag::{self, ProcessTag};

/// The memory size with one vCPU, in MB.
pub(super) const MB_PER_VCPU: f64 = 1_769.0;
/// The period of the CPU quota, in microseconds.
const PERIOD_US: u32 = 20_000;
/// The kernel's minimum quota in a period, in microseconds.
const MIN_QUOTA_US: u32 = 1_000;
/// The time that the removal of a group waits for its processes to end.
const REMOVAL_TIMEOUT: Duration = Duration::from_secs(2);

/// Returns the number of vCPUs of a memory size.
pub fn vcpus(memory_mb: u32) -> f64 {
    f64::from(memory_mb) / MB_PER_VCPU
}

/// Returns the CPU quota of a memory size in each period, in microseconds.
fn quota_us(memory_mb: u32) -> u32 {
    let quota_us = (f64::from(PERIOD_US) * vcpus(memory_mb)).round();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at most 6 periods")]
    let quota_us = quota_us as u32;
    quota_us.max(MIN_QUOTA_US)
}

/// The version of the kernel's cgroup interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CgroupVersion {
    /// One hierarchy per controller; the quota is in `cpu.cfs_quota_us`.
    V1,
    /// One hierarchy for all controllers; the quota is in `cpu.max`.
    V2,
}

/// A cgroup in which this process can create groups with a CPU quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuGroups {
    parent: PathBuf,
    version: CgroupVersion,
}

impl CpuGroups {
    /// Finds a cgroup in which this process may create groups with a CPU quota, and removes the groups that killed runs
    /// left there. The error is the reason why there is no such cgroup.
    pub fn find() -> Result<Self, String> {
        let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
        let mut error_message = "this system has no cgroup with a CPU controller".to_owned();
        for groups in candidates(&read("/proc/mounts"), &read("/proc/self/cgroup")) {
            groups.remove_stale();
            match groups.probe() {
                Ok(()) => return Ok(groups),
                Err(error) => error_message = format!("{}: {error}", groups.parent.display()),
            }
        }
        Err(error_message)
    }

    /// Creates an empty group with the CPU quota of a memory size.
    pub fn create(&self, memory_mb: u32) -> io::Result<CpuGroup> {
        /// The number of the next group, which makes its name unique in this process.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = self.parent.join(format!("{}-{number}", ProcessTag::current().name()));
        fs::create_dir(&dir)?;
        let group = CpuGroup { dir };
        let quota = quota_us(memory_mb).to_string();
        let period = PERIOD_US.to_string();
        match self.version {
            CgroupVersion::V1 => {
                group.write("cpu.cfs_period_us", &period)?;
                group.write("cpu.cfs_quota_us", &quota)?;
            }
            CgroupVersion::V2 => group.write("cpu.max", &format!("{quota} {period}"))?,
        }
        Ok(group)
    }

    /// Checks that a group can be created and a process moved into it.
    fn probe(&self) -> io::Result<()> {
        // Any memory size will do.
        let group = self.create(128)?;
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", "read -r _"])
            .stdin(std::process::Stdio::piped())
            .spawn()?;
        let added = group.add(child.id());
        drop(child.stdin.take());
        child.wait()?;
        added
    }

    /// Removes the groups of ended processes, and kills the processes in them.
    fn remove_stale(&self) {
        for dir in process_tag::stale_entries(&self.parent) {
            drop(CpuGroup { dir });
        }
    }
}

/// A cgroup with a CPU quota. It is removed, and its processes are killed, when this value is dropped.
#[derive(Debug)]
pub struct CpuGroup {
    dir: PathBuf,
}

impl CpuGroup {
    /// Moves a process into the group.
    pub fn add(&self, pid: u32) -> io::Result<()> {
        self.write("cgroup.procs", &pid.to_string())
    }

    /// Writes to a control file, which the kernel has created.
    fn write(&self, file: &str, value: &str) -> io::Result<()> {
        use std::io::Write as _;
        fs::OpenOptions::new().write(true).open(self.dir.join(file))?.write_all(value.as_bytes())
    }

    fn kill(&self) {
        let pids = fs::read_to_string(self.dir.join("cgroup.procs")).unwrap_or_default();
        pids.lines().filter_map(|pid| pid.parse().ok()).for_each(hitctl_platform::kill);
    }
}

impl Drop for CpuGroup {
    /// Removes the group. It is usually empty. A killed process takes a moment to end and cannot be awaited, because it is not a
    /// child of this process, so the removal is retried.
    fn drop(&mut self) {
        let started = Instant::now();
        while let Err(error) = fs::remove_dir(&self.dir) {
            let is_busy = error.kind() == io::ErrorKind::ResourceBusy;
            if !is_busy || started.elapsed() > REMOVAL_TIMEOUT {
                // The next run finds the group by its name.
                return;
            }
            self.kill();
            std::thread::yield_now();
        }
    }
}

/// Returns the cgroups in which groups might be created, the innermost first. `mounts` and `own_groups` are the
/// contents of `/proc/mounts` and `/proc/self/cgroup`.
fn candidates(mounts: &str, own_groups: &str) -> Vec<CpuGroups> {
    let group_path = |controller: &str| {
        own_groups.lines().find_map(|line| {
            let mut parts = line.splitn(3, ':').skip(1);
            let names = parts.next()?;
            let path = parts.next()?;
            (names == controller || names.split(',').any(|name| name == controller)).then_some(path)
        })
    };
    let mut found = Vec::new();
    for mount in mounts.lines() {
        let fields: Vec<&str> = mount.split(' ').collect();
        let [_, mount_point, kind, options, ..] = fields[..] else { continue };
        let mount_point = Path::new(mount_point);
        let group_dir = |path: Option<&str>| mount_point.join(path.unwrap_or("/").trim_start_matches('/'));
        match kind {
            "cgroup2" => {
                // In version 2, the entry of `/proc/self/cgroup` lists no controllers.
                let own_group = group_dir(group_path(""));
                let parents = own_group.ancestors().take_while(|dir| dir.starts_with(mount_point));
                // The children of a group can have a quota only if the group enables the controller for them.
                let enables_cpu = |dir: &&Path| {
                    let enabled = fs::read_to_string(dir.join("cgroup.subtree_control")).unwrap_or_default();
                    enabled.split_whitespace().any(|name| name == "cpu")
                };
                found.extend(
                    parents
                        .filter(enables_cpu)
                        .map(|dir| CpuGroups { parent: dir.to_owned(), version: CgroupVersion::V2 }),
                );
            }
            "cgroup" if options.split(',').any(|option| option == "cpu") => {
                let mut parents = vec![group_dir(group_path("cpu")), mount_point.to_owned()];
                parents.dedup();
                // In a container, the path of the own group may be that on the host, which does not exist here.
                let existing = parents.into_iter().filter(|dir| dir.is_dir());
                found.extend(existing.map(|parent| CpuGroups { parent, version: CgroupVersion::V1 }));
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
    fn quota_is_proportional_to_memory() {
        let quotas: Vec<_> = [128, 512, 1769, 3538, 1].map(quota_us).to_vec();
        assert_eq!(quotas, [1_447, 5_789, 20_000, 40_000, 1_000]);
        assert!((vcpus(1769) - 1.0).abs() < 1e-9);
    }

    /// Returns a directory that looks like a cgroup hierarchy.
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
    fn candidates_start_with_innermost_group() {
        let dir = tree();
        let mount_point = dir.path().display();
        let mounts = format!("proc /proc proc rw 0 0\ncgroup2 {mount_point} cgroup2 rw,nosuid 0 0\n");
        let found = candidates(&mounts, "0::/user.slice/app.slice/run.scope\n");
        let parents: Vec<_> = found.iter().map(|groups| groups.parent.clone()).collect();
        assert_eq!(parents, [dir.path().join("user.slice/app.slice"), dir.path().to_path_buf()]);
        assert!(found.iter().all(|groups| groups.version == CgroupVersion::V2));

        let mounts =
            format!("cgroup {mount_point} cgroup rw,cpu,cpuacct 0 0\ncgroup /none cgroup rw,memory 0 0\n");
        let found = candidates(&mounts, "4:memory:/x\n3:cpu,cpuacct:/user.slice\n1:name=systemd:/\n");
        let parents: Vec<_> = found.iter().map(|groups| groups.parent.clone()).collect();
        assert_eq!(parents, [dir.path().join("user.slice"), dir.path().to_path_buf()]);
        assert_eq!(candidates("", ""), []);
        assert_eq!(candidates("cgroup2\n", ":\n"), []);
    }

    #[test]
    fn create_without_cgroup_fails_and_leaves_no_group() {
        let dir = tree();
        // This directory is not a cgroup hierarchy, so new groups have no control files.
        for version in [CgroupVersion::V1, CgroupVersion::V2] {
            let groups = CpuGroups { parent: dir.path().join("user.slice"), version };
            assert_eq!(groups.create(128).unwrap_err().kind(), io::ErrorKind::NotFound);
            assert!(groups.probe().is_err());
        }
        assert_eq!(process_tag::stale_entries(dir.path()), Vec::<PathBuf>::new());
        let names: Vec<_> = fs::read_dir(dir.path().join("user.slice")).unwrap().flatten().collect();
        assert_eq!(names.len(), 2, "{names:?}");
    }

    /// Checks that dropping a group kills its processes. Skipped where this machine allows no groups.
    #[test]
    fn drop_of_group_kills_its_processes() {
        let Ok(groups) = CpuGroups::find() else {
            // The command reports this and measures without a quota; see the tests of the command line.
            assert!(CpuGroups::find().unwrap_err().len() > 10);
            return;
        };
        let group = groups.create(256).unwrap();
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        group.add(child.id()).unwrap();
        let procs = fs::read_to_string(group.dir.join("cgroup.procs")).unwrap();
        assert_eq!(procs.trim(), child.id().to_string());
        // A group of a killed run with a running process. It is inside this test's group, so that other runs do not find it.
        let stale = group.dir.join(format!("hitctl-tune-{}-1-0", u32::MAX));
        fs::create_dir(&stale).unwrap();
        std::mem::ManuallyDrop::new(CpuGroup { dir: stale.clone() }).add(child.id()).unwrap();
        let reaper = std::thread::spawn(move || child.wait().unwrap());
        CpuGroups { parent: group.dir.clone(), ..groups }.remove_stale();
        assert!(!stale.exists(), "it is found by its name and removed");
        assert!(!reaper.join().unwrap().success());
        let dir = group.dir.clone();
        drop(group);
        assert!(!dir.exists());
    }
}
