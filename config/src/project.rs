//! Search for the files of a project, and the check that they may be used.
//!
//! Directories above the working directory may belong to anybody. The search ends at the root of the repository and at the edge
//! of the file system. A file is refused if another user owns it, or could have put it there. Reads metadata only.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::load::FILE_NAME;

/// A configuration file that another user could have written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untrusted {
    /// The file.
    pub path: PathBuf,
    /// The reason: a fragment such as "any user can write to it".
    pub why: String,
}

/// The permission bit that lets every user write.
const WORLD_WRITABLE: u32 = 0o002;
/// The permission bit that lets only owners remove and rename files in a directory.
const STICKY: u32 = 0o1000;

/// The directories from `cwd` upwards in which the files of a project may lie: as far as the root of the repository, and not
/// into another file system.
pub fn dirs(cwd: &Path) -> Vec<PathBuf> {
    let device = |dir: &Path| fs::metadata(dir).ok().map(|meta| meta.dev());
    let start = device(cwd);
    let mut found = Vec::new();
    for dir in cwd.ancestors() {
        if device(dir) != start {
            break;
        }
        found.push(dir.to_owned());
        if dir.join(".git").symlink_metadata().is_ok() {
            break;
        }
    }
    found
}

/// The nearest configuration file, if it may be used. One that cannot be looked at is found too, so that reading it says why.
pub fn find_config(cwd: &Path, env: &BTreeMap<String, String>) -> Result<Option<PathBuf>, Untrusted> {
    let is_there = |path: &PathBuf| match path.symlink_metadata() {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
    };
    let Some(path) = dirs(cwd).iter().map(|dir| dir.join(FILE_NAME)).find(is_there) else {
        return Ok(None);
    };
    match check(&path, cwd, env) {
        Ok(()) => Ok(Some(path)),
        Err(why) => Err(Untrusted { path, why }),
    }
}

/// Checks that nobody but this user and root can have written a file: the file, its directory, and what a link leads to.
/// Above `cwd` nobody else may be able to write there at all; in it, some file systems show every file as open to all. Fails
/// with a reason.
pub fn check(path: &Path, cwd: &Path, env: &BTreeMap<String, String>) -> Result<(), String> {
    let dir = path.parent().unwrap_or(path);
    let above = dir != cwd;
    // What cannot be looked at cannot be read either, and that says more.
    let (Ok(dir_meta), Ok(link)) = (fs::metadata(dir), path.symlink_metadata()) else { return Ok(()) };
    let users = users(env);
    owned(&dir_meta, &users).map_err(|why| format!("its directory {why}"))?;
    if above && dir_meta.mode() & WORLD_WRITABLE != 0 && dir_meta.mode() & STICKY == 0 {
        return Err("any user can write to its directory".to_owned());
    }
    owned(&link, &users).map_err(|why| format!("it {why}"))?;
    let mut meta = link;
    if meta.is_symlink() {
        let (Ok(target), Ok(home)) = (path.canonicalize(), dir.canonicalize()) else { return Ok(()) };
        if !target.starts_with(&home) {
            return Err(format!("it is a link to {}, outside of its directory", target.display()));
        }
        meta = fs::metadata(&target).map_err(|error| error.to_string())?;
        owned(&meta, &users).map_err(|why| format!("it is a link to a file that {why}"))?;
    }
    if above && meta.is_file() && meta.mode() & WORLD_WRITABLE != 0 {
        return Err("any user can write to it".to_owned());
    }
    Ok(())
}

/// The users whose files are as good as this user's own: root, and with sudo the one who called it.
fn users(env: &BTreeMap<String, String>) -> Vec<u32> {
    let user = rustix::process::geteuid().as_raw();
    let caller = env.get("SUDO_UID").filter(|_| user == 0).and_then(|uid| uid.parse().ok());
    [user, 0].into_iter().chain(caller).collect()
}

fn owned(meta: &Metadata, users: &[u32]) -> Result<(), String> {
    if users.contains(&meta.uid()) {
        Ok(())
    } else {
        Err(format!("belongs to another user (uid {})", meta.uid()))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    fn find(cwd: &Path) -> Result<Option<PathBuf>, String> {
        find_config(cwd, &BTreeMap::new()).map_err(|refused| refused.why)
    }

    /// A tree `top/repository/site` with a configuration in `top`.
    fn tree() -> (tempfile::TempDir, PathBuf) {
        let top = tempfile::tempdir().unwrap();
        let site = top.path().join("repository/site");
        fs::create_dir_all(&site).unwrap();
        fs::write(top.path().join(FILE_NAME), "").unwrap();
        (top, site)
    }

    #[test]
    fn find_config_takes_the_nearest_up_to_the_root_of_the_repository() {
        let (top, site) = tree();
        assert_eq!(find(&site), Ok(Some(top.path().join(FILE_NAME))));
        fs::create_dir(top.path().join("repository/.git")).unwrap();
        assert_eq!(find(&site), Ok(None));
        let own = top.path().join("repository").join(FILE_NAME);
        fs::write(&own, "").unwrap();
        assert_eq!(find(&site), Ok(Some(own)));
        // In a work tree or submodule it is a file.
        fs::write(site.join(".git"), "gitdir: elsewhere").unwrap();
        assert_eq!(find(&site), Ok(None));
    }

    #[test]
    fn find_config_stops_at_a_mount() {
        assert!(!dirs(Path::new("/proc/self")).contains(&PathBuf::from("/")));
    }

    #[test]
    fn find_config_refuses_what_any_user_can_write() {
        let (top, site) = tree();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        mode(top.path(), 0o777);
        assert!(find(&site).unwrap_err().ends_with("any user can write to its directory"));
        // As in /tmp: others can add files, and not change this one.
        mode(top.path(), 0o1777);
        find(&site).unwrap();
        mode(&top.path().join(FILE_NAME), 0o666);
        assert!(find(&site).unwrap_err().ends_with("any user can write to it"));
        assert!(find(top.path()).is_ok(), "the working directory itself is the user's choice");
    }

    #[test]
    fn find_config_refuses_a_link_out_of_its_directory() {
        let (top, site) = tree();
        let secret = top.path().join("credentials");
        fs::write(&secret, "aws_secret_access_key = x").unwrap();
        symlink(&secret, site.join(FILE_NAME)).unwrap();
        assert!(find(&site).unwrap_err().contains("it is a link to"), "{:?}", find(&site));
        fs::remove_file(site.join(FILE_NAME)).unwrap();
        fs::write(site.join("real.toml"), "").unwrap();
        symlink("real.toml", site.join(FILE_NAME)).unwrap();
        assert_eq!(find(&site), Ok(Some(site.join(FILE_NAME))));
    }

    #[test]
    fn find_config_refuses_a_file_of_another_user() {
        let (top, site) = tree();
        let config = top.path().join(FILE_NAME);
        // Only root can give a file away.
        if chown(&config, Some(12_345), None).is_err() {
            assert!(!rustix::process::geteuid().is_root());
            return;
        }
        let why = find(&site).unwrap_err();
        assert!(why.ends_with("it belongs to another user (uid 12345)"), "{why}");
        let sudo = [("SUDO_UID".to_owned(), "12345".to_owned())].into();
        assert_eq!(find_config(&site, &sudo).ok().flatten(), Some(config.clone()));
        chown(&config, Some(0), None).unwrap();
        chown(top.path(), Some(12_345), None).unwrap();
        assert!(find(&site).unwrap_err().contains("its directory belongs to another user"));
    }

    #[test]
    fn find_config_finds_what_cannot_be_read_so_that_reading_says_why() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join(FILE_NAME)).unwrap();
        assert_eq!(find(dir.path()), Ok(Some(dir.path().join(FILE_NAME))));
    }
}
