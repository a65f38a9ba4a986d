//! Converts errors of clap into failures with the form of all other errors.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use hitctl_report::Failure;

/// Converts an error of clap. It must not be a request for help or the version. `args` includes the program's name.
pub(crate) fn failure(error: &clap::Error, command: &clap::Command, args: &[OsString]) -> Failure {
    let rendered = error.render().to_string();
    let mut paragraphs = rendered.split("\n\n");
    let first = paragraphs.next().unwrap_or_default().trim_start_matches("error: ");
    let message = match error.kind() {
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => "expected a command".to_owned(),
        _ => missing_arguments(error).unwrap_or_else(|| with_backquotes(&one_line(first))),
    };
    let tips: Vec<String> = rendered
        .lines()
        .filter_map(|line| Some(with_backquotes(line.trim_start().strip_prefix("tip: ")?)))
        .collect();
    let hint = if tips.is_empty() {
        format!("run `{} --help` for usage", command_of(command, args))
    } else {
        tips.join("; ")
    };
    Failure::usage(message).hinted(hint)
}

/// Returns the message for missing arguments: `expected --path <PATH> or --file <FILE>`.
fn missing_arguments(error: &clap::Error) -> Option<String> {
    let Some(ContextValue::Strings(arguments)) = error.get(ContextKind::InvalidArg) else { return None };
    if error.kind() != ErrorKind::MissingRequiredArgument {
        return None;
    }
    let alternatives = |argument: &String| {
        // clap writes a group as `<--path <PATH>|--file <FILE>>`.
        let group = argument.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
        group.filter(|group| group.contains('|')).map_or(argument.clone(), |group| group.replace('|', " or "))
    };
    Some(format!("expected {}", arguments.iter().map(alternatives).collect::<Vec<_>>().join(" and ")))
}

fn one_line(text: &str) -> String {
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}

/// Replaces clap's single quotes around names and values by backquotes.
fn with_backquotes(text: &str) -> String {
    let parts: Vec<&str> = text.split('\'').collect();
    // With an odd number of quotes, one of them belongs to a value.
    if parts.len().is_multiple_of(2) { text.to_owned() } else { parts.join("`") }
}

/// Returns the command that the arguments name, such as `hitctl counts get`.
fn command_of(mut command: &clap::Command, args: &[OsString]) -> String {
    let mut names = vec![command.get_name()];
    for subcommand in args.iter().skip(1) {
        if let Some(found) = subcommand.to_str().and_then(|name| command.find_subcommand(name)) {
            names.push(found.get_name());
            command = found;
        }
    }
    names.join(" ")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::args::Cli;

    fn error(args: &[&str]) -> String {
        let args: Vec<OsString> =
            std::iter::once("hitctl").chain(args.iter().copied()).map(Into::into).collect();
        let command = Cli::command_in(&BTreeMap::new());
        let error = command.clone().try_get_matches_from(&args).unwrap_err();
        let failure = failure(&error, &command, &args);
        format!("{}\n{}", failure.message, failure.hint.as_deref().unwrap_or_default())
    }

    #[test]
    fn missing_arguments_names_all_alternatives() {
        let cases = [
            (&["send"] as &[&str], "expected --path <PATH> or --file <FILE>"),
            (&["emit"], "expected --file <FILE> or --detail <JSON>"),
            (&["invoke"], "expected --path <PATH> or --event <KIND> or --payload <FILE>"),
            (&["counts", "import"], "expected FILE or --start-at <N>"),
            (&["counts", "reset"], "expected PATH or --all"),
            (&["counts", "set", "/"], "expected <N>"),
            (&["explain"], "expected --path <PATH>"),
        ];
        for (args, expected) in cases {
            let text = error(args);
            assert_eq!(text.lines().next(), Some(expected), "{args:?}");
        }
        insta::assert_snapshot!(error(&["counts", "import"]), @"
        expected FILE or --start-at <N>
        run `hitctl counts import --help` for usage
        ");
    }

    #[test]
    fn clap_errors_have_form_of_other_errors() {
        insta::assert_snapshot!(error(&["counts"]), @"
        expected a command
        run `hitctl counts --help` for usage
        ");
        insta::assert_snapshot!(error(&["statu"]), @"
        unrecognized subcommand `statu`
        a similar subcommand exists: `status`
        ");
        insta::assert_snapshot!(error(&["plan", "--arti"]), @"
        unexpected argument `--arti` found
        a similar argument exists: `--artifact`
        ");
        insta::assert_snapshot!(error(&["deploy", "--color", "x"]), @"
        invalid value `x` for `--color <WHEN>` [possible values: auto, always, never]
        run `hitctl deploy --help` for usage
        ");
        insta::assert_snapshot!(error(&["logs", "--since", "1x"]), @r#"
        invalid value `1x` for `--since <TIME>`: expected a duration such as 30s, 10m, 2h or 7d, found "1x"
        run `hitctl logs --help` for usage
        "#);
        insta::assert_snapshot!(error(&["counts", "list", "--limit", "x"]), @"
        invalid value `x` for `--limit <N>`: invalid digit found in string
        run `hitctl counts list --help` for usage
        ");
        insta::assert_snapshot!(error(&["deploy", "--dry-run", "--confirm", "it's"]), @"
        the argument `--dry-run` cannot be used with `--confirm <NAME>`
        run `hitctl deploy --help` for usage
        ");
        insta::assert_snapshot!(error(&["counts", "get"]), @"
        expected <PATH>...
        run `hitctl counts get --help` for usage
        ");
    }
}
