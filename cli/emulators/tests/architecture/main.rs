//! Rules of the source tree that the compiler does not hold: no import circles, and conventions of every crate and file.

#[cfg(test)]
mod circles;
#[cfg(test)]
mod conventions;
#[cfg(test)]
mod imports;
#[cfg(test)]
mod workspace;
