//! Prints the JSON Schema of `hitctl.toml`: `cargo run -p hitctl-config --example schema > config/hitctl.schema.json`.

use std::io::Write as _;

fn main() -> std::io::Result<()> {
    std::io::stdout().write_all(hitctl_config::json_schema().as_bytes())
}
