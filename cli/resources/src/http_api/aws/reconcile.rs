//! Makes what is in an API what it should be: only what differs is written, and the stage comes last.

use std::collections::BTreeSet;

use aws_sdk_apigatewayv2::types;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};
use hitctl_engine::{Event, Fault};

use super::client::{ApiCalls, STAGE};
use super::find::{Api, cors_for};
use super::parts::{Integration, PAYLOAD, Parts, READER, Route, TIMEOUT_MS};
use crate::aws::number;
use crate::aws::tags::tags_to_apply;
use crate::http_api::spec::{HttpApiSpec, Throttle};

/// So many routes are written at once. A few, so that the first deploy waits for one of them and not for all; no more,
/// since API Gateway takes a burst of forty calls from an account and then ten a second.
const ROUTES_AT_ONCE: usize = 4;

/// What has to be done to routes.
#[derive(Clone, Debug, Default, PartialEq)]
struct RouteChanges<'a> {
    make: Vec<&'a str>,
    change: Vec<&'a Route>,
    remove: Vec<&'a Route>,
}

/// Which routes have to be made, changed or removed so that exactly the wanted ones go to that target. Routes to other
/// targets that are not wanted are somebody's own, and the spared ones go elsewhere.
fn changes<'a>(
    want: &BTreeSet<&'a str>,
    spared: &[&str],
    routes: &'a [Route],
    target: &str,
) -> RouteChanges<'a> {
    let mut found = RouteChanges::default();
    for &key in want {
        let mut of_key: Vec<&Route> = routes.iter().filter(|route| route.key == key).collect();
        // The one that is right already stays, if there are several.
        of_key.sort_by_key(|route| !(route.is_open && route.target == target));
        match of_key.split_first() {
            None => found.make.push(key),
            Some((first, more)) => {
                if !first.is_open || first.target != target {
                    found.change.push(first);
                }
                found.remove.extend(more);
            }
        }
    }
    found.remove.extend(left(want, spared, routes, target));
    found
}

/// The routes to that target that are not wanted.
fn left<'a>(
    want: &BTreeSet<&str>,
    spared: &[&str],
    routes: &'a [Route],
    target: &str,
) -> impl Iterator<Item = &'a Route> {
    let is_left = move |route: &&Route| {
        let key = route.key.as_str();
        route.target == target && !want.contains(key) && !spared.contains(&key)
    };
    routes.iter().filter(is_left)
}

impl ApiCalls<'_> {
    /// Brings the API with these parts to what is wanted.
    pub(super) async fn reconcile(&self, api: &Api, parts: &Parts, want: &HttpApiSpec) -> Result<(), Fault> {
        self.reconcile_api(api, want).await?;
        let wanted = want.function_arn.get().map(String::as_str).unwrap_or_default();
        let target = self.reconcile_integration(parts.integration(Some(wanted)), wanted, None).await?;
        let keys: BTreeSet<&str> = want.routes.iter().map(String::as_str).collect();
        let of_reader = want.reader.iter().flat_map(|reader| &reader.routes).map(String::as_str);
        let of_queue = want.ingest.iter().map(|ingest| ingest.route.as_str());
        // A route that goes elsewhere from now on is changed, and never removed in between.
        let spared: Vec<&str> = keys.iter().copied().chain(of_reader).chain(of_queue).collect();
        if let Some(reader) = &want.reader {
            let wanted = reader.function_arn.get().map(String::as_str).unwrap_or_default();
            let target = self.reconcile_integration(parts.reader(), wanted, Some(READER)).await?;
            let keys = reader.routes.iter().map(String::as_str).collect();
            self.reconcile_routes(&changes(&keys, &spared, &parts.routes, &target), &target).await?;
        }
        self.reconcile_routes(&changes(&keys, &spared, &parts.routes, &target), &target).await?;
        if let Some(ingest) = &want.ingest {
            let target = self.reconcile_ingest(parts, ingest).await?;
            let key = BTreeSet::from([ingest.route.as_str()]);
            self.reconcile_routes(&changes(&key, &[], &parts.routes, &target), &target).await?;
        }
        let reader = parts.reader().filter(|_| want.reader.is_none());
        let ingest = parts.ingest().map(|(ingest, _)| ingest).filter(|_| want.ingest.is_none());
        let removed = reader.into_iter().chain(ingest).map(|integration| {
            let routes = left(&keys, &spared, &parts.routes, &integration.target()).collect();
            (integration, routes)
        });
        self.remove_integrations(removed.collect()).await?;
        let ours: Vec<String> = parts.integrations.iter().map(Integration::target).chain([target]).collect();
        let wanted = keys.iter().copied().chain(spared).collect();
        self.reconcile_stage(parts, &want.throttle, &stale_settings(parts, &wanted, &ours)).await
    }

    /// Removes integrations, each after the routes that still lead to it and after the requests in flight.
    async fn remove_integrations(&self, removed: Vec<(&Integration, Vec<&Route>)>) -> Result<(), Fault> {
        if removed.is_empty() {
            return Ok(());
        }
        for (integration, routes) in &removed {
            let todo = RouteChanges { remove: routes.clone(), ..RouteChanges::default() };
            self.reconcile_routes(&todo, &integration.target()).await?;
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
        if !api.is_open || api.cors != want.cors {
            let request = self.apis.client.update_api().api_id(self.id).disable_execute_api_endpoint(false);
            let request = request.cors_configuration(cors_for(&want.cors));
            self.call("change", "", "apigateway:UpdateApi").send(|| request.clone().send()).await?;
        }
        let add = tags_to_apply(&api.tags, &want.tags);
        if !add.is_empty() {
            let add = add.into_iter().collect();
            let request =
                self.apis.client.tag_resource().resource_arn(self.apis.arn(self.id)).set_tags(Some(add));
            self.call("tag", "", "apigateway:TagResource").send(|| request.clone().send()).await?;
        }
        Ok(())
    }

    /// Returns what routes to it say.
    async fn reconcile_integration(
        &self,
        there: Option<&Integration>,
        wanted: &str,
        description: Option<&str>,
    ) -> Result<String, Fault> {
        let part = "the integration";
        let Some(there) = there else {
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
            let call = self.call_in("create", part, "apigateway:CreateIntegration");
            let made = call.send(|| request.clone().send()).await?;
            return Ok(format!("integrations/{}", made.integration_id.unwrap_or_default()));
        };
        if there.function_arn() != wanted {
            let request = self
                .apis
                .client
                .update_integration()
                .api_id(self.id)
                .integration_id(&there.id)
                .integration_type(types::IntegrationType::AwsProxy)
                .integration_method("POST")
                .integration_uri(wanted)
                .payload_format_version(PAYLOAD)
                .timeout_in_millis(TIMEOUT_MS);
            let call = self.call_in("change", part, "apigateway:UpdateIntegration");
            call.send(|| request.clone().send()).await?;
        }
        Ok(there.target())
    }

    async fn reconcile_routes(&self, todo: &RouteChanges<'_>, target: &str) -> Result<(), Fault> {
        let make = todo.make.iter().map(|key| self.make_route(key, target).boxed());
        let change = todo.change.iter().map(|route| self.change_route(route, target).boxed());
        let remove = todo.remove.iter().map(|route| self.remove_route(route).boxed());
        let calls: Vec<BoxFuture<'_, Result<(), Fault>>> = make.chain(change).chain(remove).collect();
        // Every one is heard out, so that none is under way any more when what failed is looked at again.
        let answers: Vec<_> = stream::iter(calls).buffer_unordered(ROUTES_AT_ONCE).collect().await;
        answers.into_iter().collect()
    }

    async fn make_route(&self, key: &str, target: &str) -> Result<(), Fault> {
        let request = self.apis.client.create_route().api_id(self.id).route_key(key).target(target);
        let request = request.authorization_type(types::AuthorizationType::None);
        let call = self.call_in("create", &format!("route {key}"), "apigateway:CreateRoute");
        call.send(|| request.clone().send()).await.map(drop)
    }

    async fn change_route(&self, route: &Route, target: &str) -> Result<(), Fault> {
        let request = self.apis.client.update_route().api_id(self.id).route_id(&route.id).target(target);
        let request = request.authorization_type(types::AuthorizationType::None);
        let call = self.call_in("change", &format!("route {}", route.key), "apigateway:UpdateRoute");
        call.send(|| request.clone().send()).await.map(drop)
    }

    async fn remove_route(&self, route: &Route) -> Result<(), Fault> {
        let request = self.apis.client.delete_route().api_id(self.id).route_id(&route.id);
        let call = self.call("delete", &format!("route {}", route.key), "apigateway:DeleteRoute");
        call.find(|| request.clone().send()).await.map(drop)
    }

    /// Removes an integration; its routes are gone already.
    async fn remove_integration(&self, there: &Integration) -> Result<(), Fault> {
        let request = self.apis.client.delete_integration().api_id(self.id).integration_id(&there.id);
        let call = self.call("delete", "an integration", "apigateway:DeleteIntegration");
        call.find(|| request.clone().send()).await.map(drop)
    }

    async fn reconcile_stage(&self, parts: &Parts, want: &Throttle, stale: &[String]) -> Result<(), Fault> {
        let Some(there) = &parts.stage else {
            let request = self.apis.client.create_stage().api_id(self.id).stage_name(STAGE).auto_deploy(true);
            let request = request.default_route_settings(settings(want));
            let call = self.call_in("create", "the stage", "apigateway:CreateStage");
            return call.send(|| request.clone().send()).await.map(drop);
        };
        // The settings of routes that are not there any more.
        for route in stale {
            let request =
                self.apis.client.delete_route_settings().api_id(self.id).stage_name(STAGE).route_key(route);
            let part = format!("the settings of route {route}");
            let call = self.call("delete", &part, "apigateway:DeleteRouteSettings");
            call.find(|| request.clone().send()).await?;
        }
        let mut there = there.clone();
        there.exceptions.retain(|(route, _)| !stale.contains(route));
        if there.throttle() == *want && there.throttle == *want && there.auto_deploy {
            return Ok(());
        }
        let exceptions = there.exceptions.iter().map(|(route, _)| (route.clone(), settings(want)));
        let request = self
            .apis
            .client
            .update_stage()
            .api_id(self.id)
            .stage_name(STAGE)
            .auto_deploy(true)
            .default_route_settings(settings(want))
            // An exception cannot be taken back by leaving it out, but it can be made the same as the rule.
            .set_route_settings((!there.exceptions.is_empty()).then(|| exceptions.collect()));
        let call = self.call_in("change", "the stage", "apigateway:UpdateStage");
        call.send(|| request.clone().send()).await.map(drop)
    }
}

/// The routes with settings of their own in the stage that are not there any more: neither wanted nor somebody's own. API
/// Gateway refuses an update of the stage that names one.
fn stale_settings(parts: &Parts, wanted: &BTreeSet<&str>, ours: &[String]) -> Vec<String> {
    let exceptions = parts.stage.iter().flat_map(|stage| &stage.exceptions);
    let is_left =
        |key: &str| parts.routes.iter().any(|route| route.key == key && !ours.contains(&route.target));
    exceptions
        .map(|(key, _)| key)
        .filter(|key| !wanted.contains(key.as_str()) && !is_left(key))
        .cloned()
        .collect()
}

/// Both numbers, always: one alone means zero for the other, and then nothing gets through.
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
        Route { id: id.to_owned(), key: key.to_owned(), target: target.to_owned(), is_open: true }
    }

    #[test]
    fn only_routes_that_differ_are_written_and_those_of_others_stay() {
        let want = BTreeSet::from(["GET /a", "GET /b", "GET /c", "GET /d"]);
        let mut locked = route("r5", "GET /d", "ours");
        locked.is_open = false;
        let there = [
            route("r1", "GET /a", "ours"),
            route("r2", "GET /b", "theirs"),
            route("r3", "GET /old", "ours"),
            route("r4", "GET /health", "theirs"),
            locked,
            route("r6", "GET /a", "theirs"),
            route("r7", "POST /v1/hit", "ours"),
        ];
        let found = changes(&want, &["POST /v1/hit"], &there, "ours");
        let ids = |routes: &[&Route]| routes.iter().map(|it| it.id.clone()).collect::<Vec<_>>().join(" ");
        assert_eq!(found.make, ["GET /c"]);
        assert_eq!(ids(&found.change), "r2 r5");
        assert_eq!(ids(&found.remove), "r6 r3");
    }

    #[test]
    fn settings_of_routes_that_are_gone_are_stale() {
        use super::super::parts::Stage;
        let throttle = || Throttle { rate_per_second: 1.0, burst: 1 };
        let keys = ["GET /a", "GET /old", "GET /gone", "GET /health", "POST /v1/hit"];
        let exceptions = keys.map(|key| (key.to_owned(), throttle())).to_vec();
        let parts = Parts {
            integrations: Vec::new(),
            routes: vec![
                route("r1", "GET /a", "ours"),
                route("r2", "GET /old", "ours"),
                route("r3", "GET /health", "theirs"),
            ],
            stage: Some(Stage { auto_deploy: true, throttle: throttle(), exceptions }),
        };
        let wanted = BTreeSet::from(["GET /a", "POST /v1/hit"]);
        assert_eq!(stale_settings(&parts, &wanted, &["ours".to_owned()]), ["GET /old", "GET /gone"]);
    }
}
