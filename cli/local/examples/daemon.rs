//! The daemon alone, as the tests start it: `daemon local serve --state-dir DIR`. Its build id is the name of
//! its file.

use std::process::ExitCode;

use hitctl_local::daemon::{ServeOptions, run};

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip_while(|arg| arg != "--state-dir").skip(1);
    let exe = std::env::args_os().next().map(std::path::PathBuf::from).unwrap_or_default();
    let build_id = exe.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let Some(state_dir) = args.next() else { return ExitCode::from(64) };
    match run(ServeOptions { state_dir: state_dir.into(), build_id }) {
        Ok(()) => ExitCode::SUCCESS,
        // The error is in the daemon's log.
        Err(_) => ExitCode::FAILURE,
    }
}
