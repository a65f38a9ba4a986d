//! Reads the parts of an API (integrations, routes and the stage) and converts them to a spec.

use std::collections::BTreeSet;

use aws_sdk_apigatewayv2::types;
use futures::future::try_join3;
use hitctl_engine::Fault;

use super::client::{ApiCalls, STAGE};
use super::find::Api;
use super::ingest::QueueIntegration;
use crate::aws::tags::managed_tags;
use crate::http_api::spec::{HttpApiSpec, ReaderRoutes, Throttle};

/// The maximum size of a page. An API can have fewer integrations and fewer routes.
const PAGE_SIZE: &str = "500";
/// The payload format that the function understands.
pub(super) const PAYLOAD: &str = "2.0";
/// The description that identifies the integration of the reader.
pub(super) const READER_DESCRIPTION: &str = "hitctl: reads";
/// The maximum timeout of an integration, in milliseconds. The function's own timeout is shorter.
pub(super) const TIMEOUT_MS: i32 = 30_000;

/// The parts of an API.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct ApiParts {
    pub(super) integrations: Vec<Integration>,
    pub(super) routes: Vec<Route>,
    pub(super) stage: Option<Stage>,
}

/// An integration, which is a backend of the API: a function or a queue.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Integration {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) uri: String,
    pub(super) payload: String,
    pub(super) timeout_ms: i32,
    description: String,
    /// The queue settings; `None` for an integration with a function.
    pub(super) queue: Option<QueueIntegration>,
}

impl From<types::Integration> for Integration {
    fn from(integration: types::Integration) -> Self {
        Self {
            queue: QueueIntegration::from_sdk(&integration),
            id: integration.integration_id.unwrap_or_default(),
            kind: integration.integration_type.map_or_else(String::new, |kind| kind.as_str().to_owned()),
            uri: function_arn_in_uri(&integration.integration_uri.unwrap_or_default()).to_owned(),
            payload: integration.payload_format_version.unwrap_or_default(),
            description: integration.description.unwrap_or_default(),
            timeout_ms: integration.timeout_in_millis.unwrap_or(TIMEOUT_MS),
        }
    }
}

impl Integration {
    /// Returns the ARN of the function, with notes about settings that differ from ours.
    pub(super) fn function_arn(&self) -> String {
        let mut differences = Vec::new();
        if self.kind != types::IntegrationType::AwsProxy.as_str() {
            differences.push(format!("type {}", self.kind));
        }
        if self.payload != PAYLOAD {
            differences.push(format!("payload format {}", self.payload));
        }
        if self.timeout_ms != TIMEOUT_MS {
            differences.push(format!("timeout {} ms", self.timeout_ms));
        }
        with_differences(&self.uri, &differences)
    }

    fn is_reader(&self) -> bool {
        self.description == READER_DESCRIPTION
    }

    /// Returns the target of the routes to this integration.
    pub(super) fn target(&self) -> String {
        format!("integrations/{}", self.id)
    }
}

/// A route, which sends the requests that match `key` to `target`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Route {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) target: String,
    /// Whether requests need no authorization.
    pub(super) is_public: bool,
}

impl From<types::Route> for Route {
    fn from(route: types::Route) -> Self {
        Self {
            id: route.route_id.unwrap_or_default(),
            key: route.route_key.unwrap_or_default(),
            target: route.target.unwrap_or_default(),
            is_public: route.authorization_type.is_none_or(|kind| kind == types::AuthorizationType::None),
        }
    }
}

/// The stage `$default`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stage {
    pub(super) auto_deploy: bool,
    pub(super) throttle: Throttle,
    /// The routes that have their own throttle, which overrides the stage's throttle.
    pub(super) route_throttles: Vec<(String, Throttle)>,
}

impl Stage {
    /// Returns the throttle for comparison with the wanted one: a route's throttle if it differs from the stage's, and
    /// zero if the stage does not deploy changes automatically, which always differs.
    pub(super) fn throttle(&self) -> Throttle {
        let other = self.route_throttles.iter().find(|(_, throttle)| *throttle != self.throttle);
        match other {
            _ if !self.auto_deploy => zero_throttle(),
            Some((_, throttle)) => throttle.clone(),
            None => self.throttle.clone(),
        }
    }
}

fn zero_throttle() -> Throttle {
    Throttle { rate_per_second: 0.0, burst: 0 }
}

fn throttle_of(settings: &types::RouteSettings) -> Throttle {
    Throttle {
        rate_per_second: settings.throttling_rate_limit.unwrap_or_default(),
        burst: settings
            .throttling_burst_limit
            .and_then(|burst| u32::try_from(burst).ok())
            .unwrap_or_default(),
    }
}

impl ApiParts {
    /// Returns the integration with our function: the integration that already has the wanted function, otherwise the
    /// one with the most routes. Never returns the integration with the reader.
    pub(super) fn integration(&self, wanted: Option<&str>) -> Option<&Integration> {
        let rank = |integration: &Integration| {
            let routes = self.routes.iter().filter(|route| route.target == integration.target()).count();
            (Some(integration.uri.as_str()) == wanted, routes)
        };
        // `max_by_key` returns the last of several maxima; the order is reversed to get the first.
        self.function_integrations()
            .rev()
            .filter(|integration| !integration.is_reader())
            .max_by_key(|integration| rank(integration))
    }

    /// Returns the integration with the reader, which is identified by its description.
    pub(super) fn reader(&self) -> Option<&Integration> {
        self.function_integrations().find(|integration| integration.is_reader())
    }

    fn function_integrations(&self) -> impl DoubleEndedIterator<Item = &Integration> {
        self.integrations.iter().filter(|integration| integration.queue.is_none())
    }

    /// Returns the keys of the public routes to an integration.
    fn public_routes(&self, integration: &Integration) -> BTreeSet<String> {
        let is_match = |route: &&Route| route.is_public && route.target == integration.target();
        self.routes.iter().filter(is_match).map(|route| route.key.clone()).collect()
    }

    fn reader_spec(&self) -> Option<ReaderRoutes> {
        let reader = self.reader()?;
        Some(ReaderRoutes { function_arn: reader.function_arn().into(), routes: self.public_routes(reader) })
    }

    /// Converts the API and its parts to a spec, for comparison with the wanted spec.
    pub(super) fn spec(&self, api: &Api, want: Option<&HttpApiSpec>) -> HttpApiSpec {
        let integration = self.integration(want.and_then(|want| want.function_arn.get()).map(String::as_str));
        let endpoint_note =
            if api.is_endpoint_enabled { &[][..] } else { &["its endpoint is disabled".to_owned()] };
        let function_arn = integration.map(Integration::function_arn).unwrap_or_default();
        HttpApiSpec {
            function_arn: with_differences(&function_arn, endpoint_note).into(),
            routes: integration.map(|integration| self.public_routes(integration)).unwrap_or_default(),
            reader: self.reader_spec(),
            ingest: self.ingest_spec(),
            cors: api.cors.clone(),
            throttle: self.stage.as_ref().map_or_else(zero_throttle, Stage::throttle),
            tags: managed_tags(&api.tags, want.map(|want| &want.tags)),
        }
    }
}

/// Returns `text`, with the differences from our settings in parentheses.
pub(super) fn with_differences(text: &str, differences: &[String]) -> String {
    if differences.is_empty() { text.to_owned() } else { format!("{text} ({})", differences.join(", ")) }
}

/// Returns the function's ARN in an integration's URI, which is the ARN or contains it.
fn function_arn_in_uri(uri: &str) -> &str {
    let inner = uri.split_once("/functions/").and_then(|(_, rest)| rest.strip_suffix("/invocations"));
    inner.unwrap_or(uri)
}

impl ApiCalls<'_> {
    /// Reads the parts of the API with three concurrent calls.
    pub(super) async fn parts(&self) -> Result<ApiParts, Fault> {
        // The API exists, so its parts are missing only while the API is being created or deleted.
        let request = self.apis.read_client.get_integrations().api_id(self.id).max_results(PAGE_SIZE);
        let call = self.call_existing("read", "the integrations", "apigateway:GetIntegrations");
        let integrations = call
            .pages(|next| request.clone().set_next_token(next).send(), |page| (page.items, page.next_token));
        let request = self.apis.read_client.get_routes().api_id(self.id).max_results(PAGE_SIZE);
        let call = self.call_existing("read", "the routes", "apigateway:GetRoutes");
        let routes = call
            .pages(|next| request.clone().set_next_token(next).send(), |page| (page.items, page.next_token));
        let (integrations, routes, stage) = try_join3(integrations, routes, self.stage()).await?;
        Ok(ApiParts {
            integrations: integrations.into_iter().flatten().map(Integration::from).collect(),
            routes: routes.into_iter().flatten().map(Route::from).collect(),
            stage,
        })
    }

    async fn stage(&self) -> Result<Option<Stage>, Fault> {
        let request = self.apis.read_client.get_stage().api_id(self.id).stage_name(STAGE);
        let call = self.call("read", "the stage", "apigateway:GetStage");
        let found = call.find(|| request.clone().send()).await?;
        Ok(found.map(|stage| Stage {
            auto_deploy: stage.auto_deploy == Some(true),
            throttle: stage.default_route_settings.as_ref().map_or_else(zero_throttle, throttle_of),
            route_throttles: stage
                .route_settings
                .into_iter()
                .flatten()
                .map(|(route, settings)| (route, throttle_of(&settings)))
                .collect(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::cors::CorsSettings;
    use crate::tags::Tags;

    type ChangeCase<'a> = (&'a dyn Fn(&mut ApiParts), String);

    const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:hits-test:live";

    fn api() -> Api {
        Api {
            id: "a1b2".to_owned(),
            endpoint: "https://a1b2.execute-api.eu-west-1.amazonaws.com".to_owned(),
            tags: Tags::new(),
            cors: CorsSettings::default().normalised(),
            is_endpoint_enabled: true,
        }
    }

    fn integration(id: &str, uri: &str) -> Integration {
        let it = types::Integration::builder().integration_id(id).integration_uri(uri);
        it.integration_type(types::IntegrationType::AwsProxy).payload_format_version(PAYLOAD).build().into()
    }

    fn route(key: &str, to: &str) -> Route {
        let target = format!("integrations/{to}");
        types::Route::builder().route_id(key).route_key(key).target(target).build().into()
    }

    fn throttle(rate_per_second: f64, burst: u32) -> Throttle {
        Throttle { rate_per_second, burst }
    }

    fn parts() -> ApiParts {
        ApiParts {
            integrations: vec![integration("i1", ARN)],
            routes: vec![route("GET /a", "i1"), route("GET /b", "i1")],
            stage: Some(Stage {
                auto_deploy: true,
                throttle: throttle(10.0, 20),
                route_throttles: Vec::new(),
            }),
        }
    }

    fn summary(parts: &ApiParts, api: &Api) -> String {
        let spec = parts.spec(api, None);
        let arn = spec.function_arn.get().unwrap();
        format!("{arn}; {:?}; {}/{}", spec.routes, spec.throttle.rate_per_second, spec.throttle.burst)
    }

    #[test]
    fn spec_shows_differences_from_wanted_settings() {
        let changed = |change: &dyn Fn(&mut ApiParts)| {
            let mut parts = parts();
            change(&mut parts);
            summary(&parts, &api()).replace(ARN, "ARN")
        };
        let both_routes = r#"{"GET /a", "GET /b"}"#;
        let cases: Vec<ChangeCase<'_>> = vec![
            (&|_| (), format!("ARN; {both_routes}; 10/20")),
            (
                &|parts| parts.integrations[0].payload = "1.0".to_owned(),
                format!("ARN (payload format 1.0); {both_routes}; 10/20"),
            ),
            (
                &|parts| parts.integrations[0].timeout_ms = 50,
                format!("ARN (timeout 50 ms); {both_routes}; 10/20"),
            ),
            (
                &|parts| parts.integrations[0].kind = "HTTP_PROXY".to_owned(),
                format!("ARN (type HTTP_PROXY); {both_routes}; 10/20"),
            ),
            (&|parts| parts.integrations.clear(), "; {}; 10/20".to_owned()),
            (&|parts| parts.routes[0].is_public = false, r#"ARN; {"GET /b"}; 10/20"#.to_owned()),
            (
                &|parts| parts.routes[0].target = "integrations/x".to_owned(),
                r#"ARN; {"GET /b"}; 10/20"#.to_owned(),
            ),
            (&|parts| parts.stage = None, format!("ARN; {both_routes}; 0/0")),
            (&|parts| parts.stage.as_mut().unwrap().auto_deploy = false, format!("ARN; {both_routes}; 0/0")),
            (
                &|parts| {
                    let route_throttle = ("GET /a".to_owned(), throttle(5000.0, 20));
                    parts.stage.as_mut().unwrap().route_throttles.push(route_throttle);
                },
                format!("ARN; {both_routes}; 5000/20"),
            ),
        ];
        for (change, expected) in cases {
            assert_eq!(changed(change), expected);
        }
        let disabled = Api { is_endpoint_enabled: false, ..api() };
        assert!(summary(&parts(), &disabled).contains("(its endpoint is disabled)"));
    }

    #[test]
    fn integration_prefers_wanted_function_then_most_routes() {
        let mut parts = parts();
        parts.integrations =
            vec![integration("i0", "arn:other"), integration("i1", ARN), integration("i2", ARN)];
        assert_eq!(parts.integration(Some("arn:other")).unwrap().id, "i0");
        assert_eq!(parts.integration(Some(ARN)).unwrap().id, "i1");
        assert_eq!(parts.integration(None).unwrap().id, "i1");
        parts.routes.clear();
        assert_eq!(parts.integration(None).unwrap().id, "i0", "the first of several maxima");
    }

    #[test]
    fn function_arn_is_read_from_both_uri_forms() {
        let long = format!("arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{ARN}/invocations");
        assert_eq!(function_arn_in_uri(&long), ARN);
        assert_eq!(function_arn_in_uri(ARN), ARN);
    }
}
