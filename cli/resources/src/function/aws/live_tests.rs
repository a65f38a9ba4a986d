//! What is read back of a function, answer by answer.

use aws_sdk_lambda::types::{EnvironmentResponse, LogFormat, Runtime};

use super::*;

/// What Lambda answers for a function that was made with nothing but what it needs.
fn bare() -> aws_sdk_lambda::types::builders::FunctionConfigurationBuilder {
    FunctionConfiguration::builder()
        .function_name("hits-test")
        .runtime(Runtime::Providedal2023)
        .role("arn:aws:iam::123456789012:role/hits-test")
        .state(State::Active)
        .last_update_status(LastUpdateStatus::Successful)
        // SHA-256 of nothing.
        .code_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
}

fn read(live: FunctionConfiguration) -> FunctionSpec {
    let answer = GetFunctionOutput::builder().configuration(live).build();
    found(&answer, None).unwrap().unwrap().spec
}

#[test]
fn defaults_are_filled_in() {
    assert_eq!(
        read(bare().build()),
        FunctionSpec {
            runtime: "provided.al2023".to_owned(),
            arch: Arch::X86_64,
            code_sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned(),
            memory_mb: 128,
            timeout_s: 3,
            reserved_concurrency: None,
            environment: BTreeMap::new(),
            role_arn: Value::from("arn:aws:iam::123456789012:role/hits-test".to_owned()),
            log_format: "Text".to_owned(),
            app_log_level: None,
            system_log_level: None,
            log_group: Value::from("/aws/lambda/hits-test".to_owned()),
            tags: Tags::new(),
        }
    );
}

#[test]
fn all_of_one_answer_is_read() {
    let live = bare()
        .architectures(Architecture::Arm64)
        .memory_size(256)
        .timeout(5)
        .environment(EnvironmentResponse::builder().variables("HITCTL_TABLE", "hits-test").build())
        .logging_config(LoggingConfig::builder().log_format(LogFormat::Json).log_group("/mine").build())
        .build();
    let answer = GetFunctionOutput::builder()
        .configuration(live)
        .concurrency(Concurrency::builder().reserved_concurrent_executions(0).build())
        .tags("hitctl:app", "hits")
        .tags("aws:cloudformation:stack-name", "other")
        .build();
    let found = found(&answer, None).unwrap().unwrap();
    assert_eq!(found.spec.arch, Arch::Arm64);
    assert_eq!((found.spec.memory_mb, found.spec.timeout_s), (256, 5));
    assert_eq!(found.spec.variables().collect::<Vec<_>>(), [("HITCTL_TABLE", "hits-test")]);
    assert_eq!(found.spec.log_format, "JSON");
    assert_eq!(found.spec.log_group, Value::from("/mine".to_owned()));
    // Nothing may run, which is not the same as nothing reserved.
    assert_eq!(found.spec.reserved_concurrency, Some(0));
    assert_eq!(found.tags, Some(Tags::from([("hitctl:app".to_owned(), "hits".to_owned())])));
}

#[test]
fn a_failed_function_runs_no_code_that_can_be_told() {
    let state = bare().state(State::Failed).build();
    let update = bare().last_update_status(LastUpdateStatus::Failed);
    let known =
        update.clone().last_update_status_reason_code(LastUpdateStatusReasonCode::InvalidZipFileException);
    for (live, code) in [
        (state, "(failed)"),
        (update.build(), "(failed)"),
        (known.build(), "(failed: InvalidZipFileException)"),
    ] {
        assert_eq!(read(live).code_sha256, code);
    }
}

#[test]
fn what_is_being_deleted_is_gone() {
    let live = bare().state(State::Deleting).build();
    let answer = GetFunctionOutput::builder().configuration(live).build();
    assert_eq!(found(&answer, None).unwrap(), None);
}

#[test]
fn a_function_without_its_tags_is_nobodys() {
    let error = TagsError::builder().error_code("AccessDeniedException").message("no").build().unwrap();
    let answer = GetFunctionOutput::builder().configuration(bare().build()).tags_error(error).build();
    let fault = found(&answer, None).unwrap_err();
    assert_eq!(fault.code, "AccessDeniedException");
    assert!(fault.message.contains("lambda:ListTags"), "{}", fault.message);
}

#[test]
fn a_service_that_has_no_log_settings_has_nothing_to_mend() {
    let want = FunctionSpec { log_format: "JSON".to_owned(), ..read(bare().build()) };
    let silent = GetFunctionOutput::builder().configuration(bare().build()).build();
    assert_eq!(found(&silent, Some(&want)).unwrap().unwrap().spec.log_format, "JSON");
    let says = bare().logging_config(LoggingConfig::builder().log_format(LogFormat::Text).build()).build();
    let says = GetFunctionOutput::builder().configuration(says).build();
    assert_eq!(found(&says, Some(&want)).unwrap().unwrap().spec.log_format, "Text");
}

#[test]
fn log_levels_are_read_for_json_only() {
    let levels = |format, app: Option<&str>, system: Option<&str>, want: Option<&FunctionSpec>| {
        let config = LoggingConfig::builder()
            .log_format(format)
            .set_application_log_level(app.map(ApplicationLogLevel::from))
            .set_system_log_level(system.map(SystemLogLevel::from));
        let live = bare().logging_config(config.build()).build();
        let answer = GetFunctionOutput::builder().configuration(live).build();
        let spec = found(&answer, want).unwrap().unwrap().spec;
        (spec.app_log_level, spec.system_log_level)
    };
    let some = |level: &str| Some(level.to_owned());
    let want = FunctionSpec { app_log_level: some("DEBUG"), ..read(bare().build()) };
    assert_eq!(
        levels(LogFormat::Json, Some("INFO"), Some("WARN"), Some(&want)),
        (some("INFO"), some("WARN"))
    );
    assert_eq!(levels(LogFormat::Json, None, None, None), (some("INFO"), some("INFO")));
    // A service that takes no level cannot be made to.
    assert_eq!(levels(LogFormat::Json, None, Some("INFO"), Some(&want)).0, some("DEBUG"));
    assert_eq!(levels(LogFormat::Text, Some("INFO"), Some("INFO"), Some(&want)), (None, None));
}
