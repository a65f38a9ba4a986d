//! One test binary for the whole program. Each module is one subject; `house` also checks that none is forgotten here.

mod artifact;
mod browser;
mod commands;
mod counting;
mod errors;
mod house;
mod support;
