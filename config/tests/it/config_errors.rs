//! Tests of the error messages for invalid keys, variables, environments and combinations, and for broken syntax.

use crate::errors;

#[test]
fn unknown_keys_suggest_nearest_key_or_section() {
    insta::assert_snapshot!(errors("unknown_keys.toml"), @r#"
    13 problems in the configuration

    unknown_keys.toml:1:1: unknown key `ap`; did you mean `app`?
     1 | ap = "hits"
       | ^^

    unknown_keys.toml:2:1: `confirm`: expected in an environment, found at the top
     2 | confirm = true
       | ^^^^^^^
       = move it below `[env.NAME]`

    unknown_keys.toml:3:1: unknown key `public`; did you mean `function.publish`?
     3 | public = true
       | ^^^^^^

    unknown_keys.toml:5:2: unknown key `functoin`; did you mean `function`?
     5 | [functoin]
       |  ^^^^^^^^

    unknown_keys.toml:9:1: unknown key `memroy_mb` in `[function]`; did you mean `memory_mb`?
     9 | memroy_mb = 128
       | ^^^^^^^^^

    unknown_keys.toml:10:1: unknown key `timeout` in `[function]`; did you mean `timeout_s`?
     10 | timeout = 5
        | ^^^^^^^

    unknown_keys.toml:11:1: unknown key `allow_origins` in `[function]`; it belongs in `[http]`
     11 | allow_origins = ["*"]
        | ^^^^^^^^^^^^^

    unknown_keys.toml:12:1: unknown key `region` in `[function]`; it belongs at the top, above the first section, such as `[function]`
     12 | region = "eu-central-1"
        | ^^^^^^

    unknown_keys.toml:15:1: unknown key `cors` in `[http]`
     15 | cors = true
        | ^^^^
        = use one of: expose, allow_origins, allow_methods, rate_per_second, burst

    unknown_keys.toml:16:1: unknown key `memory_mbs` in `[http]`; did you mean `function.memory_mb`?
     16 | memory_mbs = 1
        | ^^^^^^^^^^

    unknown_keys.toml:19:1: `default_env`: expected at the top, found in an environment
     19 | default_env = "prod"
        | ^^^^^^^^^^^
        = move it above the first section, such as `[function]`

    unknown_keys.toml:20:1: unknown key `targt`; did you mean `target`?
     20 | targt = "aws"
        | ^^^^^

    unknown_keys.toml:22:11: unknown key `queu`; did you mean `queue`?
     22 | [env.prod.queu]
        |           ^^^^
    "#);
}

#[test]
fn envs_with_bad_names_and_unknown_default_are_errors() {
    insta::assert_snapshot!(errors("envs.toml"), @r#"
    7 problems in the configuration

    envs.toml:1:15: unknown environment "prdo"; did you mean "prod"?
     1 | default_env = "prdo"
       |               ^^^^^^
       = use one of: prod, local, web, test; or add the line `[env.prdo]` to hitctl.toml

    envs.toml:5:6: `env`: expected a name of at most 30 lower-case letters, digits and single hyphens that begins with a letter, found "Staging"
     5 | [env.Staging]
       |      ^^^^^^^
       = did you mean "staging"?

    envs.toml:7:6: `env`: expected a name that does not end with `-seen`, found "prod-seen"
     7 | [env.prod-seen]
       |      ^^^^^^^^^
       = choose another name; names of other resources end with `-seen`

    envs.toml:9:6: `env`: expected a name other than `dlq`, found "dlq"
     9 | [env.dlq]
       |      ^^^
       = choose another name; names of other resources end with `-dlq`

    envs.toml:12:10: `target`: expected "local" in the environment `local`, found "aws"
     12 | target = "aws"
        |          ^^^^^
        = remove the line, or choose another name for the environment

    envs.toml:15:8: `env.test`: expected a table, found a string
     15 | test = "aws"
        |        ^^^^^
        = write `[env.NAME]`

    envs.toml:18:10: `target`: expected "aws" or "local", found "locla"
     18 | target = "locla"
        |          ^^^^^^^
        = did you mean "local"?
    "#);
}

#[test]
fn reserved_variables_are_rejected_without_showing_values() {
    let shown = errors("environment.toml");
    assert!(!shown.contains("s3cret"));
    insta::assert_snapshot!(shown, @r#"
    12 problems in the configuration

    environment.toml:2:17: `AWS_REGION`: Lambda reserves this name
     2 | environment = { AWS_REGION = ***********, AWS_LAMBDA_ANYTHING = ********, HITS_TABLE_NAME = ****** }
       |                 ^^^^^^^^^^

    environment.toml:2:43: `AWS_LAMBDA_ANYTHING`: Lambda reserves this name
     2 | environment = { AWS_REGION = ***********, AWS_LAMBDA_ANYTHING = ********, HITS_TABLE_NAME = ****** }
       |                                           ^^^^^^^^^^^^^^^^^^^

    environment.toml:2:75: `HITS_TABLE_NAME`: hitctl sets this variable
     2 | environment = { AWS_REGION = ***********, AWS_LAMBDA_ANYTHING = ********, HITS_TABLE_NAME = ****** }
       |                                                                           ^^^^^^^^^^^^^^^
       = remove it; the name of the table is computed from `app` and the environment

    environment.toml:5:1: `LOG_LEVEL`: hitctl sets this variable
     5 | LOG_LEVEL = *******
       | ^^^^^^^^^
       = set `log_level` in `[function]`

    environment.toml:6:1: `environment`: expected the name of an environment variable: a letter, and then one or more letters, digits and underscores, found "MY-KEY"
     6 | MY-KEY = ********
       | ^^^^^^
       = did you mean "MY_KEY"?

    environment.toml:7:10: `NUMBER`: expected a string, found an integer
     7 | NUMBER = *
       |          ^
       = write the value in quotes

    environment.toml:8:7: `NUL`: expected a string without NUL characters, found a NUL character
     8 | NUL = **************
       |       ^^^^^^^^^^^^^^

    environment.toml:9:1: `HITCTL_BOTS`: hitctl reserves this name
     9 | HITCTL_BOTS = *******
       | ^^^^^^^^^^^
       = use the keys in `[counter]`; of the reserved names, only `HITCTL_ORIGIN_SECRET` can be set here

    environment.toml:10:1: `HITCTL_ORIGIN_SECRT`: hitctl reserves this name
     10 | HITCTL_ORIGIN_SECRT = ********
        | ^^^^^^^^^^^^^^^^^^^
        = use the keys in `[counter]`; of the reserved names, only `HITCTL_ORIGIN_SECRET` can be set here

    environment.toml:12:1: `HITS_SEEN_TABLE_NAME`: hitctl sets this variable
     12 | HITS_SEEN_TABLE_NAME = ******
        | ^^^^^^^^^^^^^^^^^^^^
        = remove it; the name of the table is computed from `app` and the environment

    environment.toml:15:15: `environment`: expected a table, found a string
     15 | environment = ********
        |               ^^^^^^^^

    environment.toml:18:1: unknown key `enviroment` in `[function]`; did you mean `environment`?
     18 | enviroment = { TOKEN = ******** }
        | ^^^^^^^^^^
    "#);
}

#[test]
fn impossible_combinations_are_errors() {
    insta::assert_snapshot!(errors("combinations.toml"), @r#"
    3 problems in the configuration

    combinations.toml:1:7: `app`: expected at most 64 characters in the name `a-name-that-is-all-by-itself-quite-long-and-an-env-that-is-as-long`, found 66
     1 | app = "a-name-that-is-all-by-itself-quite-long"
       |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       = shorten `app` or the name of the environment

    combinations.toml:5:12: `window_s`: expected at least 1 for a `batch_size` above 10, found 0
     5 | window_s = 0
       |            ^
       = set `window_s` to 1 or more, or `batch_size` to 10 or less

    combinations.toml:8:12: `visitors`: "raw" stores IP addresses, which are personal data
     8 | visitors = "raw"
       |            ^^^^^
       = confirm with `i_know_this_is_personal_data = true`, or use "hash"
    "#);
}

#[test]
fn broken_syntax_reports_locations() {
    let shown = errors("syntax.toml");
    assert!(!shown.contains("s3cret"));
    insta::assert_snapshot!(shown, @r#"
    3 problems in the configuration

    syntax.toml:1:7: expected a string in quotes, found a string without quotes
     1 | app = hits
       |       ^^^^

    syntax.toml:3:10: unclosed table, expected `]`
     3 | [function
       |          ^

    syntax.toml:9:16: invalid basic string, expected `"`
     9 | TOKEN = *******
       |                ^
    "#);
}

#[test]
fn duplicate_keys_and_sections_are_errors() {
    insta::assert_snapshot!(errors("duplicates.toml"), @r#"
    2 problems in the configuration

    duplicates.toml:2:1: expected each key and section once, found a second definition
     2 | app = "shop"
       | ^^^
       = remove one of the two definitions, or merge them

    duplicates.toml:7:2: expected each key and section once, found a second definition
     7 | [function]
       |  ^^^^^^^^
       = remove one of the two definitions, or merge them
    "#);
}
