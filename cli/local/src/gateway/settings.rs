//! The settings of one API, made from its spec and ready to be served.

use std::collections::BTreeSet;
use std::time::Instant;

use hitctl_engine::{Fault, Value};
use hitctl_resources::{FunctionUrlSpec, HttpApiSpec, Throttle};

use super::cors::Rules;
use super::ingest::Ingest;
use super::routes::Routes;
use super::throttle::Bucket;

/// The front end of a function.
#[derive(Clone, Copy, Debug)]
pub enum Door<'a> {
    /// An HTTP API: routes, a throttle, and a permission of its own.
    Api(&'a HttpApiSpec),
    /// A function URL: every path and method, no throttle, and statements that come with it.
    Url(&'a FunctionUrlSpec),
}

/// A spec, ready to be served.
pub(super) struct Settings {
    pub(super) api_id: String,
    function: String,
    /// The function that answers some of the routes, and their keys.
    reader: Option<(String, BTreeSet<String>)>,
    pub(super) routes: Routes,
    pub(super) ingest: Option<Ingest>,
    pub(super) cors: Rules,
    pub(super) bucket: Bucket,
    /// Whether it is a function URL, which has statuses of its own and asks for no further permission.
    pub(super) is_url: bool,
}

impl Settings {
    pub(super) fn new(api_id: &str, door: Door<'_>, before: Option<&Self>) -> Result<Self, Fault> {
        let named = |arn: &Value<String>| {
            arn.get().and_then(|arn| name_in(arn)).map(str::to_owned).ok_or_else(no_function)
        };
        let (function, reader, routes, ingest, cors, throttle) = match door {
            Door::Api(spec) => {
                let keys = spec.routes.iter().chain(spec.reader.iter().flat_map(|reader| &reader.routes));
                let reader = spec.reader.as_ref();
                let ingest = spec.ingest.as_ref();
                (
                    named(&spec.function_arn)?,
                    reader.map(|it| Ok((named(&it.function_arn)?, it.routes.clone()))).transpose()?,
                    Routes::parse(keys.chain(ingest.map(|ingest| &ingest.route)))?,
                    ingest.map(Ingest::new).transpose()?,
                    &spec.cors,
                    spec.throttle.clone(),
                )
            }
            Door::Url(spec) => (
                spec.function_name.get().cloned().ok_or_else(no_function)?,
                None,
                Routes::parse(&["$default".to_owned()])?,
                None,
                &spec.cors,
                // It has none: its bucket is one that never empties.
                Throttle { rate_per_second: f64::from(u32::MAX), burst: u32::MAX },
            ),
        };
        let bucket = Bucket::new(&throttle, before.map(|before| &before.bucket), Instant::now());
        let (api_id, cors, is_url) = (api_id.to_owned(), Rules::new(cors), matches!(door, Door::Url(_)));
        Ok(Self { api_id, function, reader, routes, ingest, cors, bucket, is_url })
    }

    /// The function that answers a route.
    pub(super) fn function(&self, route: &str) -> &str {
        match &self.reader {
            Some((reader, routes)) if routes.contains(route) => reader,
            _ => &self.function,
        }
    }
}

/// The name of the function of an ARN. A version or alias may follow; here there is one version.
fn name_in(function_arn: &str) -> Option<&str> {
    function_arn.split_once(":function:")?.1.split(':').next()
}

fn no_function() -> Fault {
    Fault::fatal("bad_integration", "the HTTP API names no function")
}
