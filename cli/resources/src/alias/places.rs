//! The qualifiers of a function under which its policy, its URL or its settings may be.

use crate::alias::spec::AliasSpec;
use crate::aws::lambda::{FunctionRef, Qualified};

/// The policies (or URLs) of a function in which to look for what is ours, most likely first: the alias's and its own. It
/// is in the other one after `publish` was switched. `want` is the function that the spec names, if there is a spec; `base` is used
/// otherwise.
pub(crate) fn places<'a>(want: Option<FunctionRef<'a>>, base: &'a str) -> [Qualified<'a>; 2] {
    let function = want.and_then(|want| want.function.get()).map_or(base, String::as_str);
    let qualifiers = match want.map(|want| want.qualifier) {
        Some(Some(qualifier)) => [qualifier.get().map(String::as_str), None],
        Some(None) => [None, Some(AliasSpec::NAME)],
        None => [Some(AliasSpec::NAME), None],
    };
    qualifiers.map(|qualifier| Qualified { function, qualifier })
}
