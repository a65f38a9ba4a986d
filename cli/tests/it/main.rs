//! The integration tests of hitctl, as one binary with a module per subject. An architecture test checks that every
//! file is listed here.

#[cfg(test)]
mod artifact;
#[cfg(test)]
mod attack;
#[cfg(test)]
mod aws;
#[cfg(test)]
mod badges;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod calls;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod completion;
#[cfg(test)]
mod counting;
#[cfg(test)]
mod counts;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod deploys;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod documentation;
#[cfg(test)]
mod endpoints;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod event_commands;
#[cfg(test)]
mod exactly_once;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod flags;
#[cfg(test)]
mod gc;
#[cfg(test)]
mod importing;
#[cfg(test)]
mod ingest;
#[cfg(test)]
mod interrupts;
#[cfg(test)]
mod invalidate;
#[cfg(test)]
mod lease;
#[cfg(test)]
mod paths;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod read_only;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod rie;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod sharded_paths;
#[cfg(test)]
mod smoke;
#[cfg(test)]
mod sqs;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tune;
