//! The daemon as a process of its own: started, killed, doubled, damaged and asked by strangers.

mod harness;

mod attack;
mod crash;
mod lifecycle;
mod resources;
