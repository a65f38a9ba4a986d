//! What the kinds that belong to a function share: its states, its resource policy, and how long to wait for Lambda.

pub(crate) mod policy;
pub(crate) mod state;
pub(crate) mod wait;

use std::fmt;

use hitctl_engine::Value;

/// The function that a spec names, perhaps with a qualifier. Both may be references that are not resolved yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FunctionRef<'a> {
    pub(crate) function: &'a Value<String>,
    pub(crate) qualifier: Option<&'a Value<String>>,
}

/// A function, or a version or an alias of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Qualified<'a> {
    pub(crate) function: &'a str,
    pub(crate) qualifier: Option<&'a str>,
}

impl<'a> Qualified<'a> {
    /// The one that a spec names.
    pub(crate) fn of(spec: FunctionRef<'a>) -> Self {
        let qualifier = spec.qualifier.and_then(Value::get).map(String::as_str);
        Self { function: spec.function.get().map_or("", String::as_str), qualifier }
    }

    /// The qualifier as the SDK takes it.
    pub(crate) fn qualifier(self) -> Option<String> {
        self.qualifier.map(str::to_owned)
    }
}

impl fmt::Display for Qualified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.function)?;
        self.qualifier.map_or(Ok(()), |qualifier| write!(f, ":{qualifier}"))
    }
}
