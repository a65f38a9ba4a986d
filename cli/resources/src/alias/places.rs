//! The qualifiers of a function under which its policy, its URL or its settings may be.

use hitctl_engine::Value;

use crate::alias::spec::AliasSpec;

/// The policies (or URLs) of a function in which to look for what is ours, most likely first: the alias's and its own. It
/// is in the other one after `publish` was switched.
pub(crate) fn places(is_wanted: bool, qualifier: Option<&Value<String>>) -> [Option<&str>; 2] {
    match qualifier {
        Some(qualifier) => [qualifier.get().map(String::as_str), None],
        None if is_wanted => [None, Some(AliasSpec::NAME)],
        None => [Some(AliasSpec::NAME), None],
    }
}
