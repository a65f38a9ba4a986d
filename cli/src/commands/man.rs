//! `hitctl man`: prints or writes the manual pages.

use std::io;
use std::path::{Path, PathBuf};

use hitctl_report::{Exit, Failure};

use crate::session::Session;

/// Print or write the manual pages
///
/// Prints the page in roff. `--out` writes one page per command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  hitctl man | man -l -\n  hitctl man --out man1")]
pub struct Args {
    /// Write one page per command into this directory
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Writes one page per command into a directory. An existing page is replaced. If it is a symbolic link, the link
/// itself is replaced.
fn write(dir: &Path, cli: &clap::Command) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let temp_dir = tempfile::tempdir_in(dir)?;
    clap_mangen::generate_to(cli.clone(), temp_dir.path())?;
    for page in std::fs::read_dir(temp_dir.path())? {
        let page = page?;
        std::fs::rename(page.path(), dir.join(page.file_name()))?;
    }
    Ok(())
}

/// Prints or writes the manual.
pub fn run(session: &mut Session, args: &Args, cli: &clap::Command) -> Result<Exit, Failure> {
    if let Some(out) = &args.out {
        let dir = session.cwd.join(out);
        write(&dir, cli).map_err(|error| {
            Failure::new("not_written", format!("failed to write the manual to {}", dir.display()))
                .caused_by(error)
        })?;
        session.console.file_written(&dir, &format!("wrote the manual to {}", dir.display()));
        return Ok(Exit::Done);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(cli.clone())
        .render(&mut page)
        .map_err(|error| Failure::new("not_written", "failed to render the manual").caused_by(error))?;
    session.console.text(&String::from_utf8_lossy(&page));
    Ok(Exit::Done)
}
