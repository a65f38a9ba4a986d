//! The nearest right spelling of a wrong word.

/// The candidate that `word` was probably meant to be.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Words this long are no slips of the finger, and comparing them takes quadratic time.
    const LONGEST: usize = 64;
    if word.len() > LONGEST {
        return None;
    }
    let plain = word.to_lowercase().replace(['-', ' '], "_");
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = candidate.replace('-', "_");
            let edits = strsim::damerau_levenshtein(&plain, &other);
            let likeness = strsim::jaro_winkler(&plain, &other);
            let near = edits <= (other.len() / 3).max(1) || likeness > 0.88;
            near.then_some((edits, candidate))
        })
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_are_recognised_and_other_words_are_not() {
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
