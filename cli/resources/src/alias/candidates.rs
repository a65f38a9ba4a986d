//! The qualifiers under which a function's policy, URL or settings may exist.

use crate::alias::spec::AliasSpec;
use crate::aws::lambda::{FunctionRef, QualifiedFunction};

/// Returns the two targets that may have our policy or URL: the wanted target first (without a spec, the alias), then
/// the other one, which had it before `publish` was changed in the configuration. `want` is the function in the spec;
/// `base` is the name of the function if there is no spec.
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
