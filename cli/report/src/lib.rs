//! The user interface: results, messages, progress and questions. No other crate writes to the terminal.
//!
//! Results go to stdout, messages to stderr. Progress displays show the engine's events: `bars` on a
//! terminal, `plain` in CI and files, `json_lines` for programs. Commands return their results as views:
//! plain data that serialises to the documented JSON and renders itself as text. This crate must not call a
//! cloud or depend on a command.

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
pub use render::{CommandView, Renderable};
pub use style::{ColorChoice, TextStyle, Tone};
pub use text::readable_path;
pub use view::*;
