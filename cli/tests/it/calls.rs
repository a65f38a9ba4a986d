//! Snapshots of the output and the calls of each command in the lifecycle of a deployment on the local cloud.

use crate::proxy::CloudProxy;
use crate::support::{CommandOutput, DEFAULTS, TestEnv, artifact};

/// The calls that read all resources, deployed or not.
const SURVEY: [&str; 23] = [
    "GET alias hits-local-reader:live",
    "GET alias hits-local:live",
    "GET event_invoke_config hits-local",
    "GET event_rule hits-local",
    "GET event_rule hits-local-s3",
    "GET event_source_mapping hits-local-hits",
    "GET function hits-local",
    "GET function hits-local-reader",
    "GET function_url hits-local",
    "GET http_api hits-local",
    "GET log_group /aws/lambda/hits-local",
    "GET permission hits-local:hitctl-events",
    "GET permission hits-local:hitctl-http-api",
    "GET permission hits-local:hitctl-http-api-reader",
    "GET permission hits-local:hitctl-s3",
    "GET queue hits-local-dlq",
    "GET queue hits-local-hits",
    "GET role hits-local",
    "GET role hits-local-ingest",
    "GET role hits-local-reader",
    "GET status",
    "GET table hits-local",
    "GET table hits-local-seen",
];

/// The word in every address and name of the reader's resources.
const READER: &str = "reader";

/// Runs a command. Returns its exit code, its output and its calls as text.
fn transcript(test_env: &TestEnv, proxy: &CloudProxy, args: &[&str]) -> String {
    proxy.take_calls();
    let output = test_env.run(args);
    let calls = proxy.take_calls();
    let list = |text: &str| {
        text.lines().map(|line| format!("  {line}").trim_end().to_owned() + "\n").collect::<String>()
    };
    let CommandOutput { code, stdout, stderr } = &output;
    let (stdout, stderr) = (scrub(test_env, stdout), scrub(test_env, &sort_lines(stderr)));
    format!(
        "exit {code}\nstdout\n{}stderr\n{}calls\n{}",
        list(&stdout),
        list(&stderr),
        list(&reader_last(calls).join("\n").replace(&SURVEY.join("\n"), "the survey"))
    )
}

/// Sorts each run of consecutive changes, since the reader is created and deleted at the same time as the counter. The
/// checks whether the code is uploaded (`HEAD code`) become the first, since both functions make one, and the changes
/// of the reader the last.
fn reader_last(mut calls: Vec<String>) -> Vec<String> {
    let is_change = |call: &str| !call.starts_with("GET ");
    for run in calls.chunk_by_mut(|a, b| is_change(a) && is_change(b)) {
        run.sort_by_key(|call| (call != "HEAD code", call.contains(READER)));
    }
    calls
}

/// Sorts the lines of resources that change at the same time: alphabetically, with those of the reader last.
fn sort_lines(stderr: &str) -> String {
    let mut lines: Vec<&str> = stderr.lines().collect();
    let is_independent =
        |line: &str| ["table.", "role.", "log_group."].iter().any(|kind| line.contains(kind));
    let is_change =
        |line: &str| is_independent(line) || line.contains("function.") || line.contains("permission.");
    for run in lines.chunk_by_mut(|a, b| is_change(a) && is_change(b)) {
        run.sort_by_key(|line| line.contains(READER));
        for independent_lines in run.chunk_by_mut(|a, b| is_independent(a) && is_independent(b)) {
            // The third word of a line is the address of the resource.
            independent_lines.sort_by_key(|line| {
                (line.contains(READER), line.split_whitespace().nth(2).map(str::to_owned))
            });
        }
    }
    lines.join("\n")
}

/// Replaces times, ports, hashes and directories of this run with fixed words.
fn scrub(test_env: &TestEnv, text: &str) -> String {
    let text =
        text.replace(&test_env.path().display().to_string(), "DIR").replace(&artifact(), "FUNCTION.zip");
    let mut out = String::new();
    for line in text.lines() {
        let mut line = line.to_owned();
        if let Some(rest) = line.strip_prefix('+') {
            line = format!("+TIME {}", rest.trim_start_matches(|c: char| !c.is_whitespace()).trim_start());
        }
        if let (Some(open), true) = (line.rfind('('), line.ends_with("ms)") || line.ends_with("s)")) {
            line = format!("{}(TIME)", &line[..open]);
        }
        for (before, word) in [(" in ", "TIME"), ("http://127.0.0.1:", "PORT")] {
            line = mask_value(&line, before, word);
        }
        out.push_str(&mask_field(&line));
        out.push('\n');
    }
    out
}

/// Replaces the value of a field that differs by build, machine or time.
fn mask_field(line: &str) -> String {
    let words = [
        ("code_sha256", "SHA256"),
        ("HITCTL_BUILD", "BUILD"),
        ("release", "BUILD"),
        ("arch", "ARCH"),
        ("deployed", "TIME by USER"),
    ];
    let name = line.split_whitespace().next().unwrap_or_default();
    match words.iter().find(|(field, _)| *field == name) {
        Some((_, word)) if line.starts_with("  ") => {
            let value = line.trim_start().trim_start_matches(name).trim_start();
            format!("{}{word}", &line[..line.len() - value.len()])
        }
        _ => line.to_owned(),
    }
}

/// Replaces the number and its unit after `before` with `word`.
fn mask_value(line: &str, before: &str, word: &str) -> String {
    let Some(at) = line.find(before).map(|at| at + before.len()) else { return line.to_owned() };
    if !line[at..].starts_with(|c: char| c.is_ascii_digit()) {
        return line.to_owned();
    }
    let ends = |c: char| !c.is_ascii_alphanumeric() && c != '.';
    let end = line[at..].find(ends).map_or(line.len(), |end| at + end);
    // A trailing full stop belongs to the sentence.
    let end = if line[..end].ends_with('.') { end - 1 } else { end };
    format!("{}{word}{}", &line[..at], &line[end..])
}

#[test]
fn deployment_lifecycle_prints_and_calls_as_expected() {
    let test_env = TestEnv::with_config(DEFAULTS);
    assert_eq!(test_env.run(&["local", "start"]).code, 0);
    let proxy = CloudProxy::attach(&test_env);
    let zip = artifact();

    insta::assert_snapshot!(transcript(&test_env, &proxy, &["plan", "--artifact", &zip]), @"
    exit 0
    stdout
        + create  log_group.function   /aws/lambda/hits-local
            retention_days  14

        + create  role.function        hits-local
            statements
              allow logs:CreateLogStream, logs:PutLogEvents
                on arn:aws:logs:local:000000000000:log-group:/aws/lambda/hits-local:*
              allow dynamodb:DeleteItem, dynamodb:GetItem, dynamodb:PutItem, dynamodb:UpdateItem
                on arn:aws:dynamodb:local:000000000000:table/hits-local-seen
              allow dynamodb:BatchGetItem, dynamodb:GetItem, dynamodb:Scan, dynamodb:UpdateItem
                on arn:aws:dynamodb:local:000000000000:table/hits-local
            trusted_service  lambda.amazonaws.com

        + create  role.reader          hits-local-reader
            statements
              allow lambda:InvokeFunction
                on arn:aws:lambda:local:000000000000:function:hits-local
              allow logs:CreateLogStream, logs:PutLogEvents
                on arn:aws:logs:local:000000000000:log-group:/aws/lambda/hits-local:*
              allow dynamodb:BatchGetItem, dynamodb:GetItem, dynamodb:Scan
                on arn:aws:dynamodb:local:000000000000:table/hits-local
            trusted_service  lambda.amazonaws.com

        + create  table.hits           hits-local
            deletion_protection     true
            max_write_units         100
            partition_key           path
            point_in_time_recovery  true

        + create  table.seen           hits-local-seen
            deletion_protection     false
            max_write_units         100
            partition_key           id
            point_in_time_recovery  false
            ttl_attribute           ttl

        + create  function.counter     hits-local
            app_log_level         INFO
            arch                  ARCH
            code_sha256           SHA256
            environment
              HITCTL_BOTS           ignore
              HITCTL_BUILD          BUILD
              HITCTL_PATHS          budget/1000/10000
              HITCTL_REPEAT_S       10
              HITCTL_VISITORS       hash
              HITS_SEEN_TABLE_NAME  hits-local-seen
              HITS_TABLE_NAME       hits-local
              LOG_LEVEL             info
            log_format            JSON
            log_group             /aws/lambda/hits-local
            memory_mb             128
            reserved_concurrency  1
            role_arn              arn:aws:iam::000000000000:role/hits-local
            runtime               provided.al2023
            system_log_level      INFO
            timeout_s             10

        + create  function.reader      hits-local-reader
            app_log_level     INFO
            arch              ARCH
            code_sha256       SHA256
            environment
              HITCTL_BOTS      ignore
              HITCTL_BUILD     BUILD
              HITCTL_COUNTER   hits-local
              HITCTL_PATHS     budget/1000/10000
              HITCTL_REPEAT_S  10
              HITCTL_VISITORS  hash
              HITS_TABLE_NAME  hits-local
              LOG_LEVEL        info
            log_format        JSON
            log_group         /aws/lambda/hits-local
            memory_mb         128
            role_arn          arn:aws:iam::000000000000:role/hits-local-reader
            runtime           provided.al2023
            system_log_level  INFO
            timeout_s         10

        + create  http_api.api         hits-local
            cors
              allow_headers   content-type
              allow_methods   *
              allow_origins   *
              expose_headers  hitctl-build, hitctl-ignored
              max_age_s       3600
            function_arn  arn:aws:lambda:local:000000000000:function:hits-local
            reader
              function_arn  arn:aws:lambda:local:000000000000:function:hits-local-reader
              routes        ANY /, ANY /healthz, ANY /v1/badge.json, ANY /v1/badge.svg, ANY /v1/count, ANY /v1/widget.js
            routes        ANY /counter, ANY /v1/hit, ANY /v1/pixel.svg
            throttle
              burst            20
              rate_per_second  10

        + create  permission.http_api  hitctl-http-api
            function_name   hits-local
            principal       apigateway.amazonaws.com
            source_account  000000000000
            source_arn      (known after deploy)

        + create  permission.reader    hitctl-http-api-reader
            function_name   hits-local-reader
            principal       apigateway.amazonaws.com
            source_account  000000000000
            source_arn      (known after deploy)

      Plan: 10 to create.

        next  hitctl deploy --env local
    stderr
      app hits, env local, on this machine
      +TIME building  zip from FUNCTION.zip
      +TIME built     zip from FUNCTION.zip  (TIME)
    calls
      the survey
    ");
    insta::assert_snapshot!(transcript(&test_env, &proxy, &["deploy", "--artifact", &zip]), @"
    exit 0
    stdout
      Deployed environment local (this machine): 10 created in TIME.

        url       http://127.0.0.1:PORT
        function  hits-local
        table     hits-local
        next      hitctl snippet --env local
    stderr
      app hits, env local, on this machine
      +TIME building  zip from FUNCTION.zip
      +TIME built     zip from FUNCTION.zip  (TIME)
      +TIME created   log_group.function         /aws/lambda/hits-local  (TIME)
      +TIME created   role.function              hits-local              (TIME)
      +TIME created   table.hits                 hits-local              (TIME)
      +TIME created   table.seen                 hits-local-seen         (TIME)
      +TIME created   function.counter           hits-local              (TIME)
      +TIME created   role.reader                hits-local-reader       (TIME)
      +TIME created   function.reader            hits-local-reader       (TIME)
      +TIME created   http_api.api               hits-local              (TIME)
      +TIME created   permission.http_api        hitctl-http-api         (TIME)
      +TIME created   permission.reader          hitctl-http-api-reader  (TIME)
      +TIME checked   http://127.0.0.1:PORT/healthz                     (TIME)
    calls
      the survey
      HEAD code
      HEAD code
      PUT log_group /aws/lambda/hits-local
      PUT role hits-local
      PUT table hits-local
      PUT table hits-local-seen
      PUT code
      PUT function hits-local
      dynamodb:PutItem
      PUT http_api hits-local
      PUT permission hits-local:hitctl-http-api
      dynamodb:UpdateItem
      dynamodb:DeleteItem
      PUT role hits-local-reader
      PUT function hits-local-reader
      PUT permission hits-local:hitctl-http-api-reader
    ");
    insta::assert_snapshot!(transcript(&test_env, &proxy, &["deploy", "--artifact", &zip]), @"
    exit 0
    stdout
      Nothing to change.

        url       http://127.0.0.1:PORT
        function  hits-local
        table     hits-local
        next      hitctl snippet --env local
    stderr
      app hits, env local, on this machine
      +TIME building  zip from FUNCTION.zip
      +TIME built     zip from FUNCTION.zip  (TIME)
      +TIME checked   http://127.0.0.1:PORT/healthz                     (TIME)
    calls
      the survey
    ");
    insta::assert_snapshot!(transcript(&test_env, &proxy, &["status"]), @"
    exit 0
    stdout
        app       hits
        env       local (this machine)
        release   BUILD
        deployed  TIME by USER

        RESOURCE             STATE  NAME
        log_group.function   ok     /aws/lambda/hits-local
        role.function        ok     hits-local
        role.reader          ok     hits-local-reader
        table.hits           ok     hits-local
        table.seen           ok     hits-local-seen
        function.counter     ok     hits-local
        function.reader      ok     hits-local-reader
        http_api.api         ok     hits-local
        permission.http_api  ok     hitctl-http-api
        permission.reader    ok     hitctl-http-api-reader

        url    http://127.0.0.1:PORT
        views  0
    stderr
    calls
      GET alias hits-local-reader:live
      GET alias hits-local:live
      GET event_invoke_config hits-local
      GET event_rule hits-local
      GET event_rule hits-local-s3
      GET event_source_mapping hits-local-hits
      GET function hits-local
      GET function hits-local-reader
      GET function_url hits-local
      GET http_api hits-local
      GET log_group /aws/lambda/hits-local
      GET permission hits-local:hitctl-events
      GET permission hits-local:hitctl-http-api
      GET permission hits-local:hitctl-http-api-reader
      GET permission hits-local:hitctl-s3
      GET queue hits-local-dlq
      GET queue hits-local-hits
      GET role hits-local
      GET role hits-local-ingest
      GET role hits-local-reader
      GET status
      GET status
      GET table hits-local
      GET table hits-local-seen
      dynamodb:Scan
      dynamodb:GetItem
    ");
    insta::assert_snapshot!(transcript(&test_env, &proxy, &["destroy"]), @"
    exit 3
    stdout
    stderr
      app hits, env local, on this machine
        - delete  role.function        hits-local
        - delete  table.seen           hits-local-seen
        - delete  function.counter     hits-local
        - delete  role.reader          hits-local-reader
        - delete  function.reader      hits-local-reader
        - delete  http_api.api         hits-local
        - delete  permission.http_api  hitctl-http-api
          keep    log_group.function   /aws/lambda/hits-local  (kept: it holds your data)
          keep    table.hits           hits-local  (kept: it holds your data)
        - delete  permission.reader    hitctl-http-api-reader

      Plan: 8 to delete, 2 kept.
      error: confirmation required, but this is not an interactive terminal: Remove 8 resources of hits in local?

      hint: run the same command with `--yes` to confirm
    calls
      the survey
    ");
    insta::assert_snapshot!(transcript(&test_env, &proxy, &["destroy", "--yes"]), @"
    exit 0
    stdout
      Destroyed environment local (this machine): 8 deleted in TIME.

      Remaining:
        log_group.function  /aws/lambda/hits-local  (kept: it holds your data)
        table.hits  hits-local  (kept: it holds your data)

        next  hitctl deploy --env local
    stderr
      app hits, env local, on this machine
      +TIME deleted   permission.http_api        hitctl-http-api         (TIME)
      +TIME deleted   permission.reader          hitctl-http-api-reader  (TIME)
      +TIME deleted   http_api.api               hits-local              (TIME)
      +TIME deleted   function.counter           hits-local              (TIME)
      +TIME deleted   role.function              hits-local              (TIME)
      +TIME deleted   table.seen                 hits-local-seen         (TIME)
      +TIME deleted   function.reader            hits-local-reader       (TIME)
      +TIME deleted   role.reader                hits-local-reader       (TIME)
    calls
      the survey
      dynamodb:PutItem
      DELETE permission hits-local:hitctl-http-api
      DELETE http_api hits-local
      DELETE function hits-local
      DELETE role hits-local
      DELETE table hits-local-seen
      dynamodb:DeleteItem
      DELETE permission hits-local:hitctl-http-api-reader
      DELETE function hits-local-reader
      DELETE role hits-local-reader
    ");
    insta::assert_snapshot!(transcript(&test_env, &proxy, &["destroy", "--yes"]), @"
    exit 0
    stdout
      Nothing to remove in environment local (this machine).

      Remaining:
        log_group.function  /aws/lambda/hits-local  (kept: it holds your data)
        table.hits  hits-local  (kept: it holds your data)
    stderr
      app hits, env local, on this machine
    calls
      the survey
    ");
    insta::assert_snapshot!(transcript(&test_env, &proxy, &["destroy", "--delete-data", "--confirm", "local", "--export", "all.csv"]), @"
    exit 0
    stdout
      Destroyed environment local (this machine): 2 deleted in TIME.

        next  hitctl deploy --env local
    stderr
      app hits, env local, on this machine
      exported the counts to DIR/all.csv
      +TIME deleted   log_group.function         /aws/lambda/hits-local  (TIME)
      +TIME deleted   table.hits                 hits-local              (TIME)
    calls
      the survey
      dynamodb:PutItem
      dynamodb:Scan
      DELETE log_group /aws/lambda/hits-local
      PUT table hits-local
      DELETE table hits-local
    ");
}
