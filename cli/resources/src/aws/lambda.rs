//! The code that the Lambda drivers share: function states, resource policies and retry policies.

pub(crate) mod policy;
pub(crate) mod state;
pub(crate) mod wait;

use std::fmt;

use hitctl_engine::SpecValue;

/// The function in a spec, with an optional qualifier. The values may be unresolved references.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FunctionRef<'a> {
    pub(crate) function: &'a SpecValue<String>,
    pub(crate) qualifier: Option<&'a SpecValue<String>>,
}

/// A function, or one of its versions or aliases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct QualifiedFunction<'a> {
    pub(crate) function: &'a str,
    pub(crate) qualifier: Option<&'a str>,
}

impl<'a> QualifiedFunction<'a> {
    /// Returns the function in a spec. Unresolved references become an empty name or no qualifier.
    pub(crate) fn of(spec: FunctionRef<'a>) -> Self {
        let qualifier = spec.qualifier.and_then(SpecValue::get).map(String::as_str);
        Self { function: spec.function.get().map_or("", String::as_str), qualifier }
    }

    /// Returns the qualifier in the SDK's type.
    pub(crate) fn qualifier(self) -> Option<String> {
        self.qualifier.map(str::to_owned)
    }
}

impl fmt::Display for QualifiedFunction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.function)?;
        self.qualifier.map_or(Ok(()), |qualifier| write!(f, ":{qualifier}"))
    }
}
