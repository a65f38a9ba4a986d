//! The flags that every command accepts.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};

/// Flags that every command accepts, before or after its own flags.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that stands by itself")]
pub struct Global {
    /// Environment to use [default: `default_env`, or the only declared one, or local if none is declared]
    #[arg(short, long, global = true, env = "HITCTL_ENV", hide_env_values = true, value_name = "NAME")]
    pub env: Option<String>,
    /// Configuration file [default: the nearest hitctl.toml]
    #[arg(short, long, global = true, env = "HITCTL_CONFIG", hide_env_values = true, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// AWS profile
    #[arg(short, long, global = true, env = "HITCTL_PROFILE", hide_env_values = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// AWS region
    #[arg(short, long, global = true, env = "HITCTL_REGION", hide_env_values = true, value_name = "REGION")]
    pub region: Option<String>,
    /// Send AWS calls to this endpoint, such as an emulator
    #[arg(long, global = true, env = "HITCTL_ENDPOINT_URL", hide_env_values = true, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// Allow credentials over plain http to other machines
    #[arg(long, global = true, env = "HITCTL_INSECURE", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub insecure: bool,
    /// Print exactly one JSON object on stdout
    #[arg(long, global = true, env = "HITCTL_JSON", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub json: bool,
    /// Print only results and errors
    #[arg(short, long, global = true, env = "HITCTL_QUIET", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub quiet: bool,
    /// Print more; twice: also each AWS call; with --json: events on stderr
    #[arg(
        short,
        long,
        global = true,
        env = "HITCTL_VERBOSE",
        hide_env_values = true,
        action = clap::ArgAction::Count,
        value_parser = verbosity
    )]
    pub verbose: u8,
    /// Answer yes to questions, except for the loss of data
    #[arg(short, long, global = true, env = "HITCTL_YES", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub yes: bool,
    /// Never ask; fail if a confirmation is needed
    #[arg(long, global = true, env = "HITCTL_NO_INPUT", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub no_input: bool,
    /// Use colors
    #[arg(
        long,
        global = true,
        env = "HITCTL_COLOR",
        hide_env_values = true,
        value_name = "WHEN",
        default_value = "auto"
    )]
    pub color: Color,
}

/// Parses the number of `-v` flags, or the value of `HITCTL_VERBOSE`: a number, or a boolean by clap's rules for flags.
fn verbosity(text: &str) -> Result<u8, String> {
    match text.to_ascii_lowercase().as_str() {
        "" | "n" | "no" | "f" | "false" | "off" => Ok(0),
        "y" | "yes" | "t" | "true" | "on" => Ok(1),
        number => number.parse().map_err(|_| "expected true, false, or a number such as 2".to_owned()),
    }
}

/// When to use colors.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Always, also into a file
    Always,
    /// Plain text, never colors
    Never,
}
