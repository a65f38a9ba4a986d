//! What the user sees: the only place that draws and prints.
//!
//! Results go to stdout, talk goes to stderr. Progress is a consumer of the engine's events, never a parameter of the
//! work: `bars` for a terminal, `plain` for CI and files, `json_lines` for programs. What a command has found out
//! comes here as a view: plain data that serialises to the contract's JSON and renders itself for people. Nothing here
//! decides what is done, talks to a cloud, or knows a command.

mod bars;
mod chart;
mod console;
mod failure;
mod human;
mod input;
mod json_lines;
mod notifier;
mod page;
mod plain;
mod progress;
mod style;
mod table;
mod term;
mod text;
mod view;
mod words;

pub use console::{Answer, Console, ConsoleOptions};
pub use failure::{Details, EXIT_CODES, Exit, Failure, LEASE_HELD, exit_codes_help};
pub(crate) use human::plural;
pub use notifier::Notifier;
pub use progress::Progress;
pub use style::{ColorChoice, Style, Tone};
pub use view::*;
