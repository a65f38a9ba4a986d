//! Tests of the selection of the environment, the precedence of settings, and the checks of a whole file.

use std::fs;
use std::path::Path;

use hitctl_config::{
    CONFIG_FILE, DeployTarget, EnvChoice, LoadedConfig, MAX_FILE_BYTES, Overrides, SettingOrigin, load,
    read_config_file,
};

/// Declares two environments, one with its own region.
const TWO_ENVS: &str = "region = 'eu-west-1'\n[env.prod]\n[env.test]\nregion = 'eu-west-2'\n";

fn load_text(text: &str, env: Option<&str>, overrides: &Overrides) -> Result<LoadedConfig, String> {
    load(Some((CONFIG_FILE.into(), text.to_owned())), env, overrides).map_err(|errors| errors.to_string())
}

fn env_of(config: &str, env: Option<&str>) -> Result<(String, DeployTarget), String> {
    load_text(config, env, &Overrides::new()).map(|loaded| (loaded.env, loaded.target))
}

#[test]
fn env_is_requested_or_default_or_only_declared_or_local() {
    let expected = |name: &str, target| Ok((name.to_owned(), target));
    assert_eq!(env_of(TWO_ENVS, Some("test")), expected("test", DeployTarget::Aws));
    assert_eq!(env_of(TWO_ENVS, None), expected("local", DeployTarget::Local));
    assert_eq!(
        env_of("default_env = 'prod'\n[env.prod]\n[env.test]", None),
        expected("prod", DeployTarget::Aws)
    );
    assert_eq!(
        env_of("default_env = 'prod'\n[env.prod]\n[env.test]", Some("local")),
        expected("local", DeployTarget::Local)
    );
    assert_eq!(env_of("[env.prod]", None), expected("prod", DeployTarget::Aws));
    assert_eq!(env_of("[env.local]\nfunction.memory_mb = 256", None), expected("local", DeployTarget::Local));
    assert_eq!(env_of("[env.dev]\ntarget = 'local'", None), expected("dev", DeployTarget::Local));
    assert_eq!(env_of("", Some("test")), expected("test", DeployTarget::Aws));
}

#[test]
fn envs_test_and_local_exist_without_declaration() {
    for config in ["", "[env.prod]", "app = 'shop'"] {
        assert_eq!(env_of(config, Some("test")), Ok(("test".to_owned(), DeployTarget::Aws)), "{config}");
        assert_eq!(env_of(config, Some("local")), Ok(("local".to_owned(), DeployTarget::Local)), "{config}");
        assert!(
            env_of(config, Some("prdo")).unwrap_err().contains("unknown environment \"prdo\""),
            "{config}"
        );
    }
    assert!(env_of("[env.prod]", Some("prdo")).unwrap_err().contains("did you mean \"prod\"?"));
}

#[test]
fn env_choice_names_reason() {
    let choice = |config: &str, env| load_text(config, env, &Overrides::new()).unwrap().choice;
    assert_eq!(choice(TWO_ENVS, Some("test")), EnvChoice::Explicit);
    assert_eq!(choice("default_env = 'prod'\n[env.prod]\n[env.test]", None), EnvChoice::DefaultEnv);
    assert_eq!(choice("[env.prod]", None), EnvChoice::OnlyDeclared);
    assert_eq!(choice("", None), EnvChoice::NoneDeclared);
    assert_eq!(choice(TWO_ENVS, None), EnvChoice::Ambiguous);
    assert_eq!(choice("[env.'pr-*']", None), EnvChoice::Ambiguous, "a pattern names none");
}

#[test]
fn env_pattern_declares_every_env_with_prefix() {
    let config = "[env.'pr-*']\nfunction.memory_mb = 256\n[env.'pr-large-*']\nfunction.memory_mb = 512\n\
                  [env.pr-large-1]\nfunction.memory_mb = 1024\n";
    let memory =
        |env| load_text(config, Some(env), &Overrides::new()).map(|loaded| loaded.app.function.memory_mb);
    assert_eq!(memory("pr-12"), Ok(256));
    assert_eq!(memory("pr-large-2"), Ok(512), "the longest pattern counts");
    assert_eq!(memory("pr-large-1"), Ok(1024), "a name counts more than any pattern");
    for (env, reason) in [
        ("pr-", "`env`: expected"),
        ("pr", "unknown environment"),
        ("pr-dlq", "does not end with `-dlq`"),
        ("pr-*", "`env`: expected"),
    ] {
        let error = memory(env).unwrap_err();
        assert!(error.contains(reason), "{env}: {error}");
    }
    let loaded = load_text(config, Some("pr-12"), &Overrides::new()).unwrap();
    assert!(
        loaded.has_env("hits", "pr-77")
            && !loaded.has_env("hits", "prod")
            && !loaded.has_env("other", "pr-77")
    );
    for bad in ["'*'", "'a*b'", "'-*'", "'a**'"] {
        let error = env_of(&format!("[env.{bad}]"), None).unwrap_err();
        assert!(error.contains("hitctl.toml:1:6"), "{bad}: {error}");
    }
}

#[test]
fn unknown_env_lists_known_envs() {
    insta::assert_snapshot!(env_of(TWO_ENVS, Some("tset")).unwrap_err(), @r#"
    unknown environment "tset"; did you mean "test"?
      = use one of: prod, test, local; or add the line `[env.tset]` to hitctl.toml
    "#);
    insta::assert_snapshot!(env_of(TWO_ENVS, Some("staging")).unwrap_err(), @r#"
    unknown environment "staging"
      = use one of: prod, test, local; or add the line `[env.staging]` to hitctl.toml
    "#);
    // Without a file, a name close to `local` is an error too; otherwise it would be deployed to AWS.
    insta::assert_snapshot!(env_of("", Some("locla")).unwrap_err(), @r#"
    unknown environment "locla"; did you mean "local"?
      = use one of: local, test; or add the line `[env.locla]` to hitctl.toml
    "#);
    insta::assert_snapshot!(env_of("", Some("Test")).unwrap_err(), @r#"
    `env`: expected a name of at most 30 lower-case letters, digits and single hyphens that begins with a letter, found "Test"
      = did you mean "test"?
    "#);
}

#[test]
fn region_flag_wins_over_file_and_file_over_aws_variables() {
    let flag = || Some("us-east-1".to_owned());
    let ambient = || Some(("us-west-2".to_owned(), "AWS_REGION".to_owned()));
    let region = |config: &str, env, overrides: Overrides| {
        let loaded = load_text(config, Some(env), &overrides).unwrap();
        (loaded.app.region.unwrap(), loaded.origins["region"].to_string())
    };
    let expected = |region: &str, origin: &str| (region.to_owned(), origin.to_owned());
    let both = || Overrides::new().with_region(flag(), ambient());
    let variable = || Overrides::new().with_region(None, ambient());
    assert_eq!(region(TWO_ENVS, "test", both()), expected("us-east-1", "flag --region"));
    assert_eq!(region(TWO_ENVS, "test", variable()), expected("eu-west-2", "hitctl.toml:4:10 [env.test]"));
    assert_eq!(region(TWO_ENVS, "prod", variable()), expected("eu-west-1", "hitctl.toml:1:10"));
    assert_eq!(
        region("[env.test]", "test", variable()),
        expected("us-west-2", "environment variable AWS_REGION")
    );

    let loaded = load_text(TWO_ENVS, Some("test"), &Overrides::new()).unwrap();
    assert_eq!(loaded.origins["app"], SettingOrigin::Default);
    assert_eq!(loaded.to_json(true, &crate::KEY)["origins"]["region"], "hitctl.toml:4:10 [env.test]");
}

#[test]
fn invalid_region_override_names_its_origin() {
    let flag = Overrides::new().with_region(Some("frankfurt".to_owned()), None);
    insta::assert_snapshot!(load_text("", None, &flag).unwrap_err(), @r#"`--region`: expected the code of an AWS region, such as `eu-central-1`, found "frankfurt""#);
    let ambient = Overrides::new().with_region(None, Some(("EU-WEST-1".to_owned(), "AWS_REGION".to_owned())));
    insta::assert_snapshot!(load_text("", None, &ambient).unwrap_err(), @r#"
    `AWS_REGION`: expected the code of an AWS region, such as `eu-central-1`, found "EU-WEST-1"
      = did you mean "eu-west-1"?
    "#);
}

#[test]
fn file_is_checked_completely_for_any_env() {
    let error = env_of("[env.prod]\n[env.test.function]\nmemory_mb = 1", Some("prod")).unwrap_err();
    assert!(
        error.contains("hitctl.toml:3:13: `memory_mb`: expected an integer from 128 to 10,240, found 1"),
        "{error}"
    );
}

#[test]
fn variables_beyond_total_size_are_error() {
    let values = |size: usize| {
        format!(
            "[function.environment]\nAA = '{}'\n[env.prod.function.environment]\nBB = 's3cret'",
            "x".repeat(size)
        )
    };
    // Lambda's limit of 4,096 bytes minus the variables that hitctl sets with the default configuration.
    assert!(env_of(&values(3760), None).is_ok());
    let error = env_of(&values(4000), None).unwrap_err();
    insta::assert_snapshot!(error.lines().filter(|line| !line.contains("**")).collect::<Vec<_>>().join("\n"), @"
    2 problems in the configuration

    hitctl.toml:2:6: `environment`: expected at most 4,096 bytes of function variables, found 4,300
       |      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       = shorten the variables in `[function.environment]`; they take 4,022 bytes

    hitctl.toml:2:6: `environment`: expected at most 4,096 bytes of function variables, found 4,288
       |      ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       = shorten the variables in `[function.environment]`; they take 4,008 bytes
    ");
    assert!(!error.contains("xxx") && !error.contains("s3cret"));
}

#[test]
fn origins_beyond_size_of_variables_are_error() {
    let origins = |count: usize| {
        let list: Vec<String> =
            (0..count).map(|n| format!("'https://page-{n:03}.of-my-site.example.com'")).collect();
        format!("[http]\nallow_origins = [{}]\n", list.join(", "))
    };
    assert!(env_of(&origins(90), None).is_ok());
    let error = env_of(&origins(100), None).unwrap_err();
    insta::assert_snapshot!(error.lines().filter(|line| !line.contains("page-")).collect::<Vec<_>>().join("\n"), @"
    hitctl.toml:2:17: `allow_origins`: expected at most 4,096 bytes of function variables, found 4,305
       |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       = list fewer origins, or allow any with `*`; the origins take 4,025 bytes
    ");
}

#[test]
fn unreadable_file_reports_reason() {
    let dir = tempfile::tempdir().unwrap();
    let reason_for = |name: &str| {
        let shown = read_config_file(&dir.path().join(name)).unwrap_err().to_string();
        shown.replace(&dir.path().display().to_string(), "..")
    };
    let write = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
    write("latin1.toml", b"# one\n# caf\xe9\n");
    write("large.toml", &vec![b'#'; usize::try_from(MAX_FILE_BYTES).unwrap() + 1]);
    write("full.toml", &vec![b'#'; usize::try_from(MAX_FILE_BYTES).unwrap()]);
    fs::create_dir(dir.path().join(CONFIG_FILE)).unwrap();

    insta::assert_snapshot!(reason_for("latin1.toml"), @"failed to read ../latin1.toml: line 2 is not UTF-8");
    insta::assert_snapshot!(reason_for("large.toml"), @"failed to read ../large.toml: it is larger than 1,000,000 bytes");
    insta::assert_snapshot!(reason_for("none.toml"), @"failed to read ../none.toml: No such file or directory (os error 2)");
    insta::assert_snapshot!(reason_for(CONFIG_FILE), @"failed to read ../hitctl.toml: it is not a regular file");
    assert!(read_config_file(&dir.path().join("full.toml")).is_ok());
}

#[test]
fn byte_order_mark_and_windows_line_ends_are_accepted() {
    let loaded = load_text("\u{feff}app = 'shop'\r\n[env.prod]\r\n", None, &Overrides::new()).unwrap();
    assert_eq!((loaded.app.app.as_str(), loaded.env.as_str()), ("shop", "prod"));
    assert_eq!(loaded.path.as_deref(), Some(Path::new(CONFIG_FILE)));
}

#[test]
fn long_lines_are_truncated_in_excerpts() {
    let long = format!("app = '{}' # \u{1b}[31m\nregion\t= 5", "\u{e4}".repeat(500));
    insta::assert_snapshot!(load_text(&long, None, &Overrides::new()).unwrap_err(), @"
    hitctl.toml:1:512: invalid comment character, expected printable characters
     1 | ääääääääääääääääääääääääääääääääääää' # �[31m
       |                                         ^
    ");
}

#[test]
fn variable_that_runs_other_code_is_rejected_on_this_machine_only() {
    let config = "[function.environment]\nTOKEN = 's3cret'\nLD_PRELOAD = '/tmp/evil.so'\n[env.test]\n[env.dev]\ntarget = 'local'\n";
    for env in ["local", "dev"] {
        let error = load_text(config, Some(env), &Overrides::new()).unwrap_err();
        insta::allow_duplicates! {
            insta::assert_snapshot!(error, @"
            hitctl.toml:3:14: `LD_PRELOAD`: this variable can make programs on this machine run other code
             3 | LD_PRELOAD = **************
               |              ^^^^^^^^^^^^^^
               = remove it, or set it only for an environment on AWS, in `[env.NAME.function.environment]`
            ");
        }
    }
    let loaded = load_text(config, Some("test"), &Overrides::new()).unwrap();
    assert_eq!(loaded.app.function.environment["LD_PRELOAD"], "/tmp/evil.so");
    // An environment on AWS may set the variable in its own table.
    let in_test_env = "[function.environment]\nTOKEN = 's3cret'\n[env.test.function.environment]\nLD_PRELOAD = '/tmp/evil.so'\n";
    let loaded = load_text(in_test_env, Some("local"), &Overrides::new()).unwrap();
    assert_eq!(loaded.app.function.environment.len(), 1);
    load_text(in_test_env, Some("test"), &Overrides::new()).unwrap();
}

#[test]
fn remote_endpoint_is_rejected_on_this_machine_only() {
    let config = |url: &str| {
        format!("[env.test]\n[env.local.function.environment]\nAWS_ENDPOINT_URL_DYNAMODB = '{url}'\n")
    };
    let error = load_text(&config("https://s3cret.example"), Some("local"), &Overrides::new()).unwrap_err();
    insta::assert_snapshot!(error, @"
    hitctl.toml:3:29: `AWS_ENDPOINT_URL_DYNAMODB`: expected an address of this machine, found another one
     3 | AWS_ENDPOINT_URL_DYNAMODB = ************************
       |                             ^^^^^^^^^^^^^^^^^^^^^^^^
       = use `http://127.0.0.1:PORT`, or set it only for an environment on AWS, in `[env.NAME.function.environment]`; otherwise visitor data would leave this machine
    ");
    load_text(&config("https://s3cret.example"), Some("test"), &Overrides::new()).unwrap();
    load_text(&config("http://127.0.0.1:8000"), Some("local"), &Overrides::new()).unwrap();
}
