//! Maps a project to its state directory.
//!
//! State lies in the user's own state directory, under a name made of the project's path, and never in the project: whatever
//! lies there, a clone or an archive may have brought. A project that was moved is recognised by its directory's identity on
//! the file system, which no clone can carry.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::StateDir;

/// The directory, within the user's state directory, that holds one directory per project.
const PROJECTS: &str = "projects";
/// The place where earlier versions kept the state of a directory without a configuration, within the user's state directory.
const SHARED: &str = "local";
/// The place where earlier versions kept the state of a project, within the project.
const IN_PROJECT: &str = ".hitctl/local";
/// How much of the directory's own name is in the name of its state, in characters: for people who look.
const NAME_CHARS: usize = 32;

/// A project and where its state is kept, or was kept by earlier versions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The project's directory, absolute and without links where it is there.
    project: PathBuf,
    /// hitctl's directory in the user's state directory.
    user: PathBuf,
    /// Whether the project has a configuration file.
    configured: bool,
}

impl Places {
    /// The places of the project in `project`; `user` is hitctl's directory in the user's state directory.
    pub fn new(user: &Path, project: &Path, configured: bool) -> Self {
        let project = fs::canonicalize(project)
            .or_else(|_| std::path::absolute(project))
            .unwrap_or_else(|_| project.to_owned());
        Self { project, user: user.to_owned(), configured }
    }

    /// The project's directory.
    pub fn project(&self) -> &Path {
        &self.project
    }

    /// The directory that holds the state.
    pub fn state_dir(&self) -> PathBuf {
        let path = self.project.as_os_str().as_encoded_bytes();
        let name = self.project.file_name().unwrap_or_default().to_string_lossy();
        let name: String = name
            .chars()
            .take(NAME_CHARS)
            .map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' })
            .collect();
        let name = name.trim_start_matches('.');
        self.all().join(format!("{name}-{}", &hex::encode(Sha256::digest(path))[..16]))
    }

    /// The directory that holds the state of every project.
    pub(crate) fn all(&self) -> PathBuf {
        self.user.join(PROJECTS)
    }

    /// Whether this is the directory that the state was last used from, and not another one of its path.
    pub(crate) fn is(&self, recorded: &Project) -> bool {
        Identity::of(&self.project).is_none_or(|own| own == recorded.identity)
    }

    /// The directory in which earlier versions kept the state: in the project itself, so nothing there is trusted.
    pub(crate) fn in_project(&self) -> PathBuf {
        self.project.join(IN_PROJECT)
    }

    /// The directory in which earlier versions kept the state of every directory without a configuration.
    pub(crate) fn shared(&self) -> Option<PathBuf> {
        (!self.configured).then(|| self.user.join(SHARED))
    }

    /// The project as its state directory records it.
    pub(crate) fn record(&self) -> Option<Project> {
        Some(Project { path: self.project.clone(), identity: Identity::of(&self.project)? })
    }

    /// The state of this very directory under its former path, if it was moved.
    pub(crate) fn moved(&self) -> Option<StateDir> {
        let own = Identity::of(&self.project)?;
        let entries = fs::read_dir(self.all()).into_iter().flatten().flatten();
        let mut dirs = entries.filter_map(|entry| StateDir::existing(&entry.path()).ok().flatten());
        dirs.find(|dir| {
            let project = dir.marker().ok().and_then(|marker| marker.project);
            project.is_some_and(|project| {
                project.identity == own && Identity::of(&project.path).as_ref() != Some(&own)
            })
        })
    }
}

/// A project as its state directory remembers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Project {
    /// The path at the time.
    pub(crate) path: PathBuf,
    /// The identity of the directory.
    pub(crate) identity: Identity,
}

/// Tells a directory from every other, even from one that gets its inode later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    device: u64,
    inode: u64,
    /// When it was made, in nanoseconds since 1970.
    born_ns: u128,
}

impl Identity {
    /// The identity of a directory; `None` where the file system does not say when a directory was made.
    pub(crate) fn of(dir: &Path) -> Option<Self> {
        let meta = fs::metadata(dir).ok()?;
        let born_ns = meta.created().ok()?.duration_since(UNIX_EPOCH).ok()?.as_nanos();
        Some(Self { device: meta.dev(), inode: meta.ino(), born_ns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state_dir(user: &str, project: &str) -> String {
        Places::new(Path::new(user), Path::new(project), true).state_dir().display().to_string()
    }

    #[test]
    fn state_dir_of_two_projects_of_one_name_differs() {
        let one = state_dir("/home/me/.local/state/hitctl", "/nowhere/a/site");
        let other = state_dir("/home/me/.local/state/hitctl", "/nowhere/b/site");
        assert!(one.starts_with("/home/me/.local/state/hitctl/projects/site-"), "{one}");
        assert_ne!(one, other);
        assert_eq!(one, state_dir("/home/me/.local/state/hitctl", "/nowhere/a/site"));
    }

    #[test]
    fn state_dir_of_a_strange_name_is_one_plain_file_name() {
        for (project, start) in
            [("/nowhere/..my site\u{202e}", "my_site_-"), ("/", "-"), ("/nowhere/-rf", "-rf-")]
        {
            let dir = state_dir("/s", project);
            let name = dir.strip_prefix("/s/projects/").unwrap();
            assert!(name.starts_with(start) && !name.contains('/'), "{project}: {name}");
        }
    }

    #[test]
    fn state_dir_of_a_linked_project_is_that_of_the_project() {
        let temp = tempfile::tempdir().unwrap();
        let project = temp.path().join("site");
        fs::create_dir(&project).unwrap();
        std::os::unix::fs::symlink(&project, temp.path().join("link")).unwrap();
        let of = |name: &str| Places::new(Path::new("/s"), &temp.path().join(name), true).state_dir();
        assert_eq!(of("site"), of("link"));
    }
}
