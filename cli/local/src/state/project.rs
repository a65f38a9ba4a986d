//! Maps a project to its state directory, which is in the user's own state directory.
//!
//! The state is never in the project, because files there may come from a clone or an archive. A project that
//! was moved is recognized by its directory's identity on the file system, which no clone can copy.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use hitctl_platform::{file_number, file_system};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::StateDir;

/// The directory, within the user's state directory, that holds one directory per project.
const PROJECTS: &str = "projects";
/// The directory, within the user's state directory, where earlier versions kept the state of a directory
/// without a configuration.
const FORMER_SHARED: &str = "local";
/// The directory, within the project, where earlier versions kept its state.
const FORMER_IN_PROJECT: &str = ".hitctl/local";
/// The maximum number of characters of the project's name in the name of its state directory. The project's
/// name helps people find the directory.
const MAX_NAME_CHARS: usize = 32;

/// The paths where the state of a project is kept, or was kept by earlier versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatePaths {
    /// The project's directory, absolute and with links resolved if it exists.
    project: PathBuf,
    /// hitctl's directory in the user's state directory.
    user_dir: PathBuf,
    /// Whether the project has a configuration file.
    configured: bool,
}

impl StatePaths {
    /// Returns the paths for the project in `project`. `user_dir` is hitctl's directory in the user's state
    /// directory.
    pub fn new(user_dir: &Path, project: &Path, configured: bool) -> Self {
        let project = hitctl_platform::canonicalize(project)
            .or_else(|_| std::path::absolute(project))
            .unwrap_or_else(|_| project.to_owned());
        Self { project, user_dir: user_dir.to_owned(), configured }
    }

    /// Returns the directory of the project.
    pub fn project(&self) -> &Path {
        &self.project
    }

    /// Returns the state directory. Its name consists of the project's name and a hash of the project's path.
    pub fn state_dir(&self) -> PathBuf {
        let path = self.project.as_os_str().as_encoded_bytes();
        let name = self.project.file_name().unwrap_or_default().to_string_lossy();
        let name: String = name
            .chars()
            .take(MAX_NAME_CHARS)
            .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' })
            .collect();
        let name = name.trim_start_matches('.');
        self.projects_dir().join(format!("{name}-{}", &hex::encode(Sha256::digest(path))[..16]))
    }

    /// Returns the directory that contains the state directories of all projects.
    pub(crate) fn projects_dir(&self) -> PathBuf {
        self.user_dir.join(PROJECTS)
    }

    /// Returns whether the project's directory is the recorded one, and not a new directory with the same path.
    /// A file system without creation times cannot tell them apart; the result is then `true`.
    pub(crate) fn is_same_directory(&self, recorded: &ProjectRecord) -> bool {
        DirectoryIdentity::of(&self.project).is_none_or(|identity| identity == recorded.identity)
    }

    /// Returns the directory in the project where earlier versions kept the state. Its content is not
    /// trusted.
    pub(crate) fn former_in_project(&self) -> PathBuf {
        self.project.join(FORMER_IN_PROJECT)
    }

    /// Returns the directory in which earlier versions kept the state of every directory without a
    /// configuration.
    pub(crate) fn former_shared(&self) -> Option<PathBuf> {
        (!self.configured).then(|| self.user_dir.join(FORMER_SHARED))
    }

    /// Returns the record of this project for its state directory, or `None` if the file system does not record
    /// creation times.
    pub(crate) fn project_record(&self) -> Option<ProjectRecord> {
        Some(ProjectRecord { path: self.project.clone(), identity: DirectoryIdentity::of(&self.project)? })
    }

    /// Returns the state directory for the project's former path, if the project's directory was moved.
    pub(crate) fn find_moved_state(&self) -> Option<StateDir> {
        let identity = DirectoryIdentity::of(&self.project)?;
        let entries = fs::read_dir(self.projects_dir()).into_iter().flatten().flatten();
        let mut dirs = entries.filter_map(|entry| StateDir::existing(&entry.path()).ok().flatten());
        dirs.find(|dir| {
            let project = dir.marker().ok().and_then(|marker| marker.project);
            project.is_some_and(|project| {
                project.identity == identity
                    && DirectoryIdentity::of(&project.path).as_ref() != Some(&identity)
            })
        })
    }
}

/// A project as its state directory records it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProjectRecord {
    /// The path of the project when the record was written.
    pub(crate) path: PathBuf,
    /// The identity of the directory.
    pub(crate) identity: DirectoryIdentity,
}

/// Identifies a directory. Other directories have other identities, even one that later gets the same inode.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct DirectoryIdentity {
    device: u64,
    inode: u64,
    /// The creation time, in nanoseconds since 1970.
    #[serde(rename = "born_ns")]
    created_ns: u128,
}

impl DirectoryIdentity {
    /// Returns the identity of a directory; `None` if the system has no numbers for files, or no creation times.
    pub(crate) fn of(dir: &Path) -> Option<Self> {
        let meta = fs::metadata(dir).ok()?;
        let created_ns = meta.created().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
        let (device, inode) = (file_system(&meta)?, file_number(&meta)?);
        Some(Self { device, inode, created_ns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state_dir(user_dir: &str, project: &str) -> String {
        StatePaths::new(Path::new(user_dir), Path::new(project), true).state_dir().display().to_string()
    }

    #[test]
    fn state_dir_of_projects_with_same_name_differs() {
        let one = state_dir("/home/me/.local/state/hitctl", "/nowhere/a/site");
        let other = state_dir("/home/me/.local/state/hitctl", "/nowhere/b/site");
        assert!(one.starts_with("/home/me/.local/state/hitctl/projects/site-"), "{one}");
        assert_ne!(one, other);
        assert_eq!(one, state_dir("/home/me/.local/state/hitctl", "/nowhere/a/site"));
    }

    #[test]
    fn state_dir_of_unusual_project_name_is_safe_file_name() {
        for (project, start) in
            [("/nowhere/..my site\u{202e}", "my_site_-"), ("/", "-"), ("/nowhere/-rf", "-rf-")]
        {
            let dir = state_dir("/s", project);
            let name = dir.strip_prefix("/s/projects/").unwrap();
            assert!(name.starts_with(start) && !name.contains('/'), "{project}: {name}");
        }
    }

    #[test]
    fn state_dir_of_linked_project_is_that_of_target() {
        let temp = tempfile::tempdir().unwrap();
        let project = temp.path().join("site");
        fs::create_dir(&project).unwrap();
        std::os::unix::fs::symlink(&project, temp.path().join("link")).unwrap();
        let of = |name: &str| StatePaths::new(Path::new("/s"), &temp.path().join(name), true).state_dir();
        assert_eq!(of("site"), of("link"));
    }
}
