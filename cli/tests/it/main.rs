//! One test binary for the whole program. Each module is one subject; the architecture tests check that none is missing here.

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
mod counting;
#[cfg(test)]
mod counts;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod disk;
#[cfg(test)]
mod endpoints;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod feed;
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
mod nothing_lost;
#[cfg(test)]
mod paths;
#[cfg(test)]
mod poison;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod rie;
#[cfg(test)]
mod rules;
#[cfg(test)]
mod smoke;
#[cfg(test)]
mod spread;
#[cfg(test)]
mod sqs;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tune;
#[cfg(test)]
mod wire;
