//! Entry point of the Lambda function: reads the environment and the clock, then serves invocations.
//! Everything else is in the library.

use std::process::ExitCode;
use std::time::SystemTime;

use hit_counter::function::{AwsAccess, CounterFunction};
use hit_counter::invocation_error::InvocationError;
use hit_counter::lambda::RuntimeClient;
use hit_counter::log::{Level, LogEvent, LogField, Logger};
use hit_counter::moment::Moment;
use hit_counter::net::Tls;
use hit_counter::routes::Counter;
use hit_counter::serve;
use hit_counter::settings::{self, FunctionSettings};
use hit_counter::sigv4::Signer;
use hit_counter::store::DynamoDbStore;

/// The message of the log line about a failed start.
const START_FAILED: &str = "failed to start the function";

fn main() -> ExitCode {
    let (level, invalid_level) = settings::log_level(&env);
    let mut log = Logger::new(level, now, Box::new(std::io::stdout()));
    if let Some(value) = invalid_level {
        let value = [("value", LogField::Text(&value))];
        log.write_line(
            Level::Warn,
            None,
            "invalid LOG_LEVEL: expected debug, info, warn or error; using info",
            &value,
        );
    }
    let failure = run(&mut log);
    log.write_event(Level::Error, None, &failure);
    ExitCode::FAILURE
}

/// Serves invocations until an unrecoverable error and returns the error.
fn run(log: &mut Logger) -> LogEvent {
    let Some(address) = env("AWS_LAMBDA_RUNTIME_API") else {
        let cause =
            "AWS_LAMBDA_RUNTIME_API is not set; run this program as the bootstrap of a Lambda function";
        return LogEvent::failure(START_FAILED, &cause);
    };
    let mut runtime = match RuntimeClient::new(&address) {
        Ok(runtime) => runtime,
        Err(why) => return LogEvent::failure(START_FAILED, &format!("AWS_LAMBDA_RUNTIME_API: {why}")),
    };
    let FunctionSettings { tables, region, credentials, endpoint, counter, sources: source_settings } =
        match FunctionSettings::read(&env) {
            Ok(settings) => settings,
            Err(why) => {
                let message = format!("{START_FAILED}: {why}");
                let reported = runtime.send_init_error(&InvocationError { kind: "Hitctl.Config", message });
                return match reported {
                    Ok(_) => LogEvent::failure(START_FAILED, &why),
                    Err(error) => LogEvent::failure(START_FAILED, &format!("{why}; {error}")),
                };
            }
        };
    serve::capture_panics();
    let bundle = env("AWS_CA_BUNDLE").filter(|path| !path.trim().is_empty());
    let tls = bundle.map_or_else(Tls::default, Tls::with_ca_bundle);
    let signer = Signer::new(credentials.clone(), region.clone(), "dynamodb");
    let access = AwsAccess { credentials, region, tls: tls.clone(), clock: now };
    let mut store = DynamoDbStore::new(endpoint, tls, tables, signer, now);
    if let Err(error) = store.warm_up() {
        let cause = error.to_string();
        log.write_line(
            Level::Warn,
            None,
            "failed to connect to DynamoDB",
            &[("cause", LogField::Text(&cause))],
        );
    }
    let mut function = CounterFunction::new(Counter::new(store, counter), source_settings, access);
    LogEvent::failure("failed to serve invocations", &serve::serve(&mut runtime, log, &mut function))
}

#[expect(clippy::disallowed_methods, reason = "the one place where the function reads its environment")]
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[expect(clippy::disallowed_methods, reason = "the one place where the function reads the clock")]
fn now() -> Moment {
    Moment::from(SystemTime::now())
}
