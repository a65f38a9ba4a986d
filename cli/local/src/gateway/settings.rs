//! The settings of one API, made from its spec and ready to be served.

use std::collections::BTreeSet;
use std::time::Instant;

use hitctl_engine::Fault;
use hitctl_resources::{Cors, FunctionUrlSpec, HttpApiSpec, Throttle};

use super::cors::Rules;
use super::ingest::Ingest;
use super::routes::Routes;
use super::throttle::Bucket;

/// What stands in front of a function.
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

impl<'a> Door<'a> {
    fn function(self) -> Option<&'a str> {
        match self {
            Self::Api(spec) => name_in(spec.function_arn.get()?),
            Self::Url(spec) => spec.function_name.get().map(String::as_str),
        }
    }

    fn routes(self) -> Result<Routes, Fault> {
        match self {
            Self::Api(spec) => {
                let of_reader = spec.reader.iter().flat_map(|reader| &reader.routes);
                let of_queue = spec.ingest.as_ref().map(|ingest| &ingest.route);
                Routes::parse(spec.routes.iter().chain(of_reader).chain(of_queue))
            }
            Self::Url(_) => Routes::parse(&["$default".to_owned()]),
        }
    }

    fn reader(self) -> Result<Option<(String, BTreeSet<String>)>, Fault> {
        let Self::Api(HttpApiSpec { reader: Some(reader), .. }) = self else { return Ok(None) };
        let function = reader.function_arn.get().and_then(|arn| name_in(arn)).ok_or_else(no_function)?;
        Ok(Some((function.to_owned(), reader.routes.clone())))
    }

    fn ingest(self) -> Result<Option<Ingest>, Fault> {
        match self {
            Self::Api(spec) => spec.ingest.as_ref().map(Ingest::new).transpose(),
            Self::Url(_) => Ok(None),
        }
    }

    fn cors(self) -> &'a Cors {
        match self {
            Self::Api(spec) => &spec.cors,
            Self::Url(spec) => &spec.cors,
        }
    }

    /// A function URL has none: its bucket is one that never empties.
    fn throttle(self) -> Throttle {
        match self {
            Self::Api(spec) => spec.throttle.clone(),
            Self::Url(_) => Throttle { rate_per_second: f64::from(u32::MAX), burst: u32::MAX },
        }
    }
}

impl Settings {
    pub(super) fn new(api_id: &str, door: Door<'_>, before: Option<&Self>) -> Result<Self, Fault> {
        let function = door.function().ok_or_else(no_function)?;
        let is_url = matches!(door, Door::Url(_));
        Ok(Self {
            api_id: api_id.to_owned(),
            function: function.to_owned(),
            reader: door.reader()?,
            routes: door.routes()?,
            ingest: door.ingest()?,
            cors: Rules::new(door.cors()),
            bucket: Bucket::new(&door.throttle(), before.map(|before| &before.bucket), Instant::now()),
            is_url,
        })
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
