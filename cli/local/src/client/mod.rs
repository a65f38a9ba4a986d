//! The caller's side of the control API.
//!
//! The calls are in `calls`, starting and stopping the daemon in `lifecycle`, bringing state to its place in `relocate`, reading
//! counts in `items`.

mod calls;
mod items;
mod lifecycle;
mod relocate;

pub use calls::Client;
pub(crate) use calls::unreachable;
pub use items::ItemPage;
pub use lifecycle::{Started, Stopped};
pub use relocate::{adopt_shared, claim, follow, pending, relocate, stop_former};
