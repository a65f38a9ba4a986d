//! The global flags.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};

/// Flags that every command takes, in any order.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Global options")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that stands by itself")]
pub struct Global {
    /// Use this environment [default: `default_env` of the config, else the only one it declares, else local if it declares none]
    #[arg(short, long, global = true, env = "HITCTL_ENV", hide_env_values = true, value_name = "NAME")]
    pub env: Option<String>,
    /// Read this file instead of the nearest hitctl.toml
    #[arg(short, long, global = true, env = "HITCTL_CONFIG", hide_env_values = true, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// Use this AWS profile
    #[arg(short, long, global = true, env = "HITCTL_PROFILE", hide_env_values = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Use this AWS region
    #[arg(short, long, global = true, env = "HITCTL_REGION", hide_env_values = true, value_name = "REGION")]
    pub region: Option<String>,
    /// Send AWS calls to this endpoint, such as an emulator
    #[arg(long, global = true, env = "HITCTL_ENDPOINT_URL", hide_env_values = true, value_name = "URL")]
    pub endpoint_url: Option<String>,
    /// Send credentials over plain http to other machines, too
    #[arg(long, global = true, env = "HITCTL_INSECURE", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub insecure: bool,
    /// Print exactly one JSON object on stdout
    #[arg(long, global = true, env = "HITCTL_JSON", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub json: bool,
    /// Say nothing but results and errors
    #[arg(short, long, global = true, env = "HITCTL_QUIET", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub quiet: bool,
    /// Say more, and twice: show each AWS call; with --json, stream events on stderr
    #[arg(
        short,
        long,
        global = true,
        env = "HITCTL_VERBOSE",
        hide_env_values = true,
        action = clap::ArgAction::Count
    )]
    pub verbose: u8,
    /// Answer yes to questions, but never to the loss of data
    #[arg(short, long, global = true, env = "HITCTL_YES", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub yes: bool,
    /// Never ask: fail where an answer is needed
    #[arg(long, global = true, env = "HITCTL_NO_INPUT", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub no_input: bool,
    /// Use colour
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

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    #[default]
    Auto,
    /// Even into a file
    Always,
    /// Not at all
    Never,
}
