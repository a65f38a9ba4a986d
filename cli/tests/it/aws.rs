//! The command line against two AWS emulators that nobody here wrote.

mod calls;
mod crash;
mod drift;
mod faults;
mod life;
mod ready;
mod rollback;
mod scene;
mod yard;
