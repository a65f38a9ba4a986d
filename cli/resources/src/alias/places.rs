//! The qualifiers of a function under which its policy, its URL or its settings may be.

use hitctl_engine::Value;

use crate::alias::spec::AliasSpec;
use crate::aws::lambda::Qualified;

/// The policies (or URLs) of a function in which to look for what is ours, most likely first: the alias's and its own. It
/// is in the other one after `publish` was switched. `want` is the function and the qualifier that are wanted, if any; `base`
/// the function that is looked at otherwise.
pub(crate) fn places<'a>(
    want: Option<(&'a Value<String>, Option<&'a Value<String>>)>,
    base: &'a str,
) -> [Qualified<'a>; 2] {
    let function = want.and_then(|(function, _)| function.get()).map_or(base, String::as_str);
    let qualifiers = match want {
        Some((_, Some(qualifier))) => [qualifier.get().map(String::as_str), None],
        Some((_, None)) => [None, Some(AliasSpec::NAME)],
        None => [Some(AliasSpec::NAME), None],
    };
    qualifiers.map(|qualifier| Qualified { function, qualifier })
}
