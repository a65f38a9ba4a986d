//! The command line against two AWS emulators that nobody here wrote.

mod access_logs;
mod adopt;
mod at_once;
mod calls;
mod consent;
mod crash;
mod distribution;
mod drift;
mod examples;
mod faults;
mod feed;
mod gc;
mod guard;
mod life;
mod login;
mod nothing_lost;
mod permission;
mod policy;
mod quota;
mod ready;
mod role;
mod rollback;
mod rules;
mod scene;
mod stage;
mod tune;
mod yard;

pub(crate) use yard::AwsYard;
