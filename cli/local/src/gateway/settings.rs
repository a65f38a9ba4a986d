//! The settings of one HTTP frontend, created from its spec. Here, "API" also means a function URL.

use std::collections::BTreeSet;
use std::time::Instant;

use hitctl_engine::{Fault, SpecValue};
use hitctl_resources::{FunctionUrlSpec, HttpApiSpec, Throttle};

use super::cors::CorsRules;
use super::ingest::SqsIntegration;
use super::routes::Routes;
use super::throttle::TokenBucket;

/// The spec of an HTTP frontend of a function.
#[derive(Clone, Copy, Debug)]
pub enum FrontendSpec<'a> {
    /// An HTTP API. It has routes and a throttle. Its permission to call the function is a separate resource.
    Api(&'a HttpApiSpec),
    /// A function URL. It serves every path and method, and has no throttle. Its permission to call the function
    /// belongs to the same resource.
    Url(&'a FunctionUrlSpec),
}

/// The settings of one HTTP API or function URL.
pub(super) struct ApiSettings {
    pub(super) api_id: String,
    function: String,
    /// The function that handles some of the routes, and the keys of these routes.
    read_function: Option<(String, BTreeSet<String>)>,
    pub(super) routes: Routes,
    pub(super) ingest: Option<SqsIntegration>,
    pub(super) cors: CorsRules,
    pub(super) bucket: TokenBucket,
    /// Whether it is a function URL. A function URL has its own status codes and needs no additional
    /// permission.
    pub(super) is_url: bool,
}

impl ApiSettings {
    /// Creates the settings. If the throttle is unchanged, the tokens of `previous` are kept.
    pub(super) fn new(
        api_id: &str,
        frontend: FrontendSpec<'_>,
        previous: Option<&Self>,
    ) -> Result<Self, Fault> {
        let function_named = |arn: &SpecValue<String>| {
            arn.get().and_then(|arn| function_name_in(arn)).map(str::to_owned).ok_or_else(missing_function)
        };
        let (function, read_function, routes, ingest, cors, throttle) = match frontend {
            FrontendSpec::Api(spec) => {
                let keys = spec.routes.iter().chain(spec.reader.iter().flat_map(|reader| &reader.routes));
                let read_function = spec.reader.as_ref();
                let ingest = spec.ingest.as_ref();
                (
                    function_named(&spec.function_arn)?,
                    read_function
                        .map(|it| Ok((function_named(&it.function_arn)?, it.routes.clone())))
                        .transpose()?,
                    Routes::parse(keys.chain(ingest.map(|ingest| &ingest.route)))?,
                    ingest.map(SqsIntegration::new).transpose()?,
                    &spec.cors,
                    spec.throttle.clone(),
                )
            }
            FrontendSpec::Url(spec) => (
                spec.function_name.get().cloned().ok_or_else(missing_function)?,
                None,
                Routes::parse(&["$default".to_owned()])?,
                None,
                &spec.cors,
                // A function URL has no throttle: its bucket never empties.
                Throttle { rate_per_second: f64::from(u32::MAX), burst: u32::MAX },
            ),
        };
        let bucket = TokenBucket::new(&throttle, previous.map(|previous| &previous.bucket), Instant::now());
        let (api_id, cors, is_url) =
            (api_id.to_owned(), CorsRules::new(cors), matches!(frontend, FrontendSpec::Url(_)));
        Ok(Self { api_id, function, read_function, routes, ingest, cors, bucket, is_url })
    }

    /// Returns the function that handles a route.
    pub(super) fn function(&self, route: &str) -> &str {
        match &self.read_function {
            Some((read_function, routes)) if routes.contains(route) => read_function,
            _ => &self.function,
        }
    }
}

/// Returns the function name in an ARN. A version or alias may follow it, but the local cloud has only one
/// version.
fn function_name_in(function_arn: &str) -> Option<&str> {
    function_arn.split_once(":function:")?.1.split(':').next()
}

fn missing_function() -> Fault {
    Fault::fatal("bad_integration", "the HTTP API or function URL has no function")
}
