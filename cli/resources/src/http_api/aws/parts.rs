//! What is in an API: integrations, routes and the stage, and what they come to as a spec.

use std::collections::BTreeSet;

use aws_sdk_apigatewayv2::types;
use futures::future::try_join3;
use hitctl_engine::Fault;

use super::client::{ApiCalls, STAGE};
use super::find::Api;
use super::ingest::ToQueue;
use crate::aws::tags::managed_tags;
use crate::http_api::spec::{HttpApiSpec, Reader, Throttle};

/// So many integrations or routes come in one page at most: more than there can be.
const PAGE: &str = "500";
/// The event that the function understands.
pub(super) const PAYLOAD: &str = "2.0";
/// The description of the integration to the reader, which tells it from the other one.
pub(super) const READER: &str = "hitctl: reads";
/// As long as an integration may take, in ms; the function has a limit of its own.
pub(super) const TIMEOUT_MS: i32 = 30_000;

/// What is in an API.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Parts {
    pub(super) integrations: Vec<Integration>,
    pub(super) routes: Vec<Route>,
    pub(super) stage: Option<Stage>,
}

/// Where requests can go.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Integration {
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) uri: String,
    pub(super) payload: String,
    pub(super) timeout_ms: i32,
    description: String,
    /// What it says if it goes to a queue.
    pub(super) to_queue: Option<ToQueue>,
}

impl From<types::Integration> for Integration {
    fn from(it: types::Integration) -> Self {
        Self {
            to_queue: ToQueue::of(&it),
            id: it.integration_id.unwrap_or_default(),
            kind: it.integration_type.map_or_else(String::new, |kind| kind.as_str().to_owned()),
            uri: function_in(&it.integration_uri.unwrap_or_default()).to_owned(),
            payload: it.payload_format_version.unwrap_or_default(),
            description: it.description.unwrap_or_default(),
            timeout_ms: it.timeout_in_millis.unwrap_or(TIMEOUT_MS),
        }
    }
}

impl Integration {
    /// The function behind it, and what is not as we have it.
    pub(super) fn function_arn(&self) -> String {
        let mut odd = Vec::new();
        if self.kind != types::IntegrationType::AwsProxy.as_str() {
            odd.push(format!("type {}", self.kind));
        }
        if self.payload != PAYLOAD {
            odd.push(format!("payload format {}", self.payload));
        }
        if self.timeout_ms != TIMEOUT_MS {
            odd.push(format!("timeout {} ms", self.timeout_ms));
        }
        marked(&self.uri, &odd)
    }

    fn is_readers(&self) -> bool {
        self.description == READER
    }

    /// What a route that goes to it says.
    pub(super) fn target(&self) -> String {
        format!("integrations/{}", self.id)
    }
}

/// Which requests go where.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Route {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) target: String,
    /// Whether anybody may use it.
    pub(super) is_open: bool,
}

impl From<types::Route> for Route {
    fn from(it: types::Route) -> Self {
        Self {
            id: it.route_id.unwrap_or_default(),
            key: it.route_key.unwrap_or_default(),
            target: it.target.unwrap_or_default(),
            is_open: it.authorization_type.is_none_or(|kind| kind == types::AuthorizationType::None),
        }
    }
}

/// The stage `$default`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stage {
    pub(super) auto_deploy: bool,
    pub(super) throttle: Throttle,
    /// Routes with numbers of their own, which hold in place of the stage's.
    pub(super) exceptions: Vec<(String, Throttle)>,
}

impl Stage {
    /// What it lets through: nothing while what is set is not deployed, and for a route with other numbers those.
    pub(super) fn throttle(&self) -> Throttle {
        let other = self.exceptions.iter().find(|(_, throttle)| *throttle != self.throttle);
        match other {
            _ if !self.auto_deploy => none(),
            Some((_, throttle)) => throttle.clone(),
            None => self.throttle.clone(),
        }
    }
}

fn none() -> Throttle {
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

impl Parts {
    /// The integration to our function: the one that already goes where it should, then the one with most routes. That of the
    /// reader is none of them.
    pub(super) fn integration(&self, wanted: Option<&str>) -> Option<&Integration> {
        let rank = |it: &Integration| {
            let routes = self.routes.iter().filter(|route| route.target == it.target()).count();
            (Some(it.uri.as_str()) == wanted, routes)
        };
        // The first of those that are equal.
        self.to_functions().rev().filter(|it| !it.is_readers()).max_by_key(|it| rank(it))
    }

    /// The integration to the reader: the one that we described so.
    pub(super) fn reader(&self) -> Option<&Integration> {
        self.to_functions().find(|it| it.is_readers())
    }

    fn to_functions(&self) -> impl DoubleEndedIterator<Item = &Integration> {
        self.integrations.iter().filter(|it| it.to_queue.is_none())
    }

    /// The keys of the routes that anybody may use and that go to an integration.
    fn open_routes(&self, to: &Integration) -> BTreeSet<String> {
        let goes_there = |route: &&Route| route.is_open && route.target == to.target();
        self.routes.iter().filter(goes_there).map(|route| route.key.clone()).collect()
    }

    fn reader_spec(&self) -> Option<Reader> {
        let reader = self.reader()?;
        Some(Reader { function_arn: reader.function_arn().into(), routes: self.open_routes(reader) })
    }

    /// What it comes to, as far as it can be compared with what is wanted.
    pub(super) fn spec(&self, api: &Api, want: Option<&HttpApiSpec>) -> HttpApiSpec {
        let integration = self.integration(want.and_then(|want| want.function_arn.get()).map(String::as_str));
        let open = if api.is_open { &[][..] } else { &["its endpoint is disabled".to_owned()] };
        let function_arn = integration.map(Integration::function_arn).unwrap_or_default();
        HttpApiSpec {
            function_arn: marked(&function_arn, open).into(),
            routes: integration.map(|it| self.open_routes(it)).unwrap_or_default(),
            reader: self.reader_spec(),
            ingest: self.ingest_spec(),
            cors: api.cors.clone(),
            throttle: self.stage.as_ref().map_or_else(none, Stage::throttle),
            tags: managed_tags(&api.tags, want.map(|want| &want.tags)),
        }
    }
}

/// A text, and what is odd about it.
pub(super) fn marked(text: &str, odd: &[String]) -> String {
    if odd.is_empty() { text.to_owned() } else { format!("{text} ({})", odd.join(", ")) }
}

/// The function's ARN in an integration's URI, which has two forms.
fn function_in(uri: &str) -> &str {
    let inner = uri.split_once("/functions/").and_then(|(_, rest)| rest.strip_suffix("/invocations"));
    inner.unwrap_or(uri)
}

impl ApiCalls<'_> {
    /// What is in that API: three calls at once.
    pub(super) async fn parts(&self) -> Result<Parts, Fault> {
        // The API is in the list: its parts are not found only because it is being made or deleted.
        let request = self.apis.reader.get_integrations().api_id(self.id).max_results(PAGE);
        let call = self.call_in("read", "the integrations", "apigateway:GetIntegrations");
        let integrations = call
            .pages(|next| request.clone().set_next_token(next).send(), |page| (page.items, page.next_token));
        let request = self.apis.reader.get_routes().api_id(self.id).max_results(PAGE);
        let call = self.call_in("read", "the routes", "apigateway:GetRoutes");
        let routes = call
            .pages(|next| request.clone().set_next_token(next).send(), |page| (page.items, page.next_token));
        let (integrations, routes, stage) = try_join3(integrations, routes, self.stage()).await?;
        Ok(Parts {
            integrations: integrations.into_iter().flatten().map(Integration::from).collect(),
            routes: routes.into_iter().flatten().map(Route::from).collect(),
            stage,
        })
    }

    async fn stage(&self) -> Result<Option<Stage>, Fault> {
        let request = self.apis.reader.get_stage().api_id(self.id).stage_name(STAGE);
        let call = self.call("read", "the stage", "apigateway:GetStage");
        let found = call.find(|| request.clone().send()).await?;
        Ok(found.map(|stage| Stage {
            auto_deploy: stage.auto_deploy == Some(true),
            throttle: stage.default_route_settings.as_ref().map_or_else(none, throttle_of),
            exceptions: stage
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

    type Changed<'a> = (&'a dyn Fn(&mut Parts), String);

    const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:hits-test:live";

    fn api() -> Api {
        Api {
            id: "a1b2".to_owned(),
            endpoint: "https://a1b2.execute-api.eu-west-1.amazonaws.com".to_owned(),
            tags: Tags::new(),
            cors: CorsSettings::default().normalised(),
            is_open: true,
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

    fn parts() -> Parts {
        Parts {
            integrations: vec![integration("i1", ARN)],
            routes: vec![route("GET /a", "i1"), route("GET /b", "i1")],
            stage: Some(Stage { auto_deploy: true, throttle: throttle(10.0, 20), exceptions: Vec::new() }),
        }
    }

    fn lines(parts: &Parts, api: &Api) -> String {
        let spec = parts.spec(api, None);
        let arn = spec.function_arn.get().unwrap();
        format!("{arn}; {:?}; {}/{}", spec.routes, spec.throttle.rate_per_second, spec.throttle.burst)
    }

    #[test]
    fn what_is_as_wanted_reads_as_wanted_and_what_is_not_shows() {
        let changed = |change: &dyn Fn(&mut Parts)| {
            let mut parts = parts();
            change(&mut parts);
            lines(&parts, &api()).replace(ARN, "ARN")
        };
        let both = r#"{"GET /a", "GET /b"}"#;
        let table: Vec<Changed<'_>> = vec![
            (&|_| (), format!("ARN; {both}; 10/20")),
            (
                &|it| it.integrations[0].payload = "1.0".to_owned(),
                format!("ARN (payload format 1.0); {both}; 10/20"),
            ),
            (&|it| it.integrations[0].timeout_ms = 50, format!("ARN (timeout 50 ms); {both}; 10/20")),
            (
                &|it| it.integrations[0].kind = "HTTP_PROXY".to_owned(),
                format!("ARN (type HTTP_PROXY); {both}; 10/20"),
            ),
            (&|it| it.integrations.clear(), "; {}; 10/20".to_owned()),
            (&|it| it.routes[0].is_open = false, r#"ARN; {"GET /b"}; 10/20"#.to_owned()),
            (&|it| it.routes[0].target = "integrations/x".to_owned(), r#"ARN; {"GET /b"}; 10/20"#.to_owned()),
            (&|it| it.stage = None, format!("ARN; {both}; 0/0")),
            (&|it| it.stage.as_mut().unwrap().auto_deploy = false, format!("ARN; {both}; 0/0")),
            (
                &|it| {
                    let own = ("GET /a".to_owned(), throttle(5000.0, 20));
                    it.stage.as_mut().unwrap().exceptions.push(own);
                },
                format!("ARN; {both}; 5000/20"),
            ),
        ];
        for (change, expected) in table {
            assert_eq!(changed(change), expected);
        }
        let shut = Api { is_open: false, ..api() };
        assert!(lines(&parts(), &shut).contains("(its endpoint is disabled)"));
    }

    #[test]
    fn the_integration_is_the_one_to_the_function_and_then_the_busiest() {
        let mut parts = parts();
        parts.integrations =
            vec![integration("i0", "arn:other"), integration("i1", ARN), integration("i2", ARN)];
        assert_eq!(parts.integration(Some("arn:other")).unwrap().id, "i0");
        assert_eq!(parts.integration(Some(ARN)).unwrap().id, "i1");
        assert_eq!(parts.integration(None).unwrap().id, "i1");
        parts.routes.clear();
        assert_eq!(parts.integration(None).unwrap().id, "i0", "the first of equals");
    }

    #[test]
    fn both_forms_of_a_uri_are_the_function() {
        let long = format!("arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/{ARN}/invocations");
        assert_eq!(function_in(&long), ARN);
        assert_eq!(function_in(ARN), ARN);
    }
}
