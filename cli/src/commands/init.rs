//! `hitctl init`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};

use crate::report::{Exit, Failure, InitView};
use crate::session::Session;

/// Write a commented hitctl.toml here; never overwrites one
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Writes the file.
pub fn run(session: &mut Session, _: &Args) -> Result<Exit, Failure> {
    let path = match &session.global.config {
        Some(path) => session.cwd.join(path),
        None => session.cwd.join("hitctl.toml"),
    };
    // `create_new` and not a look beforehand: two inits at once must not overwrite one another.
    let mut file =
        OpenOptions::new().write(true).create_new(true).open(&path).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                Failure::new("exists", format!("{} is there already", path.display()))
                    .hinted("edit it, or remove it and run `hitctl init` again")
            }
            _ => Failure::new("not_written", format!("failed to write {}", path.display())).caused_by(error),
        })?;
    if let Err(error) = file.write_all(hitctl_config::template().as_bytes()).and_then(|()| file.sync_all()) {
        // Half a configuration is worse than none.
        drop(std::fs::remove_file(&path));
        return Err(
            Failure::new("not_written", format!("failed to write {}", path.display())).caused_by(error)
        );
    }
    session.console.result(&InitView { path, next: "hitctl deploy --env local".to_owned() });
    Ok(Exit::Done)
}
