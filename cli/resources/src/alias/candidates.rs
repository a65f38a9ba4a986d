//! The qualifiers under which a function's policy, URL or settings may exist.

use crate::alias::spec::AliasSpec;
use crate::aws::lambda::{FunctionRef, QualifiedFunction};

/// Returns the two targets whose policy or URL may be ours, most likely first: the alias and the function
/// itself. The less likely one is left over when `publish` was switched. `want` is the function that the spec
/// names, if there is a spec; otherwise `base` is used.
pub(crate) fn candidate_targets<'a>(
    want: Option<FunctionRef<'a>>,
    base: &'a str,
) -> [QualifiedFunction<'a>; 2] {
    let function = want.and_then(|want| want.function.get()).map_or(base, String::as_str);
    let qualifiers = match want.map(|want| want.qualifier) {
        Some(Some(qualifier)) => [qualifier.get().map(String::as_str), None],
        Some(None) => [None, Some(AliasSpec::NAME)],
        None => [Some(AliasSpec::NAME), None],
    };
    qualifiers.map(|qualifier| QualifiedFunction { function, qualifier })
}
