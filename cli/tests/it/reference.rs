//! Checks the pages in `docs/reference`, which are generated from the command line and from the schema of
//! `hitctl.toml`. With `HITCTL_UPDATE_DOCS=1`, the tests write the pages instead.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use clap::{Arg, Command};
use hitctl::args::Cli;
use serde_json::{Map, Value};

/// Compares a page with its file, or writes the file.
#[expect(clippy::disallowed_methods, reason = "reads whether to write the page")]
fn check(name: &str, page: &str) {
    let path = Path::new("../docs/reference").join(name);
    if std::env::var_os("HITCTL_UPDATE_DOCS").is_some() {
        std::fs::write(&path, page).unwrap();
        return;
    }
    let current = std::fs::read_to_string(&path).unwrap();
    assert_eq!(
        current, page,
        "HITCTL_UPDATE_DOCS=1 cargo test -p hitctl --test it reference updates this page"
    );
}

/// Escapes a text for a cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// Returns the spelling of an option or argument: `-e`, `--env <NAME>`.
fn spelling(arg: &Arg) -> String {
    let values = arg.get_value_names().unwrap_or_default().iter().map(|name| format!("<{name}>"));
    let value =
        if arg.get_action().takes_values() { values.collect::<Vec<_>>().join(" ") } else { String::new() };
    if arg.is_positional() {
        let dots = if arg.get_num_args().is_some_and(|range| range.max_values() > 1) { "..." } else { "" };
        return format!("`{value}{dots}`");
    }
    let short = arg.get_short().map(|short| format!("-{short}"));
    let long = arg.get_long().map(|long| format!("--{long}"));
    let names = short.into_iter().chain(long).collect::<Vec<_>>().join("`, `");
    if value.is_empty() { format!("`{names}`") } else { format!("`{names} {value}`") }
}

/// Returns a row of the table of options.
fn row(arg: &Arg) -> String {
    let mut meaning =
        arg.get_long_help().or(arg.get_help()).map(|help| cell(&help.to_string())).unwrap_or_default();
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|value| !value.is_hide_set() && arg.get_action().takes_values())
        .map(|value| match value.get_help() {
            Some(help) => format!("`{}`: {}", value.get_name(), cell(&help.to_string())),
            None => format!("`{}`", value.get_name()),
        })
        .collect();
    let mut add = |text: String| {
        meaning += if meaning.is_empty() || meaning.ends_with('.') { " " } else { ". " };
        meaning += &text;
    };
    if !values.is_empty() {
        add(format!("Values: {}", values.join("; ")));
    }
    let defaults: Vec<String> = arg
        .get_default_values()
        .iter()
        .filter(|_| arg.get_action().takes_values())
        .map(|value| format!("`{}`", value.to_string_lossy()))
        .collect();
    if !defaults.is_empty() {
        add(format!("Default: {}", defaults.join(", ")));
    }
    let variable = arg.get_env().map(|name| format!("`{}`", name.to_string_lossy())).unwrap_or_default();
    format!("| {} | {} | {variable} |\n", spelling(arg), meaning.trim())
}

fn options<'a>(args: impl Iterator<Item = &'a Arg>) -> String {
    let mut rows = String::new();
    for arg in args.filter(|arg| !arg.is_hide_set() && !["help", "version"].contains(&arg.get_id().as_str()))
    {
        rows += &row(arg);
    }
    if rows.is_empty() {
        rows
    } else {
        format!("| option | meaning | variable |\n| --- | --- | --- |\n{rows}\n")
    }
}

/// Adds the sections of a command and of its subcommands.
fn describe(page: &mut String, command: &Command, parents: &str, level: usize) {
    let name = format!("{parents} {}", command.get_name());
    let about = command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default();
    write!(page, "{} {}\n\n{}\n\n", "#".repeat(level), name.trim(), about.trim()).unwrap();
    let aliases: Vec<&str> = command.get_visible_aliases().collect();
    if !aliases.is_empty() {
        write!(page, "Alias: `{}`.\n\n", aliases.join("`, `")).unwrap();
    }
    let subcommands: Vec<&Command> =
        command.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help").collect();
    if subcommands.is_empty() {
        let usage = command.clone().bin_name(name.trim()).render_usage().to_string();
        write!(page, "```text\n{}\n```\n\n", usage.trim_start_matches("Usage: ")).unwrap();
    }
    *page += &options(command.get_arguments().filter(|arg| !arg.is_global_set()));
    if let Some(examples) = command.get_after_help() {
        let text = examples.to_string();
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if let Some((heading, lines)) = lines.split_first() {
            write!(page, "{heading}\n\n```text\n{}\n```\n\n", lines.join("\n")).unwrap();
        }
    }
    for sub in subcommands {
        describe(page, sub, &name, level + 1);
    }
}

#[test]
fn command_reference_matches_command_line() {
    let mut cli = Cli::command_in(&BTreeMap::new());
    cli.build();
    let mut page =
        "# Commands\n\n<!-- Generated from the command line: see cli/tests/it/reference.rs -->\n\n"
            .to_owned();
    page += "`hitctl help COMMAND` prints the same in a terminal, `hitctl man` prints the manual page, and `hitctl completions SHELL` prints a \
             completion script. Results go to stdout, messages and progress to stderr.\n\n## Options of every command\n\n";
    page += &options(cli.get_arguments());
    let codes = cli
        .find_subcommand("exit-codes")
        .and_then(Command::get_long_about)
        .expect("the exit codes")
        .to_string();
    let (heading, codes) = codes.trim().split_once('\n').unwrap();
    write!(page, "## {heading}\n\n```text\n{}\n```\n\n", codes.trim_matches('\n')).unwrap();
    for command in cli.get_subcommands().filter(|sub| !sub.is_hide_set() && sub.get_name() != "help") {
        describe(&mut page, command, "hitctl", 2);
    }
    check("commands.md", &format!("{}\n", page.trim_end()));
}

/// Returns the values that a key of the schema accepts.
fn values(key: &Value) -> String {
    if let Some(words) = key["enum"].as_array() {
        return words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    }
    if let Some(any) = key["anyOf"].as_array().or(key["oneOf"].as_array()) {
        return any.iter().map(values).collect::<Vec<_>>().join(", or ");
    }
    if !key["const"].is_null() {
        return format!("`{}`", key["const"]);
    }
    let number = |name: &str| key[name].as_i64();
    match key["type"].as_str().unwrap_or("object") {
        "integer" | "number" => match (number("minimum"), number("maximum"), number("exclusiveMinimum")) {
            (Some(min), Some(max), _) => format!("{min} to {max}"),
            (None, Some(max), Some(above)) => format!("above {above}, at most {max}"),
            _ => "number".to_owned(),
        },
        "boolean" => "`true` or `false`".to_owned(),
        "array" => "list of strings".to_owned(),
        "object" => "table".to_owned(),
        kind => kind.to_owned(),
    }
}

/// Adds the table of the keys of a section.
fn section(page: &mut String, keys: &Map<String, Value>) {
    *page += "| key | values | default | meaning |\n| --- | --- | --- | --- |\n";
    for (name, key) in keys.iter().filter(|(_, key)| key["$ref"].is_null()) {
        let default = match (&key["default"], &key["examples"][0]) {
            (Value::Null, Value::Null) => String::new(),
            (Value::Null, example) => format!("none; such as `{example}`"),
            (default, _) => format!("`{default}`"),
        };
        let meaning = cell(key["description"].as_str().unwrap_or_default());
        writeln!(page, "| `{name}` | {} | {} | {meaning} |", cell(&values(key)), cell(&default)).unwrap();
    }
    page.push('\n');
}

#[test]
fn configuration_reference_matches_schema() {
    let schema: Value = serde_json::from_str(include_str!("../../../config/hitctl.schema.json")).unwrap();
    let mut page = "# Configuration\n\n<!-- Generated from config/hitctl.schema.json: see cli/tests/it/reference.rs -->\n\n".to_owned();
    page += include_str!("reference/configuration.md");
    page += "\n## Top level\n\n";
    section(&mut page, schema["properties"].as_object().unwrap());
    for (name, table) in schema["definitions"].as_object().unwrap() {
        let Some(keys) = table["properties"].as_object() else { continue };
        let heading = if name == "env" { "[env.NAME]".to_owned() } else { format!("[{name}]") };
        write!(page, "## {heading}\n\n{}\n\n", table["description"].as_str().unwrap_or_default()).unwrap();
        if name == "env" {
            page += "An environment may also contain every key and table above; it overrides them.\n\n";
        }
        let own: Map<String, Value> = match name.as_str() {
            "env" => keys
                .iter()
                .filter(|(key, _)| schema["properties"][key.as_str()].is_null())
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
            _ => keys.clone(),
        };
        section(&mut page, &own);
    }
    check("configuration.md", &format!("{}\n", page.trim_end()));
}

/// Returns the names of all commands without subcommands, such as `counts list`.
fn leaf_commands(command: &Command, prefix: &str, found: &mut Vec<String>) {
    for subcommand in command.get_subcommands().filter(|one| !one.is_hide_set() && one.get_name() != "help") {
        let name = format!("{prefix}{}", subcommand.get_name());
        if subcommand.has_subcommands() {
            leaf_commands(subcommand, &format!("{name} "), found);
        } else {
            found.push(name);
        }
    }
}

#[test]
fn platforms_page_lists_every_command_and_wine_only_for_commands_of_its_tests() {
    let page = std::fs::read_to_string("../docs/platforms.md").unwrap();
    let mut commands = Vec::new();
    leaf_commands(&<Cli as clap::CommandFactory>::command(), "", &mut commands);
    let source = |file: &str| std::fs::read_to_string(Path::new("tests/windows").join(file)).unwrap();
    let machine = source("machine.rs");
    // The last test runs commands that fail, because the local cloud needs WSL.
    let (successful, _) = machine.split_once("fn local_environment_needs_wsl").unwrap();
    let tests: String = (source("account.rs") + successful).split_whitespace().collect();
    for command in &commands {
        let start = format!("| `{command}` | ");
        let rows: Vec<_> = page.lines().filter_map(|line| line.strip_prefix(&start)).collect();
        let [row] = rows[..] else { panic!("{command} has {} rows", rows.len()) };
        let windows = row.split(" | ").nth(2).unwrap_or_default();
        let words = command.split(' ').map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(",");
        assert_eq!(
            windows.starts_with("wine"),
            tests.contains(&format!("&[{words}")) && !windows.starts_with("WSL"),
            "{command}"
        );
    }
    assert_eq!(page.lines().filter(|line| line.starts_with("| `")).count(), commands.len());
}
