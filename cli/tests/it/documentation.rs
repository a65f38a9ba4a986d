//! Checks the examples in the documentation: hitctl accepts every command line in a code block, and loads every `toml`
//! block as a configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hitctl::args::Cli;

/// Returns the paths of the pages: the README, CONTRIBUTING.md, the book, and the READMEs of the examples.
fn pages() -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("../README.md"), PathBuf::from("../CONTRIBUTING.md")];
    let mut folders = vec![PathBuf::from("../docs"), PathBuf::from("../examples")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Returns the code blocks of a page: the language, the number of the opening line, and the text.
fn blocks(page: &str) -> Vec<(String, usize, String)> {
    let mut found = Vec::new();
    let mut open: Option<(String, usize, String)> = None;
    for (number, line) in page.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(language)) => open = Some((language.to_owned(), number + 1, String::new())),
            (Some(_), Some(_)) => found.extend(open.take()),
            (Some((.., text)), None) => {
                text.push_str(line);
                text.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// Splits a command line at spaces outside of quotes, up to a comment.
fn words(line: &str) -> Vec<String> {
    let (mut found, mut word, mut quote) = (Vec::new(), String::new(), None);
    for character in line.chars() {
        match (character, quote) {
            ('\'' | '"', None) => quote = Some(character),
            (_, Some(open)) if character == open => quote = None,
            (' ', None) => found.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
            ('#', None) if word.is_empty() => break,
            _ => word.push(character),
        }
    }
    found.extend(Some(word).filter(|word| !word.is_empty()));
    found
}

/// Returns the arguments of each hitctl command in a line of a code block.
fn commands(line: &str) -> Vec<Vec<String>> {
    let line = line.trim_start_matches("$ ");
    let words = words(line);
    words
        .split(|word| word == "|" || word == "&&")
        .filter_map(|command| {
            let cargo = ["cargo", "run", "--release", "--"];
            let arguments = match command {
                [first, rest @ ..] if first == "hitctl" => rest,
                _ if command.len() > cargo.len() && command[..cargo.len()] == cargo => {
                    &command[cargo.len()..]
                }
                _ => return None,
            };
            // A redirection is not an argument.
            let end =
                arguments.iter().position(|word| word == ">" || word == ">>").unwrap_or(arguments.len());
            Some(arguments[..end].to_vec())
        })
        .collect()
}

#[test]
fn documented_command_lines_are_accepted() {
    let mut checked = 0;
    for path in pages() {
        let page = std::fs::read_to_string(&path).unwrap();
        for (_, first, text) in
            blocks(&page).into_iter().filter(|(language, ..)| matches!(language.as_str(), "" | "text" | "sh"))
        {
            // Skips drawings, which mention commands too.
            if text.contains('─') {
                continue;
            }
            for (number, line) in text.lines().enumerate() {
                for arguments in commands(line) {
                    // Skips the usage lines of the command reference.
                    if arguments.iter().any(|word| word.contains(['[', '<'])) {
                        continue;
                    }
                    let command = std::iter::once("hitctl".to_owned()).chain(arguments);
                    let parsed = Cli::command_in(&BTreeMap::new()).try_get_matches_from(command);
                    if let Err(error) = parsed
                        && error.exit_code() != 0
                    {
                        panic!("{}:{}: {line}\n{error}", path.display(), first + number + 1);
                    }
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 60, "only {checked} command lines were found");
}

#[test]
fn documented_configurations_load() {
    let mut checked = 0;
    for path in pages() {
        let page = std::fs::read_to_string(&path).unwrap();
        for (_, first, text) in blocks(&page).into_iter().filter(|(language, ..)| language == "toml") {
            let source = Some((PathBuf::from("hitctl.toml"), text));
            let loaded = hitctl_config::load(source, Some("test"), &hitctl_config::Overrides::new());
            assert!(loaded.is_ok(), "{}:{first}: {}", path.display(), loaded.unwrap_err());
            checked += 1;
        }
    }
    assert!(checked >= 3, "only {checked} configurations were found");
}
