//! Ctrl-C and colors in a console.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::program::Project;

#[test]
fn ctrl_c_in_a_console_interrupts_with_a_message() {
    let project = Project::new();
    project.write("hitctl.toml", "app = \"slow\"\nregion = \"eu-central-1\"\n[env.test]\n");
    // Accepts connections and never responds.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    let program = project.command(&["status", "--env", "test", "--endpoint-url", &endpoint]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/windows/console.py");
    let mut console = Command::new("python3");
    console.arg(script).args(["to respond", "60"]).arg(program.get_program()).args(program.get_args());
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => console.env(name, value),
            None => console.env_remove(name),
        };
    }
    let output = console.current_dir(project.path()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("interrupted") && text.contains("\u{1b}[31merror:"), "{text:?}");
}
