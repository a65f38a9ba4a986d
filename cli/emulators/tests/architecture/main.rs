//! Rules of the source tree that the compiler does not check: no import cycles, and conventions of every crate and file.

#[cfg(test)]
mod conventions;
#[cfg(test)]
mod import_cycles;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod words;
#[cfg(test)]
mod workspace;
