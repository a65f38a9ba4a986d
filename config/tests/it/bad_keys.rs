//! Error messages for invalid keys, envs and combinations, and for files with broken syntax.

use crate::errors;

#[test]
fn unknown_keys_suggest_nearest_key_or_section() {
    insta::assert_snapshot!(errors("unknown_keys.toml"), @r#"
    13 problems in the configuration

    unknown_keys.toml:1:1: unknown key `ap`; did you mean `app`?
     1 | ap = "hits"
       | ^^

    unknown_keys.toml:2:1: `confirm` belongs in an env
     2 | confirm = true
       | ^^^^^^^
       = write it below `[env.NAME]`

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

    unknown_keys.toml:12:1: unknown key `region` in `[function]`; it belongs at the top, above the first `[table]`
     12 | region = "eu-central-1"
        | ^^^^^^

    unknown_keys.toml:15:1: unknown key `cors` in `[http]`
     15 | cors = true
        | ^^^^
        = known here: expose, allow_origins, allow_methods, rate_per_second, burst

    unknown_keys.toml:16:1: unknown key `memory_mbs` in `[http]`; did you mean `function.memory_mb`?
     16 | memory_mbs = 1
        | ^^^^^^^^^^

    unknown_keys.toml:19:1: `default_env` belongs at the top
     19 | default_env = "prod"
        | ^^^^^^^^^^^
        = move it above the first `[table]`

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

    envs.toml:1:15: there is no env `prdo`; did you mean `prod`?
     1 | default_env = "prdo"
       |               ^^^^^^
       = known: prod, local, web, test; to add it, write the line `[env.prdo]` into hitctl.toml

    envs.toml:5:6: `env`: expected a name of lower-case letters, digits and single hyphens, beginning with a letter, at most 30 long, found "Staging"
     5 | [env.Staging]
       |      ^^^^^^^
       = did you mean "staging"?

    envs.toml:7:6: no env can be called `prod-seen`
     7 | [env.prod-seen]
       |      ^^^^^^^^^
       = names of other resources end in `-seen`, and two could become one

    envs.toml:9:6: no env can be called `dlq`
     9 | [env.dlq]
       |      ^^^
       = names of other resources end in `-dlq`, and two could become one

    envs.toml:12:10: the env `local` is always this machine
     12 | target = "aws"
        |          ^^^^^
        = give the env another name

    envs.toml:15:8: `env.test`: expected a table, found a string
     15 | test = "aws"
        |        ^^^^^
        = an env is a table: `[env.NAME]`

    envs.toml:18:10: `target` has no "locla"; did you mean "local"?
     18 | target = "locla"
        |          ^^^^^^^
        = one of "aws", "local"
    "#);
}

#[test]
fn reserved_variables_are_rejected_without_showing_values() {
    let shown = errors("environment.toml");
    assert!(!shown.contains("s3cret"));
    insta::assert_snapshot!(shown, @r#"
    12 problems in the configuration

    environment.toml:2:17: Lambda keeps `AWS_REGION` for itself
     2 | environment = { AWS_REGION = ***********, AWS_LAMBDA_ANYTHING = ********, HITS_TABLE_NAME = ****** }
       |                 ^^^^^^^^^^

    environment.toml:2:43: Lambda keeps `AWS_LAMBDA_ANYTHING` for itself
     2 | environment = { AWS_REGION = ***********, AWS_LAMBDA_ANYTHING = ********, HITS_TABLE_NAME = ****** }
       |                                           ^^^^^^^^^^^^^^^^^^^

    environment.toml:2:75: hitctl sets `HITS_TABLE_NAME` itself
     2 | environment = { AWS_REGION = ***********, AWS_LAMBDA_ANYTHING = ********, HITS_TABLE_NAME = ****** }
       |                                                                           ^^^^^^^^^^^^^^^
       = it is the name of a table, which follows from `app` and the env

    environment.toml:5:1: hitctl sets `LOG_LEVEL` itself
     5 | LOG_LEVEL = *******
       | ^^^^^^^^^
       = set `log_level` in `[function]`

    environment.toml:6:1: `environment`: expected the name of an environment variable: a letter, then letters, digits and underscores, at least two in all, found "MY-KEY"
     6 | MY-KEY = ********
       | ^^^^^^
       = did you mean "MY_KEY"?

    environment.toml:7:10: `NUMBER`: expected a string, found an integer
     7 | NUMBER = *
       |          ^
       = values of variables are strings: write it in quotes

    environment.toml:8:7: `NUL` holds a NUL character
     8 | NUL = **************
       |       ^^^^^^^^^^^^^^

    environment.toml:9:1: hitctl keeps `HITCTL_BOTS` for itself
     9 | HITCTL_BOTS = *******
       | ^^^^^^^^^^^
       = what counts is set in `[counter]`; of these names only `HITCTL_ORIGIN_SECRET` is for here

    environment.toml:10:1: hitctl keeps `HITCTL_ORIGIN_SECRT` for itself
     10 | HITCTL_ORIGIN_SECRT = ********
        | ^^^^^^^^^^^^^^^^^^^
        = what counts is set in `[counter]`; of these names only `HITCTL_ORIGIN_SECRET` is for here

    environment.toml:12:1: hitctl sets `HITS_SEEN_TABLE_NAME` itself
     12 | HITS_SEEN_TABLE_NAME = ******
        | ^^^^^^^^^^^^^^^^^^^^
        = it is the name of a table, which follows from `app` and the env

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

    combinations.toml:1:7: the name `a-name-that-is-all-by-itself-quite-long-and-an-env-that-is-as-long` is 66 characters long; Lambda and IAM take 64
     1 | app = "a-name-that-is-all-by-itself-quite-long"
       |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       = shorten `app` or the name of the env

    combinations.toml:5:12: Lambda refuses batches above 10 without a window
     5 | window_s = 0
       |            ^
       = set `window_s` to 1 or more, or `batch_size` to 10 or less

    combinations.toml:8:12: `visitors = "raw"` keeps addresses of people, which are personal data
     8 | visitors = "raw"
       |            ^^^^^
       = say so with `i_know_this_is_personal_data = true`, or use "hash"
    "#);
}

#[test]
fn broken_syntax_reports_locations() {
    let shown = errors("syntax.toml");
    assert!(!shown.contains("s3cret"));
    insta::assert_snapshot!(shown, @r#"
    3 problems in the configuration

    syntax.toml:1:7: string values must be quoted, expected literal string
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
fn duplicate_keys_are_errors() {
    insta::assert_snapshot!(errors("duplicates.toml"), @r#"
    2 problems in the configuration

    duplicates.toml:2:1: duplicate key
     2 | app = "shop"
       | ^^^

    duplicates.toml:7:2: duplicate key
     7 | [function]
       |  ^^^^^^^^
    "#);
}
