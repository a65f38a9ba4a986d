//! Checks the words of the source code by the rules of `docs/contributing/style.md`: names without private vocabulary, and documentation
//! comments that say more than the name.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use proc_macro2::{TokenStream, TokenTree};

use super::conventions::sources;
use super::workspace::root;

/// Words that no name may contain, because they are metaphors or do not describe the thing.
const BANNED: &[&str] = &[
    "mend", "settle", "settled", "rest", "bury", "letter", "letters", "door", "yard", "scene", "room",
    "house", "told", "asked", "given", "led", "fate", "turn", "said", "gone", "going", "beat", "handed",
    "born", "died", "tidied", "twin", "wish", "tame", "vanished",
];

/// Standard terms that contain a banned word.
const ALLOWED: &[&[&str]] = &[
    &["dead", "letter"],
    &["dead", "letters"],
    &["aws", "rest"],
    &["rest", "json"],
    &["rest", "xml"],
    &["rest", "operation"],
];

/// The folders with source code.
const FOLDERS: [&str; 4] = ["config", "function", "cli", "bench"];

/// Splits a name at underscores and capitals, in lower case: `MaxBytes` and `max_bytes` are `max` and `bytes`.
fn segments(name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for part in name.split('_') {
        let mut word = String::new();
        let characters: Vec<char> = part.chars().collect();
        for (index, character) in characters.iter().enumerate() {
            let next_is_lower = characters.get(index + 1).is_some_and(|next| next.is_lowercase());
            let previous_is_upper = index > 0 && characters[index - 1].is_uppercase();
            if character.is_uppercase() && (!previous_is_upper || next_is_lower) && !word.is_empty() {
                found.push(std::mem::take(&mut word));
            }
            word.extend(character.to_lowercase());
        }
        if !word.is_empty() {
            found.push(word);
        }
    }
    found
}

fn banned_word(name: &str) -> Option<String> {
    // The remainder of a list or text, as in `[first, rest @ ..]`, and the REST protocols.
    if matches!(name, "rest" | "Rest") {
        return None;
    }
    let mut words = segments(name);
    for term in ALLOWED {
        if let Some(start) = words.windows(term.len()).position(|window| window == *term) {
            words.drain(start..start + term.len());
        }
    }
    words.into_iter().find(|word| BANNED.contains(&word.as_str()))
}

/// Collects all identifiers of a file, those in macro calls included.
fn identifiers(tokens: TokenStream, names: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(name) => {
                names.insert(name.to_string());
            }
            TokenTree::Group(group) => identifiers(group.stream(), names),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

/// Returns all source files with their texts.
fn files() -> Vec<(PathBuf, String)> {
    let files: Vec<PathBuf> = FOLDERS.iter().flat_map(|folder| sources(&root().join(folder))).collect();
    assert!(files.len() > 400, "only {} files were found", files.len());
    files.into_iter().map(|file| (file.clone(), fs::read_to_string(&file).unwrap())).collect()
}

#[test]
fn name_segments_split_at_underscores_and_capitals() {
    assert_eq!(segments("read_HTTPHeader_of"), ["read", "http", "header", "of"]);
    assert_eq!(banned_word("DeadLetterQueue"), None);
    assert_eq!(banned_word("letter_of").as_deref(), Some("letter"));
    assert_eq!(banned_word("restart_turned"), None);
}

#[test]
fn names_contain_no_private_vocabulary() {
    let mut wrong = Vec::new();
    for (file, text) in files() {
        let mut names = BTreeSet::new();
        identifiers(text.parse().unwrap(), &mut names);
        let bad = names.iter().filter_map(|name| Some((name, banned_word(name)?)));
        wrong.extend(bad.map(|(name, word)| format!("{}: {name} ({word})", file.display())));
    }
    assert!(
        wrong.is_empty(),
        "names with words that docs/contributing/style.md replaces:\n{}",
        wrong.join("\n")
    );
}

/// Help texts of the command line are documentation comments too, and follow the rules for help.
#[test]
fn documentation_comments_begin_with_a_verb_or_noun_and_say_more_than_the_name() {
    let mut wrong = Vec::new();
    for (file, text) in files() {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for (index, line) in lines.iter().enumerate() {
            let Some(comment) = line.strip_prefix("/// ").or(line.strip_prefix("//! ")) else { continue };
            let previous = index.checked_sub(1).map_or("", |previous| lines[previous]);
            let begins = !previous.starts_with("///") && !previous.starts_with("//!");
            let first = comment.split([' ', ',', '\'']).next().unwrap_or_default();
            let is_question = ["What", "Who", "Which", "Where", "Whose"].contains(&first);
            if begins && (is_question || repeats_name(comment, &lines[index + 1..])) {
                wrong.push(format!("{}:{}: {line}", file.display(), index + 1));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "documentation comments that docs/contributing/style.md replaces:\n{}",
        wrong.join("\n")
    );
}

/// Whether a comment of at most three words only repeats the name of its item.
fn repeats_name(comment: &str, following: &[&str]) -> bool {
    let words: Vec<String> = comment
        .split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let Some(item) = following.iter().find(|line| !line.starts_with("#[")) else { return false };
    if words.len() > 3 || item.starts_with("///") {
        return false;
    }
    let keywords = [
        "pub", "async", "const", "static", "fn", "struct", "enum", "trait", "type", "mod", "crate", "super",
        "mut",
    ];
    let name = item
        .split(|character: char| !character.is_alphanumeric() && character != '_')
        .find(|word| !word.is_empty() && !keywords.contains(word))
        .unwrap_or_default();
    let stem = |word: &str| word.trim_end_matches('s').to_owned();
    let of_name: Vec<String> = segments(name).iter().map(|word| stem(word)).collect();
    let articles = ["the", "a", "an", "its", "of", "this"];
    words.iter().filter(|word| !articles.contains(&word.as_str())).all(|word| of_name.contains(&stem(word)))
}
