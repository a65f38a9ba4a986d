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
mod format;
mod input;
mod json_lines;
mod notifier;
pub mod phases;
mod plain;
mod progress;
mod progress_text;
mod render;
mod style;
mod table;
mod term;
#[cfg(test)]
mod test_styles;
mod text;
mod view;

pub use console::{Console, ConsoleOptions};
pub use failure::{EXIT_CODES, Exit, Failure};
pub use format::plural;
pub use notifier::Notifier;
pub use progress::Progress;
pub use render::{Report, View};
pub use style::{ColorChoice, Style, Tone};
pub use view::*;
