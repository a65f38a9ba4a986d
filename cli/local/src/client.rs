//! The client of the control API.
//!
//! The calls are in `calls`. `lifecycle` starts and stops the daemon, `relocate` moves state to its current
//! location, and `items` reads counts.

mod calls;
mod items;
mod lifecycle;
mod relocate;

pub use calls::LocalClient;
pub(crate) use calls::not_running_fault;
pub use items::ItemPage;
pub use lifecycle::{StartOutcome, StopOutcome};
pub use relocate::{
    adopt_shared_state, follow_moved_project, pending_move_notice, prepare_state_dir, relocate,
    stop_former_daemon,
};
