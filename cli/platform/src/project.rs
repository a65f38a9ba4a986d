//! Finds the files of a project and checks that they can be trusted. Reads metadata only.
//!
//! Directories above the working directory may belong to anybody, so the search stops at the root of the repository and
//! at the boundary of the file system. A file is rejected if another user owns it or could have put it there.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::{current_user, file_system, mode, owner};

/// A file that another user could have written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UntrustedFile {
    /// The file.
    pub path: PathBuf,
    /// The reason: a fragment such as "any user can write to it".
    pub reason: String,
}

/// The permission bit that lets every user write.
const WORLD_WRITABLE: u32 = 0o002;
/// The permission bit that lets only owners remove and rename files in a directory.
const STICKY: u32 = 0o1000;

/// Returns the directories that may contain the files of a project: from `cwd` up to the root of the repository, within
/// one file system.
pub fn search_dirs(cwd: &Path) -> Vec<PathBuf> {
    let device = |dir: &Path| fs::metadata(dir).ok().map(|meta| file_system(&meta));
    let device_of_cwd = device(cwd);
    let mut dirs = Vec::new();
    for dir in cwd.ancestors() {
        if device(dir) != device_of_cwd {
            break;
        }
        dirs.push(dir.to_owned());
        if dir.join(".git").symlink_metadata().is_ok() {
            break;
        }
    }
    dirs
}

/// Returns the nearest file with this name in a project, if it can be trusted. A file that exists but cannot be inspected is also
/// returned, so that reading it reports the cause.
pub fn find_file(
    name: &str,
    cwd: &Path,
    env: &BTreeMap<String, String>,
) -> Result<Option<PathBuf>, UntrustedFile> {
    let exists = |path: &PathBuf| match path.symlink_metadata() {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    };
    let Some(path) = search_dirs(cwd).iter().map(|dir| dir.join(name)).find(exists) else {
        return Ok(None);
    };
    match check_trusted(&path, cwd, env) {
        Ok(()) => Ok(Some(path)),
        Err(reason) => Err(UntrustedFile { path, reason }),
    }
}

/// Checks that only this user, root and, under sudo, the calling user can have written a file. Covers the file, its
/// directory and the target of a symbolic link.
///
/// Above `cwd`, files and directories that every user can write are rejected. In `cwd` they are accepted, because some
/// file systems report every file as writable by all. Returns the reason as the error.
pub fn check_trusted(path: &Path, cwd: &Path, env: &BTreeMap<String, String>) -> Result<(), String> {
    let dir = path.parent().unwrap_or(path);
    let is_above_cwd = dir != cwd;
    // If the metadata cannot be read, neither can the file, and that error is more specific.
    let (Ok(dir_meta), Ok(link_meta)) = (fs::metadata(dir), path.symlink_metadata()) else { return Ok(()) };
    let users = trusted_users(env);
    check_owner(&dir_meta, &users).map_err(|reason| format!("its directory {reason}"))?;
    let is_set = |meta: &Metadata, bit| mode(meta).is_some_and(|mode| mode & bit != 0);
    if is_above_cwd && is_set(&dir_meta, WORLD_WRITABLE) && !is_set(&dir_meta, STICKY) {
        return Err("any user can write to its directory".to_owned());
    }
    check_owner(&link_meta, &users).map_err(|reason| format!("it {reason}"))?;
    let mut meta = link_meta;
    if meta.is_symlink() {
        let (Ok(target), Ok(real_dir)) = (path.canonicalize(), dir.canonicalize()) else { return Ok(()) };
        if !target.starts_with(&real_dir) {
            return Err(format!("it is a link to {}, outside of its directory", target.display()));
        }
        meta = fs::metadata(&target).map_err(|error| error.to_string())?;
        check_owner(&meta, &users).map_err(|reason| format!("it is a link to a file that {reason}"))?;
    }
    if is_above_cwd && meta.is_file() && is_set(&meta, WORLD_WRITABLE) {
        return Err("any user can write to it".to_owned());
    }
    Ok(())
}

/// Returns the ids of the trusted users: this user, root and, under sudo, the calling user.
fn trusted_users(env: &BTreeMap<String, String>) -> Vec<u32> {
    let user = current_user();
    let caller = env.get("SUDO_UID").filter(|_| user == Some(0)).and_then(|uid| uid.parse().ok());
    [user, Some(0), caller].into_iter().flatten().collect()
}

fn check_owner(meta: &Metadata, users: &[u32]) -> Result<(), String> {
    match owner(meta) {
        Some(owner) if !users.contains(&owner) => Err(format!("belongs to another user (uid {owner})")),
        _ => Ok(()),
    }
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    const CONFIG_FILE: &str = "hitctl.toml";

    fn find(cwd: &Path) -> Result<Option<PathBuf>, String> {
        find_file(CONFIG_FILE, cwd, &BTreeMap::new()).map_err(|refused| refused.reason)
    }

    /// Creates a tree `top/repository/site` with a configuration file in `top`.
    fn tree() -> (tempfile::TempDir, PathBuf) {
        let top = tempfile::tempdir().unwrap();
        let site = top.path().join("repository/site");
        fs::create_dir_all(&site).unwrap();
        fs::write(top.path().join(CONFIG_FILE), "").unwrap();
        (top, site)
    }

    #[test]
    fn find_file_returns_nearest_file_up_to_repository_root() {
        let (top, site) = tree();
        assert_eq!(find(&site), Ok(Some(top.path().join(CONFIG_FILE))));
        fs::create_dir(top.path().join("repository/.git")).unwrap();
        assert_eq!(find(&site), Ok(None));
        let nearer = top.path().join("repository").join(CONFIG_FILE);
        fs::write(&nearer, "").unwrap();
        assert_eq!(find(&site), Ok(Some(nearer)));
        // In a work tree or submodule `.git` is a file.
        fs::write(site.join(".git"), "gitdir: elsewhere").unwrap();
        assert_eq!(find(&site), Ok(None));
    }

    #[test]
    fn search_dirs_stop_at_mount_point() {
        assert!(!search_dirs(Path::new("/proc/self")).contains(&PathBuf::from("/")));
    }

    #[test]
    fn find_file_rejects_world_writable_file() {
        let (top, site) = tree();
        let set_mode =
            |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        set_mode(top.path(), 0o777);
        assert!(find(&site).unwrap_err().ends_with("any user can write to its directory"));
        // As in /tmp: other users can add files but not change this one.
        set_mode(top.path(), 0o1777);
        find(&site).unwrap();
        set_mode(&top.path().join(CONFIG_FILE), 0o666);
        assert!(find(&site).unwrap_err().ends_with("any user can write to it"));
        assert!(find(top.path()).is_ok(), "the working directory itself is the user's choice");
    }

    #[test]
    fn find_file_rejects_link_out_of_its_directory() {
        let (top, site) = tree();
        let secret = top.path().join("credentials");
        fs::write(&secret, "aws_secret_access_key = x").unwrap();
        symlink(&secret, site.join(CONFIG_FILE)).unwrap();
        assert!(find(&site).unwrap_err().contains("it is a link to"), "{:?}", find(&site));
        fs::remove_file(site.join(CONFIG_FILE)).unwrap();
        fs::write(site.join("real.toml"), "").unwrap();
        symlink("real.toml", site.join(CONFIG_FILE)).unwrap();
        assert_eq!(find(&site), Ok(Some(site.join(CONFIG_FILE))));
    }

    #[test]
    fn find_file_rejects_file_of_another_user() {
        let (top, site) = tree();
        let config = top.path().join(CONFIG_FILE);
        // Only root can change the owner of a file.
        if chown(&config, Some(12_345), None).is_err() {
            assert_ne!(current_user(), Some(0));
            return;
        }
        let reason = find(&site).unwrap_err();
        assert!(reason.ends_with("it belongs to another user (uid 12345)"), "{reason}");
        let sudo = [("SUDO_UID".to_owned(), "12345".to_owned())].into();
        assert_eq!(find_file(CONFIG_FILE, &site, &sudo).ok().flatten(), Some(config.clone()));
        chown(&config, Some(0), None).unwrap();
        chown(top.path(), Some(12_345), None).unwrap();
        assert!(find(&site).unwrap_err().contains("its directory belongs to another user"));
    }

    #[test]
    fn find_file_returns_path_that_is_no_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(CONFIG_FILE)).unwrap();
        assert_eq!(find(dir.path()), Ok(Some(dir.path().join(CONFIG_FILE))));
    }
}
