//! Tests of the command line against two third-party AWS emulators, MiniStack and Moto.

mod access_logs;
mod adopt;
mod calls;
mod concurrent_deploys;
mod consent;
mod crash;
mod distribution;
mod drift;
mod event_commands;
mod exactly_once;
mod examples;
mod faults;
mod gc;
mod guard;
mod lifecycle;
mod login;
mod pending_function;
mod permission;
mod policy;
mod quota;
mod recorded_env;
mod role;
mod rollback;
mod rules;
mod stage;
mod test_env;
mod tune;

pub(crate) use test_env::AwsTestEnv;
