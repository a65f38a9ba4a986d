//! Suggests the nearest correct spelling of a word.

/// Returns the candidate that was probably meant by `word`.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Longer words are not typing errors, and the comparison takes quadratic time.
    const MAX_CHARS: usize = 64;
    if word.len() > MAX_CHARS {
        return None;
    }
    let normalised = word.to_lowercase().replace(['-', ' '], "_");
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = candidate.replace('-', "_");
            let edits = strsim::damerau_levenshtein(&normalised, &other);
            let similarity = strsim::jaro_winkler(&normalised, &other);
            let is_near = edits <= (other.len() / 3).max(1) || similarity > 0.88;
            is_near.then_some((edits, candidate))
        })
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn nearest_finds_typing_errors_and_ignores_other_words() {
        let words = ["memory_mb", "timeout_s", "arch", "function-url", "api"];
        let near = |word| nearest(word, words);
        assert_eq!(near("memroy_mb"), Some("memory_mb"));
        assert_eq!(near("memory"), Some("memory_mb"));
        assert_eq!(near("timeout"), Some("timeout_s"));
        assert_eq!(near("Arch"), Some("arch"));
        assert_eq!(near("function_url"), Some("function-url"));
        assert_eq!(near("queue"), None);
        assert_eq!(near(&"a".repeat(100_000)), None);
    }
}
