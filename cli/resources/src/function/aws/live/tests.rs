//! Tests that convert responses of `GetFunction` to specs.

use aws_sdk_lambda::types::{EnvironmentResponse, LogFormat, Runtime};

use super::*;

/// Returns Lambda's response for a function that was created with the required settings only.
fn minimal_configuration() -> aws_sdk_lambda::types::builders::FunctionConfigurationBuilder {
    FunctionConfiguration::builder()
        .function_name("hits-test")
        .runtime(Runtime::Providedal2023)
        .role("arn:aws:iam::123456789012:role/hits-test")
        .state(State::Active)
        .last_update_status(LastUpdateStatus::Successful)
        // SHA-256 of empty input.
        .code_sha256("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
}

fn read(configuration: FunctionConfiguration) -> FunctionSpec {
    let response = GetFunctionOutput::builder().configuration(configuration).build();
    read_function(&response, None).unwrap().unwrap().spec
}

#[test]
fn missing_settings_get_lambda_defaults() {
    assert_eq!(
        read(minimal_configuration().build()),
        FunctionSpec {
            runtime: "provided.al2023".to_owned(),
            arch: Arch::X86_64,
            code_sha256: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".to_owned(),
            memory_mb: 128,
            timeout_s: 3,
            reserved_concurrency: None,
            environment: BTreeMap::new(),
            role_arn: SpecValue::from("arn:aws:iam::123456789012:role/hits-test".to_owned()),
            log_format: "Text".to_owned(),
            app_log_level: None,
            system_log_level: None,
            log_group: SpecValue::from("/aws/lambda/hits-test".to_owned()),
            tags: Tags::new(),
        }
    );
}

#[test]
fn all_settings_of_response_are_read() {
    let configuration = minimal_configuration()
        .architectures(Architecture::Arm64)
        .memory_size(256)
        .timeout(5)
        .environment(EnvironmentResponse::builder().variables("HITCTL_TABLE", "hits-test").build())
        .logging_config(LoggingConfig::builder().log_format(LogFormat::Json).log_group("/mine").build())
        .build();
    let response = GetFunctionOutput::builder()
        .configuration(configuration)
        .concurrency(Concurrency::builder().reserved_concurrent_executions(0).build())
        .tags("hitctl:app", "hits")
        .tags("aws:cloudformation:stack-name", "other")
        .build();
    let state = read_function(&response, None).unwrap().unwrap();
    assert_eq!(state.spec.arch, Arch::Arm64);
    assert_eq!((state.spec.memory_mb, state.spec.timeout_s), (256, 5));
    assert_eq!(state.spec.variables().collect::<Vec<_>>(), [("HITCTL_TABLE", "hits-test")]);
    assert_eq!(state.spec.log_format, "JSON");
    assert_eq!(state.spec.log_group, SpecValue::from("/mine".to_owned()));
    // A reservation of 0 blocks all invocations, which differs from no reservation.
    assert_eq!(state.spec.reserved_concurrency, Some(0));
    assert_eq!(state.tags, Some(Tags::from([("hitctl:app".to_owned(), "hits".to_owned())])));
}

#[test]
fn failed_function_has_unknown_code() {
    let failed_state = minimal_configuration().state(State::Failed).build();
    let failed_update = minimal_configuration().last_update_status(LastUpdateStatus::Failed);
    let failed_update_with_reason = failed_update
        .clone()
        .last_update_status_reason_code(LastUpdateStatusReasonCode::InvalidZipFileException);
    for (configuration, code) in [
        (failed_state, "(failed)"),
        (failed_update.build(), "(failed)"),
        (failed_update_with_reason.build(), "(failed: InvalidZipFileException)"),
    ] {
        assert_eq!(read(configuration).code_sha256, code);
    }
}

#[test]
fn function_being_deleted_is_missing() {
    let configuration = minimal_configuration().state(State::Deleting).build();
    let response = GetFunctionOutput::builder().configuration(configuration).build();
    assert_eq!(read_function(&response, None).unwrap(), None);
}

#[test]
fn unreadable_tags_are_fault() {
    let error = TagsError::builder().error_code("AccessDeniedException").message("no").build().unwrap();
    let response =
        GetFunctionOutput::builder().configuration(minimal_configuration().build()).tags_error(error).build();
    let fault = read_function(&response, None).unwrap_err();
    assert_eq!(fault.code, "AccessDeniedException");
    assert!(fault.message.contains("lambda:ListTags"), "{}", fault.message);
}

#[test]
fn missing_log_settings_are_taken_from_wanted_spec() {
    let want = FunctionSpec { log_format: "JSON".to_owned(), ..read(minimal_configuration().build()) };
    let empty_response = GetFunctionOutput::builder().configuration(minimal_configuration().build()).build();
    assert_eq!(read_function(&empty_response, Some(&want)).unwrap().unwrap().spec.log_format, "JSON");
    let text_response = minimal_configuration()
        .logging_config(LoggingConfig::builder().log_format(LogFormat::Text).build())
        .build();
    let text_response = GetFunctionOutput::builder().configuration(text_response).build();
    assert_eq!(read_function(&text_response, Some(&want)).unwrap().unwrap().spec.log_format, "Text");
}

#[test]
fn log_levels_are_read_for_json_only() {
    let levels = |format, app: Option<&str>, system: Option<&str>, want: Option<&FunctionSpec>| {
        let config = LoggingConfig::builder()
            .log_format(format)
            .set_application_log_level(app.map(ApplicationLogLevel::from))
            .set_system_log_level(system.map(SystemLogLevel::from));
        let configuration = minimal_configuration().logging_config(config.build()).build();
        let response = GetFunctionOutput::builder().configuration(configuration).build();
        let spec = read_function(&response, want).unwrap().unwrap().spec;
        (spec.app_log_level, spec.system_log_level)
    };
    let some = |level: &str| Some(level.to_owned());
    let want = FunctionSpec { app_log_level: some("DEBUG"), ..read(minimal_configuration().build()) };
    assert_eq!(
        levels(LogFormat::Json, Some("INFO"), Some("WARN"), Some(&want)),
        (some("INFO"), some("WARN"))
    );
    assert_eq!(levels(LogFormat::Json, None, None, None), (some("INFO"), some("INFO")));
    // An emulator that does not return the level ignores it, so the wanted level is assumed.
    assert_eq!(levels(LogFormat::Json, None, Some("INFO"), Some(&want)).0, some("DEBUG"));
    assert_eq!(levels(LogFormat::Text, Some("INFO"), Some("INFO"), Some(&want)), (None, None));
}
