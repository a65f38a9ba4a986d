//! The Lambda function's edge: reads the environment and the clock, and serves. All else is in the library.

use std::process::ExitCode;
use std::time::SystemTime;

use hit_counter::failure::Failure;
use hit_counter::function::{Access, Function};
use hit_counter::lambda::Runtime;
use hit_counter::log::{Field, Level, Log};
use hit_counter::moment::Moment;
use hit_counter::net::Tls;
use hit_counter::routes::Counter;
use hit_counter::serve;
use hit_counter::settings::{self, Settings};
use hit_counter::sigv4::Signer;
use hit_counter::store::DynamoDb;

fn main() -> ExitCode {
    let (level, unknown) = settings::log_level(&env);
    let mut log = Log::new(level, now, Box::new(std::io::stdout()));
    if let Some(value) = unknown {
        let value = [("value", Field::Text(&value))];
        log.line(Level::Warn, None, "LOG_LEVEL is none of debug, info, warn, error; it is info now", &value);
    }
    let why = run(&mut log);
    log.line(Level::Error, None, &why, &[]);
    ExitCode::FAILURE
}

/// Serves until it cannot go on, and returns why.
fn run(log: &mut Log) -> String {
    let Some(address) = env("AWS_LAMBDA_RUNTIME_API") else {
        return "AWS_LAMBDA_RUNTIME_API is not set: this program runs as the bootstrap of a Lambda function"
            .to_owned();
    };
    let mut runtime = match Runtime::new(&address) {
        Ok(runtime) => runtime,
        Err(why) => return format!("AWS_LAMBDA_RUNTIME_API: {why}"),
    };
    let Settings { tables, region, credentials, endpoint, counter, sources } = match Settings::read(&env) {
        Ok(settings) => settings,
        Err(why) => {
            let message = format!("the function cannot start: {why}");
            return match runtime.fail_init(&Failure { kind: "Hitctl.Config", message: message.clone() }) {
                Ok(_) => message,
                Err(gone) => format!("{message}; {gone}"),
            };
        }
    };
    serve::keep_panics();
    let bundle = env("AWS_CA_BUNDLE").filter(|path| !path.trim().is_empty());
    let tls = bundle.map_or_else(Tls::default, Tls::trusting_bundle);
    let signer = Signer::new(credentials.clone(), region.clone(), "dynamodb");
    let access = Access { credentials, region, tls: tls.clone(), clock: now };
    let mut store = DynamoDb::new(endpoint, tls, tables, signer, now);
    if let Err(error) = store.warm() {
        let cause = error.to_string();
        log.line(Level::Warn, None, "DynamoDB is not reachable yet", &[("cause", Field::Text(&cause))]);
    }
    let mut function = Function::new(Counter::new(store, counter), sources, access);
    serve::serve(&mut runtime, log, &mut function).to_string()
}

#[expect(clippy::disallowed_methods, reason = "the one place where the function reads its environment")]
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[expect(clippy::disallowed_methods, reason = "the one place where the function reads the clock")]
fn now() -> Moment {
    Moment::from(SystemTime::now())
}
