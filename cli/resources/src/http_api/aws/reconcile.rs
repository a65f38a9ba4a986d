//! Reconciles the parts of an API with the spec. Writes only the settings that differ, and the stage last.

use std::collections::BTreeSet;

use aws_sdk_apigatewayv2::types;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};
use hitctl_engine::{Event, Fault};

use super::client::{ApiCalls, STAGE};
use super::find::{Api, cors_for};
use super::parts::{ApiParts, Integration, PAYLOAD, READER_DESCRIPTION, Route, TIMEOUT_MS};
use crate::aws::number;
use crate::aws::tags::tags_to_apply;
use crate::http_api::spec::{HttpApiSpec, Throttle};

/// The number of routes that are written concurrently. Several routes at a time make a first deploy faster. The number
/// is small because API Gateway accepts a burst of forty calls from an account and then ten calls per second.
const CONCURRENT_ROUTES: usize = 4;

/// The changes to the routes of one integration.
#[derive(Clone, Debug, Default, PartialEq)]
struct RouteChanges<'a> {
    create: Vec<&'a str>,
    update: Vec<&'a Route>,
    remove: Vec<&'a Route>,
}

/// Returns the changes after which exactly the wanted routes have `target`. Does not change unwanted routes with other
/// targets, which are not ours, and routes in `reassigned`, which get another target.
fn route_changes<'a>(
    want: &BTreeSet<&'a str>,
    reassigned: &[&str],
    routes: &'a [Route],
    target: &str,
) -> RouteChanges<'a> {
    let mut changes = RouteChanges::default();
    for &key in want {
        let mut with_key: Vec<&Route> = routes.iter().filter(|route| route.key == key).collect();
        // If several routes have the key, keep the one that needs no change.
        with_key.sort_by_key(|route| !(route.is_public && route.target == target));
        match with_key.split_first() {
            None => changes.create.push(key),
            Some((first, duplicates)) => {
                if !first.is_public || first.target != target {
                    changes.update.push(first);
                }
                changes.remove.extend(duplicates);
            }
        }
    }
    changes.remove.extend(unwanted_routes(want, reassigned, routes, target));
    changes
}

/// Returns the routes with `target` that are neither wanted nor reassigned.
fn unwanted_routes<'a>(
    want: &BTreeSet<&str>,
    reassigned: &[&str],
    routes: &'a [Route],
    target: &str,
) -> impl Iterator<Item = &'a Route> {
    let is_unwanted = move |route: &&Route| {
        let key = route.key.as_str();
        route.target == target && !want.contains(key) && !reassigned.contains(&key)
    };
    routes.iter().filter(is_unwanted)
}

impl ApiCalls<'_> {
    /// Reconciles the API, whose parts are known, with the spec.
    pub(super) async fn reconcile(
        &self,
        api: &Api,
        parts: &ApiParts,
        want: &HttpApiSpec,
    ) -> Result<(), Fault> {
        self.reconcile_api(api, want).await?;
        let function_arn = want.function_arn.get().map(String::as_str).unwrap_or_default();
        let integration = parts.integration(Some(function_arn));
        let target = self.reconcile_integration(integration, function_arn, None).await?;
        let keys: BTreeSet<&str> = want.routes.iter().map(String::as_str).collect();
        let reader_routes = want.reader.iter().flat_map(|reader| &reader.routes).map(String::as_str);
        let queue_routes = want.ingest.iter().map(|ingest| ingest.route.as_str());
        // A route that gets another target is updated. It must not be removed first, so that no request gets a 404.
        let reassigned: Vec<&str> = keys.iter().copied().chain(reader_routes).chain(queue_routes).collect();
        if let Some(reader) = &want.reader {
            let reader_arn = reader.function_arn.get().map(String::as_str).unwrap_or_default();
            let target =
                self.reconcile_integration(parts.reader(), reader_arn, Some(READER_DESCRIPTION)).await?;
            let keys = reader.routes.iter().map(String::as_str).collect();
            self.reconcile_routes(&route_changes(&keys, &reassigned, &parts.routes, &target), &target)
                .await?;
        }
        self.reconcile_routes(&route_changes(&keys, &reassigned, &parts.routes, &target), &target).await?;
        if let Some(ingest) = &want.ingest {
            let target = self.reconcile_ingest(parts, ingest).await?;
            let key = BTreeSet::from([ingest.route.as_str()]);
            self.reconcile_routes(&route_changes(&key, &[], &parts.routes, &target), &target).await?;
        }
        let unwanted_reader = parts.reader().filter(|_| want.reader.is_none());
        let unwanted_ingest = parts.ingest().map(|(ingest, _)| ingest).filter(|_| want.ingest.is_none());
        let removed = unwanted_reader.into_iter().chain(unwanted_ingest).map(|integration| {
            let routes = unwanted_routes(&keys, &reassigned, &parts.routes, &integration.target()).collect();
            (integration, routes)
        });
        self.remove_integrations(removed.collect()).await?;
        let our_targets: Vec<String> =
            parts.integrations.iter().map(Integration::target).chain([target]).collect();
        let wanted_keys = keys.iter().copied().chain(reassigned).collect();
        let stale = stale_settings(parts, &wanted_keys, &our_targets);
        self.reconcile_stage(parts, &want.throttle, &stale).await
    }

    /// Removes the routes of the given integrations, waits for requests in flight, and then removes the integrations.
    async fn remove_integrations(&self, removed: Vec<(&Integration, Vec<&Route>)>) -> Result<(), Fault> {
        if removed.is_empty() {
            return Ok(());
        }
        for (integration, routes) in &removed {
            let changes = RouteChanges { remove: routes.clone(), ..RouteChanges::default() };
            self.reconcile_routes(&changes, &integration.target()).await?;
        }
        let why = "waiting for in-flight requests to a removed integration";
        self.cx.send(Event::Waiting { address: self.cx.address().clone(), attempt: 1, why: why.to_owned() });
        self.cx.pause(self.apis.aws.drain, why).await?;
        for (integration, _) in removed {
            self.remove_integration(integration).await?;
        }
        Ok(())
    }

    async fn reconcile_api(&self, api: &Api, want: &HttpApiSpec) -> Result<(), Fault> {
        if !api.is_endpoint_enabled || api.cors != want.cors {
            let request = self.apis.client.update_api().api_id(self.id).disable_execute_api_endpoint(false);
            let request = request.cors_configuration(cors_for(&want.cors));
            self.call("change", "", "apigateway:UpdateApi").send(|| request.clone().send()).await?;
        }
        let missing_tags = tags_to_apply(&api.tags, &want.tags);
        if !missing_tags.is_empty() {
            let missing_tags = missing_tags.into_iter().collect();
            let request = self
                .apis
                .client
                .tag_resource()
                .resource_arn(self.apis.arn(self.id))
                .set_tags(Some(missing_tags));
            self.call("tag", "", "apigateway:TagResource").send(|| request.clone().send()).await?;
        }
        Ok(())
    }

    /// Reconciles an integration and returns the target for its routes.
    async fn reconcile_integration(
        &self,
        existing: Option<&Integration>,
        wanted: &str,
        description: Option<&str>,
    ) -> Result<String, Fault> {
        let part = "the integration";
        let Some(existing) = existing else {
            let request = self
                .apis
                .client
                .create_integration()
                .api_id(self.id)
                .integration_type(types::IntegrationType::AwsProxy)
                .integration_method("POST")
                .integration_uri(wanted)
                .payload_format_version(PAYLOAD)
                .timeout_in_millis(TIMEOUT_MS)
                .set_description(description.map(str::to_owned));
            let call = self.call_existing("create", part, "apigateway:CreateIntegration");
            let created = call.send(|| request.clone().send()).await?;
            return Ok(format!("integrations/{}", created.integration_id.unwrap_or_default()));
        };
        if existing.function_arn() != wanted {
            let request = self
                .apis
                .client
                .update_integration()
                .api_id(self.id)
                .integration_id(&existing.id)
                .integration_type(types::IntegrationType::AwsProxy)
                .integration_method("POST")
                .integration_uri(wanted)
                .payload_format_version(PAYLOAD)
                .timeout_in_millis(TIMEOUT_MS);
            let call = self.call_existing("change", part, "apigateway:UpdateIntegration");
            call.send(|| request.clone().send()).await?;
        }
        Ok(existing.target())
    }

    async fn reconcile_routes(&self, changes: &RouteChanges<'_>, target: &str) -> Result<(), Fault> {
        let create = changes.create.iter().map(|key| self.create_route(key, target).boxed());
        let update = changes.update.iter().map(|route| self.update_route(route, target).boxed());
        let remove = changes.remove.iter().map(|route| self.remove_route(route).boxed());
        let calls: Vec<BoxFuture<'_, Result<(), Fault>>> = create.chain(update).chain(remove).collect();
        // Wait for all calls, so that none is still in flight when a failure is retried.
        let results: Vec<_> = stream::iter(calls).buffer_unordered(CONCURRENT_ROUTES).collect().await;
        results.into_iter().collect()
    }

    async fn create_route(&self, key: &str, target: &str) -> Result<(), Fault> {
        let request = self.apis.client.create_route().api_id(self.id).route_key(key).target(target);
        let request = request.authorization_type(types::AuthorizationType::None);
        let call = self.call_existing("create", &format!("route {key}"), "apigateway:CreateRoute");
        call.send(|| request.clone().send()).await.map(drop)
    }

    async fn update_route(&self, route: &Route, target: &str) -> Result<(), Fault> {
        let request = self.apis.client.update_route().api_id(self.id).route_id(&route.id).target(target);
        let request = request.authorization_type(types::AuthorizationType::None);
        let call = self.call_existing("change", &format!("route {}", route.key), "apigateway:UpdateRoute");
        call.send(|| request.clone().send()).await.map(drop)
    }

    async fn remove_route(&self, route: &Route) -> Result<(), Fault> {
        let request = self.apis.client.delete_route().api_id(self.id).route_id(&route.id);
        let call = self.call("delete", &format!("route {}", route.key), "apigateway:DeleteRoute");
        call.find(|| request.clone().send()).await.map(drop)
    }

    /// Removes an integration that has no routes.
    async fn remove_integration(&self, existing: &Integration) -> Result<(), Fault> {
        let request = self.apis.client.delete_integration().api_id(self.id).integration_id(&existing.id);
        let call = self.call("delete", "an integration", "apigateway:DeleteIntegration");
        call.find(|| request.clone().send()).await.map(drop)
    }

    async fn reconcile_stage(
        &self,
        parts: &ApiParts,
        want: &Throttle,
        stale: &[String],
    ) -> Result<(), Fault> {
        let Some(existing) = &parts.stage else {
            let request = self.apis.client.create_stage().api_id(self.id).stage_name(STAGE).auto_deploy(true);
            let request = request.default_route_settings(settings(want));
            let call = self.call_existing("create", "the stage", "apigateway:CreateStage");
            return call.send(|| request.clone().send()).await.map(drop);
        };
        // Delete the settings of routes that no longer exist.
        for route in stale {
            let request =
                self.apis.client.delete_route_settings().api_id(self.id).stage_name(STAGE).route_key(route);
            let part = format!("the settings of route {route}");
            let call = self.call("delete", &part, "apigateway:DeleteRouteSettings");
            call.find(|| request.clone().send()).await?;
        }
        let mut existing = existing.clone();
        existing.route_throttles.retain(|(route, _)| !stale.contains(route));
        if existing.throttle() == *want && existing.throttle == *want && existing.auto_deploy {
            return Ok(());
        }
        let route_throttles =
            existing.route_throttles.iter().map(|(route, _)| (route.clone(), settings(want)));
        let request = self
            .apis
            .client
            .update_stage()
            .api_id(self.id)
            .stage_name(STAGE)
            .auto_deploy(true)
            .default_route_settings(settings(want))
            // An omitted route setting is not removed, so all route settings are set to the stage's values.
            .set_route_settings((!existing.route_throttles.is_empty()).then(|| route_throttles.collect()));
        let call = self.call_existing("change", "the stage", "apigateway:UpdateStage");
        call.send(|| request.clone().send()).await.map(drop)
    }
}

/// Returns the keys of the stage's route settings whose routes no longer exist: routes that are not wanted, and that
/// do not have a target of another owner. API Gateway rejects an update of the stage with such a key.
fn stale_settings(parts: &ApiParts, wanted: &BTreeSet<&str>, our_targets: &[String]) -> Vec<String> {
    let route_throttles = parts.stage.iter().flat_map(|stage| &stage.route_throttles);
    let is_foreign =
        |key: &str| parts.routes.iter().any(|route| route.key == key && !our_targets.contains(&route.target));
    route_throttles
        .map(|(key, _)| key)
        .filter(|key| !wanted.contains(key.as_str()) && !is_foreign(key))
        .cloned()
        .collect()
}

/// Returns both limits of the throttle. If only one were set, the other would be zero and block all requests.
fn settings(throttle: &Throttle) -> types::RouteSettings {
    types::RouteSettings::builder()
        .throttling_rate_limit(throttle.rate_per_second)
        .throttling_burst_limit(number(throttle.burst))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(id: &str, key: &str, target: &str) -> Route {
        Route { id: id.to_owned(), key: key.to_owned(), target: target.to_owned(), is_public: true }
    }

    #[test]
    fn route_changes_contain_differences_and_spare_foreign_routes() {
        let want = BTreeSet::from(["GET /a", "GET /b", "GET /c", "GET /d"]);
        let mut private = route("r5", "GET /d", "ours");
        private.is_public = false;
        let routes = [
            route("r1", "GET /a", "ours"),
            route("r2", "GET /b", "theirs"),
            route("r3", "GET /old", "ours"),
            route("r4", "GET /health", "theirs"),
            private,
            route("r6", "GET /a", "theirs"),
            route("r7", "POST /v1/hit", "ours"),
        ];
        let changes = route_changes(&want, &["POST /v1/hit"], &routes, "ours");
        let ids =
            |routes: &[&Route]| routes.iter().map(|route| route.id.clone()).collect::<Vec<_>>().join(" ");
        assert_eq!(changes.create, ["GET /c"]);
        assert_eq!(ids(&changes.update), "r2 r5");
        assert_eq!(ids(&changes.remove), "r6 r3");
    }

    #[test]
    fn settings_of_missing_routes_are_stale() {
        use super::super::parts::Stage;
        let throttle = || Throttle { rate_per_second: 1.0, burst: 1 };
        let keys = ["GET /a", "GET /old", "GET /missing", "GET /health", "POST /v1/hit"];
        let route_throttles = keys.map(|key| (key.to_owned(), throttle())).to_vec();
        let parts = ApiParts {
            integrations: Vec::new(),
            routes: vec![
                route("r1", "GET /a", "ours"),
                route("r2", "GET /old", "ours"),
                route("r3", "GET /health", "theirs"),
            ],
            stage: Some(Stage { auto_deploy: true, throttle: throttle(), route_throttles }),
        };
        let wanted = BTreeSet::from(["GET /a", "POST /v1/hit"]);
        assert_eq!(stale_settings(&parts, &wanted, &["ours".to_owned()]), ["GET /old", "GET /missing"]);
    }
}
